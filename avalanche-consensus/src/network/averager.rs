//! An average that forgets.

use std::f64::consts::LN_2;
use std::time::Duration;

use crate::Timestamp;

/// An average of observations in which the weight of each halves every half-life (AvalancheGo's
/// `utils/math/continuous_averager.go`).
///
/// The state is a weighted sum and the sum of the weights, both as of the latest observation. An
/// observation that arrives late, with a time before the latest, enters with the weight that is
/// left of it and moves no time.
///
/// ```
/// use std::time::Duration;
///
/// use avalanche_consensus::Timestamp;
/// use avalanche_consensus::network::ContinuousAverager;
///
/// let minute = Duration::from_secs(60);
/// let mut average = ContinuousAverager::new(0.0, minute, Timestamp::ZERO);
/// average.observe(3.0, Timestamp::ZERO.after(minute));
/// // The 0 of a minute ago counts half as much as the 3 of now.
/// assert!((average.read() - 2.0).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ContinuousAverager {
    /// Nanoseconds after which a weight has fallen to 1/e.
    time_constant_nanos: f64,
    weighted_sum: f64,
    weights: f64,
    /// Time of the latest observation.
    latest: Timestamp,
}

impl ContinuousAverager {
    /// An average that starts as one observation of `prior` at `now`.
    ///
    /// With a half-life of zero only the observations of the latest moment count. Values must be
    /// finite: one that is not makes the average useless for good.
    #[must_use]
    pub fn new(prior: f64, half_life: Duration, now: Timestamp) -> Self {
        Self {
            time_constant_nanos: half_life.as_nanos() as f64 / LN_2,
            weighted_sum: prior,
            weights: 1.0,
            latest: now,
        }
    }

    /// Adds an observation of `value` at `now`.
    pub fn observe(&mut self, value: f64, now: Timestamp) {
        if now > self.latest {
            let kept = self.kept_after(now.since(self.latest));
            self.weighted_sum = value + kept * self.weighted_sum;
            self.weights = 1.0 + kept * self.weights;
            self.latest = now;
        } else if now == self.latest {
            self.weighted_sum += value;
            self.weights += 1.0;
        } else {
            let left = self.kept_after(self.latest.since(now));
            self.weighted_sum += left * value;
            self.weights += left;
        }
    }

    /// The average, as of the latest observation. Time alone does not change it.
    #[must_use]
    pub fn read(&self) -> f64 {
        self.weighted_sum / self.weights
    }

    /// The part of a weight that is left after a time that is not zero.
    fn kept_after(&self, age: Duration) -> f64 {
        libm::exp(-(age.as_nanos() as f64 / self.time_constant_nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;

    const HALF_LIFE: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    /// Value, time, expected average.
    type Step = (f64, u64, f64);

    /// From a prior of 8 at 100 s.
    #[test]
    fn each_case_of_time_as_on_paper() {
        let tables: &[(&str, &[Step])] = &[
            ("later", &[(2.0, 110, 4.0), (0.0, 120, 12.0 / 7.0)]),
            ("equal", &[(2.0, 100, 5.0), (2.0, 100, 4.0)]),
            ("earlier", &[(2.0, 90, 6.0), (8.0, 80, 11.0 / 1.75)]),
            // The late value has a weight of a half and does not move the time back.
            ("late, then on time", &[(2.0, 90, 6.0), (0.0, 110, 4.5 / 1.75)]),
        ];
        for (name, steps) in tables {
            let mut average = ContinuousAverager::new(8.0, HALF_LIFE, at(100));
            assert_eq!(average.read(), 8.0);
            for (value, time, expected) in *steps {
                average.observe(*value, at(*time));
                let read = average.read();
                assert!((read - expected).abs() < 1e-12, "{name}: {read} is not {expected}");
            }
        }
    }

    #[test]
    fn no_half_life_means_the_latest_moment() {
        let mut average = ContinuousAverager::new(5.0, Duration::ZERO, at(1));
        average.observe(7.0, at(2));
        assert_eq!(average.read(), 7.0);
        average.observe(100.0, at(1));
        average.observe(9.0, at(2));
        assert_eq!(average.read(), 8.0);
    }

    /// Against the definition: every observation weighs 2^-(age / half-life).
    #[test]
    fn any_order_of_times_weighs_by_age() {
        let cases = [Cell::new(0), Cell::new(0), Cell::new(0)];
        let strategy = prop::collection::vec((0_u32..1_000, 0_u64..20), 1..40);
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        runner
            .run(&strategy, |observations| {
                let mut average = ContinuousAverager::new(500.0, HALF_LIFE, at(10));
                let mut all = vec![(500.0, 10)];
                for (value, time) in observations {
                    let latest = all.iter().map(|(_, time)| *time).max().unwrap_or(0);
                    let case = &cases[usize::from(time >= latest) + usize::from(time > latest)];
                    case.set(case.get() + 1);
                    average.observe(f64::from(value), at(time));
                    all.push((f64::from(value), time));
                    let latest = latest.max(time);
                    let weight = |time: u64| libm::exp2(-((latest - time) as f64) / 10.0);
                    let sum: f64 = all.iter().map(|(value, time)| value * weight(*time)).sum();
                    let weights: f64 = all.iter().map(|(_, time)| weight(*time)).sum();
                    prop_assert!((average.read() - sum / weights).abs() < 1e-6);
                }
                Ok(())
            })
            .expect("the average equals its definition");
        assert!(cases.iter().all(|case| case.get() > 100), "{cases:?}");
    }
}
