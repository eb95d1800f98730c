//! Who listens at which address of a network within one process.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::{Stream, TransportError};
use crate::identity::Certificate;

/// Connections that wait to be accepted, at most, for each address. More are refused, as by TCP.
const BACKLOG: usize = 1024;
/// The first port that is given to those who ask for none.
const FIRST_FREE_PORT: u16 = 49_152;
const FREE_PORTS: u16 = u16::MAX - FIRST_FREE_PORT;

/// The addresses of a network. Clones are the same network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry(Arc<Mutex<Addresses>>);

#[derive(Debug, Default)]
struct Addresses {
    listeners: BTreeMap<SocketAddr, mpsc::Sender<Waiting>>,
    /// Ports that were given out, modulo their number.
    given: u16,
}

/// The far end of a connection that was not accepted yet, or not upgraded.
pub(crate) struct Waiting {
    pub(crate) stream: Box<dyn Stream>,
    /// Whose connection it is.
    pub(crate) certificate: Certificate,
    pub(crate) remote: SocketAddr,
    /// Where the near end waits for the certificate of this one.
    pub(crate) answer: oneshot::Sender<Certificate>,
}

/// An address that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    registry: Registry,
    local: SocketAddr,
    queue: mpsc::Receiver<Waiting>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Addresses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an address; with port 0, one with a free port.
    pub(crate) fn listen(&self, addr: SocketAddr) -> Result<Taken, TransportError> {
        let (sender, queue) = mpsc::channel(BACKLOG);
        let local = self.lock().bind(addr, sender).ok_or_else(|| TransportError::Io {
            action: "listen at",
            addr,
            source: io::ErrorKind::AddrInUse.into(),
        })?;
        Ok(Taken { registry: self.clone(), local, queue })
    }

    /// An address from which a connection comes.
    pub(crate) fn source(&self, ip: IpAddr) -> SocketAddr {
        SocketAddr::new(ip, self.lock().free_port())
    }

    /// Puts a connection before whoever listens.
    pub(crate) fn connect(&self, addr: SocketAddr, far: Waiting) -> Result<(), TransportError> {
        let listener = self.lock().listeners.get(&addr).cloned();
        let connected = listener.is_some_and(|listener| listener.try_send(far).is_ok());
        connected.then_some(()).ok_or_else(|| TransportError::Io {
            action: "connect to",
            addr,
            source: io::ErrorKind::ConnectionRefused.into(),
        })
    }
}

impl Addresses {
    fn free_port(&mut self) -> u16 {
        let port = FIRST_FREE_PORT + self.given;
        self.given = (self.given + 1) % FREE_PORTS;
        port
    }

    fn bind(&mut self, addr: SocketAddr, queue: mpsc::Sender<Waiting>) -> Option<SocketAddr> {
        let mut local = addr;
        let mut tries = FREE_PORTS;
        while local.port() == 0 || (addr.port() == 0 && self.listeners.contains_key(&local)) {
            tries = tries.checked_sub(1)?;
            local.set_port(self.free_port());
        }
        if self.listeners.contains_key(&local) {
            return None;
        }
        self.listeners.insert(local, queue);
        Some(local)
    }
}

impl Taken {
    pub(crate) const fn local(&self) -> SocketAddr {
        self.local
    }

    /// The next connection. A dropped call loses none.
    pub(crate) async fn next(&mut self) -> Result<Waiting, TransportError> {
        // It never ends: the registry holds the other end until this one is dropped.
        self.queue.recv().await.ok_or_else(|| TransportError::Io {
            action: "accept at",
            addr: self.local,
            source: io::ErrorKind::NotConnected.into(),
        })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.registry.lock().listeners.remove(&self.local);
    }
}
