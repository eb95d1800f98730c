//! The life of one connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use avalanche_consensus::Timestamp;

use super::Direction;
use crate::CloseReason;
use crate::identity::{BlsPublicKey, Certificate};
use crate::peers::PeerInfo;
use crate::throttle::TokenBucket;

/// Peer lists and questions for them that are looked at, a second and at once. AvalancheGo sends
/// one in two seconds; those that come faster are ignored.
const LISTS_PER_SECOND: u64 = 2;
const LISTS_AT_ONCE: u64 = 8;

/// One connection: TLS is done, and it is not closed.
///
/// ```text
///               Handshake                PeerList
///   greeting  ------------>  greeted  ------------>  finished
///      |                        |                       |
///      +---- no end of the handshake in time -----------+----> closed
/// ```
///
/// Both ends send their handshake at once, and answer the other's with a peer list, be it empty
/// (AvalancheGo `network/peer/peer.go`).
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) direction: Direction,
    pub(super) certificate: Certificate,
    pub(super) remote: SocketAddr,
    /// What its handshake said.
    pub(super) info: Option<Arc<PeerInfo>>,
    pub(super) finished: bool,
    /// The registered key with which the signature of its address was verified.
    pub(super) bls_verified: Option<BlsPublicKey>,
    /// Peer lists, asked for and told: they cost more than they weigh.
    lists: TokenBucket,
    opened: Timestamp,
    next_ping: Timestamp,
    /// When the ping was sent that was not answered yet.
    ping_sent: Option<Timestamp>,
}

/// What is due on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A ping.
    Ping,
    /// Its end.
    Close(CloseReason),
}

impl Peer {
    pub(super) fn new(
        direction: Direction,
        certificate: Certificate,
        remote: SocketAddr,
        now: Timestamp,
        ping_interval: Duration,
    ) -> Self {
        Self {
            direction,
            certificate,
            remote,
            info: None,
            finished: false,
            bls_verified: None,
            lists: TokenBucket::new(LISTS_PER_SECOND, LISTS_AT_ONCE),
            opened: now,
            next_ping: now.after(ping_interval),
            ping_sent: None,
        }
    }

    /// When [`Peer::due`] has something.
    pub(super) fn deadline(&self, handshake_timeout: Duration) -> Timestamp {
        if self.finished {
            self.next_ping
        } else {
            self.next_ping.min(self.opened.after(handshake_timeout))
        }
    }

    /// What is due. A ping is due once in each interval, from the start of the connection.
    pub(super) fn due(
        &mut self,
        now: Timestamp,
        ping_interval: Duration,
        handshake_timeout: Duration,
    ) -> Option<Due> {
        if !self.finished && now >= self.opened.after(handshake_timeout) {
            return Some(Due::Close(CloseReason::Timeout));
        }
        if now < self.next_ping {
            return None;
        }
        self.next_ping = now.after(ping_interval);
        // The oldest unanswered one counts, so that a lost pong shows as a long latency.
        self.ping_sent.get_or_insert(now);
        Some(Due::Ping)
    }

    /// Whether one more peer list, or question for one, is looked at.
    pub(super) fn may_list(&mut self, now: Timestamp) -> bool {
        self.lists.try_take(1, now)
    }

    /// A pong came: the time that it took.
    pub(super) fn pong(&mut self, now: Timestamp) -> Result<Duration, CloseReason> {
        let sent = self.ping_sent.take().ok_or(CloseReason::UnexpectedPong)?;
        Ok(now.since(sent))
    }

    /// Whether its handshake came.
    pub(super) fn is_greeted(&self) -> bool {
        self.info.is_some()
    }
}
