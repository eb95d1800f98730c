//! The index is what a plain map of the same blocks is, whatever happened to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use avalanche_consensus::{Height, Id, Timestamp};
use avalanche_net::identity::Identity;
use avalanche_store::testing::{Faults, FaultyStore, SimDisk};
use avalanche_store::{
    Batch, BlockLog, KeyRange, KeyValue, LogConfig, MemoryStore, Order, Prefixed,
};
use avalanche_vm::BlockContents;
use proptest::prelude::*;

use super::entry::Entry;
use super::writer::Bounds;
use super::*;
use crate::{ChainBlock, Cursor};

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| Identity::generate().unwrap());

/// A transaction: its name, and what it touches.
type Transaction = (Id, Vec<[u8; 32]>);

/// Blocks are lists of transactions: 32 bytes of name, 1 of count, 32 of each address.
struct Lists;

fn read(mut block: &[u8]) -> Vec<Transaction> {
    let mut all = Vec::new();
    while let Some((name, rest)) = block.split_first_chunk() {
        let (count, rest) = rest.split_first().unwrap();
        let (addresses, rest) = rest.split_at(usize::from(*count) * 32);
        all.push((Id::new(*name), addresses.as_chunks().0.to_vec()));
        block = rest;
    }
    all
}

fn write(all: &[Transaction]) -> Vec<u8> {
    let one = |(name, addresses): &Transaction| {
        let count = u8::try_from(addresses.len()).unwrap();
        [name.as_bytes(), &[count][..], &addresses.concat()].concat()
    };
    all.iter().flat_map(one).collect()
}

impl BlockContents for Lists {
    fn transactions(
        &self,
        block: &[u8],
        visit: &mut dyn FnMut(Id, &[[u8; 32]]),
    ) -> Result<(), avalanche_vm::Error> {
        read(block).iter().for_each(|(name, addresses)| visit(*name, addresses));
        Ok(())
    }

    fn count(&self, block: &[u8]) -> Result<u32, avalanche_vm::Error> {
        Ok(u32::try_from(read(block).len()).unwrap())
    }

    fn receipt(
        &self,
        _block: &[u8],
        _block_id: Id,
        _height: Height,
        _index: u32,
    ) -> Result<Option<String>, avalanche_vm::Error> {
        Ok(None)
    }
}

/// A log, and what an index of it has to know.
struct History {
    log: BlockLog<SimDisk>,
    blocks: Vec<ChainBlock>,
}

impl History {
    fn new() -> Self {
        let (log, _) = BlockLog::open(SimDisk::new(1), "log", LogConfig::default()).unwrap();
        Self { log, blocks: Vec::new() }
    }

    fn extend(&mut self, transactions: &[Transaction]) -> ChainBlock {
        let (time, payload) = (Timestamp::ZERO, write(transactions));
        let block = match self.blocks.last() {
            None => ChainBlock::genesis(Id::new([9; 32]), time, &payload).unwrap(),
            Some(last) => {
                let height = last.height().next().unwrap();
                ChainBlock::build(last.id(), height, time, &payload, &IDENTITY).unwrap()
            }
        };
        self.log.append_synced(block.height(), block.id(), block.bytes()).unwrap();
        self.blocks.push(block.clone());
        block
    }

    fn reader(&self, indexer: &Indexer) -> IndexReader {
        indexer.reader(Arc::new(self.log.reader().clone()), Some(Arc::new(Lists)))
    }

