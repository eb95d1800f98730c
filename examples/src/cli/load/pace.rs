//! When the next payments are due.

use std::time::Duration;

/// Lets payments go at a rate, or as many as there is room for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    rate: Option<u32>,
    total: Option<u64>,
    time: Option<Duration>,
}

impl Pace {
    /// `rate` a second, `total` in all, for `time`; `None` is no bound.
    pub(super) const fn new(rate: Option<u32>, total: Option<u64>, time: Option<Duration>) -> Self {
        Self { rate, total, time }
    }

    /// How many payments are due after `elapsed`, if `begun` have gone. What the network could not
    /// take in time stays due.
    pub(super) fn due(&self, elapsed: Duration, begun: u64) -> u64 {
        if self.is_over(elapsed, begun) {
            return 0;
        }
        let by_rate = self.rate.map_or(u64::MAX, |rate| {
            // The first is due at once.
            let parts = elapsed.as_nanos().saturating_mul(u128::from(rate)) / 1_000_000_000;
            u64::try_from(parts).unwrap_or(u64::MAX).saturating_add(1)
        });
        by_rate.min(self.total.unwrap_or(u64::MAX)).saturating_sub(begun)
    }

    /// Whether no payment will be due any more.
    pub(super) fn is_over(&self, elapsed: Duration, begun: u64) -> bool {
        self.total.is_some_and(|total| begun >= total)
            || self.time.is_some_and(|time| elapsed >= time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_on_average() {
        let pace = Pace::new(Some(1_000), None, None);
        let mut begun = 0;
        for ms in 0..=10_000 {
            // Not asked for a while now and then.
            if ms % 700 > 100 {
                continue;
            }
            begun += pace.due(Duration::from_millis(ms), begun);
            assert_eq!(begun, ms + 1);
        }
    }

    #[test]
    fn number_and_time_end_a_run() {
        let second = Duration::from_secs;
        let pace = Pace::new(None, Some(5), Some(second(3)));
        assert_eq!((pace.due(second(0), 0), pace.due(second(0), 4)), (5, 1));
        assert_eq!((pace.due(second(0), 5), pace.is_over(second(0), 5)), (0, true));
        assert_eq!((pace.due(second(3), 0), pace.is_over(second(3), 0)), (0, true));
        let slow = Pace::new(Some(1), Some(2), None);
        assert_eq!((slow.due(second(0), 0), slow.due(second(0), 1)), (1, 0));
        assert_eq!(slow.due(second(100), 1), 1);
        assert_eq!(Pace::new(Some(u32::MAX), None, None).due(Duration::MAX, 0), u64::MAX);
    }
}
