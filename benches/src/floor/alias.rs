//! The floor of weighted sampling: an alias table, drawn from with replacement.
//!
//! Walker's method: one random number picks a column and a side of it, whatever the weights are.

#![expect(clippy::indexing_slicing, reason = "columns are drawn below the length")]

use super::SplitMix;

/// A column: below `threshold` it stands for itself, else for `alias`.
#[derive(Clone, Copy, Debug)]
struct Column {
    threshold: u32,
    alias: u32,
}

/// An alias table over indices with weights.
#[derive(Debug)]
pub struct Alias {
    columns: Vec<Column>,
    random: SplitMix,
    size: u32,
}

impl Alias {
    /// A table for `weights`, whose sum times their number must fit 128 bits.
    #[must_use]
    pub fn new(weights: &[u64], seed: u64) -> Self {
        let size = u32::try_from(weights.len()).unwrap_or(u32::MAX);
        let total: u128 = weights.iter().copied().map(u128::from).sum();
        // Scaled by their number, so that the average is `total`.
        let mut rest: Vec<u128> =
            weights.iter().map(|w| u128::from(*w) * u128::from(size)).collect();
        let mut columns: Vec<Column> =
            (0..size).map(|index| Column { threshold: u32::MAX, alias: index }).collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) =
            (0..size).partition(|index| rest[*index as usize] < total);
        while let (Some(low), Some(high)) = (small.pop(), large.last().copied()) {
            let share = (rest[low as usize] << 32) / total;
            columns[low as usize] =
                Column { threshold: u32::try_from(share).unwrap_or(u32::MAX), alias: high };
            rest[high as usize] -= total - rest[low as usize];
            if rest[high as usize] < total {
                large.pop();
                small.push(high);
            }
        }
        Self { columns, random: SplitMix::new(seed), size }
    }

    /// Draws `count` indices into `out`.
    pub fn sample_into(&mut self, count: usize, out: &mut Vec<u32>) {
        out.clear();
        for _ in 0..count {
            let bits = self.random.next_u64();
            let index = ((bits >> 32) * u64::from(self.size)) >> 32;
            #[expect(clippy::cast_possible_truncation, reason = "below a u32 bound; low half")]
            let (index, side) = (index as u32, bits as u32);
            let column = self.columns[index as usize];
            out.push(if side < column.threshold { index } else { column.alias });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_weights() {
        let weights = [1, 2, 3, 10, 0, 4];
        let mut table = Alias::new(&weights, 5);
        let mut out = Vec::new();
        table.sample_into(200_000, &mut out);
        for (index, weight) in (0_u32..).zip(weights) {
            let found = out.iter().filter(|drawn| **drawn == index).count();
            let wanted = usize::try_from(weight).unwrap() * 10_000;
            assert!(found.abs_diff(wanted) < 1_000, "index {index}: {found} of {wanted}");
        }
    }
}
