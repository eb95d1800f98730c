//! One draw by weight in constant time, exact to the unit.

use super::seed_stream::chance;
use crate::Error;

/// Walker's alias table in Vose's construction, with whole numbers only.
///
/// There are 2^b columns, the least power of two that gives each entry its own. Each column is as
/// high as the total weight W and is shared by at most two entries. Every weight is scaled by 2^b,
/// so no division is needed and the areas are exact:
///
/// ```text
///   weights 3, 4, 1: W = 8, b = 2, scaled 12, 16, 4
///
///     8 +---+---+---+---+     a word picks:  01 1010..
///       | 0 | 0 | 1 | 1 |     column 1 ------+  |
///     4 |   +---+---+   |     how high ---------+  below the split it is the column's own entry,
///       |   | 1 | 2 |   |                          from there on its alias
///     0 +---+---+---+---+
/// ```
#[derive(Clone, Debug)]
pub(super) struct AliasTable {
    columns: Vec<Column>,
    /// How much of each column, of `total`, its own entry has.
    splits: Vec<u64>,
    total: u64,
    bits: u32,
}

/// What a draw reads: eight bytes, so that large tables stay in the cache.
#[derive(Clone, Copy, Debug)]
struct Column {
    /// The split as a fraction of 2^32, rounded down to the bits that a word has for it.
    split: u32,
    alias: u32,
}

impl AliasTable {
    /// Builds the table in O(n). A total of zero makes a table that must not be drawn from.
    pub(super) fn new(weights: &[u64]) -> Result<Self, Error> {
        if weights.len() > LENGTH_MAX {
            return Err(Error::TooManyWeights { weights: weights.len(), max: LENGTH_MAX });
        }
        let total = weights
            .iter()
            .try_fold(0_u64, |sum, weight| sum.checked_add(*weight))
            .ok_or(Error::WeightOverflow)?;
        let length = weights.len().next_power_of_two();
        let mut table = Self {
            columns: vec![Column { split: 0, alias: 0 }; length],
            splits: vec![0; length],
            total,
            bits: length.trailing_zeros(),
        };
        if total > 0 {
            table.fill(weights);
        }
        Ok(table)
    }

    /// The sum of all weights.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// Draws an entry with a probability of exactly its weight over the total, which is not zero.
    ///
    /// Takes one word, and more with a probability below 2^(b - 32).
    #[inline]
    pub(super) fn draw(&self, mut word: impl FnMut() -> u32) -> u32 {
        let (at, height) = halves(u64::from(word()) << self.bits);
        let column = self.column(at);
        if height == column.split {
            return self.draw_on_the_split(at, column.alias, word);
        }
        if height < column.split { at } else { column.alias }
    }

    /// The word fell on the unit of height in which the split lies: a second draw decides.
    #[cold]
    fn draw_on_the_split(&self, at: u32, alias: u32, word: impl FnMut() -> u32) -> u32 {
        let split = self.splits.get(at as usize).map_or(0, |split| u128::from(*split));
        let rest = (split << (32 - self.bits)) % u128::from(self.total);
        // The rest is below the total, which is a u64.
        let rest = u64::try_from(rest).unwrap_or(0);
        if chance(rest, self.total, word) { at } else { alias }
    }

    /// Shares the columns out: entries with less than a column are topped up by entries with more.
    fn fill(&mut self, weights: &[u64]) {
        let height = u128::from(self.total);
        let mut areas = vec![0_u128; self.columns.len()];
        for (area, weight) in areas.iter_mut().zip(weights) {
            *area = u128::from(*weight) << self.bits;
        }
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for (at, area) in (0_u32..).zip(&areas) {
            if *area < height { small.push(at) } else { large.push(at) }
        }
        while let Some(giver) = large.last().copied() {
            let Some(taker) = small.pop() else {
                break;
            };
            let own = area(&areas, taker);
            self.set(taker, own, giver);
            let left = area(&areas, giver) - (height - own);
            if let Some(slot) = areas.get_mut(giver as usize) {
                *slot = left;
            }
            if left < height {
                large.pop();
                small.push(giver);
            }
        }
        // The areas add up to exactly the columns, so whoever is left fills one: its own.
        for at in large {
            self.set(at, 0, at);
        }
    }

    /// Gives `own` units of the column at `at` to its own entry and the others to `alias`.
    fn set(&mut self, at: u32, own: u128, alias: u32) {
        let split = ((own << (32 - self.bits)) / u128::from(self.total)) << self.bits;
        if let Some(column) = self.columns.get_mut(at as usize) {
            // Below 2^32, since `own` is below the total.
            *column = Column { split: u32::try_from(split).unwrap_or(u32::MAX), alias };
        }
        if let Some(slot) = self.splits.get_mut(at as usize) {
            *slot = u64::try_from(own).unwrap_or(u64::MAX);
        }
    }

