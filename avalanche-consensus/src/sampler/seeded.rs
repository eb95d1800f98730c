//! The sampler that a node asks for each poll.

use super::Source;
use super::alias_table::{AliasTable, LENGTH_MAX};
use super::seed_stream::{SeedStream, chance};
use crate::Error;

/// Draws validators by stake, without drawing a unit of stake twice; fast, and repeatable from a
/// seed.
///
/// The samples have the distribution of AvalancheGo's, but not its numbers: nothing depends on whom
/// another node asks. Equal seeds and equal calls give equal samples on every machine.
///
/// # How it draws
///
/// A validator `i` of weight `w` is proposed with probability `w / total`. If `c` of its units were
/// drawn already, the proposal is refused with probability `c / w`. So it is taken in proportion to
/// `w - c`, the units that it has left, which is exactly a draw of a unit without replacement. All
/// probabilities are fractions of whole numbers and are met exactly; nothing is rounded.
///
/// A call that asks for more than a quarter of the total shuffles a list of the units instead.
///
/// # Limits
///
/// At most [`SeededSampler::WEIGHTS_MAX`] weights, of which it keeps 28 to 44 bytes each; and four
/// bytes for each unit of the total once a call has asked for more than a quarter of it, so at most
/// 16 bytes for each validator that the largest call asked for.
///
/// A sample of `count` costs O(count), whatever the number of validators. A proposal is refused
/// with a probability below 1/4, so fewer than 4/3 proposals are expected for each validator drawn,
/// and more than 64 have a probability below 2^-128.
///
/// ```
/// use avalanche_consensus::sampler::SeededSampler;
///
/// let mut sampler = SeededSampler::new(&[2_000, 0, 3_000], [7; 32])?;
/// let mut sample = Vec::with_capacity(20);
/// sampler.sample_into(20, &mut sample)?;
/// assert_eq!(sample.len(), 20);
/// assert!(!sample.contains(&1));
/// # Ok::<(), avalanche_consensus::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SeededSampler {
    stream: SeedStream,
    table: AliasTable,
    weights: Vec<u64>,
    /// Units of each validator in the sample being drawn; all zero between calls.
    drawn: Vec<u32>,
    /// The owner of each unit, in an order that does not matter. Empty until needed.
    units: Vec<u32>,
}

impl SeededSampler {
    /// The most weights that a sampler takes: 16,777,216.
    pub const WEIGHTS_MAX: usize = LENGTH_MAX;

    /// Prepares to draw from `weights` in O(n). Weights of zero are allowed and never drawn.
    ///
    /// Whoever knows the seed knows the samples. In a node it comes from the operating system.
    ///
    /// # Errors
    ///
    /// [`Error::WeightOverflow`] if the sum is above [`u64::MAX`], [`Error::TooManyWeights`] if
    /// there are more than [`SeededSampler::WEIGHTS_MAX`].
    pub fn new(weights: &[u64], seed: [u8; 32]) -> Result<Self, Error> {
        let table = AliasTable::new(weights)?;
        Ok(Self {
            stream: SeedStream::new(&seed),
            table,
            weights: weights.to_vec(),
            drawn: vec![0; weights.len()],
            units: Vec::new(),
        })
    }

    /// Draws from `weights` from now on and goes on with the random stream, in O(n).
    ///
    /// # Errors
    ///
    /// As [`SeededSampler::new`]. Then the earlier weights stay.
    pub fn reweigh(&mut self, weights: &[u64]) -> Result<(), Error> {
        self.table = AliasTable::new(weights)?;
        self.weights.clear();
        self.weights.extend_from_slice(weights);
        self.drawn.clear();
        self.drawn.resize(weights.len(), 0);
        self.units.clear();
        Ok(())
    }

    /// Replaces `out` by the indices of `count` validators, in draw order. One can come several
    /// times, up to its weight.
    ///
    /// Allocates only if `out` has no room for `count`, or on the first call since the weights were
    /// given that asks for more than a quarter of the total.
    ///
    /// # Errors
    ///
    /// [`Error::InsufficientWeight`] if `count` is above the total weight. Then neither `out` nor
    /// the random stream has changed.
    pub fn sample_into(&mut self, count: u32, out: &mut Vec<u32>) -> Result<(), Error> {
        let (total, wanted) = (self.total(), u64::from(count));
        if total < wanted {
            return Err(Error::InsufficientWeight { total, wanted });
        }
        out.clear();
        out.reserve(count as usize);
        if total < 4 * wanted {
            self.shuffle(count, out);
        } else {
            self.propose(count, out);
        }
        Ok(())
    }

    /// The sum of all weights.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.table.total()
    }

    /// Draws by proposals, for a `count` of at most a quarter of the total.
    fn propose(&mut self, count: u32, out: &mut Vec<u32>) {
        let Self { stream, table, weights, drawn, .. } = self;
        let mut left = count;
        while left > 0 {
            let index = table.draw(|| stream.next_u32());
            let at = index as usize;
            let (Some(units), Some(weight)) = (drawn.get_mut(at), weights.get(at)) else {
                // A column without an entry has no area, so it is never drawn.
                continue;
            };
            if *units > 0 && chance(u64::from(*units), *weight, || stream.next_u32()) {
                continue;
            }
            *units += 1;
            out.push(index);
            left -= 1;
        }
        for index in out.iter() {
            if let Some(units) = drawn.get_mut(*index as usize) {
                *units = 0;
            }
        }
    }

    /// Draws by a partial Fisher-Yates shuffle of the units. Any order of them will do to start
    /// from, so the list is left as the last call left it.
    fn shuffle(&mut self, count: u32, out: &mut Vec<u32>) {
        if self.units.is_empty() {
            for (index, weight) in (0_u32..).zip(&self.weights) {
                let owned = usize::try_from(*weight).unwrap_or(usize::MAX);
                self.units.extend(std::iter::repeat_n(index, owned));
            }
        }
        let mut rest = self.units.as_mut_slice();
        for _ in 0..count {
            let Some(last) = rest.len().checked_sub(1) else {
                break;
            };
            let pick = usize::try_from(self.stream.inclusive(last as u64)).unwrap_or(0);
            rest.swap(0, pick);
            let Some((unit, others)) = rest.split_first_mut() else {
                break;
            };
            out.push(*unit);
            rest = others;
        }
    }
}

#[cfg(test)]
mod tests;
