//! What goes into and comes out of the control of a network.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use avalanche_consensus::{Id, NodeId, Timestamp};

use crate::CloseReason;
use crate::identity::{BlsPublicKey, Certificate};
use crate::peers::PeerInfo;
use crate::wire::Body;

/// Names one connection for as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.0)
    }
}

/// A point in time, by both clocks that the protocol knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// For durations; never decreases.
    pub now: Timestamp,
    /// The time of day: seconds since 1970. Peers compare it, and sign it with their addresses.
    pub unix: u64,
}

/// Who dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The peer did.
    Inbound,
    /// This node did.
    Outbound {
        /// The address that was dialled, as in [`Output::Dial`].
        address: SocketAddr,
    },
}

/// A validator, as peers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerValidator {
    /// The node.
    pub node_id: NodeId,
    /// Its stake.
    pub weight: u64,
    /// Its registered BLS key, which must have signed its address. Only validators of the primary
    /// network have one.
    pub bls_key: Option<BlsPublicKey>,
}

/// Something that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// TLS is done on a new connection.
    Opened {
        /// A name that was not used before.
        connection: ConnectionId,
        /// Who dialled.
        direction: Direction,
        /// Of the other end.
        certificate: Certificate,
        /// Of the other end.
        remote: SocketAddr,
    },
    /// A message of class [`Control`](crate::wire::Class::Control) came.
    Received {
        /// Where.
        connection: ConnectionId,
        /// The message.
        body: Body,
    },
    /// A connection broke, or the shell had to end it.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
    /// What [`Output::Dial`] asked for did not work.
    DialFailed {
        /// The address.
        address: SocketAddr,
        /// Why.
        reason: CloseReason,
    },
    /// The user wants a connection with whoever is at this address.
    Connect {
        /// The address.
        address: SocketAddr,
    },
    /// The user wants a connection with this node, at this address until it claims another.
    Track {
        /// The node.
        node_id: NodeId,
        /// Its address.
        address: SocketAddr,
    },
    /// The validators of a subnet are these from now on.
    Validators {
        /// The subnet; [`Id::EMPTY`] is the primary network.
        subnet: Id,
        /// All of them.
        validators: Vec<PeerValidator>,
    },
    /// A request to a node was answered after so long, or not at all.
    Outcome {
        /// The node.
        node_id: NodeId,
        /// How long the answer took; `None` if there was none in time.
        latency: Option<Duration>,
    },
    /// The user bans a node, or lifts its ban.
    Ban {
        /// The node.
        node_id: NodeId,
        /// For how long; `None` lifts a ban.
        duration: Option<Duration>,
    },
}

/// Something to do, in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Output {
    /// The connection is taken: read it and write it from now on.
    Serve {
        /// Which.
        connection: ConnectionId,
    },
    /// Send a message.
    Send {
        /// To whom.
        connection: ConnectionId,
        /// The message.
        body: Body,
    },
    /// The handshake is complete: messages of chains flow in both directions from now on.
    Connected {
        /// Which connection.
        connection: ConnectionId,
        /// What the peer said of itself.
        peer: Arc<PeerInfo>,
        /// The other end.
        remote: SocketAddr,
    },
    /// The connection is over. If it is still open, close it.
    Ended {
        /// Which.
        connection: ConnectionId,
        /// The peer.
        node_id: NodeId,
        /// The other end.
        remote: SocketAddr,
        /// Whether [`Output::Connected`] was said of it.
        was_connected: bool,
        /// Why.
        reason: CloseReason,
    },
    /// Open a connection; answer with [`Event::Opened`] or [`Event::DialFailed`].
    Dial {
        /// Where.
        address: SocketAddr,
    },
}
