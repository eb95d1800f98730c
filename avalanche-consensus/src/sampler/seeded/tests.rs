//! What the samples follow: exact laws, by chi-square tests on fixed seeds.
//!
//! Every test here compares counts with exact probabilities. Counts come from independent samples,
//! one observation from each, so that they are multinomial and the test is valid. A correct sampler
//! fails with a probability of 1 in 10,000 for a new seed; with the fixed seeds the outcome never
//! changes.

use super::*;

/// Pearson's statistic and its critical value at one in 10,000, after joining rare cells.
struct Fit {
    statistic: f64,
    critical: f64,
}

impl Fit {
    /// `cells` are pairs of a count and its probability, which add up to one.
    fn new(cells: impl IntoIterator<Item = (u64, f64)>) -> Self {
        let cells: Vec<_> = cells.into_iter().collect();
        let observations: u64 = cells.iter().map(|(count, _)| *count).sum();
        let sum: f64 = cells.iter().map(|(_, probability)| *probability).sum();
        assert!((sum - 1.0).abs() < 1e-9, "probabilities add up to {sum}");
        // Cells with fewer than five expected go together; what can never happen must not have
        // happened.
        let (mut joined, mut groups) = ((0_u64, 0.0), Vec::new());
        for (count, probability) in cells {
            assert!(probability > 0.0 || count == 0, "an impossible outcome");
            let expected = probability * observations as f64;
            if expected < 5.0 {
                joined = (joined.0 + count, joined.1 + expected);
            } else {
                groups.push((count, expected));
            }
        }
        if joined.1 >= 5.0 {
            groups.push(joined);
        } else if let Some(last) = groups.last_mut() {
            *last = (last.0 + joined.0, last.1 + joined.1);
        }
        let statistic = groups
            .iter()
            .map(|(count, expected)| (*count as f64 - expected).squared() / expected)
            .sum();
        Self { statistic, critical: critical(groups.len() - 1) }
    }

    fn holds(&self) -> bool {
        self.statistic <= self.critical
    }

    fn assert(&self, what: &str) {
        let Self { statistic, critical } = self;
        assert!(self.holds(), "{what}: chi-square {statistic:.1} above {critical:.1}");
    }
}

/// The critical value of a chi-square variable at one in 10,000, by the formula of Wilson and
/// Hilferty: the cube root of such a variable over its degrees of freedom `d` is nearly normal,
/// with mean `1 - 2/(9d)` and variance `2/(9d)`. The normal variable exceeds 3.7190 once in 10,000.
fn critical(degrees: usize) -> f64 {
    assert!(degrees > 0, "one cell alone tests nothing");
    let variance = 2.0 / (9.0 * degrees as f64);
    let root = 1.0 - variance + 3.7190 * variance.sqrt();
    degrees as f64 * root * root * root
}

trait Square {
    fn squared(self) -> f64;
}

impl Square for f64 {
    fn squared(self) -> f64 {
        self * self
    }
}

/// Observations of each test.
const SAMPLES: u32 = 100_000;

/// Something that draws a sample of indices.
type Draw<'a> = &'a mut dyn FnMut(&mut Vec<u32>);

fn total(weights: &[u64]) -> f64 {
    weights.iter().map(|weight| *weight as f64).sum()
}

/// Which validator stands at `place` of each of `samples` samples.
fn fit_place(weights: &[u64], place: usize, samples: u32, draw: Draw<'_>) -> Fit {
    let mut counts = vec![0_u64; weights.len()];
    let mut out = Vec::new();
    for _ in 0..samples {
        draw(&mut out);
        counts[out[place] as usize] += 1;
    }
    let total = total(weights);
    Fit::new(counts.into_iter().zip(weights.iter().map(|weight| *weight as f64 / total)))
}

/// Which pair of validators stands at the first two places.
fn fit_pair(weights: &[u64], samples: u32, draw: Draw<'_>) -> Fit {
    let n = weights.len();
    let mut counts = vec![0_u64; n * n];
    let mut out = Vec::new();
    for _ in 0..samples {
        draw(&mut out);
        counts[out[0] as usize * n + out[1] as usize] += 1;
    }
    let total = total(weights);
    Fit::new(counts.into_iter().enumerate().map(|(cell, count)| {
        let (first, second) = (cell / n, cell % n);
        let left = weights[second] as f64 - if first == second { 1.0 } else { 0.0 };
        let probability = weights[first] as f64 / total * left.max(0.0) / (total - 1.0);
        (count, probability)
    }))
}

/// How many units of one validator are in a sample of `k`: hypergeometric.
fn fit_multiplicity(weights: &[u64], index: u32, k: u32, samples: u32, draw: Draw<'_>) -> Fit {
    let mut counts = vec![0_u64; k as usize + 1];
    let mut out = Vec::new();
    for _ in 0..samples {
        draw(&mut out);
        counts[out.iter().filter(|drawn| **drawn == index).count()] += 1;
    }
    let law = hypergeometric(weights[index as usize] as f64, total(weights), k);
    Fit::new(counts.into_iter().zip(law))
}

