//! One engine with a toy VM that answers at once, or when it is told to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::engine::*;
use crate::snowball::Parameters;
use crate::snowman::Block;
use crate::validators::{Validator, ValidatorSet};
use crate::{Height, Id, NodeId, Timestamp};

pub(super) type Parsed = ParsedBlock<()>;

/// Validator `index`, from 1 on. The engine itself is 0.
pub(super) fn node(index: u8) -> NodeId {
    NodeId::new([index; 20])
}

pub(super) fn genesis() -> Parsed {
    let block = Block { id: Id::hash(b"genesis"), parent: Id::EMPTY, height: Height::GENESIS };
    ParsedBlock { block, bytes: 10, handle: () }
}

/// A child of a block, whose name says which.
pub(super) fn child(parent: &Parsed, name: &str) -> Parsed {
    let id = Id::hash(format!("{} {name}", parent.id()).as_bytes());
    let height = parent.height().next().expect("not that high");
    ParsedBlock { block: Block { id, parent: parent.id(), height }, bytes: 10, handle: () }
}

/// An engine, its VM, and what went out.
pub(super) struct Harness {
    pub(super) engine: Engine<()>,
    pub(super) now: Timestamp,
    /// Blocks that the VM finds.
    pub(super) known: BTreeMap<Id, Parsed>,
    pub(super) invalid: BTreeSet<Id>,
    pub(super) options: BTreeMap<Id, [Parsed; 2]>,
    pub(super) to_build: VecDeque<Parsed>,
    /// Whether the VM answers at once.
    pub(super) prompt: bool,
    /// What it has not answered.
    pub(super) open: VecDeque<(CallId, Call<()>)>,
    /// What it was asked.
    pub(super) calls: Vec<Call<()>>,
    accepted: BTreeMap<Height, Id>,
}

impl Harness {
    /// `validators` validators of weight 1, all connected and none of them this node, with `k` the
    /// number of them: every poll asks everybody once.
    pub(super) fn new(validators: u8, alpha: u32, beta: u32) -> Self {
        let k = u32::from(validators);
        let parameters = Parameters::new(k, alpha, alpha, beta).expect("parameters");
        Self::with(EngineConfig { parameters, bench: None, ..EngineConfig::default() }, validators)
    }

    pub(super) fn with(config: EngineConfig, validators: u8) -> Self {
        let mut harness = Self::entering(config, validators);
        harness.prompt = true;
        let started = harness.answer_next();
        assert_eq!(started, [Output::SetPreference(genesis().id())]);
        for at in 1..=validators {
            harness.input(Input::Connected(node(at)));
        }
        harness
    }

    /// An engine that has asked the VM to enter its phase, with a VM that does not answer at once.
    pub(super) fn entering(config: EngineConfig, validators: u8) -> Self {
        let set = (1..=validators).map(|at| Validator { node_id: node(at), weight: 1 });
        let set = ValidatorSet::try_from(set.collect::<Vec<_>>()).expect("a set");
        let setup = Setup {
            own: node(0),
            validators: set,
            beacons: None,
            tip: Tip { id: genesis().id(), height: Height::GENESIS },
            phase: Phase::NormalOperation,
            stored: Vec::new(),
            seed: [7; 32],
        };
        let engine = Engine::new(config, setup, Timestamp::ZERO).expect("an engine");
        let mut harness = Self {
            engine,
            now: Timestamp::ZERO,
            known: BTreeMap::from([(genesis().id(), genesis())]),
            invalid: BTreeSet::new(),
            options: BTreeMap::new(),
            to_build: VecDeque::new(),
            prompt: false,
            open: VecDeque::new(),
            calls: Vec::new(),
            accepted: BTreeMap::from([(Height::GENESIS, genesis().id())]),
        };
        assert_eq!(harness.drain(), []);
        harness
    }

    /// Hands in an input and returns what goes out, calls left out.
    pub(super) fn input(&mut self, input: Input<()>) -> Vec<Output<()>> {
        self.engine.handle(self.now, input).expect("nothing fatal");
        self.drain()
    }

    pub(super) fn message(&mut self, from: u8, message: Message<()>) -> Vec<Output<()>> {
        self.input(Input::Message { from: node(from), message })
    }

