//! The key-value VM: the suite, its formats as literal values, and a plain map beside it.
#![cfg(test)]

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use avalanche_consensus::{Height, Id, Timestamp};
use avalanche_vm::key_value::{Change, KeyValueFactory, KeyValueVm, TRANSACTIONS_MAX, Transaction};
use avalanche_vm::testing::{Chain, ChainOptions, Fixture, Stop, run, suite};
use avalanche_vm::{Block, BuildRequest, Error, TransactionStatus, Vm, VmFactory};
use proptest::prelude::*;

fn put(salt: u8, key: &str, value: &str) -> Transaction {
    let change = Change::Put(value.as_bytes().to_vec());
    Transaction { salt: [salt; 16], key: key.as_bytes().to_vec(), change }
}

fn delete(salt: u8, key: &str) -> Transaction {
    Transaction { salt: [salt; 16], key: key.as_bytes().to_vec(), change: Change::Delete }
}

fn key_value(vm: &mut dyn Vm) -> &mut KeyValueVm {
    (vm as &mut dyn Any).downcast_mut().expect("a key-value VM")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn chain(genesis: &[u8]) -> Chain {
    Chain::new(Arc::new(KeyValueFactory), ChainOptions::new(genesis)).await.expect("a chain")
}

async fn submit(chain: &mut Chain, transactions: &[Transaction]) -> Vec<Result<Id, Error>> {
    let bytes: Vec<_> = transactions.iter().map(Transaction::encode).collect();
    let bytes: Vec<_> = bytes.iter().map(Vec::as_slice).collect();
    let now = chain.now();
    chain.vm().transactions().expect("transactions").submit(&bytes, now).await
}

/// Builds, verifies and accepts a block of these.
async fn grow(chain: &mut Chain, transactions: &[Transaction]) -> Block {
    for answer in submit(chain, transactions).await {
        answer.expect("a valid transaction");
    }
    chain.advance(Duration::from_secs(1));
    let block = chain.build().await.expect("no failure").expect("a block");
    chain.verify(&block).await.expect("a valid block");
    chain.accept(&block).await.expect("no failure");
    block
}

struct Stored;

#[async_trait]
impl Fixture for Stored {
    fn factory(&self) -> Arc<dyn VmFactory> {
        Arc::new(KeyValueFactory)
    }

    fn genesis(&self) -> Vec<u8> {
        put(0, "genesis", "is a block, too").encode()
    }

    fn other_genesis(&self) -> Option<Vec<u8>> {
        Some(Vec::new())
    }

    fn transactions(&self, number: u64) -> Vec<Vec<u8>> {
        let salt = u8::try_from(number + 1).expect("few works");
        let key = format!("key {}", number % 7);
        let change = if number % 5 == 4 {
            delete(salt, &key)
        } else {
            put(salt, &key, &"v".repeat(salt.into()))
        };
        vec![change.encode(), put(salt, "last", &number.to_string()).encode()]
    }

    async fn digest(&self, vm: &mut dyn Vm) -> Result<Vec<u8>, Error> {
        let vm = key_value(vm);
        let mut digest = vm.root().to_vec();
        for key in (0..7).map(|n| format!("key {n}")).chain(["last".to_owned()]) {
            digest
                .extend(vm.get(key.as_bytes())?.map_or(vec![0], |value| [vec![1], value].concat()));
        }
        Ok(digest)
    }

    fn too_new(&self) -> Option<Duration> {
        Some(Duration::from_secs(60))
    }

    fn forged(&self, block: &Block) -> Vec<(&'static str, Vec<u8>)> {
        let bytes = block.bytes();
        let transactions = [&bytes[83..], &bytes[83..]].concat();
        let mut root = bytes.to_vec();
        root[49] ^= 1;
        let mut before = bytes.to_vec();
        before[41..49].fill(0);
        let again = put(0, "genesis", "is a block, too").encode();
        vec![
            ("a transaction twice", [&bytes[..82], &[4], &transactions[..]].concat()),
            ("a transaction of an earlier block", [&bytes[..82], &[1], &again[..]].concat()),
            ("another root", root),
            ("a time before the parent's", before),
        ]
    }
}

#[test]
fn the_key_value_vm_keeps_the_contract() {
    let report = run(suite(Stored));
    assert!(report.returned > 0 && report.lost_batches > 0, "{report:?}");
}

#[test]
fn formats_are_what_they_were() {
    run(async {
        let transaction = put(7, "key", "value");
        assert_eq!(
            hex(&transaction.encode()),
            "0007070707070707070707070707070707000300056b657976616c7565"
        );
        assert_eq!(
            hex(&delete(8, "key").encode()),
            "0108080808080808080808080808080808000300006b6579"
        );
        let mut chain = chain(&transaction.encode()).await;
        assert_eq!(
            chain.tip().id.to_string(),
            "2fgpGwbuDLsP7nKoWvDZJttegnvw2jhbCPPcCi8tewjth7UcMV"
        );
        let block = grow(&mut chain, &[put(1, "a", "1"), delete(2, "key")]).await;
        assert_eq!(
            hex(block.bytes()),
            concat!(
                "01db89d7efc4d0a95577338e4420ce8c0b804dacc94501155af80e96f17176d3d100000000000000",
                "0117979cfe71c4ca00a245855d06abf47c1b9d52b00cc91e0f9f74b79d3949800b85e76b796bcf08",
                "cb000200010101010101010101010101010101010001000161310102020202020202020202020202",
                "020202000300006b6579"
            )
        );
        assert_eq!(
            hex(&key_value(chain.vm()).root()),
            "9a811188bbb4bc98bd430c9cf86a42b693c81cc7678f2c97a4e18a67989b4b9d"
        );
    });
}

#[test]
fn what_exceeds_a_limit_is_refused_with_its_rule() {
    let code = |transaction: Transaction| match Transaction::decode(&transaction.encode()) {
        Ok(read) => {
            assert_eq!(read, transaction);
            "valid"
        }
        Err(error) => error.code(),
    };
    assert_eq!(code(put(0, &"k".repeat(256), &"v".repeat(4096))), "valid");
    assert_eq!(code(put(0, "k", "")), "valid");
    assert_eq!(code(delete(0, "k")), "valid");
    assert_eq!(code(put(0, "", "")), "key_length");
    assert_eq!(code(put(0, &"k".repeat(257), "")), "key_length");
    assert_eq!(code(put(0, "k", &"v".repeat(4097))), "value_length");
    assert_eq!(code(put(0, "k", &"v".repeat(70_000))), "value_length");
    let mut deletion = put(0, "k", "v").encode();
    deletion[0] = 1;
    assert_eq!(Transaction::decode(&deletion).unwrap_err().code(), "malformed");
}

#[test]
fn a_transaction_counts_once() {
    run(async {
        let mut chain = chain(&[]).await;
        let once = put(1, "k", "v");
        let codes = |answers: Vec<Result<Id, Error>>| -> Vec<&'static str> {
            answers.iter().map(|it| it.as_ref().err().map_or("ok", Error::code)).collect()
        };
        assert_eq!(codes(submit(&mut chain, &[once.clone(), once.clone()]).await), ["ok", "waits"]);
        let block = chain.build().await.unwrap().expect("a block");
        chain.verify(&block).await.unwrap();
        let pool = chain.vm().transactions().unwrap();
        assert_eq!(pool.status(&once.id()), TransactionStatus::Processing { block: block.id() });
        let contents = KeyValueFactory.contents().unwrap();
        let mut seen = Vec::new();
        contents.transactions(block.bytes(), &mut |id, _| seen.push(id)).unwrap();
        assert_eq!((seen, contents.count(block.bytes()).unwrap()), (vec![once.id()], 1));
        assert_eq!(pool.waiting(5), [once.id()]);
        chain.accept(&block).await.unwrap();
        assert_eq!(codes(submit(&mut chain, std::slice::from_ref(&once)).await), ["repeated"]);
        let mut chain = chain.restart(Stop::PowerLoss).await.unwrap();
        let pool = chain.vm().transactions().unwrap();
        let accepted = TransactionStatus::Accepted { height: Height::new(1), index: 0 };
        assert_eq!(pool.status(&once.id()), accepted);
    });
}

