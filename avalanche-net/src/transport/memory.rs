//! Connections within one process.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::registry::{Registry, Taken, Waiting};
use super::{Connection, Listener, Pending, Transport, TransportError, Upgrade};
use crate::identity::Certificate;

/// Bytes that are under way in each direction, at most.
const BUFFER_BYTES: usize = 256 * 1024;

/// A network within one process: addresses, and who listens at them. Clones are the same network.
#[derive(Clone, Debug, Default)]
pub struct MemoryNetwork {
    registry: Registry,
}

/// One node's end of a [`MemoryNetwork`].
///
/// There is no TLS: the certificates are handed over, and whoever has one is believed. At most 1024
/// connections wait to be accepted at an address, and 256 KiB in each direction of a connection.
#[derive(Clone, Debug)]
pub struct MemoryTransport {
    registry: Registry,
    certificate: Certificate,
    ip: IpAddr,
}

#[derive(Debug)]
struct Bound {
    taken: Taken,
    certificate: Certificate,
}

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
        MemoryTransport { registry: self.registry.clone(), certificate, ip }
    }
}

#[async_trait]
impl Transport for MemoryTransport {
    async fn dial(&self, addr: SocketAddr) -> Result<Connection, TransportError> {
        let (answer, answered) = oneshot::channel();
        let (near, far) = tokio::io::duplex(BUFFER_BYTES);
        let remote = self.registry.source(self.ip);
        let certificate = self.certificate.clone();
        let far = Waiting { stream: Box::new(far), certificate, remote, answer };
        self.registry.connect(addr, far)?;
        let certificate = answered.await.map_err(|_| TransportError::Closed { remote: addr })?;
        Ok(Connection { stream: Box::new(near), certificate, remote: addr })
    }

    async fn listen(&self, addr: SocketAddr) -> Result<Box<dyn Listener>, TransportError> {
        let taken = self.registry.listen(addr)?;
        Ok(Box::new(Bound { taken, certificate: self.certificate.clone() }))
    }
}

#[async_trait]
impl Listener for Bound {
    fn local_addr(&self) -> SocketAddr {
        self.taken.local()
    }

    async fn accept(&mut self) -> Result<Pending, TransportError> {
        let waiting = self.taken.next().await?;
        Ok(Box::new(Accepted { waiting, certificate: self.certificate.clone() }))
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
        Ok(Connection { stream, certificate, remote })
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted").field("remote", &self.waiting.remote).finish_non_exhaustive()
    }
}
