//! Kinds of messages: their names, classes, answers, and which of them are compressed.

use std::fmt;

use super::p2p::message::Message as Body;

/// The kind of a message (AvalancheGo `message/ops.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// Keeps a connection alive, and says how long the sender saw the receiver.
    Ping,
    /// Answers a ping.
    Pong,
    /// The first message of each side.
    Handshake,
    /// Asks for addresses of validators that the sender does not know.
    GetPeerList,
    /// Addresses of validators, signed by them.
    PeerList,
    /// Asks for the newest state summary.
    GetStateSummaryFrontier,
    /// The newest state summary.
    StateSummaryFrontier,
    /// Asks which summaries at some heights are accepted.
    GetAcceptedStateSummary,
    /// Ids of accepted summaries.
    AcceptedStateSummary,
    /// Asks for the last accepted block.
    GetAcceptedFrontier,
    /// The last accepted block.
    AcceptedFrontier,
    /// Asks which of some blocks are accepted.
    GetAccepted,
    /// Those that are accepted.
    Accepted,
    /// Asks for a block and its ancestors.
    GetAncestors,
    /// A block and its ancestors, children first.
    Ancestors,
    /// Asks for a block.
    Get,
    /// A block.
    Put,
    /// Asks for a vote, with the block.
    PushQuery,
    /// Asks for a vote, with the id of the block.
    PullQuery,
    /// A vote.
    Chits,
    /// A request of an application.
    AppRequest,
    /// The answer to a request of an application.
    AppResponse,
    /// The failure of a request of an application.
    AppError,
    /// What an application spreads.
    AppGossip,
    /// Of an experimental engine: decoded as far as its chain, and ignored.
    Simplex,
}

/// What a message is for: peers queue and count messages by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Life of the connection: pings, handshakes, peer lists.
    Control,
    /// Blocks and votes.
    Consensus,
    /// State sync and bootstrapping.
    Sync,
    /// Applications.
    App,
}

impl Op {
    /// All kinds, in the order of their declaration.
    pub const ALL: &[Self] = &[
        Self::Ping,
        Self::Pong,
        Self::Handshake,
        Self::GetPeerList,
        Self::PeerList,
        Self::GetStateSummaryFrontier,
        Self::StateSummaryFrontier,
        Self::GetAcceptedStateSummary,
        Self::AcceptedStateSummary,
        Self::GetAcceptedFrontier,
        Self::AcceptedFrontier,
        Self::GetAccepted,
        Self::Accepted,
        Self::GetAncestors,
        Self::Ancestors,
        Self::Get,
        Self::Put,
        Self::PushQuery,
        Self::PullQuery,
        Self::Chits,
        Self::AppRequest,
        Self::AppResponse,
        Self::AppError,
        Self::AppGossip,
        Self::Simplex,
    ];

    /// The kind of a body. None for the compressed form of another message.
    #[must_use]
    pub const fn of(body: &Body) -> Option<Self> {
        Some(match body {
            Body::CompressedZstd(_) => return None,
            Body::Ping(_) => Self::Ping,
            Body::Pong(_) => Self::Pong,
            Body::Handshake(_) => Self::Handshake,
            Body::GetPeerList(_) => Self::GetPeerList,
            Body::PeerList(_) => Self::PeerList,
            Body::GetStateSummaryFrontier(_) => Self::GetStateSummaryFrontier,
            Body::StateSummaryFrontier(_) => Self::StateSummaryFrontier,
            Body::GetAcceptedStateSummary(_) => Self::GetAcceptedStateSummary,
            Body::AcceptedStateSummary(_) => Self::AcceptedStateSummary,
            Body::GetAcceptedFrontier(_) => Self::GetAcceptedFrontier,
            Body::AcceptedFrontier(_) => Self::AcceptedFrontier,
            Body::GetAccepted(_) => Self::GetAccepted,
            Body::Accepted(_) => Self::Accepted,
            Body::GetAncestors(_) => Self::GetAncestors,
            Body::Ancestors(_) => Self::Ancestors,
            Body::Get(_) => Self::Get,
            Body::Put(_) => Self::Put,
            Body::PushQuery(_) => Self::PushQuery,
            Body::PullQuery(_) => Self::PullQuery,
            Body::Chits(_) => Self::Chits,
            Body::AppRequest(_) => Self::AppRequest,
            Body::AppResponse(_) => Self::AppResponse,
            Body::AppError(_) => Self::AppError,
            Body::AppGossip(_) => Self::AppGossip,
            Body::Simplex(_) => Self::Simplex,
        })
    }

