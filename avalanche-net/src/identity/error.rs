//! Why an identity cannot be made or loaded.

use std::path::PathBuf;
use std::{error, fmt, io};

use super::{BlsError, CertificateError};

/// What is wrong with a key, a certificate or both, wherever they came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no PEM block of this kind.
    NotPem {
        /// What its first line would say between `BEGIN` and the dashes.
        expected: &'static str,
    },
    /// There is more than one certificate; a node has one, without a chain.
    SeveralCertificates,
    /// The certificate is not one that a staking node may have.
    Certificate(CertificateError),
    /// The key is not one that can sign for a staking certificate: ECDSA P-256, or RSA.
    UnsupportedKey,
    /// The key is not that of the certificate.
    Mismatch,
    /// The BLS key cannot be used.
    Signer(BlsError),
    /// The operating system gives no randomness.
    Randomness,
    /// A certificate could not be made.
    Creation,
    /// A signature could not be made.
    Signing,
}

/// Why the files of an identity cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused.
    Io {
        /// What was to be done.
        action: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is not there. A node whose files are lost is another node.
    Missing {
        /// The file.
        path: PathBuf,
        /// One that is there, so that this is no new node.
        present: Option<PathBuf>,
    },
    /// Others than its owner may read the secret.
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file is too large to be what it should be.
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How many bytes are allowed.
        max: u64,
    },
    /// What the file holds cannot be used.
    Invalid {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: KeyError,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPem { expected } => {
                write!(f, "no PEM block that begins with \"-----BEGIN {expected}-----\"")
            }
            Self::SeveralCertificates => {
                f.write_str("several certificates: a staking node has one, without a chain")
            }
            Self::Certificate(error) => write!(f, "{error}"),
            Self::UnsupportedKey => f.write_str(
                "a private key that is neither ECDSA P-256 nor RSA of 2048 or 4096 bits",
            ),
            Self::Mismatch => f.write_str("a private key that is not the certificate's"),
            Self::Signer(error) => write!(f, "no BLS key: {error}"),
            Self::Randomness => f.write_str("the operating system gives no randomness"),
            Self::Creation => f.write_str("the certificate could not be made"),
            Self::Signing => f.write_str("the signature could not be made"),
        }
    }
}

impl error::Error for KeyError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Certificate(error) => Some(error),
            Self::Signer(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => {
                write!(f, "cannot {action} {}: {source}", path.display())
            }
            Self::Missing { path, present: None } => {
                write!(f, "{} is not there: create an identity, or restore it", path.display())
            }
            Self::Missing { path, present: Some(present) } => write!(
                f,
                "{} is not there although {} is: restore it; if this node never ran, remove the \
                 others and a new identity is made",
                path.display(),
                present.display(),
            ),
            Self::Exposed { path, mode } => write!(
                f,
                "{path} is a secret that others may read (mode {mode:03o}): chmod 600 {path}",
                path = path.display(),
            ),
            Self::TooLarge { path, max } => {
                write!(f, "{} is over {max} bytes long and no key or certificate", path.display())
            }
            Self::Invalid { path, source } => write!(f, "{}: {source}", path.display()),
        }
    }
}

impl error::Error for FileError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Invalid { source, .. } => Some(source),
            Self::Missing { .. } | Self::Exposed { .. } | Self::TooLarge { .. } => None,
        }
    }
}
