//! One engine that catches up, with a toy VM and store that answer at once, or when they are told
//! to.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::harness::{Parsed, child, genesis, node};
use crate::engine::*;
use crate::snowball::Parameters;
use crate::validators::{Validator, ValidatorSet};
use crate::{Height, Id, NodeId, Timestamp};

pub(super) type Out = Vec<Output<()>>;

/// Genesis and `length` blocks above it.
pub(super) fn chain(length: usize) -> Vec<Parsed> {
    let mut chain = vec![genesis()];
    for _ in 0..length {
        chain.push(child(&chain[chain.len() - 1], "only"));
    }
    chain
}

pub(super) fn summary(height: u64, name: &str) -> Summary<()> {
    let id = Id::hash(format!("summary {height} {name}").as_bytes());
    Summary { id, height: Height::new(height), handle: () }
}

/// What a follower begins with.
pub(super) struct Plan {
    pub(super) phase: Phase,
    /// Weights of the validators, which are nodes 1 and up.
    pub(super) weights: Vec<u64>,
    /// What it has accepted.
    pub(super) accepted: Vec<Parsed>,
    /// What it has stored.
    pub(super) stored: Vec<Parsed>,
    pub(super) config: EngineConfig,
    /// The VM goes back to this height when bootstrapping begins.
    pub(super) rollback: Option<usize>,
    pub(super) ongoing: Option<Summary<()>>,
    pub(super) mode: SyncMode,
    pub(super) seed: u8,
    /// Which node it is.
    pub(super) own: NodeId,
    /// Whom to trust instead of the validators.
    pub(super) beacons: Option<Vec<Validator>>,
}

impl Plan {
    pub(super) fn new(phase: Phase, weights: &[u64]) -> Self {
        let parameters = Parameters::new(20, 15, 15, 20).expect("parameters");
        Self {
            phase,
            weights: weights.to_vec(),
            accepted: vec![genesis()],
            stored: Vec::new(),
            config: EngineConfig {
                parameters,
                bench: None,
                gossip_period: Duration::ZERO,
                ..EngineConfig::default()
            },
            rollback: None,
            ongoing: None,
            mode: SyncMode::Skipped,
            seed: 7,
            own: node(0),
            beacons: None,
        }
    }

    pub(super) fn bootstrap(weights: &[u64]) -> Self {
        Self::new(Phase::Bootstrapping, weights)
    }

    pub(super) fn sync(weights: &[u64]) -> Self {
        Self::new(Phase::StateSyncing, weights)
    }

    /// A follower that nobody is connected to.
    pub(super) fn start(self) -> (Follower, Out) {
        let mut follower = self.create();
        let out = follower.answer_next();
        (follower, out)
    }

    /// A follower that everybody is connected to, and what it sent.
    pub(super) fn connected(self) -> (Follower, Out) {
        let peers = u8::try_from(self.weights.len()).expect("few");
        let mut follower = self.create();
        for at in 1..=peers {
            assert_eq!(follower.input(Input::Connected(node(at))), []);
        }
        let out = follower.answer_next();
        (follower, out)
    }

    /// A follower whose VM has not entered the phase.
    fn create(self) -> Follower {
        let members = (1..).zip(&self.weights);
        let members = members.map(|(at, weight)| Validator { node_id: node(at), weight: *weight });
        let tip = self.accepted[self.accepted.len() - 1];
        let setup = Setup {
            own: self.own,
            validators: ValidatorSet::try_from(members.collect::<Vec<_>>()).expect("a set"),
            beacons: self.beacons.map(|set| ValidatorSet::try_from(set).expect("a set")),
            tip: Tip { id: tip.id(), height: tip.height() },
            phase: self.phase,
            stored: runs(&self.stored),
            seed: [self.seed; 32],
        };
        let engine = Engine::new(self.config, setup, Timestamp::ZERO).expect("an engine");
        let mut follower = Follower {
            engine,
            now: Timestamp::ZERO,
            accepted: self.accepted,
            has: BTreeMap::new(),
            stored: self.stored.iter().map(|block| (block.height(), *block)).collect(),
            rollback: self.rollback,
            ongoing: self.ongoing,
            mode: self.mode,
            synced_to: None,
            prompt: false,
            open: VecDeque::new(),
            calls: Vec::new(),
        };
        assert_eq!(follower.drain(), []);
        follower.prompt = true;
        follower
    }
}

