//! What a node knows of others from one run to the next.

mod error;
mod file;
mod format;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use avalanche_consensus::NodeId;

pub use error::{AddressBookDamage, AddressBookError};

use super::hello::canonical;
use super::{Bans, ClaimedIp};

/// What is kept of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownNode {
    /// Where it was reached, or said it could be.
    pub addr: SocketAddr,
    /// When it was connected last, in Unix seconds.
    pub last_seen_unix: u64,
    claim: Option<ClaimedIp>,
}

impl KnownNode {
    /// The newest claim of the node, for [`IpTracker::restore`](super::IpTracker::restore), which
    /// verifies it.
    #[must_use]
    pub const fn claim(&self) -> Option<&ClaimedIp> {
        self.claim.as_ref()
    }
}

/// Nodes that were connected and where they were, and who is banned.
///
/// Only nodes with which a handshake was finished should be put in: whoever makes identities could
/// otherwise push out the others. It is plain data; [`AddressBook::load`] and [`AddressBook::save`]
/// block, and are for threads that may.
///
/// # Format
///
/// ```text
/// "AVAXPEER" | version: u16, 1 | nodes: u16 | bans: u16
/// each node: id: 20 | last seen: u64 | ip: 16 | port: u16 | certificate: u16 length, bytes
///     if the certificate is not empty:
///            signed at: u64 | ip: 16 | port: u16 | signature: u16 length, bytes
/// each ban:  id: 20 | until: u64 | reason: u8 length, UTF-8
/// BLAKE3 of all before: 32
/// ```
///
/// Numbers are big-endian, an IPv4 address is mapped into IPv6, nodes and bans are in the order of
/// their identifiers. A book has exactly one form in bytes, and no other bytes are read.
///
/// # Limits
///
/// At most [`AddressBook::NODES_MAX`] nodes; one more takes the place of the one seen least lately,
/// found in O(n). At most [`Bans::MAX`] bans. A file has at most [`AddressBook::FILE_BYTES_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressBook {
    nodes: BTreeMap<NodeId, KnownNode>,
    /// Who is banned.
    pub bans: Bans,
}

impl AddressBook {
    /// Nodes that are kept: 4,096.
    pub const NODES_MAX: usize = 1 << 12;
    /// Bytes of a signature that is kept with its claim: those of RSA with 4,096 bits.
    pub const SIGNATURE_BYTES_MAX: usize = 512;

    /// Knows nobody.
    #[must_use]
    pub const fn new() -> Self {
        Self { nodes: BTreeMap::new(), bans: Bans::new() }
    }

    /// Takes in that a node was connected at an address. Its claim stays.
    pub fn seen(&mut self, node: NodeId, addr: SocketAddr, unix: u64) {
        let known = self.entry(node, addr, unix);
        known.addr = canonical(addr);
        known.last_seen_unix = known.last_seen_unix.max(unix);
    }

    /// Takes in that a node was connected, with the claim of its handshake; of two claims the later
    /// one is kept. A claim whose signature is too long to be right is not kept.
    pub fn claimed(&mut self, claim: &ClaimedIp, unix: u64) {
        let known = self.entry(claim.node_id(), claim.addr(), unix);
        known.last_seen_unix = known.last_seen_unix.max(unix);
        let newer = known.claim.as_ref().is_none_or(|old| old.timestamp() < claim.timestamp());
        if newer && claim.tls_signature().len() <= Self::SIGNATURE_BYTES_MAX {
            known.addr = claim.addr();
            known.claim = Some(claim.detached());
        }
    }

    /// Forgets a node. Returns what was known.
    pub fn remove(&mut self, node: &NodeId) -> Option<KnownNode> {
        self.nodes.remove(node)
    }

    /// What is known of a node.
    #[must_use]
    pub fn get(&self, node: &NodeId) -> Option<&KnownNode> {
        self.nodes.get(node)
    }

    /// All nodes, by identifier.
    #[must_use = "iterators are lazy"]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&NodeId, &KnownNode)> {
        self.nodes.iter()
    }

    /// The nodes by when they were connected, latest first.
    #[must_use]
    pub fn latest(&self) -> Vec<(NodeId, SocketAddr)> {
        let mut nodes: Vec<_> = self.nodes.iter().collect();
        nodes.sort_by_key(|(_, known)| std::cmp::Reverse(known.last_seen_unix));
        nodes.into_iter().map(|(node, known)| (*node, known.addr)).collect()
    }

    /// Number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no node is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    fn entry(&mut self, node: NodeId, addr: SocketAddr, unix: u64) -> &mut KnownNode {
        if !self.nodes.contains_key(&node) && self.nodes.len() >= Self::NODES_MAX {
            let oldest = self.nodes.iter().min_by_key(|(_, known)| known.last_seen_unix);
            if let Some(oldest) = oldest.map(|(node, _)| *node) {
                self.nodes.remove(&oldest);
            }
        }
        let new = KnownNode { addr: canonical(addr), last_seen_unix: unix, claim: None };
        self.nodes.entry(node).or_insert(new)
    }
}

#[cfg(test)]
mod tests;
