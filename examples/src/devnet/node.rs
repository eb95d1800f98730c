//! One node: consensus, polls and a sampler, driven by messages and timers.
//!
//! Like the core it is pure: what must happen comes back as [`Output`]s. It keeps every block that
//! it knows, so that it can give it to a peer that lost it; the run is bounded, so the memory is.

use std::collections::BTreeMap;

use avalanche_consensus::poll::Polls;
use avalanche_consensus::sampler::SeededSampler;
use avalanche_consensus::snowball::Parameters;
use avalanche_consensus::snowman::{Block, Decision, Decisions, Topological};
use avalanche_consensus::{Bag, HashKey, Height, Id, NodeId, Timestamp};

use super::Error;

/// What nodes say to each other.
#[derive(Clone, Copy, Debug)]
pub(super) enum Message {
    /// A block: news, or the answer to [`Message::Get`].
    Block(Block),
    /// A push query: here is the block that I prefer; what do you prefer, and what at this height?
    Query { request: u32, preferred: Option<Block>, height: Height },
    /// The answer to a query.
    Chits { request: u32, preferred: Id, preferred_at_height: Id, accepted: Id },
    /// Please send a block.
    Get(Id),
}

/// What the network must do for a node.
#[derive(Clone, Copy, Debug)]
pub(super) enum Output {
    /// Carry a message to the node with this index.
    Send { to: usize, message: Message },
    /// Tell the node when the time for the answers to the queries of a poll is over.
    Deadline { request: u32 },
}

/// How often a validator is asked in one poll before it counts as silent.
const ATTEMPTS: u32 = 3;

/// The validators that have not answered in a poll.
#[derive(Debug)]
struct Missing {
    validators: Bag<NodeId>,
    /// Queries that each of them was sent.
    attempts: u32,
}

/// The figures of a node at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Weight among the validators.
    pub weight: u64,
    /// Height of the last accepted block.
    pub accepted: u64,
    /// Height of the preferred tip.
    pub preferred: u64,
    /// The preferred tip.
    pub preference: Id,
    /// Blocks that are undecided.
    pub processing: usize,
    /// Polls whose result was recorded.
    pub polls: u64,
    /// Polls that were successful.
    pub successful: u64,
    /// Heights at which a rival of the accepted block was rejected.
    pub contested: u64,
    /// Blocks that were rejected.
    pub rejected: u64,
}

/// Who the validators are, for all nodes the same.
#[derive(Clone, Debug)]
pub(super) struct Validators {
    pub(super) ids: Vec<NodeId>,
    pub(super) weights: Vec<u64>,
}

/// A node of the network.
#[derive(Debug)]
pub(super) struct Node {
    index: usize,
    validators: Validators,
    snowman: Topological,
    polls: Polls,
    sampler: SeededSampler,
    /// Who has not answered in each poll, until its last deadline.
    missing: BTreeMap<u32, Missing>,
    next_request: u32,
    built: u64,
    /// The greatest height that anybody builds.
    heights: u64,
    blocks: BTreeMap<Id, Block>,
    /// Blocks that wait for their parent, by parent.
    waiting: BTreeMap<Id, Vec<Block>>,
    /// Accepted blocks by height, genesis first.
    accepted: Vec<Id>,
    contested: u64,
    rejected: u64,
    decisions: Decisions,
    sample: Vec<u32>,
    outputs: Vec<Output>,
}

impl Node {
    /// The node at `index`, which knows genesis only. `seed` is its own.
    pub(super) fn new(
        index: usize,
        validators: Validators,
        parameters: Parameters,
        heights: u64,
        seed: [u8; 32],
    ) -> Result<Self, Error> {
        let key = HashKey::from_seed(seed);
        let genesis = Id::EMPTY;
        Ok(Self {
            index,
            snowman: Topological::new(parameters, genesis, Height::GENESIS, key),
            polls: Polls::new(&parameters, key),
            sampler: SeededSampler::new(&validators.weights, seed).map_err(Error::of(index))?,
            validators,
            missing: BTreeMap::new(),
            next_request: 0,
            built: 0,
            heights,
            blocks: BTreeMap::new(),
            waiting: BTreeMap::new(),
            accepted: vec![genesis],
            contested: 0,
            rejected: 0,
            decisions: Decisions::new(),
            sample: Vec::new(),
            outputs: Vec::new(),
        })
    }

