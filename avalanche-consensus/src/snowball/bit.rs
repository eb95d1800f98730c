//! The two values of a binary instance.

use std::fmt;

/// One of the two values that a [`Binary`](super::Binary) instance decides between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Bit {
    /// The value 0.
    Zero = 0,
    /// The value 1.
    One = 1,
}

impl Bit {
    /// The value that this one is not.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Zero => Self::One,
            Self::One => Self::Zero,
        }
    }
}

impl From<bool> for Bit {
    fn from(one: bool) -> Self {
        if one { Self::One } else { Self::Zero }
    }
}

impl From<Bit> for bool {
    fn from(bit: Bit) -> Self {
        bit == Bit::One
    }
}

impl fmt::Display for Bit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "0",
            Self::One => "1",
        })
    }
}

/// Two values of a kind, one for each [`Bit`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pair<T>([T; 2]);

impl<T> Pair<T> {
    /// `at` for `bit`, `other` for the other bit.
    pub(crate) fn new(bit: Bit, at: T, other: T) -> Self {
        match bit {
            Bit::Zero => Self([at, other]),
            Bit::One => Self([other, at]),
        }
    }

    /// The value for `bit`.
    #[expect(clippy::indexing_slicing, reason = "a bit is 0 or 1; an index spares a branch")]
    pub(crate) const fn get(&self, bit: Bit) -> &T {
        &self.0[bit as usize]
    }

    /// The value for `bit`, to be changed.
    #[expect(clippy::indexing_slicing, reason = "a bit is 0 or 1; an index spares a branch")]
    pub(crate) const fn get_mut(&mut self, bit: Bit) -> &mut T {
        &mut self.0[bit as usize]
    }
}
