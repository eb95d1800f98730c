//! Bytes of a segment, format version 1. All numbers are little-endian.
//!
//! ```text
//!   segment "<first height, 20 digits>.log"
//!   +------------------+--------+--------+ - - +--------+ - - - +
//!   | segment head, 64 | record | record |     | record | mark  |
//!   +------------------+--------+--------+ - - +--------+ - - - +
//!
//!   segment head                       record head (96), then the block's bytes
//!    0  8  "avlogseg"                   0  4  marker
//!    8  4  format version               4  4  length of the block's bytes
//!   12  4  zero                         8  8  height
//!   16  8  first height                16 32  id
//!   24 16  identity, drawn anew        48  8  durable_before, an offset in this segment
//!   40 16  zero                        56  8  check: keyed BLAKE3 of 0..56 and the offset
//!   56  8  check: BLAKE3 of 0..56      64 32  checksum: keyed BLAKE3 of the offset, 0..64 and
//!                                             the block's bytes
//! ```
//!
//! Both keys are derived from identity and first height, so that bytes of another segment, or of
//! another place, never pass. `durable_before` says up to where the segment was known to be on the
//! disk when the record was written: an unreadable record below it was damaged, not torn.
//!
//! A **mark** is a record head with another marker, no bytes, and `durable_before` equal to its
//! own offset. It is written after each sync, at the end, without a sync of its own, and the next
//! record overwrites it: it spares the next opening the work of proving the tail.
//!
//! Every later version keeps the first 64 bytes: magic, version and check stay where they are.

use avalanche_consensus::Id;

pub(super) const VERSION: u32 = 1;
/// Bytes before the first record.
pub(super) const SEGMENT_HEAD: u64 = 64;
/// Bytes before a block's own.
pub(super) const RECORD_HEAD: u64 = 96;
pub(super) const SEGMENT_HEAD_BYTES: usize = 64;
pub(super) const RECORD_HEAD_BYTES: usize = 96;
/// How records and marks begin. Only a hint where to look: the check decides.
pub(super) const HEAD_HINT: [u8; 3] = [0xb1, 0x0c, 0xca];
const RECORD_MARKER: [u8; 4] = [0xb1, 0x0c, 0xca, 0xfe];
const MARK_MARKER: [u8; 4] = [0xb1, 0x0c, 0xca, 0x5e];
const SEGMENT_MAGIC: [u8; 8] = *b"avlogseg";

const HEAD_CONTEXT: &str = "avalanche/store/log-segment-head/v1";
const CHECK_CONTEXT: &str = "avalanche/store/log-record-check/v1";
const CHECKSUM_CONTEXT: &str = "avalanche/store/log-record-checksum/v1";

/// Distinguishes a segment from every other one, of the same name, too.
pub(super) type Identity = [u8; 16];

/// What the first bytes of a segment are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SegmentHead {
    Valid { first: u64, identity: Identity },
    Version(u32),
    Damaged,
}

/// The first bytes of a segment.
pub(super) fn encode_segment_head(first: u64, identity: &Identity) -> [u8; SEGMENT_HEAD_BYTES] {
    let [version, zero] = [VERSION.to_le_bytes(), [0; 4]];
    let start: [u8; 56] =
        pack(&[&SEGMENT_MAGIC, &version, &zero, &first.to_le_bytes(), identity, &[0; 16]]);
    pack(&[&start, &segment_check(&start)])
}

/// Reads the first bytes of a segment.
pub(super) fn decode_segment_head(bytes: &[u8]) -> SegmentHead {
    let parse = || {
        let (start, rest) = bytes.split_first_chunk::<56>()?;
        let check = rest.first_chunk::<8>()?;
        let mut fields = Fields(start);
        let magic = fields.take::<8>()?;
        if magic != SEGMENT_MAGIC || *check != segment_check(start) {
            return None;
        }
        let version = fields.u32()?;
        if version != VERSION {
            return Some(SegmentHead::Version(version));
        }
        let zero = fields.take::<4>()?;
        let head = SegmentHead::Valid { first: fields.u64()?, identity: fields.take()? };
        (zero == [0; 4] && fields.0.iter().all(|byte| *byte == 0)).then_some(head)
    };
    parse().unwrap_or(SegmentHead::Damaged)
}

