//! Versions of a large tree, whose nodes are patches over each other: whoever keeps one reads it,
//! whatever was accepted, dropped or evicted since.
#![cfg(test)]

mod state_support;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use avalanche_store::testing::RawTree;
use avalanche_store::{Hash, State, StateOptions, View, key_hash, value_hash};
use state_support::{Memory, Naive, Random};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn key(number: usize) -> Vec<u8> {
    format!("key {number}").into_bytes()
}

fn hashes(model: &Model) -> BTreeMap<Hash, Hash> {
    model.iter().map(|(key, value)| (key_hash(key), value_hash(value))).collect()
}

/// Changes most of which leave the structure of the tree as it is.
fn change(random: &mut Random, model: &mut Model, keys: usize) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let count = [1, 3, 12, 40][random.below(4)];
    let mut list = Vec::new();
    for _ in 0..count {
        let (key, value) = match random.below(20) {
            0 => (key(random.below(keys)), None),
            1 => (key(keys + random.below(keys)), Some(random.next().to_le_bytes().to_vec())),
            _ => (key(random.below(keys)), Some(random.next().to_le_bytes().to_vec())),
        };
        match &value {
            Some(value) => _ = model.insert(key.clone(), value.clone()),
            None => _ = model.remove(&key),
        }
        list.push((key, value));
    }
    list
}

#[derive(Debug, Default)]
struct Seen {
    patches: usize,
    exchanged: usize,
    copied: usize,
    kept: usize,
    forks_of_old: usize,
    dropped: usize,
}

/// A version, what it should hold, its number and that of its parent.
type Version = (RawTree, Model, usize, usize);

