//! Spread items, such as transactions, to every peer, and each to a peer once if possible.
//!
//! A node pushes the items that begin at it to a few peers. The rest is pulled: now and then each
//! node sends a filter of what it has to one peer, and gets what is not in it. Items that came from
//! others are not pushed again, so nearly every peer gets an item once.
//!
//! ```text
//!  own item --> add_own --> [to push] --- poll(now, peers) --> PushGossip to peers by stake,
//!                  |                                           again after a period, to others
//!                  v
//!             GossipSet <-- add <-- the caller verifies <-- receive_push, receive_pull
//!              |     ^
//!              |     +-- pull_request: filter and salt  ------> one peer
//!              +-------- answer_pull: what it does not have --> back, up to some bytes
//! ```
//!
//! Formats and rules are those of AvalancheGo's `network/p2p/gossip`: a request or gossip begins
//! with the number of its handler ([`prefix`]), the rest is protobuf (`sdk.proto`), filters are
//! those of `utils/bloom`.
//!
//! What a peer does wrong is a [`GossipFault`]; nothing of such a message is used.
//!
//! # Limits
//!
//! [`GossipConfig`] has a bound for everything: items and bytes that are kept, items that wait to
//! be pushed, items of a message, bytes of an answer, items looked at for an answer, and requests
//! of a peer in a while.

mod config;
mod fault;
mod message;
mod peers;
pub mod prefix;
mod push;
mod set;
mod system;
mod throttle;

pub use config::{FilterConfig, GossipConfig};
pub use fault::GossipFault;
pub use peers::{GossipPeer, sample_by_stake};
pub use push::Push;
pub use set::{Added, GossipSet};
pub use system::{Gossip, GossipStats};

use avalanche_consensus::Id;
use bytes::Bytes;

/// Something that can be gossiped.
///
/// Equal ids mean equal items. AvalancheGo's `gossip.Gossipable` and `Marshaller` in one.
pub trait Gossipable: Clone {
    /// The name of the item, which filters are made of.
    fn id(&self) -> Id;
    /// The item as it is sent.
    fn to_bytes(&self) -> Bytes;
    /// Reads an item that a peer sent. `None` if the bytes are none.
    fn parse(bytes: &Bytes) -> Option<Self>;
}

#[cfg(test)]
mod tests;
