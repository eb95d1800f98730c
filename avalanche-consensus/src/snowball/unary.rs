//! One value, no rival yet: how sure is it?

use std::fmt;

use super::binary::BinaryState;
use super::confidence::Confidence;
use super::rule::UnaryCounter;
use super::{Binary, Bit, Rule, Snowball, Thresholds};

/// An instance with a single value, which becomes a [`Binary`] one when a rival appears.
///
/// A finalized instance stays finalized but goes on counting, as in AvalancheGo
/// (`snow/consensus/snowball/unary_snowflake.go`). Cloning copies the whole state.
#[derive(Clone, Debug)]
pub struct Unary<R: Rule, const N: usize = 1> {
    thresholds: Thresholds<N>,
    state: UnaryState<R, N>,
}

impl<R: Rule, const N: usize> Unary<R, N> {
    /// An instance without confidence.
    #[must_use]
    pub fn new(thresholds: impl Into<Thresholds<N>>) -> Self {
        Self { thresholds: thresholds.into(), state: UnaryState::NEW }
    }

    /// Counts a poll in which the value had `count` votes.
    pub fn record_poll(&mut self, count: u32) {
        self.state.record_poll(&self.thresholds, count);
    }

    /// Counts a poll that did not reach the preference threshold: confidence is lost.
    pub const fn record_unsuccessful_poll(&mut self) {
        self.state.reset();
    }

    /// Whether the value is decided.
    #[must_use]
    pub const fn finalized(&self) -> bool {
        self.state.finalized()
    }

    /// Successful polls in a row, for each termination condition.
    #[must_use]
    pub const fn confidence(&self) -> [u32; N] {
        self.state.confidence()
    }

    /// A binary instance that goes on from here, with this value as `bit`.
    #[must_use]
    pub fn extend(&self, bit: Bit) -> Binary<R, N> {
        Binary::from_state(self.thresholds, self.state.extend(bit))
    }
}

impl<const N: usize> Unary<Snowball, N> {
    /// Polls that reached the preference threshold.
    #[must_use]
    pub fn strength(&self) -> u64 {
        self.state.strength.0.into()
    }
}

impl<R: Rule, const N: usize> fmt::Display for Unary<R, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}

/// What changes in a unary instance; the thresholds are kept once for all nodes of a tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnaryState<R: Rule, const N: usize> {
    confidence: Confidence<N>,
    strength: R::Unary,
}

impl<R: Rule, const N: usize> UnaryState<R, N> {
    pub(crate) const NEW: Self = Self { confidence: Confidence::NEW, strength: R::Unary::NEW };

    pub(crate) fn record_poll(&mut self, thresholds: &Thresholds<N>, count: u32) {
        if count >= thresholds.alpha_preference() {
            self.strength.record(1);
        }
        self.confidence.apply(thresholds, count);
    }

    /// Records `polls` more polls that reach every threshold and decide nothing.
    pub(crate) fn repeat(&mut self, polls: u32) {
        self.strength.record(polls);
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

    pub(crate) fn extend(&self, bit: Bit) -> BinaryState<R, N> {
        BinaryState::new(bit, self.confidence, self.strength.extend(bit))
    }
}

impl<R: Rule, const N: usize> fmt::Display for UnaryState<R, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.strength.show(format_args!("SF({})", self.confidence), f)
    }
}
