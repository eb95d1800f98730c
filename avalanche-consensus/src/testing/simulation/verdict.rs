//! How a run ended.

use std::fmt;

use super::invariants::Invariant;
use crate::Timestamp;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every honest node accepted every height, and no invariant broke.
    Pass,
    /// No invariant broke, but some honest node did not accept every height in time.
    NoProgress {
        /// The heights that every honest node accepted.
        reached: u64,
        /// The heights that there should be.
        heights: u64,
    },
    /// An invariant broke.
    Diverged(Violation),
}

impl Verdict {
    /// Whether all was well.
    #[must_use]
    pub const fn passed(&self) -> bool {
        matches!(self, Self::Pass)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("pass"),
            Self::NoProgress { reached, heights } => {
                write!(f, "no progress: {reached} of {heights} heights")
            }
            Self::Diverged(violation) => write!(f, "diverged: {violation}"),
        }
    }
}

/// An invariant that broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// On which node.
    pub node: u32,
    /// When.
    pub at: Timestamp,
    /// More about it, or nothing.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invariant, node, at, detail } = self;
        write!(f, "{invariant} (node {node}, at {at})")?;
        if detail.is_empty() { Ok(()) } else { write!(f, ": {detail}") }
    }
}
