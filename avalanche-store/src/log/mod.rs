//! The block log: what a chain has accepted, in order, durable.
//!
//! ```text
//!   append ---> buffer, file ---> sync: one fdatasync ---> readable, by height, id and range
//!                                   |
//!      00000000000000000000.log     |   closed segments have an index beside them,
//!      00000000000000000000.idx     |   which is derived and built again if it is missing
//!      00000000000000131072.log <---+   the last segment's index is in memory
//!      lock
//! ```
//!
//! What opening does with bytes that are no record:
//!
//! ```text
//!   | sync'd | sync'd |  X  | later record |      X was durable, as the later record (or a later
//!            damage ---^      durable_before > X   segment) says: reported, nothing is cut
//!
//!   | sync'd | sync'd | whole | torn |            no proof that these were durable: the whole ones
//!                       kept --^   ^-- cut        are written again and synced, the rest is cut
//! ```

mod blocks;
mod config;
mod format;
mod index;
mod recover;
mod remove;
mod report;
mod scan;
mod segment;
mod transfer;
mod verify;
mod view;
mod writer;

use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use avalanche_consensus::{Height, Id};

pub use self::blocks::Blocks;
pub use self::config::{LogConfig, Retention};
pub use self::remove::PruneBelow;
pub use self::report::{CutTail, LogDamage, OpenReport, VerifyReport};
pub use self::segment::Block;
pub use self::transfer::{ImportReport, StreamFault};
pub use self::view::LogReader;

use self::recover::recover;
use self::view::Shared;
use self::writer::{Identities, Writer};
use crate::{Disk, Error, OsDisk};

/// Name of the lock file in the folder.
const LOCK: &str = "lock";

/// An append-only log of blocks. There is one writer; [`reader`](Self::reader)s are cloned freely.
///
/// # Contract
///
/// - **Durable when synced.** After [`sync`](Self::sync) has returned, every block appended before
///   survives power loss. What was appended and not synced may survive, in order, without gaps.
/// - **Readable when durable.** Reads see a block once a sync has returned.
/// - **Contiguous.** Heights follow on each other; the first block fixes where they start.
/// - **Poisoned.** After a failed write or sync every later call that writes fails with
///   [`Error::Poisoned`]; durable blocks can be read. Open the folder again to go on. A sync is
///   never tried again: after a failure the operating system may have dropped the bytes. A call
///   that was refused for its arguments poisons nothing.
/// - **Recovered.** Opening cuts what a crash left half written, and says so. Durable blocks that
///   are damaged are reported, never cut: see [`OpenReport::damage`].
///
/// Dropping a log does not sync it.
///
/// # Memory
///
/// A write buffer of 256 KiB; about 60 bytes a block of the last segment, which has at most 131,072
/// blocks; 2 bytes a block of the others, and about 100 bytes a segment; and what
/// [`LogConfig::open_segments_max`] says. Opening reads 1 MiB at a time.
///
/// ```
/// use avalanche_consensus::{Height, Id};
/// use avalanche_store::{BlockLog, LogConfig, OsDisk};
///
/// # fn main() -> Result<(), avalanche_store::Error> {
/// # let dir = std::env::temp_dir().join(format!("avalanche-log-{}", std::process::id()));
/// let (mut log, report) = BlockLog::open(OsDisk, &dir, LogConfig::default())?;
/// assert_eq!(report.damage, None);
/// log.append(Height::new(1), Id::hash(b"one"), b"one")?;
/// log.append(Height::new(2), Id::hash(b"two"), b"two")?;
/// log.sync()?;
/// assert_eq!(log.get(Height::new(2))?.map(|block| block.bytes), Some(b"two".to_vec()));
/// assert_eq!(log.height_of(&Id::hash(b"one"))?, Some(Height::new(1)));
/// # drop(log);
/// # std::fs::remove_dir_all(&dir).ok();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct BlockLog<D: Disk = OsDisk> {
    reader: LogReader<D>,
    writer: Option<Writer<D::File>>,
    identities: Identities,
    damage: Option<LogDamage>,
    poisoned: bool,
    _lock: D::Lock,
}

impl<D: Disk> BlockLog<D> {
    /// Opens a log, or begins an empty one, and repairs what a crash left.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`], [`Error::Version`], [`Error::Io`]. Damage is no error: the log opens up to
    /// there and refuses to append; see [`OpenReport::damage`].
    pub fn open(
        disk: D,
        dir: impl AsRef<Path>,
        config: LogConfig,
    ) -> Result<(Self, OpenReport), Error> {
        let dir = dir.as_ref();
        disk.create_dir_all(dir).map_err(Error::io("make the folder", dir))?;
        let path = dir.join(LOCK);
        let lock = disk.lock(&path).map_err(Error::io("lock", &path))?;
        let lock = lock.ok_or_else(|| Error::InUse { path: dir.into() })?;
        let identities = Identities::new(config.identity_seed);
        let shared = Arc::new(Shared::new(disk, dir.into(), config));
        let reader = LogReader { shared };
        let mut log =
            Self { reader, writer: None, identities, damage: None, poisoned: false, _lock: lock };
        let report = log.recover()?;
        Ok((log, report))
    }

