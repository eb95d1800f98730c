//! A log as one stream, to carry it elsewhere. Numbers are little-endian.
//!
//! ```text
//!   head                             block                        end
//!    0  8  "avlogexp"                0  4  bytes, n               0  4  2^32 - 1
//!    8  4  format version 1          4 32  id                     4  8  blocks
//!   12  4  zero                     36 32  chained checksum      12 32  chained checksum
//!   16  8  first height             68  n  bytes
//!   24 32  chained checksum
//! ```
//!
//! Each checksum is BLAKE3 of the one before (of zeros, for the head) and of all bytes of its part
//! but the checksum: a part that is changed, missing or out of order ends the intact prefix.

use std::io::{self, Read, Write};
use std::ops::RangeBounds;
use std::{error, fmt};

use avalanche_consensus::{Height, Id};

use super::BlockLog;
use super::format::{Fields, pack};
use super::segment::Block;
use super::view::LogReader;
use crate::{Disk, Error};

const MAGIC: [u8; 8] = *b"avlogexp";
const VERSION: u32 = 1;
const END: u32 = u32::MAX;
const CONTEXT: &str = "avalanche/store/log-export/v1";
/// Bytes imported between two syncs.
const GROUP_BYTES: usize = 8 << 20;

/// What an import did.
#[derive(Debug)]
pub struct ImportReport {
    /// Blocks that were added; they are durable.
    pub imported: u64,
    /// Blocks that the log held already, with the same ids.
    pub skipped: u64,
    /// Why it ended before the end of the stream. What stood before that is in the log.
    pub stopped: Option<StreamFault>,
}

/// What is wrong with a stream of blocks.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamFault {
    /// It cannot be read.
    Read(io::Error),
    /// It does not begin as an exported log does.
    NotAnExport,
    /// It has a format that this release does not know: use the release that wrote it, or a later
    /// one.
    Version {
        /// The version that it states.
        found: u32,
        /// The newest version that this release knows.
        supported: u32,
    },
    /// It ends within a block, or before its end.
    CutShort {
        /// The first height that is missing.
        height: Height,
    },
    /// Its bytes are not what was written.
    Damaged {
        /// The first height that cannot be read.
        height: Height,
    },
    /// The log cannot go on with what the stream holds.
    Unfit {
        /// The height at which it cannot.
        height: Height,
        /// What the log answered.
        why: Error,
    },
    /// The log holds another block at a height.
    OtherBlock {
        /// The height.
        height: Height,
        /// The id in the log.
        held: Id,
        /// The id in the stream.
        offered: Id,
    },
}

impl<D: Disk> LogReader<D> {
    /// Writes the durable blocks of a range as one stream. Returns how many there are.
    ///
    /// # Errors
    ///
    /// Those of reading, and [`Error::Io`] with the log's folder if the stream cannot be written.
    pub fn export(&self, range: impl RangeBounds<Height>, to: impl Write) -> Result<u64, Error> {
        let mut out = Chained { stream: to, chain: [0; 32] };
        let io = |result: io::Result<()>| {
            result.map_err(Error::io("write the export of", &self.shared.dir))
        };
        let mut blocks = self.range(range).peekable();
        let first = match blocks.peek() {
            Some(Ok(block)) => block.height,
            _ => Height::GENESIS,
        };
        let head: [u8; 24] =
            pack(&[&MAGIC, &VERSION.to_le_bytes(), &[0; 4], &first.get().to_le_bytes()]);
        io(out.part(&head, &[]))?;
        let mut count = 0_u64;
        for block in blocks {
            let Block { id, bytes, .. } = block?;
            let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let start: [u8; 36] = pack(&[&len.to_le_bytes(), id.as_bytes()]);
            io(out.part(&start, &bytes))?;
            count += 1;
        }
        let end: [u8; 12] = pack(&[&END.to_le_bytes(), &count.to_le_bytes()]);
        io(out.part(&end, &[]))?;
        io(out.stream.flush())?;
        Ok(count)
    }
}

impl<D: Disk> BlockLog<D> {
    /// [`LogReader::export`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn export(&self, range: impl RangeBounds<Height>, to: impl Write) -> Result<u64, Error> {
        self.reader().export(range, to)
    }

    /// Adds the blocks of an exported stream, durably, and stops at the first that does not fit.
    /// Blocks that the log holds already are compared by id and skipped, so that an import which
    /// was interrupted can be run again.
    ///
    /// Memory: one block. It syncs every 8 MiB.
    ///
    /// # Errors
    ///
    /// If the log fails. What is wrong with the stream is in the report.
    pub fn import(&mut self, from: impl Read) -> Result<ImportReport, Error> {
        self.sync()?;
        let mut report = ImportReport { imported: 0, skipped: 0, stopped: None };
        let mut input = Chained { stream: from, chain: [0; 32] };
        let (mut unsynced, mut next) = (0, None);
        loop {
            let part = match next {
                None => input.head().map(Part::Head),
                Some(height) => {
                    let done = report.imported + report.skipped;
                    input.block(height, done, self.reader().shared.config.longest_block())
                }
            };
            match part {
                Ok(Part::Head(first)) => next = Some(first),
                Ok(Part::Block(block)) => {
                    let (height, bytes) = (block.height, block.bytes.len());
                    match self.take(&block)? {
                        Taken::Added => report.imported += 1,
                        Taken::Held => report.skipped += 1,
                        Taken::Refused(fault) => {
                            report.stopped = Some(fault);
                            break;
                        }
                    }
                    next = Some(Height::new(height.get().saturating_add(1)));
                    unsynced += bytes;
                    if unsynced >= GROUP_BYTES {
                        self.sync()?;
                        unsynced = 0;
                    }
                }
                Ok(Part::End) => break,
                Err(fault) => {
                    report.stopped = Some(fault);
                    break;
                }
            }
        }
        self.sync()?;
        Ok(report)
    }

    fn take(&mut self, block: &Block) -> Result<Taken, Error> {
        let height = block.height;
        if self.first().is_some_and(|first| first <= height) && self.last() >= Some(height) {
            return Ok(match self.get(height)? {
                Some(held) if held.id != block.id => {
                    let (held, offered) = (held.id, block.id);
                    Taken::Refused(StreamFault::OtherBlock { height, held, offered })
                }
                _ => Taken::Held,
            });
        }
        match self.append(height, block.id, &block.bytes) {
            Ok(()) => Ok(Taken::Added),
            Err(
                why @ (Error::WrongHeight { .. }
                | Error::DuplicateBlock { .. }
                | Error::BlockTooLarge { .. }),
            ) => Ok(Taken::Refused(StreamFault::Unfit { height, why })),
            Err(error) => Err(error),
        }
    }
}

