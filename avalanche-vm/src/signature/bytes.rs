//! Keys and signatures as they travel: bytes that nobody has looked into yet.

use std::fmt;

/// An Ed25519 public key as 32 bytes. They need not be a point; then nothing verifies.
///
/// Two encodings of one point are two keys: what is signed covers the bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// An Ed25519 signature as 64 bytes: `R`, then `s`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature([u8; 64]);

impl PublicKey {
    /// Length in bytes.
    pub const LENGTH: usize = 32;

    /// A key with these bytes, unchecked.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The bytes, copied.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }
}

impl Signature {
    /// Length in bytes.
    pub const LENGTH: usize = 64;

    /// A signature with these bytes, unchecked.
    #[must_use]
    pub const fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// The bytes, copied.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 64] {
        self.0
    }

    /// `R` and `s`.
    pub(super) fn halves(&self) -> ([u8; 32], [u8; 32]) {
        let (mut r, mut s) = ([0; 32], [0; 32]);
        let (lower, upper) = self.0.split_at(32);
        r.copy_from_slice(lower);
        s.copy_from_slice(upper);
        (r, s)
    }
}

impl From<[u8; 32]> for PublicKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<[u8; 64]> for Signature {
    fn from(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for PublicKey {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Signature {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

/// Writes two lower-case digits a byte.
fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_signatures_print_as_hex() {
        let mut bytes = [0; 64];
        bytes[0] = 0xab;
        assert_eq!(format!("{:?}", PublicKey::new([0x0f; 32])), "0f".repeat(32));
        assert_eq!(format!("{:?}", Signature::new(bytes)), format!("ab{}", "00".repeat(63)));
    }

    #[test]
    fn a_signature_is_r_and_then_s() {
        let mut bytes = [1; 64];
        bytes[32..].fill(2);
        assert_eq!(Signature::new(bytes).halves(), ([1; 32], [2; 32]));
    }
}
