//! Which peer to ask next while catching up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::ContinuousAverager;
use super::peer_set::PeerSet;
use crate::sampler::Source;
use crate::{Error, NodeId, Timestamp};

/// Remembers how fast each connected peer delivers, and chooses whom to ask for more (AvalancheGo's
/// `network/p2p/peer_tracker.go`).
///
/// A peer is *untracked* until it is asked first and *tracked* from then on. It is *responsive*
/// while its last request was answered. With few responsive peers new ones are tried; later mostly
/// the fastest that has nothing to do is asked.
///
/// ```text
///              fewer than 20 responsive, or
///              with chance exp(-0.1 responsive)
///   select ---------------------------------------> any untracked
///      |                                               | none
///      +--- 4 of 5 ---> fastest without a request <----+---> 1 of 5: any responsive
///                              | none                               | none
///                              +---> any tracked, else nobody <-----+
/// ```
///
/// Choices take their numbers from a [`Source`], so equal sources and equal calls choose equal
/// peers.
///
/// # Limits
///
/// At most [`PeerTracker::PEERS_MAX`] peers unless [`PeerTracker::with_peers_max`] says otherwise.
/// Every call is O(log n).
///
/// ```
/// use std::time::Duration;
///
/// use avalanche_consensus::network::PeerTracker;
/// use avalanche_consensus::sampler::Mt19937x64;
/// use avalanche_consensus::{NodeId, Timestamp};
///
/// let mut source = Mt19937x64::new(1);
/// let mut tracker = PeerTracker::new(NodeId::new([0; 20]));
/// tracker.connect(NodeId::new([1; 20]))?;
/// let peer = tracker.select(&mut source).expect("somebody is connected");
/// tracker.register_request(&peer);
/// tracker.register_response(&peer, 2_000, Duration::from_millis(10), Timestamp::from_millis(10));
/// assert_eq!(tracker.responsive(), 1);
/// # Ok::<(), avalanche_consensus::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PeerTracker {
    own: NodeId,
    peers_max: usize,
    /// Connected peers with what they deliver, in bytes per second; `None` before the first
    /// outcome.
    peers: BTreeMap<NodeId, Option<ContinuousAverager>>,
    untracked: PeerSet,
    tracked: PeerSet,
    responsive: PeerSet,
    /// Tracked peers without a request, by bandwidth.
    idle: BTreeSet<(Bandwidth, NodeId)>,
}

/// Bytes per second, never negative and always finite: so the bits are in the order of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Bandwidth(u64);

/// Responsive peers below which new ones are tried whenever there are any.
const RESPONSIVE_MIN: usize = 20;
/// How fast the chance of a new peer falls with each responsive one.
const NEW_PEER_FACTOR: f64 = 0.1;
/// The chance that the fastest peer is asked, rather than any responsive one.
const FASTEST_CHANCE: f64 = 0.8;
/// The time after which a measured bandwidth counts half.
const HALF_LIFE: Duration = Duration::from_mins(5);
/// Added to every latency, so that an answer at once has a bandwidth too.
const LATENCY_EPSILON_SECONDS: f64 = 1e-6;

impl PeerTracker {
    /// Connected peers unless the caller says otherwise: 65,536.
    pub const PEERS_MAX: usize = 1 << 16;

    /// A tracker without peers. The node `own` is never one.
    #[must_use]
    pub fn new(own: NodeId) -> Self {
        Self {
            own,
            peers_max: Self::PEERS_MAX,
            peers: BTreeMap::new(),
            untracked: PeerSet::default(),
            tracked: PeerSet::default(),
            responsive: PeerSet::default(),
            idle: BTreeSet::new(),
        }
    }

    /// Sets the number of peers. Peers that are known stay.
    #[must_use]
    pub const fn with_peers_max(mut self, max: usize) -> Self {
        self.peers_max = max;
        self
    }

    /// Notes that a peer is connected; once more does nothing, and neither does oneself.
    ///
    /// # Errors
    ///
    /// [`Error::ConnectionsFull`] if as many peers as allowed are connected. Then nothing has
    /// changed.
    pub fn connect(&mut self, node: NodeId) -> Result<(), Error> {
        if node == self.own || self.peers.contains_key(&node) {
            return Ok(());
        }
        if self.peers.len() >= self.peers_max {
            return Err(Error::ConnectionsFull { max: self.peers_max });
        }
        self.peers.insert(node, None);
        self.untracked.insert(node);
        Ok(())
    }

