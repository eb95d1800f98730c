//! Whom to dial next, and when.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use avalanche_consensus::sampler::Source;
use avalanche_consensus::{NodeId, Timestamp};

use super::random::{SeedStream, unit};

/// How often nodes are dialled. The defaults are AvalancheGo's (`utils/constants/networking.go`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialerConfig {
    /// The delay that the first failure starts from: 1 s.
    pub initial_delay: Duration,
    /// No delay is longer: 60 s.
    pub max_delay: Duration,
    /// Dials to all nodes within any second: 50. AvalancheGo allows a burst of as many more.
    pub dials_per_second: usize,
    /// Whether addresses of private networks and of this machine are dialled: no. A node that
    /// claims one is kept, so that it is dialled as soon as it claims another.
    pub allow_private_ips: bool,
    /// Nodes that are waited for: 16,384.
    pub nodes_max: usize,
}

impl Default for DialerConfig {
    fn default() -> Self {
        Self {
            initial_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            dials_per_second: 50,
            allow_private_ips: false,
            nodes_max: 1 << 14,
        }
    }
}

/// An address to dial now, and the node that must answer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dial {
    /// The node.
    pub node: NodeId,
    /// Where it says it listens.
    pub addr: SocketAddr,
}

/// Decides which wanted node is dialled, and when (AvalancheGo `network/tracked_ip.go` and the
/// function `dial` of `network/network.go`).
///
/// ```text
///                    next: due, and the rate allows it
///  want --> waiting ----------------------------------> dialling --> connected: forgotten
///              ^                                            |
///              +----- failed: after a delay that grows -----+
/// ```
///
/// The first attempt is made at once. Each further one waits for a delay that starts at
/// [`DialerConfig::initial_delay`] and is multiplied by a random factor in `[1, 2)` with every
/// attempt; a delay over [`DialerConfig::max_delay`] becomes a random part of it in `[3/4, 1)`. The
/// delay counts from the report of the failure.
///
/// The caller says when a node is no longer wanted ([`Dialer::forget`]), when its handshake is
/// finished ([`Dialer::connected`]), and when an attempt, or the connection before the end of its
/// handshake, failed ([`Dialer::failed`]). Until one of these a node is not dialled again.
///
/// # Limits
///
/// [`DialerConfig::nodes_max`] nodes; more are refused. At most
/// [`DialerConfig::dials_per_second`] dials begin in any second, wherever it starts. Calls cost
/// O(log n), but [`Dialer::next`] passes over addresses that may not be dialled, once each delay.
#[derive(Clone, Debug)]
pub struct Dialer {
    config: DialerConfig,
    random: SeedStream,
    nodes: BTreeMap<NodeId, Wanted>,
    /// The waiting nodes, by the time at which they are due.
    due: BTreeSet<(Timestamp, NodeId)>,
    /// When the last dials began, as many as the rate allows in a second.
    begun: VecDeque<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    addr: SocketAddr,
    /// The delay after the attempt that was made last; zero before the first.
    delay: Duration,
    /// `None` while a dial or a handshake is under way.
    due: Option<Timestamp>,
}

impl Dialer {
    /// A dialer that wants nobody. Its random factors come from `seed`.
    #[must_use]
    pub fn new(config: DialerConfig, seed: &[u8; 32]) -> Self {
        Self {
            config,
            random: SeedStream::new(seed),
            nodes: BTreeMap::new(),
            due: BTreeSet::new(),
            begun: VecDeque::new(),
        }
    }

    /// Wants a connection with a node that listens at `addr`. Returns `false`, and does nothing, if
    /// the node is new and there is no room.
    ///
    /// A new node is dialled at once. One that is known gets the new address and keeps its delay,
    /// which starts anew if it is waiting: a node cannot have itself dialled more often by
    /// claiming addresses. While it is dialled, the new address is for the next attempt.
    pub fn want(&mut self, node: NodeId, addr: SocketAddr, now: Timestamp) -> bool {
        let room = self.nodes.len() < self.config.nodes_max;
        match self.nodes.get_mut(&node) {
            Some(wanted) if wanted.addr == addr => true,
            Some(wanted) => {
                wanted.addr = addr;
                if wanted.due.is_some() {
                    self.wait(node, now);
                }
                true
            }
            None if room => {
                self.nodes.insert(node, Wanted { addr, delay: Duration::ZERO, due: None });
                self.wait(node, now);
                true
            }
            None => false,
        }
    }

    /// Takes in that another connection with the node, such as one that it opened, is in its
    /// handshake: it is not dialled until [`Dialer::failed`] says that this failed.
    pub fn connecting(&mut self, node: &NodeId) {
        if let Some(wanted) = self.nodes.get_mut(node)
            && let Some(due) = wanted.due.take()
        {
            self.due.remove(&(due, *node));
        }
    }