    #[expect(clippy::indexing_slicing, reason = "b bits of a word are below the 2^b columns")]
    fn column(&self, at: u32) -> Column {
        self.columns[at as usize]
    }
}

/// The most entries a table can have: eight bits of each word are left for the height.
pub(super) const LENGTH_MAX: usize = 1 << 24;

fn area(areas: &[u128], at: u32) -> u128 {
    areas.get(at as usize).copied().unwrap_or(0)
}

/// High and low half of a word that was shifted.
fn halves(value: u64) -> (u32, u32) {
    let [b0, b1, b2, b3, b4, b5, b6, b7] = value.to_le_bytes();
    (u32::from_le_bytes([b4, b5, b6, b7]), u32::from_le_bytes([b0, b1, b2, b3]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The area of each entry, from what the columns say.
    fn areas(table: &AliasTable, entries: usize) -> Vec<u128> {
        let mut areas = vec![0; entries.next_power_of_two()];
        for (at, (column, split)) in table.columns.iter().zip(&table.splits).enumerate() {
            areas[at] += u128::from(*split);
            areas[column.alias as usize] += u128::from(table.total - split);
        }
        areas
    }

    fn check(weights: &[u64]) {
        let table = AliasTable::new(weights).expect("no overflow");
        if table.total == 0 {
            return;
        }
        let areas = areas(&table, weights.len());
        for (at, area) in areas.iter().enumerate() {
            let weight = weights.get(at).copied().unwrap_or(0);
            assert_eq!(*area, u128::from(weight) << table.bits, "entry {at} of {weights:?}");
        }
        // A word and the rest behind it give the split back, to the unit.
        let scale = 32 - table.bits;
        for (at, (column, split)) in (0..).zip(table.columns.iter().zip(&table.splits)) {
            let (split, total) = (u128::from(*split), u128::from(table.total));
            let below = u128::from(column.split >> table.bits);
            assert_eq!(below * total + (split << scale) % total, split << scale);
            check_draws(&table, at, *column, (split << scale) % total);
        }
    }

    /// Draws on both sides of the split, and on it.
    fn check_draws(table: &AliasTable, at: u32, column: Column, rest: u128) {
        let word = |height: u32| {
            let value = u64::from(at) << 32 | u64::from(height);
            u32::try_from(value >> table.bits).expect("32 bits")
        };
        let step = 1 << table.bits;
        let draw = |words: &[u32]| {
            let mut words = words.iter().copied().chain(std::iter::repeat(u32::MAX));
            table.draw(|| words.next().expect("endless"))
        };
        if let Some(below) = column.split.checked_sub(step) {
            assert_eq!(draw(&[word(below)]), at);
        }
        if let Some(above) = column.split.checked_add(step) {
            assert_eq!(draw(&[word(above)]), column.alias);
        }
        let lowest = if rest == 0 { column.alias } else { at };
        assert_eq!(draw(&[word(column.split), 0, 0]), lowest);
        assert_eq!(draw(&[word(column.split), u32::MAX, u32::MAX]), column.alias);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn every_probability_is_exact_to_the_unit(
            weights in prop::collection::vec(
                prop_oneof![Just(0), 1_u64..5, 1_u64..1_000_000, any::<u64>().prop_map(|w| w >> 6)],
                1..60,
            ),
        ) {
            check(&weights);
        }
    }

    #[test]
    fn the_ends_of_the_ranges_are_exact() {
        check(&[]);
        check(&[0, 0]);
        check(&[1]);
        check(&[u64::MAX]);
        check(&[u64::MAX - 1, 1]);
        check(&[1, 0, 0, u64::MAX - 2, 1]);
        check(&[1; 64]);
        check(&[1; 65]);
    }

    /// The picture on the type.
    #[test]
    fn columns_are_shared_by_two_at_most() {
        let table = AliasTable::new(&[3, 4, 1]).expect("small");
        let columns: Vec<_> = table.columns.iter().map(|column| column.alias).collect();
        assert_eq!((columns, table.splits), (vec![0, 0, 1, 1], vec![0, 4, 4, 0]));
    }

    #[test]
    fn bounds_are_refused_by_name() {
        let error = AliasTable::new(&[u64::MAX, 1]).err();
        assert_eq!(error, Some(Error::WeightOverflow));
        let error = AliasTable::new(&vec![0; LENGTH_MAX + 1]).err();
        let (weights, max) = (LENGTH_MAX + 1, LENGTH_MAX);
        assert_eq!(error, Some(Error::TooManyWeights { weights, max }));
    }
}
