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
    /// Finds the length of a row's value.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn find(&self, key: &[u8]) -> io::Result<Option<usize>>;
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
    fn find(&self, key: &[u8]) -> io::Result<Option<usize>> {
        let value = self.store.get(key).map_err(told)?;
        Ok(std::hint::black_box(value).map(|value| value.len()))
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
    fn find(&self, key: &[u8]) -> io::Result<Option<usize>> {
        let value = self.db.get(key).map_err(told)?;
        Ok(std::hint::black_box(value).map(|value| value.len()))
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
    fn find(&self, key: &[u8]) -> io::Result<Option<usize>> {
        let Some(reads) = &self.reads else { return Ok(None) };
        let value = reads.get(key).map_err(told)?;
        Ok(value.map(|value| std::hint::black_box(value.value()).len()))
    }
}

impl Find for BareMap {
    fn find(&self, key: &[u8]) -> io::Result<Option<usize>> {
        Ok(std::hint::black_box(self.0.get(key)).map(Vec::len))
    }
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
        Ok(Self { at, keys, random: SplitMix::new(37) })
    }
}

impl<R: Find> Reads<R> {
    /// Reads one row; false if it is not found whole.
    pub fn get_one(&mut self) -> bool {
        let at = self.random.below(u32::try_from(self.keys.len()).unwrap_or(u32::MAX));
        let Some(key) = self.keys.get(at as usize) else { return false };
        self.at.find(key).is_ok_and(|found| found == Some(VALUE_BYTES))
    }
}

impl Reads<BareMap> {
    /// From the map alone.
    #[must_use]
    pub fn bare_map(count: usize) -> Self {
        let rows = rows(&mut SplitMix::new(31), count);
        let keys = keys(&rows);
        Self { at: BareMap(rows.into_iter().collect()), keys, random: SplitMix::new(37) }
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
        let mut all: [(&str, Box<dyn FnMut() -> bool>); 6] = [
            ("memory", Box::new(reader(Reads::new(Backend::memory(), 500)))),
            ("map", Box::new(reader(Ok(Reads::bare_map(500))))),
            ("sled", Box::new(reader(Backend::sled().and_then(|at| Reads::new(at, 500))))),
            ("bare sled", Box::new(reader(BareSled::new().and_then(|at| Reads::new(at, 500))))),
            ("redb", Box::new(reader(Backend::redb().and_then(|at| Reads::new(at, 500))))),
            ("bare redb", Box::new(reader(Reads::bare_redb(500)))),
        ];
        for (name, read) in &mut all {
            assert!((0..200).all(|_| read()), "{name}");
        }
    }

    fn reader<R: Find>(reads: io::Result<Reads<R>>) -> impl FnMut() -> bool {
        let mut reads = reads.unwrap();
        move || reads.get_one()
    }

    #[test]
    fn commits_put_the_same_rows_by_a_back_end_and_by_its_engine() {
        let first = rows(&mut SplitMix::new(29), 1).remove(0).0;
        check(Backend::sled().unwrap(), &first);
        check(BareSled::new().unwrap(), &first);
        check(Backend::redb().unwrap(), &first);
        let mut bare = Commits::new(BareRedb::new().unwrap());
        bare.prepare().unwrap();
        bare.run().unwrap();
        bare.at.refresh().unwrap();
        assert_eq!(bare.at.find(&first).unwrap(), Some(VALUE_BYTES));
    }

    fn check<R: Put + Find>(at: R, first: &[u8]) {
        let mut commits = Commits::new(at);
        for _ in 0..2 {
            commits.prepare().unwrap();
            commits.run().unwrap();
        }
        assert_eq!(commits.at.find(first).unwrap(), Some(VALUE_BYTES));
    }
}
