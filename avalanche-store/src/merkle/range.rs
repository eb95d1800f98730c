//! Proof that certain entries are all there are in a range of key hashes.
//!
//! ```text
//!   version 1 | from 32 | bounded u8 | [end 32] | entries u32 | marks u16
//!     entry, in the order of key hashes:  key length u32 | value length u32 | key | value
//!     mark:  0                         a subtree on the edge, or outside, is empty
//!            1 key hash, value hash    it is one leaf, which lies outside the range
//!            2 hash                    it lies outside, and has two leaves or more
//!            3                         it is on the edge, and has two leaves or more
//!            4                         it is on the edge, and is one leaf: the next entry
//! ```
//!
//! The range goes from `from` up to, and without, `end`, or to the last key hash if `bounded` is 0.
//! Marks stand in the order of a walk from the root, parents first, left before right. Each subtree
//! that the walk meets lies inside the range (no mark: its entries are its leaves), outside, or on
//! the edge. Numbers are little-endian. A root and a range have exactly one proof.
//!
//! Why nothing can be left out: a leaf outside is listed with its key hash, which must lie outside;
//! an inner hash can stand only where no key hash of the range can be below; and a hash says itself
//! whether it is a leaf's. So a subtree on the edge cannot be passed off as one outside.

use super::Stream;
use super::fault::{Cursor, ProofFault};
use super::hash::{EMPTY, Hash, Part, is_leaf, key_hash, leaf_hash, value_hash};
use super::path::{BITS, shared_bits, successor};

const VERSION: u8 = 1;

/// Marks of a proof: at most two edges of 256 levels with two marks a level.
const MARKS_MAX: usize = 4 * BITS + 2;

/// A key and its value.
type Pair = (Vec<u8>, Vec<u8>);

/// What a range proof may hold. The side that makes it stops before a limit, but has at least one
/// entry if there is one; the side that reads it refuses what exceeds a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeLimits {
    /// The greatest number of entries.
    pub entries: usize,
    /// The greatest number of bytes of all keys and values.
    pub bytes: usize,
}

/// Proof that certain pairs are all whose key hashes lie in a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeProof {
    bounds: Bounds,
    entries: Vec<Pair>,
    marks: Vec<Mark>,
}

/// What a [`RangeProof`] showed. Nothing else makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRange {
    root: Hash,
    from: Hash,
    end: Option<Hash>,
    entries: Vec<Pair>,
    next: Option<Hash>,
}

impl VerifiedRange {
    /// The root below which they are.
    #[must_use]
    pub const fn root(&self) -> &Hash {
        &self.root
    }

    /// The key hash from which on these are all entries.
    #[must_use]
    pub const fn from(&self) -> &Hash {
        &self.from
    }

    /// The end that was asked for, exclusive.
    #[must_use]
    pub const fn end(&self) -> Option<&Hash> {
        self.end.as_ref()
    }

    /// Where to go on, if the proof stopped at a limit. Up to there, or else up to the end that was
    /// asked for, these are all entries.
    #[must_use]
    pub const fn next(&self) -> Option<Hash> {
        self.next
    }

    /// Keys and values, in the order of their key hashes.
    #[must_use]
    pub fn entries(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.entries
    }

    /// Keys and values, without a copy.
    #[must_use]
    pub fn into_entries(self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.entries
    }
}

/// A range of key hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The first key hash.
    pub(super) from: Hash,
    /// The first one beyond; `None` if there is none.
    pub(super) end: Option<Hash>,
}

/// How a subtree lies to a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Inside,
    Outside,
    Edge,
}

/// What a proof says of a subtree that is not inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Empty,
    Leaf { key: Hash, value: Hash },
    Inner(Hash),
    Descend,
    Entry,
}

impl Bounds {
    pub(super) fn contains(&self, key: &Hash) -> bool {
        self.from <= *key && self.end.is_none_or(|end| *key < end)
    }

    /// How the subtree of all key hashes that begin with the first `depth` bits of `prefix` lies.
    pub(super) fn side(&self, prefix: &Hash, depth: usize) -> Side {
        let (first, last) = span(prefix, depth);
        if last < self.from || self.end.is_some_and(|end| end <= first) {
            Side::Outside
        } else if self.from <= first && self.end.is_none_or(|end| last < end) {
            Side::Inside
        } else {
            Side::Edge
        }
    }
}

