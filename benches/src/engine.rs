//! The engine with peers that answer at once: what an answer costs, and how fast blocks are
//! decided.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use avalanche_consensus::engine::{
    Answer, Call, Engine, EngineConfig, Fatal, Input, Message, Output, ParsedBlock, Setup, Tip,
    Verdict,
};
use avalanche_consensus::snowball::{Parameters, ParametersConfig};
use avalanche_consensus::snowman::Block;
use avalanche_consensus::validators::Validator;
use avalanche_consensus::{Error, HashKey, Height, NodeId, Timestamp};

use crate::floor::alias::Alias;
use crate::floor::vote::Votes;
use crate::floor::walk::Walk;
use crate::id;

/// A committee and how it polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committee {
    /// Validators, of equal weight.
    pub validators: u32,
    /// Samples of a poll; three quarters of them decide.
    pub k: u32,
    /// Polls that are open at once.
    pub concurrent: u32,
}

impl Committee {
    /// What the throughput is measured for.
    pub const ALL: [Self; 6] = [
        Self { validators: 5, k: 20, concurrent: 4 },
        Self { validators: 20, k: 20, concurrent: 1 },
        Self { validators: 20, k: 20, concurrent: 4 },
        Self { validators: 20, k: 20, concurrent: 16 },
        Self { validators: 1_500, k: 20, concurrent: 4 },
        Self { validators: 1_500, k: 40, concurrent: 4 },
    ];

    fn config(self, beta: u32) -> Result<EngineConfig, Error> {
        let alpha = (3 * self.k).div_ceil(4);
        let parameters = Parameters::try_from(ParametersConfig {
            k: self.k,
            alpha_preference: alpha,
            alpha_confidence: alpha,
            beta,
            concurrent_repolls: self.concurrent,
            ..ParametersConfig::default()
        })?;
        Ok(EngineConfig { parameters, gossip_period: Duration::ZERO, ..EngineConfig::default() })
    }

    fn nodes(self) -> Vec<NodeId> {
        let node = |index: u32| {
            let mut bytes = [0; 20];
            let hash = id("validator", index.into());
            bytes.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
            NodeId::new(bytes)
        };
        (0..self.validators).map(node).collect()
    }

    /// Units of each validator: enough for a sample.
    fn weight(self) -> u64 {
        u64::from(self.k.div_ceil(self.validators))
    }
}

/// One engine and the peers around it, all of which prefer the newest block.
#[derive(Debug)]
pub struct Network {
    engine: Engine<()>,
    peers: Vec<NodeId>,
    /// Queries that were not answered, oldest first.
    queries: VecDeque<(NodeId, u32)>,
    tip: Tip,
    now: Timestamp,
    accepted: Tip,
}

impl Network {
    /// A network whose blocks are final after `beta` polls in a row.
    ///
    /// # Errors
    ///
    /// Parameters that break a rule.
    pub fn new(committee: Committee, beta: u32) -> Result<Self, Error> {
        let peers = committee.nodes();
        let weight = committee.weight();
        let validators =
            peers.iter().map(|node_id| Validator { node_id: *node_id, weight }).collect::<Vec<_>>();
        let tip = Tip { id: id("block", 0), height: Height::GENESIS };
        let setup = Setup { validators: validators.try_into()?, tip, ..Setup::default() };
        let engine = Engine::new(committee.config(beta)?, setup, Timestamp::ZERO)?;
        let (queries, now) = (VecDeque::new(), Timestamp::ZERO);
        let mut network = Self { engine, peers, queries, tip, now, accepted: tip };
        network.drain();
        for at in 0..network.peers.len() {
            let peer = network.peer(at);
            network.input(Input::Connected(peer));
        }
        Ok(network)
    }

    fn peer(&self, at: usize) -> NodeId {
        self.peers.get(at).copied().unwrap_or_default()
    }

    fn input(&mut self, input: Input<()>) {
        self.now = self.now.after(Duration::from_micros(1));
        let handled: Result<(), Fatal> = self.engine.handle(self.now, input);
        assert!(handled.is_ok(), "{handled:?}");
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            let (call, answer) = match output {
                Output::Call { id, call: Call::EnterPhase(_) } => {
                    (id, Answer::LastAccepted { tip: self.tip, options: None })
                }
                Output::Call { id, call: Call::Verify(_) } => (id, Answer::Verdict(Verdict::Valid)),
                Output::Call { id, .. } => (id, Answer::Block(None)),
                Output::Send { to, message } if message.kind().answer().is_some() => {
                    self.queries.push_back((to, message.request_id()));
                    continue;
                }
                Output::Accept(block) => {
                    self.accepted = Tip { id: block.id(), height: block.height() };
                    continue;
                }
                _ => continue,
            };
            let handled = self.engine.handle(self.now, Input::Answer { call, answer });
            assert!(handled.is_ok(), "{handled:?}");
        }
    }

    /// A peer pushes a block on the newest one.
    pub fn push(&mut self) {
        let height = self.tip.height.next().unwrap_or(Height::MAX);
        let block = Block { id: id("block", height.get()), parent: self.tip.id, height };
        self.tip = Tip { id: block.id, height };
        let from = self.peer(0);
        let block = Some(ParsedBlock { block, bytes: 1_000, handle: () });
        let message = Message::PushQuery { request_id: 0, block, requested_height: height };
        self.input(Input::Message { from, message });
    }

    /// The peer that was asked first and has not answered, answers. False if nobody was asked.
    pub fn answer_one(&mut self) -> bool {
        let Some((from, request_id)) = self.queries.pop_front() else { return false };
        let message = Message::Chits {
            request_id,
            preferred: self.tip.id,
            preferred_at_height: self.tip.id,
            accepted: self.accepted.id,
            accepted_height: self.accepted.height,
        };
        self.input(Input::Message { from, message });
        true
    }

    /// Answers until one more block is final, with up to `in_flight` blocks that are not.
    pub fn decide_one(&mut self, in_flight: u64) -> bool {
        let before = self.accepted.height;
        while self.accepted.height == before {
            while self.tip.height.get() - self.accepted.height.get() < in_flight {
                self.push();
            }
            if !self.answer_one() {
                return false;
            }
        }
        true
    }

    /// The engine, to look at.
    #[must_use]
    pub const fn engine(&self) -> &Engine<()> {
        &self.engine
    }
}

