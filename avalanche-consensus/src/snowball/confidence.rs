//! The counters that every instance has: how many polls in a row agreed.

use std::fmt;

use super::Thresholds;

/// One counter for each termination condition, and whether one of them was reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Confidence<const N: usize> {
    counters: [u32; N],
    finalized: bool,
}

impl<const N: usize> Confidence<N> {
    pub(crate) const NEW: Self = Self { counters: [0; N], finalized: false };

    /// Counts a poll with `count` votes for the preference.
    ///
    /// Conditions above the poll are reset, those within it rise. A counter that reaches its `beta`
    /// decides, and later ones are then left as they are.
    pub(crate) fn apply(&mut self, thresholds: &Thresholds<N>, count: u32) {
        let mut short = false;
        for (counter, condition) in self.counters.iter_mut().zip(thresholds.conditions()) {
            short |= count < condition.alpha_confidence;
            if short {
                *counter = 0;
                continue;
            }
            *counter = counter.saturating_add(1);
            if *counter >= condition.beta {
                self.finalized = true;
                return;
            }
        }
    }

    /// Forgets the streak; a decision stays.
    pub(crate) const fn reset(&mut self) {
        self.counters = [0; N];
    }

    /// Counts `polls` more polls that reach every condition and decide nothing.
    pub(crate) fn repeat(&mut self, polls: u32) {
        for counter in &mut self.counters {
            *counter = counter.saturating_add(polls);
        }
    }

    pub(crate) const fn finalized(&self) -> bool {
        self.finalized
    }

    pub(crate) const fn counters(&self) -> [u32; N] {
        self.counters
    }
}

impl<const N: usize> fmt::Display for Confidence<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Confidence = [")?;
        for (index, counter) in self.counters.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{counter}")?;
        }
        write!(f, "], Finalized = {}", self.finalized)
    }
}
