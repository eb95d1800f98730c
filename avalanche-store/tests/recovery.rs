//! Recovery of a whole chain: log, state and checkpoints after damage of every kind, against the
//! states that a run without damage had.
#![cfg(test)]

use std::path::Path;
use std::sync::Arc;

use avalanche_consensus::{Height, Id};
use avalanche_store::recovery::{Base, Execute, Halted, Recovered, Stuck, recover};
use avalanche_store::testing::SimDisk;
use avalanche_store::{
    Batch, Block, BlockLog, Checkpoints, Draft, Error, Hash, KeyRange, KeyValue, LogConfig,
    MemoryStore, Order, Retention, State, StateOptions, View,
};

const BLOCKS: u64 = 60;

fn h(height: u64) -> Height {
    Height::new(height)
}

fn noise(number: u64) -> [u8; 32] {
    *Id::hash(&number.to_le_bytes()).as_bytes()
}

/// A block: a key to set and one to delete, of few keys, so that blocks touch the same ones.
fn bytes(height: u64) -> Vec<u8> {
    let noise = noise(height);
    [&[noise[0] % 24, noise[1] % 24][..], &noise.repeat(40)].concat()
}

struct Payments {
    executed: Vec<u64>,
}

impl<K: KeyValue> Execute<K> for Payments {
    type Error = Error;

    fn genesis(&mut self, mut draft: Draft<K>) -> Result<View<K>, Error> {
        self.executed.push(0);
        for key in 0..24_u8 {
            draft.put([key], b"genesis")?;
        }
        draft.seal()
    }

    fn block(&mut self, block: &Block, mut draft: Draft<K>) -> Result<View<K>, Error> {
        self.executed.push(block.height.get());
        let (keys, value) = block.bytes.split_at(2);
        draft.put(&keys[..1], &value[..64])?;
        draft.delete(&keys[1..])?;
        draft.seal()
    }
}

type Outcome = Recovered<Arc<MemoryStore>>;

/// Everything that a chain has on disk.
struct Chain {
    disk: SimDisk,
    store: Arc<MemoryStore>,
    roots: Vec<Hash>,
}

const LOG: &str = "/chain/log";
const CHECKPOINTS: &str = "/chain/checkpoints";

fn options() -> StateOptions {
    StateOptions::new("/chain/state")
}

impl Chain {
    /// A chain with blocks 1 to `BLOCKS`, whose state stands at `stands`, with checkpoints at the
    /// given heights, pruned below the one named.
    fn new(stands: u64, checkpoints: &[u64], pruned: Option<u64>) -> Self {
        let chain =
            Self { disk: SimDisk::new(7), store: Arc::new(MemoryStore::new()), roots: Vec::new() };
        chain.grow(stands, checkpoints, pruned)
    }

    fn log(&self) -> BlockLog<SimDisk> {
        let config = LogConfig {
            // A few blocks each.
            segment_bytes: 6_000,
            retention: Retention::Prune,
            identity_seed: Some([1; 32]),
            ..LogConfig::default()
        };
        BlockLog::open(self.disk.clone(), Path::new(LOG), config).expect("the log opens").0
    }

    fn checkpoints(&self) -> Checkpoints<SimDisk> {
        Checkpoints::open(self.disk.clone(), CHECKPOINTS).expect("a folder")
    }

    fn grow(mut self, stands: u64, checkpoints: &[u64], pruned: Option<u64>) -> Self {
        let mut log = self.log();
        // The states of a run without damage, in a store of its own.
        let shadow = Arc::new(MemoryStore::new());
        let mut shadow = State::open(shadow, options()).expect("opens");
        let mut state = State::open(Arc::clone(&self.store), options()).expect("opens");
        let mut payments = Payments { executed: Vec::new() };
        for height in 0..=BLOCKS {
            let block =
                Block { height: h(height), id: Id::new(noise(height)), bytes: bytes(height) };
            if height > 0 {
                log.append(block.height, block.id, &block.bytes).expect("appended");
            }
            for (state, last) in [(&mut shadow, BLOCKS), (&mut state, stands)] {
                if height <= last {
                    let draft = state.begin_at(height);
                    let view = match height {
                        0 => payments.genesis(draft),
                        _ => payments.block(&block, draft),
                    };
                    state.commit(&view.expect("executes"), height).expect("accepted");
                }
            }
            self.roots.push(shadow.root());
            if checkpoints.contains(&height) {
                let written = self.checkpoints().write(&shadow, height).expect("a checkpoint");
                if pruned == Some(height) {
                    log.sync().expect("synced");
                    assert!(log.prune_below(h(height), &written).expect("pruned") > 0);
                }
            }
        }
        log.sync().expect("synced");
        self
    }

    /// Recovers, and compares the state with that of a run without damage. What was executed.
    fn recover(&self) -> Result<(Outcome, Vec<u64>), Halted<Error>> {
        let log = self.log();
        let mut payments = Payments { executed: Vec::new() };
        let recovered = recover(
            log.reader(),
            &self.checkpoints(),
            State::open(Arc::clone(&self.store), options()),
            &options(),
            || Ok(Arc::new(MemoryStore::new())),
            &mut payments,
        )?;
        let last = log.last().map_or(0, Height::get);
        assert_eq!(recovered.state.height(), Some(last));
        assert_eq!(recovered.state.root(), self.roots[usize::try_from(last).expect("small")]);
        Ok((recovered, payments.executed))
    }

