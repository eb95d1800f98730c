//! The parameters of consensus, validated once.

use std::fmt;
use std::time::Duration;

use crate::Error;

/// Parameters as a person writes them, not yet checked.
///
/// The default is what every network of AvalancheGo runs with, mainnet included
/// (`snow/consensus/snowball/parameters.go`). Turn it into [`Parameters`] with `try_from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct ParametersConfig {
    /// Stake-weighted samples drawn for one poll, and the most votes a poll can have. Default 20.
    /// Raising it lowers the error of a decision and costs messages.
    pub k: u32,
    /// Votes that set the preference. Default 15; more than `k / 2`. Below it a poll is
    /// unsuccessful.
    pub alpha_preference: u32,
    /// Votes that raise confidence. Default 15; from `alpha_preference` to `k`. Raising it lowers
    /// the error and makes decisions depend on more validators answering.
    pub alpha_confidence: u32,
    /// Polls in a row that decide. Default 20; at least `concurrent_repolls`. Raising it lowers the
    /// error exponentially and costs time.
    pub beta: u32,
    /// Polls kept open while anything is processing. Default 4; at least 1, at most `beta`.
    pub concurrent_repolls: u32,
    /// A block is built only while fewer than this many are processing. Default 10; at least 1.
    pub optimal_processing: u32,
    /// More processing blocks than this are unhealthy. Default 256; at least 1.
    pub max_outstanding_items: u32,
    /// A block that is processing longer than this is unhealthy. Default 30 s; above zero.
    pub max_item_processing_time: Duration,
}

impl Default for ParametersConfig {
    fn default() -> Self {
        Self {
            k: 20,
            alpha_preference: 15,
            alpha_confidence: 15,
            beta: 20,
            concurrent_repolls: 4,
            optimal_processing: 10,
            max_outstanding_items: 256,
            max_item_processing_time: Duration::from_secs(30),
        }
    }
}

/// Parameters that keep every rule of AvalancheGo's `Parameters.Verify`.
///
/// ```
/// use avalanche_consensus::snowball::{Parameters, ParametersConfig};
///
/// let small = Parameters::new(5, 4, 4, 3)?;
/// assert_eq!((small.k(), small.concurrent_repolls()), (5, 3));
///
/// let wrong = ParametersConfig { alpha_preference: 10, ..ParametersConfig::default() };
/// let message = Parameters::try_from(wrong).unwrap_err().to_string();
/// assert!(message.contains("alpha_preference = 10"), "{message}");
/// # Ok::<(), avalanche_consensus::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "ParametersConfig", into = "ParametersConfig"))]
pub struct Parameters(ParametersConfig);

impl Parameters {
    /// Parameters of a network that differ from the default in the four numbers that decide.
    ///
    /// `concurrent_repolls` becomes the smaller of 4 and `beta`.
    ///
    /// # Errors
    ///
    /// [`Error::Parameters`] names the rule that is broken.
    pub fn new(
        k: u32,
        alpha_preference: u32,
        alpha_confidence: u32,
        beta: u32,
    ) -> Result<Self, Error> {
        let usual = ParametersConfig::default();
        Self::try_from(ParametersConfig {
            k,
            alpha_preference,
            alpha_confidence,
            beta,
            concurrent_repolls: usual.concurrent_repolls.min(beta),
            ..usual
        })
    }

    /// Samples drawn for one poll.
    #[must_use]
    pub const fn k(&self) -> u32 {
        self.0.k
    }

    /// Votes that set the preference.
    #[must_use]
    pub const fn alpha_preference(&self) -> u32 {
        self.0.alpha_preference
    }

    /// Votes that raise confidence.
    #[must_use]
    pub const fn alpha_confidence(&self) -> u32 {
        self.0.alpha_confidence
    }

    /// Polls in a row that decide.
    #[must_use]
    pub const fn beta(&self) -> u32 {
        self.0.beta
    }

    /// Polls kept open while anything is processing.
    #[must_use]
    pub const fn concurrent_repolls(&self) -> u32 {
        self.0.concurrent_repolls
    }

    /// Blocks that may be processing before building stops.
    #[must_use]
    pub const fn optimal_processing(&self) -> u32 {
        self.0.optimal_processing
    }

    /// Blocks that may be processing while the instance is healthy.
    #[must_use]
    pub const fn max_outstanding_items(&self) -> u32 {
        self.0.max_outstanding_items
    }

    /// How long a block may be processing while the instance is healthy.
    #[must_use]
    pub const fn max_item_processing_time(&self) -> Duration {
        self.0.max_item_processing_time
    }

    /// The share of stake that must be connected for the node to be healthy:
    /// `0.8 * alpha_confidence / k + 0.2`.
    #[must_use]
    pub fn min_percent_connected_healthy(&self) -> f64 {
        f64::from(self.0.alpha_confidence) / f64::from(self.0.k) * 0.8 + 0.2
    }
}

impl From<Parameters> for ParametersConfig {
    fn from(parameters: Parameters) -> Self {
        parameters.0
    }
}

impl TryFrom<ParametersConfig> for Parameters {
    type Error = Error;

    fn try_from(config: ParametersConfig) -> Result<Self, Error> {
        let rules = [
            (config.alpha_preference > config.k / 2, ParameterRule::AlphaPreference),
            (config.alpha_confidence >= config.alpha_preference, ParameterRule::AlphaOrder),
            (config.alpha_confidence <= config.k, ParameterRule::AlphaConfidence),
            (config.concurrent_repolls > 0, ParameterRule::ConcurrentRepolls),
            (config.concurrent_repolls <= config.beta, ParameterRule::Beta),
            (config.optimal_processing > 0, ParameterRule::OptimalProcessing),
            (config.max_outstanding_items > 0, ParameterRule::MaxOutstandingItems),
            (config.max_item_processing_time > Duration::ZERO, ParameterRule::MaxProcessingTime),
        ];
        match rules.into_iter().find(|(kept, _)| !kept) {
            Some((_, rule)) => Err(Error::Parameters { rule, config }),
            None => Ok(Self(config)),
        }
    }
}

