//! Blocks that are neither decided nor processing, and who is waited for.

use std::collections::BTreeMap;

use crate::engine::{Limits, ParsedBlock};
use crate::vocabulary::IdMap;
use crate::{HashKey, Id, NodeId, Timestamp};

/// Blocks that wait for their parent or for their verdict.
#[derive(Debug)]
pub(super) struct Pending<H> {
    blocks: IdMap<Id, Waiting<H>>,
    bytes: u64,
    of_node: BTreeMap<NodeId, usize>,
    /// Those of nodes that were no validators.
    of_strangers: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Waiting<H> {
    pub(super) block: ParsedBlock<H>,
    pub(super) from: NodeId,
    stranger: bool,
    pub(super) since: Timestamp,
    /// Whether the VM has been asked for the verdict.
    pub(super) verifying: bool,
}

impl<H> Pending<H> {
    pub(super) fn new(key: HashKey) -> Self {
        Self { blocks: IdMap::new(key), bytes: 0, of_node: BTreeMap::new(), of_strangers: 0 }
    }

    /// Whether one more block of a node is within the bounds.
    pub(super) fn has_room(
        &self,
        limits: &Limits,
        from: &NodeId,
        stranger: bool,
        bytes: u32,
    ) -> bool {
        self.blocks.len() < limits.pending_max
            && self.bytes.saturating_add(u64::from(bytes)) <= limits.pending_bytes_max
            && self.of_node.get(from).is_none_or(|blocks| *blocks < limits.pending_per_node_max)
            && !(stranger && self.of_strangers >= limits.pending_max / 2)
    }

    pub(super) fn insert(
        &mut self,
        block: ParsedBlock<H>,
        from: NodeId,
        stranger: bool,
        now: Timestamp,
    ) {
        self.remove(&block.id());
        self.bytes = self.bytes.saturating_add(u64::from(block.bytes));
        *self.of_node.entry(from).or_insert(0) += 1;
        self.of_strangers += usize::from(stranger);
        let id = block.id();
        self.blocks.insert(id, Waiting { block, from, stranger, since: now, verifying: false });
    }

    pub(super) fn remove(&mut self, id: &Id) -> Option<Waiting<H>> {
        let waiting = self.blocks.remove(id)?;
        self.bytes = self.bytes.saturating_sub(u64::from(waiting.block.bytes));
        self.of_strangers -= usize::from(waiting.stranger);
        if let Some(blocks) = self.of_node.get_mut(&waiting.from) {
            *blocks -= 1;
            if *blocks == 0 {
                self.of_node.remove(&waiting.from);
            }
        }
        Some(waiting)
    }

    pub(super) fn get(&self, id: &Id) -> Option<&Waiting<H>> {
        self.blocks.get(id)
    }

    /// Notes that the VM has been asked.
    pub(super) fn verifying(&mut self, id: &Id) {
        if let Some(waiting) = self.blocks.get_mut(id) {
            waiting.verifying = true;
        }
    }

    pub(super) fn contains(&self, id: &Id) -> bool {
        self.blocks.contains(id)
    }

    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }
}

/// Blocks that peers were asked for: at most one request a block.
#[derive(Debug)]
pub(super) struct BlockRequests {
    of_block: IdMap<Id, (u32, NodeId)>,
    of_request: IdMap<u32, (Id, NodeId)>,
}

impl BlockRequests {
    pub(super) fn new(key: HashKey) -> Self {
        Self { of_block: IdMap::new(key), of_request: IdMap::new(key) }
    }

    pub(super) fn insert(&mut self, id: Id, request_id: u32, node: NodeId) {
        self.of_block.insert(id, (request_id, node));
        self.of_request.insert(request_id, (id, node));
    }

    /// The block that a peer was asked for under this number.
    pub(super) fn block_of(&self, request_id: u32, node: &NodeId) -> Option<Id> {
        let (id, asked) = self.of_request.get(&request_id)?;
        (asked == node).then_some(*id)
    }

    /// Who was asked for a block.
    pub(super) fn asked(&self, id: &Id) -> Option<NodeId> {
        self.of_block.get(id).map(|(_, node)| *node)
    }

    pub(super) fn contains(&self, id: &Id) -> bool {
        self.of_block.contains(id)
    }

    /// Forgets the request for a block; whether there was one.
    pub(super) fn remove_block(&mut self, id: &Id) -> bool {
        match self.of_block.remove(id) {
            Some((request_id, _)) => self.of_request.remove(&request_id).is_some(),
            None => false,
        }
    }

    /// Forgets the request under this number, and says for which block it was.
    pub(super) fn remove_request(&mut self, request_id: u32, node: &NodeId) -> Option<Id> {
        let id = self.block_of(request_id, node)?;
        self.remove_block(&id);
        Some(id)
    }

    pub(super) fn len(&self) -> usize {
        self.of_block.len()
    }
}
