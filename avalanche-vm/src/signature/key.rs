//! Keys that sign.

use std::fmt;

use ed25519_dalek::Signer;

use super::{PublicKey, Signature, framed};

/// An Ed25519 key that signs. Wiped from memory when dropped, and never printed.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key of a seed of 32 secret bytes, as RFC 8032 says. The seed stays the caller's to
    /// make unpredictable, and to wipe.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey::new(self.0.verifying_key().to_bytes())
    }

    /// Signs `message` for the purpose `domain`: the octets of [`framed`]. The same arguments
    /// give the same signature.
    #[must_use]
    pub fn sign(&self, domain: &[u8], message: &[u8]) -> Signature {
        let mut octets = Vec::new();
        framed(domain, message, &mut octets);
        Signature::new(self.0.sign(&octets).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {:?})", self.public_key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first test of RFC 8032, 7.1: this seed has this key.
    const SEED: [u8; 32] = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c,
        0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae,
        0x7f, 0x60,
    ];

    #[test]
    fn a_seed_has_the_key_of_the_standard() {
        let key = format!("{:?}", SigningKey::from_seed(&SEED).public_key());
        assert_eq!(key, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    }

    #[test]
    fn a_printed_key_hides_its_seed() {
        let printed = format!("{:?}", SigningKey::from_seed(&SEED));
        assert!(printed.contains("d75a98") && !printed.contains("9d61b1"), "{printed}");
    }

    #[test]
    fn a_key_is_wiped_when_dropped() {
        // Bytes alone need no drop: that there is one is the wiping.
        assert!(std::mem::needs_drop::<SigningKey>());
    }
}
