//! The time of a chain: that of the system, but never backwards.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use avalanche_consensus::Timestamp;

/// Shows the system's time, and stands still where that goes back.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    latest: AtomicU64,
}

impl Clock {
    /// The time since the Unix epoch.
    pub(crate) fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        let before = self.latest.fetch_max(nanos, Ordering::Relaxed);
        Timestamp::from_nanos(before.max(nanos))
    }
}
