//! One direction between two addresses.

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::time::Duration;

use tokio::time::Instant;

/// What a link does to bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// How long bytes take, at least. 10 ms by default.
    pub delay: Duration,
    /// How much longer they may take: each time anything up to this. None by default; bytes of one
    /// connection stay in order.
    pub jitter: Duration,
    /// Bytes that fit through in a second, shared by all connections. No limit by default.
    pub bandwidth: Option<NonZeroU64>,
    /// Writes, in a million, that break their connection. None by default.
    pub breaks: u32,
}

/// A link and its past.
#[derive(Debug)]
pub(super) struct State {
    pub(super) link: Link,
    /// Since when nothing comes through.
    pub(super) blocked: Option<Instant>,
    /// When the last byte that was sent has left.
    free_at: Option<Instant>,
    random: u64,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            bandwidth: None,
            breaks: 0,
        }
    }
}

impl State {
    /// The link's randomness depends on who it is between, not on when it is first used.
    pub(super) fn new(link: Link, seed: u64, from: IpAddr, to: IpAddr) -> Self {
        let hash = blake3::hash(format!("{seed} {from} {to}").as_bytes());
        let (first, _) = hash.as_bytes().split_first_chunk().unwrap_or((&[0; 8], &[]));
        Self { link, blocked: None, free_at: None, random: u64::from_le_bytes(*first) }
    }

    /// When bytes arrive that are sent now.
    pub(super) fn arrival(&mut self, now: Instant, len: usize) -> Instant {
        let mut sent = now;
        if let Some(bandwidth) = self.link.bandwidth {
            let nanos = u128::try_from(len).unwrap_or(u128::MAX).saturating_mul(1_000_000_000);
            let nanos = nanos.div_ceil(u128::from(bandwidth.get()));
            let took = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            sent = self.free_at.map_or(now, |free_at| free_at.max(now)) + took;
            self.free_at = Some(sent);
        }
        sent + self.delay()
    }

    /// How long a byte takes this time.
    pub(super) fn delay(&mut self) -> Duration {
        let jitter = self.link.jitter.as_nanos() + 1;
        let random = (u128::from(self.next()) * jitter.min(u128::from(u64::MAX))) >> 64;
        self.link.delay + Duration::from_nanos(u64::try_from(random).unwrap_or_default())
    }

    /// Whether this write breaks its connection.
    pub(super) fn breaks(&mut self) -> bool {
        self.link.breaks > 0 && self.next() % 1_000_000 < u64::from(self.link.breaks)
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
