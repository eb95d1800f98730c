//! How much processor time one peer causes.

use std::collections::BTreeMap;
use std::time::Duration;

use avalanche_consensus::{NodeId, Timestamp};

use super::Stake;

/// Shares of the processor, in cores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuConfig {
    /// What is split among validators by stake.
    pub validators: f64,
    /// Total usage from which peers have nothing but their part by stake.
    pub at_large: f64,
    /// The most of that which one peer has.
    pub node_at_large_max: f64,
    /// The time in which usage that has ended falls to a half. Default: 15 s.
    pub half_life: Duration,
    /// The longest wait before asking again: targets change. Default: 5 s.
    pub recheck_max: Duration,
    /// Peers that are followed. Default: 16,384.
    pub nodes_max: usize,
}

impl CpuConfig {
    /// AvalancheGo's defaults on so many cores: all of them by stake, 0.8 of them at large, an
    /// eighth of them for one peer.
    #[must_use]
    pub const fn with_cores(cores: u32) -> Self {
        let cores = cores as f64;
        Self {
            validators: cores,
            at_large: 0.8 * cores,
            node_at_large_max: cores / 8.0,
            half_life: Duration::from_secs(15),
            recheck_max: Duration::from_secs(5),
            nodes_max: 1 << 14,
        }
    }
}

/// Says how long not to read from a peer whose messages use more of the processor than its share
/// (AvalancheGo's `network/throttling/inbound_resource_throttler.go` with
/// `snow/networking/tracker`).
///
/// Usage is in cores: the time that messages of a peer took, as a part of the time that passed,
/// where older times count less. AvalancheGo scales it by the processor time that the operating
/// system reports; here it is what the program itself measured.
///
/// # Limits
///
/// [`CpuConfig::nodes_max`] peers. When as many are followed, those that used next to nothing are
/// forgotten; if nobody can be, a new peer is not followed, so not delayed, and counted. A call is
/// O(log n); one that has to forget, O(n).
#[derive(Clone, Debug)]
pub struct CpuThrottle {
    config: CpuConfig,
    nodes: BTreeMap<NodeId, Meter>,
    total: Meter,
    untracked: u64,
}

/// An average of busy cores that halves in each half-life.
#[derive(Clone, Copy, Debug)]
struct Meter {
    cores: f64,
    at: Timestamp,
}

impl CpuThrottle {
    /// Nobody has used anything.
    #[must_use]
    pub const fn new(config: CpuConfig) -> Self {
        let total = Meter { cores: 0.0, at: Timestamp::ZERO };
        Self { config, nodes: BTreeMap::new(), total, untracked: 0 }
    }

    /// Takes in that a message of `node` kept one core busy for so long, until `now`.
    pub fn record(&mut self, node: NodeId, busy: Duration, now: Timestamp) {
        let half_life = self.config.half_life;
        self.total.add(busy, now, half_life);
        if !self.nodes.contains_key(&node) && self.nodes.len() >= self.config.nodes_max {
            self.nodes.retain(|_, meter| meter.read(now, half_life) > NEGLIGIBLE);
            if self.nodes.len() >= self.config.nodes_max {
                self.untracked += 1;
                return;
            }
        }
        let meter = self.nodes.entry(node).or_insert(Meter { cores: 0.0, at: now });
        meter.add(busy, now, half_life);
    }

    /// How long not to read from `node`, and then to ask again. Zero means read.
    #[must_use]
    pub fn wait(&self, node: &NodeId, stake: Stake, now: Timestamp) -> Duration {
        let (usage, target) = (self.usage(node, now), self.target(stake, now));
        if usage <= target {
            return Duration::ZERO;
        }
        // Usage halves in each half-life, so the time is a logarithm; a target of zero is never
        // met.
        let half_lives = (usage / target).log2();
        let wait = Duration::try_from_secs_f64(half_lives * self.config.half_life.as_secs_f64())
            .unwrap_or(Duration::MAX);
        if wait < WAIT_MIN { Duration::ZERO } else { wait.min(self.config.recheck_max) }
    }

    /// Cores that a peer may use now.
    #[must_use]
    pub fn target(&self, stake: Stake, now: Timestamp) -> f64 {
        let left = (self.config.at_large - self.total_usage(now)).max(0.0);
        left.min(self.config.node_at_large_max) + self.config.validators * stake.share()
    }

    /// Cores that a peer uses.
    #[must_use]
    pub fn usage(&self, node: &NodeId, now: Timestamp) -> f64 {
        self.nodes.get(node).map_or(0.0, |meter| meter.read(now, self.config.half_life))
    }

    /// Cores that all peers use.
    #[must_use]
    pub fn total_usage(&self, now: Timestamp) -> f64 {
        self.total.read(now, self.config.half_life)
    }

    /// Peers that are followed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nobody is followed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Records that found no room so far.
    #[must_use]
    pub const fn untracked(&self) -> u64 {
        self.untracked
    }
}

impl Meter {
    /// One core was busy until `now`. Times that overlap add up: those are several cores.
    fn add(&mut self, busy: Duration, now: Timestamp, half_life: Duration) {
        self.cores = self.read(now, half_life) + (1.0 - kept(busy, half_life));
        self.at = self.at.max(now);
    }

    fn read(&self, now: Timestamp, half_life: Duration) -> f64 {
        self.cores * kept(now.since(self.at), half_life)
    }
}

