//! A network in memory, in simulated time: delay, bandwidth, losses and partitions.
//!
//! Use it under a clock of tokio that is paused and on one thread, as by
//! `#[tokio::test(start_paused = true)]`: then a run takes no time, and what happens is a function
//! of the seed and of what the test does. Delays are rounded up to tokio's milliseconds.
//!
//! A link carries one direction between two addresses, and behaves as a path below TCP does: bytes
//! are late but not lost, in order within a connection, and a blocked link holds them back until it
//! is healed. Connections are what is lost.
//!
//! ```
//! use std::net::{IpAddr, Ipv4Addr, SocketAddr};
//! use std::time::Duration;
//!
//! use avalanche_net::identity::Identity;
//! use avalanche_net::testing::{Link, Simulated};
//! use avalanche_net::transport::Transport;
//! use tokio::time::Instant;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let network = Simulated::new(7, Link { delay: Duration::from_millis(50), ..Link::default() });
//! let node = |number| -> Result<_, Box<dyn std::error::Error>> {
//!     let ip = IpAddr::from(Ipv4Addr::new(10, 0, 0, number));
//!     let identity = Identity::generate()?;
//!     Ok((network.transport(identity.certificate().clone(), ip), ip))
//! };
//! let ((alice, _), (bob, bobs_ip)) = (node(1)?, node(2)?);
//!
//! let start = Instant::now();
//! let mut listener = bob.listen(SocketAddr::new(bobs_ip, 9651)).await?;
//! let accept = async { listener.accept().await?.upgrade().await };
//! let (_dialled, _accepted) = tokio::try_join!(alice.dial((bobs_ip, 9651).into()), accept)?;
//! // Once there and back for TCP, and once for TLS.
//! assert_eq!(start.elapsed(), Duration::from_millis(200));
//! # Ok(())
//! # }
//! ```

mod connection;
mod link;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio::time;

use self::connection::Switchboard;
pub use self::link::Link;
use crate::identity::Certificate;
use crate::transport::registry::{Registry, Taken, Waiting};
use crate::transport::{Connection, Listener, Pending, Transport, TransportError, Upgrade};

/// A network of simulated links. Clones are the same network.
#[derive(Clone, Debug)]
pub struct Simulated {
    registry: Registry,
    switchboard: Switchboard,
}

/// One node's end of a [`Simulated`] network.
#[derive(Clone, Debug)]
pub struct SimulatedTransport {
    network: Simulated,
    certificate: Certificate,
    ip: IpAddr,
}

#[derive(Debug)]
struct Bound {
    network: Simulated,
    taken: Taken,
    certificate: Certificate,
}

struct Accepted {
    network: Simulated,
    waiting: Waiting,
    certificate: Certificate,
    local: IpAddr,
}

impl Simulated {
    /// A network in which all links are alike, until [`set_link`](Self::set_link) says otherwise.
    #[must_use]
    pub fn new(seed: u64, link: Link) -> Self {
        Self { registry: Registry::default(), switchboard: Switchboard::new(seed, link) }
    }

    /// A node at an address.
    #[must_use]
    pub fn transport(&self, certificate: Certificate, ip: IpAddr) -> SimulatedTransport {
        SimulatedTransport { network: self.clone(), certificate, ip }
    }

    /// Changes the link in one direction, for what is sent from now on.
    pub fn set_link(&self, from: IpAddr, to: IpAddr, link: Link) {
        self.switchboard.set_link(from, to, link);
    }

    /// Holds back all that is sent in one direction, and what is under way. Nobody is told: who
    /// waits for bytes, or for a connection, waits.
    pub fn block(&self, from: IpAddr, to: IpAddr) {
        self.switchboard.block(from, to);
    }

    /// [Blocks](Self::block) both directions between each of some nodes and each of others.
    pub fn partition(&self, some: &[IpAddr], others: &[IpAddr]) {
        for &one in some {
            for &other in others {
                self.block(one, other);
                self.block(other, one);
            }
        }
    }

    /// Ends what [`block`](Self::block) began: what was held back arrives after the link's delay.
    pub fn unblock(&self, from: IpAddr, to: IpAddr) {
        self.switchboard.unblock(from, to);
    }

    /// [Unblocks](Self::unblock) all links.
    pub fn heal(&self) {
        self.switchboard.heal();
    }

    /// Breaks all connections between two addresses, at both ends and at once. Says how many.
    #[expect(clippy::must_use_candidate, reason = "it acts; how often is a by-product")]
    pub fn break_connections(&self, one: IpAddr, other: IpAddr) -> usize {
        self.switchboard.break_connections(one, other)
    }

    /// Waits as long as bytes take to a node and back, and as long as a link is blocked.
    async fn round_trip(&self, from: IpAddr, to: IpAddr) {
        for (from, to) in [(from, to), (to, from)] {
            time::sleep(self.switchboard.delay(from, to)).await;
            self.switchboard.unblocked(from, to).await;
        }
    }
}

#[async_trait]
impl Transport for SimulatedTransport {
    async fn dial(&self, addr: SocketAddr) -> Result<Connection, TransportError> {
        let network = &self.network;
        network.round_trip(self.ip, addr.ip()).await;
        let (answer, answered) = oneshot::channel();
        let (near, far) = network.switchboard.connect(self.ip, addr.ip());
        let remote = network.registry.source(self.ip);
        let certificate = self.certificate.clone();
        let far = Waiting { stream: Box::new(far), certificate, remote, answer };
        network.registry.connect(addr, far)?;
        let certificate = answered.await.map_err(|_| TransportError::Closed { remote: addr })?;
        Ok(Connection { stream: Box::new(near), certificate, remote: addr })
    }

    async fn listen(&self, addr: SocketAddr) -> Result<Box<dyn Listener>, TransportError> {
        let (network, certificate) = (self.network.clone(), self.certificate.clone());
        let taken = network.registry.listen(addr)?;
        Ok(Box::new(Bound { network, taken, certificate }))
    }
}

#[async_trait]
impl Listener for Bound {
    fn local_addr(&self) -> SocketAddr {
        self.taken.local()
    }

    async fn accept(&mut self) -> Result<Pending, TransportError> {
        let waiting = self.taken.next().await?;
        let (network, certificate) = (self.network.clone(), self.certificate.clone());
        Ok(Box::new(Accepted { network, waiting, certificate, local: self.taken.local().ip() }))
    }
}

#[async_trait]
impl Upgrade for Accepted {
    fn remote(&self) -> SocketAddr {
        self.waiting.remote
    }

    async fn upgrade(self: Box<Self>) -> Result<Connection, TransportError> {
        let Self { network, waiting, certificate: own, local } = *self;
        let Waiting { stream, certificate, remote, answer } = waiting;
        network.round_trip(local, remote.ip()).await;
        answer.send(own).map_err(|_| TransportError::Closed { remote })?;
        Ok(Connection { stream, certificate, remote })
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted").field("remote", &self.waiting.remote).finish_non_exhaustive()
    }
}
