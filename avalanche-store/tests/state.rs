//! The state equals a model at every height that is kept, whatever happens in between.
#![cfg(test)]

mod state_support;

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::atomic::Ordering;

use avalanche_store::{
    EMPTY, Error, Hash, Keep, RangeLimits, State, StateOptions, key_hash, value_hash,
};
use state_support::{Memory, Naive, Random, golden, unhex};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

const ALL: RangeLimits = RangeLimits { entries: usize::MAX, bytes: usize::MAX };

fn options(keep: Option<u64>, memory_bytes: usize, threads: usize) -> StateOptions {
    let keep = keep.map_or(Keep::All, |keep| Keep::Heights(NonZeroU64::new(keep).unwrap()));
    StateOptions { keep, threads, memory_bytes, ..StateOptions::new("memory") }
}

fn root_of(model: &Model) -> Hash {
    Naive::root(&model.iter().map(|(k, v)| (key_hash(k), value_hash(v))).collect())
}

fn random_key(random: &mut Random) -> Vec<u8> {
    format!("key {}", random.below(60)).into_bytes()
}

/// Compares everything that can be read at a height.
fn compare(state: &State<Memory>, height: u64, model: &Model, random: &mut Random) {
    let root = root_of(model);
    assert_eq!(state.root_at(height).unwrap(), root, "height {height}");
    for _ in 0..4 {
        let key = random_key(random);
        let value = model.get(&key);
        assert_eq!(state.get_at(&key, height).unwrap().as_ref(), value, "height {height}");
        let proof = state.prove(&key, height).unwrap();
        proof.verify(&root, &key, value.map(Vec::as_slice)).unwrap();
    }
    let from = random.hash();
    let proof = state.prove_range(&from, None, ALL, height).unwrap();
    let shown = proof.verify(&root, &from, None).unwrap();
    let expected = model.keys().filter(|key| key_hash(key) >= from).count();
    assert_eq!((shown.entries().len(), shown.next()), (expected, None));
    let (mut pairs, mut next) = (Model::new(), Some([0; 32]));
    while let Some(from) = next {
        let limits = RangeLimits { entries: 7, bytes: usize::MAX };
        let (part, more) = state.pairs(&from, limits, height).unwrap();
        assert!(part.len() <= 7 && (more.is_none() || !part.is_empty()));
        pairs.extend(part);
        next = more;
    }
    assert_eq!(pairs, *model, "height {height}");
    if state.height() == Some(height) {
        let view = state.view().unwrap();
        assert_eq!((view.height(), view.root()), (height, root));
        let key = random_key(random);
        assert_eq!(view.get(&key).unwrap().as_ref(), model.get(&key));
        let above = view.begin().seal().unwrap();
        assert_eq!((above.height(), above.root()), (height + 1, root));
    }
}

#[derive(Debug, Default)]
struct Seen {
    commits: u64,
    chained: u64,
    passed: u64,
    rejected: u64,
    reopened: u64,
    pruned_rows: usize,
    rolled_back: u64,
    pruned_heights: u64,
    view_reads: u64,
    late_reads: u64,
}

