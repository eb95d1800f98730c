//! Step tables, and a model that looks at every request each time.

use super::*;
use proptest::prelude::*;
use std::cell::Cell;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn timeouts() -> AdaptiveTimeouts<u8> {
    AdaptiveTimeouts::new(TimeoutConfig::default(), at(0)).expect("valid")
}

/// Steps of the table below. Times are milliseconds.
enum Step {
    /// Name, measured, time, deadline.
    Put(u8, bool, u64, u64),
    /// Name, time, latency.
    Remove(u8, u64, Option<u64>),
    /// Time, names in order.
    Fire(u64, &'static [u8]),
    /// Timeout.
    Timeout(u64),
}

#[test]
fn requests_fire_in_order_and_answers_move_the_timeout() {
    use Step::{Fire, Put, Remove, Timeout};
    let tables: &[(&str, &[Step])] = &[
        (
            "deadline order, equal ones as put, the edge included",
            &[
                Put(9, false, 0, 5_000),
                Put(3, false, 0, 5_000),
                Put(1, false, 1, 5_001),
                Fire(4_999, &[]),
                Fire(5_000, &[9, 3]),
                Fire(5_000, &[]),
                Fire(6_000, &[1]),
                Timeout(5_000),
            ],
        ),
        (
            // One moment: 5 s and three times nothing are 1.25 s on average.
            "measured answers count",
            &[
                Put(1, true, 0, 5_000),
                Put(2, true, 0, 5_000),
                Put(3, true, 0, 5_000),
                Remove(1, 0, Some(0)),
                Timeout(5_000),
                Remove(2, 0, Some(0)),
                Remove(3, 0, Some(0)),
                Timeout(2_500),
                Put(4, true, 0, 2_500),
            ],
        ),
        (
            "the timeout is kept between its bounds",
            &[
                Put(1, true, 0, 5_000),
                // An hour later only the new measurement is left of the average.
                Remove(1, 3_600_000, Some(3_600_000)),
                Timeout(10_000),
                Put(2, true, 3_600_000, 3_610_000),
                Put(3, true, 86_400_000, 86_410_000),
                Remove(3, 86_400_000, Some(0)),
                Timeout(2_000),
                // Fixed when it was put.
                Fire(3_609_999, &[]),
            ],
        ),
        (
            "what is not measured moves nothing",
            &[Put(1, false, 0, 5_000), Remove(1, 3_600_000, Some(3_600_000)), Timeout(5_000)],
        ),
        (
            "a request that is not open is nothing",
            &[Remove(1, 9, None), Put(1, true, 9, 5_009), Fire(5_008, &[]), Timeout(5_000)],
        ),
        (
            "put again starts again",
            &[
                Put(1, false, 0, 5_000),
                Put(1, false, 100, 5_100),
                Fire(5_099, &[]),
                Fire(5_100, &[1]),
                Remove(1, 5_100, None),
            ],
        ),
        (
            // The replaced one was measured: an hour of latency.
            "put again measures what it replaces, and gets the new timeout",
            &[Put(1, true, 0, 5_000), Put(1, true, 3_600_000, 3_610_000), Timeout(10_000)],
        ),
        (
            // A day later the latency of the fired one is all there is.
            "one that fires is measured",
            &[Put(1, true, 0, 5_000), Fire(86_400_000, &[1]), Timeout(10_000)],
        ),
    ];
    for (name, steps) in tables {
        let mut timeouts = timeouts();
        for step in *steps {
            match step {
                Put(id, measure, now, deadline) => {
                    assert_eq!(timeouts.put(*id, *measure, at(*now)), Ok(at(*deadline)), "{name}");
                }
                Remove(id, now, latency) => {
                    let latency = latency.map(Duration::from_millis);
                    assert_eq!(timeouts.remove(id, at(*now)), latency, "{name}");
                }
                Fire(now, expected) => {
                    let fired: Vec<_> = std::iter::from_fn(|| timeouts.fire(at(*now))).collect();
                    assert_eq!(fired, *expected, "{name}");
                }
                Timeout(millis) => {
                    assert_eq!(timeouts.timeout(), Duration::from_millis(*millis), "{name}");
                }
            }
        }
    }
}

#[test]
fn the_coefficient_multiplies_the_average() {
    let mut timeouts = timeouts();
    // One moment: each counts the same. (5 s + 1 s) / 2 = 3 s; with 0 s, 2 s.
    timeouts.observe_latency(Duration::from_secs(1), at(0));
    assert_eq!(timeouts.average_latency(), Duration::from_secs(3));
    assert_eq!(timeouts.timeout(), Duration::from_secs(6));
    timeouts.observe_latency(Duration::ZERO, at(0));
    assert_eq!(timeouts.timeout(), Duration::from_secs(4));
}

#[test]
fn bounds_and_broken_rules_are_refused() {
    let config = TimeoutConfig { coefficient: 0.5, ..TimeoutConfig::default() };
    assert!(AdaptiveTimeouts::<u8>::new(config, at(0)).is_err());
    let mut timeouts = timeouts().with_outstanding_max(2);
    for id in [1, 2] {
        timeouts.put(id, true, at(0)).expect("room");
    }
    assert_eq!(timeouts.put(3, true, at(1)), Err(Error::TimeoutsFull { max: 2 }));
    assert_eq!((timeouts.len(), timeouts.contains(&3)), (2, false));
    assert_eq!(timeouts.timeout(), Duration::from_secs(5));
    // One that replaces another needs no room.
    timeouts.put(2, true, at(1)).expect("the place of the first");
    timeouts.remove(&1, at(1)).expect("open");
    timeouts.put(3, true, at(1)).expect("room again");
    assert!(!timeouts.is_empty());
}

/// What is said in the documents, without an index: all requests in a list.
struct Model {
    /// Name, put at, deadline, measured.
    open: Vec<(u8, Timestamp, Timestamp, bool)>,
    average: ContinuousAverager,
    timeout: Duration,
}

impl Model {
    fn remove(&mut self, id: u8, now: Timestamp) -> Option<Duration> {
        let place = self.open.iter().position(|(open, ..)| *open == id)?;
        let (_, put_at, _, measure) = self.open.remove(place);
        if measure {
            self.average.observe(now.since(put_at).as_nanos() as f64, now);
            self.timeout = whole_nanos((2.0 * self.average.read()).clamp(2e9, 10e9));
        }
        Some(now.since(put_at))
    }

