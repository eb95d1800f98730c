//! Two values: which one, and how sure?

use std::fmt;

use super::confidence::Confidence;
use super::rule::BinaryCounter;
use super::{Bit, Rule, Snowball, Thresholds};

/// An instance that decides between two values.
///
/// Source of the rule: `snow/consensus/snowball/binary_snowflake.go` and `binary_snowball.go` of
/// AvalancheGo.
///
/// ```
/// use avalanche_consensus::snowball::{Binary, Bit, Parameters, Snowflake};
///
/// let mut colour = Binary::<Snowflake>::new(Parameters::new(20, 15, 15, 2)?, Bit::Zero);
/// colour.record_poll(16, Bit::One);
/// assert_eq!((colour.preference(), colour.finalized()), (Bit::One, false));
/// colour.record_poll(18, Bit::One);
/// assert!(colour.finalized());
/// # Ok::<(), avalanche_consensus::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Binary<R: Rule, const N: usize = 1> {
    thresholds: Thresholds<N>,
    state: BinaryState<R, N>,
}

impl<R: Rule, const N: usize> Binary<R, N> {
    /// An instance without confidence that prefers `choice`.
    #[must_use]
    pub fn new(thresholds: impl Into<Thresholds<N>>, choice: Bit) -> Self {
        let state = BinaryState::new(choice, Confidence::NEW, R::Binary::new(choice));
        Self { thresholds: thresholds.into(), state }
    }

    pub(super) const fn from_state(thresholds: Thresholds<N>, state: BinaryState<R, N>) -> Self {
        Self { thresholds, state }
    }

    /// Counts a poll in which `choice` had `count` votes.
    pub fn record_poll(&mut self, count: u32, choice: Bit) {
        self.state.record_poll(&self.thresholds, count, choice);
    }

    /// Counts a poll in which neither value reached the preference threshold: confidence is lost.
    pub const fn record_unsuccessful_poll(&mut self) {
        self.state.reset();
    }

    /// The value that is preferred, or decided.
    #[must_use]
    pub fn preference(&self) -> Bit {
        self.state.preference()
    }

    /// Whether the preference is decided.
    #[must_use]
    pub const fn finalized(&self) -> bool {
        self.state.finalized()
    }

    /// Successful polls for the preference in a row, for each termination condition.
    #[must_use]
    pub const fn confidence(&self) -> [u32; N] {
        self.state.confidence()
    }
}

impl<const N: usize> Binary<Snowball, N> {
    /// Polls in which each value reached the preference threshold.
    #[must_use]
    pub fn strength(&self) -> [u64; 2] {
        let polls = &self.state.strength.polls;
        [Bit::Zero, Bit::One].map(|bit| u64::from(*polls.get(bit)))
    }
}

impl<R: Rule, const N: usize> fmt::Display for Binary<R, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}

/// What changes in a binary instance; the thresholds are kept once for all nodes of a tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BinaryState<R: Rule, const N: usize> {
    slush: Bit,
    confidence: Confidence<N>,
    strength: R::Binary,
}

impl<R: Rule, const N: usize> BinaryState<R, N> {
    pub(super) const fn new(slush: Bit, confidence: Confidence<N>, strength: R::Binary) -> Self {
        Self { slush, confidence, strength }
    }

    pub(crate) fn record_poll(&mut self, thresholds: &Thresholds<N>, count: u32, choice: Bit) {
        // Strengths move before the guard: they go on after a decision, and only show.
        if count >= thresholds.alpha_preference() {
            self.strength.record(choice, 1);
        }
        if self.confidence.finalized() {
            return;
        }
        if count < thresholds.alpha_preference() {
            self.confidence.reset();
            return;
        }
        if choice != self.slush {
            self.confidence.reset();
            self.slush = choice;
        }
        self.confidence.apply(thresholds, count);
    }

    /// Records `polls` more polls for `choice`, which is preferred, that reach every threshold and
    /// decide nothing.
    pub(crate) fn repeat(&mut self, polls: u32, choice: Bit) {
        self.strength.record(choice, polls);
        self.confidence.repeat(polls);
    }

    pub(crate) const fn confidence(&self) -> [u32; N] {
        self.confidence.counters()
    }

    pub(crate) const fn reset(&mut self) {
        self.confidence.reset();
    }

    pub(crate) const fn finalized(&self) -> bool {
        self.confidence.finalized()
    }

    pub(crate) fn preference(&self) -> Bit {
        if self.finalized() { self.slush } else { self.strength.preference(self.slush) }
    }
}

impl<R: Rule, const N: usize> fmt::Display for BinaryState<R, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (confidence, slush) = (self.confidence, self.slush);
        self.strength.show(format_args!("SF({confidence}, SL(Preference = {slush}))"), f)
    }
}
