//! The handshake: what a node says of itself first, and which of it is believed.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use avalanche_consensus::{Id, NodeId};
use bytes::Bytes;

use super::{Compatibility, Filter, Version};
use crate::CloseReason;
use crate::identity::{BlsPublicKey, BlsSignature, Certificate, SignedIp, UnsignedIp};
use crate::wire::p2p;

/// Most subnets that a peer may track besides the primary network (AvalancheGo
/// `network/peer/peer.go`, `maxNumTrackedSubnets`).
pub const TRACKED_SUBNETS_MAX: usize = 16;

/// The primary network as a subnet: 32 zero bytes.
pub const PRIMARY_NETWORK: Id = Id::EMPTY;

/// What a node states in its handshakes and expects in those of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelloConfig {
    /// 1 for mainnet, 5 for Fuji, 12345 for a local network, others for networks of one's own.
    pub network_id: u32,
    /// This node's version and which others it talks to.
    pub compatibility: Compatibility,
    /// How far clocks may be apart; whole seconds count. AvalancheGo's is 60 s.
    pub max_clock_difference: Duration,
    /// The ACPs that can be supported and objected to at present; statements about others are
    /// ignored. AvalancheGo 1.14.2 knows none (`utils/constants/acps.go`).
    pub current_acps: BTreeSet<u32>,
    /// ACPs that this node supports.
    pub supported_acps: Vec<u32>,
    /// ACPs that this node objects to.
    pub objected_acps: Vec<u32>,
}

impl HelloConfig {
    /// That of AvalancheGo 1.14.2 in a network, with the time of its upgrade in Unix seconds.
    #[must_use]
    pub fn new(network_id: u32, upgrade_unix: u64) -> Self {
        Self {
            network_id,
            compatibility: Compatibility::v1_14_2(upgrade_unix),
            max_clock_difference: Duration::from_mins(1),
            current_acps: BTreeSet::new(),
            supported_acps: Vec::new(),
            objected_acps: Vec::new(),
        }
    }
}

/// What is known of a peer from its certificate and its handshake.
///
/// # Limits
///
/// Nothing of the message is kept alive. The certificate has at most 2 KiB, a signature that is
/// valid 512 bytes, and there are at most seventeen subnets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Who it is.
    pub node_id: NodeId,
    /// Its certificate.
    pub certificate: Certificate,
    /// What it runs.
    pub version: Version,
    /// Where it says it listens. An IPv4 address is one, also if it came as IPv6.
    pub ip: SignedIp,
    /// The subnets that it tracks, the primary network among them.
    pub tracked_subnets: BTreeSet<Id>,
    /// Whether it wants to know the validators of all subnets.
    pub all_subnets: bool,
    /// Those of the current ACPs that it supports.
    pub supported_acps: BTreeSet<u32>,
    /// Those of the current ACPs that it objects to.
    pub objected_acps: BTreeSet<u32>,
    /// When it thinks that the next upgrade is, in Unix seconds. For information.
    pub upgrade_time: u64,
    /// How far its clock was from this node's, in seconds.
    pub clock_difference: u64,
}

impl PeerInfo {
    /// Checks again what can change while a peer is connected: its version when the upgrade comes,
    /// and its BLS signature when it becomes a validator. To be called before every ping
    /// (AvalancheGo `network/peer/peer.go`, `shouldDisconnect`).
    ///
    /// `bls_key` is the one with which the node is registered as a validator of the primary network
    /// now, if any. To verify costs more than a millisecond: give `None` for a registration that
    /// was verified before.
    ///
    /// # Errors
    ///
    /// Why the connection must end.
    pub fn recheck(
        &self,
        config: &HelloConfig,
        unix: u64,
        bls_key: Option<&BlsPublicKey>,
    ) -> Result<(), CloseReason> {
        if !config.compatibility.is_compatible(&self.version, unix) {
            return Err(CloseReason::IncompatibleVersion);
        }
        if bls_key.is_some_and(|key| !self.ip.verify_bls(key)) {
            return Err(CloseReason::InvalidSignature);
        }
        Ok(())
    }
}

