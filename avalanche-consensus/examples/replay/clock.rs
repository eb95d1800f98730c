//! The clock of measurements. Nothing that decides sees it.
#![expect(clippy::disallowed_types, reason = "measuring is what this file is for")]

use std::hint::black_box;
use std::time::Instant;

use serde::Serialize;

/// What times are measured with.
pub(crate) const KIND: &str = "wall clock (std::time::Instant, monotonic)";

/// Measures one section.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Nanoseconds since the start.
    pub(crate) fn nanos(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// What the clock itself costs.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Cost {
    /// Nanoseconds that two readings take.
    pub(crate) pair_ns: f64,
    /// Nanoseconds that an empty section seems to take: what each timed section has too much.
    pub(crate) empty_section_ns: u64,
}

impl Cost {
    pub(crate) fn measured() -> Self {
        const PAIRS: u32 = 100_000;
        let mut readings: Vec<u64> = Vec::with_capacity(100_000);
        let whole = Stopwatch::start();
        readings.extend((0..PAIRS).map(|_| black_box(Stopwatch::start()).nanos()));
        let pair_ns = whole.nanos() as f64 / f64::from(PAIRS);
        readings.sort_unstable();
        let empty_section_ns = readings.get(readings.len() / 2).copied().unwrap_or_default();
        Self { pair_ns, empty_section_ns }
    }
}

/// Nanoseconds that this thread was ready to run but waited for a processor, since it began. `None`
/// where the operating system does not say.
pub(crate) fn waited_ns() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}
