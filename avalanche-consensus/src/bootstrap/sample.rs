//! Whom the first poll asks.

use std::collections::BTreeSet;

use crate::sampler::{Source, WeightedWithoutReplacement};
use crate::validators::Validator;
use crate::{Error, NodeId};

/// Draws nodes by stake: at most `max` of them (AvalancheGo's
/// `snow/consensus/snowman/bootstrapper/sampler.go`).
///
/// `max` units of weight are drawn, or all if there are fewer, and their owners are the result. One
/// validator can own several of them, so there can be fewer nodes than `max` even where there are
/// enough. Memory is linear in the validators and in the units that are drawn.
///
/// # Errors
///
/// [`Error::WeightOverflow`] if the sum of the weights is above [`u64::MAX`].
pub fn sample<S: Source + ?Sized>(
    validators: &[Validator],
    max: u32,
    source: &mut S,
) -> Result<BTreeSet<NodeId>, Error> {
    let weights: Vec<u64> = validators.iter().map(|validator| validator.weight).collect();
    let mut sampler = WeightedWithoutReplacement::new(&weights)?;
    // The sampler has checked that the sum fits.
    let count = u64::from(max).min(weights.iter().sum());
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let owners = sampler.sample(count, source).unwrap_or_default();
    Ok(owners.into_iter().filter_map(|at| Some(validators.get(at)?.node_id)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::Mt19937x64;

    fn validators(weights: &[u64]) -> Vec<Validator> {
        (1..)
            .zip(weights)
            .map(|(byte, weight)| Validator { node_id: node(byte), weight: *weight })
            .collect()
    }

    fn node(byte: u8) -> NodeId {
        NodeId::new([byte; 20])
    }

    fn drawn(weights: &[u64], max: u32, seed: u64) -> Result<BTreeSet<NodeId>, Error> {
        sample(&validators(weights), max, &mut Mt19937x64::new(seed))
    }

    /// AvalancheGo's `TestSample`.
    #[test]
    fn a_sample_has_everybody_or_as_many_units_as_there_are_or_as_are_wanted() {
        assert_eq!(drawn(&[1, 1], 2, 1), Ok(BTreeSet::from([node(1), node(2)])));
        assert_eq!(drawn(&[1], 2, 1), Ok(BTreeSet::from([node(1)])));
        assert_eq!(drawn(&[1, 1], 1, 1).map(|nodes| nodes.len()), Ok(1));
        assert_eq!(drawn(&[1, u64::MAX], 1, 1), Err(Error::WeightOverflow));
        assert_eq!(drawn(&[], 9, 1), Ok(BTreeSet::new()));
        assert_eq!(drawn(&[3], 0, 1), Ok(BTreeSet::new()));
        assert_eq!(drawn(&[u64::MAX, 0], 9, 1), Ok(BTreeSet::from([node(1)])));
    }

    #[test]
    fn stake_decides_who_is_drawn_and_units_of_one_owner_join() {
        let (mut heavy, mut light, mut joined) = (0, 0, 0);
        for seed in 0..300 {
            let nodes = drawn(&[90, 5, 0, 5], 2, seed).expect("small");
            assert!((1..=2).contains(&nodes.len()) && !nodes.contains(&node(3)), "{nodes:?}");
            heavy += u32::from(nodes.contains(&node(1)));
            light += u32::from(nodes.contains(&node(2)));
            joined += u32::from(nodes.len() == 1);
        }
        assert!(heavy > 280 && light > 5 && light < 75 && joined > 180, "{heavy} {light} {joined}");
    }
}
