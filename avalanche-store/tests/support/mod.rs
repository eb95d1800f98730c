//! Folders, models and random changes for tests.
#![expect(dead_code, reason = "each test uses a part")]

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use avalanche_store::{Batch, Change, KeyRange, KeyValue, Order};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder that is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct TempDir {
    path: PathBuf,
    children: AtomicU32,
}

impl TempDir {
    pub(crate) fn new(name: &str) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            env::temp_dir().join(format!("avalanche-store-{name}-{}-{number}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self { path, children: AtomicU32::new(0) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A path in it that is not there yet.
    pub(crate) fn fresh(&self) -> PathBuf {
        self.path.join(self.children.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // What is left is below the folder for temporary files.
        let _ = fs::remove_dir_all(&self.path);
    }
}

pub(crate) type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// One of a few keys that are hard to order.
pub(crate) fn key(number: u8) -> Vec<u8> {
    const BYTES: [u8; 4] = [0, 1, 0x61, 0xff];
    let byte = |shift: u8| BYTES[usize::from(number >> shift & 3)];
    match number % 7 {
        0 => Vec::new(),
        1 | 2 => vec![byte(3)],
        3 | 4 => vec![byte(3), byte(5)],
        5 => vec![byte(3), byte(5), 0],
        _ => vec![byte(3); 3],
    }
}

/// A change: about a third are deletions; some values are empty.
fn value(number: u8) -> Option<Vec<u8>> {
    (!number.is_multiple_of(3)).then(|| vec![number; usize::from(number % 5) * 10])
}

pub(crate) fn batch(changes: &[(u8, u8)]) -> Batch {
    let mut batch = Batch::new();
    for (name, what) in changes {
        batch.push(Change { key: key(*name), value: value(*what) });
    }
    batch
}

/// Makes the changes of [`batch`] in a model; how many deletions hit.
pub(crate) fn model_apply(model: &mut Model, changes: &[(u8, u8)]) -> usize {
    let mut hits = 0;
    for (name, what) in changes {
        match value(*what) {
            Some(value) => _ = model.insert(key(*name), value),
            None => hits += usize::from(model.remove(&key(*name)).is_some()),
        }
    }
    hits
}

/// Ranges from the same numbers, of every kind of bound.
pub(crate) fn ranges(changes: &[(u8, u8)]) -> impl Iterator<Item = KeyRange> {
    let bound = |number: u8| match number % 5 {
        0 => Bound::Unbounded,
        1 | 2 => Bound::Included(key(number.rotate_left(3))),
        _ => Bound::Excluded(key(number.rotate_left(3))),
    };
    let some: Vec<_> = changes
        .iter()
        .map(|(start, end)| KeyRange { start: bound(*start), end: bound(*end) })
        .chain([KeyRange::all()])
        .collect();
    some.into_iter()
}

/// Compares both directions of a range with a model; how many rows there were.
#[track_caller]
pub(crate) fn compare(store: &impl KeyValue, range: &KeyRange, model: &Model) -> usize {
    let mut wanted: Vec<_> = model
        .iter()
        .filter(|row| range.contains(row.0))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    for order in [Order::Ascending, Order::Descending] {
        let found: Vec<_> = store.range(range.clone(), order).collect::<Result<_, _>>().unwrap();
        assert_eq!(found, wanted, "{order:?} {range:?}");
        wanted.reverse();
    }
    wanted.len()
}

/// Copies a folder, one level of sub-folders included.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), target).unwrap();
        } else if entry.path() != to {
            fs::create_dir_all(target).unwrap();
        }
    }
}

/// Names and contents of the files in a folder.
pub(crate) fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            let name = entry.file_name().into_string().unwrap();
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    files
}

/// Numbers that look random, from a seed.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.below(256).to_le_bytes()[0]
    }
}
