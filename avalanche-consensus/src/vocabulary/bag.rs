//! Multisets: votes counted by identifier, validators counted by how often they were sampled.

/// A multiset, kept in the order of its values.
///
/// A value with count zero is never in it. The sum of all counts is at most [`u32::MAX`]: what
/// would go beyond is not added, so whoever adds counts up cannot overflow. Values are kept in one
/// sorted vector: a poll has at most `k` distinct ones, so lookups are a short search, and a bag
/// that is cleared and filled again allocates nothing.
///
/// ```
/// use avalanche_consensus::{Bag, Id};
///
/// let block = Id::new([1; 32]);
/// let mut votes = Bag::from([block, block]);
/// votes.add_count(Id::EMPTY, 3);
/// assert_eq!((votes.count(&block), votes.len()), (2, 5));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "Vec<(T, u32)>", into = "Vec<(T, u32)>"))]
#[cfg_attr(
    feature = "serde",
    serde(bound(
        serialize = "T: Ord + Clone + serde::Serialize",
        deserialize = "T: Ord + serde::Deserialize<'de>"
    ))
)]
pub struct Bag<T = super::Id> {
    counts: Vec<(T, u32)>,
    len: u32,
}

impl<T: Ord> Bag<T> {
    /// An empty bag, which allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { counts: Vec::new(), len: 0 }
    }

    /// An empty bag with room for `distinct` values.
    #[must_use]
    pub fn with_capacity(distinct: usize) -> Self {
        Self { counts: Vec::with_capacity(distinct), len: 0 }
    }

    /// Adds `value` once.
    pub fn add(&mut self, value: T) {
        self.add_count(value, 1);
    }

    /// Adds `value` `count` times, or as often as there is room; nothing happens when `count` is
    /// zero.
    pub fn add_count(&mut self, value: T, count: u32) {
        let count = count.min(u32::MAX - self.len);
        if count == 0 {
            return;
        }
        match self.counts.binary_search_by(|(known, _)| known.cmp(&value)) {
            Ok(at) => {
                if let Some((_, known)) = self.counts.get_mut(at) {
                    *known += count;
                }
            }
            Err(at) => self.counts.insert(at, (value, count)),
        }
        self.len += count;
    }

    /// How often `value` is in the bag.
    #[must_use]
    pub fn count(&self, value: &T) -> u32 {
        self.counts
            .binary_search_by(|(known, _)| known.cmp(value))
            .ok()
            .and_then(|at| self.counts.get(at))
            .map_or(0, |(_, count)| *count)
    }

    /// Removes every occurrence of `value` and returns how many there were.
    pub fn remove(&mut self, value: &T) -> u32 {
        match self.counts.binary_search_by(|(known, _)| known.cmp(value)) {
            Ok(at) => {
                let (_, count) = self.counts.remove(at);
                self.len -= count;
                count
            }
            Err(_) => 0,
        }
    }

    /// Removes everything and keeps the memory.
    pub fn clear(&mut self) {
        self.counts.clear();
        self.len = 0;
    }

    /// The sum of all counts.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether nothing is in the bag.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The distinct values with their counts, in the order of the values.
    #[must_use]
    pub fn as_slice(&self) -> &[(T, u32)] {
        &self.counts
    }

    /// The distinct values with their counts, in the order of the values.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&T, u32)> + DoubleEndedIterator {
        self.counts.iter().map(|(value, count)| (value, *count))
    }

    /// The most frequent value and its count, the smallest value among equals.
    #[must_use]
    pub fn mode(&self) -> Option<(&T, u32)> {
        self.iter().rev().max_by_key(|(_, count)| *count)
    }
}

impl<T: Ord> Default for Bag<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Ord> FromIterator<T> for Bag<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        values.into_iter().map(|value| (value, 1)).collect()
    }
}

impl<T: Ord> FromIterator<(T, u32)> for Bag<T> {
    fn from_iter<I: IntoIterator<Item = (T, u32)>>(counts: I) -> Self {
        let mut bag = Self::new();
        counts.into_iter().for_each(|(value, count)| bag.add_count(value, count));
        bag
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for Bag<T> {
    fn from(values: [T; N]) -> Self {
        values.into_iter().collect()
    }
}

impl<T: Ord> From<Vec<(T, u32)>> for Bag<T> {
    fn from(counts: Vec<(T, u32)>) -> Self {
        counts.into_iter().collect()
    }
}

impl<T> From<Bag<T>> for Vec<(T, u32)> {
    fn from(bag: Bag<T>) -> Self {
        bag.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_follow_every_change() {
        let mut bag = Bag::new();
        assert_eq!(bag.mode(), None);
        bag.add_count(7, 0);
        assert!(bag.is_empty());
        bag.add_count(7, 2);
        bag.add(3);
        bag.add(7);
        assert_eq!(bag.as_slice(), [(3, 1), (7, 3)]);
        assert_eq!((bag.len(), bag.mode()), (4, Some((&7, 3))));
        assert_eq!((bag.remove(&7), bag.remove(&7), bag.len()), (3, 0, 1));
        bag.add(9);
        assert_eq!(bag.mode(), Some((&3, 1)));
        bag.clear();
        assert_eq!((bag.len(), bag.count(&3)), (0, 0));
    }

    /// Whoever adds all counts up must not overflow.
    #[test]
    fn the_sum_of_counts_is_bounded() {
        let mut bag = Bag::from(vec![(1, u32::MAX - 1), (2, 5), (3, 1)]);
        assert_eq!(bag.as_slice(), [(1, u32::MAX - 1), (2, 1)]);
        assert_eq!(bag.len(), bag.iter().map(|(_, count)| count).sum());
        bag.remove(&1);
        bag.add(3);
        assert_eq!(bag.as_slice(), [(2, 1), (3, 1)]);
    }
}
