//! The set and the queue together.

use std::collections::HashSet;

use avalanche_consensus::{HashKey, Id, NodeId, Timestamp};
use bytes::Bytes;

use super::push::PushQueue;
use super::throttle::PullThrottle;
use super::{Added, GossipConfig, GossipFault, GossipPeer, GossipSet, Gossipable, Push};
use super::{message, prefix};
use crate::peers::SeedStream;

/// Gossip of one kind of item on one chain; see the [module](super) for how it works.
///
/// The caller decides when to push ([`Gossip::poll`], AvalancheGo: ten times a second) and when and
/// whom to pull from ([`Gossip::pull_request`], AvalancheGo: once a second, a validator by chance).
/// Who has one request open at a time gets the fewest duplicates.
#[derive(Debug)]
pub struct Gossip<T> {
    config: GossipConfig,
    set: GossipSet<T>,
    pub(super) push: PushQueue,
    throttle: PullThrottle,
    source: SeedStream,
    /// Of tables that come and go.
    key: HashKey,
    stats: GossipStats,
}

/// What went through so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GossipStats {
    /// Items that peers sent.
    pub received: u64,
    /// Of those, items that were there already.
    pub duplicates: u64,
    /// Of those, items that could not be read, or were too long.
    pub invalid: u64,
    /// Items that peers sent and that were added.
    pub added: u64,
    /// Items that found no room.
    pub full: u64,
    /// Items that were pushed, once for each receiver.
    pub pushed: u64,
    /// Own items that were not pushed, because too many were waiting.
    pub unpushed: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// Items in those answers.
    pub answered_items: u64,
    /// Messages that were not used.
    pub faults: u64,
}

impl GossipStats {
    /// How often an item came that this node now has, on average; 1 is best, and 0 means none came.
    #[must_use]
    pub const fn copies_per_item(&self) -> f64 {
        if self.added == 0 {
            return 0.0;
        }
        (self.added + self.duplicates) as f64 / self.added as f64
    }
}

impl<T: Gossipable> Gossip<T> {
    /// Nothing yet. Filters and samples follow from `seed`, which is secret.
    #[must_use]
    pub fn new(config: GossipConfig, seed: &[u8; 32]) -> Self {
        let mut source = SeedStream::new(seed);
        let key = HashKey::from_seed(source.bytes());
        Self {
            set: GossipSet::new(&config, &source.bytes()),
            push: PushQueue::new(config.push_max, key),
            throttle: PullThrottle::new(config.pulls_per_second, config.pullers_max),
            config,
            source,
            key,
            stats: GossipStats::default(),
        }
    }

    /// Adds an item that begins at this node, to be pushed.
    pub fn add_own(&mut self, item: T) -> Added {
        let id = item.id();
        let added = self.set.add(item);
        match added {
            Added::New => {
                self.push.add(id);
                self.stats.unpushed = self.push.dropped();
            }
            Added::Full => self.stats.full += 1,
            Added::Duplicate | Added::TooLong => {}
        }
        added
    }

    /// Adds an item that a peer sent and the caller has verified. It is not pushed: others pull it.
    pub fn add(&mut self, item: T) -> Added {
        let added = self.set.add(item);
        match added {
            Added::New => self.stats.added += 1,
            // It came again while the caller verified it.
            Added::Duplicate => self.stats.duplicates += 1,
            Added::Full => self.stats.full += 1,
            Added::TooLong => self.stats.invalid += 1,
        }
        added
    }

    /// Notes that an item is of no use, so that peers do not send it again for a while.
    pub fn reject(&mut self, id: &Id) {
        self.remove(id);
        self.set.mark(id);
    }

    /// Takes an item out: it was decided, or has expired.
    pub fn remove(&mut self, id: &Id) -> Option<T> {
        self.push.remove(id);
        self.set.remove(id)
    }

