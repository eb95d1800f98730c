//! The nodes of a subnet that can be told to others.

use std::collections::{BTreeMap, BTreeSet};

use avalanche_consensus::NodeId;
use avalanche_consensus::sampler::{Source, Uniform};

/// Which nodes of a subnet may be gossiped, and which of them can be now (AvalancheGo
/// `network/ip_tracker.go`, `gossipableSubnet`).
#[derive(Clone, Debug, Default)]
pub(super) struct Gossipable {
    /// Validators, and those that the operator named.
    members: BTreeSet<NodeId>,
    /// Those that the operator named, which stay.
    manual: BTreeSet<NodeId>,
    /// The members that are connected and track the subnet, in a row to be drawn from.
    present: Vec<NodeId>,
    /// The place of each of them.
    places: BTreeMap<NodeId, usize>,
}

impl Gossipable {
    pub(super) fn add_member(&mut self, node: NodeId, manual: bool) {
        self.members.insert(node);
        if manual {
            self.manual.insert(node);
        }
    }

    /// Removes a validator; one that the operator named stays. Returns whether it was removed.
    pub(super) fn remove_member(&mut self, node: &NodeId) -> bool {
        if self.manual.contains(node) || !self.members.remove(node) {
            return false;
        }
        self.leave(node);
        true
    }

    pub(super) fn members(&self) -> &BTreeSet<NodeId> {
        &self.members
    }

    /// A member is connected; others are ignored.
    pub(super) fn arrive(&mut self, node: NodeId) {
        if !self.members.contains(&node) {
            return;
        }
        let end = self.present.len();
        if *self.places.entry(node).or_insert(end) == end {
            self.present.push(node);
        }
    }

    pub(super) fn leave(&mut self, node: &NodeId) {
        let Some(place) = self.places.remove(node) else { return };
        self.present.swap_remove(place);
        // The last one has moved to the place that became free.
        if let Some(moved) = self.present.get(place) {
            self.places.insert(*moved, place);
        }
    }

    /// Those that are connected, each once, in an order drawn from `source`.
    pub(super) fn shuffled<S: Source + ?Sized>(
        &self,
        source: &mut S,
    ) -> impl Iterator<Item = NodeId> {
        let mut order = Uniform::new(self.present.len() as u64);
        std::iter::from_fn(move || {
            let place = usize::try_from(order.next(source)?).ok()?;
            self.present.get(place).copied()
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}
