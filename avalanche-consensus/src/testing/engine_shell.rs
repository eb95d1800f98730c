//! The shell of a generated run: a VM that keeps the contract, and a strict reader of the outputs.

use std::collections::BTreeSet;

use super::engine_world::{Validity, World};
use super::{Coverage, Difference, compare, demand};
use crate::engine::{
    Answer, Call, CallId, Engine, EngineConfig, Fault, Input, Limits, Message, Output, ParsedBlock,
    Phase, Setup, SyncMode, Tip, Verdict,
};
use crate::validators::{Validator, ValidatorSet};
use crate::{Id, NodeId, Timestamp};

/// Outputs that one input may lead to, calls that are answered at once included.
const OUTPUTS_MAX: usize = 1 << 14;

/// What the VM knows of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unknown,
    /// It was asked for the verdict.
    Asked,
    Verified,
    Accepted,
    Rejected,
}

/// A request of the engine.
pub(super) type Request = (NodeId, Message<usize>);

pub(super) struct Shell {
    pub(super) engine: Engine<usize>,
    pub(super) now: Timestamp,
    pub(super) world: World,
    states: Vec<State>,
    /// Accepted blocks, the first one included.
    pub(super) accepted: Vec<Id>,
    rejected: usize,
    conflicts: BTreeSet<Id>,
    /// Calls that wait, oldest first.
    pub(super) calls: Vec<(CallId, Call<usize>)>,
    /// Calls that were answered.
    pub(super) answered: Vec<CallId>,
    /// Requests that wait.
    pub(super) requests: Vec<Request>,
    /// Requests that had an outcome.
    pub(super) old: Vec<Request>,
    peers: BTreeSet<NodeId>,
    validators: BTreeSet<u8>,
    /// Blocks that were processing after some input.
    processing: BTreeSet<Id>,
    /// Whether calls wait to be answered.
    lazy: bool,
    /// Whether a verified block can be dropped for want of room.
    drops: bool,
    limits: Limits,
    outputs: usize,
}

pub(super) fn node(at: u8) -> NodeId {
    NodeId::new([at; 20])
}

impl Shell {
    /// A shell whose engine has asked to enter its phase.
    pub(super) fn new(
        world: World,
        config: EngineConfig,
        validators: &[u8],
        lazy: bool,
    ) -> Result<Self, Difference> {
        let limits = config.limits;
        let refused = |error: crate::Error| {
            Difference::new("beginning", "an engine".to_owned(), error.to_string())
        };
        let set = validators.iter().map(|at| Validator { node_id: node(*at), weight: 1 });
        let set = ValidatorSet::try_from(set.collect::<Vec<_>>()).map_err(refused)?;
        let first = world.chain_at(0);
        let tip = Tip { id: first.id(), height: first.height() };
        let setup = Setup { own: node(0), validators: set, tip, ..Setup::default() };
        let engine = Engine::new(config, setup, Timestamp::ZERO).map_err(refused)?;
        let mut shell = Self {
            engine,
            now: Timestamp::ZERO,
            states: vec![State::Unknown; world.blocks.len()],
            world,
            accepted: vec![first.id()],
            rejected: 0,
            conflicts: BTreeSet::new(),
            calls: Vec::new(),
            answered: Vec::new(),
            requests: Vec::new(),
            old: Vec::new(),
            peers: BTreeSet::new(),
            validators: validators.iter().copied().collect(),
            processing: BTreeSet::new(),
            lazy,
            drops: limits.processing_max < 1_000,
            limits,
            outputs: 0,
        };
        shell.set(0, State::Accepted);
        shell.drain(&mut Coverage::new(&[]))?;
        Ok(shell)
    }

    /// How many blocks were accepted, were rejected, and had a rival that was rejected.
    pub(super) fn counts(&self) -> [usize; 3] {
        [self.accepted.len() - 1, self.rejected, self.conflicts.len()]
    }

    pub(super) fn is_validator(&self, at: u8) -> bool {
        self.validators.contains(&at)
    }

    /// Notes that a node becomes a validator, or stops being one.
    pub(super) fn toggle_validator(&mut self, at: u8) {
        if !self.validators.remove(&at) {
            self.validators.insert(at);
        }
    }

    /// Hands in an input, does what comes of it, and checks that everything is as it has to be.
    pub(super) fn input(
        &mut self,
        input: Input<usize>,
        coverage: &mut Coverage,
    ) -> Result<(), Difference> {
        match &input {
            Input::Connected(node) => drop(self.peers.insert(*node)),
            Input::Disconnected(node) => drop(self.peers.remove(node)),
            _ => {}
        }
        self.outputs = 0;
        self.handle(input)?;
        self.drain(coverage)?;
        self.check()
    }

