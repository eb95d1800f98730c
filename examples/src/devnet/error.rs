//! Why a simulated network stops early.

use std::fmt;

use avalanche_consensus::snowman::RecordPollError;

/// A broken run. None of these is a disagreement of the nodes, which is a verdict.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A node refused something that its own rules should have made impossible.
    Node {
        /// Index of the node.
        node: usize,
        /// What it said.
        source: avalanche_consensus::Error,
    },
    /// A poll could not be recorded.
    RecordPoll {
        /// Index of the node.
        node: usize,
        /// What it said.
        reason: String,
    },
}

impl Error {
    /// Names the node of an error of the core.
    pub(super) fn of(node: usize) -> impl Fn(avalanche_consensus::Error) -> Self {
        move |source| Self::Node { node, source }
    }

    /// Names the node of a poll that was not recorded.
    pub(super) fn poll<E: fmt::Debug>(node: usize, error: &RecordPollError<E>) -> Self {
        Self::RecordPoll { node, reason: format!("{error:?}") }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node { node, source } => write!(f, "node {node}: {source}"),
            Self::RecordPoll { node, reason } => write!(f, "node {node}: poll refused: {reason}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Node { source, .. } => Some(source),
            Self::RecordPoll { .. } => None,
        }
    }
}
