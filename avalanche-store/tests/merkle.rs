//! The Merkle tree in memory equals its definition, whatever its history.
#![cfg(test)]

mod state_support;

use std::collections::BTreeMap;

use avalanche_store::testing::RawTree;
use avalanche_store::{EMPTY, Hash, key_hash, value_hash};
use state_support::{Naive, Random, golden};

type Model = BTreeMap<Hash, Hash>;

#[derive(Debug, Default)]
struct Seen {
    inserts: u64,
    overwrites: u64,
    deletes: u64,
    absent_deletes: u64,
    forks: u64,
    accepted: u64,
    emptied: u64,
    one_leaf: u64,
    deep: u64,
    parallel: u64,
    unchanged: u64,
    twigs: u64,
    more_twigs: u64,
    fewer_twigs: u64,
    other_values_in_twigs: u64,
}

fn changes(
    random: &mut Random,
    model: &mut Model,
    count: usize,
    seen: &mut Seen,
) -> Vec<(Hash, Option<Hash>)> {
    let clearing = random.below(8) == 0;
    let mut list = Vec::new();
    if clearing {
        let keep = random.below(3);
        list.extend(model.keys().skip(keep).map(|key| (*key, None)));
    }
    for _ in 0..count {
        let keys: Vec<_> = model.keys().copied().collect();
        let known = !keys.is_empty() && random.below(2) == 0;
        let key = if known { keys[random.below(keys.len())] } else { random.near(&keys) };
        let value = (random.below(3) > 0).then(|| value_hash(&random.below(4).to_le_bytes()));
        list.push((key, value));
    }
    for (key, value) in &list {
        let before = match value {
            Some(value) => model.insert(*key, *value),
            None => model.remove(key),
        };
        match (before, value) {
            (None, Some(_)) => seen.inserts += 1,
            (Some(_), Some(_)) => seen.overwrites += 1,
            (Some(_), None) => seen.deletes += 1,
            (None, None) => seen.absent_deletes += 1,
        }
    }
    list
}

#[test]
fn any_history_has_the_root_of_a_full_rebuild() {
    let mut seen = Seen::default();
    for seed in 0..2000 {
        let mut random = Random(seed);
        let mut accepted = (RawTree::default(), Model::new());
        let mut views = vec![accepted.clone()];
        for _ in 0..8 {
            let from = random.below(views.len());
            seen.forks += u64::from(from + 1 < views.len());
            let (tree, mut model) = views[from].clone();
            let (old_root, entries) = (tree.root(), model.clone());
            let count = [1, 2, 3, 10, 40][random.below(5)];
            let list = changes(&mut random, &mut model, count, &mut seen);
            let next = tree.apply(list, 1 + random.below(2));
            assert_eq!(next.root(), Naive::root(&model), "seed {seed}");
            assert_eq!(next.entries(), model.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>());
            assert_eq!(tree.root(), old_root);
            seen.emptied += u64::from(model.is_empty());
            seen.one_leaf += u64::from(model.len() == 1);
            seen.unchanged += u64::from(next.root() == old_root);
            let (before, after) = (tree.twigs(), next.twigs());
            seen.twigs += after as u64;
            seen.more_twigs += u64::from(after > before);
            seen.fewer_twigs += u64::from(after < before);
            let same_keys = entries.keys().eq(model.keys());
            seen.other_values_in_twigs +=
                u64::from(same_keys && after > 0 && next.root() != old_root);
            let keys: Vec<_> = model.keys().collect();
            seen.deep += keys.windows(2).filter(|two| two[0][..31] == two[1][..31]).count() as u64;
            views.push((next, model));
            // A child of the accepted one is accepted now and then, and all others are dropped.
            if random.below(4) == 0 && from == 0 {
                accepted = views.pop().unwrap();
                accepted.0.settle();
                views = vec![accepted.clone()];
                seen.accepted += 1;
            }
        }
        for (tree, model) in &views {
            assert_eq!(tree.root(), Naive::root(model), "seed {seed}, later");
        }
    }
    let Seen { inserts, overwrites, deletes, absent_deletes, forks, .. } = seen;
    assert!(
        [inserts, overwrites, deletes, absent_deletes, forks].iter().all(|n| *n > 1000),
        "{seen:?}"
    );
    let Seen { accepted, emptied, one_leaf, deep, unchanged, .. } = seen;
    assert!([accepted, emptied, one_leaf, deep, unchanged].iter().all(|n| *n > 100), "{seen:?}");
    let Seen { twigs, more_twigs, fewer_twigs, other_values_in_twigs, .. } = seen;
    assert!(twigs > 10_000 && more_twigs > 1_000 && fewer_twigs > 500, "{seen:?}");
    assert!(other_values_in_twigs > 100, "{seen:?}");
}