    fn fire(&mut self, now: Timestamp) -> Option<u8> {
        let due = self.open.iter().filter(|(_, _, deadline, _)| *deadline <= now);
        // The first of the least: new ones are behind.
        let (id, ..) = *due.min_by_key(|(_, _, deadline, _)| *deadline)?;
        self.remove(id, now);
        Some(id)
    }
}

#[test]
fn any_calls_do_what_a_list_would() {
    let [fired, replaced, refused, moved] = [0; 4].map(Cell::new);
    let step = (0_u8..4, 0_u8..8, any::<bool>(), 0_u64..1_500);
    let strategy = prop::collection::vec(step, 1..80);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    runner
        .run(&strategy, |steps| {
            let mut timeouts = timeouts().with_outstanding_max(6);
            let average = ContinuousAverager::new(5e9, Duration::from_secs(300), at(0));
            let mut model = Model { open: Vec::new(), average, timeout: Duration::from_secs(5) };
            let mut millis = 0;
            for (kind, id, measure, pause) in steps {
                millis += pause;
                let now = at(millis);
                let before = model.timeout;
                match kind {
                    0 | 1 => {
                        let again = model.open.iter().any(|(open, ..)| *open == id);
                        if model.open.len() - usize::from(again) >= 6 {
                            refused.set(refused.get() + 1);
                            let full = Err(Error::TimeoutsFull { max: 6 });
                            prop_assert_eq!(timeouts.put(id, measure, now), full);
                        } else {
                            replaced.set(replaced.get() + u32::from(again));
                            model.remove(id, now);
                            let deadline = now.after(model.timeout);
                            model.open.push((id, now, deadline, measure));
                            prop_assert_eq!(timeouts.put(id, measure, now), Ok(deadline));
                        }
                    }
                    2 => prop_assert_eq!(timeouts.remove(&id, now), model.remove(id, now)),
                    _ => {
                        let one = timeouts.fire(now);
                        fired.set(fired.get() + u32::from(one.is_some()));
                        prop_assert_eq!(one, model.fire(now));
                    }
                }
                moved.set(moved.get() + u32::from(before != model.timeout));
                prop_assert_eq!(timeouts.timeout(), model.timeout);
                prop_assert_eq!(timeouts.len(), model.open.len());
                let next = model.open.iter().map(|(_, _, deadline, _)| *deadline).min();
                prop_assert_eq!(timeouts.next_deadline(), next);
            }
            Ok(())
        })
        .expect("the timeouts equal their model");
    for count in [&fired, &replaced, &refused, &moved] {
        assert!(count.get() > 50, "{fired:?} {replaced:?} {refused:?} {moved:?}");
    }
}
