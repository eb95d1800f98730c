//! Folders that earlier releases wrote are opened by this one.
//!
//! Engines do not write the same bytes twice, so contents are compared, not files. The folders are
//! packed, since most of them is zeros. To write them for a new format version:
//!
//! ```sh
//! WRITE_GOLDEN=1 cargo test -p avalanche-store --all-features --test golden_kv
//! ```
#![cfg(test)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use avalanche_store::{
    Batch, Error, KeyRange, KeyValue, Order, Prefixed, RedbConfig, RedbStore, SledConfig,
    SledStore, Versioned,
};
use support::{Dice, TempDir};

const LAST: u64 = 9;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Rows of a height: some change, some go.
fn changes(height: u64) -> Batch {
    let mut dice = Dice(height);
    let mut batch = Batch::new();
    for _ in 0..12 {
        let key = [0, dice.byte() % 20];
        if dice.below(4) == 0 {
            batch.delete(key);
        } else {
            batch.put(key, vec![dice.byte(); usize::from(dice.byte() % 40)]);
        }
    }
    batch
}

fn fill(store: &dyn KeyValue) {
    let versioned = Versioned::open(store, *b"v").unwrap();
    for height in 0..=LAST {
        versioned.commit_at(height, changes(height)).unwrap();
        versioned.flush().unwrap();
    }
    while !versioned.prune_below(3, 100).unwrap().done {}
    let plain = Prefixed::new(store, *b"plain/");
    plain.commit(changes(100)).unwrap();
    plain.flush().unwrap();
}

fn model(changes: impl IntoIterator<Item = Batch>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut model = BTreeMap::new();
    for change in changes.into_iter().flat_map(Batch::into_changes) {
        match change.value {
            Some(value) => _ = model.insert(change.key, value),
            None => _ = model.remove(&change.key),
        }
    }
    model
}

fn check(store: &dyn KeyValue) {
    let plain = Prefixed::new(store, *b"plain/");
    support::compare(&plain, &KeyRange::all(), &model([changes(100)]));
    let versioned = Versioned::open(store, *b"v").unwrap();
    assert_eq!((versioned.first(), versioned.last()), (3, Some(LAST)));
    for height in 3..=LAST {
        let rows: BTreeMap<_, _> = versioned
            .range_at(&KeyRange::all(), Order::Ascending, height)
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(rows, model((0..=height).map(changes)), "at height {height}");
    }
    // It can be written, too.
    versioned.commit_at(LAST + 1, changes(LAST + 1)).unwrap();
    versioned.flush().unwrap();
    assert_eq!(versioned.first(), 3);
}

fn open_golden(name: &str, open: impl Fn(&Path) -> Result<Box<dyn KeyValue>, Error>) {
    let dir = TempDir::new("golden");
    if env::var_os("WRITE_GOLDEN").is_some() {
        fill(&open(dir.path()).unwrap());
        pack(dir.path(), &golden(name));
    }
    let copied = dir.fresh();
    let files = unpack(&golden(name), &copied);
    assert!(files > 1, "{name} holds {files} files");
    check(&open(&copied).unwrap());
    open(&copied).unwrap();
}

#[test]
fn version_1_of_sled_folders_is_read() {
    open_golden("sled-v1", |dir| Ok(Box::new(SledStore::open(dir, SledConfig::default())?)));
}

#[test]
fn version_1_of_redb_folders_is_read() {
    open_golden("redb-v1", |dir| Ok(Box::new(RedbStore::open(dir, RedbConfig::default())?)));
}

/// Bytes of a block that is left out if it is all zeros.
const BLOCK: usize = 256;

/// A packed file: its length, then each block that is not zeros behind its number, all numbers 4
/// bytes big-endian.
fn pack(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for (name, bytes) in support::files(from).into_iter().filter(|(name, _)| name != "lock") {
        let mut packed = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
        for (number, block) in (0_u32..).zip(bytes.chunks(BLOCK)) {
            if block.iter().any(|byte| *byte != 0) {
                packed.extend(number.to_be_bytes());
                packed.extend(block);
            }
        }
        fs::write(to.join(name), packed).unwrap();
    }
}

fn unpack(from: &Path, to: &Path) -> usize {
    fs::create_dir_all(to).unwrap();
    let files = support::files(from);
    for (name, packed) in &files {
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap()) as usize;
        let mut bytes = vec![0; number(&packed[..4])];
        for block in packed[4..].chunks(4 + BLOCK) {
            let at = number(&block[..4]) * BLOCK;
            bytes[at..at + block.len() - 4].copy_from_slice(&block[4..]);
        }
        fs::write(to.join(name), bytes).unwrap();
    }
    files.len()
}
