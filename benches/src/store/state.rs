//! The authenticated state: roots, commits, proofs.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use avalanche_store::testing::RawTree;
use avalanche_store::{
    Error, Hash, KeyValue, MemoryStore, RangeLimits, RedbConfig, RedbStore, SledConfig, SledStore,
    State, StateOptions, View, key_hash, value_hash,
};

use super::folder::Folder;
use super::key_value::Engine;
use super::log::unwritable;

/// Accounts of the large tree.
pub const ACCOUNTS: u64 = 1_000_000;
/// Accounts that a block changes.
pub const DIRTY: u64 = 8_192;
/// Accounts of states that are written to disk.
pub const STORED: u64 = 100_000;

fn key(account: u64) -> Hash {
    key_hash(&account.to_le_bytes())
}

/// A tree with all its nodes in memory, changed block by block.
#[derive(Debug)]
pub struct Root {
    tree: RawTree,
    keys: Vec<Hash>,
    block: u64,
    threads: usize,
    changes: Vec<(Hash, Option<Hash>)>,
    next: Option<RawTree>,
}

impl Root {
    /// A tree of a million accounts.
    #[must_use]
    pub fn new() -> Self {
        let keys: Vec<Hash> = (0..ACCOUNTS).map(key).collect();
        let value = value_hash(b"0");
        let tree = RawTree::default().apply(keys.iter().map(|key| (*key, Some(value))), 2);
        tree.settle();
        let mut root = Self { tree, keys, block: 0, threads: 1, changes: Vec::new(), next: None };
        root.prepare();
        root
    }

    /// The threads that compute a root.
    pub const fn set_threads(&mut self, threads: usize) {
        self.threads = threads;
    }

    /// Draws what the next block changes: not part of what is measured.
    pub fn prepare(&mut self) {
        self.block += 1;
        let value = value_hash(&self.block.to_le_bytes());
        let pick = |change: u64| {
            let hash = blake3::hash(&[self.block.to_le_bytes(), change.to_le_bytes()].concat());
            let drawn = hash.as_bytes().first_chunk().copied().map_or(0, u64::from_le_bytes);
            let index = usize::try_from(drawn % ACCOUNTS).unwrap_or(0);
            (self.keys.get(index).copied().unwrap_or_default(), Some(value))
        };
        self.changes = (0..DIRTY).map(pick).collect();
    }

    /// Computes the root of the next block. How many hashes it took.
    pub fn root_one(&mut self) -> u64 {
        let next = self.tree.apply(self.changes.iter().copied(), self.threads);
        black_box(next.root());
        let hashes = next.hashes();
        self.next = Some(next);
        hashes
    }

    /// Accepts the block whose root was computed, in memory: what it replaced goes.
    pub fn accept_one(&mut self) {
        if let Some(next) = self.next.take() {
            next.settle();
            self.tree = next;
        }
    }

    /// Bytes of nodes for each account.
    #[must_use]
    pub fn bytes_an_account(&self) -> usize {
        self.tree.bytes() / usize::try_from(ACCOUNTS).unwrap_or(1)
    }
}

impl Default for Root {
    fn default() -> Self {
        Self::new()
    }
}

/// Hashes of 64 bytes, one after the other: what a root cannot do without.
pub fn hash_floor(hashes: u64) {
    let (mut input, domain) = ([7; 64], [1; 32]);
    for _ in 0..hashes {
        let hash = blake3::keyed_hash(&domain, &input);
        if let Some(start) = input.first_chunk_mut() {
            *start = *hash.as_bytes();
        }
    }
    black_box(input);
}

/// What a state in a store costs, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Computing the root of a block.
    pub root: f64,
    /// Committing it: values and nodes, one batch.
    pub commit: f64,
    /// Making it durable.
    pub flush: f64,
}

/// Builds a state and measures a block that changes [`DIRTY`] accounts; the median of some.
///
/// # Errors
///
/// Those of the store.
pub fn written(engine: Option<Engine>) -> Result<Written, Error> {
    let folder = Folder::new().map_err(unwritable)?;
    let path: &Path = folder.path();
    match engine {
        None => measure(MemoryStore::new()),
        Some(Engine::Sled) => measure(SledStore::open(path, SledConfig::default())?),
        Some(Engine::Redb) => measure(RedbStore::open(path, RedbConfig::default())?),
    }
}

fn block<K: KeyValue>(
    state: &State<K>,
    accounts: impl Iterator<Item = u64>,
) -> Result<View<K>, Error> {
    let height = state.height().map_or(0, |height| height + 1);
    let mut draft = state.begin();
    for account in accounts {
        draft.put(account.to_le_bytes(), [height.to_le_bytes(), account.to_le_bytes()].concat())?;
    }
    draft.seal()
}

fn measure<K: KeyValue>(store: K) -> Result<Written, Error> {
    let mut state = State::open(store, StateOptions::new("bench"))?;
    let genesis = block(&state, 0..STORED)?;
    state.commit(&genesis, 0)?;
    state.flush()?;
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for height in 1..=5_u64 {
        let accounts = (0..DIRTY).map(|change| (change * 7_919 + height * 104_729) % STORED);
        let start = Instant::now();
        let view = block(&state, accounts)?;
        let root = start.elapsed();
        state.commit(&view, height)?;
        let commit = start.elapsed() - root;
        state.flush()?;
        let flush = start.elapsed() - root - commit;
        for (times, time) in times.iter_mut().zip([root, commit, flush]) {
            times.push(time.as_secs_f64());
        }
    }
    let [root, commit, flush] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
    });
    Ok(Written { root, commit, flush })
}

/// A state in memory that proofs are made of.
#[derive(Debug)]
pub struct Proofs {
    state: State<MemoryStore>,
    at: u64,
}

impl Proofs {
    /// A state of [`STORED`] accounts.
    ///
    /// # Errors
    ///
    /// None that memory has.
    pub fn new() -> Result<Self, Error> {
        let mut state = State::open(MemoryStore::new(), StateOptions::new("bench"))?;
        let genesis = block(&state, 0..STORED)?;
        state.commit(&genesis, 0)?;
        Ok(Self { state, at: 0 })
    }

    fn next(&mut self) -> [u8; 8] {
        self.at = (self.at + 7_919) % STORED;
        self.at.to_le_bytes()
    }

    /// Makes a proof of an account; its bytes.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn prove_one(&mut self) -> Result<usize, Error> {
        let key = self.next();
        Ok(black_box(self.state.prove(&key, 0)?).encode().len())
    }

    /// Proofs of some accounts, with what they show, to be verified.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn made(&mut self, count: usize) -> Result<Vec<Made>, Error> {
        let mut made = Vec::with_capacity(count);
        for _ in 0..count {
            let key = self.next();
            let value = self.state.get(&key)?;
            let proof = self.state.prove(&key, 0)?;
            made.push(Made { root: self.state.root(), key, value, proof });
        }
        Ok(made)
    }

    /// Makes a proof of a range of `entries`; its bytes.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn prove_range(&self, entries: usize) -> Result<usize, Error> {
        let limits = RangeLimits { entries, bytes: usize::MAX };
        Ok(self.state.prove_range(&[0x40; 32], None, limits, 0)?.encode().len())
    }
}

/// A proof and what it shows.
#[derive(Debug)]
pub struct Made {
    root: Hash,
    key: [u8; 8],
    value: Option<Vec<u8>>,
    proof: avalanche_store::Proof,
}

impl Made {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.proof.verify(&self.root, &self.key, self.value.as_deref()).is_ok()
    }
}