    /// Compares everything that can be asked, up to the height of the index.
    fn check(&self, indexer: &Indexer) {
        let reader = self.reader(indexer);
        let count = indexer.height().map_or(0, |height| height.get() + 1);
        let (mut places, mut pages) = (BTreeMap::new(), BTreeMap::<_, Vec<_>>::new());
        let (mut vm_blocks, mut transactions) = (BTreeMap::new(), 0);
        for block in self.blocks.iter().take(usize::try_from(count).unwrap()) {
            let height = block.height();
            vm_blocks.insert(Id::hash(&block.payload()), height);
            for (index, (name, addresses)) in (0..).zip(read(&block.payload())) {
                let cursor = Cursor { height, index };
                places.insert(name, cursor);
                for address in BTreeSet::from_iter(addresses) {
                    pages.entry(address).or_default().push((cursor, name));
                }
                transactions += 1;
            }
        }
        assert_eq!(indexer.transactions(), transactions);
        for (name, cursor) in places {
            assert_eq!(reader.transaction(&name).unwrap(), Some(cursor));
        }
        for (name, height) in vm_blocks {
            assert_eq!(reader.vm_block(&name).unwrap(), Some(height));
        }
        for (address, mut wanted) in pages {
            wanted.reverse();
            for limit in [1, 3, usize::MAX] {
                assert_eq!(walk(&reader, &address, limit), wanted);
            }
        }
        assert_eq!(reader.transaction(&Id::new([0xee; 32])).unwrap(), None);
        assert_eq!(reader.address(&[0xee; 32], None, 5).unwrap(), crate::AddressPage::default());
    }
}

/// All pages of an address, one after the other.
fn walk(reader: &IndexReader, address: &[u8; 32], limit: usize) -> Vec<(Cursor, Id)> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = reader.address(address, before, limit).unwrap();
        assert!(page.transactions.len() <= limit);
        all.extend(page.transactions);
        match page.next {
            Some(next) => before = Some(next),
            None => return all,
        }
    }
}

fn memory() -> Arc<dyn KeyValue> {
    Arc::new(MemoryStore::new())
}

fn name(number: u8) -> Id {
    Id::new([number; 32])
}

fn rows(store: &dyn KeyValue) -> Vec<(Vec<u8>, Vec<u8>)> {
    store.range(KeyRange::all(), Order::Ascending).map(Result::unwrap).collect()
}

/// Small, so that a short history has runs of several levels.
const SMALL: Bounds = Bounds {
    recent_entries: 12,
    recent_blocks: 3,
    chunk_entries: 4,
    fan_in: 2,
    merge_entries: 3,
    sync_runs: 3,
};

fn small(store: &Arc<dyn KeyValue>) -> Indexer {
    Indexer::with_bounds(Arc::clone(store), SMALL).unwrap()
}

#[test]
fn rows_are_these() {
    let store = memory();
    let mut indexer = Indexer::open(Arc::clone(&store)).unwrap();
    let mut history = History::new();
    let block = history.extend(&[(name(9), vec![[1; 32], [2; 32]]), (name(7), vec![[1; 32]])]);
    assert_eq!(indexer.apply(&block, Some(&Lists)).unwrap(), [name(9), name(7)]);
    assert!(rows(&*store).is_empty(), "in memory");
    indexer.flush().unwrap();
    let vm_block = Id::hash(&block.payload());
    let entry = |kind: u8, name: &[u8; 32], place: u8| {
        [&[kind][..], &name[..16], &[0xff; 11], &[!place]].concat()
    };
    let entries = [
        entry(b'a', &[1; 32], 1),
        entry(b'a', &[1; 32], 0),
        entry(b'a', &[2; 32], 0),
        entry(b't', &[7; 32], 1),
        entry(b't', &[9; 32], 0),
        entry(b'v', vm_block.as_bytes(), 0),
    ];
    let mark = [&[1][..], &[0; 8], block.id().as_bytes(), &[0, 0, 0, 0, 0, 0, 0, 2]].concat();
    let run = [0; 9];
    let wanted = [
        (b"m".to_vec(), [mark, run.to_vec()].concat()),
        ([&b"r"[..], &run[..8], &entries[0]].concat(), entries.concat()),
    ];
    assert_eq!(rows(&*store), wanted);
}

#[test]
fn only_the_next_block_is_indexed_and_an_old_one_changes_nothing() {
    let store = memory();
    let mut indexer = Indexer::open(Arc::clone(&store)).unwrap();
    let mut history = History::new();
    let blocks = [1, 2, 3].map(|number| history.extend(&[(name(number), vec![])]));
    indexer.apply(&blocks[0], Some(&Lists)).unwrap();
    let error = indexer.apply(&blocks[2], Some(&Lists)).unwrap_err();
    let (given, expected) = (Height::new(2), Height::new(1));
    assert!(
        matches!(error, Error::Store(avalanche_store::Error::WrongHeight { given: g, expected: e })
            if (g, e) == (given, expected))
    );
    indexer.apply(&blocks[1], Some(&Lists)).unwrap();
    indexer.flush().unwrap();
    let before = rows(&*store);
    assert_eq!(indexer.apply(&blocks[0], Some(&Lists)).unwrap(), [name(1)]);
    indexer.flush().unwrap();
    assert_eq!(rows(&*store), before);
    history.check(&indexer);
}

