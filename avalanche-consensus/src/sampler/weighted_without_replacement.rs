//! Entries drawn by weight, without drawing a unit of weight twice.

use super::{Source, Uniform, WeightedHeap};
use crate::Error;

/// Draws entries in proportion to their weight, and no unit of weight twice (AvalancheGo's
/// `utils/sampler/weighted_without_replacement_generic.go`).
///
/// Distinct units are drawn and each is mapped to its owner. So an entry can come several times, up
/// to its weight.
///
/// ```
/// use avalanche_consensus::sampler::{Mt19937, WeightedWithoutReplacement};
///
/// let mut sampler = WeightedWithoutReplacement::new(&[1, 0, 2])?;
/// let mut all = sampler.sample(3, &mut Mt19937::new(1)).unwrap_or_default();
/// all.sort();
/// assert_eq!(all, [0, 2, 2]);
/// # Ok::<(), avalanche_consensus::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct WeightedWithoutReplacement {
    units: Uniform,
    owners: WeightedHeap,
}

impl WeightedWithoutReplacement {
    /// Prepares to draw from `weights`. Weights of zero are allowed and never drawn.
    ///
    /// # Errors
    ///
    /// [`Error::WeightOverflow`] if the sum is above [`u64::MAX`].
    pub fn new(weights: &[u64]) -> Result<Self, Error> {
        let owners = WeightedHeap::new(weights)?;
        Ok(Self { units: Uniform::new(owners.total()), owners })
    }

    /// Puts every unit back and draws `count` of them: the indices of their owners, in draw order.
    ///
    /// `None` if `count` is above the total weight. Then every unit has been drawn, and the source
    /// has moved on by as much, as after a failed [`Uniform::sample`].
    pub fn sample<S: Source + ?Sized>(
        &mut self,
        count: usize,
        source: &mut S,
    ) -> Option<Vec<usize>> {
        self.units.reset();
        (0..count).map(|_| self.owners.at(self.units.next(source)?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::{Mt19937, Mt19937x64};

    /// `chain_source` of AvalancheGo's windower tests, whose chain identifier begins with 0, 2.
    const CHAIN: u64 = 0x0002_0000_0000_0000;

    /// `vms/proposervm/proposer/windower_test.go`: how many windows each of six equal validators
    /// waits.
    #[test]
    fn delays_before_durango_are_those_of_avalanchego() {
        let delays = |height: u64| {
            let mut sampler = WeightedWithoutReplacement::new(&[1; 6]).expect("small");
            let order = sampler.sample(6, &mut Mt19937::new(CHAIN ^ height)).expect("six units");
            (0..6).map(|validator| order.iter().position(|at| *at == validator)).collect::<Vec<_>>()
        };
        assert_eq!(delays(1), [2, 5, 3, 4, 0, 1].map(Some));
        assert_eq!(delays(2), [5, 1, 3, 4, 0, 2].map(Some));
    }

    /// `vms/proposervm/proposer/windower_test.go`: who may propose in each of 24 slots, of ten
    /// equal validators.
    #[test]
    fn proposers_since_durango_are_those_of_avalanchego() {
        let mut sampler = WeightedWithoutReplacement::new(&[1; 10]).expect("small");
        let proposers: Vec<_> = (0_u64..24)
            .map(|slot| {
                let seed = CHAIN ^ 1 ^ slot.reverse_bits();
                sampler.sample(1, &mut Mt19937x64::new(seed)).expect("one unit")[0]
            })
            .collect();
        assert_eq!(
            proposers,
            [2, 0, 9, 7, 0, 3, 3, 3, 3, 3, 4, 0, 6, 3, 2, 1, 6, 0, 5, 1, 9, 6, 0, 8]
        );
    }

    #[test]
    fn a_failed_sample_keeps_the_numbers_it_drew() {
        let mut sampler = WeightedWithoutReplacement::new(&[2, 0, 1]).expect("small");
        let (mut failed, mut drew) = (Mt19937::new(4), Mt19937::new(4));
        assert_eq!(sampler.sample(4, &mut failed), None);
        assert!(sampler.sample(3, &mut drew).is_some());
        assert_eq!(failed.next_u64(), drew.next_u64());
    }
}