#[test]
fn any_number_of_threads_gives_the_same_root() {
    let mut seen = Seen::default();
    for seed in 0..30 {
        let mut random = Random(seed);
        let mut model = Model::new();
        let mut trees = [RawTree::default(), RawTree::default(), RawTree::default()];
        for _ in 0..4 {
            let few = seed % 3 == 0;
            let list: Vec<_> = (0..1500)
                .map(|_| {
                    let mut key = random.hash();
                    // All below a few of the topmost subtrees, or just one leaf.
                    key[0] &= if few { 0x11 } else { 0xff };
                    (key, (random.below(10) > 0).then_some(key))
                })
                .chain(model.keys().filter(|key| key[1] < 90).map(|key| (*key, None)))
                .collect();
            for (key, value) in &list {
                match value {
                    Some(value) => _ = model.insert(*key, *value),
                    None => _ = model.remove(key),
                }
            }
            for (tree, threads) in trees.iter_mut().zip([1, 2, 8]) {
                *tree = tree.apply(list.clone(), threads);
                assert_eq!(tree.root(), Naive::root(&model), "seed {seed}, {threads} threads");
            }
            assert_eq!(trees[0].hashes(), trees[2].hashes());
            seen.parallel += 1;
        }
        // From one leaf, and to one.
        let one = RawTree::default().apply([([7; 32], Some([1; 32]))], 8);
        let all = one.apply(model.iter().map(|(k, v)| (*k, Some(*v))), 8);
        let gone = all.apply(model.keys().map(|key| (*key, None)), 8);
        model.insert([7; 32], [1; 32]);
        assert_eq!(all.root(), Naive::root(&model));
        assert_eq!(gone.root(), one.root());
        assert_eq!(gone.apply([([7; 32], None)], 1).root(), EMPTY);
    }
    assert_eq!(seen.parallel, 120);
}

#[test]
fn no_hash_is_made_twice_or_without_need() {
    let mut random = Random(5);
    let keys: Vec<_> = (0..20_000).map(|_| random.hash()).collect();
    let tree = RawTree::default().apply(keys.iter().map(|key| (*key, Some([1; 32]))), 1);
    let dirty: BTreeMap<_, _> = (0..500).map(|_| (keys[random.below(20_000)], ())).collect();
    let mut entries = tree.entries();
    entries.sort();
    let least = Naive::least(&entries, &|key| dirty.contains_key(key), 0);
    for threads in [1, 2] {
        let next = tree.apply(dirty.keys().map(|key| (*key, Some([2; 32]))), threads);
        assert_eq!(next.hashes(), least);
        // The same values again change nothing.
        assert_eq!(next.apply(dirty.keys().map(|key| (*key, Some([2; 32]))), threads).hashes(), 0);
    }
    assert_eq!(tree.hashes(), Naive::least(&entries, &|_| true, 0));
    assert!(least > 500 * 6);
}

/// Where keys come and go, hashes are made that were there before, but not many.
#[test]
fn few_hashes_are_made_again_where_keys_come_and_go() {
    let mut random = Random(6);
    let mut model: Model = (0..5_000).map(|_| (random.hash(), [1; 32])).collect();
    let tree = RawTree::default().apply(model.iter().map(|(k, v)| (*k, Some(*v))), 1);
    let before = Naive::hashes(&model);
    let keys: Vec<_> = model.keys().copied().collect();
    let gone = (0..300).map(|_| (keys[random.below(5_000)], None));
    let list: Vec<_> = gone.collect();
    let come: Vec<_> = (0..300).map(|_| (random.hash(), Some([2; 32]))).collect();
    for list in [list.clone(), come.clone(), [list, come].concat()] {
        let old = model.clone();
        for (key, value) in &list {
            match value {
                Some(value) => _ = model.insert(*key, *value),
                None => _ = model.remove(key),
            }
        }
        let next = tree.apply(list, 1);
        let least = Naive::hashes(&model).difference(&before).count() as u64;
        let made = next.hashes();
        assert!(made >= least && made < least + least / 4, "{made} of {least}");
        assert_ne!(next.twigs(), tree.twigs());
        assert!(least > 1_000, "{least}");
        model = old;
    }
}

