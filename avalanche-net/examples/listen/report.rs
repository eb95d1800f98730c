//! What is told, as text or as JSON.

use std::io::Write;

use avalanche_consensus::{Id, NodeId};
use avalanche_net::network::{NetworkEvent, NetworkStats};
use serde_json::{Value, json};

/// Writes events to standard output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) json: bool,
}

impl Report {
    /// The first line.
    pub(crate) fn listening(
        self,
        node_id: NodeId,
        addr: &str,
        chain: Id,
        genesis: Id,
        bls_key: &str,
    ) {
        self.line(
            &format!(
                "{node_id} listens on {addr}\nchain {chain}, last accepted {genesis} (genesis)\n\
                 BLS public key {bls_key}"
            ),
            &json!({
                "event": "listening",
                "node_id": node_id.to_string(),
                "addr": addr,
                "chain": chain.to_string(),
                "last_accepted": genesis.to_string(),
                "bls_public_key": bls_key,
            }),
        );
    }

    /// What happened to a peer.
    pub(crate) fn event(self, event: &NetworkEvent) {
        match event {
            NetworkEvent::Connected { peer, remote } => self.line(
                &format!("connected {} {remote} {}", peer.node_id, peer.version),
                &json!({
                    "event": "connected",
                    "node_id": peer.node_id.to_string(),
                    "addr": remote.to_string(),
                    "version": peer.version.to_string(),
                }),
            ),
            NetworkEvent::Disconnected { node_id, remote, reason, .. } => {
                let node = node_id.map(|node| node.to_string());
                self.line(
                    &format!("disconnected {} {remote}: {reason}", node.as_deref().unwrap_or("?")),
                    &json!({
                        "event": "disconnected",
                        "node_id": node,
                        "addr": remote.to_string(),
                        "reason": reason.as_str(),
                    }),
                );
            }
            NetworkEvent::DialFailed { address, reason } => self.line(
                &format!("cannot reach {address}: {reason}; trying again"),
                &json!({
                    "event": "dial_failed",
                    "addr": address.to_string(),
                    "reason": reason.as_str(),
                }),
            ),
            _ => {}
        }
    }

    /// A message that wants no answer.
    pub(crate) fn gossip(self, node_id: NodeId, bytes: usize) {
        self.line(
            &format!("gossip of {bytes} bytes from {node_id}"),
            &json!({ "event": "gossip", "node_id": node_id.to_string(), "bytes": bytes }),
        );
    }

    /// The last line.
    pub(crate) fn stopped(self, stats: &NetworkStats) {
        let mut counts = serde_json::Map::new();
        for (reason, count) in &stats.closed {
            counts.insert((*reason).to_owned(), Value::from(*count));
        }
        counts.insert("undecodable".to_owned(), Value::from(stats.undecodable));
        counts.insert("unknown_fields".to_owned(), Value::from(stats.unknown_fields));
        let text: Vec<_> = counts.iter().map(|(word, count)| format!("{word} {count}")).collect();
        self.line(
            &format!("stopped; {}", text.join(", ")),
            &json!({ "event": "stopped", "counts": counts }),
        );
    }

    /// Whoever reads may have gone: that is no reason to fail.
    fn line(self, text: &str, json: &Value) {
        let mut out = std::io::stdout().lock();
        let _ = if self.json { writeln!(out, "{json}") } else { writeln!(out, "{text}") };
        let _ = out.flush();
    }
}
