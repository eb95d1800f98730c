//! How decisions leave the core, in order.

use std::convert::Infallible;
use std::fmt;

use crate::{Error, Height, Id};

/// Carries out decisions, in the exact order in which AvalancheGo takes them.
///
/// # Contract
///
/// For each accepted block: [`notify_accepted`](Acceptor::notify_accepted), then
/// [`accept`](Acceptor::accept), then [`reject`](Acceptor::reject) for every sibling in the order
/// in which they were added, then for the descendants of those siblings, each after its parent.
/// Everything that belongs to one accepted block comes before anything of the next, and heights
/// rise by one.
///
/// An error ends the poll at that call and poisons the instance: the last accepted block has moved
/// only if `accept` returned. Source of the rule: `snow/consensus/snowman/topological.go` and
/// `snow/acceptor.go` of AvalancheGo.
///
/// A queue is an acceptor that never fails: see [`Decisions`].
pub trait Acceptor {
    /// Why a decision could not be carried out.
    type Error;

    /// Tells that `id` is about to be accepted, before anything depends on it. An indexer can be
    /// one block ahead after a crash, and never behind.
    ///
    /// # Errors
    ///
    /// Any error is fatal for the chain.
    fn notify_accepted(&mut self, id: Id, height: Height) -> Result<(), Self::Error> {
        let _ = (id, height);
        Ok(())
    }

    /// Accepts `id`: it is final.
    ///
    /// # Errors
    ///
    /// Any error is fatal for the chain.
    fn accept(&mut self, id: Id, height: Height) -> Result<(), Self::Error>;

    /// Rejects `id`: it can never become final.
    ///
    /// # Errors
    ///
    /// Any error is fatal for the chain.
    fn reject(&mut self, id: Id, height: Height) -> Result<(), Self::Error>;
}

/// A call of an [`Acceptor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptorCall {
    /// [`Acceptor::notify_accepted`].
    Notify,
    /// [`Acceptor::accept`].
    Accept,
    /// [`Acceptor::reject`].
    Reject,
}

/// What became of a block.
#[must_use = "an unexecuted decision forks the caller from the network"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The block is final.
    Accept {
        /// The block.
        id: Id,
        /// Its height.
        height: Height,
    },
    /// The block can never become final.
    Reject {
        /// The block.
        id: Id,
        /// Its height.
        height: Height,
    },
}

/// A queue of decisions, in order: the acceptor that never fails.
///
/// # Limits
///
/// One poll adds at most one decision for each block that is processing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decisions(Vec<Decision>);

impl Decisions {
    /// An empty queue, which allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The decisions, oldest first.
    pub fn as_slice(&self) -> &[Decision] {
        &self.0
    }

    /// Takes all decisions, oldest first, and keeps the memory.
    pub fn drain(&mut self) -> impl Iterator<Item = Decision> {
        self.0.drain(..)
    }

    /// Number of decisions.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no decision.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Acceptor for Decisions {
    type Error = Infallible;

    fn accept(&mut self, id: Id, height: Height) -> Result<(), Infallible> {
        self.0.push(Decision::Accept { id, height });
        Ok(())
    }

    fn reject(&mut self, id: Id, height: Height) -> Result<(), Infallible> {
        self.0.push(Decision::Reject { id, height });
        Ok(())
    }
}

/// Why a poll was not recorded, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordPollError<E> {
    /// The call was refused and nothing changed.
    Refused(Error),
    /// A decision could not be carried out. The instance is poisoned.
    Acceptor {
        /// The call that failed.
        call: AcceptorCall,
        /// The block it was for.
        id: Id,
        /// What the acceptor said.
        source: E,
    },
    /// The instance contradicts itself, which is a defect of this crate. It is poisoned.
    Invariant {
        /// What does not hold.
        broken: &'static str,
    },
}

impl<E: fmt::Display> fmt::Display for RecordPollError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Acceptor { call, id, source } => {
                let call = match call {
                    AcceptorCall::Notify => "notify of",
                    AcceptorCall::Accept => "accept",
                    AcceptorCall::Reject => "reject",
                };
                write!(f, "could not {call} block {id}, so the chain stops here: {source}")
            }
            Self::Invariant { broken } => write!(
                f,
                "invariant broken, so the chain stops here: {broken}; please report this defect"
            ),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for RecordPollError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(error) => Some(error),
            Self::Acceptor { source, .. } => Some(source),
            Self::Invariant { .. } => None,
        }
    }
}