#[test]
fn a_block_takes_what_fits_and_leaves_the_rest() {
    run(async {
        let mut chain = chain(&[]).await;
        let number = |n: usize| {
            let mut transaction = put(0, "k", &n.to_string());
            transaction.salt[..8].copy_from_slice(&n.to_be_bytes());
            transaction
        };
        let many: Vec<_> = (0..TRANSACTIONS_MAX + 5).map(number).collect();
        let block = grow(&mut chain, &many).await;
        let pool = chain.vm().transactions().unwrap();
        assert_eq!((pool.in_block(&block).unwrap().len(), pool.pending()), (TRANSACTIONS_MAX, 5));
        let (now, allow_empty) = (chain.now(), false);
        let short = BuildRequest { now, bytes_max: 83 + 2 * (21 + 5), allow_empty };
        let block = chain.build_with(short).await.unwrap().expect("a block of two");
        assert_eq!(chain.vm().transactions().unwrap().in_block(&block).unwrap().len(), 2);
    });
}

#[test]
fn a_proof_shows_what_a_key_had() {
    run(async {
        let mut chain = chain(&[]).await;
        grow(&mut chain, &[put(1, "k", "old")]).await;
        let root = key_value(chain.vm()).root();
        let next = grow(&mut chain, &[put(2, "k", "new")]).await;
        assert_eq!(&next.bytes()[49..81], &root, "the next header has the root");
        let proof = key_value(chain.vm()).prove(b"k", Height::new(1)).unwrap();
        proof.verify(&root, &KeyValueVm::value_key(b"k"), Some(b"old")).unwrap();
        assert!(proof.verify(&root, &KeyValueVm::value_key(b"k"), Some(b"new")).is_err());
    });
}

