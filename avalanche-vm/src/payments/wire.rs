//! Reading fixed layouts: big-endian integers and byte arrays, one after another.

use super::Refusal;

/// The version that every format of this VM has.
pub(super) const VERSION: u8 = 1;

/// Bytes that are read from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    what: &'static str,
    total: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of `bytes`, which should be a `what`.
    pub(super) const fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, total: bytes.len(), rest: bytes }
    }

    /// The next bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`] if there are fewer.
    pub(super) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Refusal> {
        let at = self.total - self.rest.len();
        let Some((taken, rest)) = self.rest.split_first_chunk() else {
            let (expected, found) = (at.saturating_add(N), self.total);
            let what = self.what;
            return Err(Refusal::Malformed {
                what,
                reason: "length in bytes",
                at,
                expected,
                found,
            });
        };
        self.rest = rest;
        Ok(taken)
    }

    /// The version, which has to be [`VERSION`].
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongVersion`]; [`Refusal::Malformed`] if there is none.
    pub(super) fn version(&mut self) -> Result<(), Refusal> {
        match self.array()? {
            [VERSION] => Ok(()),
            [found] => {
                Err(Refusal::WrongVersion { what: self.what, found: *found, expected: VERSION })
            }
        }
    }

    /// A big-endian integer of 8 bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`].
    pub(super) fn u64(&mut self) -> Result<u64, Refusal> {
        self.array().map(|bytes| u64::from_be_bytes(*bytes))
    }

    /// A count: a big-endian integer of 4 bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`].
    pub(super) fn count(&mut self) -> Result<usize, Refusal> {
        let count = self.array().map(|bytes| u32::from_be_bytes(*bytes))?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// The rest, which has to be `count` pieces of `N` bytes and no more.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`].
    pub(super) fn pieces<const N: usize>(self, count: usize) -> Result<&'a [[u8; N]], Refusal> {
        let (pieces, odd) = self.rest.as_chunks::<N>();
        if pieces.len() == count && odd.is_empty() {
            return Ok(pieces);
        }
        let at = self.total - self.rest.len();
        Err(Refusal::Malformed {
            what: self.what,
            reason: "length in bytes",
            at,
            expected: at.saturating_add(count.saturating_mul(N)),
            found: self.total,
        })
    }

    /// Nothing may be left.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`].
    pub(super) fn end(self) -> Result<(), Refusal> {
        self.pieces::<1>(0).map(drop)
    }
}
