//! What consensus is at, and why.

use avalanche_consensus::{Id, NodeId};
use serde::{Deserialize, Serialize};

use super::decimal;

/// The answer of `GET consensus/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsensusStatus {
    /// The chain.
    pub chain: Id,
    /// What people call it.
    pub name: String,
    /// Which consensus it runs.
    pub mode: Mode,
    /// The phase of its engine; left out while the engine does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Why the engine does not run, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// The parameters of consensus.
    pub parameters: Parameters,
    /// The tip of the preferred branch.
    pub preference: Id,
    /// The last accepted block.
    pub last_accepted: Tip,
    /// Blocks that are verified and not decided.
    pub processing: u32,
    /// Open polls.
    pub polls: u32,
    /// Connected weight as a fraction of the total, from 0 to 1.
    pub connected: f64,
    /// Transactions that wait for a block.
    #[serde(with = "decimal")]
    pub pending: u64,
    /// How fast the last blocks became final.
    pub finality: Finality,
    /// The engine's counters since it started.
    pub stats: Stats,
}

/// Which consensus a chain runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A linear chain.
    Snowman,
}

/// What an engine is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Looking for a state to start from.
    StateSyncing,
    /// Downloading and executing what the network accepted.
    Bootstrapping,
    /// Deciding together with the others.
    NormalOperation,
}

/// The parameters of consensus, by AvalancheGo's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// Samples drawn for one poll.
    pub k: u32,
    /// Votes that set the preference.
    pub alpha_preference: u32,
    /// Votes that raise confidence.
    pub alpha_confidence: u32,
    /// Polls in a row that decide.
    pub beta: u32,
    /// Polls kept open while anything is processing.
    pub concurrent_repolls: u32,
    /// Blocks that may be processing before building stops.
    pub optimal_processing: u32,
    /// Blocks that may be processing while the chain is healthy.
    pub max_outstanding_items: u32,
    /// How long a block may be processing while the chain is healthy.
    #[serde(with = "decimal")]
    pub max_item_processing_us: u64,
}

/// A block and its height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    /// The block.
    pub id: Id,
    /// Its height.
    #[serde(with = "decimal")]
    pub height: u64,
}

/// How fast the last blocks became final on this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finality {
    /// Transactions that were accepted since the chain started.
    #[serde(with = "decimal")]
    pub transactions: u64,
    /// The median over the last blocks, from first sight to acceptance.
    #[serde(with = "decimal")]
    pub p50_us: u64,
    /// The 99th percentile over them.
    #[serde(with = "decimal")]
    pub p99_us: u64,
}

/// Counters of an engine since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Polls that were opened.
    #[serde(with = "decimal")]
    pub polls: u64,
    /// Messages to peers.
    #[serde(with = "decimal")]
    pub sent: u64,
    /// Requests that were not answered in time or could not be sent.
    #[serde(with = "decimal")]
    pub failed_requests: u64,
    /// Queries that were not sent, for want of connected weight or of room.
    #[serde(with = "decimal")]
    pub queries_dropped: u64,
    /// Blocks that were verified.
    #[serde(with = "decimal")]
    pub verified: u64,
    /// Blocks that were found invalid.
    #[serde(with = "decimal")]
    pub invalid: u64,
    /// Blocks that were accepted.
    #[serde(with = "decimal")]
    pub accepted: u64,
    /// Blocks that were rejected.
    #[serde(with = "decimal")]
    pub rejected: u64,
    /// Blocks that were built here.
    #[serde(with = "decimal")]
    pub built: u64,
    /// Votes that counted for no block.
    #[serde(with = "decimal")]
    pub votes_dropped: u64,
    /// Faults of peers.
    #[serde(with = "decimal")]
    pub faults: u64,
}

/// The answer of `POST consensus/block`: the block is issued, which is not final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockIssued {
    /// The block.
    pub id: Id,
}

/// The answer of `GET consensus/blocks/{id}/explain`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The block.
    pub id: Id,
    /// Its height, if the engine has the block.
    #[serde(with = "decimal::option", default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// What stands in the way, or that the block is decided.
    pub cause: Cause,
    /// The cause in a sentence.
    pub message: String,
    /// Connected weight as a fraction of the total, from 0 to 1: what polls can reach.
    pub connected: f64,
    /// The last polls, oldest first.
    pub polls: Vec<Poll>,
}

/// Why a block is not final.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// Nothing: the block is final.
    Accepted,
    /// It never will be final: a rival is.
    Rejected,
    /// This node has not heard of the block, or has forgotten about it.
    Unknown,
    /// An ancestor is missing.
    MissingAncestor {
        /// The ancestor.
        ancestor: Id,
        /// The peer that was asked for it and has not answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<NodeId>,
    },
    /// The VM has not given its verdict on the block or on an ancestor.
    VerificationPending {
        /// The block that is being verified.
        block: Id,
        /// Since when it waits.
        #[serde(with = "decimal")]
        since_ns: u64,
    },
    /// The VM found the block or an ancestor of it invalid, so far.
    VerificationFailed,
    /// Too little weight is connected to ask anybody.
    WeightUnreachable {
        /// Connected weight as a fraction of the total.
        connected: f64,
        /// The fraction that is needed.
        needed: f64,
    },
    /// Most of the last polls did not get enough answers in time.
    PollsTimingOut {
        /// Polls that peers left without an answer.
        failed: u32,
        /// Polls that were looked at.
        of: u32,
    },
    /// The network, as far as this node has heard, prefers a rival.
    MinorityPreference {
        /// The preferred block at the block's height, or the preferred tip below it.
        preferred: Id,
    },
    /// An ancestor is preferred and not decided yet.
    BehindUndecidedParent {
        /// The parent.
        parent: Id,
    },
    /// Nothing: polls about the block are under way.
    Deciding,
    /// A cause that this version has no name for; the message says it.
    #[serde(other)]
    Other,
}

/// How a poll went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// The number of its query.
    pub request_id: u32,
    /// The block that the query named.
    pub about: Id,
    /// When it was opened.
    #[serde(with = "decimal")]
    pub opened_ns: u64,
    /// When it left; left out while it is open.
    #[serde(with = "decimal::option", default, skip_serializing_if = "Option::is_none")]
    pub finished_ns: Option<u64>,
    /// Peers that did not answer in time, so far.
    pub failed: u32,
    /// The blocks that the votes counted for.
    pub votes: Vec<Votes>,
}

/// Votes for one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Votes {
    /// The block.
    pub block: Id,
    /// How many.
    pub count: u32,
}
