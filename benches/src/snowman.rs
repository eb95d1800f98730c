//! Recording polls on [`Topological`], and a block's life from issue to acceptance.
//!
//! Identifiers are uniformly random, parameters AvalancheGo's defaults (k = 20, alpha = 15, beta =
//! 20, Snowflake), except that steady polls never decide: beta is out of reach.

use avalanche_consensus::snowball::Parameters;
use avalanche_consensus::snowman::{Block, Decisions, Topological};
use avalanche_consensus::{Bag, Error, HashKey, Height, Id, Timestamp};

use crate::floor::walk::Walk;
use crate::id;

/// Votes in a poll.
pub const VOTES: u32 = 20;
/// Depths that are measured.
pub const DEPTHS: [u64; 4] = [1, 4, 16, 64];

/// What is processing, and what the votes of a poll are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A chain; all votes for its tip.
    Chain,
    /// A chain with a childless sibling at every height; all votes for the tip.
    Siblings,
    /// The same; 16 votes for the tip and 4 for its sibling.
    SiblingsSplit,
    /// Two chains from the last accepted block; 16 votes for one tip and 4 for the other.
    Fork,
    /// A chain with 20 children at its top; one vote for each, so that 20 identifiers are looked
    /// up.
    Fan,
    /// Two chains from the last accepted block; all votes for one tip and for the other in turns,
    /// so that each poll undoes the one before.
    Flip,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Chain, Self::Siblings, Self::SiblingsSplit, Self::Fork, Self::Fan, Self::Flip];

    /// The name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Siblings => "siblings",
            Self::SiblingsSplit => "siblings-16-4",
            Self::Fork => "fork-16-4",
            Self::Fan => "fan-20x1",
            Self::Flip => "flip",
        }
    }
}

/// The blocks of a shape, parents first, the votes of a poll, and those of the next one.
fn layout(shape: Shape, depth: u64) -> (Vec<Block>, [Vec<(Id, u32)>; 2]) {
    let mut blocks = Vec::new();
    let mut add = |label, height, parent| {
        let id = id(label, height);
        blocks.push(Block { id, parent, height: Height::new(height) });
        id
    };
    let (mut tip, mut other) = (Id::EMPTY, Id::EMPTY);
    let chain = if shape == Shape::Fan { depth - 1 } else { depth };
    for height in 1..=chain {
        let parent = tip;
        tip = add("main", height, parent);
        match shape {
            Shape::Chain | Shape::Fan => {}
            Shape::Siblings | Shape::SiblingsSplit => other = add("side", height, parent),
            Shape::Fork | Shape::Flip => other = add("side", height, other),
        }
    }
    let votes = match shape {
        Shape::Chain | Shape::Siblings => vec![(tip, VOTES)],
        Shape::SiblingsSplit | Shape::Fork => vec![(tip, 16), (other, 4)],
        Shape::Fan => {
            let leaf =
                |index| Block { id: id("fan", index), parent: tip, height: Height::new(depth) };
            let leaves: Vec<_> = (0..u64::from(VOTES)).map(leaf).collect();
            let votes = leaves.iter().map(|leaf| (leaf.id, 1)).collect();
            blocks.extend(leaves);
            votes
        }
        Shape::Flip => return (blocks, [vec![(tip, VOTES)], vec![(other, VOTES)]]),
    };
    (blocks, [votes.clone(), votes])
}

/// Polls that go on for ever at one depth.
#[derive(Debug)]
pub struct Steady {
    snowman: Topological,
    votes: Bag,
    next_votes: Bag,
    /// The votes one by one, as answers arrive.
    answers: Vec<Id>,
    decisions: Decisions,
}

impl Steady {
    /// A shape with its blocks added.
    ///
    /// # Errors
    ///
    /// None that a correct core returns.
    pub fn new(shape: Shape, depth: u64) -> Result<Self, Error> {
        let parameters = Parameters::new(VOTES, 15, 15, u32::MAX)?;
        let key = HashKey::from_seed([1; 32]);
        let mut snowman = Topological::new(parameters, Id::EMPTY, Height::GENESIS, key);
        let (blocks, [votes, next_votes]) = layout(shape, depth);
        for block in blocks {
            snowman.add(block, Timestamp::ZERO)?;
        }
        let answers = votes.iter().flat_map(|(id, n)| std::iter::repeat_n(*id, *n as usize));
        let answers = answers.collect();
        let (votes, next_votes) = (votes.into(), next_votes.into());
        Ok(Self { snowman, votes, next_votes, answers, decisions: Decisions::new() })
    }

    /// Records one poll.
    pub fn poll(&mut self) {
        let outcome = self.snowman.record_poll(&self.votes, &mut self.decisions);
        debug_assert!(outcome.is_ok());
        std::hint::black_box(&outcome);
        std::mem::swap(&mut self.votes, &mut self.next_votes);
    }

    /// Counts 20 answers into the bag, then records the poll.
    pub fn poll_answers(&mut self) {
        self.votes.clear();
        for answer in &self.answers {
            self.votes.add(*answer);
        }
        self.poll();
    }

    /// The instance, to look at.
    #[must_use]
    pub const fn snowman(&self) -> &Topological {
        &self.snowman
    }

    /// Decisions so far, of which there must be none.
    #[must_use]
    pub const fn decided(&self) -> usize {
        self.decisions.len()
    }
}

/// The floor of [`Steady`].
#[derive(Debug)]
pub struct SteadyFloor {
    walk: Walk,
    votes: Vec<(Id, u32)>,
    next_votes: Vec<(Id, u32)>,
    answers: Vec<(Id, u32)>,
    climbs: usize,
}

