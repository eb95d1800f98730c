//! Compares a workload with its floor: in turns, as the median of the ratios of pairs.
//!
//! Turns make both see the same machine: what slows one slice slows its neighbour. The ratio is
//! taken within each pair and the median over the pairs, so a disturbed pair is outvoted. What only
//! computes is measured by CPU time; what waits for a disk, or for other threads, by wall time.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Pairs of slices.
    pub pairs: usize,
    /// Shortest slice, CPU time.
    pub slice: Duration,
    /// How long a line by wall time goes on making pairs, of one operation each.
    pub wall: Duration,
}

impl Effort {
    /// What the figures of the README were made with.
    pub const FULL: Self =
        Self { pairs: 15, slice: Duration::from_millis(12), wall: Duration::from_secs(5) };
    /// A first look.
    pub const QUICK: Self =
        Self { pairs: 5, slice: Duration::from_millis(3), wall: Duration::from_millis(500) };
}

/// A workload beside its floor, in nanoseconds for one operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Median of the workload.
    pub ours: f64,
    /// Median of the floor.
    pub floor: f64,
    /// Median of the pairwise ratios, workload over floor.
    pub ratio: f64,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ns, floor {:.1} ns, ratio {:.2}", self.ours, self.floor, self.ratio)
    }
}

/// What a time is taken with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// [`cpu_time`].
    Cpu,
    /// Time as it passes for everybody.
    Wall,
}

impl Clock {
    /// Time since some moment that stays the same.
    #[must_use]
    pub fn now(self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        match self {
            Self::Cpu => cpu_time(),
            Self::Wall => START.get_or_init(Instant::now).elapsed(),
        }
    }
}

/// What a slice did.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// Operations, which can be more than were asked for.
    pub operations: u64,
    /// Time that went into preparation and is not to count, by the clock that measures.
    pub apart: Duration,
}

/// Does a number of operations.
pub type Work<'a> = &'a mut dyn FnMut(u64) -> Done;

/// Compares `ours` with `floor` by CPU time.
pub fn compare(effort: Effort, ours: Work<'_>, floor: Work<'_>) -> Comparison {
    let (our_count, floor_count) = (calibrate(effort.slice, ours), calibrate(effort.slice, floor));
    let pair = |_| {
        (per_operation(Clock::Cpu, ours, our_count), per_operation(Clock::Cpu, floor, floor_count))
    };
    summary((0..effort.pairs.max(1)).map(pair))
}

/// Compares `ours` with `floor` by wall time: pairs of one operation each, since a sync varies more
/// from one second to the next than from one call to the next, and many of them. In every other
/// pair the floor is first: what a sync leaves behind is paid by whoever is next.
pub fn compare_wall(effort: Effort, ours: Work<'_>, floor: Work<'_>) -> Comparison {
    let mut one = || per_operation(Clock::Wall, ours, 1);
    let mut other = || per_operation(Clock::Wall, floor, 1);
    let _warm = (one(), other());
    let (start, mut pairs) = (Instant::now(), Vec::new());
    while pairs.len() < effort.pairs.max(1) || start.elapsed() < effort.wall {
        if pairs.len() % 2 == 0 {
            let ours = one();
            pairs.push((ours, other()));
        } else {
            let floor = other();
            pairs.push((one(), floor));
        }
    }
    summary(pairs.into_iter())
}

/// The medians of pairs of times, ours first, and of their ratios.
fn summary(pairs: impl Iterator<Item = (f64, f64)>) -> Comparison {
    let mut values = [Vec::new(), Vec::new(), Vec::new()];
    for (ours, floor) in pairs {
        for (values, value) in values.iter_mut().zip([ours, floor, ours / floor]) {
            values.push(value);
        }
    }
    let [ours, floor, ratio] = values.map(median);
    Comparison { ours, floor, ratio }
}

/// Nanoseconds of CPU time for one operation, the median of slices, without a floor.
pub fn alone(effort: Effort, work: Work<'_>) -> f64 {
    let count = calibrate(effort.slice, work);
    median((0..effort.pairs.max(1)).map(|_| per_operation(Clock::Cpu, work, count)).collect())
}

/// How many operations fill a slice. Running up to it also warms the caches.
fn calibrate(slice: Duration, work: Work<'_>) -> u64 {
    let mut count = 1;
    loop {
        let start = cpu_time();
        let _warm = work(count);
        let taken = cpu_time().saturating_sub(start);
        if taken >= slice || count >= 1 << 40 {
            return count;
        }
        count *= if taken * 8 < slice { 8 } else { 2 };
    }
}

/// Nanoseconds for one operation of `work`.
fn per_operation(clock: Clock, work: Work<'_>, count: u64) -> f64 {
    let start = clock.now();
    let Done { operations, apart } = work(count);
    let taken = clock.now().saturating_sub(start).saturating_sub(apart);
    as_f64(u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX)) / as_f64(operations.max(1))
}

/// A closure that does one operation as one that does many.
pub fn repeat(mut operation: impl FnMut()) -> impl FnMut(u64) -> Done {
    move |operations| {
        (0..operations).for_each(|_| operation());
        Done { operations, apart: Duration::ZERO }
    }
}

