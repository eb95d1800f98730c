//! Who may propose a block, and when: AvalancheGo's windows, with slots of a chain's own length.
//!
//! Time after the parent's timestamp is cut into slots, and for each one validator is drawn by
//! weight. Every node draws the same one. After the last slot any validator may propose, so that
//! nothing stands still for ever.
//!
//! ```text
//!   parent's time      +slot      +2 slots        ...        +slots
//!   |------ A ---------|---- C ----|---- A ---- ... -- B -----|------ any validator ----->
//! ```
//!
//! The draw (AvalancheGo `vms/proposervm/proposer/windower.go`, since Durango) is one unit of
//! weight by MT19937-64, whose seed is the first eight bytes of the chain's identifier as a
//! big-endian number, XOR the height, XOR the slot with its bits reversed; validators are sorted by
//! node. AvalancheGo has slots of 5 seconds and no end of them.

#[cfg(test)]
mod tests;

use std::{error, fmt};

use avalanche_consensus::sampler::{Mt19937x64, Uniform, WeightedHeap};
use avalanche_consensus::validators::{Validator, ValidatorSet};
use avalanche_consensus::{Error, Height, Id, NodeId, Timestamp};

use crate::ProposerRules;

const NANOS_PER_MILLI: u64 = 1_000_000;

/// Who may propose on one chain, with one set of validators.
///
/// Memory is linear in the validators. A draw seeds a generator of 312 words: some microseconds.
#[derive(Clone, Debug)]
pub struct Proposers {
    source: u64,
    rules: ProposerRules,
    /// Sorted.
    nodes: Vec<NodeId>,
    weights: WeightedHeap,
}

/// Why a node may not propose.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MayNotPropose {
    /// The slot is another node's.
    Slot {
        /// The slot, from 0.
        slot: u64,
        /// Whose it is.
        expected: NodeId,
    },
    /// The node is no validator.
    NotValidator {
        /// The node.
        node: NodeId,
    },
}

impl Proposers {
    /// Prepares draws. As in AvalancheGo, the node of zeros is not drawn.
    ///
    /// # Errors
    ///
    /// [`Error::WeightOverflow`], which no [`ValidatorSet`] leads to.
    pub fn new(chain: Id, rules: ProposerRules, set: &ValidatorSet) -> Result<Self, Error> {
        let real = |one: &Validator| one.node_id != NodeId::EMPTY;
        let (nodes, weights): (Vec<_>, Vec<_>) =
            set.iter().filter(real).map(|one| (one.node_id, one.weight)).unzip();
        let source = chain.as_bytes().first_chunk().copied().unwrap_or_default();
        Ok(Self {
            source: u64::from_be_bytes(source),
            rules,
            nodes,
            weights: WeightedHeap::new(&weights)?,
        })
    }

    /// The slot of a block with timestamp `time` on a parent with timestamp `parent`; `None` after
    /// the last one. Fractions of a millisecond are cut off. A time before the parent's is in slot
    /// 0, as in AvalancheGo.
    #[must_use]
    pub fn slot_at(&self, parent: Timestamp, time: Timestamp) -> Option<u64> {
        let since = millis(time).saturating_sub(millis(parent));
        let slot = since.checked_div(u64::from(self.rules.slot_ms))?;
        (slot < u64::from(self.rules.slots)).then_some(slot)
    }

    /// Whose a slot is; `None` if there are no validators.
    #[must_use]
    pub fn expected(&self, height: Height, slot: u64) -> Option<NodeId> {
        let seed = self.source ^ height.get() ^ slot.reverse_bits();
        let mut units = Uniform::new(self.weights.total());
        let unit = units.next(&mut Mt19937x64::new(seed))?;
        self.nodes.get(self.weights.at(unit)?).copied()
    }

    /// Whether a node is a validator here.
    #[must_use]
    pub fn is_validator(&self, node: NodeId) -> bool {
        self.nodes.binary_search(&node).is_ok()
    }

    /// Whether a node may propose a block of that height and time on a parent of that time.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn may_propose(
        &self,
        node: NodeId,
        height: Height,
        parent: Timestamp,
        time: Timestamp,
    ) -> Result<(), MayNotPropose> {
        if !self.is_validator(node) {
            return Err(MayNotPropose::NotValidator { node });
        }
        let Some(slot) = self.slot_at(parent, time) else {
            return Ok(());
        };
        match self.expected(height, slot) {
            Some(expected) if expected != node => Err(MayNotPropose::Slot { slot, expected }),
            _ => Ok(()),
        }
    }

    /// A node's place, from 0, in an order of all validators that turns with the height: who waits
    /// for how long where any of them may propose. `None` if it is no validator.
    #[must_use]
    pub fn turn(&self, node: NodeId, height: Height) -> Option<u32> {
        let count = self.nodes.len() as u64;
        let place = self.nodes.binary_search(&node).ok()? as u64;
        let shift = (height.get() ^ self.source).checked_rem(count)?;
        u32::try_from((place + shift) % count).ok()
    }

    /// The first time, not before `now` and the parent's, at which a node may propose a block of
    /// that height; `None` if it is no validator, or time ends before.
    ///
    /// At most [`ProposerRules::slots`] draws.
    #[must_use]
    pub fn next_time(
        &self,
        node: NodeId,
        height: Height,
        parent: Timestamp,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if !self.is_validator(node) {
            return None;
        }
        let now = now.max(parent);
        let Some(first) = self.slot_at(parent, now) else {
            return Some(now);
        };
        let slots = u64::from(self.rules.slots);
        let mut later = first..slots;
        let slot = later.find(|&slot| self.expected(height, slot) == Some(node));
        let slot = slot.unwrap_or(slots);
        if slot == first {
            return Some(now);
        }
        let start = u64::from(self.rules.slot_ms).checked_mul(slot)?.checked_add(millis(parent))?;
        start.checked_mul(NANOS_PER_MILLI).map(Timestamp::from_nanos)
    }
}

const fn millis(time: Timestamp) -> u64 {
    time.as_nanos() / NANOS_PER_MILLI
}

impl fmt::Display for MayNotPropose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot { slot, expected } => write!(f, "slot {slot} is that of {expected}"),
            Self::NotValidator { node } => {
                write!(f, "{node} is no validator; validators propose")
            }
        }
    }
}

impl error::Error for MayNotPropose {}