#[test]
fn any_history_equals_a_model_at_every_kept_height() {
    let mut seen = Seen::default();
    for seed in 0..400 {
        let mut random = Random(seed);
        let keep = [None, Some(1), Some(2), Some(5)][random.below(4)];
        let memory = [0, 3000, 1 << 20][random.below(3)];
        let options = options(keep, memory, 1 + random.below(2));
        let store = Memory::default();
        let mut state = State::open(store.clone(), options.clone()).unwrap();
        let mut models: BTreeMap<u64, Model> = BTreeMap::new();
        let mut rolled = 0;
        for _ in 0..12 {
            // A chain of views, beside one that is rejected.
            let mut model =
                models.last_key_value().map(|(_, model)| model.clone()).unwrap_or_default();
            let mut views: Vec<(avalanche_store::View<Memory>, Model)> = Vec::new();
            for depth in 0..1 + random.below(3) {
                let begin = |views: &[(avalanche_store::View<Memory>, Model)]| match views.last() {
                    Some((view, _)) => view.begin(),
                    None => state.begin(),
                };
                let mut rejected = begin(&views);
                rejected.put(random_key(&mut random), *b"rejected").unwrap();
                let rejected = rejected.seal().unwrap();
                let mut draft = begin(&views);
                for _ in 0..random.below(12) {
                    let key = random_key(&mut random);
                    assert_eq!(draft.get(&key).unwrap().as_ref(), model.get(&key));
                    if random.below(3) == 0 {
                        draft.delete(key.clone()).unwrap();
                        model.remove(&key);
                    } else {
                        let value = format!("value {}", random.below(5)).into_bytes();
                        draft.put(key.clone(), value.clone()).unwrap();
                        model.insert(key, value);
                    }
                }
                let view = draft.seal().unwrap();
                assert_eq!(view.root(), root_of(&model), "seed {seed}");
                seen.chained += u64::from(depth > 0);
                seen.rejected += 1;
                drop(rejected);
                views.push((view, model.clone()));
            }
            let last = views.last().cloned().unwrap();
            let mut passing = Vec::new();
            for (view, model) in views {
                let height = view.height();
                if height < last.0.height() && random.below(2) == 0 {
                    // It is accepted with one above it: the store has what is below.
                    if let Some(below) = models.last_key_value().map(|(_, model)| model.clone()) {
                        models.insert(height, below);
                    }
                    passing.push((view, model));
                    continue;
                }
                state.commit(&view, height).unwrap();
                models.insert(height, model);
                seen.commits += 1;
                for (passed, model) in passing.drain(..) {
                    let key = random_key(&mut random);
                    let value = model.get(&key);
                    assert_eq!(passed.get(&key).unwrap().as_ref(), value, "seed {seed}");
                    let proof = passed.prove(&key).unwrap();
                    proof.verify(&root_of(&model), &key, value.map(Vec::as_slice)).unwrap();
                    seen.passed += 1;
                }
                drop(view);
                assert!(memory > 0 || last.0.height() > height || state.memory_bytes() == 0);
            }
            // A view is read like the state that it became.
            let key = random_key(&mut random);
            assert_eq!(last.0.get(&key).unwrap().as_ref(), last.1.get(&key));
            seen.view_reads += 1;
            let limit = 1 + random.below(50);
            if random.below(2) == 0 {
                let pruned = state.prune(limit).unwrap();
                assert!(pruned.rows <= limit + 500);
                seen.pruned_rows += pruned.rows;
            }
            if random.below(5) == 0 {
                drop(state);
                state = State::open(store.clone(), options.clone()).unwrap();
                seen.reopened += 1;
            }
            let (height, oldest) = (state.height().unwrap(), state.oldest_height().unwrap());
            if random.below(6) == 0 {
                let to = oldest + random.next() % (height - oldest + 1);
                let draft = state.begin();
                state.roll_back_to(to).unwrap();
                models.split_off(&(to + 1));
                if to < height {
                    assert!(matches!(draft.get(b"a"), Err(Error::StaleView)));
                    assert!(matches!(draft.seal(), Err(Error::StaleView)));
                    rolled += 1;
                }
                seen.rolled_back += u64::from(to < height);
            }
            let height = state.height().unwrap();
            for (at, model) in &models {
                if *at < oldest {
                    let error = state.get_at(b"a", *at).unwrap_err();
                    assert!(matches!(error, Error::Pruned { .. }), "{error}");
                    seen.pruned_heights += 1;
                } else {
                    compare(&state, *at, model, &mut random);
                }
            }
            let error = state.root_at(height + 1).unwrap_err();
            assert!(matches!(error, Error::HeightUnknown { .. }), "{error}");
            assert_eq!(state.root(), root_of(&models[&height]));
        }
        // Pruned to the end, the store has what a fresh one with the same content has.
        if keep == Some(1) && rolled == 0 {
            while !state.prune(100).unwrap().done {}
            let model = &models[&state.height().unwrap()];
            let fresh = Memory::default();
            let mut other = State::open(fresh.clone(), options.clone()).unwrap();
            let mut draft = other.begin();
            for (key, value) in model {
                draft.put(key.clone(), value.clone()).unwrap();
            }
            other.commit(&draft.seal().unwrap(), 0).unwrap();
            for kind in *b"nvrm" {
                assert_eq!(store.count(kind), fresh.count(kind), "seed {seed} {}", kind as char);
            }
            seen.late_reads += 1;
        }
    }
    let Seen { commits, chained, passed, rejected, reopened, pruned_rows, rolled_back, .. } = seen;
    let counts = [commits, chained, passed, rejected, reopened, pruned_rows as u64, rolled_back];
    assert!(counts.iter().all(|count| *count > 300), "{seen:?}");
    assert!(seen.pruned_heights > 300 && seen.view_reads > 300 && seen.late_reads > 5, "{seen:?}");
}