    /// Takes what has to be done, in order.
    pub(super) fn outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Accepted blocks by height, genesis first.
    pub(super) fn accepted(&self) -> &[Id] {
        &self.accepted
    }

    /// The figures of this moment.
    pub(super) fn status(&self) -> NodeStatus {
        let stats = self.snowman.stats();
        NodeStatus {
            weight: self.validators.weights.get(self.index).copied().unwrap_or(0),
            accepted: self.snowman.last_accepted().1.get(),
            preferred: self.tip().get(),
            preference: self.snowman.preference(),
            processing: self.snowman.num_processing(),
            polls: stats.polls,
            successful: stats.polls_successful,
            contested: self.contested,
            rejected: self.rejected,
        }
    }

    /// The build timer fired: proposes a block on the preferred tip, whoever else may do so too.
    pub(super) fn build(&mut self, now: Timestamp) -> Result<(), Error> {
        let optimal = self.snowman.parameters().optimal_processing() as usize;
        let height = self.tip().next().unwrap_or(Height::MAX);
        if height.get() <= self.heights && self.snowman.num_processing() < optimal {
            let parent = self.snowman.preference();
            let mut bytes = parent.as_bytes().to_vec();
            bytes.extend(self.validators.ids.get(self.index).map_or([0; 20], |id| *id.as_bytes()));
            bytes.extend(self.built.to_be_bytes());
            self.built += 1;
            let block = Block { id: Id::hash(&bytes), parent, height };
            self.learn(block, self.index, now)?;
            for to in (0..self.validators.ids.len()).filter(|to| *to != self.index) {
                self.outputs.push(Output::Send { to, message: Message::Block(block) });
            }
        }
        self.repoll()
    }

    /// A message arrived.
    pub(super) fn receive(
        &mut self,
        from: usize,
        message: Message,
        now: Timestamp,
    ) -> Result<(), Error> {
        match message {
            Message::Block(block) => self.learn(block, from, now)?,
            Message::Get(id) => {
                if let Some(block) = self.blocks.get(&id) {
                    self.outputs.push(Output::Send { to: from, message: Message::Block(*block) });
                }
            }
            Message::Query { request, preferred, height } => {
                if let Some(block) = preferred {
                    self.learn(block, from, now)?;
                }
                let message = self.chits(request, height);
                self.outputs.push(Output::Send { to: from, message });
            }
            Message::Chits { request, preferred, preferred_at_height, accepted } => {
                self.ask_for_unknown(preferred, from);
                self.ask_for_unknown(accepted, from);
                self.answer(request, from, [preferred, preferred_at_height, accepted])?;
            }
        }
        self.repoll()
    }

    /// The time for the answers to a poll is over: asks those that are missing once more, or gives
    /// up.
    pub(super) fn deadline(&mut self, request: u32) -> Result<(), Error> {
        let Some(mut missing) = self.missing.remove(&request) else { return Ok(()) };
        if !self.polls.contains(request) {
            return Ok(());
        }
        if missing.attempts < ATTEMPTS {
            missing.attempts += 1;
            self.query(request, &missing.validators);
            self.missing.insert(request, missing);
            return Ok(());
        }
        for (validator, _) in missing.validators.iter() {
            for votes in self.polls.drop_validator(request, validator, &self.snowman) {
                record(&mut self.snowman, votes, &mut self.decisions, self.index)?;
            }
        }
        self.carry_out();
        self.repoll()
    }

    /// Height of the preferred tip.
    fn tip(&self) -> Height {
        self.snowman.preferred().last().map_or(self.snowman.last_accepted().1, |(height, _)| height)
    }

    /// What this node prefers now. Below the last accepted height that is what was accepted there.
    fn chits(&self, request: u32, height: Height) -> Message {
        let (accepted, _) = self.snowman.last_accepted();
        let preferred = self.snowman.preference();
        let decided = usize::try_from(height.get()).ok().and_then(|at| self.accepted.get(at));
        let preferred_at_height = decided.copied();
        let preferred_at_height =
            preferred_at_height.or_else(|| self.snowman.preference_at_height(height));
        Message::Chits {
            request,
            preferred,
            preferred_at_height: preferred_at_height.unwrap_or(preferred),
            accepted,
        }
    }

