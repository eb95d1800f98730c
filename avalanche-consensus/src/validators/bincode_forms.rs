//! Bincode forms, for local bytes only: a validator as its two fields, a set as its validators.
//!
//! Written by hand, since the derive macro would add two crates.

use super::{Validator, ValidatorSet};
use bincode::de::{BorrowDecode, BorrowDecoder, Decode, Decoder};
use bincode::enc::{Encode, Encoder};
use bincode::error::{DecodeError, EncodeError};

impl Encode for Validator {
    fn encode<E: Encoder>(&self, to: &mut E) -> Result<(), EncodeError> {
        (self.node_id, self.weight).encode(to)
    }
}

impl<Context> Decode<Context> for Validator {
    fn decode<D: Decoder<Context = Context>>(from: &mut D) -> Result<Self, DecodeError> {
        let (node_id, weight) = Decode::decode(from)?;
        Ok(Self { node_id, weight })
    }
}

impl<'de, Context> BorrowDecode<'de, Context> for Validator {
    fn borrow_decode<D: BorrowDecoder<'de, Context = Context>>(
        from: &mut D,
    ) -> Result<Self, DecodeError> {
        Self::decode(from)
    }
}

impl Encode for ValidatorSet {
    fn encode<E: Encoder>(&self, to: &mut E) -> Result<(), EncodeError> {
        // As a vector is written, without making one.
        (self.len() as u64).encode(to)?;
        self.iter().try_for_each(|validator| validator.encode(to))
    }
}

impl<Context> Decode<Context> for ValidatorSet {
    fn decode<D: Decoder<Context = Context>>(from: &mut D) -> Result<Self, DecodeError> {
        let validators = Vec::<Validator>::decode(from)?;
        Self::try_from(validators).map_err(|error| DecodeError::OtherString(error.to_string()))
    }
}

impl<'de, Context> BorrowDecode<'de, Context> for ValidatorSet {
    fn borrow_decode<D: BorrowDecoder<'de, Context = Context>>(
        from: &mut D,
    ) -> Result<Self, DecodeError> {
        Self::decode(from)
    }
}
