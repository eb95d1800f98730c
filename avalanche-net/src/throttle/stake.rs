//! A peer's part of the stake.

use avalanche_consensus::NodeId;
use avalanche_consensus::validators::ValidatorSet;

/// The stake of a peer and of all validators of the Primary Network, in the same unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stake {
    weight: u64,
    total: u64,
}

impl Stake {
    /// A peer that is no validator.
    pub const NONE: Self = Self { weight: 0, total: 0 };

    /// `weight` of `total`. More than the total counts as the total.
    #[must_use]
    pub const fn new(weight: u64, total: u64) -> Self {
        Self { weight: if weight < total { weight } else { total }, total }
    }

    /// What a node has among `validators`.
    #[must_use]
    pub fn of(node: &NodeId, validators: &ValidatorSet) -> Self {
        Self::new(validators.weight(node), validators.total_weight())
    }

    /// Whether it is more than nothing.
    #[must_use]
    pub const fn is_validator(self) -> bool {
        self.weight > 0
    }

    /// The part of `amount` that goes with it, rounded down.
    #[must_use]
    pub fn part_of(self, amount: u64) -> u64 {
        let part = u128::from(amount) * u128::from(self.weight);
        // At most `amount`, so it always fits.
        part.checked_div(u128::from(self.total)).map_or(0, |part| u64::try_from(part).unwrap_or(0))
    }

    /// The share, from 0 to 1.
    #[must_use]
    pub const fn share(self) -> f64 {
        if self.total == 0 { 0.0 } else { self.weight as f64 / self.total as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use avalanche_consensus::validators::Validator;

    #[test]
    fn parts_are_exact_and_never_more_than_all() {
        let all = u64::MAX;
        let table = [
            (Stake::NONE, 100, 0),
            (Stake::new(1, 3), 100, 33),
            (Stake::new(3, 3), 100, 100),
            (Stake::new(9, 3), 100, 100),
            (Stake::new(all, all), all, all),
            (Stake::new(1, all), all, 1),
            (Stake::new(all - 1, all), all, all - 1),
        ];
        for (stake, amount, part) in table {
            assert_eq!(stake.part_of(amount), part, "{stake:?} of {amount}");
        }
        assert_eq!(Stake::new(1, 4).share(), 0.25);
        assert_eq!(Stake::NONE.share(), 0.0);
    }

    #[test]
    fn a_node_outside_the_set_has_nothing() {
        let [a, b] = [1, 2].map(|byte| NodeId::new([byte; 20]));
        let set = ValidatorSet::try_from(vec![Validator { node_id: a, weight: 7 }]).unwrap();
        assert_eq!(Stake::of(&a, &set), Stake::new(7, 7));
        assert!(Stake::of(&a, &set).is_validator());
        assert!(!Stake::of(&b, &set).is_validator());
    }
}
