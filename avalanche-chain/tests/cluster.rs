//! Nodes in one process, over real sockets: they agree, catch up, and lose nothing.

mod support;

use avalanche_chain::testing::Cluster;
use avalanche_chain::{BlockAt, Chain, Outcome};
use avalanche_consensus::Height;
use avalanche_vm::HttpRequest;
use support::{PATIENCE, TempDir, options, registry, transfer};

/// The root of the state and the height that it is of.
async fn root(chain: &dyn Chain) -> String {
    let supply = HttpRequest {
        method: "GET".to_owned(),
        path: "/supply".to_owned(),
        ..HttpRequest::default()
    };
    String::from_utf8(chain.vm_request(supply).await.body).unwrap()
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_nodes_finalise_payments() {
    let dir = TempDir::new("five");
    let cluster = Cluster::start(dir.path(), &options(20), registry).await.unwrap();
    cluster.ready(PATIENCE).await.unwrap();
    let chain = cluster.chain(0).unwrap();
    let mut ids = Vec::new();
    for nonce in 0..20 {
        let batch = (0..20).map(|from| transfer(chain.id(), from, (from + 1) % 20, nonce));
        let at = usize::try_from(nonce).unwrap() % 5;
        let results = cluster.chain(at).unwrap().submit(batch.collect()).await.unwrap();
        for result in results {
            ids.push(result.unwrap());
        }
        let last = *ids.last().unwrap();
        let outcome = cluster.chain(at).unwrap().wait(last, PATIENCE).await.unwrap();
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    }
    let last = chain.status().await.last_accepted.height;
    for at in 0..5 {
        let chain = cluster.chain(at).unwrap();
        for id in &ids {
            let outcome = chain.wait(*id, PATIENCE).await.unwrap();
            assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
        }
    }
    cluster.accepted(last, PATIENCE).await.unwrap();
    assert_agreement(&cluster).await;
    let roots: Vec<_> = {
        let mut roots = Vec::new();
        for chain in cluster.chains() {
            roots.push(root(&*chain).await);
        }
        roots
    };
    assert!(roots[0].contains("\"root\""), "{roots:?}");
    assert!(roots.iter().all(|one| *one == roots[0]), "{roots:?}");
    cluster.stop().await;
}
