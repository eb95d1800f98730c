//! Views keep the contract of `KeyValue`, and equal plain maps over random histories.
#![cfg(test)]

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use avalanche_store::testing::{Faults, FaultyStore, suite};
use avalanche_store::{
    Batch, Error, KeyRange, KeyValue, Limits, MemoryStore, Order, Overlay, Pairs, Prefixed,
    RedbConfig, RedbStore, SledConfig, SledStore, Versioned,
};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, TestRunner};
use support::{TempDir, batch, compare, key, model_apply, ranges};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[test]
fn views_keep_the_contract() {
    suite::run(|| Overlay::new(MemoryStore::new(), 0).child());
    suite::run(|| Overlay::new(MemoryStore::new(), 0).child().child().child());
    suite::run(|| Versioned::open(MemoryStore::new(), *b"").unwrap());
    suite::run(|| Versioned::open(MemoryStore::new(), [0xff]).unwrap());
    suite::run(|| Overlay::new(Versioned::open(MemoryStore::new(), *b"v").unwrap(), 7).child());
    suite::run(|| Prefixed::new(Versioned::open(MemoryStore::new(), *b"v").unwrap(), *b"p"));
    suite::run(|| FaultyStore::new(MemoryStore::new(), Faults::default()));
    let dir = TempDir::new("views");
    suite::run(|| {
        let sled = SledStore::open(&dir.fresh(), SledConfig::default()).unwrap();
        Overlay::new(Versioned::open(sled, *b"v").unwrap(), 7).child()
    });
    suite::run(|| {
        let redb = RedbStore::open(&dir.fresh(), RedbConfig::default()).unwrap();
        Overlay::new(Versioned::open(redb, *b"v").unwrap(), 7).child()
    });
}

/// What random histories covered.
#[derive(Debug, Default)]
struct Counts {
    commits: AtomicU64,
    hidden: AtomicU64,
    accepted: AtomicU64,
    superseded: AtomicU64,
    refused: AtomicU64,
    rows: AtomicU64,
    deep: AtomicU64,
    pruned: AtomicU64,
    rolled_back: AtomicU64,
    tombstones: AtomicU64,
    reopened: AtomicU64,
    pruned_reads: AtomicU64,
}

impl Counts {
    fn add(count: &AtomicU64, more: usize) {
        count.fetch_add(more as u64, Ordering::Relaxed);
    }
}

#[track_caller]
fn covered(counts: &[&AtomicU64]) {
    for (number, count) in counts.iter().enumerate() {
        assert!(count.load(Ordering::Relaxed) > 0, "count {number} is 0");
    }
}

type Step = (u8, u8, Vec<(u8, u8)>);

fn steps(max: usize) -> impl Strategy<Value = Vec<Step>> {
    vec((any::<u8>(), any::<u8>(), vec((any::<u8>(), any::<u8>()), 0..5)), 1..max)
}

fn check(cases: u32, max: usize, test: impl Fn(&[Step])) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    runner
        .run(&steps(max), |steps| {
            test(&steps);
            Ok(())
        })
        .unwrap();
}

/// An overlay, what it must hold, and where it hangs.
struct Node<K> {
    overlay: Overlay<K>,
    model: Model,
    parent: usize,
    sealed: bool,
}

