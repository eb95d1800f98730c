//! Why a call on this crate can fail.

use std::fmt;

use crate::snowball::{ParameterRule, ParametersConfig};
use crate::{Height, Id};

/// A call that the caller must not repeat unchanged.
///
/// Peers cannot cause these. Each variant says what was wrong, what is allowed and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Parameters break a rule. Change the value that the message names.
    Parameters {
        /// The first rule that is broken.
        rule: ParameterRule,
        /// The parameters that were given.
        config: ParametersConfig,
    },
    /// Termination conditions are out of order. Give at least one; `alpha_confidence` must rise from
    /// one to the next, `beta` must not, and each `beta` must be at least 1.
    TerminationConditions,
    /// A tree cannot hold more choices. Decide before offering more.
    ChoicesFull {
        /// The bound.
        max: u32,
    },
    /// The block is already processing. Adding it once is enough: do nothing.
    Duplicate {
        /// The block that was offered.
        block: Id,
    },
    /// The block's parent is neither processing nor the last accepted block. Fetch the parent, add it,
    /// then add this block again; if the parent was rejected or is below the last accepted block, drop
    /// this block.
    UnknownParent {
        /// The block that was offered.
        block: Id,
        /// The parent it names.
        parent: Id,
    },
    /// The block's height is not its parent's plus one. Drop the block: it cannot have been verified.
    WrongHeight {
        /// The block that was offered.
        block: Id,
        /// The height it states.
        height: Height,
        /// The height its parent gives it; `None` if the parent has the greatest height there is.
        expected: Option<Height>,
    },
    /// No more blocks can be undecided at once. Decide some before adding more, or construct the
    /// instance with a higher bound.
    ProcessingFull {
        /// The bound.
        max: u32,
    },
    /// More votes than validators that were asked. Count each answer once.
    TooManyVotes {
        /// Votes that were given.
        votes: u32,
        /// The sample size, which is the most that is allowed.
        k: u32,
    },
    /// No more polls can be open at once. Wait until some have their answers, or construct the set with
    /// a higher bound.
    PollsFull {
        /// The bound.
        max: u32,
    },
    /// An earlier failure left this instance unsafe to use. Stop the chain and start again from the
    /// last accepted block.
    Poisoned,
    /// A sum of weights is above [`u64::MAX`]. Nothing was changed: give weights in a coarser unit.
    WeightOverflow,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameters { rule, config } => {
                f.write_str("parameters are invalid: ")?;
                rule.explain(config, f)
            }
            Self::TerminationConditions => f.write_str(
                "termination conditions are out of order: give at least one, with alpha_confidence \
                 rising, beta not rising and at least 1",
            ),
            Self::ChoicesFull { max } => {
                write!(f, "tree holds {max} choices, which is the bound; decide before adding more")
            }
            Self::Duplicate { block } => write!(f, "block {block} is already processing"),
            Self::UnknownParent { block, parent } => {
                write!(f, "block {block} names unknown parent {parent}; add the parent first")
            }
            Self::WrongHeight { block, height, expected: Some(expected) } => {
                write!(f, "block {block} states height {height}; its parent's child has {expected}")
            }
            Self::WrongHeight { block, height, expected: None } => {
                write!(f, "block {block} states height {height}; its parent has the last height")
            }
            Self::ProcessingFull { max } => {
                write!(
                    f,
                    "{max} blocks are processing already, which is the bound; decide some first"
                )
            }
            Self::TooManyVotes { votes, k } => {
                write!(f, "{votes} votes in one poll; at most k = {k} are allowed")
            }
            Self::PollsFull { max } => {
                write!(
                    f,
                    "{max} polls are open already, which is the bound; wait for answers first"
                )
            }
            Self::Poisoned => f.write_str(
                "instance is poisoned by an earlier failure; restart from the last accepted block",
            ),
            Self::WeightOverflow => write!(
                f,
                "weights add up to more than {}, which is the greatest total; use a coarser unit",
                u64::MAX
            ),
        }
    }
}

impl std::error::Error for Error {}
