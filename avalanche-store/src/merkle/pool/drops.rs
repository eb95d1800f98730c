//! Dropping nodes.

use std::sync::MutexGuard;

use super::super::cells::Cells;
use super::Entry;

/// Nodes that are dropped, with their bytes.
pub(super) struct Drops<'a> {
    pub(super) spare: MutexGuard<'a, Cells>,
    /// Bytes of spare cells that are kept.
    pub(super) keep: usize,
    /// Bytes of nodes that the budget has no room for.
    pub(super) over_budget: usize,
    pub(super) slots: Vec<u32>,
    pub(super) bytes: usize,
}

impl Drops<'_> {
    /// Drops a node that nobody finds any more and no patch is over; then, if it was a patch, the
    /// node below, if that is so of it.
    pub(super) fn unless_used(&mut self, entries: &mut [Entry], slot: u32) {
        let mut next = Some(slot);
        while let Some(entry) = next.and_then(|slot| entries.get_mut(slot as usize)) {
            let unused = entry.serial == 0 && entry.above == 0 && entry.node.bytes() > 0;
            if !unused {
                return;
            }
            self.bytes += entry.node.bytes() + size_of::<Entry>();
            let Entry { node, over, .. } = std::mem::take(entry);
            self.slots.extend(next);
            next = node.shape().is_patch().then_some(over);
            if let Some(below) = next.and_then(|over| entries.get_mut(over as usize)) {
                below.above = below.above.saturating_sub(1);
                // It was not evicted because of this patch.
                if below.above == 0 && below.settled && self.bytes < self.over_budget {
                    below.serial = 0;
                }
            }
            if self.spare.bytes() < self.keep {
                self.spare.keep(node.into_cells());
            }
        }
    }
}
