//! When a poll moves a preference, and when a streak of polls decides.

use crate::{Error, snowball::Parameters};

/// One way to decide: `beta` polls in a row with at least `alpha_confidence` votes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminationCondition {
    /// Votes that a poll needs to count.
    pub alpha_confidence: u32,
    /// Polls in a row that decide.
    pub beta: u32,
}

/// The thresholds of an instance: one preference threshold and `N` termination conditions.
///
/// Networks run with one condition. Several make an instance error driven: many polls with a bare
/// majority decide, and so do fewer polls with a larger one. Source of the rule:
/// `snow/consensus/snowball/binary_snowflake.go` of AvalancheGo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds<const N: usize = 1> {
    alpha_preference: u32,
    conditions: [TerminationCondition; N],
}

impl<const N: usize> Thresholds<N> {
    /// Checks and keeps the thresholds.
    ///
    /// # Errors
    ///
    /// [`Error::TerminationConditions`] if there is no condition, a `beta` is zero,
    /// `alpha_confidence` does not rise from one condition to the next, or `beta` does.
    pub fn new(
        alpha_preference: u32,
        conditions: [TerminationCondition; N],
    ) -> Result<Self, Error> {
        let ordered = conditions.is_sorted_by(|earlier, later| {
            earlier.alpha_confidence < later.alpha_confidence && earlier.beta >= later.beta
        });
        if N == 0 || !ordered || conditions.iter().any(|condition| condition.beta == 0) {
            return Err(Error::TerminationConditions);
        }
        Ok(Self { alpha_preference, conditions })
    }

    /// Votes that move the preference.
    #[must_use]
    pub const fn alpha_preference(&self) -> u32 {
        self.alpha_preference
    }

    /// The termination conditions, in order.
    #[must_use]
    pub const fn conditions(&self) -> &[TerminationCondition; N] {
        &self.conditions
    }
}

impl From<Parameters> for Thresholds {
    fn from(parameters: Parameters) -> Self {
        Self {
            alpha_preference: parameters.alpha_preference(),
            conditions: [TerminationCondition {
                alpha_confidence: parameters.alpha_confidence(),
                beta: parameters.beta(),
            }],
        }
    }
}

impl From<&Parameters> for Thresholds {
    fn from(parameters: &Parameters) -> Self {
        (*parameters).into()
    }
}
