//! Gossip of the transactions of one chain, with the bounds of a chain.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use avalanche_consensus::{HashKey, Id, NodeId, Timestamp};
use avalanche_net::gossip::{
    Added, Gossip, GossipConfig, GossipFault, GossipPeer, GossipStats, Push,
};
use bytes::Bytes;

use super::Tx;

/// Gossip of the transactions of one chain.
///
/// # Bounds
///
/// | What | Bound | Beyond it |
/// |---|---|---|
/// | transactions that are kept to be sent | 262,144, and 128 MiB | a newcomer is not sent on: this node can still propose it, others get it from its client or not at all |
/// | time that one is kept | 10 min | it is not sent any more |
/// | a transaction | 64 KiB | it is not sent on |
/// | peers that a new one is pushed to | 32, by stake | the others pull it |
/// | a message | ends with the transaction that fills 96 KiB; 4,096 transactions | the next message |
/// | one [`poll`](Self::poll) | about 1 MiB to each peer | the next poll |
/// | transactions with the VM, not yet [`admitted`](Self::admitted) or [`refused`](Self::refused) | 65,536 | those that come are forgotten, and pulled later |
/// | answers to a peer | 1 a second, and 8 at once | a fault, for the app error |
///
/// Memory is about 600 bytes for each transaction that is kept, and its bytes.
#[derive(Debug)]
pub struct TransactionGossip {
    gossip: Gossip<Tx>,
    bounds: Bounds,
    /// With the VM.
    verifying: HashSet<Id, HashKey>,
    /// When which came, oldest first; some are gone.
    kept: VecDeque<(Timestamp, Id)>,
    forgotten: u64,
    pull: Pull,
}

/// Who is asked, and when next.
#[derive(Debug, Default)]
struct Pull {
    open: Option<NodeId>,
    next: Timestamp,
    last: Option<NodeId>,
}

/// What the table says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) gossip: GossipConfig,
    pub(super) verifying: usize,
    pub(super) poll_bytes: usize,
    pub(super) keep: Duration,
    pub(super) pull: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            gossip: GossipConfig {
                items_max: 1 << 18,
                bytes_max: 128 << 20,
                target_bytes: 96 << 10,
                push_max: 1 << 18,
                push_peers: 32,
                ..GossipConfig::default()
            },
            verifying: 1 << 16,
            poll_bytes: 1 << 20,
            keep: Duration::from_mins(10),
            pull: Duration::from_secs(1),
        }
    }
}

