//! Why a request of a client came to nothing.

use std::time::Duration;
use std::{error, fmt};

use crate::api::ErrorBody;

/// What the caller of a client has to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientError {
    /// The URL of the node is none.
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The token has characters that no header can hold.
    Token,
    /// Nobody answers. Whether the request arrived is not known.
    Unreachable {
        /// The URL of the request.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The node refused.
    Api {
        /// The HTTP status.
        status: u16,
        /// Why.
        body: Box<ErrorBody>,
        /// How long to rest before another try, if the node said so.
        retry_after: Option<Duration>,
    },
    /// What answers is no node, or one of another version.
    Unexpected {
        /// The URL of the request.
        url: String,
        /// What was found.
        reason: String,
    },
    /// The node ended a stream of events. Another one can go on after the last cursor.
    Closed {
        /// What the node said.
        reason: String,
    },
}

impl ClientError {
    /// Whether the same request may succeed later: nobody answered, the node has too much to do or
    /// is not ready, or a stream was ended.
    #[must_use]
    pub const fn may_retry(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Closed { .. } => true,
            Self::Api { status, .. } => matches!(status, 408 | 429 | 503),
            Self::Url { .. } | Self::Token | Self::Unexpected { .. } => false,
        }
    }

    /// The code that the node gave, if it did.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Api { body, .. } => Some(&body.code),
            _ => None,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { url, reason } => write!(
                f,
                "{url:?} is no address of a node: {reason}; allowed is as http://127.0.0.1:8000"
            ),
            Self::Token => f.write_str("the token has characters that no header can hold"),
            Self::Unreachable { url, reason } => write!(
                f,
                "nobody answers at {url}: {reason}; start a node, or give the address of one that \
                 runs"
            ),
            Self::Api { status, body, .. } => {
                write!(f, "{} ({}, HTTP {status})", body.message, body.code)
            }
            Self::Unexpected { url, reason } => write!(
                f,
                "what answers at {url} is no node of this version: {reason}; check the address"
            ),
            Self::Closed { reason } => write!(f, "the node ended the stream of events: {reason}"),
        }
    }
}

impl error::Error for ClientError {}