/// Blocks by ascending height as runs.
fn runs(blocks: &[Parsed]) -> Vec<StoredRun> {
    let mut runs: Vec<StoredRun> = Vec::new();
    for block in blocks {
        match runs.last_mut() {
            Some(run) if run.high.next() == Some(block.height()) => run.high = block.height(),
            _ => runs.push(StoredRun {
                low: block.height(),
                high: block.height(),
                parent: block.parent(),
            }),
        }
    }
    runs
}

/// An engine, its VM and its store.
pub(super) struct Follower {
    pub(super) engine: Engine<()>,
    pub(super) now: Timestamp,
    /// Accepted blocks by their height.
    pub(super) accepted: Vec<Parsed>,
    /// Blocks that the VM has and has not accepted.
    pub(super) has: BTreeMap<Id, Parsed>,
    pub(super) stored: BTreeMap<Height, Parsed>,
    rollback: Option<usize>,
    pub(super) ongoing: Option<Summary<()>>,
    mode: SyncMode,
    /// The summary that the VM was given last.
    pub(super) synced_to: Option<Summary<()>>,
    /// Whether calls are answered at once.
    pub(super) prompt: bool,
    pub(super) open: VecDeque<(CallId, Call<()>)>,
    pub(super) calls: Vec<Call<()>>,
}

impl Follower {
    /// Hands in an input and returns what goes out, calls left out.
    pub(super) fn input(&mut self, input: Input<()>) -> Out {
        self.engine.handle(self.now, input).expect("nothing fatal");
        self.drain()
    }

    pub(super) fn message(&mut self, from: NodeId, message: Message<()>) -> Out {
        self.input(Input::Message { from, message })
    }

    pub(super) fn fail(&mut self, to: NodeId, request_id: u32) -> Out {
        self.input(Input::RequestFailed { to, request_id })
    }

    /// Lets time pass up to what the engine waits for.
    pub(super) fn tick(&mut self) -> Out {
        self.now = self.now.max(self.engine.poll_timeout().expect("it waits for something"));
        self.input(Input::Tick)
    }

    /// Answers the call that has waited longest.
    pub(super) fn answer_next(&mut self) -> Out {
        let (call, asked) = self.open.pop_front().expect("a call");
        let answer = self.answer(&asked);
        self.input(Input::Answer { call, answer })
    }

    pub(super) fn tip(&self) -> Tip {
        let tip = self.accepted[self.accepted.len() - 1];
        Tip { id: tip.id(), height: tip.height() }
    }