impl SteadyFloor {
    /// The same blocks and votes.
    #[must_use]
    pub fn new(shape: Shape, depth: u64) -> Self {
        let (blocks, [votes, next_votes]) = layout(shape, depth);
        let mut walk = Walk::new(Id::EMPTY);
        for block in blocks {
            walk.add(block.id, block.parent);
        }
        let answers = votes.iter().flat_map(|(id, n)| std::iter::repeat_n((*id, 1), *n as usize));
        let answers = answers.collect();
        // Both chains of a fork must be climbed: only at the root is known that they meet.
        Self { walk, votes, next_votes, answers, climbs: if shape == Shape::Fork { 2 } else { 1 } }
    }

    /// Looks up each distinct voted block and climbs.
    pub fn poll(&mut self) {
        std::hint::black_box(self.walk.poll(&self.votes, self.climbs));
        std::mem::swap(&mut self.votes, &mut self.next_votes);
    }

    /// Looks up each of 20 answers and climbs once.
    pub fn poll_answers(&mut self) {
        std::hint::black_box(self.walk.poll(&self.answers, self.climbs));
    }
}

/// A chain that grows by one block, which 20 polls accept, for ever.
#[derive(Debug)]
pub struct Stream {
    snowman: Topological,
    ids: Vec<Id>,
    rivals: Vec<Id>,
    contested: bool,
    height: u64,
    votes: Bag,
    decisions: Decisions,
}

/// Identifiers of a stream, which are used in a circle.
const CIRCLE: u64 = 4096;

impl Stream {
    /// A chain at genesis. With `contested` each block has a rival that gets 4 of the 20 votes.
    ///
    /// # Errors
    ///
    /// None: the default parameters are valid.
    pub fn new(contested: bool) -> Result<Self, Error> {
        let ids: Vec<Id> = (0..CIRCLE).map(|index| id("stream", index)).collect();
        let first = ids.first().copied().unwrap_or_default();
        let key = HashKey::from_seed([1; 32]);
        let parameters = Parameters::new(VOTES, 15, 15, 20)?;
        Ok(Self {
            snowman: Topological::new(parameters, first, Height::GENESIS, key),
            rivals: (0..CIRCLE).map(|index| id("rival", index)).collect(),
            ids,
            contested,
            height: 0,
            votes: Bag::with_capacity(2),
            decisions: Decisions::new(),
        })
    }

    /// Issues a block, records 20 polls, and takes the decisions. False if it was not accepted.
    pub fn accept_one(&mut self) -> bool {
        let at = |ids: &[Id], height: u64| {
            let index = usize::try_from(height % CIRCLE).unwrap_or(0);
            ids.get(index).copied().unwrap_or_default()
        };
        let parent = at(&self.ids, self.height);
        self.height += 1;
        let (id, rival) = (at(&self.ids, self.height), at(&self.rivals, self.height));
        let height = Height::new(self.height);
        let mut added = self.snowman.add(Block { id, parent, height }, Timestamp::ZERO).is_ok();
        self.votes.clear();
        if self.contested {
            let rival = Block { id: rival, parent, height };
            added &= self.snowman.add(rival, Timestamp::ZERO).is_ok();
            self.votes.add_count(rival.id, 4);
        }
        self.votes.add_count(id, VOTES - self.votes.len());
        for _ in 0..20 {
            added &= self.snowman.record_poll(&self.votes, &mut self.decisions).is_ok();
        }
        added && self.decisions.drain().count() == 1 + usize::from(self.contested)
    }
}

/// The floor of [`Stream`]: an entry made and removed, 20 lookups, 20 counters.
#[derive(Debug)]
pub struct StreamFloor {
    walk: Walk,
    ids: Vec<Id>,
    height: u64,
}

impl StreamFloor {
    /// A chain at genesis.
    #[must_use]
    pub fn new() -> Self {
        let ids: Vec<Id> = (0..CIRCLE).map(|index| id("stream", index)).collect();
        let walk = Walk::new(ids.first().copied().unwrap_or_default());
        Self { walk, ids, height: 0 }
    }

    /// One block.
    pub fn accept_one(&mut self) {
        let at = |height: u64| {
            let index = usize::try_from(height % CIRCLE).unwrap_or(0);
            self.ids.get(index).copied().unwrap_or_default()
        };
        let (parent, id) = (at(self.height), at(self.height + 1));
        self.height += 1;
        self.walk.add(id, parent);
        for _ in 0..20 {
            std::hint::black_box(self.walk.poll(&[(id, VOTES)], 1));
        }
        self.walk.accept(&parent, id);
    }
}

impl Default for StreamFloor {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_polls_count_and_decide_nothing() {
        for shape in Shape::ALL {
            for depth in DEPTHS {
                let mut steady = Steady::new(shape, depth).unwrap();
                for _ in 0..50 {
                    steady.poll();
                    if shape == Shape::Flip { steady.poll() } else { steady.poll_answers() }
                }
                let stats = steady.snowman().stats();
                assert_eq!(stats.polls, 100);
                // Twenty children of the last accepted block agree on no bit, so nothing succeeds.
                let successful = if shape == Shape::Fan && depth == 1 { 0 } else { 100 };
                assert_eq!(stats.polls_successful, successful, "{shape:?} {depth}");
                assert_eq!(steady.decided(), 0);
                let mut floor = SteadyFloor::new(shape, depth);
                floor.poll();
                floor.poll_answers();
            }
        }
    }

    #[test]
    fn every_issued_block_is_accepted() {
        for contested in [false, true] {
            let mut stream = Stream::new(contested).unwrap();
            // Twice round the circle, so that identifiers come again.
            assert!((0..2 * CIRCLE).all(|_| stream.accept_one()), "contested: {contested}");
        }
        let mut floor = StreamFloor::new();
        (0..2 * CIRCLE).for_each(|_| floor.accept_one());
    }
}