/// Compares the durations of single operations, in nanoseconds: their `parts`, 0.5 for the median,
/// are taken within each of the pairs of slices, and of their ratios the median.
pub fn compare_each<const N: usize>(
    effort: Effort,
    parts: [f64; N],
    mut ours: impl FnMut() -> Vec<Duration>,
    mut floor: impl FnMut() -> Vec<Duration>,
) -> [Comparison; N] {
    let _warm = (ours(), floor());
    let mut pairs = [const { Vec::new() }; N];
    for _ in 0..effort.pairs.max(1) {
        let (ours, floor) = (ours(), floor());
        for (part, pairs) in parts.iter().zip(&mut pairs) {
            pairs.push((quantile(&ours, *part), quantile(&floor, *part)));
        }
    }
    pairs.map(|pairs| summary(pairs.into_iter()))
}

/// The nanoseconds below which so much of all is.
pub(crate) fn quantile(taken: &[Duration], part: f64) -> f64 {
    let mut nanos: Vec<_> = taken.iter().map(Duration::as_secs_f64).collect();
    nanos.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a list"
    )]
    let place = (part * as_f64(nanos.len() as u64)) as usize;
    nanos.get(place.min(nanos.len().saturating_sub(1))).map_or(f64::NAN, |nanos| nanos * 1e9)
}

/// The middle value; of two middle values the greater.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A count as a number to divide by. Exact up to 2^53, which is 104 days in nanoseconds.
#[must_use]
pub fn as_f64(value: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "figures for people; exact up to 2^53")]
    let value = value as f64;
    value
}

/// CPU time of all threads of this process where the system tells it, else time since the first
/// call.
#[must_use]
pub fn process_cpu_time() -> Duration {
    #[cfg(unix)]
    {
        clock(rustix::time::ClockId::ProcessCPUTime)
    }
    #[cfg(not(unix))]
    {
        Clock::Wall.now()
    }
}

#[cfg(unix)]
fn clock(id: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(id);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// CPU time of this thread where the system tells it, else time since the first call.
#[must_use]
pub fn cpu_time() -> Duration {
    #[cfg(unix)]
    {
        clock(rustix::time::ClockId::ThreadCPUTime)
    }
    #[cfg(not(unix))]
    {
        Clock::Wall.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A neighbour slows both slices of the second pair, and one slice of the third.
    #[test]
    fn the_ratio_is_that_of_pairs_and_outlives_disturbance() {
        let pairs = [(20.0, 10.0), (60.0, 30.0), (20.0, 40.0), (22.0, 11.0), (21.0, 10.0)];
        let found = summary(pairs.into_iter());
        assert_eq!(found, Comparison { ours: 21.0, floor: 11.0, ratio: 2.0 });
    }

    #[test]
    fn slices_do_at_least_what_they_are_asked_for() {
        let (mut ours, mut floor) = (0_u64, 0_u64);
        let effort = Effort { pairs: 3, slice: Duration::from_micros(50), wall: Duration::ZERO };
        let found = compare(effort, &mut repeat(|| ours += 1), &mut repeat(|| floor += 1));
        assert!(ours > 3 && floor > 3);
        assert!(found.ours >= 0.0 && found.floor >= 0.0);
    }

    #[test]
    fn by_wall_time_both_do_one_operation_a_pair_and_take_turns_at_being_first() {
        let order = std::cell::RefCell::new(Vec::new());
        let effort = Effort { pairs: 4, slice: Duration::ZERO, wall: Duration::ZERO };
        let work = |name| {
            let order = &order;
            repeat(move || order.borrow_mut().push(name))
        };
        let found = compare_wall(effort, &mut work('o'), &mut work('f'));
        assert!(found.ours >= 0.0 && found.floor >= 0.0);
        let warm_and_pairs = "of offo offo";
        let wanted = warm_and_pairs.replace(' ', "");
        assert_eq!(order.into_inner().into_iter().collect::<String>(), wanted);
    }

    #[test]
    fn time_apart_does_not_count() {
        let mut work = |operations| Done { operations, apart: Duration::from_secs(3_600) };
        assert_eq!(per_operation(Clock::Wall, &mut work, 1), 0.0);
    }

    #[test]
    fn quantiles_are_those_of_the_pairs() {
        let taken: Vec<_> = (0..100).rev().map(Duration::from_nanos).collect();
        let twice: Vec<_> = taken.iter().map(|taken| *taken * 2).collect();
        let effort = Effort { pairs: 3, slice: Duration::ZERO, wall: Duration::ZERO };
        let found = compare_each(effort, [0.5, 0.99], || twice.clone(), || taken.clone());
        let [half, most] = found.map(|one| (one.ours.round(), one.floor.round(), one.ratio));
        assert_eq!((half, most), ((100.0, 50.0, 2.0), (198.0, 99.0, 2.0)));
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn the_median_is_a_middle_value() {
        assert_eq!(median(vec![9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(vec![2.0, 1.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }
}
