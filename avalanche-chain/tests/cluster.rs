//! Nodes in one process, over real sockets: they agree, catch up, and lose nothing.
#![cfg(test)]

mod support;

use std::fs;

use avalanche_chain::node::StoreKind;
use avalanche_chain::testing::Cluster;
use avalanche_chain::{BlockAt, Chain, Outcome, ProposerRules};
use avalanche_consensus::{Height, Id};
use avalanche_store::{BlockLog, LogConfig, OsDisk};
use avalanche_vm::HttpRequest;
use support::{PATIENCE, TempDir, options, registry, transfer};

/// Supply, burned fees, height and root of the state.
async fn state(chain: &dyn Chain) -> String {
    let request = HttpRequest {
        method: "GET".to_owned(),
        path: "/supply".to_owned(),
        ..HttpRequest::default()
    };
    String::from_utf8(chain.vm_request(request).await.body).unwrap()
}

/// All running nodes have the same blocks up to the lowest of their last heights, and at equal
/// heights the same state.
async fn assert_agreement(cluster: &Cluster) -> Height {
    let chains = cluster.chains();
    let mut lowest = Height::MAX;
    for chain in &chains {
        lowest = lowest.min(chain.status().await.last_accepted.height);
    }
    let first = chains[0].blocks(Height::GENESIS, usize::MAX).await.unwrap();
    for chain in &chains[1..] {
        for block in &first {
            if block.height <= lowest {
                let other = chain.block(BlockAt::Height(block.height)).await.unwrap().unwrap();
                assert_eq!(block.id, other.id);
            }
        }
    }
    lowest
}

/// All running nodes come to the same height, with the same blocks and the same state.
async fn assert_convergence(cluster: &Cluster) {
    let mut highest = Height::GENESIS;
    for chain in cluster.chains() {
        highest = highest.max(chain.status().await.last_accepted.height);
    }
    cluster.accepted(highest, PATIENCE).await.unwrap();
    assert_agreement(cluster).await;
    let height = format!("\"height\":\"{highest}\"");
    let mut states = Vec::new();
    for chain in cluster.chains() {
        let until = tokio::time::Instant::now() + PATIENCE;
        // The VM is a little behind the engine.
        let mut seen = state(&*chain).await;
        while !seen.contains(&height) && tokio::time::Instant::now() < until {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            seen = state(&*chain).await;
        }
        states.push(seen);
    }
    assert!(states[0].contains("\"root\"") && states[0].contains(&height), "{states:?}");
    assert!(states.iter().all(|one| *one == states[0]), "{states:?}");
}

/// Pays `rounds` times from each of `accounts` to the next one, through all running nodes in turn,
/// and waits for each round. Returns the names.
async fn pay(cluster: &Cluster, accounts: u16, nonces: std::ops::Range<u64>) -> Vec<Id> {
    let mut ids = Vec::new();
    for (chain, nonce) in cluster.chains().iter().cycle().zip(nonces) {
        let batch =
            (0..accounts).map(|from| transfer(chain.id(), from, (from + 1) % accounts, nonce));
        for result in chain.submit(batch.collect()).await.unwrap() {
            ids.push(result.unwrap());
        }
        for id in ids.iter().rev().take(accounts.into()) {
            let outcome = chain.wait(*id, PATIENCE).await.unwrap();
            assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
        }
    }
    ids
}

