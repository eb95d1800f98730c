//! One segment that is open, and reading a record from it.

use std::io;
use std::path::{Path, PathBuf};

use avalanche_consensus::{Height, Id};

use super::format::{
    Head, Keys, RECORD_HEAD, RECORD_HEAD_BYTES, RecordHead, SEGMENT_HEAD, SEGMENT_HEAD_BYTES,
    SegmentHead, VERSION, decode_head, decode_segment_head,
};
use crate::{Disk, DiskFile, Error, OpenMode};

/// A block as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its height.
    pub height: Height,
    /// Its id.
    pub id: Id,
    /// Its bytes, which the log does not look into.
    pub bytes: Vec<u8>,
}

/// An open segment.
#[derive(Debug)]
pub(super) struct Segment<F> {
    pub(super) path: PathBuf,
    pub(super) first: u64,
    pub(super) identity: [u8; 16],
    pub(super) keys: Keys,
    pub(super) file: F,
}

/// What a file with the name of a segment is.
#[derive(Debug)]
pub(super) enum Opened<F> {
    Segment {
        segment: Segment<F>,
        len: u64,
    },
    /// Not even its head is whole, and it holds nothing more.
    Headless {
        len: u64,
    },
    Damaged {
        what: &'static str,
    },
}

impl<F: DiskFile> Segment<F> {
    /// Opens a segment by its name.
    pub(super) fn open<D: Disk<File = F>>(
        disk: &D,
        path: &Path,
        first: u64,
        mode: OpenMode,
    ) -> Result<Opened<F>, Error> {
        let file = disk.open(path, mode).map_err(Error::io("open", path))?;
        let len = file.len().map_err(Error::io("read the length of", path))?;
        let mut bytes = [0; SEGMENT_HEAD_BYTES];
        if len < SEGMENT_HEAD {
            return Ok(Opened::Headless { len });
        }
        file.read_at(&mut bytes, 0).map_err(Error::io("read", path))?;
        Ok(match decode_segment_head(&bytes) {
            SegmentHead::Version(found) => {
                return Err(Error::Version { path: path.into(), found, supported: VERSION });
            }
            SegmentHead::Damaged if len == SEGMENT_HEAD => Opened::Headless { len },
            SegmentHead::Damaged => Opened::Damaged { what: "the head of the segment is damaged" },
            SegmentHead::Valid { first: stated, .. } if stated != first => {
                Opened::Damaged { what: "the head of the segment states another first height" }
            }
            SegmentHead::Valid { first, identity } => {
                let keys = Keys::new(first, &identity);
                let segment = Self { path: path.into(), first, identity, keys, file };
                Opened::Segment { segment, len }
            }
        })
    }

    /// The record at `offset`, which must be the block at `height` and end at or before `limit`.
    pub(super) fn read(&self, offset: u64, limit: u64, height: u64) -> Result<Block, Error> {
        let mut head = [0; RECORD_HEAD_BYTES];
        self.read_at(&mut head, offset)?;
        let record = self.head(&head, offset, limit, height)?;
        // Bounded by the file: the record ends before `limit`.
        let mut bytes = vec![0; record.bytes as usize];
        self.read_at(&mut bytes, offset + RECORD_HEAD)?;
        self.block(&head, record, offset, bytes)
    }

    /// The same, from bytes that begin with the record. `None` if they do not hold all of it.
    pub(super) fn read_from(
        &self,
        held: &[u8],
        offset: u64,
        limit: u64,
        height: u64,
    ) -> Result<Option<Block>, Error> {
        let Some((head, rest)) = held.split_first_chunk::<RECORD_HEAD_BYTES>() else {
            return Ok(None);
        };
        let record = self.head(head, offset, limit, height)?;
        let Some(bytes) = rest.get(..record.bytes as usize) else { return Ok(None) };
        self.block(head, record, offset, bytes.to_vec()).map(Some)
    }

    /// The id of the record at `offset`.
    pub(super) fn read_id(&self, offset: u64, limit: u64, height: u64) -> Result<Id, Error> {
        let mut head = [0; RECORD_HEAD_BYTES];
        self.read_at(&mut head, offset)?;
        Ok(self.head(&head, offset, limit, height)?.id)
    }

    fn head(
        &self,
        head: &[u8; RECORD_HEAD_BYTES],
        offset: u64,
        limit: u64,
        height: u64,
    ) -> Result<RecordHead, Error> {
        match decode_head(&self.keys, offset, head) {
            Some(Head::Record(record))
                if record.height == height && record.end(offset) <= limit =>
            {
                Ok(record)
            }
            Some(_) => Err(self.corrupt(offset, "another record stands where the block should be")),
            None => Err(self.corrupt(offset, "the head of a record is damaged")),
        }
    }

    fn block(
        &self,
        head: &[u8; RECORD_HEAD_BYTES],
        record: RecordHead,
        offset: u64,
        bytes: Vec<u8>,
    ) -> Result<Block, Error> {
        let (start, checksum) = head.split_at_checked(64).unwrap_or_default();
        let mut hasher = self.keys.checksum(start, offset);
        hasher.update(&bytes);
        if hasher.finalize().as_bytes() != checksum {
            return Err(self.corrupt(offset, "the checksum of a block is wrong"));
        }
        Ok(Block { height: Height::new(record.height), id: record.id, bytes })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), Error> {
        self.file.read_at(buffer, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.corrupt(offset, "the file was cut short"),
            _ => Error::io("read", &self.path)(error),
        })
    }

    fn corrupt(&self, offset: u64, what: &'static str) -> Error {
        Error::Corrupt { path: self.path.clone(), offset, what }
    }
}