/// The part that is left after a time.
fn kept(time: Duration, half_life: Duration) -> f64 {
    if time.is_zero() {
        return 1.0;
    }
    // With a half-life of zero nothing is.
    (-(time.as_secs_f64() / half_life.as_secs_f64())).exp2()
}

/// Cores below which a peer can be forgotten.
const NEGLIGIBLE: f64 = 1e-3;
/// Shorter waits are none (AvalancheGo's `epsilon`).
const WAIT_MIN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;

    const SECOND: Duration = Duration::from_secs(1);

    fn node(byte: u8) -> NodeId {
        NodeId::new([byte; 20])
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000 * seconds)
    }

    /// Keeps one core busy for a node, second after second.
    fn busy(throttle: &mut CpuThrottle, name: u8, seconds: std::ops::Range<u64>) {
        for second in seconds {
            throttle.record(node(name), SECOND, at(second + 1));
        }
    }

    #[test]
    fn a_peer_that_keeps_a_core_busy_waits_and_one_with_the_stake_does_not() {
        let mut throttle = CpuThrottle::new(CpuConfig::with_cores(2));
        busy(&mut throttle, 1, 0..15);
        let now = at(15);
        // Half of the way to one core after one half-life.
        assert!((throttle.usage(&node(1), now) - 0.5).abs() < 1e-9);
        assert!((throttle.total_usage(now) - 0.5).abs() < 1e-9);
        // A quarter of a core at large: halved once, that is in 15 s, so asked again in 5.
        assert_eq!(throttle.wait(&node(1), Stake::NONE, now), 5 * SECOND);
        assert_eq!(throttle.wait(&node(1), Stake::NONE, at(30)), Duration::ZERO);
        let near = throttle.wait(&node(1), Stake::NONE, at(28));
        assert!(near > SECOND && near <= 2 * SECOND, "{near:?}");
        assert_eq!(throttle.wait(&node(1), Stake::new(1, 4), now), Duration::ZERO);
        assert_eq!(throttle.wait(&node(2), Stake::NONE, now), Duration::ZERO);
        // When all is used, only stake counts.
        for name in 10..20 {
            busy(&mut throttle, name, 0..15);
        }
        assert_eq!(throttle.target(Stake::NONE, now), 0.0);
        assert_eq!(throttle.target(Stake::new(1, 4), now), 0.5);
        assert_eq!(throttle.wait(&node(1), Stake::NONE, now), 5 * SECOND);
        assert_eq!(throttle.wait(&node(3), Stake::NONE, now), Duration::ZERO);
    }

    #[test]
    fn the_number_of_peers_is_bounded_and_idle_ones_make_room() {
        let config = CpuConfig { nodes_max: 3, ..CpuConfig::with_cores(1) };
        let mut throttle = CpuThrottle::new(config);
        for name in 0..5 {
            busy(&mut throttle, name, 0..1);
        }
        assert_eq!((throttle.len(), throttle.untracked()), (3, 2));
        assert_eq!(throttle.usage(&node(4), at(1)), 0.0);
        busy(&mut throttle, 4, 300..301);
        assert_eq!((throttle.len(), throttle.untracked()), (1, 2));
        assert!(throttle.usage(&node(4), at(301)) > 0.0);
    }

    /// However a peer's work is cut into messages, it counts the same; and no wait is over the
    /// bound.
    #[test]
    fn usage_is_that_of_the_time_and_waits_are_bounded() {
        let (waits, reads) = (Cell::new(0_u32), Cell::new(0_u32));
        let steps = prop::collection::vec((1_u64..4_000, any::<bool>()), 1..40);
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        runner
            .run(&steps, |steps| {
                let mut whole = CpuThrottle::new(CpuConfig::with_cores(1));
                let mut parts = whole.clone();
                let mut millis = 0;
                for (length, used) in steps {
                    let start = millis;
                    millis += length;
                    let now = Timestamp::from_millis(millis);
                    if used {
                        whole.record(node(1), Duration::from_millis(length), now);
                        let half = Duration::from_millis(length / 2);
                        parts.record(node(1), half, Timestamp::from_millis(start + length / 2));
                        parts.record(node(1), Duration::from_millis(length) - half, now);
                    }
                    let usage = whole.usage(&node(1), now);
                    prop_assert!((usage - parts.usage(&node(1), now)).abs() < 1e-9);
                    prop_assert!((0.0..=1.0).contains(&usage));
                    let wait = whole.wait(&node(1), Stake::NONE, now);
                    prop_assert!(wait <= 5 * SECOND);
                    let count = if wait.is_zero() { &reads } else { &waits };
                    count.set(count.get() + 1);
                }
                Ok(())
            })
            .expect("usage is additive");
        assert!(waits.get() > 500 && reads.get() > 500, "{waits:?} {reads:?}");
    }

    #[test]
    fn a_half_life_of_zero_forgets_at_once_and_gives_numbers() {
        let config = CpuConfig { half_life: Duration::ZERO, ..CpuConfig::with_cores(1) };
        let mut throttle = CpuThrottle::new(config);
        throttle.record(node(1), SECOND, at(1));
        assert_eq!(throttle.usage(&node(1), at(2)), 0.0);
        assert_eq!(throttle.wait(&node(1), Stake::NONE, at(2)), Duration::ZERO);
        assert!(throttle.wait(&node(1), Stake::NONE, at(1)) <= 5 * SECOND);
    }
}
