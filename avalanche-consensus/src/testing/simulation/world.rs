//! What all nodes of a simulation share.

use std::collections::VecDeque;
use std::time::Duration;

use super::block::{BlockRef, BlockStore};
use super::event_hash::EventHash;
use super::invariants::{Holds, Invariant};
use super::network::Network;
use super::queue::{Event, Queue};
use super::random::Random;
use super::verdict::Violation;
use crate::engine::{EngineConfig, Message, ParsedBlock};
use crate::validators::ValidatorSet;
use crate::{Id, NodeId, Timestamp};

/// Counters of a run. They only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that happened.
    pub events: u64,
    /// Blocks that nodes accepted, each counted once for each node.
    pub accepted: u64,
    /// Blocks that nodes rejected, each counted once for each node.
    pub rejected: u64,
    /// Heights at which some node rejected a rival of the accepted block.
    pub conflicts: u64,
    /// Nodes that crashed.
    pub crashes: u64,
    /// Nodes that started again.
    pub restarts: u64,
    /// Partitions that were put up.
    pub partitions: u64,
    /// Blocks that an honest VM would find invalid and that nodes were given.
    pub lies: u64,
    /// Answers of VMs that did not come at once.
    pub slow_answers: u64,
    /// Misdeeds of adversaries.
    pub misdeeds: u64,
    /// Faults of peers that engines reported.
    pub reported: u64,
    /// Estimated bytes of the messages that were sent.
    pub bytes: u64,
    /// Pairs of a node and a height at which it accepted another block than somebody before.
    pub disagreements: u64,
}

/// Everything outside the nodes.
#[derive(Debug)]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) config: EngineConfig,
    pub(super) validators: ValidatorSet,
    pub(super) queue: Queue,
    pub(super) network: Network,
    pub(super) blocks: BlockStore,
    pub(super) hash: EventHash,
    pub(super) counts: Counts,
    /// What was accepted first at each height, genesis first.
    pub(super) chain: Vec<BlockRef>,
    /// Whether a rival was rejected at each height.
    pub(super) conflicts: Vec<bool>,
    /// What each node prefers.
    pub(super) preferences: Vec<BlockRef>,
    /// How often each node has crashed.
    pub(super) lives: Vec<u32>,
    pub(super) up: Vec<bool>,
    pub(super) honest: Vec<bool>,
    pub(super) adversary_random: Random,
    pub(super) violation: Option<Violation>,
    /// Honest nodes that have not accepted every height.
    pub(super) behind: usize,
    pub(super) heights: u64,
    /// From when a block was built until a node accepted it, if that is measured.
    pub(super) finality: Option<Vec<Duration>>,
    pub(super) log: Log,
}

/// What was injected, as text, for people to watch. The oldest lines are forgotten.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: VecDeque<(Timestamp, String)>,
}

impl Log {
    const MAX: usize = 256;

    pub(super) fn note(&mut self, now: Timestamp, line: String) {
        if self.lines.len() >= Self::MAX {
            self.lines.pop_front();
        }
        self.lines.push_back((now, line));
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (Timestamp, &str)> {
        self.lines.iter().map(|(at, line)| (*at, line.as_str()))
    }
}

impl World {
    pub(super) const fn now(&self) -> Timestamp {
        self.queue.now()
    }

    /// Whether a node does what it should.
    pub(super) fn honest(&self, node: u32) -> bool {
        self.honest.get(node as usize) == Some(&true)
    }

    pub(super) fn is_up(&self, node: u32) -> bool {
        self.up.get(node as usize) == Some(&true)
    }

    pub(super) fn life(&self, node: u32) -> u32 {
        self.lives.get(node as usize).copied().unwrap_or(0)
    }

    /// Gives a message to the network after some time.
    pub(super) fn send(
        &mut self,
        from: u32,
        to: u32,
        held_back: Duration,
        message: Message<BlockRef>,
    ) {
        self.counts.bytes += bytes(&message);
        let life = self.life(to);
        let [first, copy] = self.network.carry(from, to);
        if let Some(delay) = copy {
            let message = message.clone();
            self.queue.after(held_back + delay, Event::Deliver { from, to, life, message });
        }
        if let Some(delay) = first {
            self.queue.after(held_back + delay, Event::Deliver { from, to, life, message });
        }
    }

    /// Notes what an invariant says. The first that breaks counts.
    pub(super) fn check(&mut self, node: u32, holds: Holds) {
        if let Err(invariant) = holds {
            self.broken(node, invariant, String::new());
        }
    }

    pub(super) fn broken(&mut self, node: u32, invariant: Invariant, detail: String) {
        let at = self.now();
        self.violation.get_or_insert(Violation { invariant, node, at, detail });
    }

    /// Notes that a rival was rejected at a height.
    pub(super) fn conflict(&mut self, height: u64) {
        let Ok(at) = usize::try_from(height) else { return };
        if self.conflicts.len() <= at {
            self.conflicts.resize(at + 1, false);
        }
        if let Some(noted) = self.conflicts.get_mut(at) {
            self.counts.conflicts += u64::from(!*noted);
            *noted = true;
        }
    }
}

/// The name of a node: its index first, so that it is found again.
pub(super) fn node_id(index: u32) -> NodeId {
    let mut bytes = [0; 20];
    let hash = Id::hash(&index.to_le_bytes());
    bytes
        .iter_mut()
        .zip(index.to_be_bytes().iter().chain(hash.as_bytes()))
        .for_each(|(to, from)| *to = *from);
    NodeId::new(bytes)
}

/// The index of a node.
pub(super) fn node_index(id: &NodeId) -> u32 {
    let [b0, b1, b2, b3, ..] = *id.as_bytes();
    u32::from_be_bytes([b0, b1, b2, b3])
}

/// About how long a message is on the wire.
fn bytes(message: &Message<BlockRef>) -> u64 {
    const HEAD: u64 = 48;
    let blocks = |blocks: &[_]| -> u64 {
        let length = |block: &ParsedBlock<_>| u64::from(block.bytes) + 4;
        blocks.iter().map(length).sum()
    };
    HEAD + match message {
        Message::PushQuery { block, .. } | Message::Put { block, .. } => blocks(block.as_slice()),
        Message::Chits { .. } => 3 * 34,
        Message::PullQuery { .. }
        | Message::Get { .. }
        | Message::GetAncestors { .. }
        | Message::AcceptedFrontier { .. } => 34,
        Message::Ancestors { blocks: found, .. } => blocks(found.as_deref().unwrap_or_default()),
        Message::GetAccepted { ids, .. }
        | Message::Accepted { ids, .. }
        | Message::AcceptedStateSummary { ids, .. } => 34 * ids.len() as u64,
        _ => 0,
    }
}
