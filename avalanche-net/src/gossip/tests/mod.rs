//! What the tests of gossip share.

use super::*;
use crate::peers::SeedStream;
use avalanche_consensus::sampler::Source;
use avalanche_consensus::{NodeId, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

mod set;
mod simulation;
mod steps;

/// Any bytes that do not begin with a zero.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tx(Bytes);

impl Gossipable for Tx {
    fn id(&self) -> Id {
        Id::hash(&self.0)
    }

    fn to_bytes(&self) -> Bytes {
        self.0.clone()
    }

    fn parse(bytes: &Bytes) -> Option<Self> {
        (bytes.first()? != &0).then(|| Self(bytes.clone()))
    }
}

/// A transaction of `length` bytes, at least eight.
fn tx(number: u64, length: usize) -> Tx {
    let mut bytes = vec![1; length.max(8)];
    bytes[..8].copy_from_slice(&(number + 1).to_le_bytes());
    bytes[0] |= 1;
    bytes[7] = u8::try_from(number % 2).unwrap();
    Tx(Bytes::from(bytes))
}

fn node(byte: u8) -> NodeId {
    NodeId::new([byte; 20])
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn peers(weights: &[u64]) -> Vec<GossipPeer> {
    (1..)
        .zip(weights)
        .map(|(byte, weight)| GossipPeer { node: node(byte), weight: *weight })
        .collect()
}
