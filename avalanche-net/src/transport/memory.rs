//! Connections within one process.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, oneshot};

use super::{Connection, Listener, Pending, Transport, TransportError, Upgrade};
use crate::identity::Certificate;

/// Connections that wait to be accepted, at most, for each address. More are refused, as by TCP.
const BACKLOG: usize = 1024;
/// Bytes that are under way in each direction, at most.
const BUFFER_BYTES: usize = 256 * 1024;
/// The first port that is given to those who ask for none.
const FIRST_FREE_PORT: u16 = 49_152;

/// A network within one process: addresses, and who listens at them. Clones are the same network.
#[derive(Clone, Debug, Default)]
pub struct MemoryNetwork {
    addresses: Arc<Mutex<Addresses>>,
}

#[derive(Debug, Default)]
struct Addresses {
    listeners: BTreeMap<SocketAddr, mpsc::Sender<Waiting>>,
    /// Ports that were given out.
    given: u16,
}

/// One node's end of a [`MemoryNetwork`].
///
/// There is no TLS: the certificates are handed over, and whoever has one is believed.
#[derive(Clone, Debug)]
pub struct MemoryTransport {
    network: MemoryNetwork,
    certificate: Certificate,
    ip: IpAddr,
}

#[derive(Debug)]
struct Bound {
    addresses: Weak<Mutex<Addresses>>,
    certificate: Certificate,
    local: SocketAddr,
    queue: mpsc::Receiver<Waiting>,
}

/// A connection that was not accepted yet, or not upgraded.
#[derive(Debug)]
struct Waiting {
    stream: DuplexStream,
    certificate: Certificate,
    remote: SocketAddr,
    /// Where the dialling end waits for the certificate of this one.
    answer: oneshot::Sender<Certificate>,
}

#[derive(Debug)]
struct Accepted {
    waiting: Waiting,
    certificate: Certificate,
}

impl MemoryNetwork {
    /// A network without nodes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A node with a certificate, whose connections come from an address.
    #[must_use]
    pub fn transport(&self, certificate: Certificate, ip: IpAddr) -> MemoryTransport {
        MemoryTransport { network: self.clone(), certificate, ip }
    }

    fn lock(&self) -> MutexGuard<'_, Addresses> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Addresses {
    fn free_port(&mut self) -> u16 {
        let ports = u16::MAX - FIRST_FREE_PORT;
        let port = FIRST_FREE_PORT + self.given % ports;
        self.given = (self.given + 1) % ports;
        port
    }

    /// Puts a listener at an address, or at a free port of it.
    fn bind(
        &mut self,
        addr: SocketAddr,
        sender: mpsc::Sender<Waiting>,
    ) -> Result<SocketAddr, io::ErrorKind> {
        let mut local = addr;
        let mut tries = u16::MAX - FIRST_FREE_PORT;
        while local.port() == 0 || (addr.port() == 0 && self.listeners.contains_key(&local)) {
            tries = tries.checked_sub(1).ok_or(io::ErrorKind::AddrInUse)?;
            local.set_port(self.free_port());
        }
        if self.listeners.contains_key(&local) {
            return Err(io::ErrorKind::AddrInUse);
        }
        self.listeners.insert(local, sender);
        Ok(local)
    }
}

#[async_trait]
impl Transport for MemoryTransport {
    async fn dial(&self, addr: SocketAddr) -> Result<Connection, TransportError> {
        let refused = || TransportError::Io {
            action: "connect to",
            addr,
            source: io::ErrorKind::ConnectionRefused.into(),
        };
        let (answer, answered) = oneshot::channel();
        let (near, far) = tokio::io::duplex(BUFFER_BYTES);
        let (listener, remote) = {
            let mut addresses = self.network.lock();
            let listener = addresses.listeners.get(&addr).cloned().ok_or_else(refused)?;
            (listener, SocketAddr::new(self.ip, addresses.free_port()))
        };
        let certificate = self.certificate.clone();
        let waiting = Waiting { stream: far, certificate, remote, answer };
        listener.try_send(waiting).map_err(|_| refused())?;
        let certificate = answered.await.map_err(|_| TransportError::Closed { remote: addr })?;
        Ok(Connection { stream: Box::new(near), certificate, remote: addr })
    }

    async fn listen(&self, addr: SocketAddr) -> Result<Box<dyn Listener>, TransportError> {
        let (sender, queue) = mpsc::channel(BACKLOG);
        let local = self.network.lock().bind(addr, sender).map_err(|kind| TransportError::Io {
            action: "listen at",
            addr,
            source: kind.into(),
        })?;
        let addresses = Arc::downgrade(&self.network.addresses);
        Ok(Box::new(Bound { addresses, certificate: self.certificate.clone(), local, queue }))
    }
}

#[async_trait]
impl Listener for Bound {
    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    async fn accept(&mut self) -> Result<Pending, TransportError> {
        // The network holds the other end as long as this one is bound.
        let waiting = self.queue.recv().await.ok_or_else(|| TransportError::Io {
            action: "accept at",
            addr: self.local,
            source: io::ErrorKind::NotConnected.into(),
        })?;
        Ok(Box::new(Accepted { waiting, certificate: self.certificate.clone() }))
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Some(addresses) = self.addresses.upgrade() {
            let mut addresses = addresses.lock().unwrap_or_else(PoisonError::into_inner);
            addresses.listeners.remove(&self.local);
        }
    }
}

#[async_trait]
impl Upgrade for Accepted {
    fn remote(&self) -> SocketAddr {
        self.waiting.remote
    }

    async fn upgrade(self: Box<Self>) -> Result<Connection, TransportError> {
        let Self { waiting, certificate: own } = *self;
        let Waiting { stream, certificate, remote, answer } = waiting;
        answer.send(own).map_err(|_| TransportError::Closed { remote })?;
        Ok(Connection { stream: Box::new(stream), certificate, remote })
    }
}
