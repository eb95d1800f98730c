//! What a network is told.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use avalanche_consensus::Id;

use super::InboxConfig;
use crate::control::ControlConfig;
use crate::peers::{HelloConfig, TRACKED_SUBNETS_MAX};
use crate::queue::OutboundConfig;
use crate::throttle::{BandwidthConfig, ConnectionConfig, CpuConfig, MessageThrottle, PoolConfig};
use crate::wire::Compression;

/// How a network runs. [`NetworkConfig::new`] has AvalancheGo's values.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The address that peers are told; `None` if it is the one that is listened on.
    pub public: Option<SocketAddr>,
    /// The file in which nodes that were connected, and bans, are kept from one run to the next;
    /// `None` keeps nothing.
    pub address_book: Option<PathBuf>,
    /// Who is connected, and how that is decided.
    pub control: ControlConfig,
    /// Bounds and times.
    pub limits: Limits,
}

/// Bounds and times of a running network.
///
/// All memory that peers can make this node use is bounded by these: at most
/// [`Limits::inbound_pool`] for messages that were read, decompressed and with their lists;
/// [`Limits::outbound_pool`] for those that are to be sent; and for each connection the buffers of
/// TLS, twice the longest frame that is coming, one message that is being decoded, 64 KiB of short
/// messages that were read, and 4 KiB of frames that are to be sent. Those 64 and 4 KiB are used
/// before the pools.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The longest time in which a whole message comes, also a ping: 30 s.
    pub read_timeout: Duration,
    /// The longest time that one write takes: 30 s.
    pub write_timeout: Duration,
    /// The longest time that TLS takes on a connection from outside: 15 s.
    pub upgrade_timeout: Duration,
    /// The longest time to connect, TLS included: 30 s.
    pub dial_timeout: Duration,
    /// The longest time that the end of the network takes: 5 s.
    pub shutdown_timeout: Duration,
    /// From one time that the address book is saved to the next: 60 s.
    pub address_book_interval: Duration,
    /// Connections that are in TLS at once: 256. One that comes beyond it replaces the oldest.
    pub pending_upgrades: usize,
    /// Dials at once: 64. Others wait.
    pub pending_dials: usize,
    /// Events that wait for the driver: 1,024. Whoever has one waits.
    pub control_queue: usize,
    /// Events that a slow listener can be behind: 1,024. Older ones are lost to it.
    pub event_queue: usize,
    /// Messages of one peer that were read and are not handled: 1,024. A peer with more is not
    /// read.
    pub messages_in_work: u32,
    /// Bytes a second from one peer. A faster peer is not read for a while.
    pub bandwidth: BandwidthConfig,
    /// Bytes that were read and are not handled. A peer for which there is no room is not read.
    pub inbound_pool: PoolConfig,
    /// Bytes that wait to be sent to all peers. What there is no room for is dropped.
    pub outbound_pool: PoolConfig,
    /// Connections from outside a second, and from one address.
    pub connections: ConnectionConfig,
    /// Processor time of handling what peers send. A peer that uses more is not read for a while.
    pub cpu: CpuConfig,
    /// What waits to be sent to one peer.
    pub queue: OutboundConfig,
    /// What waits for one chain.
    pub inbox: InboxConfig,
    /// Requests without an answer, over all peers: 65,536. More are refused.
    pub requests: usize,
    /// How messages are compressed.
    pub compression: Compression,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            read_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            upgrade_timeout: Duration::from_secs(15),
            dial_timeout: Duration::from_secs(30),
            shutdown_timeout: Duration::from_secs(5),
            address_book_interval: Duration::from_secs(60),
            pending_upgrades: 256,
            pending_dials: 64,
            control_queue: 1_024,
            event_queue: 1_024,
            messages_in_work: MessageThrottle::PROCESSING_MAX,
            bandwidth: BandwidthConfig::default(),
            inbound_pool: PoolConfig::INBOUND,
            outbound_pool: PoolConfig::OUTBOUND,
            connections: ConnectionConfig::default(),
            cpu: CpuConfig::with_cores(u32::try_from(cores).unwrap_or(u32::MAX)),
            queue: OutboundConfig::default(),
            inbox: InboxConfig::default(),
            requests: 1 << 16,
            compression: Compression::default(),
        }
    }
}

