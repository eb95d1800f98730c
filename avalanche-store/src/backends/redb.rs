//! redb, on any [`Disk`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::{fmt, io};

use redb::{
    Builder, Database, Durability, Range, ReadOnlyTable, ReadableDatabase, StorageBackend, Table,
    TableDefinition,
};

use super::Usage;
use super::folder::{Folder, Format};
use crate::{
    Batch, Disk, DiskFile, Error, KeyRange, KeyValue, Limits, OpenMode, Order, OsDisk, Pair, Pairs,
};

const FORMAT: Format = Format { engine: "redb", version: 1 };

/// The file that holds everything.
const DATA: &str = "data.redb";

/// Bytes of a page of redb's; part of its format.
const PAGE_BYTES: u64 = 4096;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

type Rows = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// Anything that only has to live, and to be shown.
trait Held: Send + Sync + fmt::Debug {}

impl<T: Send + Sync + fmt::Debug> Held for T {}

/// Settings of a [`RedbStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedbConfig {
    /// What its cache may grow to, in bytes. By default 256 MiB.
    pub cache_bytes: usize,
    /// Whether to read and check the whole file at every open; by default yes. redb checks nothing
    /// when it reads later, and may answer wrongly from bytes that the disk changed. Without the
    /// check every flush stores what makes an open after a crash quick, too, which makes flushes
    /// slower, most where keys ascend.
    pub check_on_open: bool,
}

impl Default for RedbConfig {
    fn default() -> Self {
        Self { cache_bytes: 256 << 20, check_on_open: true }
    }
}

/// A store in a folder, written by redb.
///
/// - `commit` makes the batch visible without a sync; `flush` makes all of them durable with one.
///   Power loss takes the store back to the last flush, exactly. Space that commits free is used
///   again only after a flush: flush every few thousand rows.
/// - A scan is a snapshot of the moment when it began. While one is open, what it sees is kept on
///   disk.
/// - A panic inside redb, which it promises on damaged files only without the check at open, prints
///   its message before it becomes an error, and needs the default `panic = "unwind"`.
pub struct RedbStore {
    /// The rows as of the last commit. Dropped before the database that they pin.
    rows: RwLock<Option<Rows>>,
    /// `None` only while it is dropped.
    db: Option<Database>,
    /// Serialises commits, each with the change of `rows` that follows.
    writing: Mutex<()>,
    poisoned: AtomicBool,
    config: RedbConfig,
    path: PathBuf,
    data: Arc<dyn DiskFile>,
    /// Last, so that the folder is free only when the engine has let go.
    folder: Box<dyn Held>,
}

impl RedbStore {
    /// Opens the store in `dir`, made if it is absent.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`], [`Error::Version`], [`Error::Foreign`], [`Error::Io`]; [`Error::Corrupt`]
    /// if redb cannot read its file: remove the folder and rebuild it from the block log.
    pub fn open(dir: &Path, config: RedbConfig) -> Result<Self, Error> {
        Self::open_on(&OsDisk, dir, config)
    }

    /// Opens the store on a disk of the caller's, as a simulated one.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_on<D>(disk: &D, dir: &Path, config: RedbConfig) -> Result<Self, Error>
    where
        D: Disk,
        D::File: 'static,
        D::Lock: 'static,
    {
        let folder = Folder::open(disk, dir, FORMAT)?;
        let path = dir.join(DATA);
        let mode = if folder.new { OpenMode::CreateNew } else { OpenMode::Write };
        let data = Arc::new(disk.open(&path, mode).map_err(Error::io("open", &path))?);
        // redb would begin anew in an empty file.
        if !folder.new && data.len().map_err(Error::io("read the length of", &path))? == 0 {
            return Err(Error::Corrupt { path, offset: 0, what: "it is empty, and was not" });
        }
        complete_page(data.as_ref()).map_err(Error::io("extend", &path))?;
        let db = open_engine(Backend(Arc::clone(&data)), &path, config)?;
        let mut store = Self {
            rows: RwLock::new(None),
            db: Some(db),
            writing: Mutex::new(()),
            poisoned: AtomicBool::new(false),
            config,
            path,
            data,
            folder: Box::new(()),
        };
        if folder.new {
            store.call(|db| store.write(db, Durability::Immediate, |_rows| Ok(())))?;
        }
        store.call(|db| store.refresh(db))?;
        folder.complete(disk)?;
        store.folder = Box::new(folder);
        Ok(store)
    }

