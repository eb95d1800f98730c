//! How much of the weight can be reached.

use std::collections::{BTreeMap, BTreeSet};

use super::{ValidatorDiff, ValidatorSet};
use crate::{Error, NodeId};

/// Follows which nodes are connected and how much they weigh (AvalancheGo's
/// `snow/engine/common/tracker/peers.go`).
///
/// Connections and validators come in any order: a node can be connected before it becomes a
/// validator, and stays connected when it is one no longer.
///
/// # Limits
///
/// At most [`ConnectedWeight::CONNECTED_MAX`] connected nodes unless
/// [`ConnectedWeight::with_connected_max`] says otherwise, and as many validators as a
/// [`ValidatorSet`] has. Every change is O(log n), every question O(1).
///
/// ```
/// use avalanche_consensus::NodeId;
/// use avalanche_consensus::validators::{ConnectedWeight, Validator, ValidatorSet};
///
/// let [a, b] = [1, 2].map(|byte| NodeId::new([byte; 20]));
/// let (mut set, mut tracker) = (ValidatorSet::new(), ConnectedWeight::new());
/// tracker.connect(a)?;
/// tracker.follow(&[set.add(Validator { node_id: a, weight: 3 })?])?;
/// tracker.follow(&[set.add(Validator { node_id: b, weight: 1 })?])?;
/// assert_eq!(tracker.connected_percent(), 0.75);
/// # Ok::<(), avalanche_consensus::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConnectedWeight {
    weights: BTreeMap<NodeId, u64>,
    connected: BTreeSet<NodeId>,
    connected_max: usize,
    /// Wide, so that gains can stand before the losses that make room for them.
    total: u128,
    connected_weight: u128,
}

impl ConnectedWeight {
    /// Connected nodes that are tracked unless the caller says otherwise: 65,536.
    pub const CONNECTED_MAX: usize = 1 << 16;

    /// A tracker without validators or connections.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            weights: BTreeMap::new(),
            connected: BTreeSet::new(),
            connected_max: Self::CONNECTED_MAX,
            total: 0,
            connected_weight: 0,
        }
    }

    /// Sets the number of connected nodes that are tracked. Connections that are known stay.
    #[must_use]
    pub const fn with_connected_max(mut self, max: usize) -> Self {
        self.connected_max = max;
        self
    }

    /// Notes that a node is connected; once more does nothing.
    ///
    /// # Errors
    ///
    /// [`Error::ConnectionsFull`] if as many nodes as allowed are connected. Then nothing has
    /// changed.
    pub fn connect(&mut self, node_id: NodeId) -> Result<(), Error> {
        if self.connected.contains(&node_id) {
            return Ok(());
        }
        if self.connected.len() >= self.connected_max {
            return Err(Error::ConnectionsFull { max: self.connected_max });
        }
        self.connected.insert(node_id);
        self.connected_weight += u128::from(self.weight(&node_id));
        Ok(())
    }

    /// Notes that a node is no longer connected; nothing happens if it was not.
    pub fn disconnect(&mut self, node_id: &NodeId) {
        if self.connected.remove(node_id) {
            self.connected_weight -= u128::from(self.weight(node_id));
        }
    }

    /// Takes over what has become of validators, as [`ValidatorSet`] reports it.
    ///
    /// # Errors
    ///
    /// [`Error::WeightOverflow`] or [`Error::ValidatorsFull`] if the differences are not those of
    /// the set that was followed so far. Then nothing has changed.
    pub fn follow(&mut self, diffs: &[ValidatorDiff]) -> Result<(), Error> {
        let undo: Vec<_> =
            diffs.iter().map(|diff| (diff.node_id, self.put(diff.node_id, diff.after))).collect();
        let max = ValidatorSet::VALIDATORS_MAX;
        let refusal = if u64::try_from(self.total).is_err() {
            Error::WeightOverflow
        } else if self.weights.len() > max {
            Error::ValidatorsFull { max }
        } else {
            return Ok(());
        };
        for (node_id, before) in undo.into_iter().rev() {
            self.put(node_id, before);
        }
        Err(refusal)
    }

    /// Whether a node is connected.
    #[must_use]
    pub fn is_connected(&self, node_id: &NodeId) -> bool {
        self.connected.contains(node_id)
    }

    /// The sum of the weights of connected validators.
    #[must_use]
    pub fn connected_weight(&self) -> u64 {
        narrow(self.connected_weight)
    }

    /// The sum of the weights of all validators.
    #[must_use]
    pub fn total_weight(&self) -> u64 {
        narrow(self.total)
    }

    /// Connected weight as a fraction of the total, in `[0, 1]`; 1 if there are no validators.
    #[must_use]
    pub fn connected_percent(&self) -> f64 {
        if self.total == 0 { 1.0 } else { self.connected_weight as f64 / self.total as f64 }
    }

    /// The connected nodes that are validators, in order.
    #[must_use = "iterators are lazy"]
    pub fn connected_validators(&self) -> impl Iterator<Item = NodeId> {
        self.connected.iter().filter(|node_id| self.weights.contains_key(node_id)).copied()
    }

    /// The weight of a node; zero if it is not a validator.
    fn weight(&self, node_id: &NodeId) -> u64 {
        self.weights.get(node_id).copied().unwrap_or(0)
    }

    /// Sets the weight of one node, where zero removes it, and returns the earlier one.
    fn put(&mut self, node_id: NodeId, weight: u64) -> u64 {
        let before = if weight == 0 {
            self.weights.remove(&node_id)
        } else {
            self.weights.insert(node_id, weight)
        };
        let before = before.unwrap_or(0);
        let moved = |sum: u128| sum - u128::from(before) + u128::from(weight);
        self.total = moved(self.total);
        if self.connected.contains(&node_id) {
            self.connected_weight = moved(self.connected_weight);
        }
        before
    }
}

