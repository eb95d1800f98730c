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
    shares: Shares,
}

/// How many things each peer has here.
#[derive(Debug, Default)]
struct Shares {
    total: usize,
    of_node: BTreeMap<NodeId, usize>,
    /// Those of nodes that were no validators.
    of_strangers: usize,
}

impl Shares {
    /// Whether a peer may have one more. Nodes that are no validators share half of the room, so
    /// that no number of them keeps validators out.
    fn has_room(&self, limits: &Limits, node: &NodeId, stranger: bool) -> bool {
        self.total < limits.pending_max
            && self.of_node.get(node).is_none_or(|of_node| *of_node < limits.pending_per_node_max)
            && !(stranger && self.of_strangers >= limits.pending_max / 2)
    }

    fn add(&mut self, node: NodeId, stranger: bool) {
        self.total += 1;
        self.of_strangers += usize::from(stranger);
        *self.of_node.entry(node).or_insert(0) += 1;
    }

    fn remove(&mut self, node: &NodeId, stranger: bool) {
        self.total -= 1;
        self.of_strangers -= usize::from(stranger);
        if let Some(of_node) = self.of_node.get_mut(node) {
            *of_node -= 1;
            if *of_node == 0 {
                self.of_node.remove(node);
            }
        }
    }
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
        Self { blocks: IdMap::new(key), bytes: 0, shares: Shares::default() }
    }

    /// Whether one more block of a node is within the bounds.
    pub(super) fn has_room(
        &self,
        limits: &Limits,
        from: &NodeId,
        stranger: bool,
        bytes: u32,
    ) -> bool {
        self.bytes.saturating_add(u64::from(bytes)) <= limits.pending_bytes_max
            && self.shares.has_room(limits, from, stranger)
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
        self.shares.add(from, stranger);
        let id = block.id();
        self.blocks.insert(id, Waiting { block, from, stranger, since: now, verifying: false });
    }

    pub(super) fn remove(&mut self, id: &Id) -> Option<Waiting<H>> {
        let waiting = self.blocks.remove(id)?;
        self.bytes = self.bytes.saturating_sub(u64::from(waiting.block.bytes));
        self.shares.remove(&waiting.from, waiting.stranger);
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

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Blocks that peers were asked for: at most one request a block. A request whose block came
/// another way still counts against its peer until it ends.
#[derive(Debug)]
pub(super) struct BlockRequests {
    /// The number of the request for a block.
    of_block: IdMap<Id, u32>,
    of_request: IdMap<u32, Asked>,
    shares: Shares,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    id: Id,
    node: NodeId,
    stranger: bool,
}

impl BlockRequests {
    pub(super) fn new(key: HashKey) -> Self {
        let (of_block, of_request) = (IdMap::new(key), IdMap::new(key));
        Self { of_block, of_request, shares: Shares::default() }
    }

    /// Whether one more block of a peer can be asked for.
    pub(super) fn has_room(&self, limits: &Limits, node: &NodeId, stranger: bool) -> bool {
        self.shares.has_room(limits, node, stranger)
    }

    /// Notes a request for a block that has none.
    pub(super) fn insert(&mut self, id: Id, request_id: u32, node: NodeId, stranger: bool) {
        self.shares.add(node, stranger);
        self.of_block.insert(id, request_id);
        self.of_request.insert(request_id, Asked { id, node, stranger });
    }

    /// The block that a peer was asked for under this number, if it is still wanted.
    pub(super) fn block_of(&self, request_id: u32, node: &NodeId) -> Option<Id> {
        let asked = self.of_request.get(&request_id).filter(|asked| asked.node == *node)?;
        (self.of_block.get(&asked.id) == Some(&request_id)).then_some(asked.id)
    }

    /// Who was asked for a block.
    pub(super) fn asked(&self, id: &Id) -> Option<NodeId> {
        self.of_request.get(self.of_block.get(id)?).map(|asked| asked.node)
    }

    pub(super) fn contains(&self, id: &Id) -> bool {
        self.of_block.contains(id)
    }

    /// A block is no longer wanted, whoever was asked for it.
    pub(super) fn remove_block(&mut self, id: &Id) {
        self.of_block.remove(id);
    }

    /// A request has ended. Says for which block it was, if that is still wanted.
    pub(super) fn end(&mut self, request_id: u32, node: &NodeId) -> Option<Id> {
        let wanted = self.block_of(request_id, node);
        if self.of_request.get(&request_id).is_some_and(|asked| asked.node == *node)
            && let Some(asked) = self.of_request.remove(&request_id)
        {
            self.shares.remove(node, asked.stranger);
        }
        if let Some(id) = &wanted {
            self.of_block.remove(id);
        }
        wanted
    }

    /// Blocks that are wanted.
    pub(super) fn len(&self) -> usize {
        self.of_block.len()
    }

    /// Requests that have not ended.
    pub(super) fn open(&self) -> usize {
        self.of_request.len()
    }
}