/// A state with a few heights.
fn small(store: Memory) -> State<Memory> {
    let mut state = State::open(store, options(None, 1 << 20, 1)).unwrap();
    for height in 0..4_u64 {
        let mut draft = state.begin();
        for i in 0..12_u64 {
            if (i + height) % 3 > 0 {
                draft.put(format!("key {i}"), format!("value {height}")).unwrap();
            }
        }
        draft.delete(format!("key {height}")).unwrap();
        state.commit(&draft.seal().unwrap(), height).unwrap();
    }
    state
}

#[test]
fn a_commit_that_fails_leaves_the_old_state() {
    let store = Memory::default();
    let mut state = small(store.clone());
    let (root, rows) = (state.root(), store.rows.lock().unwrap().clone());
    let mut draft = state.begin();
    draft.put(*b"key 5", *b"new").unwrap();
    let view = draft.seal().unwrap();
    store.fail_after.store(1, Ordering::SeqCst);
    assert!(matches!(state.commit(&view, 4), Err(Error::Poisoned { .. })));
    assert_eq!((state.root(), state.height()), (root, Some(3)));
    store.fail_after.store(0, Ordering::SeqCst);
    assert_eq!(*store.rows.lock().unwrap(), rows);
    let mut again = State::open(store, options(None, 0, 1)).unwrap();
    assert_eq!((again.root(), again.height()), (root, Some(3)));
    assert_eq!(again.get(b"key 5").unwrap(), Some(b"value 3".to_vec()));
    let mut draft = again.begin();
    draft.put(*b"key 5", *b"new").unwrap();
    let same = draft.seal().unwrap();
    assert_eq!(same.root(), view.root());
    again.commit(&same, 4).unwrap();
}

#[test]
fn a_rollback_that_is_interrupted_is_finished_at_the_next_opening() {
    for steps in 1..3 {
        let store = Memory::default();
        let mut state = small(store.clone());
        let root = state.root_at(1).unwrap();
        store.fail_after.store(steps + 1, Ordering::SeqCst);
        let result = state.roll_back_to(1);
        assert_eq!(result.is_err(), steps < 2);
        store.fail_after.store(0, Ordering::SeqCst);
        let state = State::open(store.clone(), options(None, 0, 1)).unwrap();
        assert_eq!((state.height(), state.root()), (Some(1), root));
        let rows = store.rows.lock().unwrap();
        let above = rows
            .keys()
            .filter(|key| b"njsr".contains(&key[0]) && key[1..9] > 1_u64.to_be_bytes()[..]);
        assert_eq!(above.count(), 0);
    }
}

#[test]
fn views_are_accepted_only_over_what_is_accepted() {
    let mut state = small(Memory::default());
    let (first, mut other) = (state.begin().seal().unwrap(), state.begin());
    other.put(*b"key 1", *b"other").unwrap();
    let other = other.seal().unwrap();
    let second = first.begin().seal().unwrap();
    let refused = |result: Result<(), Error>| matches!(result, Err(Error::ViewNotNext { .. }));
    let over_other = other.begin().seal().unwrap();
    assert!(refused(state.commit(&second, 4)));
    assert!(refused(state.commit(&first, 5)));
    state.commit(&first, 4).unwrap();
    assert!(refused(state.commit(&over_other, 5)));
    assert!(refused(state.commit(&first, 4)));
    assert!(refused(state.commit(&other, 4)));
    assert_eq!(other.get(b"key 1").unwrap(), Some(b"other".to_vec()));
    state.commit(&second, 5).unwrap();
    // Heights may have gaps; between them the state is that of the one below.
    let mut later = state.begin_at(9);
    later.put(*b"key 1", *b"later").unwrap();
    state.commit(&later.seal().unwrap(), 9).unwrap();
    assert_eq!(state.root_at(7).unwrap(), second.root());
    assert_eq!(state.get_at(b"key 1", 7).unwrap(), second.get(b"key 1").unwrap());
    assert!(refused(state.commit(&state.begin_at(9).seal().unwrap(), 9)));
}

#[test]
fn what_only_the_heights_between_two_commits_had_is_never_written() {
    let (store, fresh) = (Memory::default(), Memory::default());
    let mut states = [&store, &fresh]
        .map(|store| State::open(store.clone(), options(None, 1 << 20, 1)).unwrap());
    let [state, plain] = &mut states;
    let mut view = None;
    for height in 0..5_u8 {
        let mut draft = view.as_ref().map_or_else(|| state.begin(), avalanche_store::View::begin);
        for key in 0..40_u8 {
            draft.put([key], [height]).unwrap();
        }
        view = Some(draft.seal().unwrap());
    }
    state.commit(&view.unwrap(), 4).unwrap();
    let mut draft = plain.begin();
    for key in 0..40_u8 {
        draft.put([key], [4]).unwrap();
    }
    plain.commit(&draft.seal().unwrap(), 0).unwrap();
    assert_eq!(state.root(), plain.root());
    for kind in *b"nvrjs" {
        assert_eq!(store.count(kind), fresh.count(kind), "{}", kind as char);
    }
}

