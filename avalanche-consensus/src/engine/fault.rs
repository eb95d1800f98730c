//! What peers do wrong.

use std::fmt;

use super::MessageKind;
use crate::Id;

/// What a peer did wrong, as data: the engine has dealt with it and goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Fault {
    /// An answer that nobody waits for: never asked for, too late, or a second one.
    Unrequested(MessageKind),
    /// A block or summary that could not be parsed.
    Malformed(MessageKind),
    /// Another block than the one that was asked for.
    WrongBlock {
        /// The block that was asked for.
        asked: Id,
        /// The block that came.
        got: Id,
    },
    /// A block that the VM found invalid.
    InvalidBlock(Id),
    /// A block whose height is not its parent's plus one.
    WrongHeight(Id),
    /// A list that is longer than the bound of [`EngineConfig`](super::EngineConfig).
    TooLong {
        /// The kind of message.
        kind: MessageKind,
        /// Entries that it has.
        found: usize,
        /// Entries that it can have.
        max: usize,
    },
    /// A message that was not looked at, since the peer, or all peers together, have as much work
    /// waiting here as [`EngineConfig`](super::EngineConfig) allows.
    Flooding(MessageKind),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unrequested(kind) => write!(f, "{kind:?} that nobody waits for"),
            Self::Malformed(kind) => write!(f, "{kind:?} that cannot be parsed"),
            Self::WrongBlock { asked, got } => write!(f, "block {got} where {asked} was asked for"),
            Self::InvalidBlock(id) => write!(f, "invalid block {id}"),
            Self::WrongHeight(id) => write!(f, "block {id} is not one above its parent"),
            Self::TooLong { kind, found, max } => {
                write!(f, "{kind:?} with {found} entries, where {max} are allowed")
            }
            Self::Flooding(kind) => write!(f, "{kind:?} beyond what a peer may have waiting"),
        }
    }
}
