//! Sets of validators at earlier heights.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;

use super::{ValidatorChange, ValidatorDiff, ValidatorSet};
use crate::{Error, Height, Id, NodeId};

/// The validators of every subnet at the present height and at earlier ones.
///
/// A set is kept whole for the present only. Behind it stands, height by height, what each changed
/// validator weighed before, so that an earlier set is found by going back:
///
/// ```text
///   height       7                  9         10
///                |                  |          |
///   kept         {c was 4}          {a: new}   the set at 10: a b c
///                    \                 \
///   at(8) <------------ undo 9 and later <------+
///   at(6) <-- undo 7 --- undo 9 and later <-----+
/// ```
///
/// # Limits
///
/// [`HistoryLimits`] bounds subnets, heights and recorded changes. Going back to a height is O(n +
/// c log (n + c)) for n validators and c changes since that height; the present set is borrowed and
/// costs nothing. Applying m changes costs what [`ValidatorSet::apply`] does.
///
/// ```
/// use avalanche_consensus::validators::{Validator, ValidatorChange, ValidatorHistory};
/// use avalanche_consensus::{Height, Id, NodeId};
///
/// let (subnet, node_id) = (Id::EMPTY, NodeId::new([1; 20]));
/// let mut history = ValidatorHistory::default();
/// let joined = ValidatorChange::Add(Validator { node_id, weight: 10 });
/// history.apply(subnet, Height::new(5), &[joined])?;
/// history.apply(subnet, Height::new(8), &[ValidatorChange::Remove(node_id)])?;
///
/// assert_eq!(history.at(&subnet, Height::new(7))?.weight(&node_id), 10);
/// assert!(history.at(&subnet, Height::new(8))?.is_empty());
/// assert!(history.at(&subnet, Height::new(9)).is_err(), "that height has not come");
/// # Ok::<(), avalanche_consensus::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ValidatorHistory {
    limits: HistoryLimits,
    subnets: BTreeMap<Id, SubnetHistory>,
}

impl ValidatorHistory {
    /// A history without subnets.
    #[must_use]
    pub const fn new(limits: HistoryLimits) -> Self {
        Self { limits, subnets: BTreeMap::new() }
    }

    /// Makes changes at a height, all or none, and returns what they came to, in the order of
    /// [`NodeId`].
    ///
    /// The heights of a subnet do not decrease; changes at the present height add to it. The first
    /// call for a subnet begins its history at that height, with an empty set before the changes. A
    /// call without changes says that the height has come and nothing has changed.
    ///
    /// # Errors
    ///
    /// [`Error::HeightDecreased`], [`Error::SubnetsFull`], or that of the first change that the set
    /// refuses. Then nothing has changed.
    pub fn apply(
        &mut self,
        subnet: Id,
        height: Height,
        changes: &[ValidatorChange],
    ) -> Result<Vec<ValidatorDiff>, Error> {
        if let Some(history) = self.subnets.get_mut(&subnet) {
            if height < history.last {
                return Err(Error::HeightDecreased { subnet, height, last: history.last });
            }
            let diffs = history.set.apply(changes)?;
            history.record(height, &diffs, &self.limits);
            return Ok(diffs);
        }
        let max = self.limits.subnets_max;
        if self.subnets.len() >= max {
            return Err(Error::SubnetsFull { max });
        }
        let mut set = ValidatorSet::new();
        let diffs = set.apply(changes)?;
        self.subnets.insert(subnet, SubnetHistory::new(set, height));
        Ok(diffs)
    }

    /// Says that a height has come for every subnet: until their next changes the sets are known to
    /// stay as they are. A subnet that is further already stays where it is.
    pub fn advance(&mut self, height: Height) {
        for history in self.subnets.values_mut().filter(|history| history.last < height) {
            history.record(height, &[], &self.limits);
        }
    }

    /// Forgets a subnet. Returns whether it was known.
    pub fn remove_subnet(&mut self, subnet: &Id) -> bool {
        self.subnets.remove(subnet).is_some()
    }

    /// The set at the present height.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownSubnet`].
    pub fn current(&self, subnet: &Id) -> Result<&ValidatorSet, Error> {
        self.subnet(subnet).map(|history| &history.set)
    }

