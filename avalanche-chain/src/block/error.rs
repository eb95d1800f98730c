//! Why bytes are no block, or a block is not its proposer's.

use std::{error, fmt};

use avalanche_consensus::{Height, NodeId};
use avalanche_net::identity::{CertificateError, KeyError};

use super::{BLOCK_BYTES_MAX, MILLIS_MAX, VERSION};

/// What is wrong with a block of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockError {
    /// It has more than [`BLOCK_BYTES_MAX`] bytes.
    TooLarge {
        /// How many it has, or would have.
        len: usize,
    },
    /// It is of a version that this program does not know.
    Version {
        /// The version.
        found: u8,
    },
    /// It ends too early.
    Truncated {
        /// Where.
        what: &'static str,
        /// All of its bytes.
        len: usize,
    },
    /// A part is longer than is allowed.
    PartTooLarge {
        /// Which.
        what: &'static str,
        /// How many bytes it says it has.
        len: usize,
        /// How many are allowed.
        max: usize,
    },
    /// Something follows the signature.
    Trailing {
        /// How many bytes.
        len: usize,
    },
    /// Its timestamp is beyond what nanoseconds in 64 bits can say.
    Timestamp {
        /// Milliseconds since the Unix epoch.
        millis: u64,
    },
    /// It is at height 0 and has a certificate or a signature.
    GenesisSigned,
    /// It is above genesis and lacks a certificate or a signature.
    Unsigned {
        /// Its height.
        height: Height,
    },
    /// Its certificate is not one that a staking node may have.
    Certificate(CertificateError),
    /// It is not signed by the key of its certificate.
    Signature {
        /// The node of the certificate.
        proposer: NodeId,
    },
    /// This node's key cannot sign.
    Key(KeyError),
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { len } => {
                write!(f, "the block has {len} bytes; {BLOCK_BYTES_MAX} are allowed")
            }
            Self::Version { found } => {
                write!(f, "the block is of version {found}; {VERSION} is allowed")
            }
            Self::Truncated { what, len } => {
                write!(f, "the block of {len} bytes ends before {what} does")
            }
            Self::PartTooLarge { what, len, max } => {
                write!(f, "{what} has {len} bytes; {max} are allowed")
            }
            Self::Trailing { len } => {
                write!(f, "{len} bytes follow the signature; none are allowed")
            }
            Self::Timestamp { millis } => write!(
                f,
                "the timestamp is {millis} ms after the Unix epoch; up to {MILLIS_MAX} are allowed"
            ),
            Self::GenesisSigned => {
                f.write_str("the block at height 0 is signed; it is known by its name alone")
            }
            Self::Unsigned { height } => write!(
                f,
                "the block at height {height} has no certificate or no signature; all but genesis \
                 have both"
            ),
            Self::Certificate(error) => write!(f, "the proposer's certificate: {error}"),
            Self::Signature { proposer } => write!(
                f,
                "the block is not signed by the key of {proposer}, whose certificate it has, or \
                 not with the lower s"
            ),
            Self::Key(error) => write!(f, "the block cannot be signed: {error}"),
        }
    }
}

impl error::Error for BlockError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Certificate(error) => Some(error),
            Self::Key(error) => Some(error),
            _ => None,
        }
    }
}
