//! TLS over TCP.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::net::{TcpListener, TcpStream};

use super::tls::Tls;
use super::{Connection, Listener, Pending, Transport, TransportError, Upgrade};
use crate::identity::Identity;

/// Connections as those of AvalancheGo: TLS 1.3 over TCP, with the certificate of a node at both
/// ends. Segments are sent at once (`TCP_NODELAY`), and there is no TCP keep-alive: the protocol
/// has pings.
#[derive(Clone, Debug)]
pub struct TcpTransport {
    tls: Tls,
}

#[derive(Debug)]
struct Bound {
    listener: TcpListener,
    local: SocketAddr,
    tls: Tls,
}

#[derive(Debug)]
struct Accepted {
    stream: TcpStream,
    remote: SocketAddr,
    tls: Tls,
}

impl TcpTransport {
    /// A transport with the certificate and key of a node.
    ///
    /// # Errors
    ///
    /// [`TransportError::Setup`].
    pub fn new(identity: &Identity) -> Result<Self, TransportError> {
        Ok(Self { tls: Tls::new(identity)? })
    }
}

#[async_trait]
impl Transport for TcpTransport {
    async fn dial(&self, addr: SocketAddr) -> Result<Connection, TransportError> {
        let failed = |source| TransportError::Io { action: "connect to", addr, source };
        let stream = TcpStream::connect(addr).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        self.tls.connect(stream, addr).await
    }

    async fn listen(&self, addr: SocketAddr) -> Result<Box<dyn Listener>, TransportError> {
        let failed = |source| TransportError::Io { action: "listen at", addr, source };
        let listener = TcpListener::bind(addr).await.map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        Ok(Box::new(Bound { listener, local, tls: self.tls.clone() }))
    }
}

#[async_trait]
impl Listener for Bound {
    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    async fn accept(&mut self) -> Result<Pending, TransportError> {
        loop {
            match self.listener.accept().await {
                Ok((stream, remote)) => {
                    // It fails only if the connection is gone, which the upgrade will find out.
                    let _ = stream.set_nodelay(true);
                    return Ok(Box::new(Accepted { stream, remote, tls: self.tls.clone() }));
                }
                // The peer went away while it waited: not this end's trouble.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(source) => {
                    let (action, addr) = ("accept at", self.local);
                    return Err(TransportError::Io { action, addr, source });
                }
            }
        }
    }
}

#[async_trait]
impl Upgrade for Accepted {
    fn remote(&self) -> SocketAddr {
        self.remote
    }

    async fn upgrade(self: Box<Self>) -> Result<Connection, TransportError> {
        let Self { stream, remote, tls } = *self;
        tls.accept(stream, remote).await
    }
}
