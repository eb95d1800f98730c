//! What nodes say to each other.

use super::{ParsedBlock, Summary};
use crate::{Height, Id};

/// A message between two engines of one chain, in AvalancheGo's terms (`proto/p2p/p2p.proto`). The
/// shell encodes and parses it.
///
/// Where a block or summary is an `Option`, `None` says that the shell could not parse what the
/// peer sent. The engine never sends `None`.
///
/// A request and its answer carry the same `request_id`, chosen by whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(bound(serialize = "", deserialize = "H: Default")))]
#[non_exhaustive]
pub enum Message<H> {
    /// Asks for the newest state summary.
    GetStateSummaryFrontier {
        /// Names the request.
        request_id: u32,
    },
    /// The newest state summary.
    StateSummaryFrontier {
        /// The request that this answers.
        request_id: u32,
        /// The summary.
        summary: Option<Summary<H>>,
    },
    /// Asks which state summaries there are at these heights.
    GetAcceptedStateSummary {
        /// Names the request.
        request_id: u32,
        /// Distinct heights.
        heights: Vec<Height>,
    },
    /// The summaries at the heights that were asked for.
    AcceptedStateSummary {
        /// The request that this answers.
        request_id: u32,
        /// Names of summaries.
        ids: Vec<Id>,
    },
    /// Asks for the last accepted block.
    GetAcceptedFrontier {
        /// Names the request.
        request_id: u32,
    },
    /// The last accepted block.
    AcceptedFrontier {
        /// The request that this answers.
        request_id: u32,
        /// The block.
        id: Id,
    },
    /// Asks which of these blocks are accepted.
    GetAccepted {
        /// Names the request.
        request_id: u32,
        /// Blocks.
        ids: Vec<Id>,
    },
    /// Those of the blocks that are accepted.
    Accepted {
        /// The request that this answers.
        request_id: u32,
        /// Blocks.
        ids: Vec<Id>,
    },
    /// Asks for a block and as many of its ancestors as fit in a message.
    GetAncestors {
        /// Names the request.
        request_id: u32,
        /// The block.
        id: Id,
    },
    /// A block and its ancestors, newest first.
    Ancestors {
        /// The request that this answers.
        request_id: u32,
        /// The blocks; empty if the first one is not known.
        blocks: Option<Vec<ParsedBlock<H>>>,
    },
    /// Asks for a block.
    Get {
        /// Names the request.
        request_id: u32,
        /// The block.
        id: Id,
    },
    /// A block.
    Put {
        /// The request that this answers.
        request_id: u32,
        /// The block.
        block: Option<ParsedBlock<H>>,
    },
    /// Asks what the peer prefers, and gives it a new block.
    PushQuery {
        /// Names the request.
        request_id: u32,
        /// The block.
        block: Option<ParsedBlock<H>>,
        /// The height for which the answer names a block besides the preferred tip: the last
        /// accepted height of whoever asks, plus one.
        requested_height: Height,
    },
    /// Asks what the peer prefers, and names a block that it may have to fetch.
    PullQuery {
        /// Names the request.
        request_id: u32,
        /// The block.
        id: Id,
        /// As in [`Message::PushQuery`].
        requested_height: Height,
    },
    /// The answer to a query.
    Chits {
        /// The request that this answers.
        request_id: u32,
        /// The preferred tip.
        preferred: Id,
        /// The accepted or preferred block at the height that was asked for.
        preferred_at_height: Id,
        /// The last accepted block.
        accepted: Id,
        /// Its height.
        accepted_height: Height,
    },
}

impl<H> Message<H> {
    /// The number that a request and its answer share.
    pub const fn request_id(&self) -> u32 {
        match self {
            Self::GetStateSummaryFrontier { request_id }
            | Self::StateSummaryFrontier { request_id, .. }
            | Self::GetAcceptedStateSummary { request_id, .. }
            | Self::AcceptedStateSummary { request_id, .. }
            | Self::GetAcceptedFrontier { request_id }
            | Self::AcceptedFrontier { request_id, .. }
            | Self::GetAccepted { request_id, .. }
            | Self::Accepted { request_id, .. }
            | Self::GetAncestors { request_id, .. }
            | Self::Ancestors { request_id, .. }
            | Self::Get { request_id, .. }
            | Self::Put { request_id, .. }
            | Self::PushQuery { request_id, .. }
            | Self::PullQuery { request_id, .. }
            | Self::Chits { request_id, .. } => *request_id,
        }
    }

    /// What kind of message this is.
    pub const fn kind(&self) -> MessageKind {
        match self {
            Self::GetStateSummaryFrontier { .. } => MessageKind::GetStateSummaryFrontier,
            Self::StateSummaryFrontier { .. } => MessageKind::StateSummaryFrontier,
            Self::GetAcceptedStateSummary { .. } => MessageKind::GetAcceptedStateSummary,
            Self::AcceptedStateSummary { .. } => MessageKind::AcceptedStateSummary,
            Self::GetAcceptedFrontier { .. } => MessageKind::GetAcceptedFrontier,
            Self::AcceptedFrontier { .. } => MessageKind::AcceptedFrontier,
            Self::GetAccepted { .. } => MessageKind::GetAccepted,
            Self::Accepted { .. } => MessageKind::Accepted,
            Self::GetAncestors { .. } => MessageKind::GetAncestors,
            Self::Ancestors { .. } => MessageKind::Ancestors,
            Self::Get { .. } => MessageKind::Get,
            Self::Put { .. } => MessageKind::Put,
            Self::PushQuery { .. } => MessageKind::PushQuery,
            Self::PullQuery { .. } => MessageKind::PullQuery,
            Self::Chits { .. } => MessageKind::Chits,
        }
    }
}

/// The kinds of [`Message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum MessageKind {
    /// [`Message::GetStateSummaryFrontier`].
    GetStateSummaryFrontier,
    /// [`Message::StateSummaryFrontier`].
    StateSummaryFrontier,
    /// [`Message::GetAcceptedStateSummary`].
    GetAcceptedStateSummary,
    /// [`Message::AcceptedStateSummary`].
    AcceptedStateSummary,
    /// [`Message::GetAcceptedFrontier`].
    GetAcceptedFrontier,
    /// [`Message::AcceptedFrontier`].
    AcceptedFrontier,
    /// [`Message::GetAccepted`].
    GetAccepted,
    /// [`Message::Accepted`].
    Accepted,
    /// [`Message::GetAncestors`].
    GetAncestors,
    /// [`Message::Ancestors`].
    Ancestors,
    /// [`Message::Get`].
    Get,
    /// [`Message::Put`].
    Put,
    /// [`Message::PushQuery`].
    PushQuery,
    /// [`Message::PullQuery`].
    PullQuery,
    /// [`Message::Chits`].
    Chits,
}

impl MessageKind {
    /// The kind of answer that a request of this kind has; `None` if this is an answer itself.
    #[must_use]
    pub const fn answer(self) -> Option<Self> {
        match self {
            Self::GetStateSummaryFrontier => Some(Self::StateSummaryFrontier),
            Self::GetAcceptedStateSummary => Some(Self::AcceptedStateSummary),
            Self::GetAcceptedFrontier => Some(Self::AcceptedFrontier),
            Self::GetAccepted => Some(Self::Accepted),
            Self::GetAncestors => Some(Self::Ancestors),
            Self::Get => Some(Self::Put),
            Self::PushQuery | Self::PullQuery => Some(Self::Chits),
            _ => None,
        }
    }
}
