//! Power is lost at every step: what was flushed is there, and the rest in order, whole or not.
#![cfg(test)]

mod support;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use avalanche_store::testing::{Call, Failure, Faults, FaultyStore, Operation, Persist, SimDisk};
use avalanche_store::{
    Error, KeyRange, KeyValue, MemoryStore, Order, RedbConfig, RedbStore, Versioned,
};
use support::{Dice, Model, batch, model_apply};

const DIR: &str = "store";

/// A step of a script.
#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(u8, u8)>),
    Flush,
    Reopen,
}

fn script(dice: &mut Dice) -> Vec<Step> {
    (0..4 + dice.below(10))
        .map(|_| match dice.below(10) {
            0..=5 => {
                let rows = [3, 30][usize::from(dice.below(4) == 0)];
                Step::Commit((0..rows).map(|_| (dice.byte(), dice.byte())).collect())
            }
            6..=8 => Step::Flush,
            _ => Step::Reopen,
        })
        .collect()
}

/// What may be there after a crash: the state after any commit from `flushed` on.
#[derive(Debug)]
struct Promise {
    states: Vec<Model>,
    flushed: usize,
}

impl Promise {
    fn new() -> Self {
        Self { states: vec![Model::new()], flushed: 0 }
    }

    /// The state after a commit that was tried.
    fn tried(&mut self, changes: &[(u8, u8)]) {
        let mut state = self.states.last().unwrap().clone();
        model_apply(&mut state, changes);
        self.states.push(state);
    }

    fn flushed(&mut self) {
        self.flushed = self.states.len() - 1;
    }

    /// How many unflushed batches are there.
    #[track_caller]
    fn check(&self, store: &dyn KeyValue, case: &str) -> usize {
        let rows = store.range(KeyRange::all(), Order::Ascending);
        let found: Model = rows.collect::<Result<_, _>>().unwrap();
        let at = self.states.iter().rposition(|state| *state == found);
        let at = at.unwrap_or_else(|| panic!("{case}: a state that never was: {found:?}"));
        // An equal state from before the flush is the same as one after it.
        assert!(
            at >= self.flushed,
            "{case}: state {at} of {}, flushed {}",
            self.states.len() - 1,
            self.flushed
        );
        at - self.flushed
    }
}

fn open(disk: &SimDisk, config: RedbConfig) -> Result<RedbStore, Error> {
    RedbStore::open_on(disk, Path::new(DIR), config)
}

/// Runs a script until power goes out, or to its end.
fn run(disk: &SimDisk, config: RedbConfig, script: &[Step]) -> (Promise, Result<(), Error>) {
    let mut promise = Promise::new();
    let ended = (|| {
        let mut store = open(disk, config)?;
        for step in script {
            match step {
                Step::Commit(changes) => {
                    promise.tried(changes);
                    store.commit(batch(changes))?;
                }
                Step::Flush => {
                    store.flush()?;
                    promise.flushed();
                }
                Step::Reopen => {
                    drop(store);
                    store = open(disk, config)?;
                }
            }
        }
        Ok(())
    })();
    (promise, ended)
}

fn config(dice: &mut Dice) -> RedbConfig {
    // A small cache writes pages before they are flushed.
    let cache_bytes = [0, 64 << 10, 4 << 20][usize::from(dice.byte() % 3)];
    RedbConfig { cache_bytes, check_on_open: dice.below(2) == 0 }
}

