//! Which nodes are wanted, and where the newest of their claims says they are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use avalanche_consensus::sampler::{Source, Uniform};
use avalanche_consensus::{Id, NodeId, Timestamp};
use bytes::Bytes;

use super::gossipable::Gossipable;
use super::{Bloom, ClaimedIp, Filter, PRIMARY_NETWORK, Parameters, SeedStream};
use crate::CloseReason;
use crate::wire::p2p;

/// Most nodes in a peer list (AvalancheGo `utils/constants/networking.go`,
/// `DefaultNetworkPeerListNumValidatorIPs`).
pub const PEER_LIST_MAX: usize = 15;

/// Entries of a peer list that are looked at; those above are ignored. AvalancheGo sends 15 unless
/// it is configured otherwise, and looks at all.
pub const PEER_LIST_ENTRIES_MAX: usize = 1 << 10;

const FALSE_POSITIVES: f64 = 0.001;
const FALSE_POSITIVES_MAX: f64 = 0.01;
const COUNT_MIN: usize = 128;
const ADDITIONS_PER_NODE: u8 = 2;

/// What an [`IpTracker`] looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerConfig {
    /// This node, which is never wanted.
    pub own: NodeId,
    /// The subnets that this node tracks; the primary network is always tracked.
    pub tracked_subnets: BTreeSet<Id>,
    /// Whether the validators of all subnets are wanted: no.
    pub connect_to_all_validators: bool,
    /// How far in the future a claim may be signed; whole seconds count. AvalancheGo's is 60 s.
    pub max_clock_difference: Duration,
    /// How often the bloom filter is made anew. AvalancheGo's is 60 s.
    pub bloom_reset: Duration,
    /// Nodes that are tracked: 65,536. A claim has 1 to 3 KiB.
    pub nodes_max: usize,
}

impl TrackerConfig {
    /// AvalancheGo's defaults for a node.
    #[must_use]
    pub const fn new(own: NodeId) -> Self {
        Self {
            own,
            tracked_subnets: BTreeSet::new(),
            connect_to_all_validators: false,
            max_clock_difference: Duration::from_mins(1),
            bloom_reset: Duration::from_mins(1),
            nodes_max: 1 << 16,
        }
    }
}

/// Who asks for peers, and what it gets.
#[derive(Clone, Copy, Debug)]
pub struct PeerListRequest<'a> {
    /// The peer, which is not told of itself.
    pub requester: NodeId,
    /// The subnets that it tracks, the primary network among them.
    pub tracked_subnets: &'a BTreeSet<Id>,
    /// Whether it asked for the nodes of all subnets.
    pub all_subnets: bool,
    /// What it knows already; `None` if it sent no filter with its handshake.
    pub known_peers: Option<&'a Filter>,
}

/// Knows which nodes are wanted, the newest address that each of them claims, and whom to tell of
/// them (AvalancheGo `network/ip_tracker.go`).
///
/// A node is *tracked* if it validates any subnet or was added by the operator, and *wanted* if it
/// was added by the operator, or validates the primary network or a subnet that this node tracks.
/// Claims of tracked nodes are kept, one each: that of the latest time. Only wanted nodes are
/// dialled. Claims of other nodes are not even verified.
///
/// A node is told to others if it validates a subnet (or the operator said so), is connected, and
/// tracks that subnet.
///
/// # Limits
///
/// [`TrackerConfig::nodes_max`] tracked nodes, of each at most one claim; further nodes are not
/// tracked and counted in [`IpTracker::refused`]. As many connected nodes as the caller says. A
/// node adds at most two claims to the filter between two resets of it. A peer list costs a hash
/// for each connected validator, at worst.
#[derive(Clone, Debug)]
pub struct IpTracker {
    config: TrackerConfig,
    random: SeedStream,
    tracked: BTreeMap<NodeId, Tracked>,
    connected: BTreeMap<NodeId, Connected>,
    subnets: BTreeMap<Id, Gossipable>,
    /// What this node knows, to be sent with requests for peers.
    bloom: Bloom,
    /// Claims of each node that were added to the filter.
    additions: BTreeMap<NodeId, u8>,
    next_reset: Timestamp,
    refused: u64,
}

#[derive(Clone, Debug, Default)]
struct Tracked {
    manual: bool,
    /// The subnets that it validates, or in which the operator wants it to be gossiped.
    subnets: BTreeSet<Id>,
    claim: Option<ClaimedIp>,
}

#[derive(Clone, Debug)]
struct Connected {
    claim: ClaimedIp,
    tracked_subnets: BTreeSet<Id>,
}

