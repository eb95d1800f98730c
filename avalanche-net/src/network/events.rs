//! What happens on the network, for whoever wants to know.

use std::net::SocketAddr;
use std::sync::Arc;

use avalanche_consensus::NodeId;

use crate::CloseReason;
use crate::peers::PeerInfo;

/// Something that happened on the network.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NetworkEvent {
    /// The handshake with a peer is complete; messages flow from now on.
    Connected {
        /// What the peer said of itself.
        peer: Arc<PeerInfo>,
        /// The other end of the connection.
        remote: SocketAddr,
    },
    /// A connection ended, or was refused.
    Disconnected {
        /// The peer, if TLS got as far as its certificate.
        node_id: Option<NodeId>,
        /// The other end of the connection.
        remote: SocketAddr,
        /// Whether [`NetworkEvent::Connected`] was said of it.
        was_connected: bool,
        /// Why.
        reason: CloseReason,
    },
    /// An address could not be reached. It is tried again, with growing delays, as long as it is
    /// wanted.
    DialFailed {
        /// The address.
        address: SocketAddr,
        /// What went wrong.
        reason: CloseReason,
    },
}
