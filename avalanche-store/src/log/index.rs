//! The index of a closed segment: a file beside it, derived from it, and never trusted blindly.
//!
//! ```text
//!   index "<first height, 20 digits>.idx", numbers little-endian
//!    0  8  "avlogidx"               64     f   filter
//!    8  4  format version 1         64+f  32   BLAKE3 of all before it
//!   12  4  blocks, n                then  8n   offsets of records, by height
//!   16  8  first height             then 12n   (fingerprint 8, position 4), sorted
//!   24 16  identity of the segment  then  32   BLAKE3 of offsets and fingerprints
//!   40  8  where the segment ends
//!   48  4  bytes of the filter, f
//!   52 12  zero
//! ```
//!
//! A fingerprint is the first 8 bytes of a hash of the id; the record's own id decides. The filter
//! stays in memory for every segment, 2 bytes a block: it says "not here" for all but about one in
//! a thousand ids. The rest is read when it is needed.

use std::path::Path;

use avalanche_consensus::Id;

use super::format::{Fields, Identity, pack};
use crate::{Disk, DiskFile, Error, OpenMode};

const MAGIC: [u8; 8] = *b"avlogidx";
const VERSION: u32 = 1;
const HEAD_BYTES: usize = 64;
const ENTRY_BYTES: usize = 12;
const HASH_BYTES: usize = 32;
const FINGERPRINT_CONTEXT: &str = "avalanche/store/log-index-id/v1";
const HEAD_CONTEXT: &str = "avalanche/store/log-index-head/v1";
const BODY_CONTEXT: &str = "avalanche/store/log-index-body/v1";

/// What is known of a closed segment without its index in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) first: u64,
    pub(super) blocks: u32,
    pub(super) identity: Identity,
    /// Where its last record, and its file, ends.
    pub(super) end: u64,
    filter: Filter,
}

impl Sealed {
    /// The last height in it. A closed segment is never empty.
    pub(super) fn last(&self) -> u64 {
        self.first.saturating_add(u64::from(self.blocks)).saturating_sub(1)
    }

    /// Whether it may hold an id with this fingerprint.
    pub(super) fn may_hold(&self, fingerprint: u64) -> bool {
        self.filter.may_hold(fingerprint)
    }
}

/// Where the records of a closed segment are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index {
    offsets: Vec<u64>,
    /// Fingerprint and position, sorted.
    ids: Vec<(u64, u32)>,
}

impl Index {
    /// The index of records at these offsets with these ids, and the summary of their segment.
    pub(super) fn build(
        first: u64,
        identity: Identity,
        end: u64,
        offsets: Vec<u64>,
        ids: &[Id],
    ) -> (Sealed, Self) {
        let mut filter = Filter::for_blocks(ids.len());
        let mut sorted: Vec<_> = ids.iter().map(fingerprint).zip(0..).collect();
        sorted.iter().for_each(|(fingerprint, _)| filter.insert(*fingerprint));
        sorted.sort_unstable();
        let blocks = u32::try_from(offsets.len()).unwrap_or(u32::MAX);
        (Sealed { first, blocks, identity, end, filter }, Self { offsets, ids: sorted })
    }

    /// Where the record at a position begins.
    pub(super) fn offset(&self, position: u64) -> Option<u64> {
        self.offsets.get(usize::try_from(position).ok()?).copied()
    }

    /// Positions of records whose ids have this fingerprint.
    pub(super) fn candidates(&self, fingerprint: u64) -> impl Iterator<Item = u32> {
        let start = self.ids.partition_point(|(other, _)| *other < fingerprint);
        let from = self.ids.get(start..).unwrap_or_default();
        from.iter().take_while(move |(other, _)| *other == fingerprint).map(|(_, at)| *at)
    }

    /// The bytes of the file.
    pub(super) fn encode(&self, sealed: &Sealed) -> Vec<u8> {
        let filter = &sealed.filter.bits;
        let mut bytes = Vec::with_capacity(file_bytes(sealed.blocks, filter.len()));
        let filter_bytes = u32::try_from(filter.len()).unwrap_or(u32::MAX);
        bytes.extend(pack::<HEAD_BYTES>(&[
            &MAGIC,
            &VERSION.to_le_bytes(),
            &sealed.blocks.to_le_bytes(),
            &sealed.first.to_le_bytes(),
            &sealed.identity,
            &sealed.end.to_le_bytes(),
            &filter_bytes.to_le_bytes(),
            &[0; 12],
        ]));
        bytes.extend(filter);
        bytes.extend(blake3::derive_key(HEAD_CONTEXT, &bytes));
        let body = bytes.len();
        bytes.extend(self.offsets.iter().flat_map(|offset| offset.to_le_bytes()));
        for (fingerprint, position) in &self.ids {
            bytes.extend(fingerprint.to_le_bytes());
            bytes.extend(position.to_le_bytes());
        }
        let hash = blake3::derive_key(BODY_CONTEXT, bytes.get(body..).unwrap_or_default());
        bytes.extend(hash);
        bytes
    }

    /// Writes the file, beside its place and then into it. Not synced: a file that power loss
    /// damages is found out and built again.
    pub(super) fn write<D: Disk>(
        &self,
        sealed: &Sealed,
        disk: &D,
        path: &Path,
    ) -> Result<(), Error> {
        let beside = path.with_extension("tmp");
        let write = || -> std::io::Result<()> {
            let file = disk.open(&beside, OpenMode::CreateNew)?;
            file.write_at(&self.encode(sealed), 0)?;
            drop(file);
            disk.rename(&beside, path)
        };
        write().map_err(|error| {
            _ = disk.remove(&beside);
            Error::io("write the index", path)(error)
        })
    }