    /// Takes an app gossip message from `node`, without the number of the handler, and returns the
    /// items that this node does not have: the caller verifies and adds them.
    ///
    /// # Errors
    ///
    /// [`GossipFault`] says why nothing of it is used.
    pub fn receive_push(&mut self, node: NodeId, bytes: Bytes) -> Result<Vec<T>, GossipFault> {
        let items = message::parse_push(bytes, self.config.message_items_max);
        self.receive(node, items)
    }

    /// As [`Gossip::receive_push`], for the response to a [`Gossip::pull_request`].
    ///
    /// # Errors
    ///
    /// [`GossipFault`] says why nothing of it is used.
    pub fn receive_pull(&mut self, node: NodeId, bytes: Bytes) -> Result<Vec<T>, GossipFault> {
        let items = message::parse_pull_response(bytes, self.config.message_items_max);
        self.receive(node, items)
    }

    /// The bytes of an app request that asks one peer for what this node does not have.
    pub fn pull_request(&mut self, now: Timestamp) -> Bytes {
        let (filter, salt) = self.set.filter(now);
        prefix::add(self.config.handler, &message::pull_request(filter, salt))
    }

    /// Answers an app request of `node`, given without the number of the handler: the bytes of the
    /// app response, which may have no items.
    ///
    /// An answer looks at up to [`GossipConfig::scan_max`] items, so it should be given to
    /// validators only, as AvalancheGo does.
    ///
    /// # Errors
    ///
    /// [`GossipFault`], whose code goes into an app error.
    pub fn answer_pull(
        &mut self,
        node: NodeId,
        bytes: Bytes,
        now: Timestamp,
    ) -> Result<Bytes, GossipFault> {
        let filter = if self.throttle.allows(node, now) {
            message::parse_pull_request(bytes)
        } else {
            Err(GossipFault::Throttled)
        };
        let filter = filter.inspect_err(|_| self.stats.faults += 1)?;
        let push = &mut self.push;
        let items = self.set.missing_from(&filter, |id| push.known(id, node));
        self.stats.answered += 1;
        self.stats.answered_items += items.len() as u64;
        Ok(Bytes::from(message::pull_response(items)))
    }

    /// What to push now: own items that were not pushed yet, and those that were a while ago, to
    /// peers by stake. `peers` are those that are connected.
    pub fn poll(&mut self, peers: &[GossipPeer], now: Timestamp) -> Vec<Push> {
        let Self { config, set, push, source, .. } = self;
        let pushes = push.poll(config, set, peers, source, now);
        let sent = pushes.iter().map(|push| push.items * push.nodes.len()).sum::<usize>();
        self.stats.pushed += sent as u64;
        pushes
    }

    /// The items.
    #[must_use]
    pub const fn set(&self) -> &GossipSet<T> {
        &self.set
    }

    /// Own items that are pushed, or will be.
    #[must_use]
    pub fn pushing(&self) -> usize {
        self.push.len()
    }

    /// What went through so far.
    #[must_use]
    pub const fn stats(&self) -> GossipStats {
        self.stats
    }

    fn receive(
        &mut self,
        node: NodeId,
        items: Result<Vec<Bytes>, GossipFault>,
    ) -> Result<Vec<T>, GossipFault> {
        let items = items.inspect_err(|_| self.stats.faults += 1)?;
        let mut new = Vec::with_capacity(items.len());
        let mut ids = HashSet::with_capacity_and_hasher(items.len(), self.key);
        for bytes in items {
            self.stats.received += 1;
            let fits = bytes.len() <= self.config.item_bytes_max;
            let Some(item) = fits.then(|| T::parse(&bytes)).flatten() else {
                self.stats.invalid += 1;
                continue;
            };
            let id = item.id();
            self.push.known(&id, node);
            if self.set.contains(&id) || !ids.insert(id) {
                self.stats.duplicates += 1;
            } else {
                new.push(item);
            }
        }
        Ok(new)
    }
}