#[test]
fn an_address_of_many_transactions_is_read_page_by_page() {
    let mut indexer = Indexer::open(memory()).unwrap();
    let mut history = History::new();
    for _ in 0..2 {
        let height = history.blocks.len();
        let one = |number: usize| {
            (Id::hash(&[number, height].map(usize::to_be_bytes).concat()), vec![[5; 32], [5; 32]])
        };
        let block = history.extend(&(0..1_001).map(one).collect::<Vec<_>>());
        indexer.apply(&block, Some(&Lists)).unwrap();
    }
    history.check(&indexer);
    let page = history.reader(&indexer).address(&[5; 32], None, usize::MAX).unwrap();
    assert_eq!(page.transactions.len(), IndexReader::PAGE_MAX);
    assert_eq!(page.next, Some(Cursor { height: Height::new(1), index: 1_001 - 256 }));
}

#[test]
fn a_vm_without_transactions_has_blocks() {
    let mut indexer = Indexer::open(memory()).unwrap();
    let mut history = History::new();
    let block = history.extend(&[(name(1), vec![])]);
    assert!(indexer.apply(&block, None).unwrap().is_empty());
    let reader = indexer.reader(Arc::new(history.log.reader().clone()), None);
    let found = reader.vm_block(&Id::hash(&block.payload())).unwrap();
    assert_eq!(found, Some(Height::GENESIS));
}

#[test]
fn an_index_that_cannot_be_used_is_built_again_and_says_why() {
    let mut history = History::new();
    for number in 1..20 {
        history.extend(&[(name(number), vec![[number % 3; 32]])]);
    }
    let log = history.log.reader();
    let damage: [(&str, &[u8], &[u8]); 3] =
        [("version 2", b"m", &[2; 49]), ("damaged", b"m", &[1; 48]), ("empty", b"m", &[])];
    for (says, key, value) in damage {
        let store = memory();
        let mut indexer = Indexer::open(Arc::clone(&store)).unwrap();
        indexer.catch_up(log, Some(&Lists)).unwrap();
        let right = rows(&*store);
        let mut batch = Batch::new();
        batch.put(key, value);
        batch.put(*b"r other", *b"row");
        store.commit(batch).unwrap();
        let mut indexer = Indexer::open(Arc::clone(&store)).unwrap();
        assert!(indexer.rebuilt().unwrap().contains(says), "{:?}", indexer.rebuilt());
        assert_eq!((indexer.height(), rows(&*store).len()), (None, 0));
        let done = indexer.catch_up(log, Some(&Lists)).unwrap();
        assert_eq!((done.blocks, done.transactions), (19, 19));
        assert!(done.rebuilt.unwrap().contains(says));
        assert_eq!(rows(&*store), right);
    }
}

#[test]
fn an_index_of_another_log_is_built_again() {
    let mut history = History::new();
    let mut other = History::new();
    for number in 1..6 {
        history.extend(&[(name(number), vec![[1; 32]])]);
        if number < 4 {
            other.extend(&[(name(number + 100), vec![[1; 32]])]);
        }
    }
    let mut indexer = Indexer::open(memory()).unwrap();
    indexer.catch_up(history.log.reader(), Some(&Lists)).unwrap();
    assert_eq!(indexer.height(), Some(Height::new(4)));
    let done = indexer.catch_up(other.log.reader(), Some(&Lists)).unwrap();
    assert!(done.rebuilt.unwrap().contains("which the log does not have"));
    other.check(&indexer);
    let done = indexer.catch_up(history.log.reader(), Some(&Lists)).unwrap();
    assert!(done.rebuilt.unwrap().contains("at height 2, and the log"), "another block there");
    assert_eq!(done.blocks, 5);
    history.check(&indexer);
    // The log lost its tail, and found another one.
    history.log.truncate_after(Some(Height::new(2))).unwrap();
    history.blocks.truncate(3);
    history.extend(&[(name(77), vec![[1; 32]])]);
    indexer.catch_up(history.log.reader(), Some(&Lists)).unwrap();
    history.check(&indexer);
}

