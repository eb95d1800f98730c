//! Addresses of nodes as one peer tells them to another.

use std::net::SocketAddr;
use std::time::Duration;

use avalanche_consensus::NodeId;
use bytes::Bytes;

use super::hello::{canonical, check_claim, ip_bytes, parse_addr, parse_filter};
use super::{Filter, PeerInfo, gossip_id};
use crate::CloseReason;
use crate::identity::{Certificate, UnsignedIp};
use crate::wire::p2p;

/// An address that a node claims, with all that is needed to verify the claim and to pass it on
/// (AvalancheGo `utils/ips/claimed_ip_port.go`). Cheap to clone.
///
/// # Limits
///
/// A certificate of at most 2 KiB, and a signature that has at most 512 bytes once it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedIp {
    certificate: Certificate,
    ip: UnsignedIp,
    tls_signature: Bytes,
}

impl ClaimedIp {
    /// The claim of a connected peer, which its handshake has proved.
    #[must_use]
    pub fn of_peer(info: &PeerInfo) -> Self {
        Self {
            certificate: info.certificate.clone(),
            ip: info.ip.ip,
            tls_signature: info.ip.tls_signature.clone(),
        }
    }

    /// Puts a claim together; nothing is verified. An IPv4 address in IPv6 form becomes IPv4.
    #[must_use]
    pub fn new(certificate: Certificate, ip: UnsignedIp, tls_signature: &[u8]) -> Self {
        let ip = UnsignedIp { addr: canonical(ip.addr), ..ip };
        Self { certificate, ip, tls_signature: Bytes::copy_from_slice(tls_signature) }
    }

    /// Reads an entry of a peer list; the signature is not verified, and is a view of the message.
    ///
    /// # Errors
    ///
    /// [`CloseReason::MalformedPeerList`]: the certificate cannot be read, the address has not 4 or
    /// 16 bytes, or the port is 0 (AvalancheGo `network/peer/peer.go`, `handlePeerList`).
    pub fn parse(entry: &p2p::ClaimedIpPort) -> Result<Self, CloseReason> {
        let malformed = CloseReason::MalformedPeerList;
        let certificate = Certificate::parse(&entry.x509_certificate).map_err(|_| malformed)?;
        let addr = parse_addr(&entry.ip_addr, entry.ip_port).ok_or(malformed)?;
        let ip = UnsignedIp { addr, timestamp: entry.timestamp };
        Ok(Self { certificate, ip, tls_signature: entry.signature.clone() })
    }

    /// The claim as an entry of a peer list. AvalancheGo sends an empty `tx_id` as well.
    #[must_use]
    pub fn to_wire(&self) -> p2p::ClaimedIpPort {
        p2p::ClaimedIpPort {
            x509_certificate: self.certificate.der().clone(),
            ip_addr: ip_bytes(self.ip.addr),
            ip_port: self.ip.addr.port().into(),
            timestamp: self.ip.timestamp,
            signature: self.tls_signature.clone(),
            tx_id: Bytes::from_static(&[0; 32]),
        }
    }

    /// Whether the node signed the claim, and not in the future. `unix` is this node's time in
    /// seconds.
    ///
    /// # Errors
    ///
    /// [`CloseReason::InvalidSignature`].
    pub fn verify(&self, unix: u64, max_clock_difference: Duration) -> Result<(), CloseReason> {
        check_claim(&self.ip, &self.certificate, &self.tls_signature, unix, max_clock_difference)
    }

    /// The same claim in memory of its own, so that no message is kept alive for it.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self::new(self.certificate.clone(), self.ip, &self.tls_signature)
    }

    /// Whose address it is.
    #[must_use]
    pub const fn node_id(&self) -> NodeId {
        self.certificate.node_id()
    }

    /// The address.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.ip.addr
    }

    /// When it was signed, in Unix seconds.
    #[must_use]
    pub const fn timestamp(&self) -> u64 {
        self.ip.timestamp
    }

    /// The certificate of the node.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The signature with the certificate's key.
    #[must_use]
    pub const fn tls_signature(&self) -> &Bytes {
        &self.tls_signature
    }

    /// What the claim is called in bloom filters.
    #[must_use]
    pub fn gossip_id(&self) -> [u8; 32] {
        gossip_id(&self.node_id(), self.ip.timestamp)
    }
}

/// A peer list of these claims. It is the answer to a handshake even if it is empty, but no answer
/// to a request for peers then.
#[must_use]
pub fn make_peer_list(claims: &[ClaimedIp]) -> p2p::PeerList {
    p2p::PeerList { claimed_ip_ports: claims.iter().map(ClaimedIp::to_wire).collect() }
}

