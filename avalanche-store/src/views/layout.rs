//! Rows of a versioned store.
//!
//! ```text
//!   prefix 00                                     heights: a local record
//!   prefix 01 escaped(key) 00 01 inverted(height)    value 01, or 00 for a deletion
//!
//!   escaped    each byte 00 becomes 00 FF, so that 00 01 ends the key and order is kept
//!   inverted   all bits flipped, 8 bytes big-endian: the newest version comes first
//! ```

use std::ops::Bound;
use std::path::PathBuf;

use crate::{Error, KeyRange};

const HEIGHTS: u8 = 0;
const ROWS: u8 = 1;
/// Ends an escaped key.
const END: [u8; 2] = [0, 1];
/// Right behind every row of a key.
const BEHIND: [u8; 2] = [0, 2];
const ESCAPED_ZERO: u8 = 0xff;

const HEIGHT_BYTES: usize = 8;
/// What a row's key has more than the prefix and the escaped key.
const KEY_BYTES_MORE: usize = 1 + END.len() + HEIGHT_BYTES;
/// What a row's value has more than the value.
pub(super) const VALUE_BYTES_MORE: usize = 1;

const DELETED: u8 = 0;
const PRESENT: u8 = 1;

/// Names rows below a prefix.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    prefix: Vec<u8>,
}

impl Layout {
    pub(super) const fn new(prefix: Vec<u8>) -> Self {
        Self { prefix }
    }

    /// The longest key whose row's key has at most `max` bytes, whatever its bytes are.
    pub(super) const fn key_bytes_max(&self, max: usize) -> usize {
        max.saturating_sub(self.prefix.len() + KEY_BYTES_MORE) / 2
    }

    /// The key of the record of heights.
    pub(super) fn heights(&self) -> Vec<u8> {
        self.with(HEIGHTS, 0)
    }

    /// The key of the row of `key` at `height`.
    pub(super) fn row(&self, key: &[u8], height: u64) -> Vec<u8> {
        let mut row = self.key(key, END);
        row.extend_from_slice(&(!height).to_be_bytes());
        row
    }

    /// Right before every row of `key`.
    pub(super) fn before(&self, key: &[u8]) -> Vec<u8> {
        self.key(key, END)
    }

    /// Right behind every row of `key`.
    pub(super) fn behind(&self, key: &[u8]) -> Vec<u8> {
        self.key(key, BEHIND)
    }

    /// Rows of `key` at `height` and below, newest first.
    pub(super) fn up_to(&self, key: &[u8], height: u64) -> KeyRange {
        KeyRange::between(self.row(key, height), self.behind(key))
    }

    /// The rows of all keys in a range.
    pub(super) fn range(&self, range: &KeyRange) -> KeyRange {
        if range.is_empty() {
            return KeyRange::none();
        }
        let start = match &range.start {
            Bound::Unbounded => self.with(ROWS, 0),
            Bound::Included(key) => self.before(key),
            Bound::Excluded(key) => self.behind(key),
        };
        let end = match &range.end {
            Bound::Unbounded => self.with(ROWS + 1, 0),
            Bound::Included(key) => self.behind(key),
            Bound::Excluded(key) => self.before(key),
        };
        KeyRange::between(start, end)
    }

    /// Key and height of a row.
    pub(super) fn parse(&self, row: &[u8]) -> Result<(Vec<u8>, u64), Error> {
        self.parsed(row).ok_or_else(malformed)
    }

    fn parsed(&self, row: &[u8]) -> Option<(Vec<u8>, u64)> {
        let row = row.strip_prefix(self.prefix.as_slice())?.strip_prefix(&[ROWS])?;
        let (escaped, inverted) = row.split_last_chunk()?;
        let escaped = escaped.strip_suffix(&END)?;
        let mut key = Vec::with_capacity(escaped.len());
        let mut bytes = escaped.iter();
        while let Some(byte) = bytes.next() {
            key.push(*byte);
            if *byte == 0 && bytes.next() != Some(&ESCAPED_ZERO) {
                return None;
            }
        }
        Some((key, !u64::from_be_bytes(*inverted)))
    }

    fn key(&self, key: &[u8], end: [u8; 2]) -> Vec<u8> {
        let mut row = self.with(ROWS, key.len() + end.len() + HEIGHT_BYTES);
        for byte in key {
            row.push(*byte);
            if *byte == 0 {
                row.push(ESCAPED_ZERO);
            }
        }
        row.extend_from_slice(&end);
        row
    }

    fn with(&self, kind: u8, more: usize) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.prefix.len() + 1 + more);
        key.extend_from_slice(&self.prefix);
        key.push(kind);
        key
    }
}

/// The value of a row.
pub(super) fn seal(value: Option<Vec<u8>>) -> Vec<u8> {
    match value {
        Some(mut value) => {
            value.push(PRESENT);
            value
        }
        None => vec![DELETED],
    }
}

/// What a row's value says.
pub(super) fn unseal(mut value: Vec<u8>) -> Result<Option<Vec<u8>>, Error> {
    match (value.pop(), value.is_empty()) {
        (Some(PRESENT), _) => Ok(Some(value)),
        (Some(DELETED), true) => Ok(None),
        _ => Err(malformed()),
    }
}

pub(super) fn malformed() -> Error {
    Error::Corrupt {
        path: PathBuf::from("a versioned store"),
        offset: 0,
        what: "a row is none that this crate writes; another program wrote below its prefix",
    }
}
