//! An n-ary instance driven by whole bags of votes.

use std::fmt;

use super::{Consensus, Nnary, Parameters, Rule};
use crate::{Bag, Error, Id};

/// Decides between values of the user's own type by the most frequent vote of each poll.
///
/// Source of the rule: `snow/consensus/snowball/flat.go` of AvalancheGo.
///
/// ```
/// use avalanche_consensus::Bag;
/// use avalanche_consensus::snowball::{Flat, Parameters, Snowball};
///
/// let mut lunch = Flat::<Snowball, &str>::new(Parameters::new(5, 4, 4, 2)?, "soup");
/// let votes = Bag::from(["pie", "pie", "soup", "pie", "pie"]);
/// assert!(lunch.record_poll(&votes) && !lunch.finalized());
/// assert!(lunch.record_poll(&votes) && lunch.finalized());
/// assert_eq!(*lunch.preference(), "pie");
/// # Ok::<(), avalanche_consensus::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Flat<R: Rule, V: Ord + Clone + fmt::Debug = Id> {
    instance: Nnary<R, V>,
}

impl<R: Rule, V: Ord + Clone + fmt::Debug> Flat<R, V> {
    /// An instance without confidence that prefers `choice`.
    #[must_use]
    pub fn new(parameters: Parameters, choice: V) -> Self {
        Self { instance: Nnary::new(parameters, choice) }
    }

    /// Counts a poll, and returns whether its most frequent vote reached the preference threshold.
    ///
    /// A bag of more than `k` votes is not meaningful: two values could reach the threshold.
    pub fn record_poll(&mut self, votes: &Bag<V>) -> bool {
        let Some((choice, count)) = votes.mode() else {
            // Without a vote confidence is lost, but not that of a decision.
            if !self.finalized() {
                self.record_unsuccessful_poll();
            }
            return false;
        };
        self.instance.record_poll(count, choice);
        count >= self.instance.thresholds().alpha_preference()
    }

    /// Counts a poll that failed: confidence is lost.
    pub const fn record_unsuccessful_poll(&mut self) {
        self.instance.record_unsuccessful_poll();
    }

    /// The value that is preferred, or decided.
    #[must_use]
    pub fn preference(&self) -> &V {
        self.instance.preference()
    }

    /// Whether the preference is decided.
    #[must_use]
    pub const fn finalized(&self) -> bool {
        self.instance.finalized()
    }

    /// The n-ary instance inside.
    #[must_use]
    pub const fn instance(&self) -> &Nnary<R, V> {
        &self.instance
    }
}

impl<R: Rule, V: Ord + Clone + fmt::Debug> Consensus for Flat<R, V> {
    type Choice = V;

    fn add(&mut self, _choice: V) -> Result<(), Error> {
        Ok(())
    }

    fn record_poll(&mut self, votes: &Bag<V>) -> bool {
        self.record_poll(votes)
    }

    fn record_unsuccessful_poll(&mut self) {
        self.record_unsuccessful_poll();
    }

    fn preference(&self) -> &V {
        self.preference()
    }

    fn finalized(&self) -> bool {
        self.finalized()
    }
}

impl<R: Rule, V: Ord + Clone + fmt::Debug> fmt::Display for Flat<R, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.instance.fmt(f)
    }
}
