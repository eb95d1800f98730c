//! Inputs of any kind and order to an engine, and what has to hold whatever they are.

use std::time::Duration;

use super::engine_shell::{Shell, node};
use super::engine_world::World;
use super::script::Bytes;
use super::{Coverage, Difference, compare};
use crate::engine::{
    Answer, CallId, EngineConfig, Input, Limits, Message, MessageKind, ParsedBlock,
};
use crate::snowball::{Parameters, ParametersConfig};
use crate::validators::{Validator, ValidatorChange};
use crate::{Height, Id, NodeId};

/// The situations that [`EngineScript::run`] counts.
pub const ENGINE_SITUATIONS: &[&str] = &[
    "answer below the last accepted block",
    "block built",
    "call answered before an older one",
    "call answered twice",
    "invalid block",
    "late block",
    "liar",
    "oracle",
    "other fault",
    "own vote",
    "rejected after a late verdict",
    "request failed",
    "unrequested answer",
    "vote waited",
    "wrong block",
];

/// Inputs to an engine, as bytes that choose them while they run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineScript {
    bytes: Vec<u8>,
}

/// How an [`EngineScript`] is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// The VM answers when the script says so, in any order. Otherwise it answers at once.
    pub lazy: bool,
    /// Every peer may lie, blocks need not be well-formed, and the bounds are small. Otherwise one
    /// of five validators lies.
    pub hostile: bool,
}

/// What came of an [`EngineScript`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineRun {
    /// The accepted blocks, in order, the first one included.
    pub accepted: Vec<Id>,
    /// Blocks that were rejected.
    pub rejected: usize,
    /// Heights at which a block was accepted and a rival rejected.
    pub conflicts: usize,
}

/// Inputs after the script, until everything that honest peers accept is accepted.
const ROUNDS_MAX: usize = 3_000;

impl EngineScript {
    /// Reads a script from bytes of any content and length.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec() }
    }

    /// Runs the script with a VM that keeps the contract, and checks after every input that no
    /// output breaks it: parents are verified before their children and nothing twice at a time,
    /// each verified block is accepted or rejected once or is processing, heights are accepted in
    /// order, nothing is held beyond its bound, and nothing is fatal.
    ///
    /// Unless peers are hostile everything is answered in the end, and what honest peers accept has
    /// to be accepted.
    ///
    /// # Errors
    ///
    /// The first difference from that.
    pub fn run(&self, manner: Manner, coverage: &mut Coverage) -> Result<EngineRun, Difference> {
        let mut bytes = Bytes(&self.bytes);
        let kind = bytes.u8();
        let world = World::from_bytes(&mut bytes, manner.hostile);
        let own = kind % 2 == 1;
        let validators = if own { 0..=4 } else { 1..=5 };
        let validators: Vec<u8> = validators.collect();
        let config = config(kind, manner.hostile)?;
        let shell = Shell::new(world, config, &validators, manner.lazy)?;
        let mut run = Run { shell, hostile: manner.hostile, coverage };
        run.coverage.hit_if("own vote", own);
        run.begin(&validators)?;
        let mut index = 0;
        while !bytes.0.is_empty() {
            let operation = bytes.u8();
            run.step(operation, &mut bytes).map_err(|error| error.at(index, &operation))?;
            index += 1;
        }
        if !manner.hostile {
            run.finish(&validators).map_err(|error| error.at(index, &"the end"))?;
        }
        let [_, rejected, conflicts] = run.shell.counts();
        Ok(EngineRun { accepted: run.shell.accepted, rejected, conflicts })
    }
}

fn config(kind: u8, hostile: bool) -> Result<EngineConfig, Difference> {
    let parameters = ParametersConfig {
        k: 5,
        alpha_preference: 3,
        alpha_confidence: 4,
        beta: 1 + u32::from(kind / 2 % 3),
        concurrent_repolls: 1 + u32::from(kind / 2 % 3).min(u32::from(kind / 8 % 3)),
        optimal_processing: 3,
        ..ParametersConfig::default()
    };
    let parameters = Parameters::try_from(parameters)
        .map_err(|error| Difference::new("parameters", "accepted".to_owned(), error.to_string()))?;
    let partial_sync = hostile && kind / 32 == 7;
    let limits = if hostile { small_limits() } else { Limits::default() };
    Ok(EngineConfig { parameters, partial_sync, limits, bench: None, ..EngineConfig::default() })
}

fn small_limits() -> Limits {
    Limits {
        processing_max: 6,
        pending_max: 8,
        pending_bytes_max: 700,
        pending_per_node_max: 4,
        unverified_bytes_max: 500,
        unverified_max: 4,
        polls_max: 3,
        requests_max: 24,
        calls_max: 6,
        calls_per_node_max: 3,
        builds_max: 2,
        ids_max: 4,
        connected_max: 7,
        poll_history_max: 3,
        ..Limits::default()
    }
}

struct Run<'c> {
    shell: Shell,
    hostile: bool,
    coverage: &'c mut Coverage,
}

