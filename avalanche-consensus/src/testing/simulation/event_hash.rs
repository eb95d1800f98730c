//! One hash over everything that happened.

use super::block::BlockRef;
use crate::engine::{Message, Output};
use crate::{Id, Timestamp};

/// BLAKE3 over the time, the node and the outputs of every event, all numbers little-endian: equal
/// on every machine and for every build of the same code.
///
/// Blocks count with the first eight bytes of their names.
#[derive(Debug)]
pub(super) struct EventHash {
    hasher: blake3::Hasher,
    /// BLAKE3 is several times faster in large pieces.
    buffer: Vec<u8>,
}

const BUFFER: usize = 1 << 14;

impl EventHash {
    pub(super) fn new() -> Self {
        let hasher = blake3::Hasher::new_derive_key("avalanche/consensus/simulation/events/v1");
        Self { hasher, buffer: Vec::with_capacity(BUFFER + 512) }
    }

    /// An event happens to a node.
    pub(super) fn event(&mut self, now: Timestamp, node: u32, kind: u8) {
        if self.buffer.len() >= BUFFER {
            self.hasher.update(&self.buffer);
            self.buffer.clear();
        }
        self.byte(kind);
        self.number(now.as_nanos());
        self.small(node);
    }

    /// A node wants something done.
    pub(super) fn output(&mut self, output: &Output<BlockRef>) {
        match output {
            Output::Send { to, message } => {
                self.byte(128);
                let [b0, b1, b2, b3, ..] = *to.as_bytes();
                self.buffer.extend_from_slice(&[b0, b1, b2, b3]);
                self.message(message);
            }
            Output::Call { id, .. } => {
                self.byte(129);
                self.number(id.0);
            }
            Output::Accept(block) => {
                self.byte(130);
                self.id(&block.id());
            }
            Output::Reject(block) => {
                self.byte(131);
                self.id(&block.id());
            }
            Output::SetPreference(id) => {
                self.byte(132);
                self.id(id);
            }
            Output::StoreBlocks(blocks) => {
                self.byte(133);
                blocks.iter().for_each(|block| self.id(&block.id()));
            }
            Output::Bootstrapped => self.byte(134),
            Output::Fault { node, .. } => {
                self.byte(135);
                self.buffer.extend_from_slice(&node.as_bytes()[..4]);
            }
            Output::Benched(_) => self.byte(136),
            Output::Unbenched(_) => self.byte(137),
        }
    }

    /// The hash of what happened so far.
    pub(super) fn finish(&self) -> [u8; 32] {
        let mut hasher = self.hasher.clone();
        hasher.update(&self.buffer);
        *hasher.finalize().as_bytes()
    }

    fn message(&mut self, message: &Message<BlockRef>) {
        self.byte(message.kind() as u8);
        self.small(message.request_id());
        match message {
            Message::PushQuery { block: Some(block), requested_height, .. } => {
                self.id(&block.id());
                self.number(requested_height.get());
            }
            Message::PullQuery { id, requested_height, .. } => {
                self.id(id);
                self.number(requested_height.get());
            }
            Message::Chits {
                preferred, preferred_at_height, accepted, accepted_height, ..
            } => {
                self.id(preferred);
                self.id(preferred_at_height);
                self.id(accepted);
                self.number(accepted_height.get());
            }
            Message::Get { id, .. }
            | Message::GetAncestors { id, .. }
            | Message::AcceptedFrontier { id, .. } => self.id(id),
            Message::Put { block: Some(block), .. } => self.id(&block.id()),
            Message::Ancestors { blocks: Some(blocks), .. } => {
                blocks.iter().for_each(|block| self.id(&block.id()));
            }
            Message::GetAccepted { ids, .. } | Message::Accepted { ids, .. } => {
                ids.iter().for_each(|id| self.id(id));
            }
            _ => {}
        }
    }

    fn byte(&mut self, byte: u8) {
        self.buffer.push(byte);
    }

    fn small(&mut self, number: u32) {
        self.buffer.extend_from_slice(&number.to_le_bytes());
    }

    fn number(&mut self, number: u64) {
        self.buffer.extend_from_slice(&number.to_le_bytes());
    }

    fn id(&mut self, id: &Id) {
        self.buffer.extend_from_slice(&id.as_bytes()[..8]);
    }
}