/// A rule that parameters must keep, in the order in which they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParameterRule {
    /// `alpha_preference > k / 2`, rounded down: two disjoint sets of votes cannot both reach it.
    AlphaPreference,
    /// `alpha_confidence >= alpha_preference`.
    AlphaOrder,
    /// `alpha_confidence <= k`: a poll can reach it.
    AlphaConfidence,
    /// `concurrent_repolls > 0`.
    ConcurrentRepolls,
    /// `concurrent_repolls <= beta`: more open polls than the streak needs are wasted.
    Beta,
    /// `optimal_processing > 0`.
    OptimalProcessing,
    /// `max_outstanding_items > 0`.
    MaxOutstandingItems,
    /// `max_item_processing_time > 0`.
    MaxProcessingTime,
}

impl ParameterRule {
    /// Writes what was found and what the rule allows.
    pub(crate) fn explain(
        self,
        config: &ParametersConfig,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let ParametersConfig { k, alpha_preference, alpha_confidence, beta, .. } = config;
        match self {
            Self::AlphaPreference => write!(
                f,
                "alpha_preference = {alpha_preference} with k = {k}; it must be more than k / 2 = {}",
                k / 2
            ),
            Self::AlphaOrder => write!(
                f,
                "alpha_confidence = {alpha_confidence}; it must be at least \
                 alpha_preference = {alpha_preference}"
            ),
            Self::AlphaConfidence => {
                write!(f, "alpha_confidence = {alpha_confidence}; it must be at most k = {k}")
            }
            Self::ConcurrentRepolls => f.write_str("concurrent_repolls = 0; it must be at least 1"),
            Self::Beta => write!(
                f,
                "beta = {beta}; it must be at least concurrent_repolls = {}",
                config.concurrent_repolls
            ),
            Self::OptimalProcessing => f.write_str("optimal_processing = 0; it must be at least 1"),
            Self::MaxOutstandingItems => {
                f.write_str("max_outstanding_items = 0; it must be at least 1")
            }
            Self::MaxProcessingTime => {
                f.write_str("max_item_processing_time = 0; it must be above zero")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broken_rule_is_named() {
        let usual = ParametersConfig::default();
        let check = |config: ParametersConfig, rule: ParameterRule, part: &str| {
            let error = Parameters::try_from(config).unwrap_err();
            assert_eq!(error, Error::Parameters { rule, config });
            assert!(error.to_string().contains(part), "{error}");
        };
        check(
            ParametersConfig { alpha_preference: 10, ..usual },
            ParameterRule::AlphaPreference,
            "alpha_preference = 10 with k = 20; it must be more than k / 2 = 10",
        );
        check(
            ParametersConfig { k: 0, alpha_preference: 0, alpha_confidence: 0, ..usual },
            ParameterRule::AlphaPreference,
            "k = 0",
        );
        check(
            ParametersConfig { alpha_confidence: 14, ..usual },
            ParameterRule::AlphaOrder,
            "at least alpha_preference = 15",
        );
        check(
            ParametersConfig { alpha_preference: 28, alpha_confidence: 3, ..usual },
            ParameterRule::AlphaOrder,
            "alpha_confidence = 3",
        );
        check(
            ParametersConfig { alpha_confidence: 21, ..usual },
            ParameterRule::AlphaConfidence,
            "at most k = 20",
        );
        check(
            ParametersConfig { concurrent_repolls: 0, ..usual },
            ParameterRule::ConcurrentRepolls,
            "concurrent_repolls = 0",
        );
        check(ParametersConfig { beta: 3, ..usual }, ParameterRule::Beta, "beta = 3");
        check(
            ParametersConfig { optimal_processing: 0, ..usual },
            ParameterRule::OptimalProcessing,
            "optimal_processing = 0",
        );
        check(
            ParametersConfig { max_outstanding_items: 0, ..usual },
            ParameterRule::MaxOutstandingItems,
            "max_outstanding_items = 0",
        );
        check(
            ParametersConfig { max_item_processing_time: Duration::ZERO, ..usual },
            ParameterRule::MaxProcessingTime,
            "max_item_processing_time = 0",
        );
    }

    #[test]
    fn boundaries_are_allowed() {
        assert_eq!(Parameters::try_from(ParametersConfig::default()), Ok(Parameters::default()));
        assert!(Parameters::new(1, 1, 1, 1).is_ok());
        assert!(Parameters::new(20, 11, 20, 1).is_ok());
        assert!(Parameters::new(u32::MAX, u32::MAX, u32::MAX, u32::MAX).is_ok());
        assert!(Parameters::new(5, 4, 4, 0).is_err());
    }

    /// `TestParametersMinPercentConnectedHealthy` of AvalancheGo.
    #[test]
    fn healthy_share_of_connected_stake() {
        let share = |k, alpha| {
            Parameters::new(k, alpha, alpha, 20).unwrap().min_percent_connected_healthy()
        };
        assert!((share(20, 15) - 0.8).abs() < 1e-9);
        assert!((share(5, 4) - 0.84).abs() < 1e-9);
        assert!((share(1_001, 501) - 0.6).abs() < 1e-3);
    }
}
