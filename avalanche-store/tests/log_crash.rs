//! The block log against a model: power lost in every operation of random scripts.
#![cfg(test)]

mod log_support;

use std::collections::BTreeMap;

use avalanche_consensus::Height;
use avalanche_store::testing::{Operation, Persist, SimDisk, prune_below};
use avalanche_store::{BlockLog, Error, OpenReport};
use log_support::{DIR, Lcg, body, config, id};

/// What a script does next.
#[derive(Clone, Debug)]
enum Step {
    /// A block of so many bytes.
    Append(u64),
    Sync,
    Prune,
    /// Gives up the last blocks, as many.
    Truncate(u64),
    /// Ends the process and opens the folder again.
    Reopen,
}

/// What was asked of a log, and what it has promised. A block's content follows from its height and
/// the number of truncations before it.
#[derive(Clone, Debug, Default)]
struct Model {
    /// Content by height, of everything appended and not given up.
    blocks: BTreeMap<u64, Vec<u8>>,
    /// The last height that was acknowledged.
    acknowledged: Option<u64>,
    /// Blocks below may have gone.
    first: u64,
    /// Whether a truncation was begun and did not return: blocks above may be there or not.
    truncating: bool,
    epoch: u64,
}

impl Model {
    fn next(&self) -> u64 {
        self.blocks.last_key_value().map_or(3, |(height, _)| height + 1)
    }
}

#[derive(Debug, Default)]
struct Counts {
    cases: u64,
    died_in: BTreeMap<Operation, u64>,
    died_opening: u64,
    torn_cut: u64,
    tails_kept: u64,
    rolls_crossed: u64,
    pruned: u64,
    truncating: u64,
    rewritten: u64,
    headless: u64,
    indexes_rebuilt: u64,
    crashed_twice: u64,
}

fn script(random: &mut Lcg) -> Vec<Step> {
    let step = |random: &mut Lcg| match random.below(20) {
        0..=10 => Step::Append(match random.below(8) {
            0 => 0,
            1 => 900 + random.below(1500),
            _ => random.below(300),
        }),
        11..=15 => Step::Sync,
        16 => Step::Prune,
        17 => Step::Truncate(random.below(3)),
        _ => Step::Reopen,
    };
    (0..4 + random.below(14)).map(|_| step(random)).collect()
}

type Log = BlockLog<SimDisk>;

fn open(disk: &SimDisk) -> Result<(Log, OpenReport), Error> {
    BlockLog::open(disk.clone(), DIR, config())
}

/// Runs steps until one fails.
fn run(disk: &SimDisk, steps: &[Step], model: &mut Model) -> Result<(), Error> {
    let (mut log, _) = open(disk)?;
    for step in steps {
        match step {
            Step::Append(bytes) => {
                let height = model.next();
                let content =
                    body(height + 1000 * model.epoch, usize::try_from(*bytes).expect("few"));
                // Before the call: an append that fails may have written it.
                model.blocks.insert(height, content.clone());
                log.append(Height::new(height), id(height, model.epoch), &content)?;
                // What can be read is durable: a new segment syncs the one before.
                model.acknowledged = log.last().map(Height::get);
            }
            Step::Sync => {
                let last = log.sync()?.map(Height::get);
                assert_eq!(last, model.blocks.last_key_value().map(|(height, _)| *height));
                model.acknowledged = last;
            }
            Step::Prune => {
                let Some(last) = log.last() else { continue };
                model.first = model.first.max(last.get().saturating_sub(2));
                log.prune_below(Height::new(model.first), prune_below(last))?;
            }
            Step::Truncate(back) => {
                let (Some(first), Some(last)) = (log.first(), log.last()) else { continue };
                let to = last.get().saturating_sub(*back).max(first.get());
                (model.truncating, model.acknowledged) = (true, Some(to));
                log.truncate_after(Some(Height::new(to)))?;
                model.truncating = false;
                model.blocks.retain(|height, _| *height <= to);
                model.epoch += 1;
            }
            Step::Reopen => {
                drop(log);
                let report;
                (log, report) = open(disk)?;
                assert_eq!(report.damage, None);
                // What the process had not handed to the system is gone.
                let last = log.last().map(Height::get);
                assert!(last >= model.acknowledged);
                model.blocks.retain(|height, _| Some(*height) <= last);
                model.acknowledged = last;
            }
        }
    }
    Ok(())
}

