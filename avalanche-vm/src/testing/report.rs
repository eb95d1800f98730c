//! How much was asked.

use std::ops::AddAssign;

/// What a chain in memory did, or a whole suite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Blocks that were built.
    pub built: u64,
    /// Blocks that were accepted, without replays.
    pub accepted: u64,
    /// Blocks that were rejected.
    pub rejected: u64,
    /// Blocks that were verified beside another one on the same parent.
    pub siblings: u64,
    /// Bytes that `parse` refused.
    pub refused_by_parse: u64,
    /// Blocks that `verify` refused.
    pub refused_by_verify: u64,
    /// Instances that took over the store of another one.
    pub restarts: u64,
    /// Batches of the store that were lost with the power.
    pub lost_batches: u64,
    /// Logged blocks that a new instance was given again.
    pub replayed: u64,
    /// Digests of states that were compared.
    pub digests: u64,
    /// Messages, requests and transactions of garbage.
    pub garbage: u64,
    /// Rejected blocks whose transactions were followed to their end.
    pub returned: u64,
    /// Summaries of states that were compared.
    pub summaries: u64,
}

impl AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        let Self {
            built, accepted, rejected, siblings, refused_by_parse, refused_by_verify, ..
        } = other;
        let Self {
            restarts, lost_batches, replayed, digests, garbage, returned, summaries, ..
        } = other;
        self.built += built;
        self.accepted += accepted;
        self.rejected += rejected;
        self.siblings += siblings;
        self.refused_by_parse += refused_by_parse;
        self.refused_by_verify += refused_by_verify;
        self.restarts += restarts;
        self.lost_batches += lost_batches;
        self.replayed += replayed;
        self.digests += digests;
        self.garbage += garbage;
        self.returned += returned;
        self.summaries += summaries;
    }
}
