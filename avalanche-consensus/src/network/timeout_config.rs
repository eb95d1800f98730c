//! How long to wait for an answer, and the rules for saying so.

use std::fmt;
use std::time::Duration;

use crate::Error;

/// Bounds and speed of [`AdaptiveTimeouts`](super::AdaptiveTimeouts). The defaults are
/// AvalancheGo's.
///
/// ```
/// use std::time::Duration;
///
/// use avalanche_consensus::network::TimeoutConfig;
///
/// let slow = TimeoutConfig { minimum: Duration::from_secs(6), ..TimeoutConfig::default() };
/// let error = slow.verify().unwrap_err();
/// assert_eq!(error.to_string(), "timeouts are invalid: minimum 6s is above initial 5s; lower it");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct TimeoutConfig {
    /// The timeout before anything was measured. Default: 5 s.
    pub initial: Duration,
    /// The shortest timeout. Shorter gives up on answers that were on their way. Default: 2 s.
    pub minimum: Duration,
    /// The longest timeout. Longer waits on dead nodes. Default: 10 s.
    pub maximum: Duration,
    /// The timeout is this many times the average latency, finite and at least 1. Default: 2.
    pub coefficient: f64,
    /// The time after which a measurement counts half. Default: 5 min.
    pub half_life: Duration,
}

impl Default for TimeoutConfig {
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(5),
            minimum: Duration::from_secs(2),
            maximum: Duration::from_secs(10),
            coefficient: 2.0,
            half_life: Duration::from_mins(5),
        }
    }
}

impl TimeoutConfig {
    /// Checks every rule.
    ///
    /// # Errors
    ///
    /// [`Error::Timeouts`] with the first [`TimeoutRule`] that is broken.
    pub fn verify(&self) -> Result<(), Error> {
        let Self { initial, minimum, maximum, coefficient, half_life } = *self;
        let rules = [
            (minimum <= initial, TimeoutRule::Minimum { minimum, initial }),
            (initial <= maximum, TimeoutRule::Maximum { initial, maximum }),
            (coefficient >= 1.0 && coefficient.is_finite(), TimeoutRule::Coefficient),
            (half_life > Duration::ZERO, TimeoutRule::HalfLife),
        ];
        match rules.into_iter().find(|(kept, _)| !kept) {
            Some((_, rule)) => Err(Error::Timeouts { rule }),
            None => Ok(()),
        }
    }
}

/// A rule that timeouts must keep, in the order in which they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeoutRule {
    /// `minimum <= initial`.
    Minimum {
        /// The minimum that was given.
        minimum: Duration,
        /// The initial timeout, which is the most that is allowed.
        initial: Duration,
    },
    /// `initial <= maximum`.
    Maximum {
        /// The initial timeout, which is the least that is allowed.
        initial: Duration,
        /// The maximum that was given.
        maximum: Duration,
    },
    /// `coefficient >= 1`, and finite: an average answer must not be given up on.
    Coefficient,
    /// `half_life > 0`.
    HalfLife,
}

impl fmt::Display for TimeoutRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minimum { minimum, initial } => {
                write!(f, "minimum {minimum:?} is above initial {initial:?}; lower it")
            }
            Self::Maximum { initial, maximum } => {
                write!(f, "maximum {maximum:?} is below initial {initial:?}; raise it")
            }
            Self::Coefficient => f.write_str("coefficient must be a finite number of at least 1"),
            Self::HalfLife => f.write_str("half_life must be more than zero"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_named_at_its_edge() {
        let config = TimeoutConfig::default;
        let nano = Duration::from_nanos(1);
        let five = Duration::from_secs(5);
        assert_eq!(config().verify(), Ok(()));
        assert_eq!(TimeoutConfig { minimum: five, maximum: five, ..config() }.verify(), Ok(()));
        assert_eq!(TimeoutConfig { coefficient: 1.0, ..config() }.verify(), Ok(()));
        assert_eq!(TimeoutConfig { half_life: nano, ..config() }.verify(), Ok(()));
        let (high, low) = (five + nano, five - nano);
        let coefficient = |coefficient| TimeoutConfig { coefficient, ..config() };
        let table = [
            (
                TimeoutConfig { minimum: high, ..config() },
                TimeoutRule::Minimum { minimum: high, initial: five },
                "minimum 5.000000001s is above initial 5s; lower it",
            ),
            (
                TimeoutConfig { maximum: low, ..config() },
                TimeoutRule::Maximum { initial: five, maximum: low },
                "maximum 4.999999999s is below initial 5s; raise it",
            ),
            (
                coefficient(0.999),
                TimeoutRule::Coefficient,
                "coefficient must be a finite number of at least 1",
            ),
            (
                coefficient(f64::NAN),
                TimeoutRule::Coefficient,
                "coefficient must be a finite number of at least 1",
            ),
            (
                coefficient(f64::INFINITY),
                TimeoutRule::Coefficient,
                "coefficient must be a finite number of at least 1",
            ),
            (
                TimeoutConfig { half_life: Duration::ZERO, ..config() },
                TimeoutRule::HalfLife,
                "half_life must be more than zero",
            ),
        ];
        for (config, rule, text) in table {
            let error = Error::Timeouts { rule };
            assert_eq!(config.verify(), Err(error.clone()), "{config:?}");
            assert_eq!(error.to_string(), format!("timeouts are invalid: {text}"));
        }
    }
}
