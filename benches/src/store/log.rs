//! The block log: durable appends, reopening, replay.

use std::fs::File;
use std::io::{self, Write as _};
use std::time::Instant;

use avalanche_consensus::Height;
use avalanche_store::{BlockLog, Error, LogConfig, OsDisk};

use super::folder::Folder;
use super::noise;
use crate::id;
use crate::measure::as_f64;

/// Blocks that are appended together, with one sync.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// How many.
    pub blocks: u32,
    /// Bytes of each.
    pub bytes: usize,
}

impl Group {
    /// A block of 10,000 transactions of 200 bytes.
    pub const LARGE: Self = Self { blocks: 1, bytes: 2_000_000 };
    /// A thousand small ones.
    pub const SMALL: Self = Self { blocks: 1_000, bytes: 1_024 };
}

/// A log that a group is appended to again and again.
#[derive(Debug)]
pub struct Append {
    log: BlockLog,
    next: u64,
    group: Group,
    block: Vec<u8>,
    _folder: Folder,
}

impl Append {
    /// An empty log.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn new(group: Group) -> Result<Self, Error> {
        let folder = Folder::new().map_err(unwritable)?;
        let (log, _) = BlockLog::open(OsDisk, folder.path(), LogConfig::default())?;
        Ok(Self { log, next: 0, group, block: noise(0, group.bytes), _folder: folder })
    }

    /// Appends a group and syncs; false if the log refused.
    pub fn append_one(&mut self) -> bool {
        for _ in 0..self.group.blocks {
            let name = id("block", self.next);
            if self.log.append(Height::new(self.next), name, &self.block).is_err() {
                return false;
            }
            self.next += 1;
        }
        self.log.sync().is_ok()
    }

    /// The folder, for what opens it anew once this is dropped.
    fn into_folder(self) -> Folder {
        self._folder
    }
}

/// The same bytes at the end of a file, hashed block by block, with one sync.
#[derive(Debug)]
pub struct AppendFloor {
    file: File,
    group: Group,
    block: Vec<u8>,
    all: Vec<u8>,
    _folder: Folder,
}

impl AppendFloor {
    /// An empty file.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn new(group: Group) -> io::Result<Self> {
        let folder = Folder::new()?;
        let file = File::create(folder.path().join("raw"))?;
        let block = noise(0, group.bytes);
        let all = block.repeat(group.blocks as usize);
        Ok(Self { file, group, block, all, _folder: folder })
    }

    /// Writes a group and syncs; false if the file refused.
    pub fn append_one(&mut self) -> bool {
        for _ in 0..self.group.blocks {
            std::hint::black_box(blake3::hash(&self.block));
        }
        self.file.write_all(&self.all).and_then(|()| self.file.sync_data()).is_ok()
    }
}

/// Rates of opening and reading a log.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Bytes of blocks.
    pub bytes: u64,
    /// Seconds to open it, which reads the last segment whole.
    pub open: f64,
    /// Seconds to read every block in order, checksums verified.
    pub replay: f64,
    /// Blocks.
    pub blocks: u64,
}

/// Fills a log with groups, opens it again and reads it.
///
/// # Errors
///
/// Those of the file system.
pub fn reading(group: Group, groups: u32) -> Result<Reading, Error> {
    let mut append = Append::new(group)?;
    for _ in 0..groups {
        assert!(append.append_one(), "the log refused a block");
    }
    let blocks = append.next;
    let folder = append.into_folder();
    let start = Instant::now();
    let (log, _) = BlockLog::open(OsDisk, folder.path(), LogConfig::default())?;
    let open = start.elapsed().as_secs_f64();
    let (start, mut read, mut bytes) = (Instant::now(), 0, 0);
    for block in log.iter() {
        bytes += block?.bytes.len() as u64;
        read += 1;
    }
    assert!(read == blocks, "blocks are missing");
    Ok(Reading { bytes, open, replay: start.elapsed().as_secs_f64(), blocks })
}

impl Reading {
    /// Megabytes a second of opening and of replay, and blocks a second of replay.
    #[must_use]
    pub fn rates(&self) -> [f64; 3] {
        let megabytes = as_f64(self.bytes) / 1e6;
        [megabytes / self.open, megabytes / self.replay, as_f64(self.blocks) / self.replay]
    }
}

/// A temporary folder that cannot be made, as the store says it.
pub(crate) fn unwritable(source: io::Error) -> Error {
    Error::Io { action: "make", path: std::env::temp_dir(), source }
}
