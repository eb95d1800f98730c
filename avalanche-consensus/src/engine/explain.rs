//! Why a block is not final.

use std::collections::VecDeque;
use std::fmt;

use super::{Engine, PollRecord};
use crate::vocabulary::IdMap;
use crate::{HashKey, Height, Id, NodeId, Timestamp};

/// What [`Engine::explain`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The block.
    pub id: Id,
    /// Its height, if the engine has the block.
    pub height: Option<Height>,
    /// What stands in the way; the first in the order of [`Cause`] if there are several.
    pub cause: Cause,
    /// The last polls, oldest first.
    pub polls: Vec<PollRecord>,
}

/// Why a block is not final.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// Nothing: the block is final.
    Accepted,
    /// It never will be final: a rival is.
    Rejected,
    /// This engine has not heard of the block, or has forgotten about it.
    Unknown,
    /// An ancestor is missing.
    MissingAncestor {
        /// The ancestor; the block itself if it was named and is being fetched.
        ancestor: Id,
        /// The peer that was asked for it and has not answered; `None` if nobody is being asked.
        asked: Option<NodeId>,
    },
    /// The VM has not given its verdict on the block or on an ancestor.
    VerificationPending {
        /// The block that is being verified.
        block: Id,
        /// Since when it waits.
        since: Timestamp,
    },
    /// The VM found the block or an ancestor of it invalid, so far.
    VerificationFailed,
    /// Too little weight is connected to ask anybody.
    WeightUnreachable {
        /// Connected weight as a fraction of the total.
        connected: f64,
        /// The fraction that is needed.
        needed: f64,
    },
    /// Most of the last polls did not get enough answers in time.
    PollsTimingOut {
        /// Polls that peers left without an answer.
        failed: u32,
        /// Polls that were looked at.
        of: u32,
    },
    /// The network, as far as this engine has heard, prefers a rival.
    MinorityPreference {
        /// The preferred block at the block's height, or the preferred tip below it.
        preferred: Id,
    },
    /// An ancestor is preferred and not decided yet.
    BehindUndecidedParent {
        /// The parent.
        parent: Id,
    },
    /// Nothing: polls about the block are under way.
    Deciding,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("final"),
            Self::Rejected => f.write_str("rejected: a rival is final"),
            Self::Unknown => f.write_str("not known here"),
            Self::MissingAncestor { ancestor, asked: Some(node) } => {
                write!(f, "ancestor {ancestor} is missing; {node} was asked for it")
            }
            Self::MissingAncestor { ancestor, asked: None } => {
                write!(f, "ancestor {ancestor} is missing, and nobody is being asked for it")
            }
            Self::VerificationPending { block, since } => {
                write!(f, "block {block} has been waiting for the VM's verdict since {since}")
            }
            Self::VerificationFailed => f.write_str("the VM found it or an ancestor invalid"),
            Self::WeightUnreachable { connected, needed } => {
                write!(f, "{connected:.3} of the weight is connected, {needed:.3} is needed")
            }
            Self::PollsTimingOut { failed, of } => {
                write!(f, "{failed} of the last {of} polls had too few answers in time")
            }
            Self::MinorityPreference { preferred } => {
                write!(f, "the network prefers the rival {preferred}")
            }
            Self::BehindUndecidedParent { parent } => {
                write!(f, "its parent {parent} is not decided yet")
            }
            Self::Deciding => f.write_str("polls about it are under way"),
        }
    }
}

/// The last decisions.
#[derive(Debug)]
pub(super) struct Decided {
    order: VecDeque<Id>,
    accepted: IdMap<Id, bool>,
}

impl Decided {
    /// Decisions that are remembered.
    const MAX: usize = 1_024;

    pub(super) fn new(key: HashKey) -> Self {
        Self { order: VecDeque::with_capacity(Self::MAX), accepted: IdMap::new(key) }
    }

    pub(super) fn note(&mut self, id: Id, accepted: bool) {
        if self.order.len() >= Self::MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.accepted.remove(&oldest);
        }
        if self.accepted.insert(id, accepted).is_none() {
            self.order.push_back(id);
        }
    }

    pub(super) fn get(&self, id: &Id) -> Option<bool> {
        self.accepted.get(id).copied()
    }
}

impl<H: Clone> Engine<H> {
    /// Says why a block is not final, with the last polls. For people and tools: it allocates.
    ///
    /// Decisions are remembered for the last 1,024 blocks; about older ones ask the store.
    #[must_use]
    pub fn explain(&self, id: &Id) -> Explanation {
        let unknown = || Explanation {
            id: *id,
            height: None,
            cause: if *id == self.cx.tip.id { Cause::Accepted } else { Cause::Unknown },
            polls: Vec::new(),
        };
        self.normal().map_or_else(unknown, |normal| normal.explain(&self.cx, id))
    }
}
