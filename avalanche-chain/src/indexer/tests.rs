//! The index is what a plain map of the same blocks is, whatever happened to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use avalanche_consensus::Timestamp;
use avalanche_net::identity::Identity;
use avalanche_store::testing::{Faults, FaultyStore, SimDisk};
use avalanche_store::{BlockLog, LogConfig, MemoryStore, Prefixed};
use proptest::prelude::*;

use super::*;
use crate::Cursor;

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
            None => ChainBlock::genesis(time, &payload).unwrap(),
            Some(last) => {
                let height = last.height().next().unwrap();
                ChainBlock::build(last.id(), height, time, &payload, &IDENTITY).unwrap()
            }
        };
        self.log.append_synced(block.height(), block.id(), block.bytes()).unwrap();
        self.blocks.push(block.clone());
        block
    }

    /// Compares everything that can be asked, up to the height of the index.
    fn check(&self, indexer: &Indexer) {
        let reader = indexer.reader();
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
            for limit in [1, 3, 1_000] {
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

#[test]
fn rows_are_these() {
    let store = memory();
    let mut indexer = Indexer::open(Arc::clone(&store)).unwrap();
    let mut history = History::new();
    let block = history.extend(&[(name(9), vec![[1; 32], [2; 32]]), (name(7), vec![[1; 32]])]);
    assert_eq!(indexer.apply(&block, Some(&Lists)).unwrap(), [name(9), name(7)]);
    let height = [0; 8];
    let key = |kind: u8, name: &[u8], more: &[u8]| [&[kind][..], name, more].concat();
    let complement = [0xff; 12];
    let first = [&[0, 0, 0, 0][..], &[9; 32], &[0, 0, 0, 1], &[7; 32]].concat();
    let second = [&[0, 0, 0, 0][..], &[9; 32]].concat();
    let mark = [&[1][..], &height, block.id().as_bytes(), &[0, 0, 0, 0, 0, 0, 0, 2]].concat();
    let vm_block = Id::hash(&block.payload());
    let wanted = [
        (key(b'a', &[1; 32], &complement), first),
        (key(b'a', &[2; 32], &complement), second),
        (b"m".to_vec(), mark),
        (key(b't', &[7; 32], &[]), vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        (key(b't', &[9; 32], &[]), vec![0; 12]),
        (key(b'v', vm_block.as_bytes(), &[]), vec![0; 8]),
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
    let before = rows(&*store);
    assert_eq!(indexer.apply(&blocks[0], Some(&Lists)).unwrap(), [name(1)]);
    assert_eq!(rows(&*store), before);
    history.check(&indexer);
}

#[test]
fn an_address_of_many_transactions_in_a_block_has_several_rows() {
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
    let page = indexer.reader().address(&[5; 32], None, usize::MAX).unwrap();
    assert_eq!(page.transactions.len(), IndexReader::PAGE_MAX);
    assert_eq!(page.next, Some(Cursor { height: Height::new(1), index: 1 }));
}

#[test]
fn a_vm_without_transactions_has_blocks() {
    let mut indexer = Indexer::open(memory()).unwrap();
    let mut history = History::new();
    let block = history.extend(&[(name(1), vec![])]);
    assert!(indexer.apply(&block, None).unwrap().is_empty());
    let found = indexer.reader().vm_block(&Id::hash(&block.payload())).unwrap();
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
        batch.put(*b"t other", *b"row");
        store.commit(batch).unwrap();
        let mut indexer = Indexer::open(Arc::clone(&store)).unwrap();
        assert!(indexer.rebuilt().unwrap().contains(says), "{:?}", indexer.rebuilt());
        assert_eq!((indexer.height(), rows(&*store).len()), (None, 0));
        let done = indexer.catch_up(log, Some(&Lists)).unwrap();
        assert_eq!((done.blocks, done.transactions), (19, 19));
        assert!(done.rebuilt.unwrap().contains(says));
        assert_eq!(rows(&*store), right);
    }
    let store = memory();
    let mut batch = Batch::new();
    batch.put(*b"t", *b"row");
    store.commit(batch).unwrap();
    let indexer = Indexer::open(store).unwrap();
    assert!(indexer.rebuilt().unwrap().contains("which height"));
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
    assert_eq!(indexers[1].reader().transaction(&name(1)).unwrap(), None);
    assert_eq!(indexers[1].height(), None);
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
        let mut indexer = Indexer::open(Arc::clone(&store) as _).unwrap();
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
                    indexer = Indexer::open(Arc::clone(&store) as _).unwrap();
                }
                Step::Reopen => indexer = Indexer::open(Arc::clone(&store) as _).unwrap(),
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
        // The same rows as those of an index that nothing happened to.
        let fresh = memory();
        let mut indexer = Indexer::open(Arc::clone(&fresh)).unwrap();
        indexer.catch_up(history.log.reader(), Some(&Lists)).unwrap();
        prop_assert_eq!(rows(&*store), rows(&*fresh));
    }
}
