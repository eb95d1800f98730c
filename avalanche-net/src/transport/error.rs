//! Why there is no connection.

use std::net::SocketAddr;
use std::{error, fmt, io};

use crate::CloseReason;
use crate::identity::CertificateError;

/// Why a connection could not be made, an address not be taken, or a transport not be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum TransportError {
    /// The operating system refused, or nobody answered.
    Io {
        /// What was to be done.
        action: &'static str,
        /// With which address.
        addr: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The other end closed the connection before it was authenticated.
    Closed {
        /// The other end.
        remote: SocketAddr,
    },
    /// The TLS handshake failed: not TLS 1.3, no certificate, or a signature by another key.
    Tls {
        /// The other end.
        remote: SocketAddr,
        /// What was wrong.
        source: io::Error,
    },
    /// The other end's certificate is not one of a staking node.
    Certificate {
        /// The other end.
        remote: SocketAddr,
        /// Which rule it breaks.
        source: CertificateError,
    },
    /// The other end sent more than its own certificate.
    Chain {
        /// The other end.
        remote: SocketAddr,
        /// How many certificates came.
        certificates: usize,
    },
    /// TLS cannot be set up with the identity of this node.
    Setup {
        /// Why not.
        source: io::Error,
    },
}

impl TransportError {
    /// The error as a reason for counters.
    #[must_use]
    pub const fn reason(&self) -> CloseReason {
        match self {
            Self::Io { .. } | Self::Closed { .. } => CloseReason::RemoteClosed,
            Self::Tls { .. } | Self::Setup { .. } => CloseReason::TlsFailed,
            Self::Certificate { .. } | Self::Chain { .. } => CloseReason::BadCertificate,
        }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, addr, source } => write!(f, "cannot {action} {addr}: {source}"),
            Self::Closed { remote } => {
                write!(f, "{remote} closed the connection before it was authenticated")
            }
            Self::Tls { remote, source } => {
                write!(f, "the TLS handshake with {remote} failed: {source}")
            }
            Self::Certificate { remote, source } => write!(f, "{remote} has {source}"),
            Self::Chain { remote, certificates } => {
                write!(f, "{remote} sent {certificates} certificates; a node has one")
            }
            Self::Setup { source } => write!(f, "TLS cannot be set up: {source}"),
        }
    }
}

impl error::Error for TransportError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::Tls { source, .. } | Self::Setup { source } => {
                Some(source)
            }
            Self::Certificate { source, .. } => Some(source),
            Self::Closed { .. } | Self::Chain { .. } => None,
        }
    }
}