fn overlays<K: KeyValue>(store: K, steps: &[Step], counts: &Counts) {
    let root = Overlay::new(store, 10);
    let mut nodes =
        vec![Node { overlay: root, model: Model::new(), parent: usize::MAX, sealed: true }];
    let mut tip = 0;
    for (what, which, changes) in steps {
        let at = usize::from(*which) % nodes.len();
        // Whether it is the tip, or hangs on it.
        let depth = {
            let (mut node, mut depth) = (at, 0);
            while node != tip && node != usize::MAX {
                (node, depth) = (nodes[node].parent, depth + 1);
            }
            (node == tip).then_some(depth)
        };
        let Some(depth) = depth else {
            let height = nodes[at].overlay.height();
            for error in [
                nodes[at].overlay.get(b"a").unwrap_err(),
                nodes[at].overlay.commit(batch(changes)).unwrap_err(),
                nodes[at].overlay.accept().unwrap_err(),
                nodes[at]
                    .overlay
                    .range(KeyRange::all(), Order::Ascending)
                    .next()
                    .unwrap()
                    .unwrap_err(),
            ] {
                assert!(matches!(error, Error::Superseded { height: h } if h == height), "{error}");
            }
            Counts::add(&counts.superseded, 1);
            continue;
        };
        match what % 8 {
            0 | 1 => {
                let overlay = nodes[at].overlay.child();
                assert_eq!(overlay.height(), nodes[at].overlay.height() + 1);
                nodes[at].sealed = true;
                let model = nodes[at].model.clone();
                nodes.push(Node { overlay, model, parent: at, sealed: false });
                Counts::add(&counts.deep, usize::from(depth > 2));
            }
            2..=4 => {
                let node = &mut nodes[at];
                let done = node.overlay.commit(batch(changes));
                if node.sealed {
                    assert!(matches!(done.unwrap_err(), Error::Sealed { .. }));
                    Counts::add(&counts.refused, 1);
                } else {
                    done.unwrap();
                    let deleted = model_apply(&mut node.model, changes);
                    Counts::add(&counts.hidden, deleted);
                    Counts::add(&counts.commits, 1);
                }
            }
            5 => {
                let done = nodes[at].overlay.accept();
                match depth {
                    0 => done.unwrap(),
                    1 => {
                        done.unwrap();
                        tip = at;
                        nodes[at].sealed = true;
                        Counts::add(&counts.accepted, 1);
                    }
                    _ => assert!(matches!(done.unwrap_err(), Error::ParentProcessing { .. })),
                }
            }
            _ => {
                let node = &nodes[at];
                let key = key(*which);
                assert_eq!(node.overlay.get(&key).unwrap(), node.model.get(&key).cloned());
                for range in ranges(changes) {
                    Counts::add(&counts.rows, compare(&node.overlay, &range, &node.model));
                }
            }
        }
    }
    for node in [&nodes[tip], nodes.last().unwrap()] {
        if let Ok(first) =
            node.overlay.range(KeyRange::all(), Order::Ascending).collect::<Result<Vec<_>, _>>()
        {
            assert_eq!(first, node.model.clone().into_iter().collect::<Vec<_>>());
        }
    }
    // The store itself holds what the tip holds.
    compare(nodes[tip].overlay.store(), &KeyRange::all(), &nodes[tip].model);
}

#[test]
fn overlays_equal_maps_over_random_trees_of_blocks() {
    let counts = Counts::default();
    check(4_000, 60, |steps| overlays(MemoryStore::new(), steps, &counts));
    check(1_000, 60, |steps| {
        overlays(Versioned::open(MemoryStore::new(), *b"v").unwrap(), steps, &counts);
    });
    let dir = TempDir::new("overlays");
    check(40, 60, |steps| {
        let sled = SledStore::open(&dir.fresh(), SledConfig::default()).unwrap();
        overlays(sled, steps, &counts);
    });
    check(40, 60, |steps| {
        let redb = RedbStore::open(&dir.fresh(), RedbConfig::default()).unwrap();
        overlays(redb, steps, &counts);
    });
    let Counts { commits, hidden, accepted, superseded, refused, rows, deep, .. } = &counts;
    covered(&[commits, hidden, accepted, superseded, refused, rows, deep]);
}

#[test]
fn a_scan_of_a_layer_fails_when_a_sibling_is_accepted_meanwhile() {
    let root = Overlay::new(MemoryStore::new(), 0);
    let (mine, sibling) = (root.child(), root.child());
    for number in 0..100_u8 {
        let mut batch = Batch::new();
        batch.put([number], [number]);
        mine.commit(batch).unwrap();
    }
    let mut rows = mine.range(KeyRange::all(), Order::Ascending);
    rows.next().unwrap().unwrap();
    sibling.accept().unwrap();
    assert!(matches!(rows.next().unwrap(), Err(Error::Superseded { height: 1 })));
    assert!(rows.next().is_none());
}

#[test]
fn a_chain_of_accepted_layers_does_not_grow() {
    let store = Arc::new(MemoryStore::new());
    let mut tip = Overlay::new(Arc::clone(&store), 0);
    for number in 0..20_000_u32 {
        let next = tip.child();
        let mut batch = Batch::new();
        batch.put((number % 100).to_be_bytes(), number.to_be_bytes());
        next.commit(batch).unwrap();
        next.accept().unwrap();
        // Were the chain kept, dropping it would overflow the stack, and reading would be slow.
        assert_eq!(next.get(&(number % 100).to_be_bytes()).unwrap().unwrap(), number.to_be_bytes());
        tip = next;
    }
    assert_eq!((tip.height(), store.len()), (20_000, 100));
}