    /// The index from its file; `None` if the file is missing or is not the index of `sealed`.
    pub(super) fn read<D: Disk>(sealed: &Sealed, disk: &D, path: &Path) -> Option<Self> {
        let file = disk.open(path, OpenMode::Read).ok()?;
        let skip = HEAD_BYTES + sealed.filter.bits.len() + HASH_BYTES;
        let len = file_bytes(sealed.blocks, sealed.filter.bits.len());
        if file.len().ok()? != len as u64 {
            return None;
        }
        let mut bytes = vec![0; len - skip];
        file.read_at(&mut bytes, skip as u64).ok()?;
        let (body, hash) = bytes.split_last_chunk::<HASH_BYTES>()?;
        if blake3::derive_key(BODY_CONTEXT, body) != *hash {
            return None;
        }
        let (offsets, ids) = body.split_at_checked(sealed.blocks as usize * 8)?;
        let offsets = offsets.chunks_exact(8).map(|bytes| Fields(bytes).u64());
        let ids = ids.chunks_exact(ENTRY_BYTES).map(|bytes| {
            let mut fields = Fields(bytes);
            Some((fields.u64()?, fields.u32()?))
        });
        Some(Self { offsets: offsets.collect::<Option<_>>()?, ids: ids.collect::<Option<_>>()? })
    }
}

impl Sealed {
    /// The summary from the head of an index file; `None` if it is missing or damaged.
    pub(super) fn read<D: Disk>(disk: &D, path: &Path) -> Option<Self> {
        let file = disk.open(path, OpenMode::Read).ok()?;
        let len = file.len().ok()?;
        let mut head = [0; HEAD_BYTES];
        file.read_at(&mut head, 0).ok()?;
        let mut fields = Fields(&head);
        if fields.take()? != MAGIC || fields.u32()? != VERSION {
            return None;
        }
        let (blocks, first, identity) = (fields.u32()?, fields.u64()?, fields.take()?);
        let (end, filter) = (fields.u64()?, fields.u32()? as usize);
        // Before anything is allocated: the file must be as long as its head says.
        if file_bytes(blocks, filter) as u64 != len || filter != Filter::bytes(blocks as usize) {
            return None;
        }
        let mut bytes = vec![0; HEAD_BYTES + filter + HASH_BYTES];
        file.read_at(&mut bytes, 0).ok()?;
        let (head, hash) = bytes.split_last_chunk::<HASH_BYTES>()?;
        if blake3::derive_key(HEAD_CONTEXT, head) != *hash {
            return None;
        }
        let filter = Filter { bits: head.get(HEAD_BYTES..)?.to_vec() };
        Some(Self { first, blocks, identity, end, filter })
    }
}

fn file_bytes(blocks: u32, filter: usize) -> usize {
    let body = (blocks as usize).saturating_mul(8 + ENTRY_BYTES);
    body.saturating_add(filter).saturating_add(HEAD_BYTES + 2 * HASH_BYTES)
}

/// What an id is found by.
pub(super) fn fingerprint(id: &Id) -> u64 {
    let hash = blake3::derive_key(FINGERPRINT_CONTEXT, id.as_bytes());
    u64::from_le_bytes(hash.first_chunk().copied().unwrap_or_default())
}

/// A Bloom filter over fingerprints: 16 bits a block, 6 of them set for each.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Filter {
    bits: Vec<u8>,
}

impl Filter {
    const fn bytes(blocks: usize) -> usize {
        blocks.saturating_mul(2)
    }

    fn for_blocks(blocks: usize) -> Self {
        Self { bits: vec![0; Self::bytes(blocks)] }
    }

    /// Byte and bit of each probe.
    fn probes(&self, fingerprint: u64) -> impl Iterator<Item = (usize, u8)> + use<> {
        let bits = (self.bits.len() as u64 * 8).max(1);
        let (start, step) = (fingerprint >> 32, (fingerprint & 0xffff_ffff) | 1);
        (0..6).map(move |probe| {
            let bit = (start + probe * step) % bits;
            (usize::try_from(bit / 8).unwrap_or(usize::MAX), 1 << (bit % 8))
        })
    }

    fn insert(&mut self, fingerprint: u64) {
        for (byte, bit) in self.probes(fingerprint) {
            if let Some(byte) = self.bits.get_mut(byte) {
                *byte |= bit;
            }
        }
    }

    fn may_hold(&self, fingerprint: u64) -> bool {
        self.probes(fingerprint)
            .all(|(byte, bit)| self.bits.get(byte).is_some_and(|b| b & bit != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> Id {
        Id::new(pack(&[&n.to_le_bytes(), &[0; 28]]))
    }

    #[test]
    fn the_filter_never_misses_and_rarely_errs() {
        let ids: Vec<_> = (0..5000).map(id).collect();
        let (sealed, index) = Index::build(0, [0; 16], 64, (0..5000).collect(), &ids);
        for (position, id) in (0..).zip(&ids) {
            assert!(sealed.may_hold(fingerprint(id)));
            assert!(index.candidates(fingerprint(id)).any(|at| at == position));
        }
        let wrong = (5000..105_000).filter(|n| sealed.may_hold(fingerprint(&id(*n)))).count();
        assert!((1..300).contains(&wrong), "{wrong} of 100,000");
    }
}
