//! An address that a node claims, signed with both of its keys (AvalancheGo `network/peer/ip.go`).

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::{BLS_SIGNATURE_BYTES, BlsPublicKey, BlsSignature, Certificate, Identity, KeyError};

/// Bytes that are signed: address, port, time.
const UNSIGNED_BYTES: usize = 16 + 2 + 8;

/// An address and when it was claimed. Of two claims of a node the later one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsignedIp {
    /// Where the node listens.
    pub addr: SocketAddr,
    /// When it was signed, in Unix seconds.
    pub timestamp: u64,
}

/// An address with the signatures of the node that claims it.
///
/// Nothing is checked yet: it may have come from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIp {
    /// What is claimed.
    pub ip: UnsignedIp,
    /// With the key of the certificate.
    pub tls_signature: Bytes,
    /// With the BLS key, as a proof of possession; compressed.
    pub bls_signature: [u8; BLS_SIGNATURE_BYTES],
}

impl UnsignedIp {
    /// What is signed: the address as 16 bytes (IPv4 mapped into IPv6), port and time big-endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; UNSIGNED_BYTES] {
        let ip = match self.addr.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let mut bytes = [0; UNSIGNED_BYTES];
        let (address, rest) = bytes.split_at_mut(16);
        let (port, timestamp) = rest.split_at_mut(2);
        address.copy_from_slice(&ip.octets());
        port.copy_from_slice(&self.addr.port().to_be_bytes());
        timestamp.copy_from_slice(&self.timestamp.to_be_bytes());
        bytes
    }

    /// Signs with both keys.
    ///
    /// # Errors
    ///
    /// [`KeyError::Signing`] if the operating system gives no randomness.
    pub fn sign(self, identity: &Identity) -> Result<SignedIp, KeyError> {
        let bytes = self.to_bytes();
        let bls_signature = identity.bls().sign_proof_of_possession(&bytes).to_bytes();
        let tls_signature = identity.sign_tls(&bytes)?.into();
        Ok(SignedIp { ip: self, tls_signature, bls_signature })
    }
}

impl SignedIp {
    /// Whether the node of this certificate signed it.
    #[must_use]
    pub fn verify_tls(&self, certificate: &Certificate) -> bool {
        certificate.verify(&self.ip.to_bytes(), &self.tls_signature)
    }

    /// Whether the validator of this key signed it.
    #[must_use]
    pub fn verify_bls(&self, key: &BlsPublicKey) -> bool {
        BlsSignature::from_bytes(&self.bls_signature)
            .is_ok_and(|signature| key.verify_proof_of_possession(&self.ip.to_bytes(), &signature))
    }
}
