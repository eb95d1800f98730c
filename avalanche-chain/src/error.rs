//! Why a chain or a node does not answer.

use std::{error, fmt};

/// What the caller of a chain has to act on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The chain is not there to answer: it starts, catches up, has stopped, or has too much to do.
    NotReady {
        /// What it is at.
        reason: String,
    },
    /// The VM refused; see [`avalanche_vm::Error`].
    Vm(avalanche_vm::Error),
    /// The store refused.
    Store(avalanche_store::Error),
    /// A request is wrong in itself.
    Request {
        /// What is wrong, and what is allowed.
        reason: String,
    },
}

impl Error {
    /// Not now.
    #[must_use]
    pub fn not_ready(reason: impl Into<String>) -> Self {
        Self::NotReady { reason: reason.into() }
    }

    /// The HTTP status that fits.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotReady { .. } => 503,
            Self::Vm(error) => error.status(),
            Self::Store(_) => 500,
            Self::Request { .. } => 400,
        }
    }

    /// A stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotReady { .. } => "not_ready",
            Self::Vm(error) => error.code(),
            Self::Store(_) => "store",
            Self::Request { .. } => "bad_request",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady { reason } => write!(f, "the chain is not ready: {reason}; try again"),
            Self::Vm(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Request { reason } => f.write_str(reason),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Vm(error) => Some(error),
            Self::Store(error) => Some(error),
            Self::NotReady { .. } | Self::Request { .. } => None,
        }
    }
}

impl From<avalanche_vm::Error> for Error {
    fn from(error: avalanche_vm::Error) -> Self {
        Self::Vm(error)
    }
}

impl From<avalanche_store::Error> for Error {
    fn from(error: avalanche_store::Error) -> Self {
        Self::Store(error)
    }
}
