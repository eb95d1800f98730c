//! The back-ends beside the engines below them, with the same settings and the same sync.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::mem;

use avalanche_store::{Batch, KeyValue, MemoryStore, RedbConfig, RedbStore, SledConfig, SledStore};
use redb::{Database, ReadOnlyTable, ReadableDatabase, TableDefinition};

use super::{Folder, Step, bytes, told};
use crate::floor::SplitMix;

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Bytes of a value.
const VALUE_BYTES: usize = 256;
/// Rows of one commit.
pub const ROWS: usize = 1_000;
/// Rows that reads choose from; both engines keep them all in their caches.
pub const READ_ROWS: usize = 50_000;
/// What both configurations have by default.
const CACHE_BYTES: usize = 256 << 20;
/// The segments of [`SledStore`].
const SLED_SEGMENT_BYTES: usize = 2 << 20;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

/// Keys of 32 bytes and values of 256, all different.
pub type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn rows(random: &mut SplitMix, count: usize) -> Rows {
    (0..count).map(|_| (bytes(random, KEY_BYTES), bytes(random, VALUE_BYTES))).collect()
}

/// Where rows can be put: a back-end, or its engine alone.
pub trait Put {
    /// Puts rows, and makes them durable with one sync.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    fn put(&self, rows: Rows) -> io::Result<()>;
}

/// Where rows can be found.
pub trait Find {
    /// Puts a row's value in the place of what `value` holds, so that all its bytes are read.
    /// Whether there is such a row.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn find(&self, key: &[u8], value: &mut Vec<u8>) -> io::Result<bool>;
}

/// A back-end.
#[derive(Debug)]
pub struct Backend<K> {
    store: K,
    /// Removed after the store is closed.
    _folder: Option<Folder>,
}

impl Backend<MemoryStore> {
    /// In memory.
    #[must_use]
    pub fn memory() -> Self {
        Self { store: MemoryStore::new(), _folder: None }
    }
}

impl Backend<SledStore> {
    /// An empty store of sled's.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn sled() -> io::Result<Self> {
        let folder = Folder::new()?;
        let store = SledStore::open(folder.path(), SledConfig::default()).map_err(told)?;
        Ok(Self { store, _folder: Some(folder) })
    }
}

impl Backend<RedbStore> {
    /// An empty store of redb's.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn redb() -> io::Result<Self> {
        let folder = Folder::new()?;
        let store = RedbStore::open(folder.path(), RedbConfig::default()).map_err(told)?;
        Ok(Self { store, _folder: Some(folder) })
    }
}

impl<K> Backend<K> {
    /// The store.
    pub const fn store(&self) -> &K {
        &self.store
    }
}

impl<K: KeyValue> Put for Backend<K> {
    fn put(&self, rows: Rows) -> io::Result<()> {
        let mut batch = Batch::new();
        for (key, value) in rows {
            batch.put(key, value);
        }
        self.store.commit(batch).map_err(told)?;
        self.store.flush().map_err(told)
    }
}

impl<K: KeyValue> Find for Backend<K> {
    fn find(&self, key: &[u8], value: &mut Vec<u8>) -> io::Result<bool> {
        Ok(self.store.get(key).map_err(told)?.is_some_and(|found| {
            *value = found;
            true
        }))
    }
}

/// The floor in memory: the map alone, and no lock.
#[derive(Debug)]
pub struct BareMap(BTreeMap<Vec<u8>, Vec<u8>>);

/// sled alone, with the sync that makes its file durable.
#[derive(Debug)]
pub struct BareSled {
    db: sled::Db,
    data: File,
    _folder: Folder,
}

impl BareSled {
    /// Without rows.
    ///
    /// # Errors
    ///
    /// If its files cannot be made.
    pub fn new() -> io::Result<Self> {
        let folder = Folder::new()?;
        let db = sled::Config::new()
            .path(folder.path())
            .mode(sled::Mode::HighThroughput)
            .segment_size(SLED_SEGMENT_BYTES)
            .cache_capacity(CACHE_BYTES as u64)
            .open()
            .map_err(told)?;
        let data = File::options().write(true).open(folder.path().join("db"))?;
        Ok(Self { db, data, _folder: folder })
    }
}

impl Put for BareSled {
    fn put(&self, rows: Rows) -> io::Result<()> {
        let mut batch = sled::Batch::default();
        for (key, value) in rows {
            batch.insert(key, value);
        }
        self.db.apply_batch(batch).map_err(told)?;
        self.db.flush().map_err(told)?;
        self.data.sync_data()
    }
}

impl Find for BareSled {
    fn find(&self, key: &[u8], value: &mut Vec<u8>) -> io::Result<bool> {
        Ok(self.db.get(key).map_err(told)?.is_some_and(|found| copy(&found, value)))
    }
}

/// redb alone: one transaction with one sync; reads in a transaction that is already open.
pub struct BareRedb {
    reads: Option<ReadOnlyTable<&'static [u8], &'static [u8]>>,
    db: Database,
    _folder: Folder,
}

impl std::fmt::Debug for BareRedb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BareRedb").finish_non_exhaustive()
    }
}

impl BareRedb {
    /// Without rows.
    ///
    /// # Errors
    ///
    /// If its file cannot be made.
    pub fn new() -> io::Result<Self> {
        let folder = Folder::new()?;
        let path = folder.path().join("data");
        let db = Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(told)?;
        Ok(Self { reads: None, db, _folder: folder })
    }

    /// Lets reads see what is there.
    fn refresh(&mut self) -> io::Result<()> {
        self.reads = Some(self.db.begin_read().map_err(told)?.open_table(TABLE).map_err(told)?);
        Ok(())
    }
}