fn segment_check(start: &[u8; 56]) -> [u8; 8] {
    short(&blake3::derive_key(HEAD_CONTEXT, start))
}

/// The keys that records of one segment are checked with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    check: [u8; 32],
    checksum: [u8; 32],
}

impl Keys {
    pub(super) fn new(first: u64, identity: &Identity) -> Self {
        let material: [u8; 24] = pack(&[identity, &first.to_le_bytes()]);
        Self {
            check: blake3::derive_key(CHECK_CONTEXT, &material),
            checksum: blake3::derive_key(CHECKSUM_CONTEXT, &material),
        }
    }

    fn check(&self, start: &[u8; 56], offset: u64) -> [u8; 8] {
        let material: [u8; 64] = pack(&[start, &offset.to_le_bytes()]);
        short(blake3::keyed_hash(&self.check, &material).as_bytes())
    }

    /// A hasher that has seen all but the block's bytes.
    pub(super) fn checksum(&self, start: &[u8], offset: u64) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.checksum);
        hasher.update(&offset.to_le_bytes()).update(start);
        hasher
    }
}

/// What a record says before its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHead {
    pub(super) bytes: u32,
    pub(super) height: u64,
    pub(super) id: Id,
    pub(super) durable_before: u64,
}

/// A head that passed its check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    Record(RecordHead),
    /// Everything before its own offset is on the disk.
    Mark {
        /// The height that follows.
        next: u64,
    },
}

impl RecordHead {
    /// The head of a record with these bytes, at this offset.
    pub(super) fn encode(&self, keys: &Keys, offset: u64, bytes: &[u8]) -> [u8; RECORD_HEAD_BYTES] {
        let start = self.encode_start(RECORD_MARKER, keys, offset);
        let mut hasher = keys.checksum(&start, offset);
        hasher.update(bytes);
        pack(&[&start, hasher.finalize().as_bytes()])
    }

    fn encode_start(&self, marker: [u8; 4], keys: &Keys, offset: u64) -> [u8; 64] {
        let start: [u8; 56] = pack(&[
            &marker,
            &self.bytes.to_le_bytes(),
            &self.height.to_le_bytes(),
            self.id.as_bytes(),
            &self.durable_before.to_le_bytes(),
        ]);
        pack(&[&start, &keys.check(&start, offset)])
    }

    /// Where the record ends.
    pub(super) fn end(&self, offset: u64) -> u64 {
        offset.saturating_add(RECORD_HEAD).saturating_add(u64::from(self.bytes))
    }
}

/// The bytes of a mark at this offset.
pub(super) fn encode_mark(keys: &Keys, offset: u64, next: u64) -> [u8; RECORD_HEAD_BYTES] {
    let mark = RecordHead { bytes: 0, height: next, id: Id::EMPTY, durable_before: offset };
    let start = mark.encode_start(MARK_MARKER, keys, offset);
    let checksum = keys.checksum(&start, offset).finalize();
    pack(&[&start, checksum.as_bytes()])
}

/// Reads the head at this offset, if it passes its check.
pub(super) fn decode_head(keys: &Keys, offset: u64, bytes: &[u8]) -> Option<Head> {
    let (start, rest) = bytes.split_first_chunk::<56>()?;
    let (check, rest) = rest.split_first_chunk::<8>()?;
    let mut fields = Fields(start);
    let marker = fields.take::<4>()?;
    if (marker != RECORD_MARKER && marker != MARK_MARKER) || *check != keys.check(start, offset) {
        return None;
    }
    let record = RecordHead {
        bytes: fields.u32()?,
        height: fields.u64()?,
        id: Id::new(fields.take()?),
        durable_before: fields.u64()?,
    };
    if marker == RECORD_MARKER {
        return Some(Head::Record(record));
    }
    let checksum = keys.checksum(bytes.get(..64)?, offset).finalize();
    (rest.first_chunk::<32>()? == checksum.as_bytes()).then_some(Head::Mark { next: record.height })
}

