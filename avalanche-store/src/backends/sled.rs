//! sled 0.34 with a sync behind its flush.
//!
//! What sled 0.34.7 does on its own, and what stands against it here:
//!
//! | sled | here |
//! |---|---|
//! | `flush` ends in `sync_file_range`, which keeps neither length nor blocks after power loss | `fdatasync` of its file `db` follows |
//! | pages above a quarter of a segment go to files that are never synced | segments of 2 MiB, and [`Limits::COMMON`]: no page gets there |
//! | power loss while it writes a snapshot leaves `snap.*.generating`, which it then takes for one | such files are removed before it opens |
//! | it panics on some damage, and when a sync fails while it closes | panics are caught and become [`Error::Corrupt`] |
//! | it sees a damaged end of its log as never written | see [`SledStore`] |

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use std::{fmt, io};

use sled::{Db, IVec, Mode};

use super::Usage;
use super::folder::{Folder, Format};
use crate::{
    Batch, DiskFile, Error, KeyRange, KeyValue, Limits, OpenMode, Order, OsDisk, OsFile, OsLock,
    Pair, Pairs,
};

const FORMAT: Format = Format { engine: "sled", version: 1 };

/// The file that holds everything; its name is sled's.
const DATA: &str = "db";

/// Bytes of a segment. A page may take a quarter of it before sled moves it to an unsynced file.
/// A leaf splits at 17 rows and may take in 3 more: 20 rows of 17,408 bytes are 340 KiB. An inner
/// page splits at 257 keys and may take in 63 more: 320 keys of 1,024 bytes are 320 KiB. A quarter
/// of 2 MiB is 512 KiB.
const SEGMENT_BYTES: usize = 2 << 20;

/// How often, and how long in between, to try again when sled's own lock is held: its threads let
/// go of a store that was closed only after a moment.
const LOCK_TRIES: u32 = 50;
const LOCK_WAIT: Duration = Duration::from_millis(20);

/// Settings of a [`SledStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SledConfig {
    /// What its cache may grow to, in bytes; sled exceeds it somewhat. By default 256 MiB.
    pub cache_bytes: u64,
}

impl Default for SledConfig {
    fn default() -> Self {
        Self { cache_bytes: 256 << 20 }
    }
}

/// A store in a folder, written by sled.
///
/// - Sound after power loss: see the head of its source for what that takes.
/// - Bytes that change on disk are found when they are read, by sled's checksums, except at the
///   end of its log: there it takes damage for a write that never finished, and opens with the
///   batches before it. Keep the height with the data, and compare it with the block log.
/// - A whole segment of zeros is free space to it. If one in the middle was overwritten, rows can
///   be missing without an error, even in one direction of a scan only. Power loss does not do that
///   to what was flushed; whoever restores files by hand should rebuild from the block log.
/// - A panic inside sled prints its message before it becomes an error, and needs the default
///   `panic = "unwind"`.
/// - Reading a scan takes rows one by one; each is whole, the scan is no snapshot.
pub struct SledStore {
    /// `None` only while it is dropped.
    db: Option<Db>,
    data: OsFile,
    poisoned: AtomicBool,
    config: SledConfig,
    dir: PathBuf,
    /// Last, so that the folder is free only when the engine has let go.
    folder: Folder<OsLock>,
}

impl SledStore {
    /// Opens the store in `dir`, made if it is absent.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`], [`Error::Version`], [`Error::Foreign`], [`Error::Io`]; [`Error::Corrupt`]
    /// if sled cannot read its files: remove the folder and rebuild it from the block log.
    pub fn open(dir: &Path, config: SledConfig) -> Result<Self, Error> {
        let folder = Folder::open(&OsDisk, dir, FORMAT)?;
        remove_unfinished_snapshots(dir)?;
        let db = open_engine(dir, config)?;
        let path = dir.join(DATA);
        let disk = OsDisk;
        let data =
            crate::Disk::open(&disk, &path, OpenMode::Write).map_err(Error::io("open", &path))?;
        let store = Self {
            db: Some(db),
            data,
            poisoned: AtomicBool::new(false),
            config,
            dir: dir.to_path_buf(),
            folder,
        };
        store.flush()?;
        let conf = dir.join("conf");
        let settings = crate::Disk::open(&disk, &conf, OpenMode::Write);
        settings.and_then(|file| file.sync_data()).map_err(Error::io("sync", &conf))?;
        store.folder.complete(&disk)?;
        Ok(store)
    }

    /// Bytes of its files and of its cache.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn usage(&self) -> Result<Usage, Error> {
        let disk_bytes = self.call(Db::size_on_disk)?;
        Ok(Usage { disk_bytes, cache_bytes_max: self.config.cache_bytes })
    }

    /// Calls sled, unless an earlier call made the store unsafe to use.
    fn call<T>(&self, ask: impl FnOnce(&Db) -> sled::Result<T>) -> Result<T, Error> {
        let db = self.db()?;
        match catch_unwind(AssertUnwindSafe(|| ask(db))) {
            Ok(answer) => answer.map_err(|error| told(error, &self.dir)),
            Err(_panic) => {
                self.poison();
                Err(panicked(&self.dir))
            }
        }
    }

    fn db(&self) -> Result<&Db, Error> {
        let open = if self.poisoned.load(Ordering::Acquire) { None } else { self.db.as_ref() };
        open.ok_or_else(|| Error::Poisoned { path: self.dir.clone() })
    }

    fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }
}