/// Everything acknowledged is there, and what is there was appended.
fn check(log: &Log, report: &OpenReport, model: &Model, counts: &mut Counts) {
    assert_eq!(report.damage, None);
    let found: Vec<_> = log.iter().collect::<Result<_, _>>().expect("every block can be read");
    let last = found.last().map(|block| block.height.get());
    assert!(last >= model.acknowledged, "lost: {last:?} of {:?}", model.acknowledged);
    if let Some(first) = found.first() {
        let promised = model.blocks.keys().next().copied().unwrap_or(0).max(model.first);
        assert!(first.height.get() <= promised, "lost the first blocks");
    }
    let start = found.first().map_or(0, |block| block.height.get());
    for (expected, block) in (start..).zip(&found) {
        assert_eq!(block.height.get(), expected, "a gap");
        assert_eq!(Some(&block.bytes), model.blocks.get(&expected), "height {expected}");
        assert_eq!(log.get(block.height).expect("read").as_ref(), Some(block));
        assert_eq!(log.height_of(&block.id).expect("read"), Some(block.height));
    }
    let verified = log.verify().expect("read");
    assert_eq!((verified.damage, verified.blocks), (None, found.len() as u64));
    assert_eq!(verified.indexes_wrong, 0);

    counts.cases += 1;
    counts.rewritten += u64::from(report.rewritten_bytes > 0);
    counts.indexes_rebuilt += report.indexes_rebuilt;
    counts.tails_kept += u64::from(last > model.acknowledged);
    counts.rolls_crossed += u64::from(verified.segments > 1);
    match &report.cut {
        Some(cut) if cut.offset == 0 => counts.headless += 1,
        Some(_) => counts.torn_cut += 1,
        None => {}
    }
}

/// Power goes at operation `at`; the log is opened, compared, and goes on. `false` if the script
/// has no such operation.
fn crash_at(seed: u64, at: u64, steps: &[Step], persist: Persist, counts: &mut Counts) -> bool {
    let disk = SimDisk::new(seed ^ (at << 32));
    disk.set_persist(persist);
    disk.crash_at(at);
    let mut model = Model::default();
    let ended = run(&disk, steps, &mut model);
    let Some(died_in) = disk.died_in() else {
        ended.expect("nothing failed");
        return false;
    };
    // What is derived may fail to be written; then the script may reach its end.
    *counts.died_in.entry(died_in).or_default() += 1;
    disk.crash();

    // Power may go again while the folder is opened.
    let mut random = Lcg::new(seed ^ (at << 8));
    if random.below(3) == 0 {
        disk.crash_at(disk.operations() + random.below(6));
        counts.died_opening += u64::from(open(&disk).is_err());
        disk.crash();
    }
    let (mut log, report) = open(&disk).expect("opens");
    check(&log, &report, &model, counts);
    counts.pruned += u64::from(log.first().is_some_and(|first| first.get() > 3));
    counts.truncating += u64::from(model.truncating);

    // What it shows is durable, before anything else is written.
    if random.below(2) == 0 {
        let shown: Vec<_> = log.iter().map(|block| block.expect("read")).collect();
        drop(log);
        disk.set_persist(Persist::Nothing);
        disk.crash();
        disk.set_persist(persist);
        let report;
        (log, report) = open(&disk).expect("opens");
        assert_eq!(report.damage, None);
        let still: Vec<_> = log.iter().map(|block| block.expect("read")).collect();
        assert_eq!(still, shown);
        counts.crashed_twice += 1;
    }

    // It goes on: what is appended now is there after the next crash.
    let next = log.next_height().map_or(3, Height::get);
    let mut after: Vec<_> = log.iter().map(|block| block.expect("read")).collect();
    for height in next..next + 4 {
        let content = body(height + 7000, 400);
        log.append_synced(Height::new(height), id(height, 99), &content).expect("appends");
        after.push(log.get(Height::new(height)).expect("read").expect("there"));
        assert_eq!(after.last().map(|block| &block.bytes), Some(&content));
    }
    drop(log);
    disk.crash();
    let (log, report) = open(&disk).expect("opens");
    assert_eq!(report.damage, None);
    let found: Vec<_> = log.iter().collect::<Result<_, _>>().expect("every block can be read");
    assert_eq!(found, after);
    true
}

