//! The key-value back-ends beside the bare engines, with the same settings and the same syncs.

use std::fs::File;
use std::path::Path;

use avalanche_store::{
    Batch, Error, KeyValue, MemoryStore, RedbConfig, RedbStore, SledConfig, SledStore,
};
use redb::{Database, Durability, ReadableDatabase, TableDefinition};

use super::folder::Folder;
use super::log::unwritable;
use super::noise;

/// Rows of a batch: keys of 32 bytes, values of 256.
pub const ROWS: u64 = 1_000;
/// Rows that are read from, at random.
pub const STORED: u64 = 50_000;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

/// The engines on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// sled 0.34.
    Sled,
    /// redb 4.
    Redb,
}

impl Engine {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sled, Self::Redb];

    /// Its name in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
        }
    }
}

/// The key of a row.
fn key(row: u64) -> [u8; 32] {
    *blake3::hash(&row.to_le_bytes()).as_bytes()
}

/// What rows are written to and read from.
trait Rows {
    /// Writes a batch of rows, durably.
    fn write(&mut self, from: u64, value: &[u8]) -> bool;
    /// Reads a row; whether it is there.
    fn read(&self, row: u64) -> bool;
}

/// A store, ours or bare, with rows in it.
#[expect(missing_debug_implementations, reason = "engines have none")]
pub struct Workload {
    rows: Box<dyn Rows>,
    value: Vec<u8>,
    next: u64,
    at: u64,
    _folder: Option<Folder>,
}

impl Workload {
    /// One of our back-ends; memory if there is no engine.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn ours(engine: Option<Engine>) -> Result<Self, Error> {
        let folder = Folder::new().map_err(unwritable)?;
        let path = folder.path();
        let rows: Box<dyn Rows> = match engine {
            None => Box::new(Ours(MemoryStore::new())),
            Some(Engine::Sled) => Box::new(Ours(SledStore::open(path, SledConfig::default())?)),
            Some(Engine::Redb) => Box::new(Ours(RedbStore::open(path, RedbConfig::default())?)),
        };
        Ok(Self::new(rows, folder))
    }

    /// The bare engine.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn bare(engine: Engine) -> Result<Self, Error> {
        let folder = Folder::new().map_err(unwritable)?;
        let rows: Option<Box<dyn Rows>> = match engine {
            Engine::Sled => BareSled::open(folder.path()).map(|rows| Box::new(rows) as _),
            Engine::Redb => BareRedb::open(folder.path()).map(|rows| Box::new(rows) as _),
        };
        let rows = rows.ok_or_else(|| unwritable(std::io::Error::other("the engine refused")))?;
        Ok(Self::new(rows, folder))
    }

    fn new(rows: Box<dyn Rows>, folder: Folder) -> Self {
        Self { rows, value: noise(1, 256), next: 0, at: 0, _folder: Some(folder) }
    }

    /// Writes the next batch; false if the store refused.
    pub fn write_one(&mut self) -> bool {
        let written = self.rows.write(self.next, &self.value);
        self.next += ROWS;
        written
    }

    /// Fills it for reads.
    ///
    /// # Panics
    ///
    /// If the store refuses.
    pub fn fill(&mut self) {
        while self.next < STORED {
            assert!(self.write_one(), "a batch was refused");
        }
    }

    /// Reads a row of those that it was filled with, in an order without pattern.
    pub fn read_one(&mut self) -> bool {
        self.at = self.at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.rows.read((self.at >> 33) % STORED)
    }
}

struct Ours<K>(K);

impl<K: KeyValue> Rows for Ours<K> {
    fn write(&mut self, from: u64, value: &[u8]) -> bool {
        let mut batch = Batch::new();
        for row in from..from + ROWS {
            batch.put(key(row), value);
        }
        self.0.commit(batch).and_then(|()| self.0.flush()).is_ok()
    }

    fn read(&self, row: u64) -> bool {
        matches!(self.0.get(&key(row)), Ok(Some(_)))
    }
}

struct BareSled {
    db: sled::Db,
    file: File,
}

impl BareSled {
    fn open(path: &Path) -> Option<Self> {
        let config = sled::Config::new()
            .path(path)
            .mode(sled::Mode::HighThroughput)
            .segment_size(2 << 20)
            .cache_capacity(SledConfig::default().cache_bytes);
        let db = config.open().ok()?;
        let file = File::options().write(true).open(path.join("db")).ok()?;
        Some(Self { db, file })
    }
}

impl Rows for BareSled {
    fn write(&mut self, from: u64, value: &[u8]) -> bool {
        let mut batch = sled::Batch::default();
        for row in from..from + ROWS {
            batch.insert(&key(row), value);
        }
        self.db.apply_batch(batch).is_ok()
            && self.db.flush().is_ok()
            && self.file.sync_data().is_ok()
    }

    fn read(&self, row: u64) -> bool {
        matches!(self.db.get(key(row)), Ok(Some(value)) if !value.to_vec().is_empty())
    }
}

struct BareRedb(Database);

impl BareRedb {
    fn open(path: &Path) -> Option<Self> {
        let cache = RedbConfig::default().cache_bytes;
        let db = Database::builder().set_cache_size(cache).create(path.join("bare.redb")).ok()?;
        Some(Self(db))
    }

    fn try_write(&self, from: u64, value: &[u8]) -> Result<(), redb::Error> {
        let mut transaction = self.0.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for row in from..from + ROWS {
                table.insert(key(row).as_slice(), value)?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn try_read(&self, row: u64) -> Result<Option<Vec<u8>>, redb::Error> {
        let table = self.0.begin_read()?.open_table(TABLE)?;
        Ok(table.get(key(row).as_slice())?.map(|value| value.value().to_vec()))
    }
}

impl Rows for BareRedb {
    fn write(&mut self, from: u64, value: &[u8]) -> bool {
        self.try_write(from, value).is_ok()
    }

    fn read(&self, row: u64) -> bool {
        matches!(self.try_read(row), Ok(Some(_)))
    }
}