    /// The name, as the protocol spells the field: a label of metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::Handshake => "handshake",
            Self::GetPeerList => "get_peer_list",
            Self::PeerList => "peer_list",
            Self::GetStateSummaryFrontier => "get_state_summary_frontier",
            Self::StateSummaryFrontier => "state_summary_frontier",
            Self::GetAcceptedStateSummary => "get_accepted_state_summary",
            Self::AcceptedStateSummary => "accepted_state_summary",
            Self::GetAcceptedFrontier => "get_accepted_frontier",
            Self::AcceptedFrontier => "accepted_frontier",
            Self::GetAccepted => "get_accepted",
            Self::Accepted => "accepted",
            Self::GetAncestors => "get_ancestors",
            Self::Ancestors => "ancestors",
            Self::Get => "get",
            Self::Put => "put",
            Self::PushQuery => "push_query",
            Self::PullQuery => "pull_query",
            Self::Chits => "chits",
            Self::AppRequest => "app_request",
            Self::AppResponse => "app_response",
            Self::AppError => "app_error",
            Self::AppGossip => "app_gossip",
            Self::Simplex => "simplex",
        }
    }

    /// What it is for. Messages of the experimental engine count as consensus.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::Ping | Self::Pong | Self::Handshake | Self::GetPeerList | Self::PeerList => {
                Class::Control
            }
            Self::Get
            | Self::Put
            | Self::PushQuery
            | Self::PullQuery
            | Self::Chits
            | Self::Simplex => Class::Consensus,
            Self::GetStateSummaryFrontier
            | Self::StateSummaryFrontier
            | Self::GetAcceptedStateSummary
            | Self::AcceptedStateSummary
            | Self::GetAcceptedFrontier
            | Self::AcceptedFrontier
            | Self::GetAccepted
            | Self::Accepted
            | Self::GetAncestors
            | Self::Ancestors => Class::Sync,
            Self::AppRequest | Self::AppResponse | Self::AppError | Self::AppGossip => Class::App,
        }
    }

    /// The answer to a request with a request id. That of [`Op::AppRequest`] may also be
    /// [`Op::AppError`]: see [`Op::is_answered_by`].
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
            Self::AppRequest => Some(Self::AppResponse),
            _ => None,
        }
    }

    /// Whether it asks for an answer under a request id.
    #[must_use]
    pub const fn is_request(self) -> bool {
        self.answer().is_some()
    }

    /// Whether it answers a request under a request id.
    #[must_use]
    pub const fn is_answer(self) -> bool {
        matches!(
            self,
            Self::StateSummaryFrontier
                | Self::AcceptedStateSummary
                | Self::AcceptedFrontier
                | Self::Accepted
                | Self::Ancestors
                | Self::Put
                | Self::Chits
                | Self::AppResponse
                | Self::AppError
        )
    }

    /// Whether `other` ends this request.
    #[must_use]
    pub fn is_answered_by(self, other: Self) -> bool {
        self.answer() == Some(other) || (self == Self::AppRequest && other == Self::AppError)
    }

    /// Whether a sender compresses it when it compresses at all (AvalancheGo
    /// `message/outbound_msg_builder.go`). Receivers accept both forms of every kind.
    #[must_use]
    pub const fn is_compressed(self) -> bool {
        matches!(
            self,
            Self::GetPeerList
                | Self::PeerList
                | Self::StateSummaryFrontier
                | Self::GetAcceptedStateSummary
                | Self::AcceptedStateSummary
                | Self::Ancestors
                | Self::Put
                | Self::PushQuery
                | Self::AppRequest
                | Self::AppResponse
                | Self::AppError
                | Self::AppGossip
                | Self::Simplex
        )
    }
}

impl Class {
    /// All classes, in the order of their declaration.
    pub const ALL: &[Self] = &[Self::Control, Self::Consensus, Self::Sync, Self::App];

    /// The name: a label of metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Consensus => "consensus",
            Self::Sync => "sync",
            Self::App => "app",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lists_every_kind_once_in_order() {
        assert_eq!(Op::ALL.len(), 25);
        assert!(Op::ALL.is_sorted_by(|a, b| a < b));
        let names: std::collections::BTreeSet<_> = Op::ALL.iter().map(|op| op.as_str()).collect();
        assert_eq!(names.len(), Op::ALL.len());
        assert!(Class::ALL.iter().all(|class| Op::ALL.iter().any(|op| op.class() == *class)));
    }

    #[test]
    fn every_answer_answers_some_request_of_its_class() {
        for answer in Op::ALL {
            let mut requests = Op::ALL.iter().filter(|op| op.is_answered_by(*answer)).peekable();
            assert_eq!(requests.peek().is_some(), answer.is_answer(), "{answer}");
            assert!(requests.all(|op| op.class() == answer.class()), "{answer}");
            assert!(!(answer.is_request() && answer.is_answer()), "{answer}");
        }
        assert_eq!(Op::ALL.iter().filter(|op| op.is_request()).count(), 9);
        assert_eq!(Op::ALL.iter().filter(|op| op.is_compressed()).count(), 13);
    }
}
