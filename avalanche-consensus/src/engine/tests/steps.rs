//! Short words for the steps that tests take.

use super::harness::*;
use crate::engine::*;
use crate::snowball::{Parameters, ParametersConfig};
use crate::{Height, Id};

/// The parameters of most of AvalancheGo's engine tests, for a committee of this size.
pub(super) fn small(k: u32, alpha: u32, beta: u32) -> ParametersConfig {
    ParametersConfig {
        k,
        alpha_preference: alpha,
        alpha_confidence: alpha,
        beta,
        concurrent_repolls: 1,
        optimal_processing: 1,
        max_outstanding_items: 1,
        ..ParametersConfig::default()
    }
}

pub(super) fn config(parameters: ParametersConfig) -> EngineConfig {
    let parameters = Parameters::try_from(parameters).expect("parameters");
    EngineConfig { parameters, bench: None, ..EngineConfig::default() }
}

/// An engine that asks each of `k` validators once a poll, and one poll at a time.
pub(super) fn committee(k: u8, alpha: u32, beta: u32) -> Harness {
    Harness::with(config(small(u32::from(k), alpha, beta)), k)
}

/// A chain of blocks on a parent.
pub(super) fn chain(parent: &Parsed, name: &str, length: usize) -> Vec<Parsed> {
    let mut blocks: Vec<Parsed> = Vec::new();
    for _ in 0..length {
        let next = child(blocks.last().unwrap_or(parent), name);
        blocks.push(next);
    }
    blocks
}

impl Harness {
    /// A peer gives a block with a query that nobody looks at.
    pub(super) fn offer(&mut self, from: u8, block: &Parsed) -> Vec<Output<()>> {
        self.message(from, push(0, block))
    }

    pub(super) fn put(&mut self, from: u8, request_id: u32, block: &Parsed) -> Vec<Output<()>> {
        self.message(from, Message::Put { request_id, block: Some(*block) })
    }

    pub(super) fn fail(&mut self, to: u8, request_id: u32) -> Vec<Output<()>> {
        self.input(Input::RequestFailed { to: node(to), request_id })
    }

    /// The time that the engine waits for comes.
    pub(super) fn tick(&mut self) -> Vec<Output<()>> {
        self.now = self.engine.poll_timeout().expect("something to wait for");
        self.input(Input::Tick)
    }

    /// Jobs that wait for blocks.
    pub(super) fn jobs(&self) -> usize {
        self.engine.waiting()[2]
    }

    /// Blocks that peers were asked for.
    pub(super) fn fetching(&self) -> usize {
        self.engine.waiting()[0]
    }
}

pub(super) fn pull(request_id: u32, id: Id, height: u64) -> Message<()> {
    Message::PullQuery { request_id, id, requested_height: Height::new(height) }
}

/// The numbers of the queries among the outputs, each once.
pub(super) fn polls(outputs: &[Output<()>]) -> Vec<u32> {
    let mut polls: Vec<u32> = queries(outputs).iter().map(|(_, id)| *id).collect();
    polls.dedup();
    polls
}

/// The blocks that pull queries among the outputs name, with the height that they ask for.
pub(super) fn pulled(outputs: &[Output<()>]) -> Vec<(Id, u64)> {
    let pulled = |output: &Output<()>| match output {
        Output::Send { message: Message::PullQuery { id, requested_height, .. }, .. } => {
            Some((*id, requested_height.get()))
        }
        _ => None,
    };
    outputs.iter().filter_map(pulled).collect()
}

/// The blocks that push queries among the outputs give.
pub(super) fn pushed(outputs: &[Output<()>]) -> Vec<Id> {
    let pushed = |output: &Output<()>| match output {
        Output::Send { message: Message::PushQuery { block, .. }, .. } => {
            block.as_ref().map(ParsedBlock::id)
        }
        _ => None,
    };
    outputs.iter().filter_map(pushed).collect()
}

/// What was decided, in order.
pub(super) fn decided(outputs: &[Output<()>]) -> Vec<(&'static str, Id)> {
    let decided = |output: &Output<()>| match output {
        Output::Accept(block) => Some(("accept", block.id())),
        Output::Reject(block) => Some(("reject", block.id())),
        _ => None,
    };
    outputs.iter().filter_map(decided).collect()
}

/// The answers to queries among the outputs, as what they name.
pub(super) fn answers(outputs: &[Output<()>]) -> Vec<(u32, [Id; 3], u64)> {
    let answer = |output: &Output<()>| match output {
        Output::Send {
            message:
                Message::Chits { request_id, preferred, preferred_at_height, accepted, accepted_height },
            ..
        } => {
            let ids = [*preferred, *preferred_at_height, *accepted];
            Some((*request_id, ids, accepted_height.get()))
        }
        _ => None,
    };
    outputs.iter().filter_map(answer).collect()
}

pub(super) fn faults(outputs: &[Output<()>]) -> Vec<Fault> {
    let fault = |output: &Output<()>| match output {
        Output::Fault { fault, .. } => Some(*fault),
        _ => None,
    };
    outputs.iter().filter_map(fault).collect()
}

impl Harness {
    /// Lets so much time go by that every request has ended.
    pub(super) fn tick_past_deadlines(&mut self) -> Vec<Output<()>> {
        self.now = self.now.after(std::time::Duration::from_secs(11));
        self.input(Input::Tick)
    }
}