impl IpTracker {
    /// A tracker that knows nobody. Salts and seeds of its filters come from `seed`.
    #[must_use]
    pub fn new(config: TrackerConfig, seed: &[u8; 32], now: Timestamp) -> Self {
        let mut random = SeedStream::new(seed);
        let bloom = new_bloom(0, &mut random);
        let next_reset = now.after(config.bloom_reset);
        Self {
            config,
            random,
            tracked: BTreeMap::new(),
            connected: BTreeMap::new(),
            subnets: BTreeMap::new(),
            bloom,
            additions: BTreeMap::new(),
            next_reset,
            refused: 0,
        }
    }

    /// Wants a node whatever it is: a bootstrap beacon, or one that the operator named. Returns
    /// whether there was room.
    pub fn track_manually(&mut self, node: NodeId) -> bool {
        let Some(tracked) = self.track(node) else { return false };
        tracked.manual = true;
        true
    }

    /// Wants a node no longer that [`IpTracker::track_manually`] added, unless it is wanted as a
    /// validator.
    pub fn untrack_manually(&mut self, node: &NodeId) {
        if let Some(tracked) = self.tracked.get_mut(node) {
            tracked.manual = false;
        }
        self.forget_if_unneeded(node);
    }

    /// Tells others of a node in a subnet as if it were a validator of it, for good, and wants it if
    /// the subnet is tracked. Nodes should agree on such nodes, or they send each other the same
    /// claims again and again. Returns whether there was room.
    pub fn gossip_manually(&mut self, subnet: Id, node: NodeId) -> bool {
        let wanted = self.tracks(&subnet);
        self.add_to_subnet(subnet, node, true) && (!wanted || self.track_manually(node))
    }

    /// Takes in that a node became a validator of a subnet. Returns whether there was room.
    pub fn validator_added(&mut self, subnet: Id, node: NodeId) -> bool {
        self.add_to_subnet(subnet, node, false)
    }

    /// Takes in that a node is no validator of a subnet any more.
    pub fn validator_removed(&mut self, subnet: Id, node: &NodeId) {
        let Some(gossipable) = self.subnets.get_mut(&subnet) else { return };
        if !gossipable.remove_member(node) {
            return;
        }
        if gossipable.is_empty() {
            self.subnets.remove(&subnet);
        }
        if let Some(tracked) = self.tracked.get_mut(node) {
            tracked.subnets.remove(&subnet);
        }
        self.forget_if_unneeded(node);
    }

    /// Takes in who all the validators of a subnet are. Returns whether there was room for all.
    pub fn set_validators(&mut self, subnet: Id, validators: &BTreeSet<NodeId>) -> bool {
        let known = self.subnets.get(&subnet).map(Gossipable::members);
        let gone: Vec<_> = known
            .into_iter()
            .flatten()
            .filter(|node| !validators.contains(node))
            .copied()
            .collect();
        gone.iter().for_each(|node| self.validator_removed(subnet, node));
        // All are tried, room or no room.
        let added = validators.iter().filter(|node| self.validator_added(subnet, **node)).count();
        added == validators.len()
    }

    /// Takes in that a handshake was finished: where the peer says it is, and what it tracks.
    pub fn connected(&mut self, claim: &ClaimedIp, tracked_subnets: &BTreeSet<Id>) {
        let node = claim.node_id();
        self.disconnected(&node);
        self.add_claim(claim);
        for subnet in tracked_subnets {
            if let Some(gossipable) = self.subnets.get_mut(subnet) {
                gossipable.arrive(node);
            }
        }
        let peer = Connected { claim: claim.detached(), tracked_subnets: tracked_subnets.clone() };
        self.connected.insert(node, peer);
    }

    /// Takes in that a connection ended. Returns where to dial the node, if it is wanted.
    pub fn disconnected(&mut self, node: &NodeId) -> Option<SocketAddr> {
        let peer = self.connected.remove(node)?;
        for subnet in &peer.tracked_subnets {
            if let Some(gossipable) = self.subnets.get_mut(subnet) {
                gossipable.leave(node);
            }
        }
        self.wanted_addr(node)
    }

