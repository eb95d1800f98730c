//! When a node is benched, and the rules for saying so.

use std::fmt;
use std::time::Duration;

use crate::Error;

/// Thresholds of a [`Benchlist`](super::Benchlist). The defaults are AvalancheGo's since v1.14.2.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct BenchConfig {
    /// The time after which an outcome counts half. Default: 1 min.
    pub half_life: Duration,
    /// A node is benched when more than this part of its requests fail. Default: 0.5.
    pub bench_probability: f64,
    /// A benched node is let off when less than this part fails. Default: 0.2.
    pub unbench_probability: f64,
    /// How long a node is benched at most. Default: 5 min.
    pub duration: Duration,
}

impl Default for BenchConfig {
    fn default() -> Self {
        Self {
            half_life: Duration::from_mins(1),
            bench_probability: 0.5,
            unbench_probability: 0.2,
            duration: Duration::from_mins(5),
        }
    }
}

impl BenchConfig {
    /// Checks every rule.
    ///
    /// # Errors
    ///
    /// [`Error::Bench`] with the first [`BenchRule`] that is broken.
    pub fn verify(&self) -> Result<(), Error> {
        let Self { half_life, bench_probability, unbench_probability, duration } = *self;
        let rules = [
            (half_life > Duration::ZERO, BenchRule::HalfLife),
            ((0.0..=1.0).contains(&bench_probability), BenchRule::BenchProbability),
            ((0.0..=bench_probability).contains(&unbench_probability), BenchRule::Order),
            (duration > Duration::ZERO, BenchRule::Duration),
        ];
        match rules.into_iter().find(|(kept, _)| !kept) {
            Some((_, rule)) => Err(Error::Bench { rule }),
            None => Ok(()),
        }
    }
}

/// A rule that thresholds must keep, in the order in which they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BenchRule {
    /// `half_life > 0`.
    HalfLife,
    /// `bench_probability` is in `[0, 1]`.
    BenchProbability,
    /// `0 <= unbench_probability <= bench_probability`: nobody is let off for what benches.
    Order,
    /// `duration > 0`.
    Duration,
}

impl fmt::Display for BenchRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HalfLife => "half_life must be more than zero",
            Self::BenchProbability => "bench_probability must be from 0 to 1",
            Self::Order => "unbench_probability must be from 0 to bench_probability",
            Self::Duration => "duration must be more than zero",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_named_at_its_edge() {
        let config = BenchConfig::default;
        assert_eq!(config().verify(), Ok(()));
        for (bench, unbench) in [(0.0, 0.0), (1.0, 1.0), (0.3, 0.3), (1.0, 0.0)] {
            let edge =
                BenchConfig { bench_probability: bench, unbench_probability: unbench, ..config() };
            assert_eq!(edge.verify(), Ok(()));
        }
        let bench = |bench_probability| BenchConfig { bench_probability, ..config() };
        let unbench = |unbench_probability| BenchConfig { unbench_probability, ..config() };
        let table = [
            (BenchConfig { half_life: Duration::ZERO, ..config() }, BenchRule::HalfLife),
            (bench(1.001), BenchRule::BenchProbability),
            (bench(-0.001), BenchRule::BenchProbability),
            (bench(f64::NAN), BenchRule::BenchProbability),
            (unbench(0.501), BenchRule::Order),
            (unbench(-0.001), BenchRule::Order),
            (unbench(f64::NAN), BenchRule::Order),
            (BenchConfig { duration: Duration::ZERO, ..config() }, BenchRule::Duration),
        ];
        for (config, rule) in table {
            let error = Error::Bench { rule };
            assert_eq!(config.verify(), Err(error.clone()), "{config:?}");
            assert_eq!(error.to_string(), format!("bench thresholds are invalid: {rule}"));
        }
    }
}
