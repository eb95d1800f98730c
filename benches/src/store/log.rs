//! The block log: appending, opening again, replaying.

use std::fs::File;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use avalanche_consensus::{Height, Id};
use avalanche_store::{BlockLog, LogConfig, LogReader, OsDisk};

use super::{Folder, Step, bytes, told};
use crate::floor::SplitMix;
use crate::id;

/// What one operation appends, before its one sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Its name in the table.
    pub name: &'static str,
    /// Blocks.
    pub blocks: usize,
    /// Bytes of each.
    pub bytes: usize,
}

impl Shape {
    /// One block of 10,000 transactions of 200 bytes.
    pub const BIG: Self = Self { name: "10k_tx_block", blocks: 1, bytes: 2_000_000 };
    /// A thousand short ones.
    pub const SHORT: Self =
        Self { name: "1000_blocks_of_1KiB_one_sync", blocks: 1_000, bytes: 1 << 10 };

    /// Blocks of this shape, one after another.
    fn content(self) -> Vec<u8> {
        bytes(&mut SplitMix::new(17), self.blocks * self.bytes)
    }
}

/// So much is written before the files are made anew: less than a segment.
const FILE_BYTES_MAX: usize = 200 << 20;

/// Appends and syncs.
#[derive(Debug)]
pub struct Append {
    shape: Shape,
    content: Vec<u8>,
    written: usize,
    height: u64,
    ids: Vec<Id>,
    log: Option<BlockLog>,
    folder: Folder,
}

impl Append {
    /// An empty log.
    ///
    /// # Errors
    ///
    /// If its folder cannot be made.
    pub fn new(shape: Shape) -> io::Result<Self> {
        Ok(Self {
            shape,
            content: shape.content(),
            written: usize::MAX,
            height: 0,
            ids: Vec::new(),
            log: None,
            folder: Folder::new()?,
        })
    }
}

impl Step for Append {
    fn prepare(&mut self) -> io::Result<()> {
        if self.written >= FILE_BYTES_MAX {
            self.log = None;
            self.folder = Folder::new()?;
            let (log, _report) =
                BlockLog::open(OsDisk, self.folder.path(), LogConfig::default()).map_err(told)?;
            self.log = Some(log);
            (self.height, self.written) = (0, 0);
            // The first append makes the segment.
            self.ids = vec![id("first", 0)];
            self.append(1)?;
        }
        let next = self.height;
        self.ids = (next..).take(self.shape.blocks).map(|height| id("block", height)).collect();
        Ok(())
    }

    fn run(&mut self) -> io::Result<()> {
        self.append(self.shape.blocks)
    }
}

impl Append {
    fn append(&mut self, blocks: usize) -> io::Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        for (id, block) in self.ids.iter().zip(self.content.chunks(self.shape.bytes)).take(blocks) {
            self.height += 1;
            log.append(Height::new(self.height), *id, block).map_err(told)?;
        }
        self.written += blocks * self.shape.bytes;
        log.sync().map(drop).map_err(told)
    }
}

/// The floor of [`Append`]: one write of the same bytes at the end of a file, BLAKE3 of each block,
/// one sync.
#[derive(Debug)]
pub struct AppendFloor {
    shape: Shape,
    content: Vec<u8>,
    end: usize,
    file: Option<File>,
    folder: Folder,
}

impl AppendFloor {
    /// An empty file.
    ///
    /// # Errors
    ///
    /// If its folder cannot be made.
    pub fn new(shape: Shape) -> io::Result<Self> {
        let (content, folder) = (shape.content(), Folder::new()?);
        Ok(Self { shape, content, end: usize::MAX, file: None, folder })
    }
}

impl Step for AppendFloor {
    fn prepare(&mut self) -> io::Result<()> {
        if self.end >= FILE_BYTES_MAX {
            self.file = None;
            self.folder = Folder::new()?;
            self.file = Some(File::create_new(self.folder.path().join("blocks"))?);
            self.end = 0;
            self.run()?;
        }
        Ok(())
    }