#[test]
fn it_lives_beside_others_in_a_store() {
    let store = memory();
    let part = |prefix: &[u8]| Arc::new(Prefixed::new(Arc::clone(&store), prefix));
    let mut history = History::new();
    let block = history.extend(&[(name(1), vec![[1; 32]])]);
    let mut indexers = [b"1", b"2"].map(|prefix| Indexer::open(part(prefix)).unwrap());
    indexers[0].apply(&block, Some(&Lists)).unwrap();
    history.check(&indexers[0]);
    assert_eq!(history.reader(&indexers[1]).transaction(&name(1)).unwrap(), None);
    assert_eq!(indexers[1].height(), None);
}

/// When no more merges are to do, there is nothing but the mark and the chunks of its runs, and
/// few of those.
fn check_rows(store: &dyn KeyValue, indexer: &mut Indexer) {
    indexer.settle();
    let saved = rows(store).into_iter().find(|(key, _)| key == b"m");
    let runs = saved.map_or(Vec::new(), |(_, mark)| mark::Saved::decode(&mark).unwrap().runs);
    let mut levels = BTreeMap::<u8, usize>::new();
    for run in &runs {
        *levels.entry(run.level).or_default() += 1;
    }
    assert!(levels.values().all(|count| *count < SMALL.fan_in), "{levels:?}");
    for (key, value) in rows(store).into_iter().filter(|(key, _)| key != b"m") {
        let number = run::number(&key).unwrap();
        assert!(runs.iter().any(|run| run.number == number), "run {number} of {runs:?}");
        assert!(value.len() <= SMALL.chunk_entries * entry::ENTRY_BYTES);
    }
}

#[test]
fn runs_are_merged_and_a_reader_keeps_what_it_reads() {
    let store = memory();
    let mut indexer = small(&store);
    let mut history = History::new();
    let held = {
        for number in 0..7 {
            let block = history.extend(&[(name(number), vec![[1; 32]])]);
            indexer.apply(&block, Some(&Lists)).unwrap();
        }
        indexer.held()
    };
    assert!(!held.is_empty());
    for number in 7..150 {
        let block = history.extend(&[(name(number), vec![[number % 3; 32]])]);
        indexer.apply(&block, Some(&Lists)).unwrap();
    }
    history.check(&indexer);
    indexer.settle();
    let numbers: BTreeSet<_> =
        rows(&*store).iter().filter_map(|(key, _)| run::number(key)).collect();
    assert!(held.iter().all(|run| numbers.contains(&run.number)), "{numbers:?}");
    drop(held);
    check_rows(&*store, &mut indexer);
    history.check(&indexer);
    let levels = indexer.held().iter().map(|run| run.level).max().unwrap();
    assert!(levels >= 4, "{levels}");
}

#[test]
fn names_that_begin_alike_are_told_apart_and_transactions_may_come_again() {
    let store = memory();
    let mut indexer = small(&store);
    let mut history = History::new();
    let alike = |last: u8| {
        let mut bytes = [9; 32];
        bytes[31] = last;
        Id::new(bytes)
    };
    for names in [[alike(1), alike(2)], [alike(3), alike(1)]] {
        let block = history.extend(&names.map(|name| (name, vec![])));
        indexer.apply(&block, Some(&Lists)).unwrap();
    }
    history.check(&indexer);
    assert_eq!(history.reader(&indexer).transaction(&alike(4)).unwrap(), None);
    let at = Cursor { height: Height::new(1), index: 1 };
    assert_eq!(history.reader(&indexer).transaction(&alike(1)).unwrap(), Some(at));
}