/// The probability of 0, 1, .. k units of `own` among `k` of `total`, by adding one draw at a time.
fn hypergeometric(own: f64, total: f64, k: u32) -> Vec<f64> {
    let mut law = vec![0.0; k as usize + 1];
    law[0] = 1.0;
    for drawn in 0..k {
        let mut next = vec![0.0; law.len()];
        for (hits, probability) in law.iter().enumerate().take(drawn as usize + 1) {
            let hit = (own - hits as f64).max(0.0) / (total - f64::from(drawn));
            next[hits + 1] += probability * hit;
            next[hits] += probability * (1.0 - hit);
        }
        law = next;
    }
    law
}

fn sampler(weights: &[u64], seed: u8) -> SeededSampler {
    SeededSampler::new(weights, [seed; 32]).expect("weights are fine")
}

/// The stake distributions of this file: name, weights, sample size.
fn distributions() -> Vec<(&'static str, Vec<u64>, u32)> {
    let zipf = |scale: u64, n: u64| (1..=n).map(|rank| scale / rank).collect();
    let mut whale = vec![1_000_000_007; 141];
    whale[70] = 60_000_000_180;
    let sparse = (0..400).map(|at| if at % 16 == 3 { 1 + at } else { 0 }).collect();
    vec![
        ("uniform", vec![2_000_000_000_000; 100], 20),
        ("Zipf", zipf(1_000_000_000_000_000, 300), 20),
        ("whale of 30 %", whale, 20),
        ("many zeros", sparse, 20),
        ("near the greatest total", vec![u64::MAX / 7; 7], 20),
        ("few units, by proposals", vec![3, 1, 0, 9, 5, 2, 4, 0, 8, 8], 10),
        ("few units, by shuffle", vec![3, 1, 0, 9, 5, 2, 4, 0, 8, 8], 11),
        ("all units but one", vec![4, 4, 4, 4, 5], 20),
    ]
}

#[test]
fn the_critical_value_is_exceeded_once_in_ten_thousand() {
    // With an even number of degrees 2m, a chi-square variable exceeds x with the probability that
    // a Poisson variable of mean x/2 is below m.
    for half in [1_u32, 2, 5, 20, 50, 150] {
        let mean = critical(2 * half as usize) / 2.0;
        let mut term = libm::exp(-mean);
        let mut sum = 0.0;
        for hits in 1..=half {
            sum += term;
            term *= mean / f64::from(hits);
        }
        assert!((0.6e-4..1.1e-4).contains(&sum), "{} degrees: {sum}", 2 * half);
    }
}

#[test]
fn every_place_of_a_sample_follows_the_stake() {
    for (name, weights, k) in distributions() {
        for place in [0, k as usize / 2, k as usize - 1] {
            let mut sampler = sampler(&weights, 1);
            let fit = fit_place(&weights, place, SAMPLES, &mut |out| {
                sampler.sample_into(k, out).expect("enough weight");
            });
            fit.assert(&format!("{name}, place {place}"));
        }
    }
}

#[test]
fn multiplicities_are_hypergeometric() {
    for (name, weights, k) in distributions() {
        let heaviest = (0..).zip(&weights).max_by_key(|(_, weight)| **weight);
        let (index, _) = heaviest.expect("not empty");
        let mut sampler = sampler(&weights, 2);
        let fit = fit_multiplicity(&weights, index, k, SAMPLES, &mut |out| {
            sampler.sample_into(k, out).expect("enough weight");
        });
        fit.assert(name);
    }
}

#[test]
fn pairs_have_their_joint_distribution() {
    let weights = [3, 1, 0, 2, 5, 1];
    // Two of twelve units come from proposals, four of twelve from the shuffle.
    for k in [2, 4] {
        let mut sampler = sampler(&weights, 3);
        let fit = fit_pair(&weights, SAMPLES, &mut |out| {
            sampler.sample_into(k, out).expect("enough weight");
        });
        fit.assert(&format!("first two of {k}"));
    }
}

