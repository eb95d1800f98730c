//! Who decides at one height, and with which weight.

use std::collections::BTreeMap;

use super::{Validator, ValidatorChange, ValidatorDiff};
use crate::sampler::SeededSampler;
use crate::{Error, NodeId};

/// Validators in the order of their [`NodeId`], each with a weight above zero.
///
/// The rules of change are those of AvalancheGo's validator manager (`snow/validators/manager.go`).
/// One is stricter: a change that would lift the total above [`u64::MAX`] is refused, where
/// AvalancheGo fails when the total is read.
///
/// # Limits
///
/// At most [`ValidatorSet::VALIDATORS_MAX`] validators, 28 bytes each. A lookup is O(log n). A
/// weight changes in O(log n); a validator joins or leaves in O(n), which moves 28 bytes for each
/// validator behind it. [`ValidatorSet::apply`] takes O(n + m log (n + m)) for m changes.
///
/// ```
/// use avalanche_consensus::NodeId;
/// use avalanche_consensus::validators::{Validator, ValidatorSet};
///
/// let [a, b] = [1, 2].map(|byte| NodeId::new([byte; 20]));
/// let mut set = ValidatorSet::new();
/// set.add(Validator { node_id: b, weight: 30 })?;
/// set.add(Validator { node_id: a, weight: 10 })?;
/// set.remove_weight(b, 10)?;
/// assert_eq!((set.weight(&b), set.total_weight()), (20, 30));
/// assert_eq!(set.node_ids(), [a, b]);
/// # Ok::<(), avalanche_consensus::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "Vec<Validator>", into = "Vec<Validator>"))]
pub struct ValidatorSet {
    /// Sorted, without duplicates.
    node_ids: Vec<NodeId>,
    /// The weight of the node at the same place, never zero.
    weights: Vec<u64>,
    total: u64,
}

impl ValidatorSet {
    /// The most validators that a set holds: 1,048,576.
    pub const VALIDATORS_MAX: usize = 1 << 20;