    /// Chits of a node that prefers a block and has accepted genesis.
    pub(super) fn chits(
        &mut self,
        from: u8,
        request_id: u32,
        preferred: &Parsed,
    ) -> Vec<Output<()>> {
        self.message(from, chits(request_id, preferred.id(), preferred.id(), &genesis()))
    }

    /// Answers the call that has waited longest.
    pub(super) fn answer_next(&mut self) -> Vec<Output<()>> {
        let (call, asked) = self.open.pop_front().expect("a call");
        let answer = self.answer(&asked);
        self.input(Input::Answer { call, answer })
    }

    fn drain(&mut self) -> Vec<Output<()>> {
        let mut out = Vec::new();
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Call { id, call } => {
                    self.calls.push(call.clone());
                    if self.prompt {
                        let answer = self.answer(&call);
                        self.engine
                            .handle(self.now, Input::Answer { call: id, answer })
                            .expect("nothing fatal");
                    } else {
                        self.open.push_back((id, call));
                    }
                    continue;
                }
                Output::Accept(block) => {
                    self.accepted.insert(block.height(), block.id());
                    self.known.insert(block.id(), block);
                }
                _ => {}
            }
            out.push(output);
        }
        out
    }

    pub(super) fn answer(&mut self, call: &Call<()>) -> Answer<()> {
        match call {
            Call::EnterPhase(_) => {
                let tip = self.engine.last_accepted();
                Answer::LastAccepted { tip, options: self.options.get(&tip.id).copied() }
            }
            Call::Verify(block) if self.invalid.contains(&block.id()) => {
                Answer::Verdict(Verdict::Invalid)
            }
            Call::Verify(block) => {
                self.known.insert(block.id(), *block);
                let options = self.options.get(&block.id());
                Answer::Verdict(options.map_or(Verdict::Valid, |two| Verdict::Oracle(*two)))
            }
            Call::BuildBlock => Answer::Block(self.to_build.pop_front()),
            Call::GetBlock(id) => Answer::Block(self.known.get(id).copied()),
            Call::BlockIdAtHeight(height) => Answer::BlockId(self.accepted.get(height).copied()),
            Call::GetAncestors { id, .. } => {
                Answer::Blocks(self.known.get(id).copied().into_iter().collect())
            }
            Call::FilterAccepted(ids) => {
                let accepted = |id: &Id| self.accepted.values().any(|known| known == id);
                Answer::Ids(ids.iter().copied().filter(accepted).collect())
            }
            Call::ExecuteStored { .. } => Answer::Executed(self.engine.last_accepted()),
            Call::OngoingSummary | Call::LastSummary => Answer::Summary(None),
            Call::SummariesAt(_) => Answer::Ids(Vec::new()),
            Call::AcceptSummary(_) => Answer::SyncMode(SyncMode::Skipped),
        }
    }
}

pub(super) fn chits(
    request_id: u32,
    preferred: Id,
    preferred_at_height: Id,
    accepted: &Parsed,
) -> Message<()> {
    let (accepted, accepted_height) = (accepted.id(), accepted.height());
    Message::Chits { request_id, preferred, preferred_at_height, accepted, accepted_height }
}

pub(super) fn push(request_id: u32, block: &Parsed) -> Message<()> {
    let requested_height = Height::new(1);
    Message::PushQuery { request_id, block: Some(*block), requested_height }
}

/// The queries among the outputs: to whom, and under which number.
pub(super) fn queries(outputs: &[Output<()>]) -> Vec<(NodeId, u32)> {
    let query = |output: &Output<()>| match output {
        Output::Send {
            to,
            message: Message::PushQuery { request_id, .. } | Message::PullQuery { request_id, .. },
        } => Some((*to, *request_id)),
        _ => None,
    };
    outputs.iter().filter_map(query).collect()
}

/// The requests for blocks among the outputs: to whom, under which number, for what.
pub(super) fn gets(outputs: &[Output<()>]) -> Vec<(NodeId, u32, Id)> {
    let get = |output: &Output<()>| match output {
        Output::Send { to, message: Message::Get { request_id, id } } => {
            Some((*to, *request_id, *id))
        }
        _ => None,
    };
    outputs.iter().filter_map(get).collect()
}
