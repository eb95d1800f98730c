//! What a writer writes to, and what has to be there afterwards.

use std::fmt;
use std::path::Path;

use avalanche_consensus::{Height, Id};
use avalanche_store::{
    Batch, BlockLog, Error, KeyValue, LogConfig, OsDisk, RedbConfig, RedbStore, SledConfig,
    SledStore,
};

/// Rows of a batch of a key-value store.
const ROWS: u64 = 64;

/// The stores under test, by the name that a writer is started with.
pub(crate) const ALL: [&str; 3] = ["log", "sled", "redb"];

/// A store that takes numbered batches: 1, 2, 3...
pub(crate) trait Target: fmt::Debug {
    /// Writes a batch, and returns when it is durable.
    fn write(&mut self, number: u64) -> Result<(), Error>;

    /// Writes a batch, and returns when the operating system has it.
    fn write_without_sync(&mut self, number: u64) -> Result<(), Error>;

    /// The last batch that is there.
    fn last(&self) -> Result<u64, Error>;

    /// Whether a batch is there, whole, and what was written.
    fn holds(&self, number: u64) -> Result<bool, Error>;
}

/// Opens a store by its name.
pub(crate) fn open(name: &str, dir: &Path) -> Result<Box<dyn Target>, Error> {
    Ok(match name {
        "log" => {
            // Small segments, so that many are begun.
            let config = LogConfig { segment_bytes: 256 << 10, ..LogConfig::default() };
            Box::new(BlockLog::open(OsDisk, dir, config)?.0)
        }
        // Nothing is synced on the way because a segment is full.
        "log in one segment" => Box::new(BlockLog::open(OsDisk, dir, LogConfig::default())?.0),
        "sled" => Box::new(Rows(SledStore::open(dir, SledConfig::default())?)),
        "redb" => Box::new(Rows(RedbStore::open(dir, RedbConfig::default())?)),
        other => panic!("no store is named {other}"),
    })
}

/// Numbers that follow from a batch's, and do not repeat.
fn noise(number: u64, row: u64) -> [u8; 32] {
    let mut seed = [0; 16];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    seed[8..].copy_from_slice(&row.to_le_bytes());
    *blake3::hash(&seed).as_bytes()
}

/// A block of 100 to some 4,000 bytes, now and then of 60,000.
fn block(number: u64) -> Vec<u8> {
    let noise = noise(number, 0);
    let size = usize::from(noise[0]) * 16 + 100 + if noise[1] < 8 { 60_000 } else { 0 };
    noise.iter().copied().cycle().take(size).collect()
}

impl Target for BlockLog {
    fn write(&mut self, number: u64) -> Result<(), Error> {
        self.write_without_sync(number)?;
        self.sync().map(drop)
    }

    fn write_without_sync(&mut self, number: u64) -> Result<(), Error> {
        self.append(Height::new(number), Id::new(noise(number, 0)), &block(number))
    }

    fn last(&self) -> Result<u64, Error> {
        Ok(Self::last(self).map_or(0, |last| last.get()))
    }

    fn holds(&self, number: u64) -> Result<bool, Error> {
        let found = self.get(Height::new(number))?;
        Ok(found.is_some_and(|found| {
            found.id == Id::new(noise(number, 0)) && found.bytes == block(number)
        }))
    }
}

/// A key-value store: each batch is a number of rows and a counter.
#[derive(Debug)]
struct Rows<K>(K);

const COUNTER: &[u8] = b"counter";

impl<K: KeyValue> Target for Rows<K> {
    fn write(&mut self, number: u64) -> Result<(), Error> {
        self.write_without_sync(number)?;
        self.0.flush()
    }

    fn write_without_sync(&mut self, number: u64) -> Result<(), Error> {
        let mut batch = Batch::new();
        for row in 0..ROWS {
            let noise = noise(number, row);
            batch.put(noise, noise.repeat(8));
        }
        batch.put(COUNTER, number.to_be_bytes());
        self.0.commit(batch)
    }

    fn last(&self) -> Result<u64, Error> {
        let counter = self.0.get(COUNTER)?;
        Ok(counter.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().expect("8 bytes"))))
    }

    fn holds(&self, number: u64) -> Result<bool, Error> {
        for row in 0..ROWS {
            let noise = noise(number, row);
            if self.0.get(&noise)? != Some(noise.repeat(8)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