    /// Takes in a peer list. Returns the nodes of which it told something new and that are to be
    /// dialled unless they are connected, in the order of the list, the last address of each.
    ///
    /// Claims that are not newer than the known one are skipped, and so are those of nodes that are
    /// not tracked, or, unless this node looks after all subnets, not wanted. `unix` is this node's
    /// time in seconds.
    ///
    /// # Errors
    ///
    /// Why the connection must end: [`CloseReason::MalformedPeerList`] if any entry is malformed,
    /// [`CloseReason::InvalidSignature`] if one that is not skipped is signed wrongly, or in the
    /// future. Then nothing of the list is taken in (AvalancheGo keeps what stood before).
    pub fn claimed(
        &mut self,
        unix: u64,
        list: &p2p::PeerList,
    ) -> Result<Vec<(NodeId, SocketAddr)>, CloseReason> {
        let entries = list.claimed_ip_ports.iter().take(PEER_LIST_ENTRIES_MAX);
        let claims = entries.map(ClaimedIp::parse).collect::<Result<Vec<_>, _>>()?;
        let all_subnets = self.looks_after_all_subnets();
        let news: Vec<_> = claims.iter().filter(|claim| self.is_news(claim, all_subnets)).collect();
        for claim in &news {
            claim.verify(unix, self.config.max_clock_difference)?;
        }
        let mut nodes = Vec::new();
        for claim in news {
            if self.add_claim(claim) && self.wants(&claim.node_id()) {
                nodes.retain(|(node, _)| *node != claim.node_id());
                nodes.push((claim.node_id(), claim.addr()));
            }
        }
        Ok(nodes)
    }

    /// Takes in a claim that this node kept from an earlier run, if it is news and verifies. Returns
    /// where to dial the node, if it is wanted.
    pub fn restore(&mut self, unix: u64, claim: &ClaimedIp) -> Option<SocketAddr> {
        let taken = self.is_news(claim, true)
            && claim.verify(unix, self.config.max_clock_difference).is_ok()
            && self.add_claim(claim);
        if taken { self.wanted_addr(&claim.node_id()) } else { None }
    }

    /// Nodes for a peer that asks: at most [`PEER_LIST_MAX`], drawn from `source`, that its filter
    /// does not contain, without itself.
    ///
    /// They are nodes of the subnets that both sides track; of all subnets that this node knows if
    /// it looks after all and the peer asked for all; of all that the peer tracks if only this node
    /// does (AvalancheGo `network/network.go`, `Peers`).
    #[must_use]
    pub fn peer_list<S: Source + ?Sized>(
        &self,
        request: PeerListRequest<'_>,
        source: &mut S,
    ) -> Vec<ClaimedIp> {
        let all = self.looks_after_all_subnets();
        let subnets: Vec<Id> = if all && request.all_subnets {
            self.subnets.keys().copied().collect()
        } else {
            let tracked = request.tracked_subnets.iter().copied();
            tracked.filter(|subnet| all || self.tracks(subnet)).collect()
        };
        let (mut claims, mut listed) = (Vec::new(), BTreeSet::from([request.requester]));
        // In a random order, lest a large subnet hide the others.
        let mut order = Uniform::new(subnets.len() as u64);
        while let Some(place) = order.next(source) {
            let subnet = usize::try_from(place).ok().and_then(|place| subnets.get(place));
            let Some(gossipable) = subnet.and_then(|subnet| self.subnets.get(subnet)) else {
                continue;
            };
            for node in gossipable.shuffled(source) {
                let claim = self.tracked.get(&node).and_then(|tracked| tracked.claim.as_ref());
                let Some(claim) = claim.filter(|_| !listed.contains(&node)) else { continue };
                if request.known_peers.is_some_and(|known| known.contains(&claim.gossip_id())) {
                    continue;
                }
                listed.insert(node);
                claims.push(claim.clone());
                if claims.len() >= PEER_LIST_MAX {
                    return claims;
                }
            }
        }
        claims
    }

    /// The filter of what this node knows, for requests and handshakes. It is never empty.
    #[must_use]
    pub fn known_peers(&self) -> p2p::BloomFilter {
        let salt = Bytes::copy_from_slice(self.bloom.salt());
        p2p::BloomFilter { filter: self.bloom.to_bytes(), salt }
    }

    /// Makes the filter anew if it is time: nodes that left drop out of it, and those that moved
    /// often can be added again.
    pub fn tick(&mut self, now: Timestamp) {
        if now >= self.next_reset {
            self.next_reset = now.after(self.config.bloom_reset);
            self.reset_bloom();
        }
    }

    /// When to call [`IpTracker::tick`] next.
    #[must_use]
    pub const fn next_deadline(&self) -> Timestamp {
        self.next_reset
    }

    /// Whether a connection with the node is wanted. Never with this node itself.
    #[must_use]
    pub fn wants(&self, node: &NodeId) -> bool {
        let Some(tracked) = self.tracked.get(node).filter(|_| *node != self.config.own) else {
            return false;
        };
        let all = self.config.connect_to_all_validators && !tracked.subnets.is_empty();
        tracked.manual || all || tracked.subnets.iter().any(|subnet| self.tracks(subnet))
    }

    /// The newest claim of a node that is tracked.
    #[must_use]
    pub fn claim(&self, node: &NodeId) -> Option<&ClaimedIp> {
        self.tracked.get(node)?.claim.as_ref()
    }