    /// Bytes of its file and of its cache.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn usage(&self) -> Result<Usage, Error> {
        let disk_bytes = self.data.len().map_err(Error::io("read the length of", &self.path))?;
        let cache_bytes_max = u64::try_from(self.config.cache_bytes).unwrap_or(u64::MAX);
        Ok(Usage { disk_bytes, cache_bytes_max })
    }

    /// Calls redb, unless an earlier call made the store unsafe to use.
    fn call<T>(&self, ask: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, Error> {
        let open = if self.poisoned.load(Ordering::Acquire) { None } else { self.db.as_ref() };
        let db = open.ok_or_else(|| Error::Poisoned { path: self.path.clone() })?;
        match catch_unwind(AssertUnwindSafe(|| ask(db))) {
            Ok(answer) => answer.map_err(|error| told(error, &self.path)),
            Err(_panic) => {
                self.poison();
                Err(panicked(&self.path))
            }
        }
    }

    fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    fn write(
        &self,
        db: &Database,
        durability: Durability,
        change: impl FnOnce(&mut Table<'_, &[u8], &[u8]>) -> Result<(), redb::Error>,
    ) -> Result<(), redb::Error> {
        let mut transaction = db.begin_write()?;
        transaction.set_durability(durability)?;
        transaction.set_quick_repair(!self.config.check_on_open);
        change(&mut transaction.open_table(TABLE)?)?;
        Ok(transaction.commit()?)
    }

    /// Lets readers see the last commit. A transaction of their own would cost each read as much
    /// as the read itself.
    fn refresh(&self, db: &Database) -> Result<(), redb::Error> {
        let rows = db.begin_read()?.open_table(TABLE)?;
        let old = self.rows.write().unwrap_or_else(PoisonError::into_inner).replace(rows);
        drop(old);
        Ok(())
    }

    fn read<T>(
        &self,
        ask: impl FnOnce(&Rows) -> Result<T, redb::StorageError>,
    ) -> Result<T, Error> {
        self.call(|_db| {
            let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
            Ok(ask(rows.as_ref().ok_or(redb::Error::DatabaseClosed)?)?)
        })
    }
}

impl KeyValue for RedbStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.read(|rows| Ok(rows.get(key)?.map(|value| value.value().to_vec())))
    }

    fn range(&self, range: KeyRange, order: Order) -> Pairs<'_> {
        let rows = self.read(|rows| {
            // Its rule for a range that ends before it begins is not documented.
            let range = if range.is_empty() { KeyRange::none() } else { range };
            rows.range::<&[u8]>((
                range.start.as_ref().map(Vec::as_slice),
                range.end.as_ref().map(Vec::as_slice),
            ))
        });
        match rows {
            Ok(rows) => Box::new(RedbPairs { store: self, rows: Some(rows), order }),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }

    fn commit(&self, batch: Batch) -> Result<(), Error> {
        self.limits().check(&batch)?;
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = batch.into_changes();
        let done = self.call(|db| {
            self.write(db, Durability::None, |rows| {
                for change in &changes {
                    match &change.value {
                        Some(value) => _ = rows.insert(change.key.as_slice(), value.as_slice())?,
                        None => _ = rows.remove(change.key.as_slice())?,
                    }
                }
                Ok(())
            })?;
            self.refresh(db)
        });
        done.inspect_err(|_error| self.poison())
    }

    fn flush(&self) -> Result<(), Error> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // Of several commits without a sync the next with one makes all durable.
        self.call(|db| {
            self.write(db, Durability::Immediate, |_rows| Ok(()))?;
            self.refresh(db)
        })
        .inspect_err(|_error| self.poison())
    }

    fn limits(&self) -> Limits {
        Limits::COMMON
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        let rows = self.rows.write().unwrap_or_else(PoisonError::into_inner).take();
        let db = self.db.take();
        let closed = catch_unwind(AssertUnwindSafe(|| {
            drop(rows);
            drop(db);
        }));
        if closed.is_err() {
            tracing::warn!(file = %self.path.display(), "redb failed while it closed");
        }
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore")
            .field("path", &self.path)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// A scan; ends with its first error.
struct RedbPairs<'a> {
    store: &'a RedbStore,
    rows: Option<Range<'static, &'static [u8], &'static [u8]>>,
    order: Order,
}

