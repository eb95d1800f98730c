//! A rate with a burst.

use std::time::Duration;

use avalanche_consensus::Timestamp;

/// Tokens that come at a steady rate and are kept up to a burst.
///
/// The state is one point in time: when the bucket is full again. So it costs 24 bytes and a few
/// operations, and it does not drift: what a call costs is rounded up to a nanosecond.
///
/// ```
/// use std::time::Duration;
///
/// use avalanche_consensus::Timestamp;
/// use avalanche_net::throttle::TokenBucket;
///
/// let now = Timestamp::from_millis(5);
/// let mut bucket = TokenBucket::new(100, 10);
/// assert!(bucket.try_take(10, now));
/// assert!(!bucket.try_take(1, now));
/// // A debt is paid at 100 tokens a second.
/// assert_eq!(bucket.take(5, now), Duration::from_millis(50));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    /// Tokens a second, at least 1.
    rate: u64,
    burst: u64,
    /// When it is full again; in the past if it is full.
    full_at: Timestamp,
}

impl TokenBucket {
    /// A full bucket. A rate of zero counts as one token a second.
    #[must_use]
    pub const fn new(rate_per_second: u64, burst: u64) -> Self {
        let rate = if rate_per_second == 0 { 1 } else { rate_per_second };
        Self { rate, burst, full_at: Timestamp::ZERO }
    }

    /// Takes tokens if there are as many; otherwise nothing changes.
    pub fn try_take(&mut self, tokens: u64, now: Timestamp) -> bool {
        let mut after = *self;
        let taken = after.take(tokens, now).is_zero();
        if taken {
            *self = after;
        }
        taken
    }

    /// Takes tokens, on credit if there are not as many, and returns how long to wait until they
    /// are paid for. More than the burst is allowed and waits even if the bucket is full.
    pub fn take(&mut self, tokens: u64, now: Timestamp) -> Duration {
        let from = self.full_at.max(now);
        self.full_at = from.after(self.time_for(tokens));
        self.full_at.since(now.after(self.time_for(self.burst)))
    }

    /// Tokens that are there, rounded down.
    #[must_use]
    pub fn tokens(&self, now: Timestamp) -> u64 {
        let missing = self.full_at.since(now).as_nanos() * u128::from(self.rate);
        let missing = u64::try_from(missing.div_ceil(NANOS)).unwrap_or(u64::MAX);
        self.burst.saturating_sub(missing)
    }

    /// Whether nothing is missing, so that a new bucket would do as well.
    #[must_use]
    pub fn is_full(&self, now: Timestamp) -> bool {
        self.full_at <= now
    }

    /// The time in which so many tokens come, rounded up.
    fn time_for(&self, tokens: u64) -> Duration {
        let nanos = (u128::from(tokens) * NANOS).div_ceil(u128::from(self.rate));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

const NANOS: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn steps_of_a_bucket_as_on_paper() {
        let mut bucket = TokenBucket::new(10, 20);
        // Time in ms, tokens to take, wait in ms, tokens afterwards.
        let steps = [
            (0, 20, 0, 0),
            (100, 1, 0, 0),
            (100, 5, 500, 0),
            // The debt of five is paid at 600 ms.
            (600, 0, 0, 0),
            (700, 0, 0, 1),
            // Kept up to the burst, however long nothing is taken.
            (90_000, 0, 0, 20),
            (90_000, 25, 500, 0),
            (90_500, 1, 100, 0),
        ];
        for (millis, tokens, wait, left) in steps {
            let waited = bucket.take(tokens, at(millis));
            assert_eq!(waited, Duration::from_millis(wait), "{tokens} at {millis}");
            assert_eq!(bucket.tokens(at(millis)), left, "after {tokens} at {millis}");
        }
        assert!(!bucket.is_full(at(92_599)));
        assert!(bucket.is_full(at(92_600)));
    }

    #[test]
    fn the_ends_of_the_number_range_neither_overflow_nor_divide_by_zero() {
        for (rate, burst) in [(0, 0), (0, u64::MAX), (u64::MAX, u64::MAX), (u64::MAX, 0)] {
            let mut bucket = TokenBucket::new(rate, burst);
            for now in [Timestamp::ZERO, Timestamp::from_nanos(u64::MAX)] {
                bucket.take(u64::MAX, now);
                bucket.try_take(u64::MAX, now);
                assert!(bucket.tokens(now) <= burst);
            }
        }
    }

    /// In any window of any length no more passes than the burst and the rate allow.
    #[test]
    fn no_window_passes_more_than_burst_and_rate() {
        let (taken, refused) = (Cell::new(0_u32), Cell::new(0_u32));
        let steps = prop::collection::vec((0_u64..200, 0_u64..40), 1..60);
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        runner
            .run(&(1_u64..300, 0_u64..50, steps), |(rate, burst, steps)| {
                let mut bucket = TokenBucket::new(rate, burst);
                let (mut now, mut passed) = (0, Vec::new());
                for (pause, tokens) in steps {
                    now += pause;
                    if bucket.try_take(tokens, at(now)) {
                        passed.push((now, tokens));
                        taken.set(taken.get() + 1);
                    } else {
                        refused.set(refused.get() + 1);
                    }
                }
                for (first, (start, _)) in passed.iter().enumerate() {
                    let mut sum = 0;
                    for (end, tokens) in &passed[first..] {
                        sum += tokens;
                        prop_assert!(sum * 1_000 <= burst * 1_000 + rate * (end - start));
                    }
                }
                Ok(())
            })
            .expect("the bound holds");
        assert!(taken.get() > 1_000 && refused.get() > 1_000, "{taken:?} {refused:?}");
    }
}
