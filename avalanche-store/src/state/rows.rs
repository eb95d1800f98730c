//! The rows of a state in its store.
//!
//! ```text
//!   m                                  heights: the last, the oldest kept   codec record
//!   r height                           root at a height                     codec record
//!   n height path                      node written at a height             merkle node record
//!   v key-hash !height                 value written at a height            value record
//!   s height chunk                     nodes stale since a height          version, (height path)*
//!   j height chunk                     keys written at a height             version, key-hash*
//!   i                                  an import that is under way          codec record
//!
//!   value record: version 1 | 0 deleted, 1 there | key length u32 | key | value
//! ```
//!
//! Heights are big-endian, so that rows of a height lie together and new ones at the end;
//! `!height` is the complement, so that the newest value comes first. Rows that are written for
//! each dirty key or node have fixed layouts for speed; others go through the codec.

use bincode::{Decode, Encode};

use crate::merkle::{Hash, Leaf, NOT_LOADED, Path, Ref, Root};
use crate::{Error, KeyRange};

use super::core::Core;

/// The most bytes of a row that lists nodes or keys.
const CHUNK_BYTES: usize = 4096;
/// The version of lists and value records.
const VERSION: u8 = 1;

pub(super) const META: [u8; 1] = *b"m";
pub(super) const IMPORT: [u8; 1] = *b"i";

/// Which heights a state has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Meta {
    /// The accepted height, and the oldest that is kept.
    pub(super) heights: Option<(u64, u64)>,
    /// Rows above the accepted height are still being removed.
    pub(super) trimming: bool,
}

/// A root as a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) enum RootRecord {
    Empty,
    Leaf { key: Hash, value: Hash },
    Node { hash: Hash, born: u64 },
}

/// An import that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct ImportRecord {
    pub(super) height: u64,
    /// What the root has to be.
    pub(super) target: Hash,
    /// What has been built so far.
    pub(super) root: RootRecord,
    /// The key hash to go on from; `None` when all is there.
    pub(super) next: Option<Hash>,
}

impl From<&Root> for RootRecord {
    fn from(root: &Root) -> Self {
        match root {
            Root::Empty => Self::Empty,
            Root::Leaf(leaf) => Self::Leaf { key: leaf.key, value: leaf.value },
            Root::Node { hash, at } => Self::Node { hash: *hash, born: at.born },
        }
    }
}

impl From<RootRecord> for Root {
    fn from(record: RootRecord) -> Self {
        match record {
            RootRecord::Empty => Self::Empty,
            RootRecord::Leaf { key, value } => Self::Leaf(Leaf::new(key, value)),
            RootRecord::Node { hash, born } => {
                Self::Node { hash, at: Ref { slot: NOT_LOADED, serial: 0, born } }
            }
        }
    }
}

/// The rows of one kind from a height on, before another.
pub(super) fn heights(kind: u8, from: u64, before: Option<u64>) -> KeyRange {
    let row = |height: u64| [&[kind], height.to_be_bytes().as_slice()].concat();
    match before {
        Some(before) => KeyRange::between(row(from), row(before)),
        None => KeyRange::between(row(from), [kind + 1]),
    }
}

pub(super) fn root_key(height: u64) -> Vec<u8> {
    [b"r", height.to_be_bytes().as_slice()].concat()
}

pub(super) fn node_key(born: u64, path: &Path) -> Vec<u8> {
    let mut key = Vec::with_capacity(42);
    key.push(b'n');
    key.extend(born.to_be_bytes());
    path.encode(&mut key);
    key
}

pub(super) fn value_key(key: &Hash, height: u64) -> Vec<u8> {
    let mut row = Vec::with_capacity(41);
    row.push(b'v');
    row.extend(key);
    row.extend((!height).to_be_bytes());
    row
}

/// Versions of a value that were written at `height` or earlier, newest first.
pub(super) fn values(key: &Hash, height: u64) -> KeyRange {
    let mut end = value_key(key, 0);
    end.push(0);
    KeyRange::between(value_key(key, height), end)
}

/// The height of a row, for kinds whose keys have it first.
pub(super) fn height_of(row: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*row.get(1..)?.first_chunk()?))
}

pub(super) fn value_record(key: &[u8], value: Option<&[u8]>) -> Vec<u8> {
    let mut record = Vec::with_capacity(6 + key.len() + value.map_or(0, <[u8]>::len));
    record.extend([VERSION, u8::from(value.is_some())]);
    record.extend(u32::try_from(key.len()).unwrap_or(u32::MAX).to_le_bytes());
    record.extend(key);
    record.extend(value.unwrap_or_default());
    record
}

/// A key and, if it was not deleted, its value.
pub(super) type Versioned = (Vec<u8>, Option<Vec<u8>>);

pub(super) fn read_value<K>(core: &Core<K>, record: &[u8]) -> Result<Versioned, Error> {
    let parse = || {
        let (flag, rest) = record.get(1..)?.split_first()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (key, value) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        match flag {
            0 if value.is_empty() => Some((key.to_vec(), None)),
            1 => Some((key.to_vec(), Some(value.to_vec()))),
            _ => None,
        }
    };
    core.check_version(record.first(), VERSION)?;
    parse().ok_or_else(|| core.corrupt("a value's record is malformed"))
}

/// Writes parts into rows of bounded size, numbered within a height.
pub(super) struct Chunks {
    kind: u8,
    height: u64,
    number: u32,
    bytes: Vec<u8>,
}

impl Chunks {
    pub(super) fn new(kind: u8, height: u64) -> Self {
        Self { kind, height, number: 0, bytes: vec![VERSION] }
    }

    pub(super) fn push(&mut self, batch: &mut crate::Batch, part: &[u8]) {
        if self.bytes.len() + part.len() > CHUNK_BYTES {
            self.flush(batch);
        }
        self.bytes.extend(part);
    }

    fn flush(&mut self, batch: &mut crate::Batch) {
        let height = self.height.to_be_bytes();
        let number = self.number.to_be_bytes();
        let key = [&[self.kind], height.as_slice(), &number].concat();
        batch.put(key, std::mem::replace(&mut self.bytes, vec![VERSION]));
        self.number += 1;
    }

    pub(super) fn finish(mut self, batch: &mut crate::Batch) {
        if self.bytes.len() > 1 {
            self.flush(batch);
        }
    }
}

/// The nodes that a row of stale nodes lists, as keys of their rows.
pub(super) fn read_stale<K>(core: &Core<K>, record: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    core.check_version(record.first(), VERSION)?;
    let mut rest = record.get(1..).unwrap_or_default();
    let mut keys = Vec::new();
    while !rest.is_empty() {
        let parsed = rest.split_first_chunk().and_then(|(born, rest)| {
            let (path, rest) = Path::decode(rest)?;
            Some((node_key(u64::from_be_bytes(*born), &path), rest))
        });
        let (key, after) =
            parsed.ok_or_else(|| core.corrupt("a list of stale nodes is malformed"))?;
        keys.push(key);
        rest = after;
    }
    Ok(keys)
}

/// The key hashes that a row of written keys lists.
pub(super) fn read_written<'a, K>(core: &Core<K>, record: &'a [u8]) -> Result<&'a [Hash], Error> {
    core.check_version(record.first(), VERSION)?;
    match record.get(1..).unwrap_or_default().as_chunks() {
        (keys, []) => Ok(keys),
        _ => Err(core.corrupt("a list of written keys is malformed")),
    }
}
