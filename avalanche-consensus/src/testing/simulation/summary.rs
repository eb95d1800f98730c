//! What came of a run, and of many.

use std::time::Duration;

use super::network::NetworkCounts;
use super::verdict::Verdict;
use super::world::Counts;
use crate::engine::Cause;

/// What came of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How it ended.
    pub verdict: Verdict,
    /// Without progress: why the preference of each node is not final.
    pub stuck: Vec<(u32, Cause)>,
    /// Heights that every honest node accepted.
    pub heights: u64,
    /// Counters of what happened.
    pub counts: Counts,
    /// Counters of what happened to messages.
    pub network: NetworkCounts,
    /// Polls that were opened.
    pub polls: u64,
    /// Virtual time.
    pub took: Duration,
    /// The hash of everything that happened.
    pub event_hash: [u8; 32],
}

/// What came of many runs. Equal runs in equal order give equal summaries.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Runs.
    pub seeds: u64,
    /// Those that passed.
    pub pass: u64,
    /// Those that did not reach every height.
    pub no_progress: u64,
    /// Those in which an invariant broke.
    pub diverged: u64,
    /// Blocks that nodes accepted, over all nodes and runs.
    pub accepted: u64,
    /// Blocks that nodes rejected, over all nodes and runs.
    pub rejected: u64,
    /// Heights at which a rival was rejected.
    pub conflicts: u64,
    /// Crashes.
    pub crashes: u64,
    /// Partitions.
    pub partitions: u64,
    /// Events.
    pub events: u64,
    /// Messages.
    pub messages: u64,
    /// Polls.
    pub polls: u64,
    /// Virtual time.
    pub took: Duration,
    hasher: blake3::Hasher,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            seeds: 0,
            pass: 0,
            no_progress: 0,
            diverged: 0,
            accepted: 0,
            rejected: 0,
            conflicts: 0,
            crashes: 0,
            partitions: 0,
            events: 0,
            messages: 0,
            polls: 0,
            took: Duration::ZERO,
            hasher: blake3::Hasher::new_derive_key("avalanche/consensus/simulation/summary/v1"),
        }
    }
}

impl Summary {
    /// Adds a run.
    pub fn add(&mut self, report: &Report) {
        self.seeds += 1;
        match report.verdict {
            Verdict::Pass => self.pass += 1,
            Verdict::NoProgress { .. } => self.no_progress += 1,
            Verdict::Diverged(_) => self.diverged += 1,
        }
        let counts = &report.counts;
        self.accepted += counts.accepted;
        self.rejected += counts.rejected;
        self.conflicts += counts.conflicts;
        self.crashes += counts.crashes;
        self.partitions += counts.partitions;
        self.events += counts.events;
        self.messages += report.network.messages;
        self.polls += report.polls;
        self.took += report.took;
        self.hasher.update(&report.seed.to_le_bytes());
        self.hasher.update(&report.event_hash);
    }

    /// Whether every run passed.
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.pass == self.seeds
    }

    /// The hash over the hashes of all runs in order.
    #[must_use]
    pub fn event_hash(&self) -> [u8; 32] {
        *self.hasher.finalize().as_bytes()
    }
}