    /// Whether a node validates a subnet, or is gossiped as if it did.
    #[must_use]
    pub fn is_member(&self, subnet: &Id, node: &NodeId) -> bool {
        self.subnets.get(subnet).is_some_and(|gossipable| gossipable.members().contains(node))
    }

    /// Whether this node looks after the validators of all subnets: it is a validator of the primary
    /// network, or configured to. It says so in its handshake and its requests for peers.
    #[must_use]
    pub fn looks_after_all_subnets(&self) -> bool {
        self.config.connect_to_all_validators || self.is_member(&PRIMARY_NETWORK, &self.config.own)
    }

    /// Number of nodes that are tracked, wanted or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tracked.len()
    }

    /// Whether nobody is tracked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tracked.is_empty()
    }

    /// How often a node was not tracked because there was no room.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    fn tracks(&self, subnet: &Id) -> bool {
        *subnet == PRIMARY_NETWORK || self.config.tracked_subnets.contains(subnet)
    }

    fn wanted_addr(&self, node: &NodeId) -> Option<SocketAddr> {
        self.claim(node).filter(|_| self.wants(node)).map(ClaimedIp::addr)
    }

    /// The place of a node, new if need be. A new one that is connected brings its claim along.
    fn track(&mut self, node: NodeId) -> Option<&mut Tracked> {
        if !self.tracked.contains_key(&node) {
            if self.tracked.len() >= self.config.nodes_max {
                self.refused = self.refused.saturating_add(1);
                return None;
            }
            self.tracked.insert(node, Tracked::default());
            if let Some(claim) = self.connected.get(&node).map(|peer| peer.claim.clone()) {
                self.add_claim(&claim);
            }
        }
        self.tracked.get_mut(&node)
    }

    fn add_to_subnet(&mut self, subnet: Id, node: NodeId, manual: bool) -> bool {
        let Some(tracked) = self.track(node) else { return false };
        tracked.subnets.insert(subnet);
        let gossipable = self.subnets.entry(subnet).or_default();
        gossipable.add_member(node, manual);
        let peer = self.connected.get(&node);
        if peer.is_some_and(|peer| peer.tracked_subnets.contains(&subnet)) {
            gossipable.arrive(node);
        }
        true
    }

    fn forget_if_unneeded(&mut self, node: &NodeId) {
        let needed = |tracked: &Tracked| tracked.manual || !tracked.subnets.is_empty();
        if self.tracked.get(node).is_some_and(|tracked| !needed(tracked)) {
            self.tracked.remove(node);
        }
    }

    /// Whether a claim is worth verifying: of a node that is looked for, and newer than the known
    /// one.
    fn is_news(&self, claim: &ClaimedIp, all_subnets: bool) -> bool {
        let node = claim.node_id();
        let Some(tracked) = self.tracked.get(&node).filter(|_| node != self.config.own) else {
            return false;
        };
        let newer = |known: &ClaimedIp| known.timestamp() < claim.timestamp();
        tracked.claim.as_ref().is_none_or(newer) && (all_subnets || self.wants(&node))
    }

    /// Keeps a verified claim if its node is tracked and it is newer. Returns whether it is kept.
    fn add_claim(&mut self, claim: &ClaimedIp) -> bool {
        let node = claim.node_id();
        let Some(tracked) = self.tracked.get_mut(&node) else { return false };
        if tracked.claim.as_ref().is_some_and(|known| known.timestamp() >= claim.timestamp()) {
            return false;
        }
        tracked.claim = Some(claim.detached());
        let additions = self.additions.get(&node).copied().unwrap_or_default();
        if additions >= ADDITIONS_PER_NODE {
            return true;
        }
        if self.bloom.is_full() {
            // The new filter contains this claim already.
            self.reset_bloom();
        } else if self.bloom.add(&claim.gossip_id()) {
            self.additions.insert(node, additions + 1);
        }
        true
    }

    fn reset_bloom(&mut self) {
        self.bloom = new_bloom(self.tracked.len(), &mut self.random);
        self.additions.clear();
        for (node, tracked) in &self.tracked {
            if let Some(claim) = &tracked.claim {
                self.bloom.add(&claim.gossip_id());
                self.additions.insert(*node, 1);
            }
        }
    }
}

/// A filter with room for two claims of each tracked node.
fn new_bloom(tracked: usize, random: &mut SeedStream) -> Bloom {
    let count = tracked.saturating_mul(usize::from(ADDITIONS_PER_NODE)).max(COUNT_MIN);
    Bloom::new(Parameters::optimal(count, FALSE_POSITIVES), FALSE_POSITIVES_MAX, random)
}

#[cfg(test)]
mod tests;
