//! The error of a batch: which signatures are bad.

use std::error::Error;
use std::fmt;

/// A batch with signatures that are not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSignatures {
    /// Ascending, never empty.
    indices: Vec<usize>,
    /// How many signatures the batch had.
    of: usize,
}

impl BadSignatures {
    /// The verdict on a batch of `of` items of which those at `indices`, ascending, are bad: good
    /// if there are none. For a [`Verifier`](super::Verifier) of your own.
    ///
    /// # Errors
    ///
    /// The bad signatures, if there are some.
    pub fn verdict(indices: Vec<usize>, of: usize) -> Result<(), Self> {
        if indices.is_empty() { Ok(()) } else { Err(Self { indices, of }) }
    }

    /// The indices of all items that are not valid, ascending; at least one.
    #[must_use]
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// How many items the batch had.
    #[must_use]
    pub const fn of(&self) -> usize {
        self.of
    }

    /// The indices, owned.
    #[must_use]
    pub fn into_indices(self) -> Vec<usize> {
        self.indices
    }
}

impl fmt::Display for BadSignatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { indices, of } = self;
        write!(f, "{} of {of} signatures are not valid", indices.len())?;
        indices.first().map_or(Ok(()), |first| write!(f, ", the first at index {first}"))
    }
}

impl Error for BadSignatures {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_how_many_and_where() {
        let refused = BadSignatures::verdict(vec![3, 9], 16).unwrap_err();
        assert_eq!(refused.to_string(), "2 of 16 signatures are not valid, the first at index 3");
        assert_eq!(refused.clone().into_indices(), refused.indices());
        assert_eq!(BadSignatures::verdict(Vec::new(), 16), Ok(()));
    }
}
