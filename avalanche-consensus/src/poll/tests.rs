//! The rules of polls, one claim a test.

mod model;
mod property;
mod set;
mod termination;

use std::collections::BTreeMap;

use super::Polls;
use crate::snowball::Parameters;
use crate::{Bag, HashKey, Id, NodeId};

/// Identifiers that share no prefix with each other unless their low bits agree: bit 0 of the
/// identifier is bit 0 of `n`.
fn id(n: u8) -> Id {
    let mut bytes = [0; 32];
    bytes[0] = n;
    bytes[31] = 1;
    Id::new(bytes)
}

fn node(n: u8) -> NodeId {
    NodeId::new([n; 20])
}

/// The validators 0 to `count`, each sampled once.
fn nodes(count: u8) -> Bag<NodeId> {
    (0..count).map(node).collect()
}

/// Blocks by child and parent.
fn tree(edges: &[(u8, u8)]) -> BTreeMap<Id, Id> {
    edges.iter().map(|(child, parent)| (id(*child), id(*parent))).collect()
}

fn votes(counts: &[(u8, u32)]) -> Bag {
    counts.iter().map(|(block, count)| (id(*block), *count)).collect()
}

fn polls(k: u32, alpha_preference: u32, alpha_confidence: u32) -> Polls {
    let parameters = Parameters::new(k, alpha_preference, alpha_confidence, 1).unwrap();
    Polls::new(&parameters, HashKey::from_seed([7; 32]))
}
