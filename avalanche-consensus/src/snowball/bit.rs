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
pub(crate) struct Pair<T> {
    zero: T,
    one: T,
}

impl<T> Pair<T> {
    /// `at` for `bit`, `other` for the other bit.
    pub(crate) fn new(bit: Bit, at: T, other: T) -> Self {
        match bit {
            Bit::Zero => Self { zero: at, one: other },
            Bit::One => Self { zero: other, one: at },
        }
    }

    /// The value for `bit`.
    pub(crate) const fn get(&self, bit: Bit) -> &T {
        match bit {
            Bit::Zero => &self.zero,
            Bit::One => &self.one,
        }
    }

    /// The value for `bit`, to be changed.
    pub(crate) const fn get_mut(&mut self, bit: Bit) -> &mut T {
        match bit {
            Bit::Zero => &mut self.zero,
            Bit::One => &mut self.one,
        }
    }
}