/// A node that loses its fifth leaf becomes a twig, and what is hashed for that is counted.
#[test]
fn a_node_that_becomes_a_twig_is_counted() {
    let key = |first: u8| {
        let mut key = [9; 32];
        key[0] = first;
        key
    };
    let mut model: Model = [0, 1, 2, 3, 4, 0xf0].map(|first| (key(first), [1; 32])).into();
    let tree = RawTree::default().apply(model.iter().map(|(k, v)| (*k, Some(*v))), 1);
    let before = Naive::hashes(&model);
    assert_eq!(tree.twigs(), 0);
    for first in [4, 0] {
        let next = tree.apply([(key(first), None)], 1);
        let value = model.remove(&key(first)).unwrap();
        assert_eq!((next.root(), next.twigs()), (Naive::root(&model), 1));
        let least = Naive::hashes(&model).difference(&before).count() as u64;
        assert_eq!(next.hashes(), least, "without {first}");
        model.insert(key(first), value);
    }
}

#[test]
fn nodes_of_history_and_of_rejected_blocks_are_freed() {
    let mut random = Random(9);
    let keys: Vec<_> = (0..3000).map(|_| random.hash()).collect();
    let mut tree = RawTree::default().apply(keys.iter().map(|key| (*key, Some([0; 32]))), 1);
    tree.settle();
    let full = tree.bytes();
    let mut most = 0;
    for round in 0..50_u8 {
        let list: Vec<_> =
            (0..200).map(|_| (keys[random.below(3000)], Some([round; 32]))).collect();
        let next = tree.apply(list.clone(), 1);
        let rejected = tree.apply(list, 1).apply([(keys[0], None)], 2);
        most = most.max(tree.bytes());
        next.settle();
        tree = next;
        drop(rejected);
        assert_eq!(tree.bytes(), full, "round {round}");
    }
    assert!(most > full);
    // Three are left, which the first four bits part, as if there had been no others.
    let mut three: Vec<Hash> = Vec::new();
    for key in &keys {
        if three.len() < 3 && three.iter().all(|other| other[0] >> 4 != key[0] >> 4) {
            three.push(*key);
        }
    }
    let values = || three.iter().map(|key| (*key, Some([7; 32])));
    let few = RawTree::default().apply(values(), 1);
    let others = || keys.iter().filter(|key| !three.contains(*key)).map(|key| (*key, None));
    for threads in [1, 2] {
        let left = tree.apply(values().chain(others()), threads);
        assert_eq!((left.root(), left.twigs()), (few.root(), 0));
    }
    let left = tree.apply(values().chain(others()), 2);
    left.settle();
    drop(tree);
    let tree = left;
    assert_eq!(tree.bytes(), few.bytes());
    let gone = tree.apply(keys.iter().map(|key| (*key, None)), 1);
    gone.settle();
    drop(tree);
    assert_eq!((gone.root(), gone.bytes()), (EMPTY, 0));
}

#[test]
fn roots_are_pinned() {
    let mut roots = Vec::new();
    for count in [0_u64, 1, 2, 3, 100] {
        let pair = |i: u64| (key_hash(&i.to_le_bytes()), value_hash(&(i * i).to_le_bytes()));
        let model: Model = (0..count).map(pair).collect();
        let tree = RawTree::default().apply(model.iter().map(|(k, v)| (*k, Some(*v))), 1);
        assert_eq!(tree.root(), Naive::root(&model));
        roots.extend(tree.root());
    }
    let last = Model::from([
        ([0; 32], [1; 32]),
        ([[0; 31].as_slice(), &[1]].concat().try_into().unwrap(), [2; 32]),
    ]);
    roots.extend(RawTree::default().apply(last.iter().map(|(k, v)| (*k, Some(*v))), 1).root());
    golden("merkle-roots.hex", &roots);
}
