//! The buffer for what peers send.

use std::collections::BTreeMap;

use avalanche_consensus::NodeId;

use super::pools::{Amounts, Pools};
use super::{PoolConfig, Stake};

/// Shares the memory for messages that were read and not handled yet (AvalancheGo's
/// `network/throttling/inbound_msg_byte_throttler.go`).
///
/// A message takes its bytes from the pool for all, then from its sender's part of the validators'
/// pool. If that is not enough it keeps what it has and waits. Bytes that are released go to those
/// that wait longest; what comes back to a validator's part goes to that validator's own message.
///
/// ```text
///   acquire(node, bytes) --> Granted: read the body        release(ticket) --> nodes to wake,
///                        +-> Waiting: do not read the node                     in order
/// ```
///
/// # Limits
///
/// One message of a node waits at a time, so as many wait as there are peers. A call is O(log n); a
/// release, O(w) besides with w waiting messages.
#[derive(Clone, Debug)]
pub struct ByteThrottle {
    pools: Pools,
    /// By number, so oldest first.
    waiting: BTreeMap<u64, Waiting>,
    /// The message of a node that waits.
    by_node: BTreeMap<NodeId, u64>,
    /// Tickets that were ever issued.
    tickets: u64,
    waits: u64,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    node: NodeId,
    missing: u64,
}

/// The bytes of one message, taken or waited for. It must be given back to
/// [`ByteThrottle::release`] in any case.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "bytes that are not released are lost for good"]
pub struct Ticket {
    number: u64,
    node: NodeId,
    bytes: u64,
}

impl Ticket {
    /// Whose bytes these are.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }
}

/// Whether a message can be read.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a ticket must be released"]
pub enum Acquired {
    /// Now.
    Granted(Ticket),
    /// When a release names the node.
    Waiting(Ticket),
    /// A message of this node waits already, so its connection must not be read.
    AlreadyWaiting,
}

impl ByteThrottle {
    /// Nothing is held.
    #[must_use]
    pub const fn new(config: PoolConfig) -> Self {
        Self {
            pools: Pools::new(config),
            waiting: BTreeMap::new(),
            by_node: BTreeMap::new(),
            tickets: 0,
            waits: 0,
        }
    }

    /// Takes the bytes of a message, or as many as there are and waits for the rest.
    ///
    /// A message that is longer than a peer can ever hold counts as that long, so every message
    /// gets its turn.
    pub fn acquire(&mut self, node: NodeId, bytes: u64, stake: Stake) -> Acquired {
        if self.by_node.contains_key(&node) {
            return Acquired::AlreadyWaiting;
        }
        let bytes = bytes.min(self.pools.message_max());
        let amounts = self.pools.available(&node, bytes, stake, 0);
        self.pools.take(node, amounts);
        self.tickets += 1;
        let ticket = Ticket { number: self.tickets, node, bytes };
        let missing = bytes - amounts.sum();
        if missing == 0 {
            return Acquired::Granted(ticket);
        }
        self.waiting.insert(ticket.number, Waiting { node, missing });
        self.by_node.insert(node, ticket.number);
        self.waits += 1;
        Acquired::Waiting(ticket)
    }

    /// Gives back the bytes of a message that was handled, or is not going to be read after all,
    /// and returns the nodes whose message can be read now, in order.
    #[expect(clippy::needless_pass_by_value, reason = "a ticket is released once")]
    pub fn release(&mut self, ticket: Ticket) -> Vec<NodeId> {
        let Ticket { number, node, bytes } = ticket;
        let missing = match self.waiting.remove(&number) {
            Some(waiting) => {
                self.by_node.remove(&node);
                waiting.missing
            }
            None => 0,
        };
        let released = self.pools.release(&node, bytes - missing);
        let mut woken = Vec::new();
        if released.at_large > 0 {
            self.hand_out_at_large(&mut woken);
        }
        if released.validator > 0 {
            self.hand_back(&node, released.validator, &mut woken);
        }
        woken
    }

    /// Bytes that are left: at large, for validators.
    #[must_use]
    pub const fn left(&self) -> (u64, u64) {
        let left = self.pools.left();
        (left.at_large, left.validator)
    }

    /// Whether a message of this node waits.
    #[must_use]
    pub fn is_waiting(&self, node: &NodeId) -> bool {
        self.by_node.contains_key(node)
    }

    /// Messages that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Messages that had to wait so far.
    #[must_use]
    pub const fn waits(&self) -> u64 {
        self.waits
    }

    /// Gives the at-large pool to those that wait, oldest first.
    fn hand_out_at_large(&mut self, woken: &mut Vec<NodeId>) {
        let mut done = Vec::new();
        for (number, waiting) in &mut self.waiting {
            if self.pools.left().at_large == 0 {
                break;
            }
            let amounts = self.pools.available(&waiting.node, waiting.missing, Stake::NONE, 0);
            self.pools.take(waiting.node, amounts);
            waiting.missing -= amounts.sum();
            if waiting.missing == 0 {
                done.push(*number);
            }
        }
        for number in done {
            self.wake(number, woken);
        }
    }

    /// Gives what came back to a validator's part to its own waiting message.
    fn hand_back(&mut self, node: &NodeId, bytes: u64, woken: &mut Vec<NodeId>) {
        let Some(number) = self.by_node.get(node).copied() else { return };
        let Some(waiting) = self.waiting.get_mut(&number) else { return };
        let validator = bytes.min(waiting.missing);
        waiting.missing -= validator;
        let done = waiting.missing == 0;
        self.pools.take(*node, Amounts { at_large: 0, validator });
        if done {
            self.wake(number, woken);
        }
    }

    fn wake(&mut self, number: u64, woken: &mut Vec<NodeId>) {
        if let Some(waiting) = self.waiting.remove(&number) {
            self.by_node.remove(&waiting.node);
            woken.push(waiting.node);
        }
    }
}

impl Default for ByteThrottle {
    fn default() -> Self {
        Self::new(PoolConfig::INBOUND)
    }
}

#[cfg(test)]
mod tests;