/// The file name of a segment.
pub(super) fn segment_name(first: u64) -> String {
    format!("{first:020}.log")
}

/// The file name of a segment's index.
pub(super) fn index_name(first: u64) -> String {
    format!("{first:020}.idx")
}

/// The first height that a segment's file name states.
pub(super) fn parse_segment_name(name: &str) -> Option<u64> {
    let first = name.strip_suffix(".log")?.parse().ok()?;
    (segment_name(first) == name).then_some(first)
}

/// Numbers and arrays, in order.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

/// Parts one after another; they fill the array exactly.
pub(super) fn pack<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut packed = [0; N];
    let mut left = packed.as_mut_slice();
    for part in parts {
        debug_assert!(part.len() <= left.len(), "parts longer than the array");
        let taken = std::mem::take(&mut left);
        let Some((to, rest)) = taken.split_at_mut_checked(part.len()) else { break };
        to.copy_from_slice(part);
        left = rest;
    }
    debug_assert!(left.is_empty(), "parts shorter than the array");
    packed
}

/// The first 8 bytes of a hash.
fn short(hash: &[u8; 32]) -> [u8; 8] {
    hash.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: fn() -> Keys = || Keys::new(7, &[1; 16]);

    #[test]
    fn heads_are_read_back_only_where_they_were_written() {
        let record = RecordHead { bytes: 3, height: 9, id: Id::new([4; 32]), durable_before: 64 };
        let bytes = record.encode(&KEYS(), 160, b"abc");
        assert_eq!(decode_head(&KEYS(), 160, &bytes), Some(Head::Record(record)));
        assert_eq!(decode_head(&KEYS(), 161, &bytes), None, "another place");
        assert_eq!(decode_head(&Keys::new(8, &[1; 16]), 160, &bytes), None, "another height");
        assert_eq!(decode_head(&Keys::new(7, &[2; 16]), 160, &bytes), None, "another identity");
        for at in 0..64 {
            let mut flipped = bytes;
            flipped[at] ^= 1;
            assert_eq!(decode_head(&KEYS(), 160, &flipped), None, "byte {at}");
        }
        let mark = encode_mark(&KEYS(), 160, 10);
        assert_eq!(decode_head(&KEYS(), 160, &mark), Some(Head::Mark { next: 10 }));
        for at in 0..RECORD_HEAD_BYTES {
            let mut flipped = mark;
            flipped[at] ^= 1;
            assert_eq!(decode_head(&KEYS(), 160, &flipped), None, "byte {at}");
        }
    }

    #[test]
    fn a_segment_head_with_any_flipped_bit_is_damaged() {
        let bytes = encode_segment_head(7, &[1; 16]);
        let valid = SegmentHead::Valid { first: 7, identity: [1; 16] };
        assert_eq!(decode_segment_head(&bytes), valid);
        for bit in 0..SEGMENT_HEAD_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode_segment_head(&flipped), SegmentHead::Damaged, "bit {bit}");
        }
        for cut in 0..SEGMENT_HEAD_BYTES {
            assert_eq!(decode_segment_head(&bytes[..cut]), SegmentHead::Damaged);
        }
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let mut start: [u8; 56] = *encode_segment_head(7, &[1; 16]).first_chunk().expect("56");
        start[8] = 2;
        let later: [u8; 64] = pack(&[&start, &segment_check(&start)]);
        assert_eq!(decode_segment_head(&later), SegmentHead::Version(2));
    }

    #[test]
    fn only_names_as_we_write_them_are_segments() {
        assert_eq!(parse_segment_name(&segment_name(u64::MAX)), Some(u64::MAX));
        for other in ["1.log", "lock", "+0000000000000000001.log", "00000000000000000001.idx"] {
            assert_eq!(parse_segment_name(other), None, "{other}");
        }
    }
}
