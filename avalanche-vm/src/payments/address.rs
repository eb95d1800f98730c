//! Names of accounts.

use std::fmt;
use std::str::FromStr;

use avalanche_consensus::{Id, ParseError};

/// The name of an account: the ed25519 public key that its transfers are signed with, as it is.
///
/// Its text form is CB58, as of an [`Id`]; 64 hexadecimal digits are read, too. Order is that of
/// the bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address([u8; 32]);

impl Address {
    /// The account of this public key. Bytes that are no point of the curve name an account, too,
    /// which nobody can spend from.
    #[must_use]
    pub const fn new(public_key: [u8; 32]) -> Self {
        Self(public_key)
    }

    /// The public key, which is its key in the state as well.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Address {
    fn from(public_key: [u8; 32]) -> Self {
        Self(public_key)
    }
}

impl AsRef<[u8]> for Address {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Address {
    type Err = ParseError;

    /// CB58 or hexadecimal, as for an [`Id`].
    fn from_str(text: &str) -> Result<Self, ParseError> {
        text.parse::<Id>().map(|id| Self(*id.as_bytes()))
    }
}

/// CB58.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Id::new(self.0), f)
    }
}

impl fmt::LowerHex for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&Id::new(self.0), f)
    }
}

/// Hexadecimal.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Id::new(self.0), f)
    }
}
