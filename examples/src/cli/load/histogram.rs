//! A histogram of durations in a fixed amount of memory.

use std::fmt::Write as _;
use std::time::Duration;

/// Steps in each doubling: what is read from it is at most 1/64 too high.
const STEPS: u64 = 64;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Buckets for all durations in microseconds: 30 KiB.
const BUCKETS: usize = (STEPS * (64 - STEP_BITS as u64 + 1)) as usize;

/// Counts durations, by microseconds, in buckets that grow with them.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_us: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, max_us: 0 }
    }

    /// Counts one.
    pub(super) fn add(&mut self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket(us)) {
            *count += 1;
            self.total += 1;
            self.max_us = self.max_us.max(us);
        }
    }

    /// How many were counted.
    #[cfg(test)]
    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// The duration, in microseconds, that so many of a thousand do not exceed; at most 1/64 too
    /// high. 0 if none was counted.
    pub(super) fn permille(&self, permille: u64) -> u64 {
        let wanted = u128::from(self.total) * u128::from(permille.min(1_000));
        let wanted = u64::try_from(wanted.div_ceil(1_000)).unwrap_or(u64::MAX).max(1);
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return top(at).min(self.max_us);
            }
        }
        0
    }

    /// The greatest, in microseconds.
    pub(super) const fn max_us(&self) -> u64 {
        self.max_us
    }

    /// Counts by doublings: from (inclusive) and below, in microseconds, and how many. From the
    /// first that has some to the last one.
    pub(super) fn doublings(&self) -> Vec<(u64, u64, u64)> {
        let mut rows: Vec<(u64, u64, u64)> = Vec::new();
        for (at, count) in self.counts.iter().enumerate() {
            let value = top(at);
            let from: u64 = if value == 0 { 0 } else { 1 << value.ilog2() };
            let below = if value == 0 { 1 } else { from.saturating_mul(2) };
            match rows.last_mut() {
                Some(row) if row.0 == from => row.2 += count,
                _ => rows.push((from, below, *count)),
            }
        }
        let first = rows.iter().position(|row| row.2 > 0).unwrap_or(rows.len());
        let last = rows.iter().rposition(|row| row.2 > 0).map_or(first, |last| last + 1);
        rows.get(first..last).unwrap_or_default().to_vec()
    }

    /// For people: a line a doubling, with a bar.
    pub(super) fn draw(&self) -> String {
        const WIDTH: u64 = 40;
        let rows = self.doublings();
        let most = rows.iter().map(|row| row.2).max().unwrap_or(0).max(1);
        let mut text = String::new();
        for (from, below, count) in rows {
            let wide = usize::try_from((count * WIDTH).div_ceil(most)).unwrap_or(0);
            let (from, below) = (milliseconds(from), milliseconds(below));
            // Writing to a string cannot fail.
            let _ =
                writeln!(text, "{from:>10} to {below:>10} ms  {count:>9}  {}", "#".repeat(wide));
        }
        text
    }
}

/// Microseconds as milliseconds with a point.
pub(super) fn milliseconds(us: u64) -> String {
    format!("{}.{:03}", us / 1_000, us % 1_000)
}

/// Values below [`STEPS`] have a bucket each; above, each doubling has [`STEPS`].
fn bucket(us: u64) -> usize {
    let at = if us < STEPS {
        us
    } else {
        let shift = us.ilog2() - STEP_BITS;
        STEPS * u64::from(shift + 1) + (us >> shift) - STEPS
    };
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// The greatest value of a bucket.
fn top(at: usize) -> u64 {
    let at = u64::try_from(at).unwrap_or(u64::MAX);
    if at < STEPS {
        return at;
    }
    let shift = at / STEPS - 1;
    let first = u128::from(at % STEPS + STEPS) << shift;
    u64::try_from(first + (1 << shift) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::draw::Draw;
    use super::*;

    #[test]
    fn every_value_is_in_the_bucket_that_says_so() {
        let mut draw = Draw::new(3);
        let random = (0..10_000).map(|at| draw.next() >> (at % 64));
        let edges = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for value in random.chain(edges).chain([0, u64::MAX]) {
            let at = bucket(value);
            assert!(at < BUCKETS, "{value}");
            let below = if at == 0 { None } else { Some(top(at - 1)) };
            assert!(below.is_none_or(|below| below < value) && value <= top(at), "{value}");
            assert!(top(at) - value <= value / STEPS, "{value}: {}", top(at));
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_values() {
        let mut draw = Draw::new(9);
        for size in [1_usize, 2, 3, 10, 99, 100, 101, 5_000] {
            let mut histogram = Histogram::new();
            let mut values: Vec<u64> = (0..size).map(|_| draw.next() % 10_000_000).collect();
            values.iter().for_each(|us| histogram.add(Duration::from_micros(*us)));
            values.sort_unstable();
            for permille in [0, 1, 500, 950, 990, 999, 1_000] {
                let rank = (size * permille as usize).div_ceil(1_000).max(1);
                let exact = values[rank - 1];
                let found = histogram.permille(permille);
                assert!((exact..=exact + exact / STEPS).contains(&found), "{size} {permille}");
            }
            assert_eq!(histogram.permille(1_000), *values.last().unwrap());
            let rows = histogram.doublings();
            assert_eq!(rows.iter().map(|row| row.2).sum::<u64>(), histogram.total());
        }
    }

    #[test]
    fn an_empty_one_says_nothing() {
        let histogram = Histogram::new();
        assert_eq!((histogram.permille(500), histogram.max_us()), (0, 0));
        assert_eq!(histogram.draw(), "");
    }

    #[test]
    fn bars_are_as_long_as_their_share() {
        let mut histogram = Histogram::new();
        for (us, count) in [(0, 1), (150_000, 40), (300_000, 20)] {
            (0..count).for_each(|_| histogram.add(Duration::from_micros(us)));
        }
        let text = histogram.draw();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("     0.000 to      0.001 ms          1  #"), "{text}");
        let long = lines.iter().find(|line| line.contains("131.072 to")).unwrap();
        assert!(long.ends_with(&format!("40  {}", "#".repeat(40))), "{text}");
        assert!(lines.last().unwrap().ends_with(&format!("20  {}", "#".repeat(20))), "{text}");
    }
}