/// Checks the handshake of the peer with this certificate, by the rules of AvalancheGo and in its
/// order (`network/peer/peer.go`, `handleHandshake`). `unix` is this node's time in seconds;
/// `bls_key` as for [`PeerInfo::recheck`].
///
/// Returns what is known of the peer, and the filter of the nodes that it knows, if it sent one.
/// That it is the only handshake of the connection is for the caller to check.
///
/// # Errors
///
/// Why the connection must end, by the first rule that is broken.
pub fn check_hello(
    config: &HelloConfig,
    unix: u64,
    certificate: &Certificate,
    bls_key: Option<&BlsPublicKey>,
    message: &p2p::Handshake,
) -> Result<(PeerInfo, Option<Filter>), CloseReason> {
    if message.network_id != config.network_id {
        return Err(CloseReason::WrongNetwork);
    }
    let clock_difference = message.my_time.abs_diff(unix);
    if clock_difference > config.max_clock_difference.as_secs() {
        return Err(CloseReason::ClockSkew);
    }
    // Without it, AvalancheGo reads version 0.0.0 and closes later, as incompatible.
    let client = message.client.as_ref().ok_or(CloseReason::MalformedHandshake)?;
    let version = Version::new(&client.name, client.major, client.minor, client.patch);
    let tracked_subnets = tracked_subnets(&message.tracked_subnets)?;
    let current = |acps: &[u32]| -> BTreeSet<u32> {
        acps.iter().filter(|acp| config.current_acps.contains(acp)).copied().collect()
    };
    let supported_acps = current(&message.supported_acps);
    let objected_acps = current(&message.objected_acps);
    if !supported_acps.is_disjoint(&objected_acps) {
        return Err(CloseReason::ConflictingAcps);
    }
    let known_peers = message.known_peers.as_ref().map(parse_filter).transpose()?;
    let info = PeerInfo {
        node_id: certificate.node_id(),
        certificate: certificate.clone(),
        version,
        ip: signed_ip(config, unix, certificate, message)?,
        tracked_subnets,
        all_subnets: message.all_subnets,
        supported_acps,
        objected_acps,
        upgrade_time: message.upgrade_time,
        clock_difference,
    };
    info.recheck(config, unix, bls_key)?;
    Ok((info, known_peers))
}

/// This node's handshake. `ip` is signed once and stays the same until the address changes; `unix`
/// is this node's time in seconds. `tracked` is without the primary network, of which a peer
/// assumes it, and has at most [`TRACKED_SUBNETS_MAX`] subnets: those above are left out.
///
/// `all_subnets` is right for validators of the primary network and for who tracks everything.
/// `known_peers` are a filter's bytes and its salt ([`IpTracker::known_peers`]); nothing is right
/// as well, but an empty filter is not.
///
/// [`IpTracker::known_peers`]: super::IpTracker::known_peers
#[must_use]
pub fn make_hello(
    config: &HelloConfig,
    unix: u64,
    ip: &SignedIp,
    tracked: &BTreeSet<Id>,
    all_subnets: bool,
    known_peers: Option<p2p::BloomFilter>,
) -> p2p::Handshake {
    let current = &config.compatibility.current;
    let tracked = tracked.iter().filter(|subnet| **subnet != PRIMARY_NETWORK);
    p2p::Handshake {
        network_id: config.network_id,
        my_time: unix,
        ip_addr: ip_bytes(ip.ip.addr),
        ip_port: ip.ip.addr.port().into(),
        upgrade_time: config.compatibility.upgrade_unix,
        ip_signing_time: ip.ip.timestamp,
        ip_node_id_sig: ip.tls_signature.clone(),
        tracked_subnets: tracked
            .take(TRACKED_SUBNETS_MAX)
            .map(|subnet| Bytes::copy_from_slice(subnet.as_bytes()))
            .collect(),
        client: Some(p2p::Client {
            name: current.name().to_owned(),
            major: current.major,
            minor: current.minor,
            patch: current.patch,
        }),
        supported_acps: config.supported_acps.clone(),
        objected_acps: config.objected_acps.clone(),
        known_peers,
        ip_bls_sig: Bytes::copy_from_slice(&ip.bls_signature),
        all_subnets,
    }
}

