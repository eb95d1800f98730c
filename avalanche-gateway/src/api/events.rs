//! What a WebSocket of events carries: one JSON text a message.

use std::borrow::Cow;
use std::str::FromStr;
use std::{error, fmt};

use avalanche_consensus::{Id, NodeId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Block, Peer, Phase, decimal};

/// A message of `GET ws`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "topic", rename_all = "snake_case")]
pub enum Event {
    /// A block is final. Heights come one by one.
    Blocks {
        /// Where a reader that comes again goes on from.
        cursor: EventCursor,
        /// The block.
        block: Block,
        /// From its first sight on this node to its acceptance; left out if it was read from the
        /// log.
        #[serde(with = "decimal::option", default, skip_serializing_if = "Option::is_none")]
        finality_us: Option<u64>,
    },
    /// Transactions are final: those of one block, in their order, in as many messages as it takes.
    Transactions {
        /// Where a reader that comes again goes on from.
        cursor: EventCursor,
        /// The block.
        block: Id,
        /// Its height.
        #[serde(with = "decimal")]
        height: u64,
        /// The place in the block of the first of `ids`.
        first: u32,
        /// The transactions.
        ids: Vec<Id>,
    },
    /// Something happened on the way to a decision. These are told as they happen, and not again.
    Consensus {
        /// What.
        event: ConsensusEvent,
    },
    /// Peers came or went. The first message of a connection has all that are there.
    Peers {
        /// Those that came.
        connected: Vec<Peer>,
        /// Those that went.
        disconnected: Vec<NodeId>,
    },
}

impl Event {
    /// Where a reader that comes again goes on from; `None` for what is not told again.
    #[must_use]
    pub const fn cursor(&self) -> Option<EventCursor> {
        match self {
            Self::Blocks { cursor, .. } | Self::Transactions { cursor, .. } => Some(*cursor),
            Self::Consensus { .. } | Self::Peers { .. } => None,
        }
    }
}

/// What happened on the way to a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ConsensusEvent {
    /// A block that was verified can never become final.
    Rejected {
        /// The block.
        id: Id,
        /// Its height.
        #[serde(with = "decimal")]
        height: u64,
    },
    /// The tip of the preferred branch changed.
    Preferred {
        /// The tip.
        id: Id,
    },
    /// The engine entered a phase.
    Phase {
        /// The phase.
        phase: Phase,
    },
    /// The chain stopped.
    Stopped {
        /// Why.
        reason: String,
    },
    /// The reader was too slow: so many events were passed over, at least.
    Missed {
        /// How many, accepted blocks among them: those come again.
        #[serde(with = "decimal")]
        count: u64,
    },
    /// Something that this version has no name for.
    #[serde(other)]
    Other,
}

/// What a reader of events can ask for, in `?topics=`, with commas between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Accepted blocks.
    Blocks,
    /// Accepted transactions.
    Transactions,
    /// What happens on the way to a decision.
    Consensus,
    /// Peers that come and go.
    Peers,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Blocks, Self::Transactions, Self::Consensus, Self::Peers];
}

/// A place in the order of what becomes final on a chain: a block comes before its transactions.
///
/// Its text is the block's height, as `17`, and for transactions the place of the last one that was
/// told, as `17-3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventCursor {
    /// The height.
    pub height: u64,
    /// The place in the block, from 0; `None` is the block itself.
    pub index: Option<u32>,
}

/// Text that is no cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorError {
    /// The text.
    pub found: String,
}

/// Text that is no topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicError {
    /// The text.
    pub found: String,
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blocks => "blocks",
            Self::Transactions => "transactions",
            Self::Consensus => "consensus",
            Self::Peers => "peers",
        })
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        let found = Self::ALL.into_iter().find(|topic| topic.to_string() == text);
        found.ok_or_else(|| TopicError { found: text.to_owned() })
    }
}

impl fmt::Display for EventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            None => write!(f, "{}", self.height),
            Some(index) => write!(f, "{}-{index}", self.height),
        }
    }
}

impl FromStr for EventCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (height, index) = match text.split_once('-') {
            None => (text, None),
            Some((height, index)) => (height, Some(index)),
        };
        let index = index.map(str::parse).transpose().ok();
        let parsed = height.parse().ok().zip(index);
        let parsed = parsed.map(|(height, index)| Self { height, index });
        parsed.ok_or_else(|| CursorError { found: text.to_owned() })
    }
}

impl Serialize for EventCursor {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventCursor {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for CursorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = &self.found;
        write!(f, "{found:?} is no cursor; allowed are a height as 17, or height and place as 17-3")
    }
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = &self.found;
        write!(f, "{found:?} is no topic; allowed are blocks, transactions, consensus and peers")
    }
}

impl error::Error for CursorError {}

impl error::Error for TopicError {}