/// The rule that a configuration breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A bound is zero that must let something through.
    Zero {
        /// The field.
        field: &'static str,
    },
    /// More subnets are tracked than a handshake may name.
    TooManySubnets {
        /// How many.
        subnets: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// Peers are told port 0, or an address of no machine.
    PublicAddress {
        /// The address.
        address: SocketAddr,
    },
}

impl NetworkConfig {
    /// AvalancheGo's values, for a network of this number. Private addresses are dialled except on
    /// mainnet (1) and Fuji (5).
    #[must_use]
    pub fn new(network_id: u32, listen: SocketAddr) -> Self {
        let mut control = ControlConfig::new(HelloConfig::new(network_id, 0));
        control.dialer.allow_private_ips = !matches!(network_id, 1 | 5);
        Self { listen, public: None, address_book: None, control, limits: Limits::default() }
    }

    /// Tracks these subnets besides the primary network.
    #[must_use]
    pub fn with_subnets(mut self, subnets: impl IntoIterator<Item = Id>) -> Self {
        self.control.tracked_subnets = subnets.into_iter().collect();
        self
    }

    /// Checks the rules.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first rule that is broken.
    pub fn verify(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        let must_not_be_zero = [
            ("limits.read_timeout", limits.read_timeout.is_zero()),
            ("limits.write_timeout", limits.write_timeout.is_zero()),
            ("limits.upgrade_timeout", limits.upgrade_timeout.is_zero()),
            ("limits.dial_timeout", limits.dial_timeout.is_zero()),
            ("limits.address_book_interval", limits.address_book_interval.is_zero()),
            ("limits.pending_upgrades", limits.pending_upgrades == 0),
            ("limits.pending_dials", limits.pending_dials == 0),
            ("limits.control_queue", limits.control_queue == 0),
            ("limits.event_queue", limits.event_queue == 0),
            ("limits.messages_in_work", limits.messages_in_work == 0),
            ("limits.bandwidth.refill_rate", limits.bandwidth.refill_rate == 0),
            ("limits.connections.accepts_per_second", limits.connections.accepts_per_second == 0),
            ("limits.requests", limits.requests == 0),
            ("control.max_peers", self.control.max_peers == 0),
            ("control.ping_interval", self.control.ping_interval.is_zero()),
            ("control.peer_list_interval", self.control.peer_list_interval.is_zero()),
        ];
        if let Some((field, _)) = must_not_be_zero.into_iter().find(|(_, zero)| *zero) {
            return Err(ConfigError::Zero { field });
        }
        let (subnets, max) = (self.control.tracked_subnets.len(), TRACKED_SUBNETS_MAX);
        if subnets > max {
            return Err(ConfigError::TooManySubnets { subnets, max });
        }
        match self.public {
            Some(address) if address.port() == 0 || address.ip().is_unspecified() => {
                Err(ConfigError::PublicAddress { address })
            }
            None if self.listen.ip().is_unspecified() => {
                Err(ConfigError::PublicAddress { address: self.listen })
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero { field } => {
                write!(f, "{field} is zero, which would stop everything; set it to more")
            }
            Self::TooManySubnets { subnets, max } => write!(
                f,
                "{subnets} subnets are tracked; a handshake can name {max}: track fewer, or run \
                 another node"
            ),
            Self::PublicAddress { address } => write!(
                f,
                "peers cannot reach {address}; set `public` to the address and port at which they can"
            ),
        }
    }
}

impl std::error::Error for ConfigError {}