    fn handle(&mut self, input: Input<usize>) -> Result<(), Difference> {
        let fatal = |fatal: crate::engine::Fatal| {
            Difference::new("handling", "nothing fatal".to_owned(), fatal.to_string())
        };
        self.engine.handle(self.now, input).map_err(fatal)
    }

    fn drain(&mut self, coverage: &mut Coverage) -> Result<(), Difference> {
        while let Some(output) = self.engine.poll_output() {
            self.outputs += 1;
            demand("number of outputs", self.outputs < OUTPUTS_MAX, || self.outputs.to_string())?;
            match output {
                Output::Call { id, call } => {
                    self.asked(&call)?;
                    if self.lazy {
                        self.calls.push((id, call));
                    } else {
                        let answer = self.answer(&call, coverage);
                        self.answered.push(id);
                        self.handle(Input::Answer { call: id, answer })?;
                    }
                }
                Output::Accept(block) => self.accept(&block)?,
                Output::Reject(block) => self.reject(&block, coverage)?,
                Output::SetPreference(id) => {
                    let known = self.builds_on(&id);
                    demand("preference is verified", known, || format!("{id}"))?;
                }
                Output::Send { to, message } => self.sent(to, message)?,
                Output::Fault { node: of, fault } => {
                    demand("fault of another", of != node(0), || format!("{fault}"))?;
                    coverage.hit(match fault {
                        Fault::Unrequested(_) => "unrequested answer",
                        Fault::InvalidBlock(_) => "invalid block",
                        Fault::WrongBlock { .. } => "wrong block",
                        _ => "other fault",
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Answers the call at this place of those that wait.
    pub(super) fn answer_call(
        &mut self,
        at: usize,
        coverage: &mut Coverage,
    ) -> Result<(), Difference> {
        if self.calls.is_empty() {
            return Ok(());
        }
        let at = at % self.calls.len();
        coverage.hit_if("call answered before an older one", at > 0);
        let (call, asked) = self.calls.remove(at);
        self.answered.push(call);
        let answer = self.answer(&asked, coverage);
        self.input(Input::Answer { call, answer }, coverage)
    }

    fn set(&mut self, at: usize, state: State) {
        if let Some(slot) = self.states.get_mut(at) {
            *slot = state;
        }
    }

    fn state(&self, id: &Id) -> (usize, State) {
        let at = self.world.find(id).unwrap_or(usize::MAX);
        (at, self.states.get(at).copied().unwrap_or(State::Unknown))
    }

    /// Whether children of a block can be verified.
    fn builds_on(&self, id: &Id) -> bool {
        self.accepted.last() == Some(id) || self.state(id).1 == State::Verified
    }

    fn asked(&mut self, call: &Call<usize>) -> Result<(), Difference> {
        let Call::Verify(block) = call else { return Ok(()) };
        let (at, state) = self.state(&block.id());
        compare("what the VM knows of a block that it is to verify", &State::Unknown, &state)?;
        let parent = block.parent();
        demand("parent was verified", self.builds_on(&parent), || format!("{block:?}"))?;
        let above = self.world.find(&parent).and_then(|at| self.world.get(at));
        let height = above.and_then(|above| above.parsed.height().next());
        compare("height of a block to verify", &height, &Some(block.height()))?;
        self.set(at, State::Asked);
        Ok(())
    }

    fn accept(&mut self, block: &ParsedBlock<usize>) -> Result<(), Difference> {
        let (at, state) = self.state(&block.id());
        compare("what the VM knows of an accepted block", &State::Verified, &state)?;
        compare("parent of an accepted block", &self.accepted.last(), &Some(&block.parent()))?;
        compare(
            "height of an accepted block",
            &(self.accepted.len() as u64),
            &block.height().get(),
        )?;
        compare("handle of an accepted block", &at, &block.handle)?;
        self.accepted.push(block.id());
        self.set(at, State::Accepted);
        Ok(())
    }

    fn reject(
        &mut self,
        block: &ParsedBlock<usize>,
        coverage: &mut Coverage,
    ) -> Result<(), Difference> {
        let (at, state) = self.state(&block.id());
        compare("what the VM knows of a rejected block", &State::Verified, &state)?;
        if self.builds_on(&block.parent()) {
            demand("a block that could win stays", self.drops, || format!("{block:?}"))?;
            self.set(at, State::Unknown);
            return Ok(());
        }
        let late = self.lazy && !self.processing.contains(&block.id());
        coverage.hit_if("rejected after a late verdict", late);
        self.rejected += 1;
        if let Some(rival) = self.accepted.get(height_of(block)) {
            self.conflicts.insert(*rival);
        }
        self.set(at, State::Rejected);
        Ok(())
    }

    fn sent(&mut self, to: NodeId, message: Message<usize>) -> Result<(), Difference> {
        demand("a message to another node", to != node(0), || format!("{message:?}"))?;
        if message.kind().answer().is_some() {
            demand("a request to a peer that is there", self.peers.contains(&to), || {
                format!("{to}: {message:?}")
            })?;
            self.requests.push((to, message));
        }
        Ok(())
    }

    /// What the VM says, once it comes to it.
    fn answer(&mut self, call: &Call<usize>, coverage: &mut Coverage) -> Answer<usize> {
        match call {
            Call::EnterPhase(Phase::NormalOperation) => {
                let tip = self.engine.last_accepted();
                Answer::LastAccepted { tip, options: None }
            }
            Call::Verify(block) => Answer::Verdict(self.verify(block, coverage)),
            Call::BuildBlock => Answer::Block(self.build(coverage)),
            Call::GetBlock(id) => {
                let known = |at: usize| self.world.get(at).map(|entry| entry.parsed);
                let (at, state) = self.state(id);
                let kept = matches!(state, State::Verified | State::Accepted);
                Answer::Block(known(at).filter(|_| kept))
            }
            Call::BlockIdAtHeight(height) => {
                coverage.hit("answer below the last accepted block");
                let at = usize::try_from(height.get()).unwrap_or(usize::MAX);
                Answer::BlockId(self.accepted.get(at).copied())
            }
            Call::GetAncestors { .. } => Answer::Blocks(Vec::new()),
            Call::FilterAccepted(ids) => {
                Answer::Ids(ids.iter().filter(|id| self.accepted.contains(id)).copied().collect())
            }
            Call::SummariesAt(_) => Answer::Ids(Vec::new()),
            Call::OngoingSummary | Call::LastSummary => Answer::Summary(None),
            Call::AcceptSummary(_) => Answer::SyncMode(SyncMode::Skipped),
            _ => Answer::BlockId(None),
        }
    }

    fn verify(&mut self, block: &ParsedBlock<usize>, coverage: &mut Coverage) -> Verdict<usize> {
        let Some(entry) = self.world.get(block.handle) else { return Verdict::Invalid };
        let on_top = self.accepted.last() == Some(&block.parent());
        let valid = match entry.validity {
            Validity::Valid => true,
            Validity::Late => on_top,
            Validity::Invalid => false,
        };
        coverage.hit_if("late block", entry.validity == Validity::Late && valid);
        let options = entry.options.and_then(|[first, second]| {
            Some([self.world.get(first)?.parsed, self.world.get(second)?.parsed])
        });
        self.set(block.handle, if valid { State::Verified } else { State::Unknown });
        coverage.hit_if("oracle", valid && options.is_some());
        match options {
            _ if !valid => Verdict::Invalid,
            Some(options) => Verdict::Oracle(options),
            None => Verdict::Valid,
        }
    }

    fn build(&mut self, coverage: &mut Coverage) -> Option<ParsedBlock<usize>> {
        let at = self.world.find(&self.engine.preference())?;
        let oracle = self.world.get(at)?.options.is_some();
        if oracle || self.world.blocks.len() > 60 {
            return None;
        }
        coverage.hit("block built");
        let built = self.world.add(Some(at), Validity::Valid);
        self.states.push(State::Unknown);
        self.world.get(built).map(|entry| entry.parsed)
    }

    /// Compares what the engine says of itself with what it did.
    fn check(&mut self) -> Result<(), Difference> {
        let verified = self.states.iter().filter(|state| **state == State::Verified).count();
        compare("processing blocks", &verified, &self.engine.num_processing())?;
        for (entry, state) in self.world.blocks.iter().zip(&self.states) {
            let id = entry.parsed.id();
            let processing = self.engine.processing(&id);
            compare("processing", &(*state == State::Verified), &processing)?;
            if processing {
                self.processing.insert(id);
            }
        }
        let tip = self.engine.last_accepted();
        compare("last accepted block", &self.accepted.last(), &Some(&tip.id))?;
        compare("last accepted height", &(self.accepted.len() as u64 - 1), &tip.height.get())?;
        let preference = self.engine.preference();
        demand("preference is verified", self.builds_on(&preference), || format!("{preference}"))?;
        compare("calls that wait", &self.calls.len(), &self.engine.calls_open())?;
        let held = self.engine.holdings();
        compare("bound that is passed", &None, &held.beyond(&self.limits))?;
        let waits = self.engine.poll_timeout().is_some() || !self.calls.is_empty();
        demand("something to wait for", waits, String::new)
    }
}

fn height_of(block: &ParsedBlock<usize>) -> usize {
    usize::try_from(block.height().get()).unwrap_or(usize::MAX)
}
