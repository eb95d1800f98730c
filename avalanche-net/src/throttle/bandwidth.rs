//! How fast one peer is read.

use std::time::Duration;

use avalanche_consensus::Timestamp;

use super::TokenBucket;

/// Bytes a second that are read from one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BandwidthConfig {
    /// Bytes a second. Default: 512 KiB. Higher reads faster and lets one peer use more.
    pub refill_rate: u64,
    /// Bytes that can be read at once after a pause, at least the largest message. Default: 2 MiB.
    pub burst: u64,
}

impl Default for BandwidthConfig {
    fn default() -> Self {
        Self { refill_rate: 512 << 10, burst: 2 << 20 }
    }
}

/// Delays reading from one peer that sends faster than allowed; owned by its connection
/// (AvalancheGo's `network/throttling/bandwidth_throttler.go`).
#[derive(Clone, Copy, Debug)]
pub struct BandwidthThrottle {
    bucket: TokenBucket,
    waits: u64,
}

impl BandwidthThrottle {
    /// Nothing was read yet.
    #[must_use]
    pub const fn new(config: BandwidthConfig) -> Self {
        Self { bucket: TokenBucket::new(config.refill_rate, config.burst), waits: 0 }
    }

    /// Takes the bytes of the next message and returns how long not to read it.
    pub fn acquire(&mut self, bytes: u64, now: Timestamp) -> Duration {
        let wait = self.bucket.take(bytes, now);
        self.waits += u64::from(!wait.is_zero());
        wait
    }

    /// Messages that had to wait so far.
    #[must_use]
    pub const fn waits(&self) -> u64 {
        self.waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_floods_is_read_at_the_rate_after_its_burst() {
        let mut throttle = BandwidthThrottle::new(BandwidthConfig::default());
        let (mut now, mut read) = (Timestamp::ZERO, 0_u64);
        while now < Timestamp::from_millis(60_000) {
            now = now.after(throttle.acquire(64 << 10, now));
            read += 64 << 10;
        }
        let allowed = (2 << 20) + 60 * (512 << 10);
        assert!(read >= allowed && read <= allowed + (64 << 10), "{read} of {allowed}");
        assert!(throttle.waits() > 400);
        // A message of the largest length passes after a pause.
        let later = now.after(Duration::from_secs(4));
        assert_eq!(throttle.acquire(2 << 20, later), Duration::ZERO);
    }
}
