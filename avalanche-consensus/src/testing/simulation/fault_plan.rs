//! What goes wrong in a simulation, as data: so that a failing plan can be printed and made
//! smaller.

use std::fmt;
use std::time::Duration;

use super::adversary::Behaviour;

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A node stops, in the middle of what it has to do, and starts again from what is durable.
    Crash {
        /// The node.
        node: u32,
        /// Outputs of its engine that it still carries out.
        outputs: u32,
    },
    /// No message passes between some nodes and the others.
    Partition {
        /// One side.
        side: Vec<u32>,
        /// Whether connections close, so that the engines notice.
        noticed: bool,
    },
    /// Messages get lost.
    Loss {
        /// How many of a thousand.
        permille: u32,
    },
    /// Messages arrive twice.
    Duplication {
        /// How many of a thousand.
        permille: u32,
    },
    /// Messages are overtaken by later ones.
    Reordering {
        /// How many of a thousand.
        permille: u32,
    },
    /// Messages from and to a node take longer.
    Congestion {
        /// The node.
        node: u32,
        /// How many times longer.
        times: u32,
    },
    /// A VM answers later, and not in order.
    SlowVm {
        /// The node.
        node: u32,
        /// The longest time.
        most: Duration,
    },
    /// A VM is wrong about blocks.
    LyingVm {
        /// The node.
        node: u32,
        /// How.
        lie: Lie,
    },
    /// A node works against the others. This never ends.
    Adversary {
        /// The node.
        node: u32,
        /// How.
        behaviour: Behaviour,
    },
}

/// How a VM is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Every third block is invalid to it, although it is valid.
    RejectValid,
    /// Every block is valid to it, and some that it builds are invalid.
    AcceptInvalid,
}

/// The kinds of [`Fault`], without what they happen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// [`Fault::Crash`].
    Crash,
    /// [`Fault::Partition`].
    Partition,
    /// [`Fault::Loss`].
    Loss,
    /// [`Fault::Duplication`].
    Duplication,
    /// [`Fault::Reordering`].
    Reordering,
    /// [`Fault::Congestion`].
    Congestion,
    /// [`Fault::SlowVm`].
    SlowVm,
    /// [`Fault::LyingVm`].
    LyingVm,
    /// [`Fault::Adversary`].
    Adversary,
}

impl FaultKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Crash,
        Self::Partition,
        Self::Loss,
        Self::Duplication,
        Self::Reordering,
        Self::Congestion,
        Self::SlowVm,
        Self::LyingVm,
        Self::Adversary,
    ];
}

impl Fault {
    /// What kind this is.
    #[must_use]
    pub const fn kind(&self) -> FaultKind {
        match self {
            Self::Crash { .. } => FaultKind::Crash,
            Self::Partition { .. } => FaultKind::Partition,
            Self::Loss { .. } => FaultKind::Loss,
            Self::Duplication { .. } => FaultKind::Duplication,
            Self::Reordering { .. } => FaultKind::Reordering,
            Self::Congestion { .. } => FaultKind::Congestion,
            Self::SlowVm { .. } => FaultKind::SlowVm,
            Self::LyingVm { .. } => FaultKind::LyingVm,
            Self::Adversary { .. } => FaultKind::Adversary,
        }
    }

    /// Whether it happens to nodes that a network of this size has.
    #[must_use]
    pub fn fits(&self, nodes: u32) -> bool {
        match self {
            Self::Crash { node, .. }
            | Self::Congestion { node, .. }
            | Self::SlowVm { node, .. }
            | Self::LyingVm { node, .. }
            | Self::Adversary { node, .. } => *node < nodes,
            Self::Partition { side, .. } => side.iter().all(|node| *node < nodes),
            Self::Loss { .. } | Self::Duplication { .. } | Self::Reordering { .. } => true,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash { node, outputs } => {
                write!(f, "node {node} crashes after {outputs} more outputs")
            }
            Self::Partition { side, noticed } => {
                let how = if *noticed { "closed connections" } else { "silence" };
                write!(f, "nodes {side:?} are cut off, with {how}")
            }
            Self::Loss { permille } => write!(f, "{permille} of 1000 messages get lost"),
            Self::Duplication { permille } => {
                write!(f, "{permille} of 1000 messages arrive twice")
            }
            Self::Reordering { permille } => {
                write!(f, "{permille} of 1000 messages are overtaken")
            }
            Self::Congestion { node, times } => {
                write!(f, "messages of node {node} take {times} times as long")
            }
            Self::SlowVm { node, most } => {
                write!(f, "the VM of node {node} answers up to {most:?} later")
            }
            Self::LyingVm { node, lie: Lie::RejectValid } => {
                write!(f, "the VM of node {node} finds valid blocks invalid")
            }
            Self::LyingVm { node, lie: Lie::AcceptInvalid } => {
                write!(f, "the VM of node {node} finds invalid blocks valid")
            }
            Self::Adversary { node, behaviour } => write!(f, "node {node} is {behaviour}"),
        }
    }
}

/// A fault with its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// When it begins, after the start.
    pub at: Duration,
    /// How long it lasts; of no meaning for an adversary.
    pub lasts: Duration,
    /// What happens.
    pub fault: Fault,
}

impl PlannedFault {
    /// When it is over; an adversary is never, and counts as over at once.
    #[must_use]
    pub const fn ends(&self) -> Duration {
        match self.fault {
            Fault::Adversary { .. } => Duration::ZERO,
            _ => self.at.saturating_add(self.lasts),
        }
    }
}

impl fmt::Display for PlannedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, lasts, fault } = self;
        if let Fault::Adversary { .. } = fault {
            return fault.fmt(f);
        }
        write!(f, "from {at:.1?} for {lasts:.1?}: {fault}")
    }
}

/// Everything that goes wrong in a run. Its entries are numbered from 0, in no order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// The faults.
    pub faults: Vec<PlannedFault>,
}

impl FaultPlan {
    /// When the last fault is over.
    #[must_use]
    pub fn ends(&self) -> Duration {
        self.faults.iter().map(PlannedFault::ends).max().unwrap_or_default()
    }

    /// How a node works against the others, if it does.
    #[must_use]
    pub fn adversary(&self, node: u32) -> Option<Behaviour> {
        self.faults.iter().find_map(|planned| match planned.fault {
            Fault::Adversary { node: at, behaviour } if at == node => Some(behaviour),
            _ => None,
        })
    }
}