impl TransactionGossip {
    /// Nothing yet. What is drawn follows from `seed`, which is secret.
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        Self::with_bounds(Bounds::default(), seed)
    }

    pub(super) fn with_bounds(bounds: Bounds, seed: &[u8; 32]) -> Self {
        Self {
            gossip: Gossip::new(bounds.gossip, seed),
            bounds,
            verifying: HashSet::with_hasher(HashKey::from_seed(*seed)),
            kept: VecDeque::new(),
            forgotten: 0,
            pull: Pull::default(),
        }
    }

    /// Takes transactions that clients submitted here and the VM admitted: the next
    /// [`poll`](Self::poll)s push them. Returns how many are not sent on, for lack of room.
    pub fn add_own(&mut self, all: impl IntoIterator<Item = Tx>, now: Timestamp) -> usize {
        let mut left_out = 0;
        for one in all {
            let id = one.id();
            match self.gossip.add_own(one) {
                Added::New => self.kept.push_back((now, id)),
                Added::Duplicate => {}
                Added::Full | Added::TooLong => left_out += 1,
            }
        }
        left_out
    }

    /// Takes an app gossip message, without its number ([`AppRoute`](super::AppRoute)). The VM has
    /// to try what is returned, and each is to be [`admitted`](Self::admitted) or
    /// [`refused`](Self::refused) then.
    ///
    /// # Errors
    ///
    /// [`GossipFault`]: nothing of it is used.
    pub fn received_push(&mut self, node: NodeId, bytes: Bytes) -> Result<Vec<Tx>, GossipFault> {
        let new = self.gossip.receive_push(node, bytes)?;
        Ok(self.for_vm(new))
    }

    /// Takes the response to a request of [`pull`](Self::pull), as
    /// [`received_push`](Self::received_push) does.
    ///
    /// # Errors
    ///
    /// [`GossipFault`]: nothing of it is used.
    pub fn received_pull_answer(
        &mut self,
        node: NodeId,
        bytes: Bytes,
    ) -> Result<Vec<Tx>, GossipFault> {
        self.pull_failed(node);
        // What fills more than half a message has more behind it.
        let more = bytes.len() > self.bounds.gossip.target_bytes / 2;
        let new = self.gossip.receive_pull(node, bytes)?;
        if more && !new.is_empty() {
            self.pull.next = Timestamp::ZERO;
        }
        Ok(self.for_vm(new))
    }

    /// A request of [`pull`](Self::pull) will not be answered.
    pub fn pull_failed(&mut self, node: NodeId) {
        if self.pull.open == Some(node) {
            self.pull.open = None;
        }
    }

    /// Answers an app request, given without its number: the bytes of the app response. It looks at
    /// up to 8,192 transactions, so it is for validators only.
    ///
    /// # Errors
    ///
    /// [`GossipFault`], whose [code](GossipFault::app_error_code) goes into an app error.
    pub fn received_pull_request(
        &mut self,
        node: NodeId,
        bytes: Bytes,
        now: Timestamp,
    ) -> Result<Bytes, GossipFault> {
        self.gossip.answer_pull(node, bytes, now)
    }

    /// The VM admitted a transaction that a peer sent.
    pub fn admitted(&mut self, one: Tx, now: Timestamp) {
        let id = one.id();
        self.verifying.remove(&id);
        if self.gossip.add(one) == Added::New {
            self.kept.push_back((now, id));
        }
    }

    /// The VM refused a transaction that a peer sent: peers are told not to send it again, for a
    /// minute or so.
    pub fn refused(&mut self, id: &Id) {
        self.verifying.remove(id);
        self.gossip.reject(id);
    }

    /// Transactions are in an accepted block.
    pub fn accepted(&mut self, ids: &[Id]) {
        for id in ids {
            if self.gossip.remove(id).is_none() {
                self.gossip.reject(id);
            }
        }
    }

    /// The VM dropped a transaction that waited.
    pub fn dropped(&mut self, id: &Id) {
        self.gossip.reject(id);
    }

    /// Messages to send now; more may follow at the next call, which should come after some
    /// milliseconds. `peers` are those that are connected.
    pub fn poll(&mut self, now: Timestamp, peers: &[GossipPeer]) -> Vec<Push> {
        self.forget_old(now);
        let (mut pushes, mut bytes) = (Vec::new(), 0);
        while bytes < self.bounds.poll_bytes {
            let more = self.gossip.poll(peers, now);
            if more.is_empty() {
                break;
            }
            bytes += more.iter().map(|push| push.message.len()).sum::<usize>();
            pushes.extend(more);
        }
        pushes
    }

    /// Whom to send an app request to, and its bytes, if it is time: about once a second, the peers
    /// in turn, and at once again while there is much to get. One at a time: it goes on after
    /// [`received_pull_answer`](Self::received_pull_answer) or [`pull_failed`](Self::pull_failed).
    pub fn pull(&mut self, now: Timestamp, peers: &[GossipPeer]) -> Option<(NodeId, Bytes)> {
        let connected = |node: NodeId| peers.iter().any(|peer| peer.node == node);
        if self.pull.open.is_some_and(connected) || now < self.pull.next {
            return None;
        }
        let staked = peers.iter().any(|peer| peer.weight > 0);
        let asked = peers.iter().filter(|peer| !staked || peer.weight > 0).map(|peer| peer.node);
        let after = asked.clone().filter(|node| Some(*node) > self.pull.last).min();
        let node = after.or_else(|| asked.min())?;
        self.pull = Pull { open: Some(node), next: now.after(self.bounds.pull), last: Some(node) };
        Some((node, self.gossip.pull_request(now)))
    }

    /// Whether a transaction is kept to be sent.
    #[must_use]
    pub fn contains(&self, id: &Id) -> bool {
        self.gossip.set().contains(id)
    }

    /// How many transactions are kept to be sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.gossip.set().len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gossip.set().is_empty()
    }

    /// Transactions of peers that were forgotten since too many were with the VM.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// What went through so far.
    #[must_use]
    pub const fn stats(&self) -> GossipStats {
        self.gossip.stats()
    }

    #[cfg(test)]
    pub(super) fn kept_len(&self) -> usize {
        self.kept.len()
    }

    /// Those that are not with the VM already.
    fn for_vm(&mut self, mut new: Vec<Tx>) -> Vec<Tx> {
        new.retain(|one| {
            if self.verifying.len() >= self.bounds.verifying {
                self.forgotten += 1;
                return false;
            }
            self.verifying.insert(one.id())
        });
        new
    }

    fn forget_old(&mut self, now: Timestamp) {
        let too_old = |came: Timestamp| now.since(came) >= self.bounds.keep;
        while let Some((came, id)) = self.kept.front().copied() {
            // Those that are gone leave at once, wherever they would be first.
            if !too_old(came) && self.gossip.set().contains(&id) {
                break;
            }
            self.kept.pop_front();
            if too_old(came) {
                self.gossip.remove(&id);
            }
        }
        // One old transaction at the front must not keep all that went behind it.
        if self.kept.len() > 2 * self.bounds.gossip.items_max {
            let set = self.gossip.set();
            self.kept.retain(|(_, id)| set.contains(id));
        }
    }
}
