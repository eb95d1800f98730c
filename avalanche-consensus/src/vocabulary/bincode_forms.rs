//! Bincode forms of the vocabulary, written by hand: the derive macro would add two crates.
//!
//! Bincode is for local bytes only, behind a version byte that the owner of the record writes. What
//! is hashed, signed or sent has a fixed layout of its own.

/// Implements bincode for a type that wraps one value of `$inner`.
macro_rules! bincode_as {
    ($name:ident, $inner:ty) => {
        impl bincode::Encode for $name {
            fn encode<E: bincode::enc::Encoder>(
                &self,
                to: &mut E,
            ) -> Result<(), bincode::error::EncodeError> {
                self.0.encode(to)
            }
        }

        impl<Context> bincode::Decode<Context> for $name {
            fn decode<D: bincode::de::Decoder<Context = Context>>(
                from: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                <$inner as bincode::Decode<Context>>::decode(from).map(Self)
            }
        }

        impl<'de, Context> bincode::BorrowDecode<'de, Context> for $name {
            fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = Context>>(
                from: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                <$inner as bincode::Decode<Context>>::decode(from).map(Self)
            }
        }
    };
}

pub(super) use bincode_as;
