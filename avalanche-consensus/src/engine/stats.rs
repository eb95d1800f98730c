//! Plain counters and health, for a shell to publish.

use std::time::Duration;

use crate::snowman;

/// Counters since the engine was made. They only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Inputs that were handled.
    pub inputs: u64,
    /// Messages to peers.
    pub sent: u64,
    /// Messages to this node itself, which never leave it.
    pub sent_to_self: u64,
    /// Requests that were not answered in time or could not be sent.
    pub failed_requests: u64,
    /// Polls that were opened.
    pub polls: u64,
    /// Queries that were not sent, for want of connected weight or of room.
    pub queries_dropped: u64,
    /// Blocks that were verified.
    pub verified: u64,
    /// Blocks that were found invalid.
    pub invalid: u64,
    /// Blocks that were accepted.
    pub accepted: u64,
    /// Blocks that were rejected.
    pub rejected: u64,
    /// Blocks that were built here.
    pub built: u64,
    /// Votes that counted for no block.
    pub votes_dropped: u64,
    /// Faults of peers.
    pub faults: u64,
    /// Answers to calls that were not open.
    pub stray_answers: u64,
}

/// How an engine is doing. Source of the rules: section 7.11 of AvalancheGo's engine, which is
/// `HealthCheck` in `snow/engine/snowman/engine.go` and `snow/networking/handler`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Health {
    /// Consensus; `None` before normal operation.
    pub consensus: Option<snowman::Health>,
    /// Connected weight as a fraction of the total.
    pub connected: f64,
    /// The fraction below which the engine is not healthy.
    pub connected_min: f64,
    /// Requests without an answer, each counted once for each peer.
    pub outstanding: usize,
    /// How long a request is waited for at present.
    pub timeout: Duration,
    /// Whether the engine has stopped.
    pub stopped: bool,
}

impl Health {
    /// Requests without an answer above which an engine is not healthy (AvalancheGo's router).
    pub const OUTSTANDING_MAX: usize = 1_024;

    /// Whether nothing is wrong.
    #[must_use]
    pub fn healthy(&self) -> bool {
        !self.stopped
            && self.connected >= self.connected_min
            && self.outstanding <= Self::OUTSTANDING_MAX
            && self.consensus.is_none_or(|consensus| consensus.healthy())
    }
}
