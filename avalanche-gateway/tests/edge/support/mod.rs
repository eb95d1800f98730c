//! A node that is none, a server of it, and HTTP by hand.

pub(crate) mod chain;
pub(crate) mod http;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use avalanche_chain::{Chain, Check, HealthReport, NodeReader, PeerView};
use avalanche_consensus::NodeId;
use avalanche_gateway::{GatewayConfig, serve};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use chain::FakeChain;

/// A node with two chains.
pub(crate) struct FakeNode {
    pub(crate) payments: Arc<FakeChain>,
    pub(crate) other: Arc<FakeChain>,
    pub(crate) peers: Mutex<Vec<PeerView>>,
    pub(crate) well: Mutex<bool>,
}

impl FakeNode {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            payments: FakeChain::new("payments", 3),
            other: FakeChain::new("other", 0),
            peers: Mutex::new(vec![peer(1), peer(2)]),
            well: Mutex::new(true),
        })
    }
}

pub(crate) fn peer(number: u8) -> PeerView {
    PeerView {
        node_id: NodeId::new([number; 20]),
        address: SocketAddr::from(([127, 0, 0, 1], 9_000 + u16::from(number))),
        version: "avalanchego/1.14.2".to_owned(),
        score: Some(0.5),
        latency: Some(Duration::from_micros(1_500)),
        benched: false,
    }
}

#[async_trait]
impl NodeReader for FakeNode {
    fn node_id(&self) -> NodeId {
        NodeId::new([9; 20])
    }

    fn network_id(&self) -> u32 {
        12_345
    }

    fn chains(&self) -> Vec<Arc<dyn Chain>> {
        vec![Arc::clone(&self.payments) as Arc<dyn Chain>, Arc::clone(&self.other) as _]
    }

    async fn peers(&self) -> Vec<PeerView> {
        self.peers.lock().unwrap().clone()
    }

    async fn best_peers(&self, limit: usize) -> Vec<PeerView> {
        self.peers.lock().unwrap().iter().take(limit).cloned().collect()
    }

    async fn health(&self) -> HealthReport {
        let healthy = *self.well.lock().unwrap();
        let detail = if healthy { "has room" } else { "is full; make room" }.to_owned();
        HealthReport { checks: vec![Check { name: "disk".to_owned(), healthy, detail }] }
    }
}

/// A server of a fake node.
pub(crate) struct Served {
    pub(crate) node: Arc<FakeNode>,
    pub(crate) address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Served {
    pub(crate) async fn new() -> Self {
        Self::with(GatewayConfig::default()).await
    }

    pub(crate) async fn with(config: GatewayConfig) -> Self {
        let node = FakeNode::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel::<()>();
        let reader = Arc::clone(&node) as Arc<dyn NodeReader>;
        let task = tokio::spawn(serve(listener, reader, config, async {
            _ = ended.await;
        }));
        Self { node, address, end: Some(end), task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn shutdown(&mut self) {
        drop(self.end.take());
    }

    /// Ends the server and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.shutdown();
        self.task.await.unwrap();
    }

    /// Asks, on a connection of its own.
    pub(crate) async fn ask(&self, request: &http::Request<'_>) -> http::Response {
        http::ask(self.address, request).await
    }

    pub(crate) async fn get(&self, path: &str) -> http::Response {
        self.ask(&http::Request::get(path)).await
    }

    /// A value of the server's metrics.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let response = self.get("/metrics").await;
        let text = response.text();
        let line = text.lines().find(|line| line.split(' ').next() == Some(name));
        line.unwrap_or_else(|| panic!("{name} in {text}"))[name.len() + 1..].parse().unwrap()
    }
}

/// Waits until something holds, for a minute at most.
pub(crate) async fn until(mut what: impl AsyncFnMut() -> bool) {
    let holds = async {
        while !what().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), holds).await.unwrap();
}