enum Part {
    Head(Height),
    Block(Block),
    End,
}

enum Taken {
    Added,
    Held,
    Refused(StreamFault),
}

/// A stream whose parts are bound to those before them.
struct Chained<S> {
    stream: S,
    chain: [u8; 32],
}

impl<S> Chained<S> {
    fn next(&self, start: &[u8], bytes: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        *hasher.update(&self.chain).update(start).update(bytes).finalize().as_bytes()
    }
}

impl<S: Write> Chained<S> {
    fn part(&mut self, start: &[u8], bytes: &[u8]) -> io::Result<()> {
        self.chain = self.next(start, bytes);
        self.stream.write_all(start)?;
        self.stream.write_all(&self.chain)?;
        self.stream.write_all(bytes)
    }
}

impl<S: Read> Chained<S> {
    fn head(&mut self) -> Result<Height, StreamFault> {
        let start: [u8; 24] = self.read()?.ok_or(StreamFault::NotAnExport)?;
        let mut fields = Fields(&start);
        if fields.take() != Some(MAGIC) {
            return Err(StreamFault::NotAnExport);
        }
        let version = fields.u32().unwrap_or_default();
        if version != VERSION {
            return Err(StreamFault::Version { found: version, supported: VERSION });
        }
        let (zero, first) = (fields.u32(), fields.u64().unwrap_or_default());
        self.check(&start, &[], Height::new(first))?;
        if zero == Some(0) { Ok(Height::new(first)) } else { Err(StreamFault::NotAnExport) }
    }

    fn block(&mut self, height: Height, done: u64, max: usize) -> Result<Part, StreamFault> {
        let cut = || StreamFault::CutShort { height };
        let len = u32::from_le_bytes(self.read()?.ok_or_else(cut)?);
        if len == END {
            let count: [u8; 8] = self.read()?.ok_or_else(cut)?;
            let start: [u8; 12] = pack(&[&len.to_le_bytes(), &count]);
            self.check(&start, &[], height)?;
            let counted = u64::from_le_bytes(count) == done;
            return if counted { Ok(Part::End) } else { Err(StreamFault::Damaged { height }) };
        }
        if len as usize > max {
            let why = Error::BlockTooLarge { bytes: len as usize, max };
            return Err(StreamFault::Unfit { height, why });
        }
        let id: [u8; 32] = self.read()?.ok_or_else(cut)?;
        let checksum: [u8; 32] = self.read()?.ok_or_else(cut)?;
        let mut bytes = Vec::new();
        let limited = self.stream.by_ref().take(u64::from(len)).read_to_end(&mut bytes);
        if limited.map_err(StreamFault::Read)? != len as usize {
            return Err(cut());
        }
        let start: [u8; 36] = pack(&[&len.to_le_bytes(), &id]);
        self.chain = self.next(&start, &bytes);
        if self.chain != checksum {
            return Err(StreamFault::Damaged { height });
        }
        Ok(Part::Block(Block { height, id: Id::new(id), bytes }))
    }

    fn check(&mut self, start: &[u8], bytes: &[u8], height: Height) -> Result<(), StreamFault> {
        let checksum: [u8; 32] = self.read()?.ok_or(StreamFault::CutShort { height })?;
        self.chain = self.next(start, bytes);
        if self.chain == checksum { Ok(()) } else { Err(StreamFault::Damaged { height }) }
    }

    /// The next bytes; `None` if the stream ends before.
    fn read<const N: usize>(&mut self) -> Result<Option<[u8; N]>, StreamFault> {
        let mut bytes = [0; N];
        match self.stream.read_exact(&mut bytes) {
            Ok(()) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(StreamFault::Read(error)),
        }
    }
}

impl fmt::Display for StreamFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "the stream cannot be read: {error}; run it again"),
            Self::NotAnExport => {
                f.write_str("the stream does not begin as an exported log does: check the source")
            }
            Self::Version { found, supported } => write!(
                f,
                "the stream has format version {found}, and this release reads up to {supported}: \
                 use the release that wrote it, or a later one"
            ),
            Self::CutShort { height } => {
                write!(f, "the stream ends before height {height} is whole: export it again")
            }
            Self::Damaged { height } => {
                write!(f, "the stream is damaged at height {height}: export it again")
            }
            Self::Unfit { height, why } => {
                write!(f, "the block at height {height} does not fit: {why}")
            }
            Self::OtherBlock { height, held, offered } => write!(
                f,
                "the log holds block {held} at height {height} and the stream {offered}: they are \
                 of different chains"
            ),
        }
    }
}

impl error::Error for StreamFault {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            Self::Unfit { why, .. } => Some(why),
            _ => None,
        }
    }
}