    /// Counts an answer as a vote for the first of its blocks that is in consensus here.
    fn answer(&mut self, request: u32, from: usize, ids: [Id; 3]) -> Result<(), Error> {
        let Some(validator) = self.validators.ids.get(from) else { return Ok(()) };
        if let Some(missing) = self.missing.get_mut(&request) {
            missing.validators.remove(validator);
        }
        let (last_accepted, _) = self.snowman.last_accepted();
        let known = |id: &Id| *id == last_accepted || self.snowman.processing(id);
        let results = match ids.into_iter().find(known) {
            Some(id) => self.polls.vote(request, validator, id, &self.snowman),
            None => self.polls.drop_validator(request, validator, &self.snowman),
        };
        for votes in results {
            record(&mut self.snowman, votes, &mut self.decisions, self.index)?;
        }
        self.carry_out();
        Ok(())
    }

    /// Notes what was decided.
    fn carry_out(&mut self) {
        let mut rival_counted = false;
        let mut accepted_height = Height::GENESIS;
        for decision in self.decisions.drain() {
            match decision {
                Decision::Accept { id, height } => {
                    self.accepted.push(id);
                    (accepted_height, rival_counted) = (height, false);
                }
                Decision::Reject { id, height } => {
                    self.rejected += 1;
                    self.waiting.remove(&id);
                    if height == accepted_height && !rival_counted {
                        self.contested += 1;
                        rival_counted = true;
                    }
                }
            }
        }
    }

    /// Adds a block, and those that waited for it; or lets it wait, and asks `from` for its parent.
    fn learn(&mut self, block: Block, from: usize, now: Timestamp) -> Result<(), Error> {
        let mut added = vec![block];
        while let Some(block) = added.pop() {
            if self.blocks.contains_key(&block.id) {
                continue;
            }
            let parent = block.parent;
            if self.snowman.processing(&parent) || parent == self.snowman.last_accepted().0 {
                self.snowman.add(block, now).map_err(Error::of(self.index))?;
                self.blocks.insert(block.id, block);
                added.extend(self.waiting.remove(&block.id).unwrap_or_default());
            } else if !self.blocks.contains_key(&parent) && parent != Id::EMPTY {
                let children = self.waiting.entry(parent).or_default();
                if !children.contains(&block) {
                    children.push(block);
                }
                self.ask_for_unknown(parent, from);
            }
            // Otherwise the parent is decided, and this block with it.
        }
        Ok(())
    }

    /// Asks a peer for a block that this node does not have.
    fn ask_for_unknown(&mut self, id: Id, peer: usize) {
        if id != Id::EMPTY && !self.blocks.contains_key(&id) && peer != self.index {
            self.outputs.push(Output::Send { to: peer, message: Message::Get(id) });
        }
    }

    /// Opens polls up to the number that is to be open while anything is processing.
    fn repoll(&mut self) -> Result<(), Error> {
        let parameters = *self.snowman.parameters();
        while self.snowman.num_processing() > 0
            && self.polls.len() < parameters.concurrent_repolls() as usize
        {
            let refused = Error::of(self.index);
            self.sampler.sample_into(parameters.k(), &mut self.sample).map_err(&refused)?;
            let mut asked = Bag::with_capacity(self.validators.ids.len());
            for drawn in &self.sample {
                let id = self.validators.ids.get(*drawn as usize).copied();
                asked.add(id.unwrap_or_default());
            }
            let request = self.next_request;
            self.next_request = request.wrapping_add(1);
            self.polls.add(request, &asked).map_err(&refused)?;
            self.query(request, &asked);
            self.missing.insert(request, Missing { validators: asked, attempts: 1 });
        }
        Ok(())
    }

    /// Sends the query of a poll to `validators`, and asks to be told when their time is over.
    fn query(&mut self, request: u32, validators: &Bag<NodeId>) {
        let preferred = self.blocks.get(&self.snowman.preference()).copied();
        let height = self.snowman.last_accepted().1.next().unwrap_or(Height::MAX);
        for (to, id) in self.validators.ids.iter().enumerate() {
            if validators.count(id) > 0 {
                let message = Message::Query { request, preferred, height };
                self.outputs.push(Output::Send { to, message });
            }
        }
        self.outputs.push(Output::Deadline { request });
    }
}

/// Records the result of a poll. Whether it was successful is in the statistics.
fn record(
    snowman: &mut Topological,
    votes: &Bag,
    decisions: &mut Decisions,
    node: usize,
) -> Result<(), Error> {
    match snowman.record_poll(votes, decisions) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::poll(node, &error)),
    }
}
