//! Workloads of `avalanche-net`, each beside bare TLS that carries the same messages.
//!
//! Both ends are in this thread, on one runtime, so that its CPU time is that of all the work, the
//! kernel's on the loopback included, and nobody else's. [`bare`] is the floor: `tokio-rustls` and
//! the generated protobuf, with nothing that a network needs besides.
//!
//! The limits of a network are policy, and far below what it can do: [`config`] raises them.

pub mod bare;
pub mod block;
pub mod codec;
pub mod crowd;
pub mod echo;
pub mod one_way;
pub mod poll;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use avalanche_consensus::{Id, NodeId};
use avalanche_net::identity::Identity;
use avalanche_net::network::{Inbox, Network, NetworkConfig};
use avalanche_net::queue::LaneLimit;
use avalanche_net::throttle::{BandwidthConfig, CpuConfig, PoolConfig};
use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep};

use crate::floor::SplitMix;
use crate::store::told;

/// Bytes of an application in a short message.
pub const PAYLOAD: usize = 200;
/// The chain that all messages are of.
pub const CHAIN: Id = Id::new([7; 32]);
/// What requests say how long their answer is of use.
const DEADLINE: Duration = Duration::from_secs(10);
/// No pool and no lane is full before that many bytes.
const PLENTY: u64 = 1 << 30;
/// The longest that connections may take to be made.
const PATIENCE: Duration = Duration::from_secs(60);

/// A network whose limits let everything through that these workloads do: no peer is slowed down
/// for its bytes, its messages or its processor time, and nothing is dropped.
#[must_use]
pub fn config() -> NetworkConfig {
    let mut config = NetworkConfig::new(90_210, loopback());
    let limits = &mut config.limits;
    limits.messages_in_work = 1 << 16;
    limits.bandwidth = BandwidthConfig { refill_rate: PLENTY << 4, burst: PLENTY << 4 };
    let pool = PoolConfig { at_large: PLENTY, node_at_large_max: PLENTY, validators: PLENTY };
    (limits.inbound_pool, limits.outbound_pool) = (pool, pool);
    limits.cpu = CpuConfig::with_cores(1 << 12);
    limits.connections.accepts_per_second = 1 << 16;
    let lane = LaneLimit { bytes: 64 << 20, frames: 1 << 16 };
    let queue = &mut limits.queue;
    (queue.control, queue.consensus, queue.sync, queue.app) = (lane, lane, lane, lane);
    (limits.inbox.lane_messages, limits.inbox.lane_bytes) = (1 << 16, 64 << 20);
    config
}

/// Any free port of this machine.
pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// One thread, which is this one.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Bytes of an application that do not repeat, so that no compression shortens them.
fn payload(bytes: usize) -> Bytes {
    crate::store::bytes(&mut SplitMix::new(5), bytes).into()
}

/// A node that runs, and its messages.
#[derive(Debug)]
struct Node {
    id: NodeId,
    network: Network,
    inbox: Inbox,
}

impl Node {
    async fn start(config: NetworkConfig) -> io::Result<Self> {
        let identity = Arc::new(Identity::generate().map_err(told)?);
        let id = identity.node_id();
        let network = Network::start(config, identity).await.map_err(told)?;
        let inbox = network.register(CHAIN).map_err(told)?;
        Ok(Self { id, network, inbox })
    }

    /// Connects with the nodes that are found at these addresses, and waits for the handshakes.
    async fn connect(&self, addresses: &[(NodeId, SocketAddr)]) -> io::Result<()> {
        for (_, address) in addresses {
            self.network.connect(*address);
        }
        for (node_id, _) in addresses {
            wait(|| self.network.is_connected(node_id)).await?;
        }
        Ok(())
    }

    fn address(&self) -> (NodeId, SocketAddr) {
        (self.id, self.network.local_addr())
    }
}

/// Waits until something is so.
async fn wait(mut is_so: impl FnMut() -> bool) -> io::Result<()> {
    let start = Instant::now();
    while !is_so() {
        if start.elapsed() > PATIENCE {
            return Err(io::Error::other("the nodes did not connect"));
        }
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Two nodes that are connected.
async fn pair() -> io::Result<(Node, Node)> {
    let (one, other) = (Node::start(config()).await?, Node::start(config()).await?);
    one.connect(&[other.address()]).await?;
    wait(|| other.network.is_connected(&one.id)).await?;
    Ok((one, other))
}
