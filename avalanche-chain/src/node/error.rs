//! Why a node does not start.

use std::path::PathBuf;
use std::{error, fmt, io};

use avalanche_net::identity::FileError;
use avalanche_vm::ManagerError;

use super::ConfigError;
use crate::{GenesisError, StartError};

/// Why a node does not start. The message names what to change.
#[derive(Debug)]
#[non_exhaustive]
pub enum NodeError {
    /// The configuration is wrong.
    Config(ConfigError),
    /// A file or folder cannot be used.
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The genesis is wrong.
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: GenesisError,
    },
    /// The keys cannot be used.
    Identity(FileError),
    /// The network does not start.
    Network(avalanche_net::network::Error),
    /// VMs cannot be managed.
    Vms(ManagerError),
    /// A chain does not start.
    Chain {
        /// Its name.
        name: String,
        /// Why.
        source: StartError,
    },
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::File { path, source } => {
                write!(f, "{} cannot be used: {source}; check path and permissions", path.display())
            }
            Self::Genesis { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Identity(error) => error.fmt(f),
            Self::Network(error) => error.fmt(f),
            Self::Vms(error) => error.fmt(f),
            Self::Chain { name, source } => write!(f, "chain {name}: {source}"),
        }
    }
}

impl error::Error for NodeError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(match self {
            Self::Config(error) => error,
            Self::File { source, .. } => source,
            Self::Genesis { source, .. } => source,
            Self::Identity(error) => error,
            Self::Network(error) => error,
            Self::Vms(error) => error,
            Self::Chain { source, .. } => source,
        })
    }
}
