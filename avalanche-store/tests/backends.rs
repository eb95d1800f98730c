//! Every back-end keeps the contract of `KeyValue`.

mod support;

use avalanche_store::testing::suite;
use avalanche_store::{MemoryStore, Prefixed, RedbConfig, RedbStore, SledConfig, SledStore};
use support::TempDir;

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
