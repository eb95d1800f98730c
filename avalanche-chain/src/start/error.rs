//! Why a chain does not start.

use std::path::PathBuf;
use std::{error, fmt, io};

use avalanche_consensus::Id;
use avalanche_vm::ManagerError;

use crate::GenesisError;

/// Why a chain does not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The genesis is wrong.
    Genesis(GenesisError),
    /// What is on disk cannot be used. The message says what to do.
    Store(avalanche_store::Error),
    /// The folder holds another chain.
    OtherChain {
        /// The folder.
        dir: PathBuf,
        /// The first block that is there.
        found: Id,
        /// The first block that genesis says.
        expected: Id,
    },
    /// Nothing on disk leads to the end of the log.
    Stuck(avalanche_store::recovery::Stuck),
    /// The VM cannot be made.
    Manager(ManagerError),
    /// The VM does not start.
    Vm(avalanche_vm::Error),
    /// The network refuses the chain.
    Network(avalanche_net::network::Error),
    /// The index cannot be used.
    Index(crate::Error),
    /// The engine refuses its configuration.
    Engine(avalanche_consensus::Error),
    /// The system has no thread or no randomness left.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Genesis(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::OtherChain { dir, found, expected } => write!(
                f,
                "{} holds a chain that began with block {found}, and genesis says {expected}: give \
                 this chain a folder of its own, or the genesis that the folder was made with",
                dir.display()
            ),
            Self::Stuck(stuck) => stuck.fmt(f),
            Self::Manager(error) => error.fmt(f),
            Self::Vm(error) => error.fmt(f),
            Self::Network(error) => error.fmt(f),
            Self::Index(error) => error.fmt(f),
            Self::Engine(error) => error.fmt(f),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl error::Error for StartError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(match self {
            Self::Genesis(error) => error,
            Self::Store(error) => error,
            Self::OtherChain { .. } => return None,
            Self::Stuck(stuck) => stuck,
            Self::Manager(error) => error,
            Self::Vm(error) => error,
            Self::Network(error) => error,
            Self::Index(error) => error,
            Self::Engine(error) => error,
            Self::System(error) => error,
        })
    }
}

macro_rules! from {
    ($($variant:ident: $source:ty),+ $(,)?) => {$(
        impl From<$source> for StartError {
            fn from(error: $source) -> Self {
                Self::$variant(error)
            }
        }
    )+};
}

from! {
    Genesis: GenesisError,
    Store: avalanche_store::Error,
    Manager: ManagerError,
    Vm: avalanche_vm::Error,
    Network: avalanche_net::network::Error,
    Index: crate::Error,
}
