//! Takes the octets of a batch apart as they come: each byte is copied once, into its transaction.

use bytes::Buf;

use super::failure::Failure;

/// Bytes of a length.
const LENGTH_BYTES: usize = 4;

/// What a batch may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchBounds {
    /// The most transactions.
    pub(super) count_max: usize,
    /// The longest transaction, in bytes.
    pub(super) transaction_bytes_max: usize,
}

/// The transactions of a batch so far, and the part of one at which it stands.
#[derive(Debug)]
pub(super) struct Batch {
    bounds: BatchBounds,
    done: Vec<Vec<u8>>,
    /// The length at which it stands, as far as it has come; whole if `current` is there.
    length: [u8; LENGTH_BYTES],
    length_read: usize,
    /// The transaction at which it stands, and how long it will be.
    current: Option<(Vec<u8>, usize)>,
}

impl Batch {
    pub(super) const fn new(bounds: BatchBounds) -> Self {
        let length = [0; LENGTH_BYTES];
        Self { bounds, done: Vec::new(), length, length_read: 0, current: None }
    }

    /// Takes a piece of the body.
    pub(super) fn push(&mut self, mut piece: &[u8]) -> Result<(), Failure> {
        while !piece.is_empty() {
            match &mut self.current {
                Some((transaction, length)) => {
                    let missing = *length - transaction.len();
                    let (part, rest) = piece.split_at(missing.min(piece.len()));
                    transaction.extend_from_slice(part);
                    piece = rest;
                    self.finish();
                }
                None => {
                    let missing = self.length.iter_mut().skip(self.length_read);
                    let taken = missing.zip(piece).map(|(to, from)| *to = *from).count();
                    self.length_read += taken;
                    piece.advance(taken);
                    if self.length_read == LENGTH_BYTES {
                        self.begin()?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The transactions, in their order.
    pub(super) fn end(self) -> Result<Vec<Vec<u8>>, Failure> {
        let index = self.done.len();
        let cut = |found: usize, of: usize, what: &str| {
            Err(Failure::bad(format!(
                "the batch ends within transaction {index}: {found} of {of} bytes of its {what}"
            )))
        };
        match self.current {
            Some((transaction, length)) => cut(transaction.len(), length, "octets"),
            None if self.length_read > 0 => cut(self.length_read, LENGTH_BYTES, "length"),
            None => Ok(self.done),
        }
    }

    /// A length is there.
    fn begin(&mut self) -> Result<(), Failure> {
        let index = self.done.len();
        let BatchBounds { count_max, transaction_bytes_max } = self.bounds;
        if index == count_max {
            return Err(too_many(count_max));
        }
        let length = u32::from_be_bytes(self.length);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > transaction_bytes_max {
            return Err(Failure::too_large(format!(
                "transaction {index} has {length} bytes by its length; at most \
                 {transaction_bytes_max} are allowed"
            )));
        }
        self.current = Some((Vec::with_capacity(length), length));
        self.finish();
        Ok(())
    }

    /// Sets the transaction aside if it is whole.
    fn finish(&mut self) {
        if let Some((transaction, _)) =
            self.current.take_if(|(transaction, length)| transaction.len() == *length)
        {
            self.done.push(transaction);
            self.length_read = 0;
        }
    }
}

/// 413: more transactions than are allowed.
pub(super) fn too_many(count_max: usize) -> Failure {
    Failure::too_large(format!(
        "the batch has more than {count_max} transactions, which is the most; send several"
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::frame;

    fn read(pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>, Failure> {
        let mut batch = Batch::new(BatchBounds { count_max: 4, transaction_bytes_max: 9 });
        pieces.iter().try_for_each(|piece| batch.push(piece))?;
        batch.end()
    }

    proptest! {
        #[test]
        fn however_a_batch_is_cut_the_same_comes_out(
            transactions in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..=9), 0..=4),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let body = frame(&transactions);
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
            at.extend([0, body.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|two| &body[two[0]..two[1]]).collect();
            prop_assert_eq!(read(&pieces).unwrap(), transactions);
        }

        #[test]
        fn any_bytes_are_a_batch_or_have_a_reason(body in prop::collection::vec(0_u8..12, 0..64)) {
            if let Ok(transactions) = read(&[&body]) {
                prop_assert_eq!(frame(&transactions), body);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (body, says) in [
            (vec![0, 0, 0, 1], "within transaction 0: 0 of 1 bytes of its octets"),
            (vec![0, 0, 0, 1, 7, 0], "within transaction 1: 1 of 4 bytes of its length"),
            (vec![0, 0, 0, 10, 7], "transaction 0 has 10 bytes by its length; at most 9"),
            (vec![255, 255, 255, 255], "4294967295 bytes"),
            (frame([[0_u8; 1]; 5]), "more than 4 transactions"),
        ] {
            let message = read(&[&body]).unwrap_err().to_string();
            assert!(message.contains(says), "{says:?} in {message}");
        }
    }
}
