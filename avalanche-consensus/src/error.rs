//! Why a call on this crate can fail.

use std::fmt;

use crate::network::{BenchRule, TimeoutRule};
use crate::snowball::{ParameterRule, ParametersConfig};
use crate::{Height, Id, NodeId};

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
    /// Termination conditions are out of order. Give at least one; `alpha_confidence` must rise
    /// from one to the next, `beta` must not, and each `beta` must be at least 1.
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
    /// The block's parent is neither processing nor the last accepted block. Fetch the parent, add
    /// it, then add this block again; if the parent was rejected or is below the last accepted
    /// block, drop this block.
    UnknownParent {
        /// The block that was offered.
        block: Id,
        /// The parent it names.
        parent: Id,
    },
    /// The block's height is not its parent's plus one. Drop the block: it cannot have been
    /// verified.
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
    /// No more polls can be open at once. Wait until some have their answers, or construct the set
    /// with a higher bound.
    PollsFull {
        /// The bound.
        max: u32,
    },
    /// An earlier failure left this instance unsafe to use. Stop the chain and start again from the
    /// last accepted block.
    Poisoned,
    /// A sum of weights is above [`u64::MAX`]. Nothing was changed: give weights in a coarser unit.
    WeightOverflow,
    /// More weights than a sampler takes. Leave out those of zero, or join small ones.
    TooManyWeights {
        /// Weights that were given.
        weights: usize,
        /// The bound.
        max: usize,
    },
    /// A sample wants more units of weight than there are. Ask for at most the total.
    InsufficientWeight {
        /// Units that there are.
        total: u64,
        /// Units that were asked for.
        wanted: u64,
    },
    /// A validator cannot join with a weight of zero, and a change of weight by zero changes
    /// nothing. Give at least one unit, or leave the change out.
    ZeroWeight {
        /// The node of the change.
        node: NodeId,
    },
    /// The node is a validator already. Add weight to it instead.
    DuplicateValidator {
        /// The node that was to join.
        node: NodeId,
    },
    /// The node is not a validator. Add it first, or leave the change out.
    UnknownValidator {
        /// The node of the change.
        node: NodeId,
    },
    /// A validator cannot lose more weight than it has.
    WeightUnderflow {
        /// The node of the change.
        node: NodeId,
        /// Units that it has, which is the most that is allowed.
        weight: u64,
        /// Units that it was to lose.
        removed: u64,
    },
    /// No more validators can be in one set. Remove some before adding more.
    ValidatorsFull {
        /// The bound.
        max: usize,
    },
    /// A node is not to be asked: it is not one of the poll, or was asked before. Ask nodes that
    /// have not been asked.
    UnexpectedPeer {
        /// The node that was to be asked.
        node: NodeId,
    },
    /// No more requests can be without an answer. Ask as many nodes as the poll wants.
    RequestsFull {
        /// The bound.
        max: u32,
    },
    /// An interval ends before it begins, or does not lie above the one before with a gap between
    /// them. What was written down is damaged: start from no heights.
    InvalidInterval {
        /// The lowest height of the interval.
        low: Height,
        /// Its highest height.
        high: Height,
    },
    /// No more intervals of heights can be apart. Fill gaps before adding more, or construct the
    /// set with a higher bound.
    IntervalsFull {
        /// The bound.
        max: usize,
    },
    /// No more connected nodes are tracked. Disconnect some, or construct the tracker with a higher
    /// bound.
    ConnectionsFull {
        /// The bound.
        max: usize,
    },
    /// No more subnets have a history. Remove one, or construct the history with a higher bound.
    SubnetsFull {
        /// The bound.
        max: usize,
    },
    /// The subnet has no history. Apply its first changes, or ask for another one.
    UnknownSubnet {
        /// The subnet that was asked for.
        subnet: Id,
    },
    /// The validators at this height are not known: it has not come, it is before the subnet began,
    /// or it was given up for newer ones.
    UnknownHeight {
        /// The subnet that was asked for.
        subnet: Id,
        /// The height that was asked for.
        height: Height,
        /// The earliest height that can be asked for.
        first: Height,
        /// The latest height that can be asked for.
        last: Height,
    },
    /// The heights of a subnet do not decrease. Apply changes in the order of their heights.
    HeightDecreased {
        /// The subnet of the changes.
        subnet: Id,
        /// The height that was given.
        height: Height,
        /// The present height, which is the lowest that is allowed.
        last: Height,
    },
    /// Timeouts break a rule. Change the value that the message names.
    Timeouts {
        /// The first rule that is broken.
        rule: TimeoutRule,
    },
    /// No more requests can be open at once. Wait for answers or deadlines, or construct the
    /// timeouts with a higher bound.
    TimeoutsFull {
        /// The bound.
        max: usize,
    },
    /// Thresholds of a benchlist break a rule. Change the value that the message names.
    Bench {
        /// The first rule that is broken.
        rule: BenchRule,
    },
    /// No more nodes can be followed by a benchlist. Construct it with a higher bound: as many as
    /// there are validators.
    BenchlistFull {
        /// The bound.
        max: usize,
    },
    /// No more jobs can wait. Work off those that are ready, abandon what will not come, or
    /// construct the scheduler with a higher bound.
    SchedulerFull {
        /// The bound, of jobs, of what they wait for and of calls together.
        max: usize,
    },
    /// No more blocks without a verdict can be remembered. Forget the block, or construct the tree
    /// with a higher bound.
    AncestorsFull {
        /// The bound.
        max: usize,
    },
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
            Self::TooManyWeights { weights, max } => {
                write!(
                    f,
                    "{weights} weights; at most {max} are allowed, so leave out those of zero"
                )
            }
            Self::InsufficientWeight { total, wanted } => {
                write!(
                    f,
                    "a sample of {wanted} from a total weight of {total}; ask for at most that"
                )
            }
            Self::ZeroWeight { node } => {
                write!(f, "a change of {node} by zero units; at least one unit of weight is needed")
            }
            Self::DuplicateValidator { node } => {
                write!(f, "{node} is a validator already; add weight to it instead")
            }
            Self::UnknownValidator { node } => {
                write!(f, "{node} is not a validator; add it first")
            }
            Self::WeightUnderflow { node, weight, removed } => {
                write!(
                    f,
                    "{node} has {weight} units, so {removed} cannot be removed; remove at most that"
                )
            }
            Self::ValidatorsFull { max } => {
                write!(f, "{max} validators are in the set, which is the bound; remove some first")
            }
            Self::UnexpectedPeer { node } => {
                write!(f, "{node} is not to be asked; ask nodes that were not asked before")
            }
            Self::RequestsFull { max } => {
                write!(f, "more than {max} requests without an answer; ask as many as are wanted")
            }
            Self::InvalidInterval { low, high } => write!(
                f,
                "interval {low} to {high} is reversed or touches the one before; start from none"
            ),
            Self::IntervalsFull { max } => {
                write!(f, "{max} intervals are apart, which is the bound; fill gaps first")
            }
            Self::ConnectionsFull { max } => {
                write!(
                    f,
                    "{max} nodes are connected, which is the bound; disconnect some or raise it"
                )
            }
            Self::SubnetsFull { max } => {
                write!(
                    f,
                    "{max} subnets have a history, which is the bound; remove one or raise it"
                )
            }
            Self::UnknownSubnet { subnet } => {
                write!(f, "subnet {subnet} has no history; apply its first changes")
            }
            Self::UnknownHeight { subnet, height, first, last } => write!(
                f,
                "validators of subnet {subnet} at height {height} are not known; ask for {first} to {last}"
            ),
            Self::HeightDecreased { subnet, height, last } => write!(
                f,
                "changes of subnet {subnet} at height {height}, which is past; apply at {last} or above"
            ),
            Self::Timeouts { rule } => write!(f, "timeouts are invalid: {rule}"),
            Self::TimeoutsFull { max } => {
                write!(f, "{max} requests are open, which is the bound; wait for answers first")
            }
            Self::Bench { rule } => write!(f, "bench thresholds are invalid: {rule}"),
            Self::BenchlistFull { max } => {
                write!(
                    f,
                    "{max} nodes are followed, which is the bound; raise it to the validators"
                )
            }
            Self::SchedulerFull { max } => {
                write!(
                    f,
                    "scheduler holds {max} items, which is the bound; work off ready jobs first"
                )
            }
            Self::AncestorsFull { max } => {
                write!(f, "{max} blocks wait for a verdict, which is the bound; forget some first")
            }
        }
    }
}

impl std::error::Error for Error {}
