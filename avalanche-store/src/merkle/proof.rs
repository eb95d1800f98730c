//! Proof that one key has a value, or none.
//!
//! ```text
//!   version 1 | form u8 | depth u16 | bitmap, a bit a level | siblings, 32 each
//!             | form 2: key hash 32, value hash 32
//!
//!   form 0: the key is there       the path ends at its own leaf
//!   form 1: the key is absent      the path ends at an empty subtree
//!   form 2: the key is absent      the path ends at the leaf named at the end, which is another
//! ```
//!
//! The path goes from the root down `depth` levels, along the bits of the key hash. Bit i of the
//! bitmap (least significant first in each byte) says that the sibling at depth i + 1 is not empty,
//! and only such siblings are listed, topmost first. Unused bits are zero. Numbers are
//! little-endian. A root and a key have exactly one proof.

use super::fault::{Cursor, ProofFault};
use super::hash::{EMPTY, Hash, inner_hash, is_leaf, key_hash, leaf_hash, value_hash};
use super::path::{BITS, bit, shared_bits};

const VERSION: u8 = 1;

/// Proof that a key has a certain value, or that it has none. At most 8,324 bytes long; about 800
/// for a million keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// From the root down; [`EMPTY`] where nothing is beside the path.
    siblings: Vec<Hash>,
    end: End,
}

/// What a path ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Own,
    Empty,
    Other { key: Hash, value: Hash },
}

impl Proof {
    pub(super) const fn new(siblings: Vec<Hash>, end: End) -> Self {
        Self { siblings, end }
    }

    /// Whether it shows that the key is there.
    #[must_use]
    pub const fn is_inclusion(&self) -> bool {
        matches!(self.end, End::Own)
    }

    /// How many levels below the root the path ends.
    #[must_use]
    pub const fn depth(&self) -> usize {
        self.siblings.len()
    }

    /// Checks that below `root`, `key` has `value`, or is absent if `value` is `None`.
    ///
    /// # Errors
    ///
    /// [`ProofFault`]: nothing is shown, neither the claim nor its opposite.
    pub fn verify(&self, root: &Hash, key: &[u8], value: Option<&[u8]>) -> Result<(), ProofFault> {
        self.verify_hashes(root, &key_hash(key), value.map(value_hash).as_ref())
    }

    /// [`verify`](Self::verify) for a caller who has only the hashes of key and value.
    ///
    /// # Errors
    ///
    /// [`ProofFault`]: nothing is shown, neither the claim nor its opposite.
    pub fn verify_hashes(
        &self,
        root: &Hash,
        key: &Hash,
        value: Option<&Hash>,
    ) -> Result<(), ProofFault> {
        if self.depth() > BITS {
            return Err(ProofFault::TooDeep);
        }
        let mut hash = match (self.end, value) {
            (End::Own, Some(value)) => leaf_hash(key, value),
            (End::Empty, None) => EMPTY,
            (End::Other { key: other, value }, None) => {
                if other == *key || shared_bits(&other, key) < self.depth() {
                    return Err(ProofFault::WrongLeaf);
                }
                leaf_hash(&other, &value)
            }
            (End::Own, None) | (End::Empty | End::Other { .. }, Some(_)) => {
                return Err(ProofFault::WrongClaim);
            }
        };
        if let Some(lowest) = self.siblings.last() {
            // A leaf beside nothing, and nothing beside a leaf, would be one leaf further up; and
            // nothing beside nothing is nothing.
            let alone = *lowest == EMPTY || (hash == EMPTY && is_leaf(lowest));
            if alone {
                return Err(ProofFault::NotCanonical);
            }
        }
        for (depth, sibling) in self.siblings.iter().enumerate().rev() {
            hash = if bit(key, depth) {
                inner_hash(sibling, &hash)
            } else {
                inner_hash(&hash, sibling)
            };
        }
        if hash == *root { Ok(()) } else { Err(ProofFault::WrongRoot) }
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let form = match self.end {
            End::Own => 0,
            End::Empty => 1,
            End::Other { .. } => 2,
        };
        let mut bytes = vec![VERSION, form];
        // Verifying refuses a deeper one, and nothing here makes one.
        bytes.extend(u16::try_from(self.depth()).unwrap_or(u16::MAX).to_le_bytes());
        for eight in self.siblings.chunks(8) {
            let bits = eight.iter().enumerate();
            bytes.push(bits.map(|(i, sibling)| u8::from(*sibling != EMPTY) << i).sum());
        }
        for sibling in self.siblings.iter().filter(|sibling| **sibling != EMPTY) {
            bytes.extend(sibling);
        }
        if let End::Other { key, value } = self.end {
            bytes.extend(key);
            bytes.extend(value);
        }
        bytes
    }

    /// The proof that `bytes` are, if they are one and nothing else.
    ///
    /// # Errors
    ///
    /// [`ProofFault`]. That a proof can be read does not mean that it shows anything.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofFault> {
        let mut cursor = Cursor(bytes);
        let version = cursor.byte()?;
        if version != VERSION {
            return Err(ProofFault::Version(version));
        }
        let form = cursor.byte()?;
        let depth = usize::from(u16::from_le_bytes(cursor.array()?));
        if depth > BITS {
            return Err(ProofFault::TooDeep);
        }
        let bitmap = cursor.take(depth.div_ceil(8))?;
        if !depth.is_multiple_of(8) && bitmap.last().is_some_and(|byte| byte >> (depth % 8) != 0) {
            return Err(ProofFault::NotCanonical);
        }
        let mut siblings = Vec::with_capacity(depth);
        for i in 0..depth {
            let present = bitmap.get(i / 8).is_some_and(|byte| byte >> (i % 8) & 1 == 1);
            let sibling = if present { cursor.array()? } else { EMPTY };
            if present && sibling == EMPTY {
                return Err(ProofFault::NotCanonical);
            }
            siblings.push(sibling);
        }
        let end = match form {
            0 => End::Own,
            1 => End::Empty,
            2 => End::Other { key: cursor.array()?, value: cursor.array()? },
            _ => return Err(ProofFault::UnknownForm(form)),
        };
        cursor.end()?;
        Ok(Self { siblings, end })
    }
}
