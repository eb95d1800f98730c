//! Any number of values of the user's own type.

use std::fmt;

use super::confidence::Confidence;
use super::rule::NnaryCounter;
use super::{Rule, Snowball, Thresholds};
use crate::Id;

/// An instance that decides between any number of values.
///
/// Every value is one instance's whole contest: unlike in a [`Tree`](super::Tree), values do not
/// share what their bits have in common, so close contests take many more polls. Source of the
/// rule: `snow/consensus/snowball/nnary_snowflake.go` and `nnary_snowball.go` of AvalancheGo.
///
/// # Limits
///
/// A Snowball instance keeps one counter for each distinct value that ever reached the preference
/// threshold: at most one more for each recorded poll. A Snowflake instance keeps none.
#[derive(Clone, Debug)]
pub struct Nnary<R: Rule, V: Ord + Clone + fmt::Debug = Id, const N: usize = 1> {
    thresholds: Thresholds<N>,
    slush: V,
    confidence: Confidence<N>,
    strength: R::Nnary<V>,
}

impl<R: Rule, V: Ord + Clone + fmt::Debug, const N: usize> Nnary<R, V, N> {
    /// An instance without confidence that prefers `choice`.
    #[must_use]
    pub fn new(thresholds: impl Into<Thresholds<N>>, choice: V) -> Self {
        Self {
            thresholds: thresholds.into(),
            strength: R::Nnary::new(&choice),
            slush: choice,
            confidence: Confidence::NEW,
        }
    }

    /// Offers another value. Any value can be voted for, so there is nothing to remember.
    pub const fn add(&mut self, _choice: &V) {}

    /// Counts a poll in which `choice` had `count` votes, more than any other value.
    pub fn record_poll(&mut self, count: u32, choice: &V) {
        // Strengths move before the guard: they go on after a decision, and only show.
        if count >= self.thresholds.alpha_preference() {
            self.strength.record(choice);
        }
        if self.confidence.finalized() {
            return;
        }
        if count < self.thresholds.alpha_preference() {
            self.confidence.reset();
            return;
        }
        if *choice != self.slush {
            self.confidence.reset();
            self.slush = choice.clone();
        }
        self.confidence.apply(&self.thresholds, count);
    }

    /// Counts a poll in which no value reached the preference threshold: confidence is lost.
    pub const fn record_unsuccessful_poll(&mut self) {
        self.confidence.reset();
    }

    /// The value that is preferred, or decided.
    #[must_use]
    pub fn preference(&self) -> &V {
        if self.finalized() { &self.slush } else { self.strength.preference(&self.slush) }
    }

    /// Whether the preference is decided.
    #[must_use]
    pub const fn finalized(&self) -> bool {
        self.confidence.finalized()
    }

    /// Successful polls for the preference in a row, for each termination condition.
    #[must_use]
    pub const fn confidence(&self) -> [u32; N] {
        self.confidence.counters()
    }

    pub(super) const fn thresholds(&self) -> &Thresholds<N> {
        &self.thresholds
    }
}

impl<V: Ord + Clone + fmt::Debug, const N: usize> Nnary<Snowball, V, N> {
    /// Polls in which each value reached the preference threshold, in the order of the values.
    pub fn strengths(&self) -> impl Iterator<Item = (&V, u64)> {
        self.strength.polls.iter().map(|(value, polls)| (value, *polls))
    }
}

/// Values are printed by their `Debug` form, which for identifiers is hex, as in traces.
impl<R: Rule, V: Ord + Clone + fmt::Debug, const N: usize> fmt::Display for Nnary<R, V, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (confidence, slush) = (self.confidence, &self.slush);
        self.strength.show(format_args!("SF({confidence}, SL(Preference = {slush:?}))"), f)
    }
}