    fn run(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        for block in self.content.chunks(self.shape.bytes) {
            std::hint::black_box(blake3::hash(block));
        }
        file.write_all(&self.content)?;
        self.end += self.content.len();
        file.sync_data()
    }
}

/// A log of short blocks that was written and closed.
#[derive(Debug)]
pub struct Written {
    /// How many blocks it has.
    pub blocks: u64,
    /// Bytes of each.
    pub block_bytes: u64,
    config: LogConfig,
    folder: Folder,
}

impl Written {
    /// Writes `blocks` blocks of 2 KB, in segments of `segment_bytes`.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    pub fn new(blocks: u64, segment_bytes: u64) -> io::Result<Self> {
        let config = LogConfig { segment_bytes, ..LogConfig::default() };
        let block = bytes(&mut SplitMix::new(23), 2_000);
        let folder = Folder::new()?;
        let (mut log, _report) =
            BlockLog::open(OsDisk, folder.path(), config.clone()).map_err(told)?;
        for height in 1..=blocks {
            log.append(Height::new(height), id("block", height), &block).map_err(told)?;
        }
        log.sync().map_err(told)?;
        Ok(Self { blocks, block_bytes: block.len() as u64, config, folder })
    }

    /// How many segments it has, by the files in its folder.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn segments(&self) -> io::Result<usize> {
        let mut segments = 0;
        for entry in std::fs::read_dir(self.folder.path())? {
            segments += usize::from(entry?.path().extension().is_some_and(|end| end == "log"));
        }
        Ok(segments)
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or not all of it is found.
    pub fn open(&self) -> io::Result<BlockLog> {
        let (log, report) =
            BlockLog::open(OsDisk, self.folder.path(), self.config.clone()).map_err(told)?;
        if report.damage.is_some() || log.last() != Some(Height::new(self.blocks)) {
            return Err(io::Error::other("the log lost blocks"));
        }
        Ok(log)
    }

    /// How long opening takes.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn time_to_open(&self) -> io::Result<Duration> {
        let start = Instant::now();
        let log = self.open()?;
        let taken = start.elapsed();
        drop(log);
        Ok(taken)
    }

    /// How long reading all blocks in order takes.
    ///
    /// # Errors
    ///
    /// If one cannot be read.
    pub fn time_to_replay(&self, reader: &LogReader) -> io::Result<Duration> {
        let (start, mut blocks) = (Instant::now(), 0);
        for block in reader.iter() {
            std::hint::black_box(block.map_err(told)?);
            blocks += 1;
        }
        let taken = start.elapsed();
        if blocks == self.blocks { Ok(taken) } else { Err(io::Error::other("blocks are missing")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_append_what_they_say() {
        let shape = Shape { name: "test", blocks: 3, bytes: 100 };
        let mut ours = Append::new(shape).unwrap();
        let mut floor = AppendFloor::new(shape).unwrap();
        for _ in 0..4 {
            ours.prepare().unwrap();
            ours.run().unwrap();
            floor.prepare().unwrap();
            floor.run().unwrap();
        }
        let log = ours.log.as_ref().unwrap();
        assert_eq!(log.last(), Some(Height::new(13)), "one, and then four times three");
        assert_eq!(log.get(Height::new(3)).unwrap().unwrap().bytes, shape.content()[100..200]);
        let file = floor.file.as_ref().unwrap();
        assert_eq!(file.metadata().unwrap().len(), 5 * 300);
    }

    #[test]
    fn a_written_log_is_opened_and_replayed() {
        for (segment_bytes, segments) in [(256 << 20, 1), (10_000, 13)] {
            let written = Written::new(50, segment_bytes).unwrap();
            assert_eq!(written.segments().unwrap(), segments, "four blocks each, then two");
            written.time_to_open().unwrap();
            let log = written.open().unwrap();
            written.time_to_replay(log.reader()).unwrap();
        }
    }
}