/// The least and the greatest key hash that begin with the first `depth` bits of `prefix`.
fn span(prefix: &Hash, depth: usize) -> (Hash, Hash) {
    let (mut first, mut last) = (*prefix, *prefix);
    for (at, (low, high)) in first.iter_mut().zip(&mut last).enumerate() {
        let kept = depth.saturating_sub(8 * at).min(8);
        let free = u8::MAX.checked_shr(u32::try_from(kept).unwrap_or(8)).unwrap_or(0);
        *low &= !free;
        *high |= free;
    }
    (first, last)
}

/// The prefix with bit `depth` set or cleared.
pub(super) fn with_bit(prefix: &Hash, depth: usize, right: bool) -> Hash {
    let mut prefix = *prefix;
    if let Some(byte) = prefix.get_mut(depth / 8) {
        let mask = 0x80 >> (depth % 8);
        *byte = if right { *byte | mask } else { *byte & !mask };
    }
    prefix
}

impl RangeProof {
    pub(super) const fn new(bounds: Bounds, entries: Vec<Pair>, marks: Vec<Mark>) -> Self {
        Self { bounds, entries, marks }
    }

    /// How many entries it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it shows that a range is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Checks that below `root`, the entries are all whose key hashes lie between `from` and, if
    /// given, `end` (exclusive), as far as the proof goes: a proof that stops earlier says where to
    /// go on, and has at least one entry.
    ///
    /// # Errors
    ///
    /// [`ProofFault`]: nothing is shown.
    pub fn verify(
        self,
        root: &Hash,
        from: &Hash,
        end: Option<&Hash>,
    ) -> Result<VerifiedRange, ProofFault> {
        let leaves: Vec<_> =
            self.entries.iter().map(|(key, value)| (key_hash(key), value_hash(value))).collect();
        let in_order = leaves.iter().zip(leaves.iter().skip(1)).all(|((a, _), (b, _))| a < b);
        if !in_order || !leaves.iter().all(|(key, _)| self.bounds.contains(key)) {
            return Err(ProofFault::WrongOrder);
        }
        let next = self.next(from, end, leaves.last().map(|(key, _)| key))?;
        let mut walk = Walk { bounds: self.bounds, leaves: &leaves, marks: &self.marks };
        let part = walk.subtree(&[0; 32], 0)?;
        if !walk.marks.is_empty() || !walk.leaves.is_empty() {
            return Err(ProofFault::WrongSiblings);
        }
        if part.hash() != *root {
            return Err(ProofFault::WrongRoot);
        }
        Ok(VerifiedRange {
            root: *root,
            from: *from,
            end: end.copied(),
            entries: self.entries,
            next,
        })
    }

    /// Where to go on, if this is a proof of the range or of a beginning of it.
    fn next(
        &self,
        from: &Hash,
        end: Option<&Hash>,
        last: Option<&Hash>,
    ) -> Result<Option<Hash>, ProofFault> {
        if self.bounds.from != *from {
            return Err(ProofFault::WrongRange);
        }
        if self.bounds.end.as_ref() == end {
            return Ok(None);
        }
        let stop = self.bounds.end.ok_or(ProofFault::WrongRange)?;
        let after_last = last.and_then(successor);
        if after_last != Some(stop) || end.is_some_and(|end| *end < stop) {
            return Err(ProofFault::WrongRange);
        }
        Ok(Some(stop))
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes();
        let mut bytes = vec![VERSION];
        bytes.extend(self.bounds.from);
        bytes.push(u8::from(self.bounds.end.is_some()));
        bytes.extend(self.bounds.end.iter().flatten());
        bytes.extend(count(self.entries.len()));
        bytes.extend(u16::try_from(self.marks.len()).unwrap_or(u16::MAX).to_le_bytes());
        for (key, value) in &self.entries {
            bytes.extend(count(key.len()));
            bytes.extend(count(value.len()));
            bytes.extend(key);
            bytes.extend(value);
        }
        for mark in &self.marks {
            match mark {
                Mark::Empty => bytes.push(0),
                Mark::Leaf { key, value } => {
                    bytes.push(1);
                    bytes.extend(key);
                    bytes.extend(value);
                }
                Mark::Inner(hash) => {
                    bytes.push(2);
                    bytes.extend(hash);
                }
                Mark::Descend => bytes.push(3),
                Mark::Entry => bytes.push(4),
            }
        }
        bytes
    }

