//! Why a certificate is not one of a staking node.

use std::{error, fmt};

use super::MAX_CERTIFICATE_BYTES;

/// The rule that a certificate breaks. Rules and names are those of AvalancheGo `staking/parse.go`.
///
/// A certificate comes from a peer, so that this is data: it ends the connection, or makes the
/// message that brought it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateError {
    /// It is longer than [`MAX_CERTIFICATE_BYTES`].
    TooLarge {
        /// Its length in bytes.
        len: usize,
    },
    /// It is not a DER sequence.
    MalformedCertificate,
    /// The part that is signed is not a DER sequence.
    MalformedTbsCertificate,
    /// The version is not a whole DER element.
    MalformedVersion,
    /// The serial number is not an integer.
    MalformedSerialNumber,
    /// The signature's algorithm is not a sequence.
    MalformedSignatureAlgorithm,
    /// The issuer is not a sequence.
    MalformedIssuer,
    /// The validity is not a sequence.
    MalformedValidity,
    /// The subject is not a sequence.
    MalformedSubject,
    /// The information on the public key is not a sequence.
    MalformedSpki,
    /// The public key's algorithm is not a sequence.
    MalformedPublicKeyAlgorithm,
    /// The public key's algorithm does not begin with an object identifier.
    MalformedOid,
    /// The public key is not a bit string.
    MalformedSubjectPublicKey,
    /// The RSA key is not a sequence.
    InvalidRsaPublicKey,
    /// The RSA modulus is not an integer in its shortest form.
    InvalidRsaModulus,
    /// The RSA exponent is not an integer in its shortest form, or over eight bytes long.
    InvalidRsaPublicExponent,
    /// The RSA modulus is zero or negative.
    RsaModulusNotPositive,
    /// The RSA modulus is neither 2048 nor 4096 bits long.
    UnsupportedRsaModulusLen {
        /// Its length in bits.
        bits: usize,
    },
    /// The RSA modulus is even.
    RsaModulusIsEven,
    /// The RSA exponent is not 65537.
    UnsupportedRsaPublicExponent,
    /// The key is not an uncompressed point of P-256.
    InvalidPoint,
    /// The key is neither RSA nor of an elliptic curve.
    UnknownPublicKeyAlgorithm,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let malformed = match self {
            Self::TooLarge { len } => {
                return write!(f, "a certificate of {len} bytes, over {MAX_CERTIFICATE_BYTES}");
            }
            Self::UnsupportedRsaModulusLen { bits } => {
                return write!(f, "an RSA key of {bits} bits, neither 2048 nor 4096");
            }
            Self::RsaModulusNotPositive => {
                return f.write_str("an RSA modulus that is not positive");
            }
            Self::RsaModulusIsEven => return f.write_str("an RSA modulus that is even"),
            Self::UnsupportedRsaPublicExponent => {
                return f.write_str("an RSA exponent other than 65537");
            }
            Self::InvalidPoint => return f.write_str("a key that is no point of P-256"),
            Self::UnknownPublicKeyAlgorithm => {
                return f.write_str("a key that is neither ECDSA P-256 nor RSA");
            }
            Self::MalformedCertificate => "certificate",
            Self::MalformedTbsCertificate => "signed part",
            Self::MalformedVersion => "version",
            Self::MalformedSerialNumber => "serial number",
            Self::MalformedSignatureAlgorithm => "signature algorithm",
            Self::MalformedIssuer => "issuer",
            Self::MalformedValidity => "validity",
            Self::MalformedSubject => "subject",
            Self::MalformedSpki => "public key information",
            Self::MalformedPublicKeyAlgorithm => "public key algorithm",
            Self::MalformedOid => "identifier of the public key algorithm",
            Self::MalformedSubjectPublicKey => "public key",
            Self::InvalidRsaPublicKey => "RSA public key",
            Self::InvalidRsaModulus => "RSA modulus",
            Self::InvalidRsaPublicExponent => "RSA exponent",
        };
        write!(f, "a certificate with a malformed {malformed}")
    }
}

impl error::Error for CertificateError {}
