//! Own items on their way out.

use std::collections::{BTreeMap, VecDeque};

use avalanche_consensus::{Id, NodeId, Timestamp};
use bytes::Bytes;

use super::{GossipConfig, GossipPeer, GossipSet, Gossipable, message, prefix, sample_by_stake};
use crate::peers::SeedStream;

/// One gossip message and whom to send it to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The receivers.
    pub nodes: Vec<NodeId>,
    /// The bytes of an app gossip message, with the number of the handler.
    pub message: Bytes,
    /// Items in it.
    pub items: usize,
}

/// Items that begin at this node: pushed once, and again after a while to others, as long as they
/// are kept (AvalancheGo's `gossip.PushGossiper`).
#[derive(Debug)]
pub(super) struct PushQueue {
    tracked: BTreeMap<Id, Tracked>,
    /// Not pushed yet, oldest first. May name items that are tracked no more.
    new: VecDeque<Id>,
    /// Pushed, longest ago first. As above.
    again: VecDeque<Id>,
    max: usize,
    dropped: u64,
}

#[derive(Debug, Default)]
struct Tracked {
    pushed_at: Option<Timestamp>,
    /// Peers that have it: true if they sent it or it was in their filter, false if it was pushed to
    /// them, and may have been lost.
    known: BTreeMap<NodeId, bool>,
}

/// Peers that are remembered to have an item.
const KNOWN_MAX: usize = 1_024;

impl PushQueue {
    pub(super) const fn new(max: usize) -> Self {
        Self {
            tracked: BTreeMap::new(),
            new: VecDeque::new(),
            again: VecDeque::new(),
            max,
            dropped: 0,
        }
    }

    /// Queues a new item; false, and counted, if there is no room. Then it is only pulled.
    pub(super) fn add(&mut self, id: Id) -> bool {
        if self.tracked.contains_key(&id) {
            return true;
        }
        // The queues count, because they can hold more than what is tracked.
        if self.new.len() + self.again.len() >= self.max {
            self.dropped += 1;
            return false;
        }
        self.tracked.insert(id, Tracked::default());
        self.new.push_back(id);
        true
    }

    /// Takes in that a peer said that it has an item.
    pub(super) fn known(&mut self, id: &Id, node: NodeId) {
        if let Some(tracked) = self.tracked.get_mut(id) {
            tracked.know(node, true);
        }
    }

    pub(super) fn remove(&mut self, id: &Id) {
        self.tracked.remove(id);
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) fn len(&self) -> usize {
        self.tracked.len()
    }

    /// What to push now, new items first. Nothing, and nothing changes, without peers.
    pub(super) fn poll<T: Gossipable>(
        &mut self,
        config: &GossipConfig,
        set: &GossipSet<T>,
        peers: &[GossipPeer],
        source: &mut SeedStream,
        now: Timestamp,
    ) -> Vec<Push> {
        if peers.is_empty() {
            return Vec::new();
        }
        let mut by_node: BTreeMap<NodeId, Vec<Id>> = BTreeMap::new();
        // New items go to the same peers, in one message.
        let first = sample_by_stake(peers, |_| false, config.push_peers, source);
        self.take(config, set, now, Turn::New, |_| first.clone(), &mut by_node);
        let staked = peers.iter().any(|peer| peer.weight > 0);
        let counts = |peer: &&GossipPeer| !staked || peer.weight > 0;
        let others = |known: &BTreeMap<NodeId, bool>| {
            let said = |peer: &&GossipPeer| known.get(&peer.node) == Some(&true);
            if peers.iter().filter(counts).filter(said).count() >= config.regossip_until {
                return Vec::new();
            }
            sample_by_stake(peers, |node| known.contains_key(node), config.regossip_peers, source)
        };
        self.take(config, set, now, Turn::Again, others, &mut by_node);

        let mut by_items: BTreeMap<Vec<Id>, Vec<NodeId>> = BTreeMap::new();
        for (node, ids) in by_node {
            by_items.entry(ids).or_default().push(node);
        }
        let push = |(ids, nodes): (Vec<Id>, Vec<NodeId>)| {
            let items: Vec<_> = ids.iter().filter_map(|id| set.encoded(id).cloned()).collect();
            let count = items.len();
            Push {
                nodes,
                message: prefix::add(config.handler, &message::push(items)),
                items: count,
            }
        };
        by_items.into_iter().map(push).collect()
    }

    /// Takes items from one queue until they have the bytes of a message, and notes who gets each.
    fn take<T: Gossipable>(
        &mut self,
        config: &GossipConfig,
        set: &GossipSet<T>,
        now: Timestamp,
        turn: Turn,
        mut receivers: impl FnMut(&BTreeMap<NodeId, bool>) -> Vec<NodeId>,
        by_node: &mut BTreeMap<NodeId, Vec<Id>>,
    ) {
        let mut bytes = 0;
        while bytes <= config.target_bytes {
            let queue = if turn == Turn::New { &mut self.new } else { &mut self.again };
            let Some(id) = queue.pop_front() else { break };
            let Some(encoded) = set.encoded(&id) else {
                self.tracked.remove(&id);
                continue;
            };
            let Some(tracked) = self.tracked.get_mut(&id) else { continue };
            if let Some(pushed_at) = tracked.pushed_at
                && now.since(pushed_at) < config.regossip_period
            {
                // Those behind it were pushed later.
                self.again.push_front(id);
                break;
            }
            for node in receivers(&tracked.known) {
                if tracked.know(node, false) {
                    by_node.entry(node).or_default().push(id);
                }
            }
            bytes += encoded.len();
            tracked.pushed_at = Some(now);
            self.again.push_back(id);
        }
    }
}

/// Which items are pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    New,
    Again,
}

impl Tracked {
    /// Takes in that a peer has it, and returns whether that is news.
    fn know(&mut self, node: NodeId, said: bool) -> bool {
        if let Some(before) = self.known.get_mut(&node) {
            *before |= said;
            return false;
        }
        if self.known.len() < KNOWN_MAX {
            self.known.insert(node, said);
        }
        true
    }
}
