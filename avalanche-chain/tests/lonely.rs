//! Nodes that decide alone: several chains in one, a VM that fails, a folder of another chain.
#![cfg(test)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use avalanche_chain::node::{Node, NodeError, StoreKind};
use avalanche_chain::testing::{Cluster, ClusterOptions};
use avalanche_chain::{ChainEvent, Genesis, NodeReader, Outcome};
use avalanche_vm::machine::{BlockFacts, MachineFactory, StateMachine};
use avalanche_vm::{HttpRequest, Invalid, InvalidKind, VmId, VmRegistry};
use support::{PATIENCE, TempDir, options, registry, transfer};

/// A sum to which transactions add, and which panics once when it is told to.
struct Fragile;

static PANIC: AtomicBool = AtomicBool::new(false);

impl StateMachine for Fragile {
    type State = u64;

    fn id(&self) -> VmId {
        VmId::named("fragile")
    }

    fn apply(&self, sum: &mut u64, transaction: &[u8], _: BlockFacts) -> Result<(), Invalid> {
        assert!(!PANIC.swap(false, Ordering::Relaxed), "told to");
        *sum += number(transaction)?;
        Ok(())
    }

    fn encode(&self, sum: &u64) -> Vec<u8> {
        sum.to_be_bytes().to_vec()
    }

    fn decode(&self, bytes: &[u8]) -> Result<u64, Invalid> {
        number(bytes)
    }
}

fn number(bytes: &[u8]) -> Result<u64, Invalid> {
    let refusal = Invalid::new(InvalidKind::Malformed, "length", "a number has 8 bytes");
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| refusal)
}

fn fragile() -> VmRegistry {
    let mut registry = registry();
    registry.register(Arc::new(MachineFactory::new(Fragile)), &["fragile"]).unwrap();
    registry
}