fn check((tree, model, ..): &Version, random: &mut Random) {
    let hashes = hashes(model);
    assert_eq!(tree.entries(), hashes.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>());
    let root = tree.root();
    for _ in 0..6 {
        let key = key(random.below(900));
        let value = model.get(&key).map(Vec::as_slice);
        tree.prove(&key_hash(&key)).verify(&root, &key, value).unwrap();
    }
    let (from, end) = ([0x20; 32], [0x38; 32]);
    let inside = |key: &Vec<u8>| (from..end).contains(&key_hash(key));
    let mut pairs: Vec<_> =
        model.iter().filter(|(key, _)| inside(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
    pairs.sort_by_key(|(key, _)| key_hash(key));
    let proof = tree.prove_range(&from, Some(&end), pairs);
    proof.verify(&root, &from, Some(&end)).unwrap();
}

#[test]
fn every_version_that_is_kept_stays_as_it_was() {
    let mut seen = Seen::default();
    for seed in 0..25 {
        let mut random = Random(seed);
        let mut model: Model = (0..600).map(|i| (key(i), vec![0])).collect();
        let first = hashes(&model).into_iter().map(|(key, value)| (key, Some(value)));
        let tree = RawTree::default().apply(first, 1);
        tree.settle();
        let (mut accepted, mut parents) = (0, vec![usize::MAX]);
        let mut live: Vec<Version> = vec![(tree, std::mem::take(&mut model), 0, usize::MAX)];
        for _ in 0..30 {
            let from = random.below(live.len());
            let (tree, mut model, number, _) = live[from].clone();
            seen.forks_of_old += usize::from(number < accepted);
            let list = change(&mut random, &mut model, 600);
            let list = list.iter().map(|(k, v)| (key_hash(k), v.as_deref().map(value_hash)));
            let child = tree.apply(list, 1 + random.below(2));
            assert_eq!(child.root(), Naive::root(&hashes(&model)), "seed {seed}");
            live.push((child, model, parents.len(), number));
            parents.push(number);
            seen.patches += live[0].0.patches();
            let mut children = live.iter().filter(|version| version.3 == accepted);
            if let Some((tree, _, number, _)) = children.next_back()
                && random.below(3) > 0
            {
                let (patches, bytes) = (tree.patches(), tree.bytes());
                tree.settle();
                // An exchange leaves as many, and takes no memory.
                seen.copied += patches - tree.patches();
                seen.exchanged += usize::from(patches > 0 && bytes == tree.bytes());
                let (before, now) = (accepted, *number);
                accepted = now;
                // Without a store, a version is whole as long as its accepted ancestor, and the one
                // after that, are.
                live.retain(|version| {
                    let mut number = version.2;
                    while number != before && number != now && number != usize::MAX {
                        number = parents[number];
                    }
                    number != usize::MAX
                });
            }
            // All but the accepted one may go, and its parent may stay.
            while live.len() > 6 || random.below(4) == 0 {
                let gone = random.below(live.len());
                if live[gone].2 == accepted {
                    break;
                }
                live.swap_remove(gone);
                seen.dropped += 1;
            }
            seen.kept += live.iter().filter(|version| version.2 < accepted).count();
            let some = random.below(live.len());
            check(&live[some], &mut random);
        }
        for version in &live {
            check(version, &mut random);
            assert_eq!(version.0.root(), Naive::root(&hashes(&version.1)), "seed {seed}, later");
        }
        // Who keeps only the accepted version keeps no patch.
        live.retain(|version| version.2 == accepted);
        assert_eq!(live[0].0.patches(), 0, "seed {seed}");
    }
    let Seen { patches, exchanged, copied, kept, forks_of_old, dropped } = seen;
    let counts = [patches, exchanged, copied, kept, forks_of_old, dropped];
    assert!(counts.iter().all(|count| *count > 50), "{seen:?}");
}

#[test]
fn views_stay_readable_through_commits_failures_and_evictions() {
    let (mut patches, mut failed, mut old_reads, mut evicted) = (0, 0, 0, 0);
    for seed in 0..24 {
        let mut random = Random(seed);
        let memory_bytes = [0, 60_000, 1 << 20][random.below(3)];
        let store = Memory::default();
        let options = StateOptions { memory_bytes, ..StateOptions::new("memory") };
        let mut state = State::open(store.clone(), options).unwrap();
        let mut model: Model = (0..500).map(|i| (key(i), vec![0])).collect();
        let mut draft = state.begin();
        for (key, value) in &model {
            draft.put(key.clone(), value.clone()).unwrap();
        }
        state.commit(&draft.seal().unwrap(), 0).unwrap();
        let mut held: Vec<(View<Memory>, Model)> = Vec::new();
        for _ in 0..12 {
            let make = |random: &mut Random, base: &Model| {
                let (mut model, mut draft) = (base.clone(), state.begin());
                for (key, value) in change(random, &mut model, 500) {
                    match value {
                        Some(value) => draft.put(key, value).unwrap(),
                        None => draft.delete(key).unwrap(),
                    }
                }
                let view = draft.seal().unwrap();
                assert_eq!(view.root(), Naive::root(&hashes(&model)), "seed {seed}");
                (view, model)
            };
            let (rival, (view, after)) = (make(&mut random, &model), make(&mut random, &model));
            patches += state.patches();
            let before = state.view().unwrap();
            if random.below(4) == 0 {
                store.fail_after.store(1, Ordering::SeqCst);
                state.commit(&view, view.height()).unwrap_err();
                store.fail_after.store(0, Ordering::SeqCst);
                failed += 1;
                assert_eq!(state.root(), Naive::root(&hashes(&model)));
                read(&state.view().unwrap(), &model, &mut random);
                read(&view, &after, &mut random);
            }
            state.commit(&view, view.height()).unwrap();
            if random.below(2) == 0 {
                held.push((before, model));
            }
            model = after;
            held.push(rival);
            held.push((view, model.clone()));
            while held.len() > 5 {
                held.swap_remove(random.below(held.len()));
            }
            for (view, model) in &held {
                read(view, model, &mut random);
                old_reads += 1;
            }
            // A child of a version that is history.
            let some = random.below(held.len());
            let (old, mut old_model) = held[some].clone();
            let mut draft = old.begin();
            for (key, value) in change(&mut random, &mut old_model, 500) {
                match value {
                    Some(value) => draft.put(key, value).unwrap(),
                    None => draft.delete(key).unwrap(),
                }
            }
            assert_eq!(draft.seal().unwrap().root(), Naive::root(&hashes(&old_model)));
        }
        held.clear();
        let view = state.begin().seal().unwrap();
        state.commit(&view, view.height()).unwrap();
        assert_eq!(state.patches(), 0, "seed {seed}");
        if memory_bytes < 1 << 20 {
            assert!(state.memory_bytes() <= memory_bytes, "{}", state.memory_bytes());
            evicted += 1;
        }
    }
    assert!(patches > 1_000 && failed > 20 && old_reads > 500 && evicted > 5);
}

fn read(view: &View<Memory>, model: &Model, random: &mut Random) {
    let root = view.root();
    assert_eq!(root, Naive::root(&hashes(model)));
    for _ in 0..6 {
        let key = key(random.below(600));
        let value = model.get(&key);
        assert_eq!(view.get(&key).unwrap().as_ref(), value);
        view.prove(&key).unwrap().verify(&root, &key, value.map(Vec::as_slice)).unwrap();
    }
}

/// Nodes that a child found are evicted by the commit of its parent before the child is put
/// together.
#[test]
fn a_child_is_sealed_while_its_parent_is_committed() {
    let mut random = Random(7);
    let store = Memory::default();
    let options = StateOptions { memory_bytes: 0, ..StateOptions::new("memory") };
    let mut state = State::open(store, options).unwrap();
    let mut model: Model = (0..2_000).map(|i| (key(i), vec![0])).collect();
    let mut draft = state.begin();
    for (key, value) in &model {
        draft.put(key.clone(), value.clone()).unwrap();
    }
    state.commit(&draft.seal().unwrap(), 0).unwrap();
    for round in 0..60_u64 {
        let mut draft = state.begin();
        for _ in 0..300 {
            let (key, value) = (key(random.below(2_000)), random.next().to_le_bytes());
            draft.put(key.clone(), value).unwrap();
            model.insert(key, value.to_vec());
        }
        let view = draft.seal().unwrap();
        assert_eq!(view.root(), Naive::root(&hashes(&model)), "round {round}");
        let mut draft = view.begin();
        for _ in 0..300 {
            let (key, value) = (key(random.below(2_000)), random.next().to_le_bytes());
            draft.put(key.clone(), value).unwrap();
            model.insert(key, value.to_vec());
        }
        let child = std::thread::scope(|scope| {
            let sealing = scope.spawn(|| draft.seal().unwrap());
            state.commit(&view, view.height()).unwrap();
            sealing.join().unwrap()
        });
        assert_eq!(child.root(), Naive::root(&hashes(&model)), "round {round}");
        state.commit(&child, child.height()).unwrap();
        let key = key(random.below(2_000));
        let value = model.get(&key).map(Vec::as_slice);
        let proof = state.prove(&key, child.height()).unwrap();
        proof.verify(&child.root(), &key, value).unwrap();
    }
}
