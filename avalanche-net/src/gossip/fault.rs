//! What a peer did wrong.

use std::fmt;

/// Why a message of a peer was not used. The connection stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum GossipFault {
    /// It is no protobuf of its kind.
    Protobuf,
    /// It has more items than allowed.
    TooManyItems,
    /// The salt of a request is not 32 bytes.
    Salt,
    /// The filter of a request cannot be read.
    Filter,
    /// The peer asks too often.
    Throttled,
}

impl GossipFault {
    /// Every fault, in order.
    pub const ALL: [Self; 5] =
        [Self::Protobuf, Self::TooManyItems, Self::Salt, Self::Filter, Self::Throttled];

    /// A name for counters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Protobuf => "protobuf",
            Self::TooManyItems => "too_many_items",
            Self::Salt => "salt",
            Self::Filter => "filter",
            Self::Throttled => "throttled",
        }
    }

    /// The code of the app error that answers such a request (AvalancheGo
    /// `network/p2p/error.go`).
    #[must_use]
    pub const fn app_error_code(self) -> i32 {
        match self {
            Self::Throttled => super::prefix::ERROR_THROTTLED,
            _ => super::prefix::ERROR_UNEXPECTED,
        }
    }
}

impl fmt::Display for GossipFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Protobuf => "the message is no protobuf of its kind",
            Self::TooManyItems => "the message has too many items; send fewer",
            Self::Salt => "the salt is not 32 bytes",
            Self::Filter => "the filter cannot be read",
            Self::Throttled => "too many requests; ask less often",
        })
    }
}