#[test]
fn a_layer_is_not_accepted_if_the_store_refuses_it() {
    let root = Overlay::new(MemoryStore::new(), 0);
    let (child, sibling) = (root.child(), root.child());
    let mut changes = Batch::new();
    changes.put(*b"a", *b"1");
    child.commit(changes).unwrap();
    let refused = child.accept_with(|_store, _batch| Err(Error::Poisoned { path: "x".into() }));
    assert!(refused.is_err() && !child.is_accepted());
    assert_eq!(sibling.get(b"a").unwrap(), None);
    let mut rows = 0;
    child
        .accept_with(|store, mut batch| {
            rows = batch.len();
            batch.put(*b"height", *b"1");
            store.commit(batch)
        })
        .unwrap();
    assert!(child.is_accepted() && rows == 1);
    assert_eq!(child.get(b"height").unwrap().unwrap(), b"1");
    assert!(matches!(sibling.get(b"a"), Err(Error::Superseded { .. })));
}

/// Readers beside an accept see their own view or an error, never another's.
#[test]
fn readers_of_a_layer_never_see_the_rows_of_a_sibling() {
    let errors = AtomicU64::new(0);
    for round in 0..300_u32 {
        let root = Overlay::new(MemoryStore::new(), 0);
        let (mine, sibling) = (root.child().child(), root.child());
        let mut batch = Batch::new();
        batch.put(*b"a", *b"sibling");
        sibling.commit(batch).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                loop {
                    match mine.get(b"a") {
                        Ok(value) => assert_eq!(value, None, "in round {round}"),
                        Err(Error::Superseded { height: 2 }) => return 1,
                        Err(other) => panic!("{other}"),
                    }
                }
            });
            sibling.accept().unwrap();
            errors.fetch_add(reader.join().unwrap(), Ordering::Relaxed);
        });
    }
    assert_eq!(errors.into_inner(), 300);
}

/// A store that calls back in the middle of a call.
#[derive(Default)]
struct Hooked {
    store: MemoryStore,
    before_get: Mutex<Option<Hook>>,
    after_commit: Mutex<Option<Hook>>,
}

type Hook = Box<dyn FnOnce() + Send>;

impl std::fmt::Debug for Hooked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.store.fmt(f)
    }
}

fn call(hook: &Mutex<Option<Hook>>) {
    let hook = hook.lock().unwrap().take();
    if let Some(hook) = hook {
        hook();
    }
}

impl KeyValue for Hooked {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        call(&self.before_get);
        self.store.get(key)
    }

    fn range(&self, range: KeyRange, order: Order) -> Pairs<'_> {
        self.store.range(range, order)
    }

    fn commit(&self, batch: Batch) -> Result<(), Error> {
        self.store.commit(batch)?;
        call(&self.after_commit);
        Ok(())
    }

    fn flush(&self) -> Result<(), Error> {
        self.store.flush()
    }

    fn limits(&self) -> Limits {
        self.store.limits()
    }
}

/// Two siblings over one store; the second has a row.
fn siblings() -> (Arc<Hooked>, Overlay<Arc<Hooked>>, Overlay<Arc<Hooked>>) {
    let store = Arc::new(Hooked::default());
    let root = Overlay::new(Arc::clone(&store), 0);
    let (mine, sibling) = (root.child(), root.child());
    let mut batch = Batch::new();
    batch.put(*b"a", *b"sibling");
    sibling.commit(batch).unwrap();
    (store, mine, sibling)
}

#[test]
fn a_read_during_which_a_sibling_is_accepted_fails() {
    let (store, mine, sibling) = siblings();
    *store.before_get.lock().unwrap() = Some(Box::new(move || sibling.accept().unwrap()));
    assert!(matches!(mine.get(b"a"), Err(Error::Superseded { height: 1 })));
}