    /// An empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { node_ids: Vec::new(), weights: Vec::new(), total: 0 }
    }

    /// Adds a validator that is not in the set.
    ///
    /// # Errors
    ///
    /// [`Error::ZeroWeight`], [`Error::DuplicateValidator`], [`Error::WeightOverflow`] or
    /// [`Error::ValidatorsFull`]. Then nothing has changed.
    pub fn add(&mut self, validator: Validator) -> Result<ValidatorDiff, Error> {
        self.change(ValidatorChange::Add(validator))
    }

    /// Removes a validator with all its weight.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownValidator`]. Then nothing has changed.
    pub fn remove(&mut self, node_id: NodeId) -> Result<ValidatorDiff, Error> {
        self.change(ValidatorChange::Remove(node_id))
    }

    /// Gives a validator more weight.
    ///
    /// # Errors
    ///
    /// [`Error::ZeroWeight`], [`Error::UnknownValidator`] or [`Error::WeightOverflow`]. Then
    /// nothing has changed.
    pub fn add_weight(&mut self, node_id: NodeId, weight: u64) -> Result<ValidatorDiff, Error> {
        self.change(ValidatorChange::AddWeight { node_id, weight })
    }

    /// Takes weight from a validator and removes it if nothing remains.
    ///
    /// # Errors
    ///
    /// [`Error::ZeroWeight`], [`Error::UnknownValidator`] or [`Error::WeightUnderflow`]. Then
    /// nothing has changed.
    pub fn remove_weight(&mut self, node_id: NodeId, weight: u64) -> Result<ValidatorDiff, Error> {
        self.change(ValidatorChange::RemoveWeight { node_id, weight })
    }

    /// Makes changes one after the other, all or none, and returns what they came to: one entry for
    /// each validator whose weight is another one now, in the order of [`NodeId`].
    ///
    /// # Errors
    ///
    /// That of the first change that is refused. Then nothing has changed.
    pub fn apply(&mut self, changes: &[ValidatorChange]) -> Result<Vec<ValidatorDiff>, Error> {
        let (mut touched, mut total) = (BTreeMap::new(), self.total);
        let mut length = self.len();
        for change in changes {
            let node_id = change.node_id();
            let (_, weight) = touched.entry(node_id).or_insert_with(|| {
                let weight = self.weight(&node_id);
                (weight, weight)
            });
            let after = change.after(*weight)?;
            total = moved(total, *weight, after)?;
            length = length + usize::from(after > 0) - usize::from(*weight > 0);
            full(length)?;
            *weight = after;
        }
        let diffs: Vec<_> = touched
            .into_iter()
            .map(|(node_id, (before, after))| ValidatorDiff { node_id, before, after })
            .filter(|diff| diff.before != diff.after)
            .collect();
        self.replace(&diffs);
        self.total = total;
        Ok(diffs)
    }

    /// The weight of a node; zero if it is not in the set.
    #[must_use]
    pub fn weight(&self, node_id: &NodeId) -> u64 {
        self.position(node_id).and_then(|at| self.weights.get(at)).copied().unwrap_or(0)
    }

    /// Whether a node is in the set.
    #[must_use]
    pub fn contains(&self, node_id: &NodeId) -> bool {
        self.position(node_id).is_some()
    }

    /// The place of a node among the sorted ones, which is its index in samples.
    #[must_use]
    pub fn position(&self, node_id: &NodeId) -> Option<usize> {
        self.node_ids.binary_search(node_id).ok()
    }

    /// The validator at a place, for example an index that was sampled.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<Validator> {
        let (node_id, weight) = (*self.node_ids.get(at)?, *self.weights.get(at)?);
        Some(Validator { node_id, weight })
    }

    /// Number of validators.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.node_ids.len()
    }

    /// Whether there are no validators.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.node_ids.is_empty()
    }

    /// The sum of all weights.
    #[must_use]
    pub const fn total_weight(&self) -> u64 {
        self.total
    }

    /// The nodes, in order.
    #[must_use]
    pub fn node_ids(&self) -> &[NodeId] {
        &self.node_ids
    }

    /// The weights, in the order of [`ValidatorSet::node_ids`]: what samplers take.
    #[must_use]
    pub fn weights(&self) -> &[u64] {
        &self.weights
    }

    /// The validators in the order of their nodes.
    #[must_use = "iterators are lazy"]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Validator> + DoubleEndedIterator {
        let pairs = self.node_ids.iter().zip(&self.weights);
        pairs.map(|(node_id, weight)| Validator { node_id: *node_id, weight: *weight })
    }

    /// A sampler whose indices are places in this set. It does not follow later changes: give it
    /// the new weights with [`SeededSampler::reweigh`].
    ///
    /// # Errors
    ///
    /// None that a set can cause: it keeps to stricter bounds than [`SeededSampler::new`].
    pub fn sampler(&self, seed: [u8; 32]) -> Result<SeededSampler, Error> {
        SeededSampler::new(&self.weights, seed)
    }

    /// The set before `diffs`, of which a node has one at the most.
    pub(super) fn before(&self, diffs: impl IntoIterator<Item = (NodeId, u64)>) -> Self {
        let mut set = self.clone();
        let undo: Vec<_> = diffs
            .into_iter()
            .map(|(node_id, after)| ValidatorDiff { node_id, before: self.weight(&node_id), after })
            .collect();
        set.replace(&undo);
        set.total = set.weights.iter().sum();
        set
    }

    /// Makes one change.
    fn change(&mut self, change: ValidatorChange) -> Result<ValidatorDiff, Error> {
        let node_id = change.node_id();
        let before = self.weight(&node_id);
        let after = change.after(before)?;
        let total = moved(self.total, before, after)?;
        full(self.len() + usize::from(before == 0))?;
        self.put(node_id, after);
        self.total = total;
        Ok(ValidatorDiff { node_id, before, after })
    }

    /// Carries out checked differences, sorted by node, and leaves the total alone.
    fn replace(&mut self, diffs: &[ValidatorDiff]) {
        let moving = diffs.iter().filter(|diff| (diff.before == 0) != (diff.after == 0)).count();
        if moving > MOVES_MAX {
            self.merge(diffs);
        } else {
            diffs.iter().for_each(|diff| self.put(diff.node_id, diff.after));
        }
    }

    /// Sets the weight of one node, where zero removes it.
    fn put(&mut self, node_id: NodeId, weight: u64) {
        match self.node_ids.binary_search(&node_id) {
            Ok(at) if weight == 0 => {
                self.node_ids.remove(at);
                self.weights.remove(at);
            }
            Ok(at) => {
                if let Some(slot) = self.weights.get_mut(at) {
                    *slot = weight;
                }
            }
            Err(_) if weight == 0 => {}
            Err(at) => {
                self.node_ids.insert(at, node_id);
                self.weights.insert(at, weight);
            }
        }
    }

    /// Writes the set anew, with many nodes joining and leaving at once. What stands between two of
    /// them is copied as a whole.
    fn merge(&mut self, diffs: &[ValidatorDiff]) {
        let room = self.len() + diffs.len();
        let mut merged = Self { total: self.total, ..Self::new() };
        merged.node_ids.reserve_exact(room);
        merged.weights.reserve_exact(room);
        let (mut node_ids, mut weights) = (self.node_ids.as_slice(), self.weights.as_slice());
        for diff in diffs {
            let at = node_ids.partition_point(|node_id| *node_id < diff.node_id);
            let (kept_ids, later_ids) = node_ids.split_at(at);
            let (kept_weights, later_weights) = weights.split_at(at);
            merged.node_ids.extend_from_slice(kept_ids);
            merged.weights.extend_from_slice(kept_weights);
            merged.push(diff.node_id, diff.after);
            let known = usize::from(later_ids.first() == Some(&diff.node_id));
            (node_ids, weights) = (later_ids.split_at(known).1, later_weights.split_at(known).1);
        }
        merged.node_ids.extend_from_slice(node_ids);
        merged.weights.extend_from_slice(weights);
        *self = merged;
    }

    /// Appends a node that comes after all others, unless its weight is zero.
    fn push(&mut self, node_id: NodeId, weight: u64) {
        if weight > 0 {
            self.node_ids.push(node_id);
            self.weights.push(weight);
        }
    }
}