    /// Forgets a peer; nothing happens if it was not connected.
    pub fn disconnect(&mut self, node: &NodeId) {
        self.leave_idle(node);
        self.peers.remove(node);
        self.untracked.remove(node);
        self.tracked.remove(node);
        self.responsive.remove(node);
    }

    /// Chooses whom to ask, or `None` if nobody is connected that could be. It changes nothing:
    /// report the request with [`PeerTracker::register_request`].
    pub fn select<S: Source + ?Sized>(&self, source: &mut S) -> Option<NodeId> {
        if self.wants_new_peer(source)
            && let Some(node) = self.untracked.draw(source)
        {
            return Some(node);
        }
        let chosen = if fraction(source) < FASTEST_CHANCE {
            self.idle.last().map(|(_, node)| *node)
        } else {
            self.responsive.draw(source)
        };
        chosen.or_else(|| self.tracked.draw(source))
    }

    /// Notes that a peer was asked. It is not the fastest idle one until the outcome is known.
    pub fn register_request(&mut self, node: &NodeId) {
        if !self.peers.contains_key(node) {
            return;
        }
        self.leave_idle(node);
        self.untracked.remove(node);
        self.tracked.insert(*node);
    }

    /// Notes that a peer delivered `bytes` after `latency`.
    pub fn register_response(
        &mut self,
        node: &NodeId,
        bytes: u64,
        latency: Duration,
        now: Timestamp,
    ) {
        let bandwidth = bytes as f64 / (latency.as_secs_f64() + LATENCY_EPSILON_SECONDS);
        if self.register(node, bandwidth, now) {
            self.responsive.insert(*node);
        }
    }

    /// Notes that a peer did not answer, or answered something useless: a bandwidth of zero.
    pub fn register_failure(&mut self, node: &NodeId, now: Timestamp) {
        if self.register(node, 0.0, now) {
            self.responsive.remove(node);
        }
    }

    /// What a peer delivers, in bytes per second; `None` before its first outcome.
    #[must_use]
    pub fn bandwidth(&self, node: &NodeId) -> Option<f64> {
        self.peers.get(node)?.as_ref().map(ContinuousAverager::read)
    }

    /// Whether a peer is connected.
    #[must_use]
    pub fn is_connected(&self, node: &NodeId) -> bool {
        self.peers.contains_key(node)
    }

    /// Whether a peer answered its last request.
    #[must_use]
    pub fn is_responsive(&self, node: &NodeId) -> bool {
        self.responsive.contains(node)
    }

    /// Number of connected peers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether no peer is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Number of connected peers that were never asked.
    #[must_use]
    pub fn untracked(&self) -> usize {
        self.untracked.len()
    }

    /// Number of peers that answered their last request.
    #[must_use]
    pub fn responsive(&self) -> usize {
        self.responsive.len()
    }

    /// Whether one that was never asked is to be tried, if there is one.
    fn wants_new_peer<S: Source + ?Sized>(&self, source: &mut S) -> bool {
        let responsive = self.responsive.len();
        responsive < RESPONSIVE_MIN
            || (self.untracked.len() > 0
                && fraction(source) < libm::exp(-NEW_PEER_FACTOR * responsive as f64))
    }

    /// Takes in an outcome; false if the peer is not connected or was never asked.
    fn register(&mut self, node: &NodeId, bandwidth: f64, now: Timestamp) -> bool {
        if !self.tracked.contains(node) {
            return false;
        }
        self.leave_idle(node);
        let Some(average) = self.peers.get_mut(node) else { return false };
        match average {
            Some(average) => average.observe(bandwidth, now),
            None => *average = Some(ContinuousAverager::new(bandwidth, HALF_LIFE, now)),
        }
        if let Some(read) = self.bandwidth(node) {
            self.idle.insert((Bandwidth(read.to_bits()), *node));
        }
        true
    }

    fn leave_idle(&mut self, node: &NodeId) {
        if let Some(read) = self.bandwidth(node) {
            self.idle.remove(&(Bandwidth(read.to_bits()), *node));
        }
    }
}

/// A uniform number in `[0, 1)`.
fn fraction<S: Source + ?Sized>(source: &mut S) -> f64 {
    const STEPS: f64 = (1_u64 << 53) as f64;
    (source.next_u64() >> 11) as f64 / STEPS
}

#[cfg(test)]
mod tests;
