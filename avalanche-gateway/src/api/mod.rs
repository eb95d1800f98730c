//! What goes over the wire: the same types for the server and for its clients.
//!
//! ```text
//!   avalanche-chain's types --server--> these --JSON--> these --client--> a program
//! ```
//!
//! # Forms
//!
//! - 64-bit integers are decimal strings, since JavaScript rounds numbers above 2^53. Numbers are
//!   read, too. Smaller integers and fractions are JSON numbers.
//! - Identifiers and addresses are written in CB58. Hexadecimal with or without `0x` is read, too.
//! - Bytes are hexadecimal with `0x`.
//! - Times are nanoseconds since the Unix epoch, and fields named so: `.._ns`. Durations are
//!   microseconds: `.._us`.
//! - A field that has nothing to say is left out. Readers pass over fields that they do not know;
//!   the server refuses those in requests.

mod batch;
mod chains;
mod consensus;
pub mod decimal;
mod error;
mod events;
mod hex;
mod node;
#[cfg(test)]
mod tests;
mod transactions;

pub use batch::{BatchAnswer, BatchBody, Refused, frame, frame_into};
pub use chains::{Block, BlockForm, BlockStatus, Blocks, Chain, Chains};
pub use consensus::{
    BlockIssued, Cause, ConsensusStatus, Explanation, Finality, Mode, Parameters, Phase, Poll,
    Stats, Tip, Votes,
};
pub use error::ErrorBody;
pub use events::{ConsensusEvent, CursorError, Event, EventCursor, Topic, TopicError};
pub use hex::{HexBytes, HexError};
pub use node::{Health, Part, Peer, Peers, Validator, Validators, Version};
pub use transactions::{
    AddressTransaction, AddressTransactions, Pending, RawJson, SubmitBody, Transaction,
    TransactionStatus,
};

/// What the paths of the API begin with.
pub const PREFIX: &str = "/api/v1";
/// In a path, the chain that a node names first, unless a chain has this name.
pub const DEFAULT_CHAIN: &str = "default";
/// The media type of bodies that are bytes.
pub const OCTETS: &str = "application/octet-stream";
/// The header that names a request in the node's log.
pub const TRACE_HEADER: &str = "x-trace-id";
