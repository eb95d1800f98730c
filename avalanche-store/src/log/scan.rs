//! Reads a segment from its first record, and tells damage from a torn tail.

use std::io;

use avalanche_consensus::Id;

use super::format::{
    HEAD_HINT, Head, RECORD_HEAD, RECORD_HEAD_BYTES, RecordHead, SEGMENT_HEAD, decode_head,
};
use super::segment::Segment;
use crate::DiskFile;

/// Bytes read at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// What a segment holds.
#[derive(Debug)]
pub(super) struct Scan {
    /// Where each record begins.
    pub(super) offsets: Vec<u64>,
    /// Ids, in the same order.
    pub(super) ids: Vec<Id>,
    /// Where the last whole record ends.
    pub(super) end: u64,
    /// Up to where the bytes are known to be on the disk.
    pub(super) proven: u64,
    /// Whether a mark follows on the last record.
    pub(super) mark: bool,
    /// Why reading ended before the end of the file.
    pub(super) stop: Option<Stop>,
}

/// Bytes that are no record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    pub(super) what: &'static str,
    /// Whether a later record or mark proves that the bytes here were on the disk.
    pub(super) durable: bool,
    /// The greatest height that a later record or mark states.
    pub(super) last_seen: Option<u64>,
}

/// Reads all records of a segment whose file has `len` bytes.
pub(super) fn scan<F: DiskFile>(segment: &Segment<F>, len: u64) -> io::Result<Scan> {
    let mut window = Window::new(&segment.file, len);
    let mut found = Scan {
        offsets: Vec::new(),
        ids: Vec::new(),
        end: SEGMENT_HEAD,
        proven: SEGMENT_HEAD,
        mark: false,
        stop: None,
    };
    let fault = loop {
        if found.end == len {
            break None;
        }
        match next(segment, &mut window, &found)? {
            Next::Record(record) => {
                found.offsets.push(found.end);
                found.ids.push(record.id);
                // A record's word counts for what was written before it.
                found.proven = found.proven.max(record.durable_before.min(found.end));
                found.end = record.end(found.end);
            }
            Next::Mark => {
                found.mark = true;
                found.proven = found.end;
                let more = len > found.end + RECORD_HEAD;
                break more.then_some("what was written over a mark is missing");
            }
            Next::Fault(what) => break Some(what),
        }
    };
    if let Some(what) = fault {
        let (durable, last_seen) = search(segment, &mut window, found.end)?;
        found.stop = Some(Stop { what, durable, last_seen });
    }
    Ok(found)
}

enum Next {
    Record(RecordHead),
    Mark,
    Fault(&'static str),
}

/// What stands at the end of what was found.
fn next<F: DiskFile>(
    segment: &Segment<F>,
    window: &mut Window<'_, F>,
    found: &Scan,
) -> io::Result<Next> {
    let offset = found.end;
    let Some(bytes) = window.at(offset, RECORD_HEAD_BYTES)? else {
        return Ok(Next::Fault("the head of a record is cut short"));
    };
    let record = match decode_head(&segment.keys, offset, bytes) {
        Some(Head::Record(record)) => record,
        Some(Head::Mark { .. }) => return Ok(Next::Mark),
        None if bytes.iter().all(|byte| *byte == 0) => {
            return Ok(Next::Fault("zeros stand for a record"));
        }
        None => return Ok(Next::Fault("the head of a record is damaged")),
    };
    let checksum: Option<[u8; 32]> = bytes.last_chunk().copied();
    let Some(mut hasher) = bytes.get(..64).map(|start| segment.keys.checksum(start, offset)) else {
        return Ok(Next::Fault("the head of a record is cut short"));
    };
    if segment.first.checked_add(found.offsets.len() as u64) != Some(record.height) {
        return Ok(Next::Fault("a record states another height"));
    }
    let (mut at, end) = (offset + RECORD_HEAD, record.end(offset));
    if end > window.len {
        return Ok(Next::Fault("the bytes of a block are cut short"));
    }
    while at < end {
        let bytes = window.up_to(at, end)?;
        hasher.update(bytes);
        at += bytes.len() as u64;
    }
    if checksum.as_ref() == Some(hasher.finalize().as_bytes()) {
        Ok(Next::Record(record))
    } else {
        Ok(Next::Fault("the checksum of a block is wrong"))
    }
}

/// Looks behind `fault` for heads of records and marks: whether one proves that the bytes there
/// were durable, and the greatest height seen.
fn search<F: DiskFile>(
    segment: &Segment<F>,
    window: &mut Window<'_, F>,
    fault: u64,
) -> io::Result<(bool, Option<u64>)> {
    let (mut durable, mut last_seen) = (false, None);
    let mut at = fault + 1;
    while at + RECORD_HEAD <= window.len {
        let bytes = window.up_to(at, window.len)?;
        let hint = HEAD_HINT.len();
        let Some(skip) = bytes.windows(hint).position(|bytes| bytes == HEAD_HINT) else {
            // The last bytes may be the beginning of a hint.
            at += (bytes.len().saturating_sub(hint - 1)).max(1) as u64;
            continue;
        };
        at += skip as u64;
        let Some(bytes) = window.at(at, RECORD_HEAD_BYTES)? else { break };
        match decode_head(&segment.keys, at, bytes) {
            Some(Head::Record(record)) => {
                durable |= record.durable_before > fault;
                last_seen = last_seen.max(Some(record.height));
            }
            Some(Head::Mark { next }) => {
                // It vouches for everything before it.
                durable = true;
                last_seen = last_seen.max(next.checked_sub(1));
            }
            None => {}
        }
        at += 1;
    }
    Ok((durable, last_seen))
}

/// A file read forwards in large pieces.
struct Window<'a, F> {
    file: &'a F,
    len: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a, F: DiskFile> Window<'a, F> {
    const fn new(file: &'a F, len: u64) -> Self {
        Self { file, len, start: 0, bytes: Vec::new() }
    }

    /// `count` bytes from `offset` on; `None` if the file has fewer. At most [`WINDOW_BYTES`].
    fn at(&mut self, offset: u64, count: usize) -> io::Result<Option<&[u8]>> {
        if offset.checked_add(count as u64).is_none_or(|end| end > self.len) {
            return Ok(None);
        }
        if self.held(offset).len() < count {
            self.read(offset)?;
        }
        Ok(self.held(offset).get(..count))
    }

    /// At least one byte from `offset` on, and none at or after `end`, which the file reaches.
    fn up_to(&mut self, offset: u64, end: u64) -> io::Result<&[u8]> {
        // A few bytes are too few to look for a hint in.
        if self.held(offset).len() < RECORD_HEAD_BYTES {
            self.read(offset)?;
        }
        let held = self.held(offset);
        let count = usize::try_from(end - offset).unwrap_or(usize::MAX).min(held.len());
        held.get(..count)
            .filter(|held| !held.is_empty())
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn held(&self, offset: u64) -> &[u8] {
        let skip = offset.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        skip.and_then(|skip| self.bytes.get(skip..)).unwrap_or_default()
    }

    fn read(&mut self, offset: u64) -> io::Result<()> {
        let left = usize::try_from(self.len - offset).unwrap_or(usize::MAX);
        self.bytes.resize(WINDOW_BYTES.min(left), 0);
        self.start = offset;
        self.file.read_at(&mut self.bytes, offset)
    }
}
