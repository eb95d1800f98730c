//! How much of the time others were connected.

use std::collections::BTreeMap;
use std::time::Duration;

use avalanche_consensus::{NodeId, Timestamp};

/// The share of time that nodes were connected, since this node first saw them in this run.
///
/// What is told to a peer in a ping; AvalancheGo shows it to operators, and decides nothing by it.
///
/// # Limits
///
/// [`Uptimes::NODES_MAX`] nodes; more are not followed while they are connected, and are told 100
/// %.
#[derive(Clone, Debug, Default)]
pub(super) struct Uptimes {
    nodes: BTreeMap<NodeId, Uptime>,
}

#[derive(Clone, Copy, Debug)]
struct Uptime {
    first_seen: Timestamp,
    /// Of connections that have ended.
    connected: Duration,
    since: Option<Timestamp>,
}

impl Uptimes {
    /// Nodes that are followed: 4,096.
    pub(super) const NODES_MAX: usize = 1 << 12;

    /// A connection with a node began.
    pub(super) fn connected(&mut self, node_id: NodeId, now: Timestamp) {
        if !self.nodes.contains_key(&node_id) && self.nodes.len() >= Self::NODES_MAX {
            // Who left has told least.
            self.nodes.retain(|_, uptime| uptime.since.is_some());
            if self.nodes.len() >= Self::NODES_MAX {
                return;
            }
        }
        let new = Uptime { first_seen: now, connected: Duration::ZERO, since: None };
        self.nodes.entry(node_id).or_insert(new).since = Some(now);
    }

    /// It ended.
    pub(super) fn disconnected(&mut self, node_id: &NodeId, now: Timestamp) {
        if let Some(uptime) = self.nodes.get_mut(node_id)
            && let Some(since) = uptime.since.take()
        {
            uptime.connected += now.since(since);
        }
    }

    /// From 0 to 100.
    pub(super) fn percent(&self, node_id: &NodeId, now: Timestamp) -> u32 {
        let Some(uptime) = self.nodes.get(node_id) else { return 100 };
        let current = uptime.since.map_or(Duration::ZERO, |since| now.since(since));
        let up = (uptime.connected + current).as_millis();
        let percent = (up * 100).checked_div(now.since(uptime.first_seen).as_millis());
        percent.and_then(|percent| u32::try_from(percent).ok()).map_or(100, |all| all.min(100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn node(at: u16) -> NodeId {
        let [a, b] = at.to_be_bytes();
        let mut bytes = [0; 20];
        (bytes[0], bytes[1]) = (a, b);
        NodeId::new(bytes)
    }

    #[test]
    fn uptime_is_the_share_since_a_node_was_first_seen() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
        let mut uptimes = Uptimes::default();
        let me = node(1);
        assert_eq!(uptimes.percent(&me, at(5)), 100, "not seen yet");
        uptimes.connected(me, at(10));
        assert_eq!(uptimes.percent(&me, at(10)), 100);
        assert_eq!(uptimes.percent(&me, at(20)), 100);
        uptimes.disconnected(&me, at(20));
        uptimes.disconnected(&me, at(25));
        assert_eq!(uptimes.percent(&me, at(30)), 50);
        uptimes.connected(me, at(30));
        assert_eq!(uptimes.percent(&me, at(50)), 75);
    }

    #[test]
    fn those_who_left_make_room_and_nobody_else_does() {
        let mut uptimes = Uptimes::default();
        for at in 0..4_096 {
            uptimes.connected(node(at), Timestamp::ZERO);
        }
        uptimes.connected(node(5_000), Timestamp::ZERO);
        assert_eq!(uptimes.nodes.len(), Uptimes::NODES_MAX);
        uptimes.disconnected(&node(7), Timestamp::from_millis(1));
        uptimes.connected(node(5_000), Timestamp::from_millis(2));
        assert!(uptimes.nodes.contains_key(&node(5_000)) && !uptimes.nodes.contains_key(&node(7)));
    }
}