#[test]
fn redb_keeps_what_was_flushed_through_power_loss_at_every_step() {
    const SCRIPTS: u64 = 120;
    let (mut crashes, mut twice, mut unflushed, mut lost) = (0_u32, 0_u32, 0_usize, 0_usize);
    let mut died_in: BTreeMap<Operation, u32> = BTreeMap::new();
    for seed in 0..SCRIPTS {
        let mut dice = Dice(seed);
        let (script, config) = (script(&mut dice), config(&mut dice));
        let quiet = SimDisk::new(seed);
        let (promise, ended) = run(&quiet, config, &script);
        ended.unwrap();
        promise.check(&open(&quiet, config).unwrap(), "without a crash");
        let steps = quiet.operations();
        // Every step of the first scripts, some of the others.
        let stride = if seed < 10 { 1 } else { steps / 40 + 1 };
        for step in (dice.below(stride)..steps).step_by(usize::try_from(stride).unwrap()) {
            let case = format!("script {seed}, power lost in step {step} of {steps}");
            let disk = SimDisk::new(seed.wrapping_mul(1_000_003) ^ step);
            disk.set_persist(
                [Persist::Mixed, Persist::Mixed, Persist::Nothing, Persist::Everything]
                    [usize::from(dice.byte() % 4)],
            );
            disk.crash_at(step);
            let (promise, _ended) = run(&disk, config, &script);
            if let Some(operation) = disk.died_in() {
                *died_in.entry(operation).or_default() += 1;
                crashes += 1;
            }
            disk.crash();
            if dice.below(3) == 0 {
                // Once more, while it recovers.
                disk.crash_at(disk.operations() + dice.below(12));
                let _ = open(&disk, config);
                twice += u32::from(disk.died_in().is_some());
                disk.crash();
            }
            let store = open(&disk, config).unwrap_or_else(|error| panic!("{case}: {error}"));
            let kept = promise.check(&store, &case);
            unflushed += kept;
            lost += promise.states.len() - 1 - promise.flushed - kept;
            // And it goes on.
            store.commit(batch(&[(1, 1)])).unwrap();
            store.flush().unwrap();
        }
    }
    println!("{crashes} crashes, {twice} during recovery, {died_in:?}");
    println!("{unflushed} unflushed batches kept, {lost} lost");
    assert!(crashes > 1_500 && twice > 100 && unflushed > 0 && lost > 0);
    for operation in [
        Operation::Create,
        Operation::Write,
        Operation::SetLen,
        Operation::Sync,
        Operation::SyncDir,
        Operation::Rename,
    ] {
        assert!(died_in.contains_key(&operation), "{operation:?}");
    }
}

#[test]
fn redb_is_poisoned_by_a_failed_write_or_sync_and_keeps_what_was_flushed() {
    let poisoned = Cell::new(0);
    for seed in 0..40 {
        let mut dice = Dice(seed + 1_000);
        let (script, config) = (script(&mut dice), config(&mut dice));
        let quiet = SimDisk::new(seed);
        run(&quiet, config, &script).1.unwrap();
        for _ in 0..15 {
            let disk = SimDisk::new(seed);
            let step = dice.below(quiet.operations());
            let kind = [ErrorKind::Other, ErrorKind::StorageFull][usize::from(dice.byte() % 2)];
            disk.fail_at(step, kind);
            let mut promise = Promise::new();
            let case = format!("script {seed}, failure in step {step}");
            if let Ok(store) = open(&disk, config) {
                for step in &script {
                    let done = match step {
                        Step::Commit(changes) => {
                            promise.tried(changes);
                            store.commit(batch(changes))
                        }
                        Step::Flush => store.flush().inspect(|()| promise.flushed()),
                        Step::Reopen => Ok(()),
                    };
                    if done.is_err() {
                        let closed = |error: Error| {
                            assert!(matches!(error, Error::Poisoned { .. }), "{case}: {error}")
                        };
                        closed(store.get(b"a").unwrap_err());
                        closed(store.commit(batch(&[(1, 1)])).unwrap_err());
                        closed(store.flush().unwrap_err());
                        closed(
                            store
                                .range(KeyRange::all(), Order::Ascending)
                                .next()
                                .unwrap()
                                .unwrap_err(),
                        );
                        closed(
                            store
                                .range(KeyRange::none(), Order::Ascending)
                                .next()
                                .unwrap()
                                .unwrap_err(),
                        );
                        poisoned.set(poisoned.get() + 1);
                        break;
                    }
                }
            }
            // Power is lost, too, or only the store is closed.
            if dice.below(2) == 0 {
                disk.crash();
            }
            // If the failure is still to come, it comes now.
            let store = open(&disk, config)
                .or_else(|_failure| open(&disk, config))
                .unwrap_or_else(|error| panic!("{case}: {error}"));
            promise.check(&store, &case);
        }
    }
    assert!(poisoned.get() > 50, "{}", poisoned.get());
}

#[test]
fn redb_says_that_the_disk_is_full_and_loses_nothing() {
    let mut refusals = 0;
    for later in 0..60 {
        let disk = SimDisk::new(later);
        let config = RedbConfig { cache_bytes: 0, ..RedbConfig::default() };
        let store = open(&disk, config).unwrap();
        disk.fail_at(disk.operations() + later, ErrorKind::StorageFull);
        let refusal = (0..20).find_map(|number| {
            let mut rows = avalanche_store::Batch::new();
            for row in 0..5_u8 {
                rows.put([number, row], vec![number; 4_000]);
            }
            store.commit(rows).and_then(|()| store.flush()).err().map(|error| (number, error))
        });
        drop(store);
        let Some((full_at, refusal)) = refusal else { continue };
        assert!(refusal.to_string().contains("free space on that disk"), "{refusal}");
        refusals += 1;
        let store = open(&disk, config).unwrap();
        for number in 0..full_at {
            assert_eq!(store.get(&[number, 4]).unwrap().unwrap(), vec![number; 4_000]);
        }
    }
    assert!(refusals > 30, "{refusals}");
}

