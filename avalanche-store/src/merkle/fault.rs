//! What is wrong with a proof.

use std::{error, fmt};

/// Why a proof proves nothing. It came from somebody else, who is wrong or lies; nothing in this
/// process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofFault {
    /// The bytes end too early.
    Truncated,
    /// There are bytes after the end.
    TrailingBytes,
    /// Written in a layout that this release does not know.
    Version(u8),
    /// A byte that says which of several forms follows says none.
    UnknownForm(u8),
    /// Deeper than a key hash has bits.
    TooDeep,
    /// A number exceeds what the caller, or the form, allows.
    TooLarge,
    /// What is stated can be stated shorter, or a hash is of another kind than it is used as.
    NotCanonical,
    /// The leaf that takes the place of an absent key is that key's own, or of another place.
    WrongLeaf,
    /// The proof shows the opposite of what was claimed: the key is absent, or present.
    WrongClaim,
    /// The hashes do not lead to the root.
    WrongRoot,
    /// The proof is of another range than was asked for, or stops without reason.
    WrongRange,
    /// Entries are not in the order of their key hashes, or not inside the range.
    WrongOrder,
    /// There are fewer or more siblings than the range has.
    WrongSiblings,
}

impl fmt::Display for ProofFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the proof ends too early",
            Self::TrailingBytes => "the proof has bytes after its end",
            Self::Version(found) => {
                return write!(f, "the proof has version {found}, and this release reads 1");
            }
            Self::UnknownForm(found) => return write!(f, "the proof has a part of form {found}"),
            Self::TooDeep => "the proof is deeper than 256 levels",
            Self::TooLarge => "the proof exceeds its limits",
            Self::NotCanonical => "the proof is not in its canonical form",
            Self::WrongLeaf => "the leaf that shows an absence is not of that place",
            Self::WrongClaim => "the proof shows the opposite of the claim",
            Self::WrongRoot => "the proof does not lead to the root",
            Self::WrongRange => "the proof is not of the range that was asked for",
            Self::WrongOrder => "entries are out of order or outside the range",
            Self::WrongSiblings => "the proof has too few or too many siblings",
        })
    }
}

impl error::Error for ProofFault {}

/// Reads a layout from its beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, bytes: usize) -> Result<&'a [u8], ProofFault> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(ProofFault::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ProofFault> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(ProofFault::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, ProofFault> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(super) const fn end(&self) -> Result<(), ProofFault> {
        if self.0.is_empty() { Ok(()) } else { Err(ProofFault::TrailingBytes) }
    }
}