    fn damage_state(&self) {
        // The last byte of every record; the first would state another version, which is no damage.
        let rows: Vec<_> = self.store.range(KeyRange::all(), Order::Ascending).collect();
        let mut batch = Batch::new();
        for (key, mut value) in rows.into_iter().map(|row| row.expect("readable")) {
            if let Some(byte) = value.last_mut() {
                *byte ^= 0x80;
            }
            batch.put(key, value);
        }
        self.store.commit(batch).expect("damaged");
    }
}

#[test]
fn a_state_behind_its_log_is_replayed_from_where_it_stands() {
    for stands in 0..=BLOCKS {
        let chain = Chain::new(stands, &[], None);
        let (recovered, executed) = chain.recover().expect("recovers");
        assert_eq!(recovered.plan.base, Base::State);
        assert_eq!(executed, (stands + 1..=BLOCKS).collect::<Vec<_>>());
    }
}

#[test]
fn a_state_ahead_of_its_log_is_rolled_back_and_the_lost_heights_are_named() {
    for cut in [1, 30, BLOCKS - 1] {
        let chain = Chain::new(BLOCKS, &[], None);
        chain.log().truncate_after(Some(h(cut))).expect("cut");
        let (recovered, executed) = chain.recover().expect("recovers");
        assert_eq!(recovered.plan.base, Base::RollBack(h(cut)));
        assert_eq!(recovered.plan.lost, Some(h(cut + 1)..=h(BLOCKS)));
        assert!(executed.is_empty());
    }
}

#[test]
fn a_damaged_state_is_rebuilt_from_the_log_alone() {
    let chain = Chain::new(BLOCKS, &[], None);
    chain.damage_state();
    let (recovered, executed) = chain.recover().expect("recovers");
    assert_eq!(recovered.plan.base, Base::Genesis);
    assert_eq!(executed, (0..=BLOCKS).collect::<Vec<_>>());
}

#[test]
fn a_damaged_state_over_a_pruned_log_is_rebuilt_from_the_last_checkpoint() {
    let chain = Chain::new(BLOCKS, &[20, 40], Some(40));
    assert!(chain.log().first() > Some(h(20)), "the log was pruned");
    chain.damage_state();
    let (recovered, executed) = chain.recover().expect("recovers");
    assert_eq!(recovered.plan.base, Base::Checkpoint(h(40)));
    assert_eq!(executed, (41..=BLOCKS).collect::<Vec<_>>());
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    use avalanche_store::{Disk, DiskFile, OpenMode};

    let chain = Chain::new(BLOCKS, &[20, 40], None);
    chain.damage_state();
    let newest = chain.checkpoints().verify(40).expect("intact").path().to_path_buf();
    let file = chain.disk.open(&newest, OpenMode::Write).expect("a file");
    let middle = file.len().expect("a length") / 2;
    let mut byte = [0];
    file.read_at(&mut byte, middle).expect("readable");
    file.write_at(&[!byte[0]], middle).expect("damaged");
    let (recovered, executed) = chain.recover().expect("recovers");
    assert_eq!(recovered.plan.base, Base::Checkpoint(h(20)));
    assert_eq!(recovered.damaged, [h(40)]);
    assert_eq!(executed, (21..=BLOCKS).collect::<Vec<_>>());
}

#[test]
fn a_damaged_state_over_a_pruned_log_without_checkpoints_stops_and_says_why() {
    let chain = Chain::new(BLOCKS, &[40], Some(40));
    chain.damage_state();
    chain.checkpoints().remove_old(0).expect("removed");
    let Err(Halted::Stuck(stuck)) = chain.recover() else { panic!("recovered from nothing") };
    let first = chain.log().first().expect("blocks");
    assert_eq!(stuck, Stuck::Gap { first, best: None });
}

#[test]
fn a_block_that_cannot_be_executed_again_names_its_height() {
    struct Refuses;
    impl Execute<Arc<MemoryStore>> for Refuses {
        type Error = &'static str;
        fn genesis(
            &mut self,
            draft: Draft<Arc<MemoryStore>>,
        ) -> Result<View<Arc<MemoryStore>>, Self::Error> {
            draft.seal().map_err(|_error| "genesis")
        }
        fn block(
            &mut self,
            _: &Block,
            _: Draft<Arc<MemoryStore>>,
        ) -> Result<View<Arc<MemoryStore>>, Self::Error> {
            Err("no such rule")
        }
    }
    let chain = Chain::new(10, &[], None);
    let halted = recover(
        chain.log().reader(),
        &chain.checkpoints(),
        State::open(Arc::clone(&chain.store), options()),
        &options(),
        || Ok(Arc::new(MemoryStore::new())),
        &mut Refuses,
    );
    let text = halted.expect_err("refused").to_string();
    assert!(text.contains("height 11") && text.contains("no such rule"), "{text}");
}

#[test]
fn a_folder_in_use_is_no_reason_to_rebuild() {
    let chain = Chain::new(10, &[], None);
    let opened: Result<State<Arc<MemoryStore>>, _> =
        Err(Error::InUse { path: "/chain/state".into() });
    let mut payments = Payments { executed: Vec::new() };
    let halted = recover(
        chain.log().reader(),
        &chain.checkpoints(),
        opened,
        &options(),
        || panic!("began anew"),
        &mut payments,
    );
    assert!(matches!(halted, Err(Halted::Store(Error::InUse { .. }))));
}
