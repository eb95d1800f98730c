//! Heights of blocks.

use std::fmt;

/// The number of blocks between a block and genesis, which has height 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Height(u64);

impl Height {
    /// The height of genesis.
    pub const GENESIS: Self = Self(0);
    /// The greatest height that can be written down.
    pub const MAX: Self = Self(u64::MAX);

    /// Makes a height of its number.
    #[must_use]
    pub const fn new(height: u64) -> Self {
        Self(height)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The height of a child; `None` at [`Height::MAX`].
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(height) => Some(Self(height)),
            None => None,
        }
    }

    /// The height of the parent; `None` at genesis.
    #[must_use]
    pub const fn previous(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(height) => Some(Self(height)),
            None => None,
        }
    }
}

impl From<u64> for Height {
    fn from(height: u64) -> Self {
        Self(height)
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(feature = "bincode")]
super::bincode_as!(Height, u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_have_no_neighbour() {
        assert_eq!(Height::GENESIS.previous(), None);
        assert_eq!(Height::MAX.next(), None);
        assert_eq!(Height::new(4).next(), Some(Height::new(5)));
        assert_eq!(Height::new(4).previous(), Some(Height::new(3)));
    }
}