impl Run<'_> {
    fn input(&mut self, input: Input<usize>) -> Result<(), Difference> {
        let jobs = self.shell.engine.waiting()[2];
        self.shell.input(input, self.coverage)?;
        self.coverage.hit_if("vote waited", self.shell.engine.waiting()[2] > jobs);
        Ok(())
    }

    fn message(&mut self, from: NodeId, message: Message<usize>) -> Result<(), Difference> {
        self.input(Input::Message { from, message })
    }

    fn begin(&mut self, validators: &[u8]) -> Result<(), Difference> {
        for at in validators.iter().filter(|at| **at > 0) {
            self.input(Input::Connected(node(*at)))?;
        }
        Ok(())
    }

    /// One input that the next bytes choose.
    fn step(&mut self, operation: u8, bytes: &mut Bytes<'_>) -> Result<(), Difference> {
        let peer = node(1 + bytes.u8() % 6);
        match operation % 20 {
            0..=2 => {
                let (block, requested_height) = (self.block(bytes), height(bytes.u8()));
                let message = Message::PushQuery { request_id: 1, block, requested_height };
                self.message(peer, message)
            }
            3 | 4 => {
                let (id, requested_height) = (self.id(bytes), height(bytes.u8()));
                self.message(peer, Message::PullQuery { request_id: 2, id, requested_height })
            }
            5 | 6 => self.shell.answer_call(usize::from(bytes.u8()), self.coverage),
            7..=12 => self.answer_request(bytes),
            13 => self.answer_again(peer, bytes),
            14 => self.fail(bytes),
            15 => self.input(Input::PendingTransactions),
            16 => self.pass_time(bytes.u8()),
            17 => {
                let connects = !bytes.u8().is_multiple_of(3);
                let input = if connects { Input::Connected } else { Input::Disconnected };
                self.input(input(peer))
            }
            18 => self.serve(peer, bytes),
            _ => self.disturb(bytes),
        }
    }

    /// A block of the world, or now and then one that could not be parsed.
    fn block(&self, bytes: &mut Bytes<'_>) -> Option<ParsedBlock<usize>> {
        let choice = bytes.u8();
        (choice < 250).then(|| self.shell.world.pick(choice))
    }

    fn id(&self, bytes: &mut Bytes<'_>) -> Id {
        let choice = bytes.u8();
        if choice < 240 { self.shell.world.pick(choice).id() } else { Id::hash(&[choice]) }
    }

    /// Somebody answers one of the requests that wait, as honest peers would unless it lies.
    fn answer_request(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Difference> {
        if self.shell.requests.is_empty() {
            return Ok(());
        }
        let at = usize::from(bytes.u8()) % self.shell.requests.len();
        let (to, request) = self.shell.requests.remove(at);
        let liar = to == node(if self.has_own_vote() { 4 } else { 5 });
        let answer = if liar || (self.hostile && bytes.u8().is_multiple_of(3)) {
            self.coverage.hit_if("liar", liar);
            self.lie(&request, bytes)
        } else {
            self.truth(&request, usize::from(bytes.u8()))
        };
        self.shell.old.push((to, request.clone()));
        match answer {
            Some(answer) => self.message(to, answer),
            None => self.input(Input::RequestFailed { to, request_id: request.request_id() }),
        }
    }

    fn has_own_vote(&self) -> bool {
        // Then there are four others, and otherwise five.
        !self.shell.is_validator(5)
    }

    /// What an honest peer answers that has got so far.
    fn truth(&self, request: &Message<usize>, progress: usize) -> Option<Message<usize>> {
        let world = &self.shell.world;
        match request {
            Message::Get { request_id, id } => {
                let block = world.find(id).and_then(|at| world.get(at))?.parsed;
                Some(Message::Put { request_id: *request_id, block: Some(block) })
            }
            Message::PushQuery { request_id, requested_height, .. }
            | Message::PullQuery { request_id, requested_height, .. } => {
                let tip = progress % world.chain.len().max(1);
                let asked = usize::try_from(requested_height.get()).unwrap_or(usize::MAX);
                let accepted = world.chain_at(tip / 2);
                Some(Message::Chits {
                    request_id: *request_id,
                    preferred: world.chain_at(tip).id(),
                    preferred_at_height: world.chain_at(asked.min(tip)).id(),
                    accepted: accepted.id(),
                    accepted_height: accepted.height(),
                })
            }
            _ => None,
        }
    }

    fn lie(&self, request: &Message<usize>, bytes: &mut Bytes<'_>) -> Option<Message<usize>> {
        let request_id = request.request_id();
        match (request.kind(), bytes.u8() % 8) {
            (_, 0) => None,
            (MessageKind::Get, 1..=3) => self.truth(request, 0),
            (MessageKind::Get, 4) | (_, 5) => {
                Some(Message::Put { request_id, block: self.block(bytes) })
            }
            _ => Some(self.chits(request_id, bytes)),
        }
    }

    fn chits(&self, request_id: u32, bytes: &mut Bytes<'_>) -> Message<usize> {
        let [preferred, preferred_at_height, accepted] = [0; 3].map(|_| self.id(bytes));
        let accepted_height = height(bytes.u8());
        Message::Chits { request_id, preferred, preferred_at_height, accepted, accepted_height }
    }

    /// An answer that was given already, that comes too late, or that nobody asked for.
    fn answer_again(&mut self, peer: NodeId, bytes: &mut Bytes<'_>) -> Result<(), Difference> {
        let choice = usize::from(bytes.u8());
        let (to, request) = match self.shell.old.len() {
            0 => (peer, Message::Get { request_id: 99, id: Id::EMPTY }),
            count => match self.shell.old.get(choice % count) {
                Some(request) => request.clone(),
                None => return Ok(()),
            },
        };
        match self.lie(&request, bytes) {
            Some(answer) => self.message(to, answer),
            None => self.input(Input::RequestFailed { to, request_id: request.request_id() }),
        }
    }

    fn fail(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Difference> {
        let choice = usize::from(bytes.u8());
        if self.shell.requests.is_empty() {
            return Ok(());
        }
        let (to, request) = self.shell.requests.remove(choice % self.shell.requests.len());
        self.coverage.hit("request failed");
        let request_id = request.request_id();
        self.shell.old.push((to, request));
        self.input(Input::RequestFailed { to, request_id })
    }

    fn pass_time(&mut self, choice: u8) -> Result<(), Difference> {
        let now = self.shell.now;
        self.shell.now = match choice % 4 {
            0 => now.after(Duration::from_millis(u64::from(choice))),
            1 => now.after(Duration::from_secs(11)),
            _ => self.shell.engine.poll_timeout().unwrap_or(now).max(now),
        };
        self.input(Input::Tick)
    }

    /// A peer asks for something.
    fn serve(&mut self, peer: NodeId, bytes: &mut Bytes<'_>) -> Result<(), Difference> {
        let request_id = u32::from(bytes.u8());
        let id = self.id(bytes);
        let ids = vec![id; usize::from(bytes.u8() % 6)];
        let heights = (0..bytes.u8() % 6).map(height).collect();
        self.message(
            peer,
            match request_id % 6 {
                0 => Message::Get { request_id, id },
                1 => Message::GetAncestors { request_id, id },
                2 => Message::GetAccepted { request_id, ids },
                3 => Message::GetAcceptedFrontier { request_id },
                4 => Message::GetStateSummaryFrontier { request_id },
                _ => Message::GetAcceptedStateSummary { request_id, heights },
            },
        )
    }

    /// Answers to calls that are none, validators that come and go, and the like.
    fn disturb(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Difference> {
        let choice = bytes.u8();
        let answer = Answer::BlockId(None);
        match choice % 6 {
            0 => self.input(Input::Answer { call: CallId(u64::MAX), answer }),
            1 => {
                let at = usize::from(bytes.u8()) % self.shell.answered.len().max(1);
                let Some(call) = self.shell.answered.get(at).copied() else { return Ok(()) };
                self.coverage.hit("call answered twice");
                self.input(Input::Answer { call, answer })
            }
            2 => self.input(Input::StateSyncDone),
            3 => self.input(Input::SubnetBootstrapped),
            4 if self.hostile => {
                let at = 1 + bytes.u8() % 6;
                let change = if self.shell.is_validator(at) {
                    ValidatorChange::Remove(node(at))
                } else {
                    ValidatorChange::Add(Validator { node_id: node(at), weight: 1 })
                };
                self.shell.toggle_validator(at);
                self.input(Input::Validators(vec![change]))
            }
            _ => {
                let id = self.id(bytes);
                let explained = self.shell.engine.explain(&id);
                compare("explained block", &id, &explained.id)
            }
        }
    }

    /// Everything is answered, by honest peers that have got to the end of their chain.
    fn finish(&mut self, validators: &[u8]) -> Result<(), Difference> {
        self.begin(validators)?;
        let end = self.shell.world.chain.len() - 1;
        for round in 0..ROUNDS_MAX {
            let calls = self.shell.calls.len();
            if calls > 0 {
                self.shell.answer_call(round * 7, self.coverage)?;
            } else if let Some((to, request)) = self.shell.requests.pop() {
                let request_id = request.request_id();
                match self.truth(&request, end) {
                    Some(answer) => self.message(to, answer)?,
                    None => self.input(Input::RequestFailed { to, request_id })?,
                }
            } else if self.shell.accepted.len() > end {
                break;
            } else {
                self.pass_time(2)?;
            }
        }
        let chain = self.shell.world.chain.iter().filter_map(|at| self.shell.world.get(*at));
        let chain: Vec<Id> = chain.map(|entry| entry.parsed.id()).collect();
        compare("accepted chain", &chain, &self.shell.accepted)
    }
}

fn height(choice: u8) -> Height {
    match choice {
        255 => Height::new(u64::MAX),
        254 => Height::new(u64::MAX - 1),
        _ => Height::new(u64::from(choice % 10)),
    }
}