impl Put for BareRedb {
    fn put(&self, rows: Rows) -> io::Result<()> {
        let transaction = self.db.begin_write().map_err(told)?;
        let mut table = transaction.open_table(TABLE).map_err(told)?;
        for (key, value) in &rows {
            table.insert(key.as_slice(), value.as_slice()).map_err(told)?;
        }
        drop(table);
        transaction.commit().map_err(told)
    }
}

impl Find for BareRedb {
    fn find(&self, key: &[u8], value: &mut Vec<u8>) -> io::Result<bool> {
        let Some(reads) = &self.reads else { return Ok(false) };
        Ok(reads.get(key).map_err(told)?.is_some_and(|found| copy(found.value(), value)))
    }
}

impl Find for BareMap {
    fn find(&self, key: &[u8], value: &mut Vec<u8>) -> io::Result<bool> {
        Ok(self.0.get(key).is_some_and(|found| copy(found, value)))
    }
}

/// Copies into memory that is there already.
fn copy(found: &[u8], value: &mut Vec<u8>) -> bool {
    value.clear();
    value.extend_from_slice(found);
    true
}

/// Commits of [`ROWS`] new rows each.
#[derive(Debug)]
pub struct Commits<R> {
    at: R,
    random: SplitMix,
    next: Rows,
}

impl<R: Put> Commits<R> {
    /// Commits to `at`, the same as to another.
    pub const fn new(at: R) -> Self {
        Self { at, random: SplitMix::new(29), next: Vec::new() }
    }
}

impl<R: Put> Step for Commits<R> {
    fn prepare(&mut self) -> io::Result<()> {
        self.next = rows(&mut self.random, ROWS);
        Ok(())
    }

    fn run(&mut self) -> io::Result<()> {
        self.at.put(mem::take(&mut self.next))
    }
}

/// Reads of rows that are there, in no order.
#[derive(Debug)]
pub struct Reads<R> {
    at: R,
    keys: Vec<Vec<u8>>,
    value: Vec<u8>,
    random: SplitMix,
}

impl<R: Put + Find> Reads<R> {
    /// Puts `count` rows first.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    pub fn new(at: R, count: usize) -> io::Result<Self> {
        let rows = rows(&mut SplitMix::new(31), count);
        let keys = keys(&rows);
        at.put(rows)?;
        Ok(Self::of(at, keys))
    }
}

impl<R: Find> Reads<R> {
    const fn of(at: R, keys: Vec<Vec<u8>>) -> Self {
        Self { at, keys, value: Vec::new(), random: SplitMix::new(37) }
    }

    /// Reads one row; false if it is not found whole.
    pub fn get_one(&mut self) -> bool {
        let at = self.random.below(u32::try_from(self.keys.len()).unwrap_or(u32::MAX));
        let Some(key) = self.keys.get(at as usize) else { return false };
        let found = self.at.find(key, &mut self.value);
        std::hint::black_box(&self.value);
        found.is_ok_and(|found| found && self.value.len() == VALUE_BYTES)
    }
}

impl Reads<BareMap> {
    /// From the map alone.
    #[must_use]
    pub fn bare_map(count: usize) -> Self {
        let rows = rows(&mut SplitMix::new(31), count);
        let keys = keys(&rows);
        Self::of(BareMap(rows.into_iter().collect()), keys)
    }
}

impl Reads<BareRedb> {
    /// From redb alone.
    ///
    /// # Errors
    ///
    /// If the rows cannot be written.
    pub fn bare_redb(count: usize) -> io::Result<Self> {
        let mut reads = Self::new(BareRedb::new()?, count)?;
        reads.at.refresh()?;
        Ok(reads)
    }
}

fn keys(rows: &Rows) -> Vec<Vec<u8>> {
    rows.iter().map(|(key, _)| key.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_that_was_put_is_found() {
        find(Reads::new(Backend::memory(), 500));
        find(Ok(Reads::bare_map(500)));
        find(Backend::sled().and_then(|at| Reads::new(at, 500)));
        find(BareSled::new().and_then(|at| Reads::new(at, 500)));
        find(Backend::redb().and_then(|at| Reads::new(at, 500)));
        find(Reads::bare_redb(500));
    }

    fn find<R: Find>(reads: io::Result<Reads<R>>) {
        let mut reads = reads.expect("rows are put");
        assert!((0..200).all(|_| reads.get_one()));
        let mut value = Vec::new();
        for (key, wanted) in rows(&mut SplitMix::new(31), 500) {
            assert!(reads.at.find(&key, &mut value).unwrap() && value == wanted);
        }
        assert!(!reads.at.find(b"absent", &mut value).unwrap());
    }

    #[test]
    fn commits_put_the_same_rows_by_a_back_end_and_by_its_engine() {
        check(Backend::sled().unwrap(), |_at| Ok(()));
        check(BareSled::new().unwrap(), |_at| Ok(()));
        check(Backend::redb().unwrap(), |_at| Ok(()));
        check(BareRedb::new().unwrap(), BareRedb::refresh);
    }

    fn check<R: Put + Find>(at: R, refresh: impl FnOnce(&mut R) -> io::Result<()>) {
        let mut commits = Commits::new(at);
        for _ in 0..2 {
            commits.prepare().unwrap();
            commits.run().unwrap();
        }
        refresh(&mut commits.at).unwrap();
        let mut value = Vec::new();
        for (key, wanted) in rows(&mut SplitMix::new(29), 2 * ROWS) {
            assert!(commits.at.find(&key, &mut value).unwrap() && value == wanted);
        }
    }
}
