//! How fast others can connect.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use avalanche_consensus::Timestamp;

use super::TokenBucket;

/// Limits of inbound connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// Connections that are accepted a second. Default: 256.
    pub accepts_per_second: u32,
    /// The time in which one address gets one connection. Default: 10 s.
    pub cooldown: Duration,
    /// Addresses that are remembered; beyond it new ones are refused. Default: 2,560, which is as
    /// many as are accepted in one cool-down.
    pub addresses_max: usize,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        let cooldown = Duration::from_secs(10);
        Self { accepts_per_second: 256, cooldown, addresses_max: 2_560 }
    }
}

/// Whether a connection that was accepted is worth a TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// Go on.
    Allowed,
    /// Close it: the address had one a moment ago.
    CoolingDown,
    /// Close it: too many addresses connected lately.
    Full,
}

/// Paces accepting, and spares handshakes for addresses that just had one (AvalancheGo's
/// `network/throttling/inbound_conn_throttler.go` and `inbound_conn_upgrade_throttler.go`).
/// Connections from loopback addresses are paced but never cool down.
///
/// # Limits
///
/// [`ConnectionConfig::addresses_max`] addresses. A call is O(log n), amortised.
#[derive(Clone, Debug)]
pub struct ConnectionThrottle {
    config: ConnectionConfig,
    accepts: TokenBucket,
    recent: BTreeSet<IpAddr>,
    /// The same addresses with the end of their cool-down, in order.
    ends: VecDeque<(Timestamp, IpAddr)>,
    refused: u64,
}

impl ConnectionThrottle {
    /// Nobody has connected yet.
    #[must_use]
    pub const fn new(config: ConnectionConfig) -> Self {
        let rate = config.accepts_per_second as u64;
        Self {
            config,
            accepts: TokenBucket::new(rate, rate),
            recent: BTreeSet::new(),
            ends: VecDeque::new(),
            refused: 0,
        }
    }

    /// Counts one call to accept, and returns how long to wait before it.
    pub fn accept(&mut self, now: Timestamp) -> Duration {
        self.accepts.take(1, now)
    }

    /// Whether to begin the TLS handshake of a connection. The port does not matter: many nodes of
    /// one host count as one.
    pub fn upgrade(&mut self, remote: SocketAddr, now: Timestamp) -> Upgrade {
        let address = remote.ip().to_canonical();
        if address.is_loopback() {
            return Upgrade::Allowed;
        }
        self.expire(now);
        let verdict = if self.recent.contains(&address) {
            Upgrade::CoolingDown
        } else if self.recent.len() >= self.config.addresses_max {
            Upgrade::Full
        } else {
            self.recent.insert(address);
            self.ends.push_back((now.after(self.config.cooldown), address));
            return Upgrade::Allowed;
        };
        self.refused += 1;
        verdict
    }

    /// Addresses that are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.recent.len()
    }

    /// Whether no address is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.recent.is_empty()
    }

    /// Connections that were refused so far.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some((end, address)) = self.ends.front().copied()
            && end <= now
        {
            self.ends.pop_front();
            self.recent.remove(&address);
        }
    }
}

impl Default for ConnectionThrottle {
    fn default() -> Self {
        Self::new(ConnectionConfig::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_one_connection_in_a_cooldown() {
        let mut throttle =
            ConnectionThrottle::new(ConnectionConfig { addresses_max: 2, ..Default::default() });
        let steps = [
            (0, "1.2.3.4:1", Upgrade::Allowed),
            (0, "1.2.3.4:2", Upgrade::CoolingDown),
            // The same address in another dress.
            (1, "[::ffff:1.2.3.4]:3", Upgrade::CoolingDown),
            (2_000, "[2001:db8::1]:1", Upgrade::Allowed),
            (2_000, "5.6.7.8:1", Upgrade::Full),
            (2_000, "127.0.0.1:1", Upgrade::Allowed),
            (2_000, "127.0.0.1:1", Upgrade::Allowed),
            (2_000, "[::1]:1", Upgrade::Allowed),
            (2_000, "[::ffff:127.0.0.1]:1", Upgrade::Allowed),
            (9_999, "1.2.3.4:1", Upgrade::CoolingDown),
            (10_000, "1.2.3.4:1", Upgrade::Allowed),
            (11_999, "[2001:db8::1]:9", Upgrade::CoolingDown),
            (12_000, "5.6.7.8:1", Upgrade::Allowed),
        ];
        for (millis, from, verdict) in steps {
            let now = Timestamp::from_millis(millis);
            assert_eq!(throttle.upgrade(remote(from), now), verdict, "{from} at {millis}");
        }
        assert_eq!((throttle.len(), throttle.refused()), (2, 5));
    }

    #[test]
    fn accepting_is_paced_at_the_rate_after_a_burst() {
        let mut throttle = ConnectionThrottle::default();
        let now = Timestamp::from_millis(1);
        let free = (0..256).filter(|_| throttle.accept(now).is_zero()).count();
        assert_eq!(free, 256);
        let wait = throttle.accept(now);
        assert!(wait > Duration::from_millis(3) && wait < Duration::from_millis(4), "{wait:?}");
    }

    #[test]
    fn the_number_of_remembered_addresses_is_bounded() {
        let mut throttle = ConnectionThrottle::default();
        let mut verdicts = [0; 2];
        for address in 0_u32..5_000 {
            let from = SocketAddr::new(IpAddr::from(address.to_be_bytes()), 9651);
            match throttle.upgrade(from, Timestamp::ZERO) {
                Upgrade::Allowed => verdicts[0] += 1,
                Upgrade::Full => verdicts[1] += 1,
                Upgrade::CoolingDown => panic!("{from} is new"),
            }
        }
        assert_eq!((verdicts, throttle.len()), ([2_560, 2_440], 2_560));
    }
}
