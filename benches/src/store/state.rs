//! The authenticated state: roots, what writing them costs, and proofs.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use avalanche_store::{
    Batch, Draft, Error, Hash, KeyRange, KeyValue, Limits, Order, Pairs, Proof, RangeLimits,
    RangeProof, State, StateOptions, View,
};

use super::{Step, bytes, told};
use crate::floor::SplitMix;

/// Accounts of the large state.
pub const ACCOUNTS: u32 = 1_000_000;
/// Accounts that one block changes.
pub const DIRTY: u32 = 8_192;
/// Entries of a range proof.
pub const RANGE: usize = 1_000;

/// The key of an account.
fn key(account: u32) -> Vec<u8> {
    let mut key = b"account/".to_vec();
    key.extend(account.to_be_bytes());
    key
}

/// A balance and more.
pub const VALUE_BYTES: usize = 48;

fn value(random: &mut SplitMix) -> Vec<u8> {
    bytes(random, VALUE_BYTES)
}

/// A store that forgets, for states that have all their nodes in memory.
#[derive(Debug)]
pub struct Nowhere;

impl KeyValue for Nowhere {
    fn get(&self, _key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(None)
    }

    fn range(&self, _range: KeyRange, _order: Order) -> Pairs<'_> {
        Box::new(std::iter::empty())
    }

    fn commit(&self, _batch: Batch) -> Result<(), Error> {
        Ok(())
    }

    fn flush(&self) -> Result<(), Error> {
        Ok(())
    }

    fn limits(&self) -> Limits {
        Limits::COMMON
    }
}

/// A state with some accounts, all its nodes in memory.
#[derive(Debug)]
pub struct Accounts<K> {
    state: State<K>,
    count: u32,
    random: SplitMix,
}

impl<K: KeyValue> Accounts<K> {
    /// Puts `count` accounts into an empty store, in one block.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub fn new(store: K, count: u32, threads: usize) -> io::Result<Self> {
        let name = PathBuf::from("the bench's state");
        let options = StateOptions { threads, memory_bytes: 1 << 30, ..StateOptions::new(name) };
        let mut state = State::open(store, options).map_err(told)?;
        let mut random = SplitMix::new(41);
        let mut draft = state.begin();
        for account in 0..count {
            draft.put(key(account), value(&mut random)).map_err(told)?;
        }
        let view = draft.seal().map_err(told)?;
        state.commit(&view, view.height()).map_err(told)?;
        state.flush().map_err(told)?;
        Ok(Self { state, count, random })
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> &State<K> {
        &self.state
    }

    /// The next block before its root is computed: [`DIRTY`] accounts, drawn anew, have other
    /// values.
    ///
    /// # Errors
    ///
    /// None: the values fit.
    pub fn draft(&mut self) -> io::Result<Draft<K>> {
        let mut draft = self.state.begin();
        let apart = (self.count / DIRTY).max(1);
        for changed in 0..DIRTY.min(self.count) {
            let account = changed * apart + self.random.below(apart);
            draft.put(key(account), value(&mut self.random)).map_err(told)?;
        }
        Ok(draft)
    }

    /// How long the store takes to accept one more block and to make it durable.
    ///
    /// # Errors
    ///
    /// If it cannot.
    pub fn time_to_commit(&mut self) -> io::Result<Duration> {
        let view = self.draft()?.seal().map_err(told)?;
        let start = Instant::now();
        self.state.commit(&view, view.height()).map_err(told)?;
        self.state.flush().map_err(told)?;
        let taken = start.elapsed();
        drop(view);
        Ok(taken)
    }
}

/// Roots of blocks, one after another over the same accepted state.
#[derive(Debug)]
pub struct Roots<'a, K> {
    accounts: &'a mut Accounts<K>,
    draft: Option<Draft<K>>,
    view: Option<View<K>>,
}

impl<'a, K: KeyValue> Roots<'a, K> {
    /// Over these accounts.
    pub const fn new(accounts: &'a mut Accounts<K>) -> Self {
        Self { accounts, draft: None, view: None }
    }

    /// The hashes that one root takes. They differ by some in a thousand from block to block.
    ///
    /// # Errors
    ///
    /// None: all nodes are in memory.
    pub fn hashes(&mut self) -> io::Result<u64> {
        self.prepare()?;
        self.run()?;
        Ok(self.view.as_ref().map_or(0, View::hashes))
    }
}

impl<K: KeyValue> Step for Roots<'_, K> {
    fn prepare(&mut self) -> io::Result<()> {
        self.view = None;
        self.draft = Some(self.accounts.draft()?);
        Ok(())
    }

    fn run(&mut self) -> io::Result<()> {
        if let Some(draft) = self.draft.take() {
            self.view = Some(draft.seal().map_err(told)?);
        }
        Ok(())
    }
}

/// The floor of [`Roots`]: as many keyed hashes of 64 bytes, and nothing around them.
#[derive(Debug)]
pub struct Hashes {
    count: u64,
    values: u32,
    pairs: Vec<[u8; 64]>,
}

impl Hashes {
    /// `count` hashes at a time.
    #[must_use]
    pub fn new(count: u64) -> Self {
        let mut random = SplitMix::new(43);
        let pair = |_| bytes(&mut random, 64).first_chunk().copied().unwrap_or([0; 64]);
        Self { count, values: 0, pairs: (0..256).map(pair).collect() }
    }

