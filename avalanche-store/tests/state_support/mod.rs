//! What tests of the Merkle map and of the state share: a naive tree, a store in memory, goldens.
#![expect(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use avalanche_store::{Batch, EMPTY, Error, Hash, KeyRange, KeyValue, Limits, Order, Pair, Pairs};

/// The Merkle map, written from its definition and from nothing else.
pub struct Naive {
    /// Leaf and inner hashes.
    hashes: BTreeSet<Hash>,
}

/// A subtree: its hash, and whether it has two leaves or more.
type Subtree = (Hash, bool);

impl Naive {
    pub fn root(entries: &BTreeMap<Hash, Hash>) -> Hash {
        let entries: Vec<_> = entries.iter().map(|(k, v)| (*k, *v)).collect();
        Self { hashes: BTreeSet::new() }.subtree(&entries, 0).0
    }

    /// The leaf and inner hashes of a tree.
    pub fn hashes(entries: &BTreeMap<Hash, Hash>) -> BTreeSet<Hash> {
        let entries: Vec<_> = entries.iter().map(|(k, v)| (*k, *v)).collect();
        let mut naive = Self { hashes: BTreeSet::new() };
        naive.subtree(&entries, 0);
        naive.hashes
    }

    fn subtree(&mut self, entries: &[(Hash, Hash)], depth: usize) -> Subtree {
        match entries {
            [] => (EMPTY, false),
            [(key, value)] => {
                (self.pair(b"avalanche/store/merkle-leaf/v1\0\0", key, value, 1), false)
            }
            _ => {
                let is_left = |key: &Hash| key[depth / 8] & (128 >> (depth % 8)) == 0;
                let left: Vec<_> = entries.iter().copied().filter(|(k, _)| is_left(k)).collect();
                let right: Vec<_> = entries.iter().copied().filter(|(k, _)| !is_left(k)).collect();
                let (l, _) = self.subtree(&left, depth + 1);
                let (r, _) = self.subtree(&right, depth + 1);
                (self.pair(b"avalanche/store/merkle-inner/v1\0", &l, &r, 0), true)
            }
        }
    }

    fn pair(&mut self, domain: &[u8; 32], a: &Hash, b: &Hash, kind: u8) -> Hash {
        let mut hash = *blake3::keyed_hash(domain, &[*a, *b].concat()).as_bytes();
        hash[0] = hash[0] & 0xfe | kind;
        self.hashes.insert(hash);
        hash
    }

    /// The leaf and inner hashes that have to be made when the values of `dirty` keys change.
    pub fn least(entries: &[(Hash, Hash)], dirty: &dyn Fn(&Hash) -> bool, depth: usize) -> u64 {
        let touched = entries.iter().any(|(key, _)| dirty(key));
        if !touched {
            return 0;
        }
        if entries.len() == 1 {
            return 1;
        }
        let cut = entries.partition_point(|(k, _)| k[depth / 8] & (128 >> (depth % 8)) == 0);
        let (left, right) = entries.split_at(cut);
        1 + Self::least(left, dirty, depth + 1) + Self::least(right, dirty, depth + 1)
    }
}

/// Random numbers that are the same in each run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub fn hash(&mut self) -> Hash {
        *blake3::hash(&self.next().to_le_bytes()).as_bytes()
    }

    /// A key hash that shares a prefix of any length with one of `others`.
    pub fn near(&mut self, others: &[Hash]) -> Hash {
        if others.is_empty() || self.below(3) == 0 {
            return self.hash();
        }
        let mut key = others[self.below(others.len())];
        let bit = match self.below(4) {
            0 => self.below(8),
            1 => 248 + self.below(8),
            _ => self.below(256),
        };
        key[bit / 8] ^= 128 >> (bit % 8);
        key
    }
}

/// A store in memory that can fail, and that counts. Clones share the rows.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub rows: Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>,
    /// Commits that still succeed, plus one; 0: all do.
    pub fail_after: Arc<AtomicU64>,
    pub value_bytes_max: Option<usize>,
}

impl Memory {
    /// Another store with the same rows.
    pub fn copy(&self) -> Self {
        let rows = self.rows.lock().unwrap().clone();
        Self { rows: Arc::new(Mutex::new(rows)), ..Self::default() }
    }

    pub fn count(&self, kind: u8) -> usize {
        self.rows.lock().unwrap().keys().filter(|key| key[0] == kind).count()
    }
}

impl KeyValue for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.rows.lock().unwrap().get(key).cloned())
    }

    fn range(&self, range: KeyRange, order: Order) -> Pairs<'_> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let rows = self.rows.lock().unwrap();
        let found = rows.range((range.start, range.end)).map(|(k, v)| (k.clone(), v.clone()));
        // A few at a time would do; tests have few rows.
        let found: Vec<Pair> = match order {
            Order::Ascending => found.take(5000).collect(),
            Order::Descending => found.rev().take(5000).collect(),
        };
        Box::new(found.into_iter().map(Ok))
    }

    fn commit(&self, batch: Batch) -> Result<(), Error> {
        self.limits().check(&batch)?;
        match self.fail_after.load(Ordering::SeqCst) {
            0 => {}
            1 => return Err(Error::Poisoned { path: PathBuf::from("memory") }),
            left => self.fail_after.store(left - 1, Ordering::SeqCst),
        }
        let mut rows = self.rows.lock().unwrap();
        for change in batch.into_changes() {
            match change.value {
                Some(value) => _ = rows.insert(change.key, value),
                None => _ = rows.remove(&change.key),
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Error> {
        Ok(())
    }

    fn limits(&self) -> Limits {
        let value_bytes_max = self.value_bytes_max.unwrap_or(usize::MAX);
        Limits { key_bytes_max: 1024, value_bytes_max }
    }
}

/// Bytes as hexadecimal digits, 32 bytes a line.
pub fn hex(bytes: &[u8]) -> String {
    let lines = bytes
        .chunks(32)
        .map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// The bytes of hexadecimal digits.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| u8::try_from(digit).unwrap())
        .collect();
    digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
}

/// Compares bytes with a golden file, and gives those of the file.
pub fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected != hex(bytes) {
        let now = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&now, hex(bytes)).unwrap();
        panic!("{name} differs; what it would be now is in {}", now.display());
    }
    unhex(&expected)
}