#[test]
fn siblings_and_children_of_a_layer_that_is_being_accepted_see_the_right_rows() {
    let (store, mine, sibling) = siblings();
    let child = sibling.child();
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    *store.after_commit.lock().unwrap() = Some(Box::new(move || {
        // The store has the sibling's row, and the layer is not marked yet.
        assert!(matches!(mine.get(b"a"), Err(Error::Superseded { height: 1 })));
        assert_eq!(child.get(b"a").unwrap().unwrap(), b"sibling");
        assert_eq!(child.get(b"b").unwrap(), None);
        count.fetch_add(1, Ordering::Relaxed);
    }));
    sibling.accept().unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

/// What a versioned store must hold: the state of each height.
#[derive(Default)]
struct History {
    states: BTreeMap<u64, Model>,
    first: u64,
}

impl History {
    fn last(&self) -> Option<u64> {
        self.states.keys().next_back().copied()
    }

    fn at(&self, height: u64) -> Model {
        self.states.range(..=height).next_back().map(|(_, state)| state.clone()).unwrap_or_default()
    }
}

fn versions<K: KeyValue>(open: impl Fn() -> K, steps: &[Step], counts: &Counts) {
    let mut store = Some(Versioned::open(open(), *b"v").unwrap());
    let mut history = History::default();
    for (what, which, changes) in steps {
        let versioned = store.as_ref().unwrap();
        let last = history.last();
        let some = |height: Option<u64>| u64::from(*which) % (height.unwrap_or(0) + 3);
        match what % 12 {
            0..=4 => {
                let height = last.map_or(3, |last| last + 1 + u64::from(which % 2));
                versioned.commit_at(height, batch(changes)).unwrap();
                let mut state = last.map(|last| history.at(last)).unwrap_or_default();
                let deleted = model_apply(&mut state, changes);
                Counts::add(&counts.tombstones, deleted);
                history.states.insert(height, state);
                let again = versioned.commit_at(height, Batch::new()).unwrap_err();
                assert!(matches!(again, Error::HeightTaken { .. }));
            }
            5 => {
                let height = some(last);
                let pruning = versioned.prune_below(height, usize::from(which % 7));
                if last.is_none_or(|last| height > last) {
                    assert!(matches!(pruning.unwrap_err(), Error::HeightUnknown { .. }));
                    continue;
                }
                let mut pruning = pruning.unwrap();
                Counts::add(&counts.pruned, pruning.rows);
                history.first = history.first.max(height);
                while which % 3 == 0 && !pruning.done {
                    pruning = versioned.prune_below(height, 3).unwrap();
                    Counts::add(&counts.pruned, pruning.rows);
                }
            }
            6 => {
                let height = some(last);
                let done = versioned.roll_back_to(height);
                if height < history.first {
                    assert!(matches!(done.unwrap_err(), Error::Pruned { .. }));
                } else if last.is_some_and(|last| height < last) {
                    done.unwrap();
                    let state = history.at(height);
                    history.states.retain(|at, _| *at <= height);
                    history.states.insert(height, state);
                    Counts::add(&counts.rolled_back, 1);
                } else {
                    done.unwrap();
                }
            }
            7 => {
                drop(store.take());
                store = Some(Versioned::open(open(), *b"v").unwrap());
                Counts::add(&counts.reopened, 1);
            }
            _ => {
                let height = some(last);
                let key = key(*which);
                let found = versioned.get_at(&key, height);
                let range = ranges(changes).next().unwrap();
                for order in [Order::Ascending, Order::Descending] {
                    let rows: Result<Vec<_>, _> =
                        versioned.range_at(&range, order, height).collect();
                    if height < history.first {
                        assert!(matches!(rows.unwrap_err(), Error::Pruned { .. }));
                        Counts::add(&counts.pruned_reads, 1);
                    } else if last.is_none_or(|last| height > last) {
                        assert!(matches!(rows.unwrap_err(), Error::HeightUnknown { .. }));
                        Counts::add(&counts.refused, 1);
                    } else {
                        let mut wanted: Vec<_> = history
                            .at(height)
                            .into_iter()
                            .filter(|row| range.contains(&row.0))
                            .collect();
                        if order == Order::Descending {
                            wanted.reverse();
                        }
                        assert_eq!(rows.unwrap(), wanted);
                        Counts::add(&counts.rows, wanted.len());
                        assert_eq!(found.as_ref().unwrap(), &history.at(height).get(&key).cloned());
                    }
                }
            }
        }
    }
    let versioned = store.unwrap();
    assert_eq!((versioned.first(), versioned.last()), (history.first, history.last()));
    let Some(last) = history.last() else { return };
    for height in history.first..=last {
        let found: Vec<_> = versioned
            .range_at(&KeyRange::all(), Order::Ascending, height)
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(found, history.at(height).into_iter().collect::<Vec<_>>());
    }
    // Pruned at the last height to the end, nothing is left but what it holds, and the heights.
    while !versioned.prune_below(last, 5).unwrap().done {}
    let rows = versioned.store().range(KeyRange::all(), Order::Ascending).count();
    assert_eq!(rows, history.at(last).len() + 1);
}

/// A store that outlives what is opened on it.
fn shared() -> impl Fn() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    move || Arc::clone(&store)
}

