//! Every back-end keeps the contract of `KeyValue`.
#![cfg(test)]

mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use avalanche_store::testing::suite;
use avalanche_store::{
    Batch, KeyValue, MemoryStore, Prefixed, RedbConfig, RedbStore, SledConfig, SledStore,
};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, TestRunner};
use support::{Model, TempDir, batch, compare, key, model_apply, ranges};

#[test]
fn memory_keeps_the_contract() {
    let report = suite::run(MemoryStore::new);
    assert!(report.rules >= 15 && report.answers > 1_000 && report.limits_not_tried == 0);
}

#[test]
fn sled_keeps_the_contract() {
    let dir = TempDir::new("sled-suite");
    let report = suite::run(|| SledStore::open(&dir.fresh(), SledConfig::default()).unwrap());
    assert!(report.rules >= 15 && report.answers > 1_000 && report.limits_not_tried == 0);
    let durable = TempDir::new("sled-durable");
    let report =
        suite::run_durable(durable.path(), |dir| SledStore::open(dir, SledConfig::default()));
    assert!(report.rules >= 4 && report.answers > 10);
}

#[test]
fn redb_keeps_the_contract() {
    let dir = TempDir::new("redb-suite");
    for check_on_open in [true, false] {
        let config = RedbConfig { check_on_open, ..RedbConfig::default() };
        let report = suite::run(|| RedbStore::open(&dir.fresh(), config).unwrap());
        assert!(report.rules >= 15 && report.answers > 1_000 && report.limits_not_tried == 0);
        let durable = TempDir::new("redb-durable");
        let report = suite::run_durable(durable.path(), |dir| RedbStore::open(dir, config));
        assert!(report.rules >= 4 && report.answers > 10);
    }
}

#[test]
fn a_prefix_of_a_store_keeps_the_contract() {
    suite::run(|| Prefixed::new(MemoryStore::new(), *b"p"));
    suite::run(|| Prefixed::new(Prefixed::new(MemoryStore::new(), [0xff]), [0xff, 0xff]));
    let dir = TempDir::new("prefixed-suite");
    suite::run(|| {
        Prefixed::new(SledStore::open(&dir.fresh(), SledConfig::default()).unwrap(), [0xff])
    });
    suite::run(|| {
        Prefixed::new(RedbStore::open(&dir.fresh(), RedbConfig::default()).unwrap(), [0])
    });
}

/// What random histories covered.
#[derive(Debug, Default)]
struct Counts {
    deleted: AtomicU64,
    overwritten: AtomicU64,
    rows: AtomicU64,
    reopened: AtomicU64,
    found: AtomicU64,
}

type Step = (u8, Vec<(u8, u8)>);

/// Commits, reads, scans and, for what is on disk, reopens; against a sorted map.
fn equal_a_map<K: KeyValue>(open: impl Fn() -> K, reopens: bool, steps: &[Step], counts: &Counts) {
    let add = |count: &AtomicU64, more: usize| _ = count.fetch_add(more as u64, Ordering::Relaxed);
    let mut store = Some(open());
    let mut model = Model::new();
    for (what, changes) in steps {
        let open_store = store.as_ref().unwrap();
        match what % 8 {
            0..=3 => {
                let known = changes.iter().filter(|(name, _)| model.contains_key(&key(*name)));
                add(&counts.overwritten, known.count());
                add(&counts.deleted, model_apply(&mut model, changes));
                open_store.commit(batch(changes)).unwrap();
            }
            4 => open_store.flush().unwrap(),
            5 if reopens => {
                open_store.flush().unwrap();
                drop(store.take());
                store = Some(open());
                add(&counts.reopened, 1);
            }
            _ => {
                let value = open_store.get(&key(*what)).unwrap();
                add(&counts.found, usize::from(value.is_some()));
                assert_eq!(value, model.get(&key(*what)).cloned());
                for range in ranges(changes) {
                    add(&counts.rows, compare(open_store, &range, &model));
                }
            }
        }
    }
    compare(store.as_ref().unwrap(), &avalanche_store::KeyRange::all(), &model);
}

fn check(cases: u32, counts: &Counts, test: impl Fn(&[Step], &Counts)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let steps = vec((any::<u8>(), vec((any::<u8>(), any::<u8>()), 0..6)), 1..50);
    TestRunner::new(config)
        .run(&steps, |steps| {
            test(&steps, counts);
            Ok(())
        })
        .unwrap();
}

