//! The node: validators, peers, health, version.

use std::net::SocketAddr;

use avalanche_consensus::NodeId;
use serde::{Deserialize, Serialize};

use super::decimal;

/// The answer of `GET validators`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validators {
    /// The sum of their weights.
    #[serde(with = "decimal")]
    pub total_weight: u64,
    /// The sum of the weights of those that are connected, and of this node's own.
    #[serde(with = "decimal")]
    pub connected_weight: u64,
    /// All of them.
    pub validators: Vec<Validator>,
}

/// The answer of `GET validators/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validator {
    /// The node.
    pub node_id: NodeId,
    /// Its weight.
    #[serde(with = "decimal")]
    pub weight: u64,
    /// Whether it is connected, or the node that answers.
    pub connected: bool,
    /// Whether it is given no queries for a while, since it did not answer.
    pub benched: bool,
    /// The part of the time, from 0 to 1, that this node has seen it connected; left out if that
    /// is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime: Option<f64>,
}

/// The answer of `GET peers` and `GET peers/best`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peers {
    /// Connected peers; of `best`, the best first.
    pub peers: Vec<Peer>,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// The node.
    pub node_id: NodeId,
    /// Where it says it listens.
    pub address: SocketAddr,
    /// What it runs.
    pub version: String,
    /// Its score; left out if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// How long it takes to answer; left out if it has not answered.
    #[serde(with = "decimal::option", default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
    /// Whether it is given no queries for a while.
    pub benched: bool,
}

/// The answer of `/health`, `/ready`, `/startup` and `GET health`: with 503 if it is not healthy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether nothing is wrong.
    pub healthy: bool,
    /// Part by part.
    pub parts: Vec<Part>,
}

/// One part of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Whether it is well.
    pub healthy: bool,
    /// What it is at, or what is wrong and what to do.
    pub detail: String,
}

/// The answer of `/version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The version of the program's packages.
    pub version: String,
    /// The version of the API.
    pub api: String,
    /// The node that answers.
    pub node_id: NodeId,
    /// Its network.
    pub network_id: u32,
}