    /// Takes in that the handshake with a node is finished: it is not dialled any more.
    pub fn connected(&mut self, node: &NodeId) {
        self.forget(node);
    }

    /// Wants the node no longer. What is under way is not undone. Returns whether it was wanted.
    pub fn forget(&mut self, node: &NodeId) -> bool {
        let Some(wanted) = self.nodes.remove(node) else { return false };
        if let Some(due) = wanted.due {
            self.due.remove(&(due, *node));
        }
        true
    }

    /// Takes in that an attempt failed, or that the connection ended before its handshake did. The
    /// node is dialled again after its delay. Nodes that wait already, or that are not wanted, are
    /// ignored.
    pub fn failed(&mut self, node: &NodeId, now: Timestamp) {
        if self.nodes.get(node).is_some_and(|wanted| wanted.due.is_none()) {
            self.wait(*node, now);
        }
    }

    /// The node to dial now, the one first that is due longest. `None` if nobody is due or the rate
    /// is reached: then [`Dialer::next_deadline`] says when to ask again.
    pub fn next(&mut self, now: Timestamp) -> Option<Dial> {
        while self.rate_frees().is_none_or(|free| free <= now)
            && let Some((due, node)) = self.due.first().copied()
            && due <= now
        {
            self.due.remove(&(due, node));
            let Some(wanted) = self.nodes.get_mut(&node) else { continue };
            wanted.due = None;
            wanted.delay = longer(&self.config, wanted.delay, &mut self.random);
            let dial = Dial { node, addr: wanted.addr };
            if is_dialable(dial.addr, self.config.allow_private_ips) {
                self.begin(now);
                return Some(dial);
            }
            self.wait(node, now);
        }
        None
    }

    /// When to call [`Dialer::next`] next; `None` if nobody waits.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let (due, _) = self.due.first()?;
        Some(self.rate_frees().map_or(*due, |free| free.max(*due)))
    }

    /// The delay that the next failure of a node is followed by; `None` if it is not wanted.
    #[must_use]
    pub fn delay(&self, node: &NodeId) -> Option<Duration> {
        self.nodes.get(node).map(|wanted| wanted.delay)
    }

    /// Whether a node is wanted.
    #[must_use]
    pub fn wants(&self, node: &NodeId) -> bool {
        self.nodes.contains_key(node)
    }

    /// The wanted nodes, waiting or being dialled.
    #[must_use = "iterators are lazy"]
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.keys().copied()
    }

    /// Number of nodes that are wanted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nobody is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Has a known node wait for its delay, from `now` on.
    fn wait(&mut self, node: NodeId, now: Timestamp) {
        let Some(wanted) = self.nodes.get_mut(&node) else { return };
        let due = now.after(wanted.delay);
        if let Some(earlier) = wanted.due.replace(due) {
            self.due.remove(&(earlier, node));
        }
        self.due.insert((due, node));
    }

    fn begin(&mut self, now: Timestamp) {
        if self.begun.len() >= self.config.dials_per_second {
            self.begun.pop_front();
        }
        self.begun.push_back(now);
    }

    /// When the rate allows one more dial; `None` if it does now. A rate of zero never does.
    fn rate_frees(&self) -> Option<Timestamp> {
        if self.config.dials_per_second == 0 {
            return Some(Timestamp::from_nanos(u64::MAX));
        }
        let full = self.begun.len() >= self.config.dials_per_second;
        self.begun.front().filter(|_| full).map(|first| first.after(Duration::from_secs(1)))
    }
}

/// The delay after one more attempt.
fn longer<S: Source + ?Sized>(config: &DialerConfig, delay: Duration, source: &mut S) -> Duration {
    let delay = if delay.is_zero() { config.initial_delay } else { delay };
    // No delay is longer than this, so that none overflows.
    let longest = config.max_delay.min(Duration::from_hours(24 * 365));
    let grown = delay.min(longest).mul_f64(1.0 + unit(source));
    if grown > longest { longest.mul_f64((3.0 + unit(source)) / 4.0) } else { grown }
}

/// Whether an address may be dialled: AvalancheGo's `utils/ips/ip.go`, and nothing that is no
/// address of one machine.
fn is_dialable(addr: SocketAddr, allow_private: bool) -> bool {
    let ip = addr.ip().to_canonical();
    if addr.port() == 0 || ip.is_unspecified() || ip.is_multicast() {
        return false;
    }
    if ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
        return false;
    }
    let private = match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    allow_private || !(private || ip.is_loopback())
}

#[cfg(test)]
mod tests;
