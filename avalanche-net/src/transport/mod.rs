//! How bytes reach another node: authenticated streams, and who is at their other end.
//!
//! ```text
//!  dial(addr) ------------------------------> Connection { stream, certificate, remote }
//!  listen(addr) --> accept() --> upgrade() -> Connection { stream, certificate, remote }
//!                   (TCP)        (TLS)
//! ```
//!
//! A [`Connection`] says which [`Certificate`] the other end has the key of. Whether that node is
//! wanted, and what is said over the stream, is decided above.
//!
//! | Transport | |
//! |---|---|
//! | [`TcpTransport`] | TLS 1.3 over TCP, as AvalancheGo does it |
//! | [`MemoryTransport`] | within one process, without TLS |
//! | `testing::Simulated` | in memory with delay, loss and partitions, in simulated time |
//!
//! # Reading and writing at once
//!
//! One task for a connection can poll its stream for both through `&mut`: that needs neither a lock
//! nor a second task. `tokio::io::split` works, too; its lock is free unless two threads meet at
//! it. Write in batches: each write becomes a TLS record and, if there is room, a system call.
//!
//! Bytes that a stream took need not be on their way: flush when there is nothing more to write.

mod error;
mod memory;
mod read_ahead;
pub(crate) mod registry;
mod tcp;
mod tls;

use std::fmt;
use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::error::TransportError;
pub use self::memory::{MemoryNetwork, MemoryTransport};
pub use self::tcp::TcpTransport;
use crate::identity::Certificate;

/// Bytes in order, both ways. Implemented for all that can be.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// A connection with a node that has proved to hold the key of its certificate.
pub struct Connection {
    /// The bytes. The end of the stream, however it comes about, ends the connection.
    pub stream: Box<dyn Stream>,
    /// Who is at the other end.
    pub certificate: Certificate,
    /// From where: of a connection that was accepted, not where the peer listens.
    pub remote: SocketAddr,
}

/// Makes connections.
///
/// # Contract
///
/// Checked by `testing::suite`. Both ends see each other's certificate, and bytes arrive in order
/// or not at all. Nothing is bounded in time here: the caller drops what takes too long.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Connects, and waits until the other end is authenticated. It may refuse this end after that:
    /// then the stream ends.
    ///
    /// # Errors
    ///
    /// Nobody listens, the other end closed, or it could not be authenticated.
    ///
    /// # Cancellation
    ///
    /// A dropped call closes what it opened.
    async fn dial(&self, addr: SocketAddr) -> Result<Connection, TransportError>;

    /// Takes an address; with port 0, one with any free port.
    ///
    /// # Errors
    ///
    /// The address is taken, or cannot be.
    async fn listen(&self, addr: SocketAddr) -> Result<Box<dyn Listener>, TransportError>;
}

/// An address at which nodes may connect. Dropping it frees the address.
#[async_trait]
pub trait Listener: Send + fmt::Debug {
    /// The address.
    fn local_addr(&self) -> SocketAddr;

    /// The next connection, of which nothing but the address is known yet. Costs a peer nothing, so
    /// that the caller bounds how many of them there are.
    ///
    /// # Errors
    ///
    /// No connection can be accepted now, because the process has too many files open, say. Wait a
    /// little and call it again.
    ///
    /// # Cancellation
    ///
    /// A dropped call loses no connection.
    async fn accept(&mut self) -> Result<Pending, TransportError>;
}

/// A connection that is not authenticated yet. Dropping it closes it.
pub type Pending = Box<dyn Upgrade>;

/// What makes a connection of a [`Pending`] one.
#[async_trait]
pub trait Upgrade: Send + fmt::Debug {
    /// From where.
    fn remote(&self) -> SocketAddr;

    /// Authenticates both ends. Takes as long as the peer likes: bound it (AvalancheGo: 15 s).
    ///
    /// # Errors
    ///
    /// The peer went away, or could not be authenticated.
    ///
    /// # Cancellation
    ///
    /// A dropped call closes the connection.
    async fn upgrade(self: Box<Self>) -> Result<Connection, TransportError>;
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("certificate", &self.certificate)
            .field("remote", &self.remote)
            .finish_non_exhaustive()
    }
}
