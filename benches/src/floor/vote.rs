//! The floor of a poll's votes: for each find the poll, the validator and the block; climb once a
//! poll.

use std::collections::HashMap;

use avalanche_consensus::{HashKey, Id, NodeId};

use super::walk::Walk;

/// Open polls, each with the validators that have not answered.
#[derive(Debug)]
pub struct Votes {
    open: HashMap<u32, Vec<(NodeId, bool)>, HashKey>,
    spare: Vec<Vec<(NodeId, bool)>>,
    validators: Vec<(NodeId, bool)>,
    blocks: Walk,
}

impl Votes {
    /// Polls that ask `validators`, over the blocks of `blocks`.
    #[must_use]
    pub fn new(mut validators: Vec<NodeId>, blocks: Walk) -> Self {
        validators.sort_unstable();
        let validators = validators.into_iter().map(|validator| (validator, false)).collect();
        let open = HashMap::with_hasher(HashKey::from_seed([8; 32]));
        Self { open, spare: Vec::new(), validators, blocks }
    }

    /// Opens a poll.
    pub fn add(&mut self, request: u32) {
        let mut asked = self.spare.pop().unwrap_or_default();
        asked.clear();
        asked.extend_from_slice(&self.validators);
        self.open.insert(request, asked);
    }

    /// Counts one answer.
    pub fn vote(&mut self, request: u32, validator: &NodeId, id: Id) {
        let Some(asked) = self.open.get_mut(&request) else {
            return;
        };
        let Ok(at) = asked.binary_search_by(|(known, _)| known.cmp(validator)) else {
            return;
        };
        if let Some((_, answered)) = asked.get_mut(at) {
            *answered = true;
        }
        self.blocks.poll(&[(id, 1)], 0);
    }

    /// Closes a poll whose votes were for `id`.
    pub fn close(&mut self, request: u32, id: Id) {
        self.blocks.poll(&[(id, 1)], 1);
        self.spare.extend(self.open.remove(&request));
    }
}