#[test]
fn versions_equal_a_map_for_each_height_over_random_histories() {
    let counts = Counts::default();
    check(4_000, 80, |steps| versions(shared(), steps, &counts));
    let dir = TempDir::new("versions");
    check(40, 60, |steps| {
        let dir = dir.fresh();
        versions(|| SledStore::open(&dir, SledConfig::default()).unwrap(), steps, &counts);
    });
    check(40, 60, |steps| {
        let dir = dir.fresh();
        versions(|| RedbStore::open(&dir, RedbConfig::default()).unwrap(), steps, &counts);
    });
    let Counts { tombstones, pruned, rolled_back, rows, refused, reopened, pruned_reads, .. } =
        &counts;
    covered(&[tombstones, pruned, rolled_back, rows, refused, reopened, pruned_reads]);
}

#[test]
fn keys_with_many_versions_are_read_at_every_height() {
    let versioned = Versioned::open(MemoryStore::new(), *b"v").unwrap();
    const HEIGHTS: u64 = 100;
    for height in 0..HEIGHTS {
        let mut batch = Batch::new();
        batch.put(*b"a", height.to_be_bytes());
        batch.put(*b"a\0", height.to_be_bytes());
        if height == 50 {
            batch.put(*b"b", *b"once");
        }
        versioned.commit_at(height, batch).unwrap();
    }
    for height in 0..HEIGHTS {
        let value = height.to_be_bytes().to_vec();
        let mut wanted = vec![(b"a".to_vec(), value.clone()), (b"a\0".to_vec(), value)];
        if height >= 50 {
            wanted.push((b"b".to_vec(), b"once".to_vec()));
        }
        for order in [Order::Ascending, Order::Descending] {
            let found: Vec<_> = versioned
                .range_at(&KeyRange::all(), order, height)
                .collect::<Result<_, _>>()
                .unwrap();
            assert_eq!(found, wanted);
            wanted.reverse();
        }
    }
}

#[test]
fn a_roll_back_that_was_interrupted_is_finished_at_the_next_opening() {
    let mut interrupted = 0;
    for seed in 0..50 {
        let faulty = FaultyStore::new(MemoryStore::new(), Faults { seed, ..Faults::default() });
        let store = Arc::new(faulty);
        let versioned = Versioned::open(Arc::clone(&store), *b"").unwrap();
        for height in 0..5_u64 {
            let mut batch = Batch::new();
            for number in 0..1_500_u32 {
                batch.put(number.to_be_bytes(), height.to_be_bytes());
            }
            versioned.commit_at(height, batch).unwrap();
        }
        versioned.flush().unwrap();
        versioned.roll_back_to(1).unwrap();
        drop(versioned);
        let crash = store.crash().unwrap();
        interrupted += usize::from(crash.kept > 0 && crash.lost > 0);
        let versioned = Versioned::open(Arc::clone(&store), *b"").unwrap();
        let last = versioned.last().unwrap();
        assert_eq!(last, if crash.kept == 0 { 4 } else { 1 });
        let rows = store.range(KeyRange::all(), Order::Ascending).count();
        assert_eq!(rows as u64, 1_500 * (last + 1) + 1);
        assert_eq!(versioned.get(&7_u32.to_be_bytes()).unwrap().unwrap(), last.to_be_bytes());
    }
    assert!(interrupted > 5, "{interrupted}");
}

#[test]
fn rows_of_another_program_are_reported_as_damage() {
    let store = MemoryStore::new();
    let mut batch = Batch::new();
    batch.put(*b"v\0", *b"no record");
    store.commit(batch).unwrap();
    let store = Arc::new(store);
    let opened = Versioned::open(Arc::clone(&store), *b"v").unwrap_err();
    assert!(matches!(opened, Error::Version { .. } | Error::Corrupt { .. }), "{opened}");
    let versioned = Versioned::open(Arc::clone(&store), *b"w").unwrap();
    versioned.commit_at(1, Batch::new()).unwrap();
    for (key, value) in
        [(&b"w\x01short"[..], &b"\x01"[..]), (b"w\x01a\0\x02\0\x01\0\0\0\0\0\0\0\0", b"")]
    {
        let mut batch = Batch::new();
        batch.put(key, value);
        store.commit(batch).unwrap();
        for order in [Order::Ascending, Order::Descending] {
            let mut rows = versioned.range(KeyRange::all(), order);
            assert!(matches!(rows.next(), Some(Err(Error::Corrupt { .. }))));
            assert!(rows.next().is_none());
        }
        let mut batch = Batch::new();
        batch.delete(key);
        store.commit(batch).unwrap();
    }
}