fn alone(vm: &str, genesis: Vec<u8>) -> ClusterOptions {
    ClusterOptions { nodes: 1, store: StoreKind::Redb, ..ClusterOptions::new(vm, genesis) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_that_panics_comes_back_and_the_chain_with_it() {
    let dir = TempDir::new("fragile");
    let options = alone("fragile", 0_u64.to_be_bytes().to_vec());
    let cluster = Cluster::start(dir.path(), &options, fragile).await.unwrap();
    cluster.ready(PATIENCE).await.unwrap();
    let chain = cluster.chain(0).unwrap();
    let add = async |number: u64| {
        let id =
            *chain.submit(vec![number.to_be_bytes().to_vec()]).await.unwrap()[0].as_ref().unwrap();
        chain.wait(id, PATIENCE).await.unwrap()
    };
    assert!(matches!(add(1).await, Outcome::Accepted(_)));
    let mut events = chain.events();
    PANIC.store(true, Ordering::Relaxed);
    let failed = chain.submit(vec![2_u64.to_be_bytes().to_vec()]).await;
    assert!(failed.is_err(), "{failed:?}");
    let asked = cluster.node(0).unwrap().health().await;
    assert!(asked.checks.iter().any(|check| check.name.contains("fragile")), "{asked:?}");
    // The next call of the engine finds the VM gone, or it is back before: both go on.
    cluster.ready(PATIENCE).await.unwrap();
    let until = tokio::time::Instant::now() + PATIENCE;
    let outcome = loop {
        let submitted = chain.submit(vec![3_u64.to_be_bytes().to_vec()]).await;
        if let Ok(results) = submitted {
            let id = *results[0].as_ref().unwrap();
            break chain.wait(id, PATIENCE).await.unwrap();
        }
        assert!(tokio::time::Instant::now() < until, "the VM does not come back");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    let (mut accepted, mut stopped) = (0, 0);
    while let Ok(Ok(event)) =
        tokio::time::timeout(std::time::Duration::from_millis(50), events.recv()).await
    {
        accepted += u32::from(matches!(event, ChainEvent::Accepted(_)));
        // What the old VM had verified is not the new one's: the chain began anew, too.
        stopped += u32::from(matches!(event, ChainEvent::Stopped { .. }));
    }
    assert!(accepted >= 1, "events went on");
    assert_eq!(stopped, 1);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_chains_run_in_one_process_and_start_again_where_they_stood() {
    let dir = TempDir::new("two");
    let options = alone("payments", options(4).genesis);
    let mut cluster = Cluster::prepare(dir.path(), &options, fragile).unwrap();
    let path = dir.path().join("genesis.json");
    let mut genesis = Genesis::parse(&std::fs::read(&path).unwrap()).unwrap();
    let mut second = genesis.chains[0].clone();
    "second".clone_into(&mut second.name);
    genesis.chains.push(second);
    std::fs::write(&path, genesis.to_json()).unwrap();
    for nonce in 0..3 {
        cluster.start_node(0).await.unwrap();
        cluster.ready(PATIENCE).await.unwrap();
        let node = cluster.node(0).unwrap();
        for name in ["payments", "second"] {
            let chain = node.chain(Some(name)).unwrap();
            assert_eq!(chain.status().await.last_accepted.height.get(), nonce, "{name}");
            let one = transfer(chain.id(), 0, 1, nonce);
            let id = *chain.submit(vec![one]).await.unwrap()[0].as_ref().unwrap();
            let outcome = chain.wait(id, PATIENCE).await.unwrap();
            assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
            let page = chain.address(*support::address(1).as_bytes(), None, 10).await.unwrap();
            assert_eq!(page.transactions.len() as u64, nonce + 1);
        }
        let [first, second] = ["payments", "second"].map(|name| node.chain(Some(name)).unwrap());
        assert_ne!(first.id(), second.id());
        let wrong = transfer(first.id(), 1, 0, 0);
        assert!(second.submit(vec![wrong]).await.unwrap()[0].is_err(), "it is for another chain");
        cluster.stop_node(0).await;
    }
}

/// A network of one that has made so many payments; it is stopped.
async fn paid(dir: &TempDir, count: u64) -> Cluster {
    let options = alone("payments", options(4).genesis);
    let mut cluster = Cluster::start(dir.path(), &options, registry).await.unwrap();
    cluster.ready(PATIENCE).await.unwrap();
    let chain = cluster.chain(0).unwrap();
    for nonce in 0..count {
        let one = transfer(chain.id(), 0, 1, nonce);
        let id = *chain.submit(vec![one]).await.unwrap()[0].as_ref().unwrap();
        assert!(matches!(chain.wait(id, PATIENCE).await.unwrap(), Outcome::Accepted(_)));
    }
    cluster.stop_node(0).await;
    cluster
}

#[tokio::test]
async fn a_state_of_another_branch_is_set_aside_and_built_again() {
    let (dir, other) = (TempDir::new("branch"), TempDir::new("other-branch"));
    let mut cluster = paid(&dir, 4).await;
    paid(&other, 2).await;
    let state = |dir: &TempDir| dir.path().join("node-0/chains/payments/state");
    std::fs::remove_dir_all(state(&dir)).unwrap();
    std::fs::rename(state(&other), state(&dir)).unwrap();
    cluster.start_node(0).await.unwrap();
    let chain = cluster.chain(0).unwrap();
    let request = HttpRequest {
        method: "GET".to_owned(),
        path: format!("/accounts/{}", support::address(0)),
        ..HttpRequest::default()
    };
    let account = String::from_utf8(chain.vm_request(request).await.body).unwrap();
    assert!(account.contains("\"nonce\":\"4\""), "{account}");
    assert!(state(&dir).with_file_name("state-1.aside").exists());
    cluster.stop().await;
}

#[tokio::test]
async fn a_folder_of_another_chain_is_refused() {
    let dir = TempDir::new("other");
    let cluster =
        Cluster::start(dir.path(), &alone("payments", options(4).genesis), registry).await.unwrap();
    cluster.stop().await;
    let mut cluster =
        Cluster::prepare(dir.path(), &alone("payments", options(5).genesis), registry).unwrap();
    let config = cluster.config(0).unwrap().clone();
    let error = Node::start(config, registry()).await.unwrap_err();
    assert!(matches!(error, NodeError::Chain { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("chains/payments") && text.contains("a folder of its own"), "{text}");
}

#[tokio::test]
async fn a_node_that_cannot_start_says_what_to_change() {
    let dir = TempDir::new("cannot");
    let options = alone("payments", options(4).genesis);
    let mut cluster = Cluster::prepare(dir.path(), &options, registry).unwrap();
    let config = cluster.config(0).unwrap().clone();
    let genesis = std::fs::read_to_string(dir.path().join("genesis.json")).unwrap();
    for (bad, says) in [
        ("{".to_owned(), "JSON"),
        (genesis.replace("\"payments\"", "\"gold\""), "gold"),
        (genesis.replace("\"network_id\"", "\"network\""), "unknown field `network`"),
        (genesis.replace("\"slot_ms\": 100", "\"slot_ms\": 0"), "slot_ms"),
        (genesis.replace("\"weight\": 21", "\"weight\": 0"), "validators"),
    ] {
        assert_ne!(bad, genesis);
        std::fs::write(dir.path().join("genesis.json"), bad).unwrap();
        let text = Node::start(config.clone(), registry()).await.unwrap_err().to_string();
        assert!(text.contains(says), "{says:?} in {text}");
    }
    std::fs::remove_file(dir.path().join("genesis.json")).unwrap();
    let text = Node::start(config, registry()).await.unwrap_err().to_string();
    assert!(text.contains("genesis.json"), "{text}");
}
