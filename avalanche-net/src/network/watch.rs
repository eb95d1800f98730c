//! The time until which a peer has to have sent something.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use avalanche_consensus::Timestamp;
use tokio::time::sleep_until;

use super::driver::Clock;
use crate::CloseReason;

/// Ends a connection whose peer is too slow.
///
/// Reads say until when they wait, and do no more than that. The timer, in a part of the task of
/// its own, fires at the earliest time that may be one, and looks. Nearly all reads end long before
/// their deadline, and a timer costs more to move, or to look at, than to leave.
#[derive(Debug)]
pub(super) struct Watch {
    clock: Clock,
    /// The time that a read takes at most.
    longest: Duration,
    /// When the read that is waited for has to be over, in nanoseconds; [`NOTHING`] if none is.
    deadline: AtomicU64,
    /// A part of a message has come, and the rest is waited for.
    begun: AtomicBool,
}

/// Further away than any time.
const NOTHING: u64 = u64::MAX;

impl Watch {
    pub(super) const fn new(clock: Clock, longest: Duration) -> Self {
        let (deadline, begun) = (AtomicU64::new(NOTHING), AtomicBool::new(false));
        Self { clock, longest, deadline, begun }
    }

    /// The deadline of what is read from then on.
    pub(super) fn deadline(&self, from: Timestamp) -> Timestamp {
        from.after(self.longest)
    }

    /// Something is waited for; `begun` if a part of it is there.
    pub(super) fn wait(&self, deadline: Timestamp, begun: bool) {
        self.begun.store(begun, Ordering::Relaxed);
        self.deadline.store(deadline.as_nanos(), Ordering::Relaxed);
    }

    /// Nothing is waited for.
    pub(super) fn rest(&self) {
        self.deadline.store(NOTHING, Ordering::Relaxed);
    }

    /// Waits until a deadline has passed; says what was missed.
    pub(super) async fn missed(&self) -> CloseReason {
        loop {
            let deadline = self.deadline.load(Ordering::Relaxed);
            let now = self.clock.now();
            if deadline <= now.as_nanos() {
                let begun = self.begun.load(Ordering::Relaxed);
                return if begun { CloseReason::SlowRead } else { CloseReason::Timeout };
            }
            // A read that begins later has a later deadline.
            let next = deadline.min(now.after(self.longest).as_nanos());
            sleep_until(self.clock.instant(Timestamp::from_nanos(next))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, sleep};

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_early_is_moved_and_every_deadline_is_kept() {
        let (clock, longest) = (Clock::new(), Duration::from_secs(30));
        for (begun, reason) in [(false, CloseReason::Timeout), (true, CloseReason::SlowRead)] {
            let watch = Watch::new(clock, longest);
            let begins = async {
                // Reads that end in time, and a time in which nothing is read.
                for seconds in [1, 29, 100, 29, 30] {
                    if seconds <= 30 {
                        watch.wait(watch.deadline(clock.now()), !begun);
                    }
                    sleep(Duration::from_secs(seconds) - Duration::from_millis(1)).await;
                    watch.rest();
                }
                let last = Instant::now();
                watch.wait(watch.deadline(clock.timestamp(last)), begun);
                last
            };
            let ends = async { (watch.missed().await, Instant::now()) };
            let (last, (missed, at)) = tokio::join!(begins, ends);
            assert_eq!(missed, reason);
            assert_eq!((at - last).as_millis(), longest.as_millis(), "{reason}");
        }
    }
}
