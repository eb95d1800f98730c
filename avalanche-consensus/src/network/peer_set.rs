//! A set from which any member can be drawn.

use std::collections::BTreeMap;

use crate::NodeId;
use crate::sampler::Source;

/// Nodes in a row, and the place of each. The order is a function of the calls.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerSet {
    nodes: Vec<NodeId>,
    places: BTreeMap<NodeId, usize>,
}

impl PeerSet {
    pub(super) fn insert(&mut self, node: NodeId) {
        let end = self.nodes.len();
        if *self.places.entry(node).or_insert(end) == end {
            self.nodes.push(node);
        }
    }

    pub(super) fn remove(&mut self, node: &NodeId) {
        let Some(place) = self.places.remove(node) else { return };
        self.nodes.swap_remove(place);
        // The last one has moved to the place that became free.
        if let Some(moved) = self.nodes.get(place) {
            self.places.insert(*moved, place);
        }
    }

    /// Any member, all with the same chance. An empty set takes nothing from the source.
    pub(super) fn draw<S: Source + ?Sized>(&self, source: &mut S) -> Option<NodeId> {
        let last = u64::try_from(self.nodes.len()).ok()?.checked_sub(1)?;
        self.nodes.get(usize::try_from(source.inclusive(last)).ok()?).copied()
    }

    pub(super) fn contains(&self, node: &NodeId) -> bool {
        self.places.contains_key(node)
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }
}