    /// And so many hashes of values, of [`VALUE_BYTES`] each.
    #[must_use]
    pub fn with_values(self, values: u32) -> Self {
        Self { values, ..self }
    }

    /// All of them.
    pub fn hash_all(&self) {
        const DOMAIN: &[u8; 32] = b"avalanche/benches/floor-inner/v1";
        let mut left = self.count;
        while left > 0 {
            for pair in self.pairs.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
                std::hint::black_box(blake3::keyed_hash(DOMAIN, std::hint::black_box(pair)));
                left -= 1;
            }
        }
        let values = self.pairs.iter().cycle().take(self.values as usize);
        for value in values.filter_map(|pair| pair.first_chunk::<VALUE_BYTES>()) {
            std::hint::black_box(blake3::keyed_hash(DOMAIN, std::hint::black_box(value)));
        }
    }
}

impl Step for Hashes {
    fn prepare(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn run(&mut self) -> io::Result<()> {
        self.hash_all();
        Ok(())
    }
}

/// Proofs of a state, and what checks them.
#[derive(Debug)]
pub struct Proofs<'a, K> {
    accounts: &'a Accounts<K>,
    root: Hash,
    height: u64,
    random: SplitMix,
}

/// What was proved of one account.
#[derive(Debug)]
pub struct Proved {
    key: Vec<u8>,
    value: Vec<u8>,
    proof: Proof,
}

/// What was proved of a range.
#[derive(Clone, Debug)]
pub struct ProvedRange {
    from: Hash,
    proof: RangeProof,
}

impl Proved {
    /// Bytes of the proof.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.proof.encode().len() as u64
    }
}

impl ProvedRange {
    /// Bytes of the proof, keys and values included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.proof.encode().len() as u64
    }
}

impl<'a, K: KeyValue> Proofs<'a, K> {
    /// Of the last accepted height.
    #[must_use]
    pub fn new(accounts: &'a Accounts<K>) -> Self {
        let (root, height) = (accounts.state.root(), accounts.state.height().unwrap_or(0));
        Self { accounts, root, height, random: SplitMix::new(47) }
    }

    /// The key of some account.
    fn key(&mut self) -> Vec<u8> {
        key(self.random.below(self.accounts.count))
    }

    /// Proves some account's value; the value is not read.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub fn prove_one(&mut self) -> io::Result<Proof> {
        let key = self.key();
        self.accounts.state.prove(&key, self.height).map_err(told)
    }

    /// Proofs with what they prove.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub fn prove(&mut self, count: usize) -> io::Result<Vec<Proved>> {
        let prove = |_| {
            let key = self.key();
            let value = self.accounts.state.get(&key).map_err(told)?.unwrap_or_default();
            let proof = self.accounts.state.prove(&key, self.height).map_err(told)?;
            Ok(Proved { key, value, proof })
        };
        (0..count).map(prove).collect()
    }

    /// Whether a proof shows what it should, with nothing but the root.
    #[must_use]
    pub fn verify(&self, proved: &Proved) -> bool {
        proved.proof.verify(&self.root, &proved.key, Some(&proved.value)).is_ok()
    }

    /// Proves [`RANGE`] accounts that follow on each other by key hash, from anywhere.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub fn prove_range(&mut self) -> io::Result<ProvedRange> {
        let from = avalanche_store::key_hash(&self.key());
        let limits = RangeLimits { entries: RANGE, bytes: usize::MAX };
        let proof = self.accounts.state.prove_range(&from, None, limits, self.height);
        Ok(ProvedRange { from, proof: proof.map_err(told)? })
    }

    /// Whether a range proof shows what it should, with nothing but the root.
    #[must_use]
    pub fn verify_range(&self, proved: ProvedRange) -> bool {
        let shown = proved.proof.verify(&self.root, &proved.from, None);
        std::hint::black_box(shown).is_ok_and(|shown| !shown.entries().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use avalanche_store::MemoryStore;

    use super::*;

    #[test]
    fn roots_change_and_take_the_hashes_that_the_floor_makes() {
        let mut accounts = Accounts::new(Nowhere, 10_000, 1).unwrap();
        let mut roots = Roots::new(&mut accounts);
        let hashes = roots.hashes().unwrap();
        let first = roots.view.as_ref().map(View::root);
        assert!(hashes > 2 * u64::from(DIRTY), "a leaf and more for each account: {hashes}");
        roots.prepare().unwrap();
        roots.run().unwrap();
        assert_ne!(roots.view.as_ref().map(View::root), first);
        Hashes::new(hashes).with_values(DIRTY).hash_all();
        accounts.time_to_commit().unwrap();
        assert_eq!(accounts.state.height(), Some(1));
    }

    #[test]
    fn proofs_are_accepted_under_their_root_only() {
        let mut accounts = Accounts::new(MemoryStore::new(), 3_000, 1).unwrap();
        let old = accounts.state.root();
        accounts.time_to_commit().unwrap();
        let mut proofs = Proofs::new(&accounts);
        let one = proofs.prove(1).unwrap().remove(0);
        let range = proofs.prove_range().unwrap();
        assert!(proofs.verify(&one) && proofs.verify_range(range.clone()));
        assert!(one.bytes() > 100 && range.bytes() > one.bytes());
        proofs.root = old;
        assert!(!proofs.verify(&one) && !proofs.verify_range(range));
    }
}