fn tracked_subnets(subnets: &[Bytes]) -> Result<BTreeSet<Id>, CloseReason> {
    if subnets.len() > TRACKED_SUBNETS_MAX {
        return Err(CloseReason::TooManySubnets);
    }
    let mut tracked = BTreeSet::from([PRIMARY_NETWORK]);
    for subnet in subnets {
        let bytes = subnet.as_ref().try_into().map_err(|_| CloseReason::MalformedHandshake)?;
        tracked.insert(Id::new(bytes));
    }
    Ok(tracked)
}

fn signed_ip(
    config: &HelloConfig,
    unix: u64,
    certificate: &Certificate,
    message: &p2p::Handshake,
) -> Result<SignedIp, CloseReason> {
    let addr = parse_addr(&message.ip_addr, message.ip_port).ok_or(CloseReason::InvalidIp)?;
    let ip = UnsignedIp { addr, timestamp: message.ip_signing_time };
    check_claim(&ip, certificate, &message.ip_node_id_sig, unix, config.max_clock_difference)?;
    // Every peer must send a signature, though only those of validators are verified.
    let signature = &message.ip_bls_sig;
    BlsSignature::from_bytes(signature).map_err(|_| CloseReason::InvalidSignature)?;
    let bls_signature = signature.as_ref().try_into().map_err(|_| CloseReason::InvalidSignature)?;
    let tls_signature = Bytes::copy_from_slice(&message.ip_node_id_sig);
    Ok(SignedIp { ip, tls_signature, bls_signature })
}

/// Whether the node of the certificate signed the address, and not in the future (AvalancheGo
/// `network/peer/ip.go`, `Verify`).
pub(super) fn check_claim(
    ip: &UnsignedIp,
    certificate: &Certificate,
    tls_signature: &[u8],
    unix: u64,
    max_clock_difference: Duration,
) -> Result<(), CloseReason> {
    let latest = unix.saturating_add(max_clock_difference.as_secs());
    if ip.timestamp <= latest && certificate.verify(&ip.to_bytes(), tls_signature) {
        Ok(())
    } else {
        Err(CloseReason::InvalidSignature)
    }
}

/// The filter of a message, whose salt goes with it.
pub(super) fn parse_filter(filter: &p2p::BloomFilter) -> Result<Filter, CloseReason> {
    Filter::parse(&filter.filter, &filter.salt).map_err(|_| CloseReason::InvalidBloomFilter)
}

/// An address of 4 or 16 bytes; an IPv4 address in IPv6 form is IPv4 (AvalancheGo `utils/ips/ip.go`,
/// `AddrFromSlice`). As in AvalancheGo the upper half of the port is ignored, and 0 is no port.
pub(super) fn parse_addr(ip: &[u8], port: u32) -> Option<SocketAddr> {
    let ip = match (<[u8; 4]>::try_from(ip), <[u8; 16]>::try_from(ip)) {
        (Ok(ip), _) => IpAddr::from(ip),
        (_, Ok(ip)) => Ipv6Addr::from(ip).to_canonical(),
        _ => return None,
    };
    let port = u16::try_from(port & 0xffff).ok().filter(|port| *port != 0)?;
    Some(SocketAddr::new(ip, port))
}

/// Without what is of this machine only, and an IPv4 address as one.
pub(super) fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// The address as 16 bytes. AvalancheGo sends an IPv4 address as 4, and reads both.
pub(super) fn ip_bytes(addr: SocketAddr) -> Bytes {
    let ip = match addr.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    Bytes::copy_from_slice(&ip.octets())
}

#[cfg(test)]
mod tests;
