//! From a number below the total weight to the entry that owns it.

use crate::Error;

/// Maps every unit of weight to the entry that owns it (AvalancheGo's
/// `utils/sampler/weighted_heap.go`).
///
/// Entries stand in a heap, heaviest first, and each knows the weight of its subtree. Which entry
/// owns which unit follows from that layout, so it is part of AvalancheGo's proposer rule:
///
/// ```text
///   weights 2, 5, 1                 5        unit   0 1 2 3 4 5 6 7
///   at index 0, 1, 2              2   1      index  1 1 1 1 1 0 0 2
/// ```
///
/// A lookup is O(log n), and close to O(1) where few entries own most of the weight.
///
/// ```
/// use avalanche_consensus::sampler::WeightedHeap;
///
/// let heap = WeightedHeap::new(&[2, 5, 1])?;
/// let owners: Vec<_> = (0..9).map(|unit| heap.at(unit)).collect();
/// assert_eq!(owners[..5], [Some(1); 5]);
/// assert_eq!(owners[5..], [Some(0), Some(0), Some(2), None]);
/// # Ok::<(), avalanche_consensus::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct WeightedHeap {
    entries: Vec<Entry>,
}

impl WeightedHeap {
    /// Sorts the weights into a heap. Weights of zero are allowed and own nothing.
    ///
    /// # Errors
    ///
    /// [`Error::WeightOverflow`] if the sum is above [`u64::MAX`].
    pub fn new(weights: &[u64]) -> Result<Self, Error> {
        let mut entries: Vec<_> = weights
            .iter()
            .enumerate()
            .map(|(index, &weight)| Entry { weight, subtree: weight, index })
            .collect();
        // A stable sort keeps equal weights in the order of their index.
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.weight));
        for child in (1..entries.len()).rev() {
            let subtree = entries.get(child).map_or(0, |entry| entry.subtree);
            if let Some(parent) = entries.get_mut((child - 1) / 2) {
                parent.subtree =
                    parent.subtree.checked_add(subtree).ok_or(Error::WeightOverflow)?;
            }
        }
        Ok(Self { entries })
    }

    /// The index, in the given order, of the entry that owns `unit`; `None` at the total and above.
    #[must_use]
    pub fn at(&self, unit: u64) -> Option<usize> {
        if unit >= self.total() {
            return None;
        }
        let (mut at, mut left) = (0, unit);
        loop {
            // `left` is below the weight of the subtree at `at`, so it is never empty.
            let entry = self.entries.get(at)?;
            match left.checked_sub(entry.weight) {
                None => return Some(entry.index),
                Some(rest) => left = rest,
            }
            at = 2 * at + 1;
            if let Some(rest) = left.checked_sub(self.entries.get(at)?.subtree) {
                left = rest;
                at += 1;
            }
        }
    }

    /// The sum of all weights.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.entries.first().map_or(0, |root| root.subtree)
    }
}

#[derive(Clone, Debug)]
struct Entry {
    weight: u64,
    /// Weight of this entry and everything below it.
    subtree: u64,
    /// Where the entry stood in the given weights.
    index: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_owns_as_many_units_as_it_weighs() {
        for weights in [
            &[][..],
            &[0],
            &[0, 0, 3],
            &[1; 20],
            &[5, 0, 9, 1, 1, 30, 2, 2, 0, 7, 9],
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        ] {
            let heap = WeightedHeap::new(weights).expect("small");
            let mut owned = vec![0; weights.len()];
            for unit in 0..heap.total() {
                owned[heap.at(unit).expect("below the total")] += 1;
            }
            assert_eq!(owned, weights);
            assert_eq!(heap.at(heap.total()), None);
            assert_eq!(heap.at(u64::MAX), None);
        }
    }

    #[test]
    fn the_greatest_total_is_allowed_and_one_more_is_not() {
        let heap = WeightedHeap::new(&[1, u64::MAX - 1]).expect("exactly the greatest total");
        assert_eq!((heap.at(u64::MAX - 1), heap.at(u64::MAX)), (Some(0), None));
        assert_eq!(WeightedHeap::new(&[1, u64::MAX]).err(), Some(Error::WeightOverflow));
        assert_eq!(WeightedHeap::new(&[u64::MAX / 2; 3]).err(), Some(Error::WeightOverflow));
    }
}
