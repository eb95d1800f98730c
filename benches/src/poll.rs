//! The votes of a poll, from the opening to the result: 20 validators, all for the tip of a chain.

use avalanche_consensus::poll::Polls;
use avalanche_consensus::snowball::Parameters;
use avalanche_consensus::snowman::{Block, Topological};
use avalanche_consensus::{Bag, Error, HashKey, Height, Id, NodeId, Timestamp};

use crate::floor::vote::Votes;
use crate::floor::walk::Walk;
use crate::id;

/// Depths of the voted block that are measured.
pub const DEPTHS: [u64; 3] = [1, 4, 16];
/// Validators in a poll.
pub const K: u32 = 20;

/// The validators that every poll asks, each once.
fn validators() -> Vec<NodeId> {
    let node = |index: u32| {
        let mut bytes = [0; 20];
        let hash = id("validator", index.into());
        bytes.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
        NodeId::new(bytes)
    };
    (0..K).map(node).collect()
}

/// The blocks of a chain, parents first.
fn chain(depth: u64) -> Vec<Block> {
    let mut parent = Id::EMPTY;
    let block = |height| {
        let block = Block { id: id("chain", height), parent, height: Height::new(height) };
        parent = block.id;
        block
    };
    (1..=depth).map(block).collect()
}

/// Polls over a chain of processing blocks.
#[derive(Clone, Debug)]
pub struct Polling {
    polls: Polls,
    snowman: Topological,
    validators: Vec<NodeId>,
    asked: Bag<NodeId>,
    tip: Id,
    request: u32,
}

impl Polling {
    /// No poll is open; the tip is `depth` above the last accepted block.
    ///
    /// # Errors
    ///
    /// None that a correct core returns.
    pub fn new(depth: u64) -> Result<Self, Error> {
        let parameters = Parameters::new(K, 15, 15, 20)?;
        let key = HashKey::from_seed([4; 32]);
        let mut snowman = Topological::new(parameters, Id::EMPTY, Height::GENESIS, key);
        let mut tip = Id::EMPTY;
        for block in chain(depth) {
            snowman.add(block, Timestamp::ZERO)?;
            tip = block.id;
        }
        let validators = validators();
        let asked = validators.iter().copied().collect();
        let polls = Polls::new(&parameters, key);
        Ok(Self { polls, snowman, validators, asked, tip, request: 0 })
    }

    /// Opens a poll; false if it was refused.
    pub fn open(&mut self) -> bool {
        self.request = self.request.wrapping_add(1);
        self.polls.add(self.request, &self.asked).unwrap_or(false)
    }

    /// The `index`-th validator votes for the tip. Returns how many polls left.
    pub fn vote(&mut self, index: usize) -> usize {
        let Some(validator) = self.validators.get(index) else { return 0 };
        self.polls.vote(self.request, validator, self.tip, &self.snowman).len()
    }

    /// Opens a poll and votes until it leaves. Returns the number of votes, 0 if it never left.
    pub fn drain_one(&mut self) -> u32 {
        self.open();
        let needed = (0..K as usize).position(|index| self.vote(index) > 0);
        needed.and_then(|index| u32::try_from(index + 1).ok()).unwrap_or(0)
    }
}

/// The floor of [`Polling`].
#[derive(Debug)]
pub struct PollingFloor {
    votes: Votes,
    validators: Vec<NodeId>,
    tip: Id,
    request: u32,
}

impl PollingFloor {
    /// The same validators and blocks.
    #[must_use]
    pub fn new(depth: u64) -> Self {
        let mut walk = Walk::new(Id::EMPTY);
        let mut tip = Id::EMPTY;
        for block in chain(depth) {
            walk.add(block.id, block.parent);
            tip = block.id;
        }
        let validators = validators();
        Self { votes: Votes::new(validators.clone(), walk), validators, tip, request: 0 }
    }

    /// Opens a poll, counts as many votes as [`Polling::drain_one`] needs, closes it.
    pub fn drain_one(&mut self, votes: u32) {
        self.request = self.request.wrapping_add(1);
        self.votes.add(self.request);
        for validator in self.validators.iter().take(votes as usize) {
            self.votes.vote(self.request, validator, self.tip);
        }
        self.votes.close(self.request, self.tip);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 15 of 20 votes are enough for both thresholds, and no other block can get any.
    #[test]
    fn a_unanimous_poll_leaves_with_the_fifteenth_vote() {
        for depth in DEPTHS {
            let mut polling = Polling::new(depth).unwrap();
            for _ in 0..3 {
                assert_eq!(polling.drain_one(), 15);
            }
            PollingFloor::new(depth).drain_one(15);
        }
    }
}