fn covered(counts: &Counts, reopens: bool) {
    println!("{counts:?}");
    let Counts { deleted, overwritten, rows, reopened, found } = counts;
    for count in [deleted, overwritten, rows, found] {
        assert!(count.load(Ordering::Relaxed) > 10, "{counts:?}");
    }
    assert_eq!(reopened.load(Ordering::Relaxed) > 10, reopens, "{counts:?}");
}

#[test]
fn memory_equals_a_map_over_random_histories() {
    let counts = Counts::default();
    check(3_000, &counts, |steps, counts| equal_a_map(MemoryStore::new, false, steps, counts));
    check(1_000, &counts, |steps, counts| {
        let store = || Prefixed::new(Prefixed::new(MemoryStore::new(), [0xff]), *b"\xff\0");
        equal_a_map(store, false, steps, counts);
    });
    covered(&counts, false);
}

#[test]
fn sled_equals_a_map_over_random_histories() {
    let (dir, counts) = (TempDir::new("sled-map"), Counts::default());
    check(40, &counts, |steps, counts| {
        let dir = dir.fresh();
        equal_a_map(|| SledStore::open(&dir, SledConfig::default()).unwrap(), true, steps, counts);
    });
    check(20, &counts, |steps, counts| {
        let dir = dir.fresh();
        let open = || SledStore::open(&dir, SledConfig::default()).unwrap();
        equal_a_map(|| Prefixed::new(open(), [0xff]), true, steps, counts);
    });
    covered(&counts, true);
}

#[test]
fn redb_equals_a_map_over_random_histories() {
    let (dir, counts) = (TempDir::new("redb-map"), Counts::default());
    for check_on_open in [true, false] {
        let config = RedbConfig { check_on_open, cache_bytes: 1 << 20 };
        check(60, &counts, |steps, counts| {
            let dir = dir.fresh();
            equal_a_map(|| RedbStore::open(&dir, config).unwrap(), true, steps, counts);
        });
        check(20, &counts, |steps, counts| {
            let dir = dir.fresh();
            let open = || RedbStore::open(&dir, config).unwrap();
            equal_a_map(|| Prefixed::new(open(), [0xff]), true, steps, counts);
        });
    }
    covered(&counts, true);
}

#[test]
fn prefixes_in_one_store_do_not_see_each_other() {
    let store = MemoryStore::new();
    let prefixes: [&[u8]; 6] = [b"a", b"b", b"\xff", b"\xfe\xff", b"\0", b"`"];
    let mut around = Batch::new();
    for between in [&b""[..], b"\x01", b"_", b"c", b"\xfe", b"\xfe\xfe", b"\xfd\xff"] {
        around.put(between, *b"somebody's");
    }
    store.commit(around).unwrap();
    let mut models = Vec::new();
    for (number, prefix) in (1..).zip(prefixes) {
        let changes: Vec<_> = (0..30).map(|row| (row * number, row + number)).collect();
        let mut model = Model::new();
        model_apply(&mut model, &changes);
        Prefixed::new(&store, prefix).commit(batch(&changes)).unwrap();
        models.push((prefix, changes, model));
    }
    for (prefix, changes, model) in &models {
        let view = Prefixed::new(&store, *prefix);
        assert!(compare(&view, &avalanche_store::KeyRange::all(), model) > 5);
        for range in ranges(changes) {
            compare(&view, &range, model);
        }
        let (name, value) = model.first_key_value().unwrap();
        assert_eq!(store.get(&view.key(name)).unwrap().as_ref(), Some(value));
    }
}

#[test]
fn usage_tells_what_is_on_disk_and_what_the_cache_may_take() {
    let dir = TempDir::new("usage");
    let sled = SledStore::open(&dir.fresh(), SledConfig { cache_bytes: 1 << 20 }).unwrap();
    let redb_config = RedbConfig { cache_bytes: 1 << 20, ..RedbConfig::default() };
    let redb = RedbStore::open(&dir.fresh(), redb_config).unwrap();
    let before = [sled.usage().unwrap(), redb.usage().unwrap()];
    let mut batch = Batch::new();
    for number in 0..2_000_u32 {
        batch.put(number.to_be_bytes(), vec![1; 4_000]);
    }
    sled.commit(batch.clone()).unwrap();
    sled.flush().unwrap();
    redb.commit(batch).unwrap();
    redb.flush().unwrap();
    for (before, after) in before.into_iter().zip([sled.usage().unwrap(), redb.usage().unwrap()]) {
        assert!(after.disk_bytes > before.disk_bytes + 7_000_000, "{before:?} {after:?}");
        assert_eq!(after.cache_bytes_max, 1 << 20);
    }
}