    /// The set at a height, exactly as it stood after the last change at that height. It is
    /// borrowed if nothing has changed since.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownSubnet`], or [`Error::UnknownHeight`] for a height outside
    /// [`ValidatorHistory::heights`].
    pub fn at(&self, subnet: &Id, height: Height) -> Result<Cow<'_, ValidatorSet>, Error> {
        let history = self.subnet(subnet)?;
        let (first, last) = (history.first, history.last);
        if height < first || height > last {
            return Err(Error::UnknownHeight { subnet: *subnet, height, first, last });
        }
        Ok(history.at(height))
    }

    /// The heights that can be asked for.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownSubnet`].
    pub fn heights(&self, subnet: &Id) -> Result<RangeInclusive<Height>, Error> {
        self.subnet(subnet).map(|history| history.first..=history.last)
    }

    /// The subnets, in order.
    #[must_use = "iterators are lazy"]
    pub fn subnets(&self) -> impl ExactSizeIterator<Item = Id> {
        self.subnets.keys().copied()
    }

    fn subnet(&self, subnet: &Id) -> Result<&SubnetHistory, Error> {
        self.subnets.get(subnet).ok_or(Error::UnknownSubnet { subnet: *subnet })
    }
}

/// How much a [`ValidatorHistory`] remembers.
///
/// The memory of a subnet is at most 28 bytes for each present validator and about 32 for each
/// recorded change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct HistoryLimits {
    /// Heights below the present one that can be asked for; 65,536 by default, zero for none. More
    /// of them let a node check blocks that lie further behind.
    pub window: u64,
    /// Recorded changes of one subnet; 1,048,576 by default. Above that the oldest heights are
    /// given up before the window ends.
    pub changes_max: usize,
    /// Subnets; 1,024 by default.
    pub subnets_max: usize,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self { window: 1 << 16, changes_max: 1 << 20, subnets_max: 1 << 10 }
    }
}

#[derive(Clone, Debug)]
struct SubnetHistory {
    /// The set at `last`.
    set: ValidatorSet,
    /// The earliest height that can be asked for.
    first: Height,
    /// The present height.
    last: Height,
    /// What to undo to get below a height above `first`, oldest first. Heights can repeat.
    undo: VecDeque<Undo>,
    /// Weights in all of `undo`.
    changes: usize,
}

#[derive(Clone, Debug)]
struct Undo {
    height: Height,
    /// The weight of each changed node before the change; zero if it was not in the set.
    before: Box<[(NodeId, u64)]>,
}

impl SubnetHistory {
    const fn new(set: ValidatorSet, height: Height) -> Self {
        Self { set, first: height, last: height, undo: VecDeque::new(), changes: 0 }
    }

    /// Notes what was changed at a height and gives up what the limits no longer cover.
    fn record(&mut self, height: Height, diffs: &[ValidatorDiff], limits: &HistoryLimits) {
        self.last = height;
        if !diffs.is_empty() {
            self.changes += diffs.len();
            let before = diffs.iter().map(|diff| (diff.node_id, diff.before)).collect();
            self.undo.push_back(Undo { height, before });
        }
        self.first = self.first.max(Height::new(height.get().saturating_sub(limits.window)));
        while let Some(oldest) = self.undo.front() {
            if oldest.height > self.first && self.changes <= limits.changes_max {
                break;
            }
            // Without it nothing below its height can be found.
            self.first = self.first.max(oldest.height);
            self.changes -= oldest.before.len();
            self.undo.pop_front();
        }
    }

    fn at(&self, height: Height) -> Cow<'_, ValidatorSet> {
        let mut before = BTreeMap::new();
        // From the present back, so that the oldest of several weights stays.
        for undo in self.undo.iter().rev().take_while(|undo| undo.height > height) {
            before.extend(undo.before.iter().copied());
        }
        if before.is_empty() {
            Cow::Borrowed(&self.set)
        } else {
            Cow::Owned(self.set.before(before))
        }
    }
}

#[cfg(test)]
mod tests;