    fn drain(&mut self) -> Out {
        let mut out = Vec::new();
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Call { id, call } => {
                    self.calls.push(call.clone());
                    if self.prompt {
                        let answer = self.answer(&call);
                        let input = Input::Answer { call: id, answer };
                        self.engine.handle(self.now, input).expect("nothing fatal");
                    } else {
                        self.open.push_back((id, call));
                    }
                    continue;
                }
                Output::StoreBlocks(ref blocks) => {
                    for block in blocks {
                        let earlier = self.stored.insert(block.height(), *block);
                        assert_eq!(earlier, None, "stored twice");
                    }
                }
                _ => {}
            }
            out.push(output);
        }
        out
    }

    pub(super) fn answer(&mut self, call: &Call<()>) -> Answer<()> {
        match call {
            Call::EnterPhase(phase) => {
                if let (Phase::Bootstrapping, Some(height)) = (phase, self.rollback) {
                    self.accepted.truncate(height + 1);
                }
                Answer::LastAccepted { tip: self.tip(), options: None }
            }
            Call::GetBlock(id) => {
                let accepted = self.accepted.iter().find(|block| block.id() == *id);
                Answer::Block(accepted.or_else(|| self.has.get(id)).copied())
            }
            Call::ExecuteStored { low, high } => {
                let heights: Vec<Height> =
                    self.stored.range(*low..=*high).map(|(height, _)| *height).collect();
                let batch = self.engine.cx.config.limits.execute_batch_max;
                assert!(heights.len() as u64 <= batch.max(1), "a batch has its bound");
                for height in heights {
                    let block = self.stored.remove(&height).expect("it is stored");
                    if height > self.tip().height {
                        assert_eq!(block.parent(), self.tip().id, "a chain without gaps");
                        self.accepted.push(block);
                    }
                }
                Answer::Executed(self.tip())
            }
            Call::OngoingSummary => Answer::Summary(self.ongoing),
            Call::AcceptSummary(summary) => {
                self.synced_to = Some(*summary);
                Answer::SyncMode(self.mode)
            }
            Call::FilterAccepted(ids) => {
                let accepted = |id: &&Id| self.accepted.iter().any(|block| block.id() == **id);
                Answer::Ids(ids.iter().filter(accepted).copied().collect())
            }
            Call::GetAncestors { id, blocks_max, .. } => {
                let at = self.accepted.iter().rposition(|block| block.id() == *id);
                let known = at.map_or(&[][..], |at| &self.accepted[..=at]);
                Answer::Blocks(known.iter().rev().take(*blocks_max).copied().collect())
            }
            Call::SummariesAt(_) => Answer::Ids(Vec::new()),
            Call::LastSummary => Answer::Summary(None),
            Call::BlockIdAtHeight(_) => Answer::BlockId(None),
            Call::BuildBlock => Answer::Block(None),
            Call::Verify(_) => Answer::Verdict(Verdict::Valid),
        }
    }

    /// Goes through frontier discovery: everybody who is asked accepted these blocks.
    pub(super) fn discover(&mut self, mut out: Out, ids: &[Id]) -> Out {
        loop {
            let frontier = requests(&out, MessageKind::GetAcceptedFrontier);
            let accepted = requests(&out, MessageKind::GetAccepted);
            if frontier.is_empty() && accepted.is_empty() {
                return out;
            }
            out.clear();
            for (at, (to, request_id)) in frontier.into_iter().enumerate() {
                let id = ids[at % ids.len()];
                out.extend(self.message(to, Message::AcceptedFrontier { request_id, id }));
            }
            for (to, request_id) in accepted {
                let ids = ids.to_vec();
                out.extend(self.message(to, Message::Accepted { request_id, ids }));
            }
        }
    }
}

/// The requests of one kind among the outputs: to whom, and under which number.
pub(super) fn requests(out: &[Output<()>], kind: MessageKind) -> Vec<(NodeId, u32)> {
    let request = |output: &Output<()>| match output {
        Output::Send { to, message } if message.kind() == kind => Some((*to, message.request_id())),
        _ => None,
    };
    out.iter().filter_map(request).collect()
}

/// The one request for ancestors among the outputs: to whom, under which number, for what.
pub(super) fn fetch(out: &[Output<()>]) -> (NodeId, u32, Id) {
    match fetches(out)[..] {
        [only] => only,
        ref other => panic!("one request is not {other:?}"),
    }
}

pub(super) fn fetches(out: &[Output<()>]) -> Vec<(NodeId, u32, Id)> {
    let fetch = |output: &Output<()>| match output {
        Output::Send { to, message: Message::GetAncestors { request_id, id } } => {
            Some((*to, *request_id, *id))
        }
        _ => None,
    };
    out.iter().filter_map(fetch).collect()
}

pub(super) fn faults(out: &[Output<()>]) -> Vec<(NodeId, Fault)> {
    let fault = |output: &Output<()>| match output {
        Output::Fault { node, fault } => Some((*node, *fault)),
        _ => None,
    };
    out.iter().filter_map(fault).collect()
}

pub(super) fn ancestors(request_id: u32, blocks: &[Parsed]) -> Message<()> {
    Message::Ancestors { request_id, blocks: Some(blocks.to_vec()) }
}