/// Answers to polls that go on for ever: no block is ever decided.
///
/// # Errors
///
/// None that a correct core returns.
pub fn endless(committee: Committee, depth: u64) -> Result<Network, Error> {
    let mut network = Network::new(committee, u32::MAX)?;
    (0..depth).for_each(|_| network.push());
    Ok(network)
}

/// The floor of [`endless`]: for each answer the request, the peer, the peer's last accepted block,
/// the poll and the voted block are found; once a poll a sample is drawn, its request and poll are
/// noted and a message goes to each peer.
#[derive(Debug)]
pub struct AnswerFloor {
    requests: HashMap<u32, Vec<NodeId>, HashKey>,
    frontiers: HashMap<NodeId, Tip, HashKey>,
    votes: Votes,
    sampler: Alias,
    sample: Vec<u32>,
    peers: Vec<NodeId>,
    queries: VecDeque<(NodeId, u32)>,
    outputs: VecDeque<Output<()>>,
    spare: Vec<Vec<NodeId>>,
    tip: Tip,
    request: u32,
    answered: u32,
    k: u32,
}

impl AnswerFloor {
    /// The same committee and as many blocks.
    #[must_use]
    pub fn new(committee: Committee, depth: u64) -> Self {
        let mut walk = Walk::new(id("block", 0));
        for height in 1..=depth {
            walk.add(id("block", height), id("block", height - 1));
        }
        let mut peers = committee.nodes();
        peers.sort_unstable();
        let weights = vec![committee.weight(); peers.len()];
        let key = HashKey::from_seed([6; 32]);
        let mut floor = Self {
            requests: HashMap::with_hasher(key),
            frontiers: HashMap::with_hasher(key),
            votes: Votes::new(peers.clone(), walk),
            sampler: Alias::new(&weights, 9),
            sample: Vec::new(),
            peers,
            queries: VecDeque::new(),
            outputs: VecDeque::new(),
            spare: Vec::new(),
            tip: Tip { id: id("block", depth), height: Height::new(depth) },
            request: 0,
            answered: 0,
            k: committee.k,
        };
        (0..committee.concurrent).for_each(|_| floor.ask());
        floor
    }

    /// One poll is opened.
    fn ask(&mut self) {
        self.request = self.request.wrapping_add(1);
        self.sampler.sample_into(self.k as usize, &mut self.sample);
        let mut asked = self.spare.pop().unwrap_or_default();
        asked.clear();
        for at in &self.sample {
            asked.extend(self.peers.get(*at as usize));
        }
        asked.sort_unstable();
        let request_id = self.request;
        for node in &asked {
            let requested_height = self.tip.height;
            let message = Message::PullQuery { request_id, id: self.tip.id, requested_height };
            self.outputs.push_back(Output::Send { to: *node, message });
        }
        self.requests.insert(request_id, asked);
        self.votes.add(request_id);
        while let Some(output) = self.outputs.pop_front() {
            if let Output::Send { to, message } = output {
                self.queries.push_back((to, message.request_id()));
            }
        }
    }

    /// One answer; after as many as settle a poll, the next is opened.
    pub fn answer_one(&mut self) {
        let Some((from, request)) = self.queries.pop_front() else { return };
        if let Some(waiting) = self.requests.get_mut(&request)
            && let Ok(at) = waiting.binary_search(&from)
        {
            waiting.remove(at);
            if waiting.is_empty() {
                self.spare.extend(self.requests.remove(&request));
            }
        }
        self.frontiers.insert(from, self.tip);
        self.votes.vote(request, &from, self.tip.id);
        self.answered += 1;
        if self.answered == self.k {
            self.answered = 0;
            self.votes.close(request, self.tip.id);
            self.ask();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_decided_and_endless_polls_go_on() {
        for committee in Committee::ALL.into_iter().take(4) {
            let mut network = Network::new(committee, 20).unwrap();
            for _ in 0..3 {
                assert!(network.decide_one(1) && network.decide_one(10));
            }
            assert!(network.engine().stats().accepted >= 6);
            let mut endless = endless(committee, 4).unwrap();
            assert!((0..1_000).all(|_| endless.answer_one()));
            let stats = endless.engine().stats();
            assert!(stats.accepted == 0 && stats.polls > 30, "{stats:?}");
            let mut floor = AnswerFloor::new(committee, 4);
            (0..1_000).for_each(|_| floor.answer_one());
            assert!(floor.request > 30);
        }
    }
}