    /// The proof that `bytes` are, if they are one within `limits` and nothing else. No more is
    /// allocated than twice the length of `bytes` and the limits allow.
    ///
    /// # Errors
    ///
    /// [`ProofFault`]. That a proof can be read does not mean that it shows anything.
    pub fn decode(bytes: &[u8], limits: RangeLimits) -> Result<Self, ProofFault> {
        let mut cursor = Cursor(bytes);
        let version = cursor.byte()?;
        if version != VERSION {
            return Err(ProofFault::Version(version));
        }
        let from = cursor.array()?;
        let end = match cursor.byte()? {
            0 => None,
            1 => Some(cursor.array()?),
            form => return Err(ProofFault::UnknownForm(form)),
        };
        let entry_count = length(&mut cursor)?;
        let mark_count = usize::from(u16::from_le_bytes(cursor.array()?));
        if entry_count > limits.entries || mark_count > MARKS_MAX {
            return Err(ProofFault::TooLarge);
        }
        let mut left = limits.bytes;
        let mut entries = Vec::new();
        for _ in 0..entry_count {
            let (key, value) = (length(&mut cursor)?, length(&mut cursor)?);
            let both = key.checked_add(value).ok_or(ProofFault::TooLarge)?;
            // One entry is always allowed: the other side cannot send less.
            left = match left.checked_sub(both) {
                Some(left) => left,
                None if entry_count == 1 => 0,
                None => return Err(ProofFault::TooLarge),
            };
            entries.push((cursor.take(key)?.to_vec(), cursor.take(value)?.to_vec()));
        }
        let mut marks = Vec::new();
        for _ in 0..mark_count {
            marks.push(match cursor.byte()? {
                0 => Mark::Empty,
                1 => Mark::Leaf { key: cursor.array()?, value: cursor.array()? },
                2 => Mark::Inner(cursor.array()?),
                3 => Mark::Descend,
                4 => Mark::Entry,
                form => return Err(ProofFault::UnknownForm(form)),
            });
        }
        cursor.end()?;
        Ok(Self { bounds: Bounds { from, end }, entries, marks })
    }
}

fn length(cursor: &mut Cursor<'_>) -> Result<usize, ProofFault> {
    usize::try_from(u32::from_le_bytes(cursor.array()?)).map_err(|_narrow| ProofFault::TooLarge)
}

/// The walk from the root that puts hashes together.
struct Walk<'a> {
    bounds: Bounds,
    leaves: &'a [(Hash, Hash)],
    marks: &'a [Mark],
}

impl Walk<'_> {
    fn mark(&mut self) -> Result<Mark, ProofFault> {
        let (mark, rest) = self.marks.split_first().ok_or(ProofFault::WrongSiblings)?;
        self.marks = rest;
        Ok(*mark)
    }

    /// Takes the entries that begin with the first `depth` bits of `prefix`.
    fn take_leaves(&mut self, prefix: &Hash, depth: usize) -> &[(Hash, Hash)] {
        let count = self.leaves.partition_point(|(key, _)| shared_bits(key, prefix) >= depth);
        let (taken, rest) = self.leaves.split_at(count);
        self.leaves = rest;
        taken
    }

    fn subtree(&mut self, prefix: &Hash, depth: usize) -> Result<Part, ProofFault> {
        let side = self.bounds.side(prefix, depth);
        if side == Side::Inside {
            let mut stream = Stream::default();
            for (key, value) in self.take_leaves(prefix, depth) {
                if !stream.push(key, leaf_hash(key, value)) {
                    return Err(ProofFault::WrongOrder);
                }
            }
            return Ok(stream.finish(depth));
        }
        match (self.mark()?, side) {
            (Mark::Empty, _) => Ok(Part::Empty),
            (Mark::Leaf { key, value }, _) => {
                if shared_bits(&key, prefix) < depth || self.bounds.contains(&key) {
                    return Err(ProofFault::WrongLeaf);
                }
                Ok(Part::Leaf(leaf_hash(&key, &value)))
            }
            (Mark::Inner(hash), Side::Outside) => {
                if is_leaf(&hash) || hash == EMPTY {
                    return Err(ProofFault::NotCanonical);
                }
                Ok(Part::Inner(hash))
            }
            (Mark::Descend, Side::Edge) => {
                let left = self.subtree(&with_bit(prefix, depth, false), depth + 1)?;
                let right = self.subtree(&with_bit(prefix, depth, true), depth + 1)?;
                match Part::of(left, right) {
                    part @ Part::Inner(_) => Ok(part),
                    Part::Empty | Part::Leaf(_) => Err(ProofFault::NotCanonical),
                }
            }
            (Mark::Entry, Side::Edge) => match self.take_leaves(prefix, depth) {
                [(key, value)] => Ok(Part::Leaf(leaf_hash(key, value))),
                _ => Err(ProofFault::WrongSiblings),
            },
            (Mark::Inner(_), _) | (Mark::Descend | Mark::Entry, _) => {
                Err(ProofFault::WrongSiblings)
            }
        }
    }
}
