//! The certificate of a staking node, read as leniently as AvalancheGo does.

use std::fmt;
use std::hash::{Hash, Hasher};

use avalanche_consensus::NodeId;
use bytes::Bytes;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use ripemd::Ripemd160;
use rustls::pki_types::{SubjectPublicKeyInfoDer, alg_id};
use sha2::{Digest, Sha256};

use super::der::{INTEGER, Reader, SEQUENCE, VERSION};
use super::{CertificateError, p256};

/// Most bytes of a certificate's DER: 2 KiB (AvalancheGo `staking/parse.go`).
pub const MAX_CERTIFICATE_BYTES: usize = 2048;

/// 1.2.840.113549.1.1.1
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.10045.2.1
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// The one exponent that is allowed, and its bytes.
const RSA_EXPONENT: u64 = 65_537;
const RSA_EXPONENT_BYTES: [u8; 3] = [1, 0, 1];
const RSA_MODULUS_BITS: [usize; 2] = [2048, 4096];

/// The certificate of a node, and what follows from it. Cheap to clone.
///
/// Only the way to the public key is read (AvalancheGo `staking/parse.go`): names, validity,
/// extensions and the certificate's own signature mean nothing, and X.509 v1 is as good as v3.
/// Which bytes are read decides whether nodes agree on who a validator is, so that this is neither
/// stricter nor laxer than AvalancheGo.
#[derive(Clone)]
pub struct Certificate {
    der: Bytes,
    node_id: NodeId,
    public_key: PublicKey,
}

/// A key that a staking certificate may have.
#[derive(Clone)]
enum PublicKey {
    /// An uncompressed point.
    P256([u8; 65]),
    /// The modulus, without leading zeros.
    Rsa(Bytes),
}

impl Certificate {
    /// Reads a certificate.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(CertificateError::TooLarge { len: der.len() });
        }
        let public_key = public_key(der)?;
        let node_id = NodeId::new(Ripemd160::digest(Sha256::digest(der)).into());
        Ok(Self { der: Bytes::copy_from_slice(der), node_id, public_key })
    }

    /// Who the node is: RIPEMD-160 of SHA-256 of the DER.
    #[must_use]
    pub const fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// The bytes, as they are sent.
    #[must_use]
    pub const fn der(&self) -> &Bytes {
        &self.der
    }

    /// Whether the node signed a message: ECDSA as ASN.1, or RSA PKCS#1 v1.5, over SHA-256
    /// (AvalancheGo `staking/verify.go`).
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.public_key {
            PublicKey::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
                .verify(message, signature)
                .is_ok(),
            PublicKey::Rsa(modulus) => {
                RsaPublicKeyComponents { n: modulus.as_ref(), e: &RSA_EXPONENT_BYTES }
                    .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                    .is_ok()
            }
        }
    }

    /// The public key in the form that TLS libraries read, whatever form the certificate has it in.
    pub(crate) fn spki(&self) -> SubjectPublicKeyInfoDer<'static> {
        match &self.public_key {
            PublicKey::P256(point) => rustls::sign::public_key_to_spki(&alg_id::ECDSA_P256, point),
            PublicKey::Rsa(modulus) => {
                let key = rsa_public_key(modulus);
                rustls::sign::public_key_to_spki(&alg_id::RSA_ENCRYPTION, key)
            }
        }
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl Hash for Certificate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.node_id.hash(state);
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.public_key {
            PublicKey::P256(_) => "P-256",
            PublicKey::Rsa(_) => "RSA",
        };
        write!(f, "Certificate({}, {kind})", self.node_id)
    }
}

/// Walks to the public key.
fn public_key(der: &[u8]) -> Result<PublicKey, CertificateError> {
    use CertificateError as Error;

    let certificate = Reader::new(der).read(SEQUENCE).ok_or(Error::MalformedCertificate)?;
    let tbs = Reader::new(certificate).read(SEQUENCE).ok_or(Error::MalformedTbsCertificate)?;
    let mut tbs = Reader::new(tbs);
    tbs.skip_optional(VERSION).ok_or(Error::MalformedVersion)?;
    tbs.read(INTEGER).ok_or(Error::MalformedSerialNumber)?;
    tbs.read(SEQUENCE).ok_or(Error::MalformedSignatureAlgorithm)?;
    tbs.read(SEQUENCE).ok_or(Error::MalformedIssuer)?;
    tbs.read(SEQUENCE).ok_or(Error::MalformedValidity)?;
    tbs.read(SEQUENCE).ok_or(Error::MalformedSubject)?;

    let spki = tbs.read(SEQUENCE).ok_or(Error::MalformedSpki)?;
    let mut spki = Reader::new(spki);
    let algorithm = spki.read(SEQUENCE).ok_or(Error::MalformedPublicKeyAlgorithm)?;
    let algorithm = Reader::new(algorithm).object_identifier().ok_or(Error::MalformedOid)?;
    let key = spki.bit_string().ok_or(Error::MalformedSubjectPublicKey)?.right_align();
    match algorithm {
        RSA => rsa_modulus(&key).map(PublicKey::Rsa),
        // The parameters are not looked at: whatever curve they name, the point is of P-256.
        ECDSA => p256::point(&key).map(PublicKey::P256).ok_or(Error::InvalidPoint),
        _ => Err(Error::UnknownPublicKeyAlgorithm),
    }
}

/// The modulus of a key that is allowed.
fn rsa_modulus(key: &[u8]) -> Result<Bytes, CertificateError> {
    let key = Reader::new(key).read(SEQUENCE).ok_or(CertificateError::InvalidRsaPublicKey)?;
    let mut key = Reader::new(key);
    let modulus = key.integer().ok_or(CertificateError::InvalidRsaModulus)?;
    let exponent = key
        .integer()
        .filter(|exponent| exponent.len() <= 8)
        .ok_or(CertificateError::InvalidRsaPublicExponent)?;

    let negative = modulus.first().is_some_and(|first| first & 0x80 != 0);
    // In the shortest form there is one leading zero at most, and zero itself is nothing else.
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    let (Some(first), Some(last), false) = (modulus.first(), modulus.last(), negative) else {
        return Err(CertificateError::RsaModulusNotPositive);
    };
    let unused = usize::try_from(first.leading_zeros()).unwrap_or_default();
    let bits = modulus.len() * 8 - unused;
    if !RSA_MODULUS_BITS.contains(&bits) {
        return Err(CertificateError::UnsupportedRsaModulusLen { bits });
    }
    if last & 1 == 0 {
        return Err(CertificateError::RsaModulusIsEven);
    }
    let negative = exponent.first().is_some_and(|first| first & 0x80 != 0);
    let exponent = exponent.iter().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    if negative || exponent != RSA_EXPONENT {
        return Err(CertificateError::UnsupportedRsaPublicExponent);
    }
    Ok(Bytes::copy_from_slice(modulus))
}

/// `RSAPublicKey` of PKCS#1. An allowed modulus fills its bytes, so that a zero goes before it.
fn rsa_public_key(modulus: &[u8]) -> Vec<u8> {
    let element = |tag: u8, parts: &[&[u8]]| {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        // All lengths here are those of a key of 2048 or 4096 bits: two bytes.
        let [.., high, low] = len.to_be_bytes();
        let mut element = vec![tag, 0x82, high, low];
        parts.iter().for_each(|part| element.extend_from_slice(part));
        element
    };
    let modulus = element(INTEGER, &[&[0], modulus]);
    element(SEQUENCE, &[&modulus, &[INTEGER, 3], &RSA_EXPONENT_BYTES])
}
