//! How much an engine holds, beside what it may hold.

use super::{Engine, Limits};

/// How much of everything that peers can fill an engine holds in normal operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Blocks that are processing.
    pub processing: usize,
    /// Blocks that wait for their parent or their verdict.
    pub pending: usize,
    /// The bytes of those blocks.
    pub pending_bytes: u64,
    /// Blocks that peers were asked for and have not given.
    pub fetching: usize,
    /// Blocks and votes that wait for blocks.
    pub jobs: usize,
    /// Blocks without a verdict whose parent is remembered.
    pub unverified: usize,
    /// What the kept blocks without a verdict weigh.
    pub unverified_bytes: usize,
    /// Polls that are open.
    pub polls: usize,
    /// Requests to peers without an answer, each counted once for each peer.
    pub requests: usize,
    /// Calls to the VM without an answer.
    pub calls: usize,
    /// Messages to this node itself that were not worked off yet.
    pub inbox: usize,
    /// Peers that are followed as connected.
    pub connected: usize,
    /// Validators whose last accepted block is known.
    pub frontiers: usize,
}

impl Holdings {
    /// What is more than the limits allow, if anything is. A few things come with others: each open
    /// call can be that of an oracle, whose two options wait beyond the bound, and the call that
    /// begins a phase is beyond its bound.
    #[must_use]
    pub fn beyond(&self, limits: &Limits) -> Option<&'static str> {
        let pending_max = limits.pending_max + 2 * (limits.calls_max + 1);
        let bounds = [
            ("processing", self.processing, limits.processing_max as usize),
            ("pending", self.pending, pending_max),
            ("fetching", self.fetching, limits.pending_max.min(limits.requests_max)),
            ("jobs", self.jobs, pending_max + limits.requests_max),
            ("unverified", self.unverified, limits.unverified_max),
            ("unverified bytes", self.unverified_bytes, limits.unverified_bytes_max),
            ("polls", self.polls, limits.polls_max as usize),
            ("requests", self.requests, limits.requests_max),
            ("calls", self.calls, limits.calls_max + 1),
            ("inbox", self.inbox, 2 * limits.requests_max),
            ("connected", self.connected, limits.connected_max),
        ];
        let beyond = bounds.into_iter().find(|(_, held, max)| held > max);
        beyond.map(|(name, _, _)| name)
    }
}

impl<H: Clone> Engine<H> {
    /// How much the engine holds.
    #[must_use]
    pub fn holdings(&self) -> Holdings {
        let mut held = Holdings {
            requests: self.requests_open(),
            calls: self.calls_open(),
            inbox: self.cx.inbox.len(),
            connected: self.cx.peers.len(),
            ..Holdings::default()
        };
        if let Some(normal) = self.normal() {
            normal.hold(&mut held);
        }
        held
    }
}