/// What the generated runs did: overwrites, deletions of what was there, blocks, restarts.
static SEEN: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

fn saw(what: usize) {
    SEEN[what].fetch_add(1, Ordering::Relaxed);
}

/// The changes of a block, and how the instance stops after it.
type Step = (Vec<(u8, Option<u8>)>, Option<Stop>);

/// Blocks of changes of a few keys; and how the instance stops after a block, if it does.
fn runs() -> impl Strategy<Value = Vec<Step>> {
    let stops = [None, None, Some(Stop::Kill), Some(Stop::PowerLoss), Some(Stop::Shutdown)];
    let change = (0..6_u8, proptest::option::weighted(0.7, any::<u8>()));
    let block = proptest::collection::vec(change, 1..8);
    proptest::collection::vec((block, proptest::sample::select(stops.to_vec())), 1..12)
}

async fn agree(blocks: Vec<Step>) -> Result<(), TestCaseError> {
    let (mut chain, mut model) = (chain(&[]).await, BTreeMap::new());
    let mut salt = 0_u8;
    for (changes, stop) in blocks {
        let mut transactions = Vec::new();
        for (key, value) in changes {
            salt += 1;
            let name = format!("k{key}");
            let before = match value {
                Some(value) => {
                    transactions.push(put(salt, &name, &value.to_string()));
                    model.insert(name, value.to_string()).map(|_| 0)
                }
                None => {
                    transactions.push(delete(salt, &name));
                    model.remove(&name).map(|_| 1)
                }
            };
            before.into_iter().for_each(saw);
        }
        grow(&mut chain, &transactions).await;
        saw(2);
        if let Some(stop) = stop {
            chain = chain.restart(stop).await.expect("it starts");
            saw(3);
        }
        for key in 0..6 {
            let name = format!("k{key}");
            let found = key_value(chain.vm()).get(name.as_bytes()).expect("no failure");
            prop_assert_eq!(found, model.get(&name).map(|value| value.clone().into_bytes()));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    fn generated_runs_agree_with_a_map(blocks in runs()) {
        run(agree(blocks))?;
    }
}

#[test]
fn the_state_is_that_of_a_plain_map() {
    generated_runs_agree_with_a_map();
    let seen = SEEN.each_ref().map(|count| count.load(Ordering::Relaxed));
    assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
}

#[test]
fn genesis_bytes_make_the_first_block() {
    let factory = KeyValueFactory;
    assert_ne!(factory.genesis(&[]).unwrap(), factory.genesis(&put(0, "a", "b").encode()).unwrap());
    assert_eq!(factory.genesis(b"garbage").unwrap_err().code(), "malformed");
    let block = factory.genesis(&[]).unwrap();
    let place = (block.height(), block.parent(), block.timestamp());
    assert_eq!(place, (Height::GENESIS, Id::EMPTY, Timestamp::ZERO));
}