/// Reads what a peer that asks for peers knows already. Only peers whose handshake is finished are
/// answered; others are ignored.
///
/// # Errors
///
/// [`CloseReason::InvalidBloomFilter`] if there is no filter, if it is malformed, or if its salt is
/// too long (AvalancheGo `network/peer/peer.go`, `handleGetPeerList`).
pub fn check_get_peer_list(message: &p2p::GetPeerList) -> Result<Filter, CloseReason> {
    message.known_peers.as_ref().ok_or(CloseReason::InvalidBloomFilter).and_then(parse_filter)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::Identity;

    const NOW: u64 = 1_700_000_000;
    const MINUTE: Duration = Duration::from_mins(1);

    fn claim(identity: &Identity, addr: &str, timestamp: u64) -> ClaimedIp {
        let ip = UnsignedIp { addr: addr.parse().expect("an address"), timestamp };
        let signature = identity.sign_tls(&ip.to_bytes()).expect("signed");
        ClaimedIp::new(identity.certificate().clone(), ip, &signature)
    }

    #[test]
    fn a_claim_survives_the_wire() {
        let identity = Identity::generate().expect("an identity");
        for addr in ["1.2.3.4:9651", "[2001:db8::1]:1"] {
            let claim = claim(&identity, addr, NOW);
            let wire = claim.to_wire();
            assert_eq!((wire.ip_addr.len(), wire.tx_id.len()), (16, 32));
            let parsed = ClaimedIp::parse(&wire).expect("own entry");
            assert_eq!(parsed, claim);
            assert_eq!(parsed.detached(), claim);
            assert_eq!(parsed.verify(NOW, MINUTE), Ok(()));
            assert_eq!(parsed.node_id(), identity.node_id());
            assert_eq!(parsed.gossip_id(), gossip_id(&identity.node_id(), NOW));
        }
    }

    #[test]
    fn a_malformed_entry_is_told_from_a_wrong_one() {
        let identity = Identity::generate().expect("an identity");
        let right = claim(&identity, "1.2.3.4:9651", NOW).to_wire();
        let check = |change: &dyn Fn(&mut p2p::ClaimedIpPort),
                     expected: Result<(), CloseReason>| {
            let mut entry = right.clone();
            change(&mut entry);
            let found = ClaimedIp::parse(&entry).and_then(|claim| claim.verify(NOW, MINUTE));
            assert_eq!(found, expected, "{entry:?}");
        };
        let malformed = Err(CloseReason::MalformedPeerList);
        check(&|entry| entry.x509_certificate.clear(), malformed);
        check(&|entry| entry.x509_certificate = vec![0; 4_096].into(), malformed);
        check(&|entry| entry.ip_addr.clear(), malformed);
        check(&|entry| entry.ip_addr = vec![1; 5].into(), malformed);
        check(&|entry| entry.ip_port = 0, malformed);
        check(&|entry| entry.ip_port = 1 << 16, malformed);
        let wrong = Err(CloseReason::InvalidSignature);
        check(&|entry| entry.signature.clear(), wrong);
        check(&|entry| entry.ip_port = 1, wrong);
        check(&|entry| entry.timestamp += 1, wrong);
        check(&|entry| entry.timestamp = NOW + 61, wrong);
        check(&|entry| entry.tx_id.clear(), Ok(()));
        check(&|entry| entry.ip_addr = vec![1, 2, 3, 4].into(), Ok(()));
        let late = claim(&identity, "1.2.3.4:9651", NOW + 61);
        assert_eq!(late.verify(NOW, MINUTE), wrong);
        assert_eq!(late.verify(NOW + 1, MINUTE), Ok(()));
    }

    #[test]
    fn a_request_for_peers_must_have_a_filter() {
        let filter = |filter: &'static [u8]| {
            Some(p2p::BloomFilter { filter: Bytes::from_static(filter), salt: Bytes::new() })
        };
        let check = |known_peers| {
            check_get_peer_list(&p2p::GetPeerList { known_peers, all_subnets: false })
        };
        let invalid = Err(CloseReason::InvalidBloomFilter);
        assert_eq!(check(None), invalid);
        assert_eq!(check(filter(&[])), invalid);
        assert_eq!(check(filter(&[1; 9])), invalid);
        assert!(check(filter(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0])).is_ok());
    }

    proptest! {
        #[test]
        fn arbitrary_entries_never_panic(
            x509_certificate in prop::collection::vec(any::<u8>(), 0..100),
            ip_addr in prop::collection::vec(any::<u8>(), 0..18),
            ip_port in any::<u32>(),
        ) {
            let entry = p2p::ClaimedIpPort {
                x509_certificate: x509_certificate.into(),
                ip_addr: ip_addr.into(),
                ip_port,
                ..Default::default()
            };
            let _ = ClaimedIp::parse(&entry);
        }
    }
}
