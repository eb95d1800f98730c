//! When this node asks for a block to be built: pure.

use std::time::Duration;

use avalanche_consensus::{Height, NodeId, Timestamp};

use crate::Proposers;
use crate::node::BuildConfig;

/// Decides when to build on the preferred block.
///
/// | Situation | A block is built |
/// |---|---|
/// | this node is drawn for a slot | in that slot |
/// | any validator may propose, and clients gave this node transactions | at once |
/// | any validator may propose, and only others did | after a while, each node another one |
/// | nothing waits, and empty blocks are not asked for | never |
#[derive(Debug)]
pub(crate) struct Builder {
    own: NodeId,
    proposers: Proposers,
    config: BuildConfig,
    /// The preferred block: what would be built on.
    tip: (Height, Timestamp),
    /// Since when transactions wait, as far as the VM said.
    pending: Option<Timestamp>,
    /// Clients gave this node transactions since the last block that it built.
    local: bool,
    /// The engine was asked, and has not answered.
    asked: bool,
}

impl Builder {
    pub(crate) fn new(
        own: NodeId,
        proposers: Proposers,
        config: BuildConfig,
        tip: (Height, Timestamp),
    ) -> Self {
        Self { own, proposers, config, tip, pending: None, local: false, asked: false }
    }

    /// Transactions wait; `local` if clients of this node gave some.
    pub(crate) fn pending(&mut self, now: Timestamp, local: bool) {
        self.pending.get_or_insert(now);
        self.local |= local;
    }

    /// Another block is preferred.
    pub(crate) const fn prefer(&mut self, height: Height, timestamp: Timestamp) {
        self.tip = (height, timestamp);
    }

    /// The engine was asked to build.
    pub(crate) const fn ask(&mut self) {
        self.asked = true;
    }

    /// It did: `built` is whether there was something to build, `None` if it was not this node's
    /// turn after all.
    pub(crate) const fn answered(&mut self, built: Option<bool>) {
        self.asked = false;
        if built.is_some() {
            // The VM says again if something is left, after the next accept.
            self.pending = None;
            self.local = false;
        }
    }

    /// When to ask the engine; `None` if there is no reason to.
    pub(crate) fn due(&self, now: Timestamp) -> Option<Timestamp> {
        if self.asked {
            return None;
        }
        let since = match self.pending {
            Some(since) => since,
            None if self.config.empty => now,
            None => return None,
        };
        let (parent, parent_time) = self.tip;
        let height = parent.next()?;
        let earliest = parent_time.after(Duration::from_millis(self.config.interval_ms)).max(since);
        let at = self.proposers.next_time(self.own, height, parent_time, earliest.max(now))?;
        let anyone = self.proposers.slot_at(parent_time, at).is_none();
        if !anyone || self.local {
            return Some(at);
        }
        let turn = self.proposers.turn(self.own, height).unwrap_or_default();
        let others = Duration::from_millis(self.config.others_ms);
        Some(at.max(since.after(others.saturating_mul(turn + 1))))
    }
}
