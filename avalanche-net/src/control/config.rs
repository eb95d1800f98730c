//! What the control of a network is told.

use std::collections::BTreeSet;
use std::time::Duration;

use avalanche_consensus::Id;

use crate::peers::{Admissions, DialerConfig, HelloConfig, ScoreConfig};

/// Rules and times of the control. The defaults are AvalancheGo's unless said otherwise
/// (`utils/constants/networking.go`).
#[derive(Clone, Debug, PartialEq)]
pub struct ControlConfig {
    /// What is said in handshakes, and asked of those of peers.
    pub hello: HelloConfig,
    /// Subnets that this node tracks besides the primary network, at most
    /// [`TRACKED_SUBNETS_MAX`](crate::peers::TRACKED_SUBNETS_MAX).
    pub tracked_subnets: BTreeSet<Id>,
    /// Whether connections with the validators of all subnets are wanted: no.
    pub connect_to_all_validators: bool,
    /// Dialling.
    pub dialer: DialerConfig,
    /// Scores of peers.
    pub scores: ScoreConfig,
    /// Peers at once: `MAX_PEERS`. AvalancheGo has no such limit.
    pub max_peers: usize,
    /// From ping to ping: 22.5 s.
    pub ping_interval: Duration,
    /// From the end of TLS to the end of the handshake at most: 30 s. AvalancheGo has no such
    /// limit.
    pub handshake_timeout: Duration,
    /// From one question for peers to the next: 2 s.
    pub peer_list_interval: Duration,
    /// How long a node is banned that broke the protocol: 10 min. AvalancheGo bans nobody; zero
    /// turns it off.
    pub fault_ban: Duration,
    /// Faults, each of which loses half of its weight in [`ScoreConfig::half_life`], from which on
    /// a node is banned: 3.
    pub faults_allowed: f64,
}

impl ControlConfig {
    /// The defaults, with these handshakes.
    #[must_use]
    pub fn new(hello: HelloConfig) -> Self {
        Self {
            hello,
            tracked_subnets: BTreeSet::new(),
            connect_to_all_validators: false,
            dialer: DialerConfig::default(),
            scores: ScoreConfig::default(),
            max_peers: Admissions::MAX_PEERS_DEFAULT,
            ping_interval: Duration::from_millis(22_500),
            handshake_timeout: Duration::from_secs(30),
            peer_list_interval: Duration::from_secs(2),
            fault_ban: Duration::from_secs(600),
            faults_allowed: 3.0,
        }
    }
}
