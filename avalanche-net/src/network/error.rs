//! What the user of a network did wrong.

use std::fmt;
use std::net::SocketAddr;

use avalanche_consensus::Id;

use super::config::ConfigError;
use crate::identity::KeyError;
use crate::peers::AddressBookError;
use crate::transport::TransportError;

/// Why a network did not start, or did not do what it was told.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The configuration breaks a rule.
    Config(ConfigError),
    /// The address cannot be listened on.
    Listen {
        /// The address.
        address: SocketAddr,
        /// What went wrong.
        source: TransportError,
    },
    /// The keys cannot be used for TLS.
    Transport(TransportError),
    /// The keys cannot sign.
    Identity(KeyError),
    /// Timeouts or benching break a rule.
    Limits(avalanche_consensus::Error),
    /// The address book can neither be read nor set aside.
    AddressBook(AddressBookError),
    /// The operating system gives no random bytes.
    NoRandomness,
    /// Another inbox takes the messages of this chain.
    ChainTaken {
        /// The chain.
        chain: Id,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => write!(f, "the network's configuration: {error}"),
            // It names the address.
            Self::Listen { source, .. } => {
                write!(f, "{source}; choose a free address of this machine")
            }
            Self::Transport(error) => write!(f, "cannot set up TLS: {error}"),
            Self::Identity(error) => write!(f, "cannot sign this node's address: {error}"),
            Self::Limits(error) => write!(f, "the network's limits: {error}"),
            Self::AddressBook(error) => error.fmt(f),
            Self::NoRandomness => f.write_str(
                "the operating system gives no random bytes, without which no seed is safe",
            ),
            Self::ChainTaken { chain } => write!(
                f,
                "chain {chain} has an inbox already: drop that one before another is registered"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            Self::Listen { source, .. } | Self::Transport(source) => Some(source),
            Self::Identity(error) => Some(error),
            Self::Limits(error) => Some(error),
            Self::AddressBook(error) => Some(error),
            Self::NoRandomness | Self::ChainTaken { .. } => None,
        }
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}