#[test]
fn a_store_that_is_made_to_fail_keeps_the_contract_through_crashes() {
    let (mut kept, mut lost, mut failed, mut full) = (0, 0, 0, 0);
    for seed in 0..3_000 {
        let mut dice = Dice(seed);
        let mut faults = Faults::from_seed(seed, dice.below(4), 12);
        faults.space_bytes = (dice.below(3) == 0).then(|| 200 + dice.below(2_000));
        let store = FaultyStore::new(MemoryStore::new(), faults);
        let mut promise = Promise::new();
        for _ in 0..4 {
            for step in script(&mut dice) {
                let done = match step {
                    Step::Commit(changes) => {
                        promise.tried(&changes);
                        store.commit(batch(&changes))
                    }
                    Step::Flush => store.flush().inspect(|()| promise.flushed()),
                    Step::Reopen => store.get(b"a").map(|_value| ()),
                };
                match done {
                    Ok(()) => {}
                    Err(Error::Io { source, .. }) => {
                        full += u32::from(source.kind() == ErrorKind::StorageFull);
                        failed += 1;
                    }
                    // A read that fails poisons nothing; of poisoned calls none is tried.
                    Err(Error::Poisoned { .. }) => {
                        if promise.states.len() - 1 > promise.flushed + store.unflushed() {
                            promise.states.truncate(promise.flushed + store.unflushed() + 1);
                        }
                        break;
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            let crash = store.crash().unwrap();
            kept += crash.kept;
            lost += crash.lost;
            // The next read may be one that fails; the one after it is not, or the next.
            let state = (0..8).find_map(|_| {
                store.range(KeyRange::all(), Order::Ascending).collect::<Result<Model, _>>().ok()
            });
            let state = state.unwrap();
            let at = promise.states.iter().rposition(|it| *it == state).unwrap();
            assert!(at >= promise.flushed, "seed {seed}: {at} < {}", promise.flushed);
            promise = Promise { states: vec![state], flushed: 0 };
            store.add_space(500);
        }
    }
    assert!(
        kept > 100 && lost > 100 && failed > 100 && full > 100,
        "{kept} {lost} {failed} {full}"
    );
}

#[test]
fn a_failing_call_is_the_one_that_was_asked_for() {
    let failure = |call, number| Failure { call, number, kind: ErrorKind::PermissionDenied };
    let failures = vec![failure(Call::Commit, 2), failure(Call::Read, 1), failure(Call::Flush, 0)];
    let store = FaultyStore::new(MemoryStore::new(), Faults { failures, ..Faults::default() });
    store.commit(batch(&[(1, 1)])).unwrap();
    store.get(b"a").unwrap();
    let error = store.get(b"a").unwrap_err();
    assert!(error.to_string().contains("permission"), "{error}");
    store.commit(batch(&[(1, 1)])).unwrap();
    assert!(store.flush().is_err() && matches!(store.flush(), Err(Error::Poisoned { .. })));
    store.crash().unwrap();
    assert!(store.commit(batch(&[(1, 1)])).is_err());
}

/// The height is committed with the rows: after power loss they agree.
#[test]
fn versions_over_redb_stand_at_a_whole_height_after_power_loss() {
    let mut heights = BTreeMap::new();
    for seed in 0..150 {
        let mut dice = Dice(seed);
        let disk = SimDisk::new(seed);
        disk.crash_at(20 + dice.below(150));
        let mut flushed = None;
        let _ended = (|| {
            let versioned = Versioned::open(open(&disk, RedbConfig::default())?, *b"s")?;
            for height in 0..30_u64 {
                let mut rows = avalanche_store::Batch::new();
                for row in 0..10_u8 {
                    rows.put([row], height.to_be_bytes());
                }
                versioned.commit_at(height, rows)?;
                if dice.below(3) == 0 {
                    versioned.flush()?;
                    flushed = Some(height);
                }
            }
            Ok::<(), Error>(())
        })();
        disk.crash();
        let versioned =
            Versioned::open(open(&disk, RedbConfig::default()).unwrap(), *b"s").unwrap();
        assert!(versioned.last() >= flushed);
        *heights.entry(versioned.last()).or_insert(0) += 1;
        for height in 0..versioned.last().map_or(0, |last| last + 1) {
            let rows: Vec<_> = versioned
                .range_at(&KeyRange::all(), Order::Ascending, height)
                .collect::<Result<_, _>>()
                .unwrap();
            assert!(rows.len() == 10 && rows.iter().all(|row| row.1 == height.to_be_bytes()));
        }
    }
    assert!(heights.len() > 5, "{heights:?}");
}
