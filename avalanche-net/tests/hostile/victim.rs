//! The node that is attacked, and an honest one beside it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use avalanche_consensus::{Id, NodeId};
use avalanche_net::CloseReason;
use avalanche_net::identity::Identity;
use avalanche_net::network::{Inbox, Network, NetworkConfig, NetworkEvent};
use avalanche_net::wire::{Body, build};
use bytes::Bytes;
use tokio::sync::broadcast;
use tokio::time::{sleep, timeout};

use crate::peer::{NETWORK_ID, PATIENCE, identity};

pub(crate) const CHAIN: Id = Id::new([7; 32]);

/// A node that echoes requests of applications on [`CHAIN`].
pub(crate) struct Node {
    pub(crate) network: Network,
    pub(crate) node_id: NodeId,
    /// Messages of applications that are not requests.
    pub(crate) gossip: Arc<AtomicU64>,
}

/// A configuration for tests on one machine.
pub(crate) fn config() -> NetworkConfig {
    let mut config = NetworkConfig::new(NETWORK_ID, (Ipv4Addr::LOCALHOST, 0).into());
    config.control.dialer.initial_delay = Duration::from_millis(50);
    config.control.dialer.max_delay = Duration::from_millis(500);
    config.limits.shutdown_timeout = Duration::from_millis(500);
    config
}

impl Node {
    pub(crate) async fn start(config: NetworkConfig) -> Self {
        Self::start_as(identity(), config).await
    }

    pub(crate) async fn start_as(identity: Arc<Identity>, config: NetworkConfig) -> Self {
        let node_id = identity.node_id();
        let network = Network::start(config, identity).await.expect("a network");
        let gossip = Arc::new(AtomicU64::new(0));
        let inbox = network.register(CHAIN).expect("a chain");
        tokio::spawn(echo(network.clone(), inbox, Arc::clone(&gossip)));
        Self { network, node_id, gossip }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.network.local_addr()
    }

    /// Asks another node; tries until it answers.
    pub(crate) async fn asks(&self, other: &Self) {
        self.asks_of(other.node_id).await;
    }

    pub(crate) async fn asks_of(&self, other: NodeId) {
        let question = Bytes::from_static(b"are you there?");
        let ask = async {
            loop {
                let asked = self.network.app_request(other, CHAIN, question.clone());
                match asked.await {
                    Ok(answer) => return assert_eq!(answer, question),
                    Err(_) => sleep(Duration::from_millis(20)).await,
                }
            }
        };
        timeout(PATIENCE, ask).await.expect("an answer");
    }
}

/// Answers until the network ends.
pub(crate) async fn echo(network: Network, mut inbox: Inbox, gossip: Arc<AtomicU64>) {
    while let Some(delivery) = inbox.recv().await {
        match &delivery.body {
            Body::AppRequest(asked) => {
                let bytes = asked.app_bytes.clone();
                let answer = build::app_response(CHAIN, asked.request_id, bytes);
                let _ = network.send(&[delivery.node_id], answer);
            }
            _ => _ = gossip.fetch_add(1, Ordering::Relaxed),
        }
    }
}

/// How the connection of a node ended, and whether its handshake was complete.
pub(crate) async fn end_of(
    events: &mut broadcast::Receiver<NetworkEvent>,
    of: Option<NodeId>,
) -> (CloseReason, bool) {
    let wait = async {
        loop {
            match events.recv().await {
                Ok(NetworkEvent::Disconnected { node_id, reason, was_connected, .. })
                    if node_id == of =>
                {
                    return (reason, was_connected);
                }
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => panic!("the network ended"),
            }
        }
    };
    timeout(PATIENCE, wait).await.expect("an end")
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what} never came to be"));
}

/// How often a connection ended for a reason.
pub(crate) fn closed(network: &Network, reason: CloseReason) -> u64 {
    network.stats().closed.get(reason.as_str()).copied().unwrap_or(0)
}
