//! BLS signatures on BLS12-381: keys in G1, signatures in G2 (AvalancheGo `utils/crypto/bls`).
//!
//! Messages and proofs of possession are hashed with different tags, so that one is never taken for
//! the other. A claimed address is signed as a proof of possession, as odd as that is.

use std::{error, fmt};

use blst::BLST_ERROR;
use blst::min_pk::{PublicKey, SecretKey, Signature};

use super::KeyError;

/// Bytes of a compressed public key.
pub const BLS_PUBLIC_KEY_BYTES: usize = 48;
/// Bytes of a compressed signature.
pub const BLS_SIGNATURE_BYTES: usize = 96;

/// Bytes of a secret key.
const SECRET_KEY_BYTES: usize = 32;
const MESSAGE: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
const PROOF_OF_POSSESSION: &[u8] = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

/// A secret key. It is overwritten when it is dropped.
pub struct BlsSecretKey {
    key: SecretKey,
    public_key: BlsPublicKey,
}

/// A public key: a point of the subgroup, and not the point at infinity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BlsPublicKey(PublicKey);

/// A signature: a point of the subgroup.
///
/// The point at infinity is read, as AvalancheGo reads it; it verifies for no key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BlsSignature(Signature);

/// Why bytes are no key or signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlsError {
    /// The number of bytes is wrong.
    Length {
        /// How many there are.
        len: usize,
        /// How many there have to be.
        expected: usize,
    },
    /// The secret key is zero, or not below the order of the group.
    SecretKeyOutOfRange,
    /// The bytes are not a compressed point of the curve.
    NotAPoint,
    /// The point is not of the subgroup.
    NotInSubgroup,
    /// The public key is the point at infinity.
    Infinity,
}

impl BlsSecretKey {
    /// A new key from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`KeyError::Randomness`] if there is none.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = super::keys::random::<SECRET_KEY_BYTES>()?;
        let key = SecretKey::key_gen(&seed, &[]);
        seed.fill(0);
        Ok(Self::new(key.map_err(|_| KeyError::Randomness)?))
    }

    /// Reads a key: 32 bytes, big-endian, as in AvalancheGo's `signer.key`.
    ///
    /// # Errors
    ///
    /// [`BlsError::Length`] and [`BlsError::SecretKeyOutOfRange`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlsError> {
        check_length(bytes, SECRET_KEY_BYTES)?;
        SecretKey::from_bytes(bytes).map(Self::new).map_err(|_| BlsError::SecretKeyOutOfRange)
    }

    fn new(key: SecretKey) -> Self {
        let public_key = BlsPublicKey(key.sk_to_pk());
        Self { key, public_key }
    }

    /// The key as [`from_bytes`](Self::from_bytes) reads it. Whoever has it is the validator.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// The public key.
    #[must_use]
    pub const fn public_key(&self) -> &BlsPublicKey {
        &self.public_key
    }

    /// Signs a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> BlsSignature {
        BlsSignature(self.key.sign(message, MESSAGE, &[]))
    }

    /// Signs what only the holder of the key may claim, such as an address.
    #[must_use]
    pub fn sign_proof_of_possession(&self, message: &[u8]) -> BlsSignature {
        BlsSignature(self.key.sign(message, PROOF_OF_POSSESSION, &[]))
    }

    /// The proof of possession with which a validator registers: over the 48 bytes of the key.
    #[must_use]
    pub fn proof_of_possession(&self) -> BlsSignature {
        self.sign_proof_of_possession(&self.public_key.to_bytes())
    }
}

impl BlsPublicKey {
    /// Reads a compressed key and checks it.
    ///
    /// # Errors
    ///
    /// All of [`BlsError`] but that of secret keys.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlsError> {
        check_length(bytes, BLS_PUBLIC_KEY_BYTES)?;
        let key = PublicKey::uncompress(bytes).map_err(point_error)?;
        key.validate().map_err(point_error)?;
        Ok(Self(key))
    }

    /// The compressed key.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BLS_PUBLIC_KEY_BYTES] {
        self.0.compress()
    }

    /// Whether a signature of a message is by this key.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &BlsSignature) -> bool {
        self.verify_tagged(MESSAGE, message, signature)
    }

    /// Whether a signature of [`BlsSecretKey::sign_proof_of_possession`] is by this key.
    #[must_use]
    pub fn verify_proof_of_possession(&self, message: &[u8], signature: &BlsSignature) -> bool {
        self.verify_tagged(PROOF_OF_POSSESSION, message, signature)
    }

    fn verify_tagged(&self, tag: &[u8], message: &[u8], signature: &BlsSignature) -> bool {
        // Both were checked to be in their groups when they were read.
        signature.0.verify(false, message, tag, &[], &self.0, false) == BLST_ERROR::BLST_SUCCESS
    }
}

impl BlsSignature {
    /// Reads a compressed signature and checks it.
    ///
    /// # Errors
    ///
    /// [`BlsError::Length`], [`BlsError::NotAPoint`] and [`BlsError::NotInSubgroup`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlsError> {
        check_length(bytes, BLS_SIGNATURE_BYTES)?;
        let signature = Signature::uncompress(bytes).map_err(point_error)?;
        signature.validate(false).map_err(point_error)?;
        Ok(Self(signature))
    }

    /// The compressed signature.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BLS_SIGNATURE_BYTES] {
        self.0.compress()
    }
}

const fn check_length(bytes: &[u8], expected: usize) -> Result<(), BlsError> {
    if bytes.len() == expected {
        Ok(())
    } else {
        Err(BlsError::Length { len: bytes.len(), expected })
    }
}

const fn point_error(error: BLST_ERROR) -> BlsError {
    match error {
        BLST_ERROR::BLST_PK_IS_INFINITY => BlsError::Infinity,
        BLST_ERROR::BLST_POINT_NOT_IN_GROUP => BlsError::NotInSubgroup,
        _ => BlsError::NotAPoint,
    }
}

impl fmt::Debug for BlsSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlsSecretKey(of {:?})", self.public_key)
    }
}

/// `0x` and 96 hex digits, as AvalancheGo's API writes it.
impl fmt::Display for BlsPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlsPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlsPublicKey(")?;
        self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

impl fmt::Debug for BlsSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlsSignature(")?;
        self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

impl fmt::Display for BlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { len, expected } => write!(f, "{len} bytes instead of {expected}"),
            Self::SecretKeyOutOfRange => {
                f.write_str("a secret key that is zero, or not below the order of the group")
            }
            Self::NotAPoint => f.write_str("bytes that are no compressed point of the curve"),
            Self::NotInSubgroup => f.write_str("a point outside of the subgroup"),
            Self::Infinity => f.write_str("a public key that is the point at infinity"),
        }
    }
}

impl error::Error for BlsError {}
