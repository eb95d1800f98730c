//! Why a connection ended.

use std::fmt;

/// Why a connection with a peer ended, or was refused.
///
/// A peer's wrong is data: it ends the connection and adds one to a counter; it is never an error
/// of whoever runs the node. The words of [`CloseReason::as_str`] are labels of metrics and of
/// logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// This node shuts down, or its user closed the connection.
    LocalShutdown,
    /// The peer closed the connection, or it broke.
    RemoteClosed,
    /// Nothing came, or nothing could be written, for as long as is allowed.
    Timeout,
    /// Less than a message came in the time that a message may take.
    SlowRead,
    /// The peer does not take what is written to it.
    SlowWrite,
    /// The TLS handshake failed: not TLS, not 1.3, no certificate, or a bad signature.
    TlsFailed,
    /// The certificate is not one that a staking node may have.
    BadCertificate,
    /// The address does not belong to the node that was dialled.
    UnexpectedNode,
    /// The peer is this node itself.
    SelfConnection,
    /// There is a connection with this node already.
    AlreadyConnected,
    /// As many peers as are allowed are connected.
    TooManyPeers,
    /// Connections from this address come too fast.
    ConnectionRate,
    /// The node is banned.
    Banned,
    /// The length of a frame is over the limit.
    OversizedFrame,
    /// A second handshake.
    DuplicateHandshake,
    /// A field of the handshake is missing or malformed.
    MalformedHandshake,
    /// The peer is of another network.
    WrongNetwork,
    /// The clocks differ by more than is allowed.
    ClockSkew,
    /// The version of the peer is too old, or of the future.
    IncompatibleVersion,
    /// More subnets are tracked than is allowed.
    TooManySubnets,
    /// An ACP is both supported and objected to.
    ConflictingAcps,
    /// The claimed address is malformed.
    InvalidIp,
    /// A signature over an address, or its time, is wrong.
    InvalidSignature,
    /// A bloom filter or its salt is malformed.
    InvalidBloomFilter,
    /// An entry of a peer list is malformed.
    MalformedPeerList,
    /// A ping claims an impossible uptime.
    MalformedPing,
    /// A pong that nobody asked for.
    UnexpectedPong,
}

impl CloseReason {
    /// All reasons, in the order of their declaration.
    pub const ALL: &[Self] = &[
        Self::LocalShutdown,
        Self::RemoteClosed,
        Self::Timeout,
        Self::SlowRead,
        Self::SlowWrite,
        Self::TlsFailed,
        Self::BadCertificate,
        Self::UnexpectedNode,
        Self::SelfConnection,
        Self::AlreadyConnected,
        Self::TooManyPeers,
        Self::ConnectionRate,
        Self::Banned,
        Self::OversizedFrame,
        Self::DuplicateHandshake,
        Self::MalformedHandshake,
        Self::WrongNetwork,
        Self::ClockSkew,
        Self::IncompatibleVersion,
        Self::TooManySubnets,
        Self::ConflictingAcps,
        Self::InvalidIp,
        Self::InvalidSignature,
        Self::InvalidBloomFilter,
        Self::MalformedPeerList,
        Self::MalformedPing,
        Self::UnexpectedPong,
    ];

    /// Whether the peer broke the protocol, which speaks against it when it comes back. Another
    /// network, version or clock is no such thing, and neither is a connection that breaks.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        matches!(
            self,
            Self::OversizedFrame
                | Self::DuplicateHandshake
                | Self::MalformedHandshake
                | Self::TooManySubnets
                | Self::ConflictingAcps
                | Self::InvalidIp
                | Self::InvalidSignature
                | Self::InvalidBloomFilter
                | Self::MalformedPeerList
                | Self::MalformedPing
                | Self::UnexpectedPong
        )
    }

    /// The reason as one word for counters and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LocalShutdown => "local_shutdown",
            Self::RemoteClosed => "remote_closed",
            Self::Timeout => "timeout",
            Self::SlowRead => "slow_read",
            Self::SlowWrite => "slow_write",
            Self::TlsFailed => "tls_failed",
            Self::BadCertificate => "bad_certificate",
            Self::UnexpectedNode => "unexpected_node",
            Self::SelfConnection => "self_connection",
            Self::AlreadyConnected => "already_connected",
            Self::TooManyPeers => "too_many_peers",
            Self::ConnectionRate => "connection_rate",
            Self::Banned => "banned",
            Self::OversizedFrame => "oversized_frame",
            Self::DuplicateHandshake => "duplicate_handshake",
            Self::MalformedHandshake => "malformed_handshake",
            Self::WrongNetwork => "wrong_network",
            Self::ClockSkew => "clock_skew",
            Self::IncompatibleVersion => "incompatible_version",
            Self::TooManySubnets => "too_many_subnets",
            Self::ConflictingAcps => "conflicting_acps",
            Self::InvalidIp => "invalid_ip",
            Self::InvalidSignature => "invalid_signature",
            Self::InvalidBloomFilter => "invalid_bloom_filter",
            Self::MalformedPeerList => "malformed_peer_list",
            Self::MalformedPing => "malformed_ping",
            Self::UnexpectedPong => "unexpected_pong",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
