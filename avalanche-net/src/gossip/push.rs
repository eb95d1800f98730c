//! Own items on their way out.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};

use avalanche_consensus::{HashKey, Id, NodeId, Timestamp};
use bytes::Bytes;

use super::message::MessageSize;
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
///
/// An entry of a queue is stale when its item is tracked no more, or under another number because
/// it was removed and added again.
#[derive(Debug)]
pub(super) struct PushQueue {
    tracked: HashMap<Id, Tracked, HashKey>,
    /// Not pushed yet, oldest first.
    new: VecDeque<(u64, Id)>,
    /// Pushed, longest ago first.
    again: VecDeque<(u64, Id)>,
    max: usize,
    additions: u64,
    dropped: u64,
}

#[derive(Debug)]
struct Tracked {
    number: u64,
    pushed_at: Option<Timestamp>,
    /// Peers that have it: true if they sent it or it was in their filter, false if it was pushed
    /// to them, and may have been lost.
    known: Known,
}

/// Peers that are remembered to have an item.
const KNOWN_MAX: usize = 1_024;

impl PushQueue {
    pub(super) fn new(max: usize, key: HashKey) -> Self {
        Self {
            tracked: HashMap::with_hasher(key),
            new: VecDeque::new(),
            again: VecDeque::new(),
            max,
            additions: 0,
            dropped: 0,
        }
    }

    /// Queues a new item; false, and counted, if there is no room. Then it is only pulled.
    pub(super) fn add(&mut self, id: Id) -> bool {
        let room = self.tracked.len() < self.max;
        let Entry::Vacant(place) = self.tracked.entry(id) else { return true };
        if !room {
            self.dropped += 1;
            return false;
        }
        self.additions += 1;
        let number = self.additions;
        place.insert(Tracked { number, pushed_at: None, known: Known::default() });
        self.new.push_back((number, id));
        // Half of the entries are stale then, so this costs little for each.
        if self.queued() > self.max.saturating_mul(2) {
            let Self { tracked, new, again, .. } = self;
            for queue in [new, again] {
                queue.retain(|(number, id)| is_tracked(tracked, *number, id));
            }
        }
        true
    }

    /// Takes in that a peer said that it has an item.
    pub(super) fn known(&mut self, id: &Id, node: NodeId) {
        if let Some(tracked) = self.tracked.get_mut(id) {
            tracked.known.know(node, true);
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

    /// Entries of both queues, stale ones included.
    pub(super) fn queued(&self) -> usize {
        self.new.len() + self.again.len()
    }

    /// What to push now, new items first. Nothing without peers, but what is gone leaves.
    pub(super) fn poll<T: Gossipable>(
        &mut self,
        config: &GossipConfig,
        set: &GossipSet<T>,
        peers: &[GossipPeer],
        source: &mut SeedStream,
        now: Timestamp,
    ) -> Vec<Push> {
        if peers.is_empty() {
            let Self { tracked, new, .. } = self;
            while new.pop_front_if(|(number, id)| !is_tracked(tracked, *number, id)).is_some() {}
            return Vec::new();
        }
        // New items go to the same peers, in one message.
        let first = sample_by_stake(peers, |_| false, config.push_peers, source);
        let mut pushes = self.take(config, set, now, Turn::New, |_| first.clone());

        let staked = peers.iter().any(|peer| peer.weight > 0);
        let counts = |peer: &&GossipPeer| !staked || peer.weight > 0;
        let others = |known: &Known| {
            let said = |peer: &&GossipPeer| known.get(&peer.node) == Some(true);
            if peers.iter().filter(counts).filter(said).count() >= config.regossip_until {
                return Vec::new();
            }
            sample_by_stake(peers, |node| known.get(node).is_some(), config.regossip_peers, source)
        };
        pushes.extend(self.take(config, set, now, Turn::Again, others));
        pushes
    }

    /// Takes items from one queue until they make a message, and puts together who gets which.
    fn take<T: Gossipable>(
        &mut self,
        config: &GossipConfig,
        set: &GossipSet<T>,
        now: Timestamp,
        turn: Turn,
        mut receivers: impl FnMut(&Known) -> Vec<NodeId>,
    ) -> Vec<Push> {
        let Self { tracked, new, again, .. } = self;
        let queue = if turn == Turn::New { new } else { &mut *again };
        let (mut size, mut by_node, mut done) =
            (MessageSize::default(), BTreeMap::new(), Vec::new());
        while let Some((number, id)) = queue.front().copied() {
            let Some(encoded) = set.encoded(&id).filter(|_| is_tracked(tracked, number, &id))
            else {
                queue.pop_front();
                continue;
            };
            let Some(entry) = tracked.get_mut(&id) else { break };
            // Those behind it were pushed later.
            let waits = |pushed_at| now.since(pushed_at) < config.regossip_period;
            if entry.pushed_at.is_some_and(waits) || !size.add(encoded, config) {
                break;
            }
            for node in receivers(&entry.known) {
                if entry.known.know(node, false) {
                    by_node.entry(node).or_insert_with(Vec::new).push(id);
                }
            }
            entry.pushed_at = Some(now);
            queue.pop_front();
            done.push((number, id));
        }
        again.extend(done);
        messages(config, set, by_node)
    }
}

/// One message for all peers that get the same items.
fn messages<T: Gossipable>(
    config: &GossipConfig,
    set: &GossipSet<T>,
    by_node: BTreeMap<NodeId, Vec<Id>>,
) -> Vec<Push> {
    let mut by_items: BTreeMap<Vec<Id>, Vec<NodeId>> = BTreeMap::new();
    for (node, ids) in by_node {
        by_items.entry(ids).or_default().push(node);
    }
    let push = |(ids, nodes): (Vec<Id>, Vec<NodeId>)| {
        let items: Vec<_> = ids.iter().filter_map(|id| set.encoded(id).cloned()).collect();
        let count = items.len();
        Push { nodes, message: prefix::add(config.handler, &message::push(items)), items: count }
    };
    by_items.into_iter().map(push).collect()
}

fn is_tracked(tracked: &HashMap<Id, Tracked, HashKey>, number: u64, id: &Id) -> bool {
    tracked.get(id).is_some_and(|tracked| tracked.number == number)
}

/// Which items are pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    New,
    Again,
}

/// Peers and whether they said themselves that they have it, in their order: few, so that a list
/// is smaller and faster than a map.
#[derive(Debug, Default)]
struct Known(Vec<(NodeId, bool)>);

impl Known {
    fn get(&self, node: &NodeId) -> Option<bool> {
        let at = self.0.binary_search_by_key(node, |(node, _)| *node).ok()?;
        self.0.get(at).map(|(_, said)| *said)
    }

    /// Takes in that a peer has it, and returns whether that is news.
    fn know(&mut self, node: NodeId, said: bool) -> bool {
        match self.0.binary_search_by_key(&node, |(node, _)| *node) {
            Ok(at) => {
                if let Some((_, before)) = self.0.get_mut(at) {
                    *before |= said;
                }
                false
            }
            Err(at) => {
                if self.0.len() < KNOWN_MAX {
                    self.0.insert(at, (node, said));
                }
                true
            }
        }
    }
}