/// Validators in any order.
impl TryFrom<Vec<Validator>> for ValidatorSet {
    type Error = Error;

    fn try_from(mut validators: Vec<Validator>) -> Result<Self, Error> {
        full(validators.len())?;
        validators.sort_unstable();
        let mut set = Self::new();
        set.node_ids.reserve_exact(validators.len());
        set.weights.reserve_exact(validators.len());
        for validator in validators {
            let Validator { node_id, weight } = validator;
            let known = if set.node_ids.last() == Some(&node_id) { 1 } else { 0 };
            ValidatorChange::Add(validator).after(known)?;
            set.total = moved(set.total, 0, weight)?;
            set.push(node_id, weight);
        }
        Ok(set)
    }
}

impl From<ValidatorSet> for Vec<Validator> {
    fn from(set: ValidatorSet) -> Self {
        set.iter().collect()
    }
}

/// From this many on, nodes that join or leave are merged in one pass over the set.
const MOVES_MAX: usize = 8;

/// The total after one weight has changed.
fn moved(total: u64, before: u64, after: u64) -> Result<u64, Error> {
    total.saturating_sub(before).checked_add(after).ok_or(Error::WeightOverflow)
}

/// Refuses a number of validators that no set can hold.
const fn full(length: usize) -> Result<(), Error> {
    let max = ValidatorSet::VALIDATORS_MAX;
    if length > max { Err(Error::ValidatorsFull { max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