#[test]
fn pairs_that_the_store_cannot_take_are_refused_before_anything_changes() {
    let store = Memory { value_bytes_max: Some(100), ..Memory::default() };
    let state = State::open(store, StateOptions::new("memory")).unwrap();
    let mut draft = state.begin();
    assert!(draft.put(vec![1; 4], vec![0; 90]).is_ok());
    let error = draft.put(vec![2; 4], vec![0; 91]).unwrap_err();
    assert!(matches!(error, Error::ValueTooLarge { bytes: 91, max: 90 }), "{error}");
    let error = draft.put(vec![2; 95], vec![]).unwrap_err();
    assert!(matches!(error, Error::KeyTooLarge { bytes: 95, max: 94 }), "{error}");
    assert!(draft.delete(vec![2; 95]).is_err());
    assert_eq!(draft.get(&[2; 4]).unwrap(), None);
    assert_eq!(draft.get(&[1; 4]).unwrap(), Some(vec![0; 90]));
}

#[test]
fn a_damaged_row_is_an_error_and_never_another_answer() {
    let store = Memory::default();
    let state = small(store.clone());
    let root = state.root();
    let truth: BTreeMap<_, _> = (0..12)
        .map(|i| format!("key {i}"))
        .map(|key| (key.clone(), state.get(key.as_bytes()).unwrap()))
        .collect();
    drop(state);
    let rows = store.rows.lock().unwrap().clone();
    let (mut found, mut tried) = (0, 0);
    for (key, value) in rows.iter().filter(|(key, _)| b"nvrm".contains(&key[0])) {
        for at in 0..=value.len() {
            let damaged = store.copy();
            let mut bytes = value.clone();
            match bytes.get_mut(at) {
                Some(byte) => *byte ^= 1 << (at % 8),
                None => bytes.push(0),
            }
            damaged.rows.lock().unwrap().insert(key.clone(), bytes);
            let check = || -> Result<(), Error> {
                let mut state = State::open(damaged, options(None, 0, 1))?;
                let height = state.height().unwrap_or(0);
                if height == 3 && state.root() == root {
                    // Checks values against leaves, and nodes against the root.
                    let proof = state.prove_range(&[0; 32], None, ALL, 3)?;
                    let shown = proof.verify(&root, &[0; 32], None).unwrap();
                    assert!(shown.entries().iter().all(|(key, value)| {
                        truth[std::str::from_utf8(key).unwrap()].as_ref() == Some(value)
                    }));
                    for (key, value) in &truth {
                        let proof = state.prove(key.as_bytes(), 3)?;
                        proof.verify(&root, key.as_bytes(), value.as_deref()).unwrap();
                    }
                    let mut draft = state.begin();
                    for key in truth.keys() {
                        draft.put(key.clone(), *b"x")?;
                    }
                    let view = draft.seal()?;
                    let all = truth.keys().map(|key| (key_hash(key.as_bytes()), value_hash(b"x")));
                    assert_eq!(view.root(), Naive::root(&all.collect()));
                    state.commit(&view, 4)?;
                    return Ok(());
                }
                // Another root, or height, is what the block log notices.
                state.prove(b"key 1", height).map(|_| ())
            };
            tried += 1;
            match check() {
                Ok(()) => {}
                Err(
                    Error::Corrupt { .. } | Error::Version { .. } | Error::HeightUnknown { .. },
                ) => found += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(tried > 1000 && found > tried / 5, "{found} of {tried}");
}

#[test]
fn nodes_in_memory_keep_to_their_budget() {
    let budget = 40_000;
    let mut state = State::open(Memory::default(), options(Some(1), budget, 2)).unwrap();
    let mut random = Random(4);
    let mut model = Model::new();
    let mut evicted = 0;
    for _ in 0..40 {
        let mut draft = state.begin();
        for _ in 0..300 {
            let (key, value) = (random.below(5000).to_le_bytes(), random.next().to_le_bytes());
            draft.put(key, value).unwrap();
            model.insert(key.to_vec(), value.to_vec());
        }
        let view = draft.seal().unwrap();
        evicted += u64::from(state.memory_bytes() > budget);
        state.commit(&view, view.height()).unwrap();
        // The next block is there already.
        let next = view.begin().seal().unwrap();
        assert!(state.memory_bytes() <= budget, "{}", state.memory_bytes());
        state.commit(&next, next.height()).unwrap();
    }
    assert_eq!(state.root(), root_of(&model));
    assert!(evicted > 10);
}

#[test]
fn a_state_may_become_empty() {
    let store = Memory::default();
    let mut state = State::open(store.clone(), options(None, 0, 1)).unwrap();
    assert_eq!((state.height(), state.root(), state.get(b"a").unwrap()), (None, EMPTY, None));
    assert!(matches!(state.root_at(0), Err(Error::HeightUnknown { height: 0, last: None })));
    for value in [Some(*b"1"), None] {
        let mut draft = state.begin();
        match value {
            Some(value) => draft.put(*b"a", value).unwrap(),
            None => draft.delete(*b"a").unwrap(),
        }
        let view = draft.seal().unwrap();
        state.commit(&view, view.height()).unwrap();
        state.flush().unwrap();
        state = State::open(store.clone(), options(None, 0, 1)).unwrap();
        assert_eq!(state.get(b"a").unwrap(), value.map(Vec::from));
    }
    assert_eq!((state.height(), state.root()), (Some(1), EMPTY));
    state.prove(b"a", 1).unwrap().verify(&EMPTY, b"a", None).unwrap();
    assert_ne!(state.root_at(0).unwrap(), EMPTY);
}

#[test]
fn rows_are_pinned() {
    let store = Memory::default();
    let state = small(store.clone());
    let mut dump = Vec::new();
    for (key, value) in store.rows.lock().unwrap().iter() {
        for part in [key, value] {
            dump.extend(u16::try_from(part.len()).unwrap().to_le_bytes());
            dump.extend(part);
        }
    }
    // The order in a list of nodes that are gone means nothing, and was another once; and before
    // there were twigs, small nodes had rows of their own.
    let listed_by_path = unhex(include_str!("golden/state-rows-listed-by-path.hex"));
    let nodes_v1 = unhex(include_str!("golden/state-rows-nodes-v1.hex"));
    let now = golden("state-rows.hex", &dump);
    let nodes = |file: &[u8]| {
        let rows = store_of(file.to_vec());
        let rows = rows.rows.lock().unwrap();
        rows.keys().filter(|key| key[0] == b'n').count()
    };
    assert!(nodes(&now) < nodes(&nodes_v1));
    for file in [now, listed_by_path, nodes_v1] {
        let store = store_of(file);
        let mut old = State::open(store.clone(), options(None, 0, 1)).unwrap();
        assert_eq!((old.root(), old.height()), (state.root(), Some(3)));
        let proof = old.prove_range(&[0; 32], None, ALL, 2).unwrap();
        proof.verify(&state.root_at(2).unwrap(), &[0; 32], None).unwrap();
        // It goes on: other values, new keys and deleted ones, read back from the store each time.
        let mut model: BTreeMap<String, String> = BTreeMap::new();
        for i in 0..12 {
            if let Some(value) = old.get(format!("key {i}").as_bytes()).unwrap() {
                model.insert(format!("key {i}"), String::from_utf8(value).unwrap());
            }
        }
        for height in 4..40_u64 {
            let mut draft = old.begin();
            let key = format!("key {}", height * 7 % 24);
            if height % 4 == 0 {
                draft.delete(key.clone()).unwrap();
                model.remove(&key);
            } else {
                draft.put(key.clone(), format!("value {height}")).unwrap();
                model.insert(key, format!("value {height}"));
            }
            old.commit(&draft.seal().unwrap(), height).unwrap();
            let hash = |(key, value): (&String, &String)| {
                (key_hash(key.as_bytes()), value_hash(value.as_bytes()))
            };
            assert_eq!(old.root(), Naive::root(&model.iter().map(hash).collect()), "{height}");
            old.prove_range(&[0; 32], None, ALL, height)
                .unwrap()
                .verify(&old.root(), &[0; 32], None)
                .unwrap();
            old = State::open(store.clone(), options(None, 0, 1)).unwrap();
        }
        assert!(model.len() > 6);
    }
}

/// The store whose rows a golden file has.
fn store_of(file: Vec<u8>) -> Memory {
    let mut file = file.into_iter();
    let mut part = || {
        let len = u16::from_le_bytes([file.next()?, file.next()?]);
        Some(file.by_ref().take(usize::from(len)).collect::<Vec<_>>())
    };
    let store = Memory::default();
    while let (Some(key), Some(value)) = (part(), part()) {
        store.rows.lock().unwrap().insert(key, value);
    }
    store
}