impl Default for ConnectedWeight {
    fn default() -> Self {
        Self::new()
    }
}

/// A sum that was checked to be a `u64`.
fn narrow(sum: u128) -> u64 {
    u64::try_from(sum).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validators::Validator;
    use proptest::prelude::*;
    use std::cell::Cell;

    fn node(byte: u8) -> NodeId {
        NodeId::new([byte; 20])
    }

    fn diff(byte: u8, before: u64, after: u64) -> ValidatorDiff {
        ValidatorDiff { node_id: node(byte), before, after }
    }

    #[test]
    fn nothing_to_reach_is_all_reached() {
        let mut tracker = ConnectedWeight::default();
        assert_eq!(tracker.connected_percent(), 1.0);
        tracker.connect(node(1)).expect("room");
        assert_eq!((tracker.connected_percent(), tracker.connected_weight()), (1.0, 0));
        tracker.follow(&[diff(2, 0, 5)]).expect("small");
        assert_eq!(tracker.connected_percent(), 0.0);
    }

    #[test]
    fn bounds_are_refused_and_change_nothing() {
        let mut tracker = ConnectedWeight::new().with_connected_max(1);
        tracker.connect(node(1)).expect("room");
        tracker.connect(node(1)).expect("known already");
        assert_eq!(tracker.connect(node(2)), Err(Error::ConnectionsFull { max: 1 }));
        assert!(!tracker.is_connected(&node(2)));
        tracker.follow(&[diff(1, 0, u64::MAX)]).expect("the greatest total");
        let error = tracker.follow(&[diff(2, 0, 1), diff(3, 0, 1)]);
        assert_eq!(error, Err(Error::WeightOverflow));
        assert_eq!((tracker.total_weight(), tracker.connected_weight()), (u64::MAX, u64::MAX));
        // A node that comes twice goes back to what it had at first.
        let error = tracker.follow(&[diff(1, u64::MAX, 7), diff(1, 7, 8), diff(2, 0, u64::MAX)]);
        assert_eq!(error, Err(Error::WeightOverflow));
        assert_eq!((tracker.total_weight(), tracker.connected_weight()), (u64::MAX, u64::MAX));
        // A gain that stands before the loss that makes room for it.
        tracker.follow(&[diff(0, 0, 9), diff(1, u64::MAX, u64::MAX - 9)]).expect("it fits");
        assert_eq!((tracker.total_weight(), tracker.connected_weight()), (u64::MAX, u64::MAX - 9));
        tracker.disconnect(&node(1));
        tracker.connect(node(2)).expect("room again");
    }

    /// Against a model that adds everything up anew.
    #[test]
    fn sums_follow_any_order_of_connections_and_validators() {
        let (early, left) = (Cell::new(0), Cell::new(0));
        let operation = (0_u8..4, 0_u8..6, 1_u64..50);
        let strategy = prop::collection::vec(operation, 1..60);
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        runner
            .run(&strategy, |operations| {
                let (mut set, mut tracker) = (ValidatorSet::new(), ConnectedWeight::new());
                let mut connected = BTreeSet::new();
                for (kind, byte, weight) in operations {
                    let node_id = node(byte);
                    let reached = connected.contains(&node_id);
                    let outcome = match kind {
                        0 => {
                            connected.insert(node_id);
                            tracker.connect(node_id).expect("room");
                            continue;
                        }
                        1 => {
                            connected.remove(&node_id);
                            tracker.disconnect(&node_id);
                            continue;
                        }
                        2 => set
                            .add(Validator { node_id, weight })
                            .or_else(|_| set.add_weight(node_id, weight)),
                        _ => set.remove_weight(node_id, weight).or_else(|_| set.remove(node_id)),
                    };
                    if let Ok(diff) = outcome {
                        early.set(early.get() + u32::from(reached && diff.before == 0));
                        left.set(left.get() + u32::from(reached && diff.after == 0));
                        tracker.follow(&[diff]).expect("a set's own difference");
                    }
                    let sum: u64 = connected.iter().map(|node_id| set.weight(node_id)).sum();
                    prop_assert_eq!(tracker.connected_weight(), sum);
                    prop_assert_eq!(tracker.total_weight(), set.total_weight());
                    let reached: Vec<_> = tracker.connected_validators().collect();
                    let model = connected.iter().filter(|node_id| set.contains(node_id));
                    prop_assert!(model.eq(&reached));
                }
                Ok(())
            })
            .expect("the tracker equals its model");
        assert!(early.get() > 0 && left.get() > 0, "{} {}", early.get(), left.get());
    }
}
