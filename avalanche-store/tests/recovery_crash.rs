//! A whole chain loses power at every step: log and state on one disk. What was acknowledged is
//! there, and the state has the root that the blocks say.
#![cfg(test)]

use std::path::Path;

use avalanche_consensus::{Height, Id};
use avalanche_store::recovery::{Base, Execute, Halted, recover};
use avalanche_store::testing::{Persist, SimDisk};
use avalanche_store::{
    Block, BlockLog, Checkpoints, Draft, Error, Hash, Keep, KeyValue, LogConfig, MemoryStore,
    RedbConfig, RedbStore, Retention, State, StateOptions, View,
};

const LOG: &str = "/chain/log";
const STATE: &str = "/chain/state";
const CHECKPOINTS: &str = "/chain/checkpoints";

fn noise(height: u64) -> [u8; 32] {
    *Id::hash(&height.to_le_bytes()).as_bytes()
}

struct Payments;

impl<K: KeyValue> Execute<K> for Payments {
    type Error = Error;

    fn genesis(&mut self, mut draft: Draft<K>) -> Result<View<K>, Error> {
        draft.put(b"genesis", b"1")?;
        draft.seal()
    }

    fn block(&mut self, block: &Block, mut draft: Draft<K>) -> Result<View<K>, Error> {
        let (key, value) = block.bytes.split_at(1);
        draft.put(key, value)?;
        draft.delete([key[0] / 2])?;
        draft.seal()
    }
}

fn block(height: u64) -> Block {
    let noise = noise(height);
    let bytes = [&[noise[0] % 16][..], &noise.repeat(1 + usize::from(noise[1] % 8))].concat();
    Block { height: Height::new(height), id: Id::new(noise), bytes }
}

/// The roots of a chain that nothing happens to.
fn roots(blocks: u64) -> Vec<Hash> {
    let mut state = State::open(MemoryStore::new(), StateOptions::new(STATE)).expect("opens");
    let mut roots = Vec::new();
    for height in 0..=blocks {
        let draft = state.begin_at(height);
        let view = match height {
            0 => Payments.genesis(draft),
            _ => Payments.block(&block(height), draft),
        };
        state.commit(&view.expect("executes"), height).expect("accepted");
        roots.push(state.root());
    }
    roots
}

fn options() -> StateOptions {
    let keep = std::num::NonZeroU64::new(4).map_or(Keep::All, Keep::Heights);
    StateOptions { keep, ..StateOptions::new(STATE) }
}

/// A node's life until power goes out: the last height that it told anybody, and what it began
/// from.
fn live(
    disk: &SimDisk,
    blocks: u64,
    told: &mut u64,
    bases: &mut Vec<Base>,
) -> Result<(), Halted<Error>> {
    let config = LogConfig {
        segment_bytes: 1_500,
        retention: Retention::Prune,
        identity_seed: Some([3; 32]),
        ..LogConfig::default()
    };
    let (mut log, report) = BlockLog::open(disk.clone(), Path::new(LOG), config)?;
    assert_eq!(report.damage, None, "power loss is no damage");
    let last = log.last().map_or(0, Height::get);
    assert!(last >= *told, "{told} was told, and the log ends at {last}");
    let checkpoints = Checkpoints::open(disk.clone(), CHECKPOINTS)?;
    let store = RedbStore::open_on(disk, Path::new(STATE), RedbConfig::default())?;
    let fresh = || -> Result<RedbStore, Error> { unreachable!("a crash damages no state") };
    // The first time there is nothing, and the store is taken as it is.
    let opened = State::open(store, options())?;
    let mut state = if opened.height().is_none() && last == 0 {
        let mut state = opened;
        let view = Payments.genesis(state.begin_at(0))?;
        state.commit(&view, 0)?;
        state.flush()?;
        state
    } else {
        let recovered =
            recover(log.reader(), &checkpoints, Ok(opened), &options(), fresh, &mut Payments)?;
        bases.push(recovered.plan.base);
        recovered.state
    };
    let roots = roots(blocks);
    assert_eq!(state.root(), roots[usize::try_from(last).expect("small")], "at {last}");
    for height in last + 1..=blocks {
        let block = block(height);
        log.append_synced(block.height, block.id, &block.bytes)?;
        let view = Payments.block(&block, state.begin_at(height))?;
        state.commit(&view, height)?;
        *told = height;
        if height % 5 == 0 {
            state.flush()?;
            state.prune(100)?;
        }
        if height % 7 == 0 {
            state.flush()?;
            let checkpoint = checkpoints.write(&state, height)?;
            log.prune_below(Height::new(height), &checkpoint)?;
            checkpoints.remove_old(2)?;
        }
    }
    Ok(())
}

#[test]
fn power_loss_at_every_step_of_a_chain_loses_nothing_that_was_told() {
    const BLOCKS: u64 = 24;
    let (mut crashes, mut replayed, mut as_is) = (0_u32, 0_u32, 0_u32);
    for persist in [Persist::Mixed, Persist::Nothing, Persist::Everything] {
        let mut step = 0;
        loop {
            let disk = SimDisk::new(step * 31 + 1);
            disk.set_persist(persist);
            disk.crash_at(step);
            let (mut told, mut bases) = (0, Vec::new());
            let first = live(&disk, BLOCKS, &mut told, &mut bases);
            let died = disk.died_in().is_some();
            disk.crash();
            if !died {
                first.expect("nothing went wrong");
                break;
            }
            // A second loss in the middle of recovery, and then to the end.
            disk.crash_at(disk.operations() + step % 40);
            let _ = live(&disk, BLOCKS, &mut told, &mut bases);
            disk.crash();
            let before = bases.len();
            live(&disk, BLOCKS, &mut told, &mut bases).expect("recovers");
            crashes += 1;
            replayed += u32::from(bases.len() > before);
            as_is += u32::from(bases.iter().all(|base| *base == Base::State));
            step += 1 + step / 64;
        }
    }
    assert!(crashes > 300 && replayed > 100 && as_is > 100, "{crashes} {replayed} {as_is}");
}