    /// Adds a block. It is durable, and can be read, after the next [`sync`](Self::sync).
    ///
    /// Blocks are gathered in a buffer of 256 KiB; bytes of 64 KiB and more are not copied. A
    /// closed segment that cannot be read is not searched for the id.
    ///
    /// # Errors
    ///
    /// [`Error::WrongHeight`], [`Error::DuplicateBlock`], [`Error::BlockTooLarge`]: nothing was
    /// changed. [`Error::LogDamaged`], [`Error::Poisoned`]. Otherwise the log is poisoned.
    pub fn append(&mut self, height: Height, id: Id, bytes: &[u8]) -> Result<(), Error> {
        self.check_open()?;
        self.check_block(height, &id, bytes)?;
        let config = &self.reader.shared.config;
        if self.writer.as_ref().is_none_or(|writer| writer.is_full(bytes.len(), config)) {
            let rolled = self.roll(height.get());
            self.poison_on_error(rolled)?;
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let written = writer.append(id, bytes);
        self.poison_on_error(written)
    }

    /// Makes every appended block durable, with one sync however many there are. Returns the last
    /// height, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::LogDamaged`], [`Error::Poisoned`]. Otherwise the log is poisoned.
    pub fn sync(&mut self) -> Result<Option<Height>, Error> {
        self.check_open()?;
        if let Some(writer) = &mut self.writer {
            let synced = writer.sync(&self.reader.shared);
            self.poison_on_error(synced)?;
        }
        Ok(self.last())
    }

    /// Adds a block and makes it, and all before it, durable.
    ///
    /// # Errors
    ///
    /// Those of [`append`](Self::append) and [`sync`](Self::sync).
    pub fn append_synced(&mut self, height: Height, id: Id, bytes: &[u8]) -> Result<(), Error> {
        self.append(height, id, bytes)?;
        self.sync().map(drop)
    }

    /// The only height that can be appended next; `None` if the log is empty and takes any.
    #[must_use]
    pub fn next_height(&self) -> Option<Height> {
        let writer = self.writer.as_ref().filter(|w| w.pending() > 0 || self.last().is_some());
        writer.map(|writer| Height::new(writer.next()))
    }

    /// Blocks that were appended and are not durable yet.
    #[must_use]
    pub fn unsynced(&self) -> usize {
        self.writer.as_ref().map_or(0, Writer::pending)
    }

    /// Why the log takes no blocks, if opening found damage.
    #[must_use]
    pub const fn damage(&self) -> Option<&LogDamage> {
        self.damage.as_ref()
    }

    /// What reads the log, here and on other threads.
    #[must_use]
    pub const fn reader(&self) -> &LogReader<D> {
        &self.reader
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.reader.shared.dir
    }

    /// [`LogReader::first`].
    #[must_use]
    pub fn first(&self) -> Option<Height> {
        self.reader.first()
    }

    /// [`LogReader::last`].
    #[must_use]
    pub fn last(&self) -> Option<Height> {
        self.reader.last()
    }

    /// [`LogReader::get`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn get(&self, height: Height) -> Result<Option<Block>, Error> {
        self.reader.get(height)
    }

    /// [`LogReader::by_id`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn by_id(&self, id: &Id) -> Result<Option<Block>, Error> {
        self.reader.by_id(id)
    }

    /// [`LogReader::height_of`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn height_of(&self, id: &Id) -> Result<Option<Height>, Error> {
        self.reader.height_of(id)
    }

    /// [`LogReader::range`].
    #[must_use]
    pub fn range(&self, range: impl RangeBounds<Height>) -> Blocks<D> {
        self.reader.range(range)
    }

    /// [`LogReader::iter`].
    #[must_use]
    pub fn iter(&self) -> Blocks<D> {
        self.reader.iter()
    }

    /// Finds out what the folder holds, and shows that to readers.
    fn recover(&mut self) -> Result<OpenReport, Error> {
        let shared = &self.reader.shared;
        let recovered = recover(shared)?;
        shared.close(|_| true);
        *shared.view_mut() = recovered.view;
        self.writer = recovered.writer;
        self.damage = recovered.report.damage.clone();
        Ok(recovered.report)
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.poisoned {
            return Err(Error::Poisoned { path: self.dir().into() });
        }
        match &self.damage {
            Some(damage) => Err(Error::LogDamaged {
                path: damage.path.clone(),
                offset: damage.offset,
                first_lost: damage.first_lost,
                last_lost: damage.last_lost,
            }),
            None => Ok(()),
        }
    }

    /// Whether a block may follow.
    fn check_block(&self, height: Height, id: &Id, bytes: &[u8]) -> Result<(), Error> {
        let max = self.reader.shared.config.longest_block();
        if bytes.len() > max {
            return Err(Error::BlockTooLarge { bytes: bytes.len(), max });
        }
        if let Some(expected) = self.next_height().filter(|expected| *expected != height) {
            return Err(Error::WrongHeight { given: height, expected });
        }
        if height == Height::MAX {
            // No height follows on it, and the log always has a next one.
            return Err(Error::WrongHeight { given: height, expected: Height::GENESIS });
        }
        let pending = self.writer.as_ref().and_then(|writer| writer.pending_height(id));
        let held = pending.map_or_else(|| self.reader.height_of(id), |height| Ok(Some(height)));
        match held {
            Ok(Some(height)) => Err(Error::DuplicateBlock { id: *id, height }),
            Ok(None) => Ok(()),
            Err(error) => {
                // Damage to old blocks is no reason to refuse a new one.
                tracing::warn!(%error, "a closed segment was not searched for the id of a block");
                Ok(())
            }
        }
    }

    /// Begins the segment whose first block is the next one.
    fn roll(&mut self, first: u64) -> Result<(), Error> {
        let shared = &self.reader.shared;
        if let Some(writer) = &mut self.writer {
            writer.finish(shared)?;
        }
        let identity = self.identities.draw(first);
        self.writer = Some(Writer::create(shared, first, identity)?);
        Ok(())
    }

    fn poison_on_error<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            self.poisoned = true;
            tracing::error!(dir = %self.dir().display(), %error, "the block log is poisoned");
        }
        result
    }

    fn path_of(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }
}
