//! Distinct numbers below a bound.

use std::collections::BTreeMap;

use super::Source;

/// Draws numbers in `[0, length)` without replacement: a Fisher-Yates shuffle that remembers only
/// what it moved (AvalancheGo's `utils/sampler/uniform_replacer.go`).
///
/// # Limits
///
/// It remembers at most one number for each draw since the last reset, whatever the length. A draw
/// costs O(log d) after d draws.
///
/// ```
/// use avalanche_consensus::sampler::{Mt19937, Uniform};
///
/// let (mut source, mut uniform) = (Mt19937::new(1), Uniform::new(3));
/// let mut all = uniform.sample(3, &mut source).unwrap_or_default();
/// all.sort();
/// assert_eq!(all, [0, 1, 2]);
/// assert_eq!(uniform.next(&mut source), None);
/// ```
#[derive(Clone, Debug)]
pub struct Uniform {
    length: u64,
    drawn: u64,
    /// Places of the virtual array that hold another number than their own, from `drawn` on.
    moved: BTreeMap<u64, u64>,
}

impl Uniform {
    /// A sampler of the numbers in `[0, length)`.
    #[must_use]
    pub const fn new(length: u64) -> Self {
        Self { length, drawn: 0, moved: BTreeMap::new() }
    }

    /// The next number, or `None` once all have been drawn. `None` takes nothing from the source.
    pub fn next<S: Source + ?Sized>(&mut self, source: &mut S) -> Option<u64> {
        let left = self.length.checked_sub(self.drawn)?.checked_sub(1)?;
        let at = source.inclusive(left) + self.drawn;
        // The first place is never looked at again, so its number moves to where one was taken.
        let first = self.moved.remove(&self.drawn).unwrap_or(self.drawn);
        let value =
            if at == self.drawn { first } else { self.moved.insert(at, first).unwrap_or(at) };
        self.drawn += 1;
        Some(value)
    }

    /// Puts every number back.
    pub fn reset(&mut self) {
        self.drawn = 0;
        self.moved.clear();
    }

    /// Puts every number back and draws `count` of them, in draw order.
    ///
    /// `None` if `count` is above the length. Then all numbers have been drawn, and the source has
    /// moved on by as much: AvalancheGo finds out the same way, and its later samples depend on it.
    /// So a failed call costs as much as a draw of the whole length.
    pub fn sample<S: Source + ?Sized>(&mut self, count: usize, source: &mut S) -> Option<Vec<u64>> {
        self.reset();
        (0..count).map(|_| self.next(source)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::Mt19937x64;

    #[test]
    fn every_length_is_drawn_completely_and_once() {
        let mut source = Mt19937x64::new(3);
        for length in 0..50 {
            let mut uniform = Uniform::new(length);
            let mut all: Vec<_> = std::iter::from_fn(|| uniform.next(&mut source)).collect();
            assert!(uniform.moved.is_empty(), "nothing is kept of a finished draw");
            all.sort_unstable();
            assert_eq!(all, (0..length).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_failed_sample_keeps_the_numbers_it_drew() {
        let (mut failed, mut drew) = (Mt19937x64::new(4), Mt19937x64::new(4));
        assert_eq!(Uniform::new(5).sample(6, &mut failed), None);
        assert!(Uniform::new(5).sample(5, &mut drew).is_some());
        assert_eq!(failed.next_u64(), drew.next_u64());
        // Drawing nothing, or from nothing, takes nothing.
        assert_eq!(Uniform::new(5).sample(0, &mut failed), Some(Vec::new()));
        assert_eq!(Uniform::new(0).sample(1, &mut failed), None);
        assert_eq!(failed.next_u64(), drew.next_u64());
    }

    #[test]
    fn every_sample_starts_with_all_numbers() {
        let mut source = Mt19937x64::new(6);
        let mut uniform = Uniform::new(9);
        for _ in 0..10 {
            let mut all = uniform.sample(9, &mut source).expect("nine numbers");
            all.sort_unstable();
            assert_eq!(all, (0..9).collect::<Vec<_>>());
        }
    }

    #[test]
    fn memory_follows_the_draws_and_not_the_length() {
        let (mut source, mut uniform) = (Mt19937x64::new(5), Uniform::new(u64::MAX));
        for _ in 0..100 {
            assert!(uniform.next(&mut source).is_some());
        }
        assert!(uniform.moved.len() <= 100);
        uniform.reset();
        assert_eq!((uniform.drawn, uniform.moved.len()), (0, 0));
    }
}