#[test]
fn nothing_acknowledged_is_lost_wherever_power_goes() {
    let mut counts = Counts::default();
    for seed in 0..400 {
        let steps = script(&mut Lcg::new(seed));
        for at in 0.. {
            let persist = match Lcg::new(seed * 31 + at).below(4) {
                0 => Persist::Nothing,
                1 => Persist::Everything,
                _ => Persist::Mixed,
            };
            let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                crash_at(seed, at, &steps, persist, &mut counts)
            }));
            match seen {
                Ok(true) => {}
                Ok(false) => break,
                Err(panic) => {
                    eprintln!("seed {seed}, operation {at}, {persist:?}: {steps:?}");
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
    println!("{counts:?}");
    assert!(counts.cases >= 8000, "{counts:?}");
    for operation in [
        Operation::Create,
        Operation::Write,
        Operation::SetLen,
        Operation::Sync,
        Operation::SyncDir,
        Operation::Rename,
        Operation::Remove,
    ] {
        assert!(counts.died_in.get(&operation) > Some(&20), "{operation:?}: {counts:?}");
    }
    assert!(counts.torn_cut > 100 && counts.tails_kept > 100, "{counts:?}");
    assert!(counts.rolls_crossed > 100 && counts.rewritten > 100, "{counts:?}");
    assert!(counts.pruned > 10 && counts.truncating > 10, "{counts:?}");
    assert!(counts.headless > 10 && counts.died_opening > 100, "{counts:?}");
    assert!(counts.crashed_twice > 1000 && counts.indexes_rebuilt > 100, "{counts:?}");
}

#[test]
fn after_any_failed_operation_the_log_keeps_what_it_acknowledged() {
    let (mut syncs, mut writes, mut survived) = (0, 0, 0);
    for seed in 0..60 {
        let steps = script(&mut Lcg::new(seed));
        for at in 0.. {
            let disk = SimDisk::new(seed * 1000 + at);
            disk.fail_at(at, std::io::ErrorKind::Other);
            let mut model = Model::default();
            let ended = run(&disk, &steps, &mut model);
            if disk.operations() <= at {
                break;
            }
            match &ended {
                Err(Error::Io { action, .. }) => {
                    syncs += u64::from(*action == "sync");
                    writes += u64::from(*action == "write to");
                }
                Err(other) => panic!("{other}"),
                // What is derived may fail to be written.
                Ok(()) => {}
            }
            // The same machine goes on: what it shows may be what the disk never got.
            let (mut log, report) = open(&disk).expect("opens");
            check(&log, &report, &model, &mut Counts::default());
            let next = log.next_height().map_or(3, Height::get);
            survived += u64::from(log.last().is_some());
            // What it shows is durable, even before anything else is written.
            if at % 2 == 0 {
                log.append_synced(Height::new(next), id(next, 9), b"after").expect("appends");
            }
            let before: Vec<_> = log.iter().map(|block| block.expect("read")).collect();
            drop(log);
            disk.set_persist(Persist::Nothing);
            disk.crash();
            let (log, report) = open(&disk).expect("opens");
            assert_eq!(report.damage, None, "seed {seed}, operation {at}");
            let after: Vec<_> = log.iter().map(|block| block.expect("read")).collect();
            assert_eq!(after, before, "seed {seed}, operation {at}");
        }
    }
    assert!(syncs > 50 && writes > 50 && survived > 100, "{syncs} {writes} {survived}");
}

#[test]
fn a_full_disk_loses_nothing_acknowledged_and_the_log_goes_on_with_room() {
    let (mut in_block, mut in_new_segment, mut torn_not_kept) = (0, 0, 0);
    for capacity in (200..3000).step_by(7) {
        let disk = SimDisk::new(capacity);
        disk.set_capacity(Some(capacity));
        let (mut log, _) = open(&disk).expect("opens");
        let mut acknowledged = 0;
        let error = loop {
            let content = body(acknowledged, 150);
            match log.append_synced(Height::new(acknowledged), id(acknowledged, 0), &content) {
                Ok(()) => acknowledged += 1,
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("free space on that disk"), "{error}");
        assert!(error.to_string().contains(".log"), "names the file: {error}");
        drop(log);
        // Opening needs no room, even to cut what did not fit.
        let (log, report) = open(&disk).expect("opens");
        assert_eq!(log.iter().count() as u64, acknowledged, "capacity {capacity}");
        match report.cut {
            Some(cut) if cut.offset == 0 => in_new_segment += 1,
            Some(cut) => {
                in_block += 1;
                torn_not_kept += u64::from(cut.kept.is_none());
            }
            None => {}
        }
        drop(log);
        disk.set_capacity(None);
        let (mut log, _) = open(&disk).expect("opens");
        log.append_synced(Height::new(acknowledged), id(acknowledged, 1), b"room")
            .expect("appends");
        assert_eq!(log.iter().count() as u64, acknowledged + 1);
    }
    let counts = (in_block, in_new_segment, torn_not_kept);
    assert!(in_block > 20 && in_new_segment > 5 && torn_not_kept > 5, "{counts:?}");
}