/// Every node that runs knows the receipt of each payment, and which block it is in.
async fn assert_known(cluster: &Cluster, ids: &[Id]) {
    // Whoever was not paid through may be a block behind.
    assert_convergence(cluster).await;
    for chain in cluster.chains() {
        let mut listed = Vec::new();
        for height in 0..=chain.status().await.last_accepted.height.get() {
            listed.extend(chain.block_transactions(Height::new(height)).await.unwrap());
        }
        listed.sort_unstable();
        let mut paid = ids.to_vec();
        paid.sort_unstable();
        assert!(listed == paid, "{} are in blocks, {} were paid", listed.len(), paid.len());
        assert!(chain.block_transactions(Height::MAX).await.is_err());
        for id in ids {
            // The index may be a moment behind the engine.
            let Outcome::Accepted(info) = chain.wait(*id, PATIENCE).await.unwrap() else {
                panic!("{id} is not final on each node");
            };
            let receipt = info.receipt.unwrap_or_default();
            assert!(receipt.contains(&id.to_string()), "{:?} {receipt}", info.status);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_nodes_finalise_payments() {
    let dir = TempDir::new("five");
    let cluster = Cluster::start(dir.path(), &options(20), registry).await.unwrap();
    cluster.ready(PATIENCE).await.unwrap();
    let ids = pay(&cluster, 20, 0..10).await;
    assert_convergence(&cluster).await;
    assert_known(&cluster, &ids).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_late_or_lost_something_ends_with_the_same_state() {
    let dir = TempDir::new("late");
    let mut options = options(20);
    options.store = StoreKind::Redb;
    let mut cluster = Cluster::prepare(dir.path(), &options, registry).unwrap();
    // One of five is silent from the beginning: the others go on without it.
    for at in 0..4 {
        cluster.start_node(at).await.unwrap();
    }
    cluster.ready(PATIENCE).await.unwrap();
    let mut ids = pay(&cluster, 20, 0..6).await;

    // A node that never was up.
    cluster.start_node(4).await.unwrap();
    assert_convergence(&cluster).await;
    ids.extend(pay(&cluster, 20, 6..10).await);
    assert_known(&cluster, &ids).await;

    // One whose state and index were deleted.
    cluster.stop_node(1).await;
    ids.extend(pay(&cluster, 20, 10..12).await);
    let chain = dir.path().join("node-1/chains/payments");
    fs::remove_dir_all(chain.join("state")).unwrap();
    fs::remove_dir_all(chain.join("index")).unwrap();
    cluster.start_node(1).await.unwrap();
    assert_convergence(&cluster).await;

    // One whose log lost its end, below the height that its state stands at.
    cluster.stop_node(2).await;
    let log = dir.path().join("node-2/chains/payments/log");
    let (mut log, _) = BlockLog::open(OsDisk, log, LogConfig::default()).unwrap();
    let last = log.last().unwrap();
    log.truncate_after(Some(Height::new(last.get() - 3))).unwrap();
    drop(log);
    cluster.start_node(2).await.unwrap();
    assert_convergence(&cluster).await;
    let aside = dir.path().join("node-2/chains/payments/state-1.aside");
    assert!(aside.exists(), "the state that does not fit is set aside, not deleted");

    ids.extend(pay(&cluster, 20, 12..14).await);
    assert_convergence(&cluster).await;
    assert_known(&cluster, &ids).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contested_blocks_are_decided() {
    let dir = TempDir::new("contested");
    let mut options = options(20);
    // Any validator may propose at any time.
    options.proposers = ProposerRules { slot_ms: 100, slots: 0 };
    let cluster = Cluster::start(dir.path(), &options, registry).await.unwrap();
    cluster.ready(PATIENCE).await.unwrap();
    let chains = cluster.chains();
    let (mut rejected, mut nonce) = (0, 0);
    while rejected == 0 && nonce < 60 {
        // Each node has a payment that no other one has: all propose.
        let submitted = (0..5_u16).map(|at| {
            let one = transfer(chains[0].id(), at, at + 5, nonce);
            let chain = &chains[usize::from(at)];
            async move {
                let id = *chain.submit(vec![one]).await.unwrap()[0].as_ref().unwrap();
                chain.wait(id, PATIENCE).await.unwrap()
            }
        });
        let mut waiting = Vec::new();
        for one in submitted {
            waiting.push(Box::pin(one));
        }
        let [a, b, c, d, e]: [_; 5] = waiting.try_into().ok().unwrap();
        let outcomes = tokio::join!(a, b, c, d, e);
        let outcomes = [outcomes.0, outcomes.1, outcomes.2, outcomes.3, outcomes.4];
        for outcome in outcomes {
            assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
        }
        nonce += 1;
        rejected = chains[0].status().await.stats.rejected;
    }
    assert!(rejected > 0, "no block had a rival in {nonce} rounds");
    assert_convergence(&cluster).await;
    cluster.stop().await;
}
