//! Nodes as records.
//!
//! The layout is our own: a record is written for each dirty node, and is a third shorter than one
//! with inner hashes, which reading computes anew to compare them with what the parent says.
//!
//! ```text
//!   version 1 | occupied u16 | leaves u16 | for each occupied slot, ascending
//!                                             leaf: key hash 32, value hash 32
//!                                             node: height written u64, hash 32
//! ```
//! All numbers are little-endian.

use super::super::cells::Cells;
use super::super::hash::{Hash, is_leaf};
use super::super::path::{NIBBLES, Path, nibble};
use super::super::seen::Seen;
use super::{Item, Kind, Leaf, NOT_LOADED, Node, Packed, Ref};

/// The version of a node's record.
const VERSION: u8 = 1;

/// Why bytes are no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// Written by a later release.
    Version(u8),
    /// Not a node's bytes, or not of the node that its parent means.
    Bytes(&'static str),
}

impl Node {
    /// The record of this node, which is whole.
    pub(crate) fn record(&self) -> Vec<u8> {
        let (leaves, nodes) = (self.shape.leaves.count_ones(), self.shape.nodes().count_ones());
        let mut record = Vec::with_capacity((5 + 64 * leaves + 40 * nodes) as usize);
        record.push(VERSION);
        record.extend(self.shape.occupied.to_le_bytes());
        record.extend(self.shape.leaves.to_le_bytes());
        for slot in self.shape.slots() {
            if self.shape.kind(slot) == Kind::Leaf {
                let (key, value) = self.leaf_pair(slot);
                record.extend(key);
                record.extend(value);
            } else {
                record.extend(self.node(slot).born.to_le_bytes());
                record.extend(self.hash_at(16 + slot));
            }
        }
        record
    }

    /// The node of a record, if it is the one at `path` whose hash is `expected`.
    pub(crate) fn decode(bytes: &[u8], path: &Path, expected: &Hash) -> Result<Self, Malformed> {
        const SHORT: Malformed = Malformed::Bytes("a node's record is cut short");
        let (version, rest) = bytes.split_first().ok_or(SHORT)?;
        if *version != VERSION {
            return Err(Malformed::Version(*version));
        }
        let (occupied, rest) = rest.split_first_chunk().ok_or(SHORT)?;
        let (leaves, mut rest) = rest.split_first_chunk().ok_or(SHORT)?;
        let (occupied, leaves) = (u16::from_le_bytes(*occupied), u16::from_le_bytes(*leaves));
        if leaves & !occupied != 0 {
            return Err(Malformed::Bytes("a node's record has leaves in empty slots"));
        }
        let mut items = [Item::Empty; 16];
        for (slot, item) in items.iter_mut().enumerate() {
            if occupied >> slot & 1 == 0 {
                continue;
            }
            *item = if leaves >> slot & 1 == 1 {
                let (key, after) = rest.split_first_chunk().ok_or(SHORT)?;
                let (value, after) = after.split_first_chunk().ok_or(SHORT)?;
                rest = after;
                if Path::of(key, path.depth()) != *path || nibble(key, path.depth()) != slot {
                    return Err(Malformed::Bytes("a node's record has a leaf of another place"));
                }
                Item::Leaf(Leaf::new(*key, *value))
            } else {
                let (born, after) = rest.split_first_chunk().ok_or(SHORT)?;
                let (hash, after) = after.split_first_chunk().ok_or(SHORT)?;
                rest = after;
                if is_leaf(hash) || path.depth() + 1 >= NIBBLES {
                    return Err(Malformed::Bytes("a node's record names a node that cannot be"));
                }
                let born = u64::from_le_bytes(*born);
                Item::Inner { hash: *hash, at: Ref { slot: NOT_LOADED, serial: 0, born } }
            };
        }
        if !rest.is_empty() {
            return Err(Malformed::Bytes("a node's record has bytes too many"));
        }
        let none = Self::default();
        match Self::pack(&items, u32::MAX, Seen::alone(&none), &mut Cells::default(), false).0 {
            Packed::Node(node, hash) if hash == *expected => Ok(node),
            _ => Err(Malformed::Bytes("a node's hash is not what its parent or root says")),
        }
    }
}
