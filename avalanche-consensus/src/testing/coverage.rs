//! Counters that show that generated cases reached what they are meant to test.

use std::collections::BTreeMap;
use std::fmt;

/// How often each of a fixed list of situations came up.
///
/// A property test that never reaches a situation says nothing about it. So runners count, and a
/// test ends by asserting that [`unreached`](Self::unreached) is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    counts: BTreeMap<&'static str, u64>,
}

impl Coverage {
    /// Counters for `situations`, all zero.
    #[must_use]
    pub fn new(situations: &[&'static str]) -> Self {
        Self { counts: situations.iter().map(|name| (*name, 0)).collect() }
    }

    /// Counts a situation once. One that is not on the list is ignored, and a test of the runners
    /// would say so.
    pub fn hit(&mut self, situation: &'static str) {
        self.add(situation, 1);
    }

    /// Counts a situation if it is so.
    pub fn hit_if(&mut self, situation: &'static str, so: bool) {
        self.add(situation, u64::from(so));
    }

    /// Counts a situation `times` times.
    pub fn add(&mut self, situation: &'static str, times: u64) {
        let known = self.counts.get_mut(situation);
        debug_assert!(known.is_some(), "{situation} is not counted");
        if let Some(count) = known {
            *count += times;
        }
    }

    /// How often a situation came up.
    #[must_use]
    pub fn count(&self, situation: &str) -> u64 {
        self.counts.get(situation).copied().unwrap_or(0)
    }

    /// The situations that never came up.
    #[must_use]
    pub fn unreached(&self) -> Vec<&'static str> {
        self.counts.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counts.iter().try_for_each(|(name, count)| writeln!(f, "{count:>10}  {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_counted_is_named() {
        let mut coverage = Coverage::new(&["accepted", "rejected"]);
        coverage.hit("accepted");
        coverage.hit_if("rejected", false);
        assert_eq!(coverage.unreached(), ["rejected"]);
        assert_eq!(coverage.to_string(), "         1  accepted\n         0  rejected\n");
    }
}