#[test]
fn after_a_failed_write_it_has_to_be_opened_again() {
    let failure = avalanche_store::testing::Failure {
        call: avalanche_store::testing::Call::Commit,
        number: 1,
        kind: std::io::ErrorKind::StorageFull,
    };
    let faults = Faults { failures: vec![failure], ..Faults::default() };
    let store = Arc::new(FaultyStore::new(MemoryStore::new(), faults));
    let mut indexer = Indexer::with_bounds(Arc::clone(&store) as _, SMALL).unwrap();
    let mut history = History::new();
    let mut failed = 0;
    for number in 0..20 {
        let block = history.extend(&[(name(number), vec![[1; 32]])]);
        failed += u32::from(indexer.apply(&block, Some(&Lists)).is_err());
    }
    assert!((10..20).contains(&failed), "{failed}");
    assert!(indexer.flush().is_err());
    store.crash().unwrap();
    let mut indexer = Indexer::with_bounds(Arc::clone(&store) as _, SMALL).unwrap();
    indexer.catch_up(history.log.reader(), Some(&Lists)).unwrap();
    history.check(&indexer);
}

#[test]
fn entries_say_where_they_are() {
    for (height, index) in [(0, 0), (1, 2), (u64::MAX, u32::MAX), (0x0102_0304_0506_0708, 0x090a)] {
        let at = Cursor { height: Height::new(height), index };
        let found: Entry = entry::Kind::Transaction.entry(&[3; 32], at);
        assert_eq!(entry::place(&found), at);
        assert!(found >= entry::Kind::Transaction.first(&[3; 32]));
    }
}

fn transactions() -> impl Strategy<Value = Vec<Transaction>> {
    let address = (0_u8..6).prop_map(|byte| [byte; 32]);
    let one = (any::<[u8; 32]>(), proptest::collection::vec(address, 0..3))
        .prop_map(|(name, addresses)| (Id::new(name), addresses));
    // Some names come twice.
    let one = prop_oneof![9 => one, 1 => Just((name(1), vec![[1; 32]]))];
    proptest::collection::vec(one, 0..12)
}

#[derive(Clone, Debug)]
enum Step {
    Accept(Vec<Transaction>),
    /// Accepted while the index was not there.
    Missed(Vec<Transaction>),
    Flush,
    Crash,
    Reopen,
    CatchUp,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => transactions().prop_map(Step::Accept),
        1 => transactions().prop_map(Step::Missed),
        1 => Just(Step::Flush),
        1 => Just(Step::Crash),
        1 => Just(Step::Reopen),
        1 => Just(Step::CatchUp),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_index_is_a_plain_map_whatever_happens(
        steps in proptest::collection::vec(step(), 1..60),
        seed: u64,
    ) {
        let faults = Faults { seed, ..Faults::default() };
        let store = Arc::new(FaultyStore::new(MemoryStore::new(), faults));
        let mut history = History::new();
        let open = || Indexer::with_bounds(Arc::clone(&store) as _, SMALL).unwrap();
        let mut indexer = open();
        for step in steps {
            match step {
                Step::Accept(transactions) => {
                    let log = history.log.reader();
                    indexer.catch_up(log, Some(&Lists)).unwrap();
                    let block = history.extend(&transactions);
                    let names = indexer.apply(&block, Some(&Lists)).unwrap();
                    let wanted = transactions.iter().map(|(name, _)| *name);
                    prop_assert_eq!(names, wanted.collect::<Vec<_>>());
                }
                Step::Missed(transactions) => _ = history.extend(&transactions),
                Step::Flush => indexer.flush().unwrap(),
                Step::Crash => {
                    store.crash().unwrap();
                    indexer = open();
                }
                Step::Reopen => indexer = open(),
                Step::CatchUp => {
                    let done = indexer.catch_up(history.log.reader(), Some(&Lists)).unwrap();
                    prop_assert_eq!(done.rebuilt, None);
                    let last = history.blocks.last().map(ChainBlock::height);
                    prop_assert_eq!(indexer.height(), last);
                }
            }
            prop_assert_eq!(indexer.rebuilt(), None);
        }
        // What a crash left is whole blocks.
        history.check(&indexer);
        indexer.catch_up(history.log.reader(), Some(&Lists)).unwrap();
        history.check(&indexer);
        check_rows(&*store, &mut indexer);
    }
}
