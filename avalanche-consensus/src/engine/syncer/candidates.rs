//! The summaries that may be synced to.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::Summary;
use crate::{Height, Id};

/// Summaries that a node named, or that the VM was syncing to.
#[derive(Debug)]
pub(super) struct Candidates<H> {
    summaries: BTreeMap<Id, Summary<H>>,
    /// Their heights, each once, in the order in which they came.
    heights: Vec<Height>,
    /// The one that the VM was syncing to.
    own: Option<Id>,
}

impl<H: Clone> Candidates<H> {
    pub(super) const fn new() -> Self {
        Self { summaries: BTreeMap::new(), heights: Vec::new(), own: None }
    }

    pub(super) fn add(&mut self, summary: Summary<H>) {
        if self.summaries.contains_key(&summary.id) {
            return;
        }
        if !self.heights.contains(&summary.height) {
            self.heights.push(summary.height);
        }
        self.summaries.insert(summary.id, summary);
    }

    pub(super) fn add_own(&mut self, summary: Summary<H>) {
        self.own = Some(summary.id);
        self.add(summary);
    }

    pub(super) fn contains(&self, id: &Id) -> bool {
        self.summaries.contains_key(id)
    }

    pub(super) fn len(&self) -> usize {
        self.summaries.len()
    }

    pub(super) fn heights(&self) -> &[Height] {
        &self.heights
    }

    /// The one among `backed` that the VM was syncing to, or else the highest.
    pub(super) fn best(&self, backed: &BTreeSet<Id>) -> Option<Summary<H>> {
        let known = backed.iter().filter_map(|id| self.summaries.get(id));
        known.max_by_key(|summary| (self.own == Some(summary.id), summary.height)).cloned()
    }
}