impl Iterator for RedbPairs<'_> {
    type Item = Result<Pair, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (rows, order) = (self.rows.as_mut()?, self.order);
        let row = self.store.call(|_db| {
            let row = match order {
                Order::Ascending => rows.next(),
                Order::Descending => rows.next_back(),
            };
            let row = row.transpose()?;
            Ok(row.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())))
        });
        if !matches!(row, Ok(Some(_))) {
            self.rows = None;
        }
        row.transpose()
    }
}

/// A file of [`Disk`]'s as redb sees it. Its locks are not asked for: the folder has one.
#[derive(Debug)]
struct Backend<F>(Arc<F>);

impl<F: DiskFile + 'static> StorageBackend for Backend<F> {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(data, offset)
    }
}

/// Power loss while the file grew may leave a length that redb takes for damage: it works in pages,
/// and what it synced ends with one. So there is nothing of value in a part of a page.
fn complete_page(file: &impl DiskFile) -> io::Result<()> {
    let length = file.len()?;
    let whole = length.next_multiple_of(PAGE_BYTES);
    if whole == length { Ok(()) } else { file.set_len(whole) }
}

fn open_engine<F: DiskFile + 'static>(
    file: Backend<F>,
    path: &Path,
    config: RedbConfig,
) -> Result<Database, Error> {
    let opened = catch_unwind(AssertUnwindSafe(|| {
        Builder::new()
            .set_cache_size(config.cache_bytes)
            .set_check_integrity_on_open(config.check_on_open)
            .create_with_backend(file)
    }));
    opened.map_err(|_panic| panicked(path))?.map_err(|error| told(redb::Error::from(error), path))
}

/// An error of redb's in the words of this crate.
fn told(error: redb::Error, path: &Path) -> Error {
    let path = path.to_path_buf();
    let what = match error {
        redb::Error::Io(source) => match source.kind() {
            io::ErrorKind::InvalidData => "it does not begin as a file of redb's does",
            io::ErrorKind::UnexpectedEof => "it is shorter than it was",
            _ => return Error::Io { action: "read or write", path, source },
        },
        redb::Error::DatabaseAlreadyOpen => return Error::InUse { path },
        redb::Error::PreviousIo
        | redb::Error::DatabaseClosed
        | redb::Error::LockPoisoned(_)
        | redb::Error::TransactionPoisoned => return Error::Poisoned { path },
        redb::Error::UpgradeRequired(found) => {
            return Error::Version { path, found: found.into(), supported: FORMAT.version };
        }
        redb::Error::Corrupted(_) => "redb finds it corrupted",
        redb::Error::TableDoesNotExist(_) => "its table is missing",
        _ => "redb found what it did not write",
    };
    Error::Corrupt { path, offset: 0, what }
}

fn panicked(path: &Path) -> Error {
    Error::Corrupt {
        path: path.to_path_buf(),
        offset: 0,
        what: "redb panicked on what it read (its message went to standard error)",
    }
}