impl KeyValue for SledStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let value = self.call(|db| db.get(key))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn range(&self, range: KeyRange, order: Order) -> Pairs<'_> {
        if range.is_empty() {
            return match self.db() {
                Ok(_) => Box::new(std::iter::empty()),
                Err(error) => Box::new(std::iter::once(Err(error))),
            };
        }
        match self.call(|db| Ok(db.range((range.start, range.end)))) {
            Ok(rows) => Box::new(SledPairs { store: self, rows: Some(rows), order }),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }

    fn commit(&self, batch: Batch) -> Result<(), Error> {
        self.limits().check(&batch)?;
        let mut changes = sled::Batch::default();
        for change in batch.into_changes() {
            match change.value {
                Some(value) => changes.insert(change.key, value),
                None => changes.remove(change.key),
            }
        }
        self.call(|db| db.apply_batch(changes)).inspect_err(|_error| self.poison())
    }

    fn flush(&self) -> Result<(), Error> {
        self.call(|db| db.flush()).inspect_err(|_error| self.poison())?;
        self.data
            .sync_data()
            .map_err(Error::io("sync", &self.dir.join(DATA)))
            .inspect_err(|_error| self.poison())
    }

    fn limits(&self) -> Limits {
        Limits::COMMON
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        let db = self.db.take();
        // It syncs once more and panics if that fails. Nothing promised depends on it.
        if catch_unwind(AssertUnwindSafe(|| drop(db))).is_err() {
            tracing::warn!(folder = %self.dir.display(), "sled failed while it closed");
        }
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore")
            .field("dir", &self.dir)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// A scan; ends with its first error.
struct SledPairs<'a> {
    store: &'a SledStore,
    rows: Option<sled::Iter>,
    order: Order,
}

impl Iterator for SledPairs<'_> {
    type Item = Result<Pair, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (rows, order) = (self.rows.as_mut()?, self.order);
        let row = self.store.call(|_db| {
            let row = match order {
                Order::Ascending => rows.next(),
                Order::Descending => rows.next_back(),
            };
            row.transpose()
        });
        match row {
            Ok(Some((key, value))) => Some(Ok((key.to_vec(), value.to_vec()))),
            end => {
                self.rows = None;
                end.map(|_none: Option<(IVec, IVec)>| None).transpose()
            }
        }
    }
}

/// Removes what a crash left of a snapshot that was being written.
fn remove_unfinished_snapshots(dir: &Path) -> Result<(), Error> {
    let disk = OsDisk;
    for name in crate::Disk::list(&disk, dir).map_err(Error::io("list", dir))? {
        if name.starts_with("snap.") && name.ends_with(".generating") {
            let path = dir.join(name);
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}

fn open_engine(dir: &Path, config: SledConfig) -> Result<Db, Error> {
    let engine = sled::Config::new()
        .path(dir)
        .mode(Mode::HighThroughput)
        .segment_size(SEGMENT_BYTES)
        .cache_capacity(config.cache_bytes);
    let mut tries = 0;
    loop {
        let opened = catch_unwind(AssertUnwindSafe(|| engine.open()));
        match opened.map(|opened| opened.map_err(|error| told(error, dir))) {
            Ok(Err(Error::InUse { .. })) if tries < LOCK_TRIES => {
                tries += 1;
                thread::sleep(LOCK_WAIT);
            }
            Ok(opened) => return opened,
            Err(_panic) => return Err(panicked(dir)),
        }
    }
}

/// An error of sled's in the words of this crate.
fn told(error: sled::Error, dir: &Path) -> Error {
    let path = dir.to_path_buf();
    let (offset, what) = match error {
        sled::Error::Io(source) => return refused(source, path),
        sled::Error::Corruption { at, .. } => {
            (at.map_or(0, |at| at.lid()), "a checksum of sled's does not match")
        }
        sled::Error::Unsupported(_) => (0, "its settings are not those that this release wrote"),
        sled::Error::CollectionNotFound(_) => (0, "its tree is missing"),
        sled::Error::ReportableBug(_) => (0, "sled found its own state broken"),
    };
    Error::Corrupt { path, offset, what }
}

/// An answer of the operating system, or what sled dresses as one.
fn refused(source: io::Error, path: PathBuf) -> Error {
    // Its lock is told apart by its text alone; without an operating system's code behind it.
    if source.raw_os_error().is_none() && source.to_string().contains("could not acquire lock") {
        return Error::InUse { path };
    }
    match source.kind() {
        io::ErrorKind::UnexpectedEof => {
            Error::Corrupt { path, offset: 0, what: "a file of sled's is shorter than it was" }
        }
        _ => Error::Io { action: "read or write sled's files in", path, source },
    }
}

fn panicked(dir: &Path) -> Error {
    Error::Corrupt {
        path: dir.to_path_buf(),
        offset: 0,
        what: "sled panicked on what it read (its message went to standard error)",
    }
}