#[test]
fn the_same_tests_refuse_biased_samplers() {
    // Every second validator has a twentieth too much, as a column that is picked unevenly would
    // give.
    let honest = vec![1_000; 100];
    let tilted: Vec<_> = (0..100).map(|at| if at % 2 == 0 { 1_050 } else { 1_000 }).collect();
    let mut biased = sampler(&tilted, 1);
    let fit = fit_place(&honest, 0, SAMPLES, &mut |out| {
        biased.sample_into(20, out).expect("enough weight");
    });
    assert!(!fit.holds(), "a twentieth too much weight goes unseen");

    // With replacement: each unit can come again.
    let weights = [3, 1, 0, 9, 5, 2, 4, 0, 8, 8];
    let mut biased = sampler(&weights, 2);
    let mut one = Vec::new();
    let mut replaced = |out: &mut Vec<u32>| {
        out.clear();
        for _ in 0..10 {
            biased.sample_into(1, &mut one).expect("enough weight");
            out.extend(&one);
        }
    };
    let fit = fit_multiplicity(&weights, 3, 10, SAMPLES, &mut replaced);
    assert!(!fit.holds(), "replacement goes unseen in the multiplicities");
    // Places alone cannot tell it, which is why there are three tests.
    assert!(fit_place(&weights, 9, SAMPLES, &mut replaced).holds());

    // Without replacement of validators, as if each had one unit.
    let mut biased = sampler(&weights, 3);
    let mut distinct = |out: &mut Vec<u32>| {
        loop {
            biased.sample_into(2, out).expect("enough weight");
            if out[0] != out[1] {
                break;
            }
        }
    };
    let fit = fit_place(&weights, 1, SAMPLES, &mut distinct);
    assert!(!fit.holds(), "distinct validators go unseen");
}

/// Changing one of these numbers changes every seeded run: it is a breaking change.
#[test]
fn the_first_samples_of_a_seed_are_pinned() {
    let mut sampler = SeededSampler::new(&[10, 0, 40, 1, 1_000, 949], [7; 32]).expect("small");
    let mut out = Vec::new();
    let mut draw = |count| {
        sampler.sample_into(count, &mut out).expect("enough weight");
        out.clone()
    };
    assert_eq!(draw(16), [4, 5, 4, 5, 4, 5, 5, 5, 5, 4, 4, 5, 4, 4, 4, 5]);
    assert_eq!(draw(1), [5]);
    // More than a quarter of the total is shuffled.
    assert_eq!(draw(600)[..16], [5, 5, 4, 4, 5, 4, 5, 4, 4, 2, 5, 4, 4, 4, 4, 5]);
    assert_eq!(draw(1), [5]);
}

#[test]
fn every_unit_comes_when_all_are_wanted() {
    let weights = [4, 0, 1, 7, 0, 8];
    let mut sampler = sampler(&weights, 5);
    let mut out = Vec::new();
    for _ in 0..50 {
        sampler.sample_into(20, &mut out).expect("exactly the total");
        let mut counts = [0; 6];
        out.iter().for_each(|index| counts[*index as usize] += 1);
        assert_eq!(counts, weights);
    }
}

/// The rejection must leave nothing behind: each call starts with all units in place.
#[test]
fn no_sample_has_more_units_than_there_are() {
    let weights = [1, 2, 0, 1, 3, 1, 1, 1, 2];
    let mut sampler = sampler(&weights, 6);
    let mut out = Vec::new();
    let mut seen = [0; 9];
    for _ in 0..5_000 {
        sampler.sample_into(3, &mut out).expect("enough weight");
        for (index, weight) in (0..).zip(weights) {
            let times = out.iter().filter(|drawn| **drawn == index).count();
            assert!(times as u64 <= weight, "{times} units of {weight}");
            seen[index as usize] += times;
        }
    }
    assert!(seen.iter().zip(weights).all(|(seen, weight)| (*seen > 0) == (weight > 0)));
}

#[test]
fn a_refused_sample_changes_nothing() {
    let (mut refused, mut other) = (sampler(&[3, 4], 8), sampler(&[3, 4], 8));
    let (mut out, mut expected) = (vec![9, 9], Vec::new());
    let error = refused.sample_into(8, &mut out);
    assert_eq!(error, Err(Error::InsufficientWeight { total: 7, wanted: 8 }));
    assert_eq!(out, [9, 9]);
    refused.sample_into(7, &mut out).expect("exactly the total");
    other.sample_into(7, &mut expected).expect("exactly the total");
    assert_eq!(out, expected);
}

#[test]
fn nothing_can_be_drawn_from_nothing() {
    for weights in [&[][..], &[0, 0]] {
        let mut sampler = sampler(weights, 8);
        let mut out = vec![1];
        assert_eq!(sampler.sample_into(0, &mut out), Ok(()));
        assert!(out.is_empty());
        let error = Error::InsufficientWeight { total: 0, wanted: 1 };
        assert_eq!(sampler.sample_into(1, &mut out), Err(error));
    }
}

#[test]
fn new_weights_count_from_the_next_sample_on() {
    let mut sampler = sampler(&[1, 1, 0], 9);
    let mut out = Vec::new();
    sampler.sample_into(2, &mut out).expect("both units");
    assert_eq!(sampler.reweigh(&[1, u64::MAX]), Err(Error::WeightOverflow));
    assert_eq!(sampler.total(), 2);
    sampler.reweigh(&[0, 0, 2, 0]).expect("small");
    sampler.sample_into(2, &mut out).expect("both units");
    assert_eq!(out, [2, 2]);
    sampler.reweigh(&[1 << 40, 0]).expect("small");
    sampler.sample_into(20, &mut out).expect("enough weight");
    assert_eq!(out, [0; 20]);
}
