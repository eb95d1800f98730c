//! Whatever order answers and failures come in, and whatever a liar says, a follower ends with the
//! chain of the honest majority.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::catchup_harness::*;
use super::harness::{Parsed, child, node};
use crate::engine::*;
use crate::sampler::{Mt19937x64, Source};
use crate::{Id, NodeId};

/// What happened over all cases.
#[derive(Default)]
struct Counts {
    blocks: Cell<usize>,
    lies: Cell<u32>,
    failed: Cell<u32>,
    late: Cell<u32>,
    copies: Cell<u32>,
    ticks: Cell<u32>,
    rounds: Cell<u32>,
    slow_calls: Cell<u32>,
    wrong_blocks: Cell<u32>,
}

fn count(counter: &Cell<u32>) {
    counter.set(counter.get() + 1);
}

const LEADER: u8 = 1;
const LIAR: u8 = 2;

struct World<'a> {
    source: Mt19937x64,
    follower: Follower,
    leader: Follower,
    chain: &'a [Parsed],
    /// Messages on their way to the follower, or the leader if it is a request.
    air: Vec<(NodeId, Message<()>)>,
    counts: &'a Counts,
}

impl World<'_> {
    fn below(&mut self, bound: usize) -> usize {
        let last = u64::try_from(bound - 1).expect("small");
        usize::try_from(self.source.inclusive(last)).expect("small")
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Puts what the follower sends on its way.
    fn send(&mut self, out: Out) {
        for output in out {
            match output {
                Output::Send { to, message } if to == node(LEADER) => self.air.push((to, message)),
                Output::Send { message, .. } => self.lie(&message),
                Output::Fault { node: at, fault } => {
                    if matches!(fault, Fault::WrongBlock { .. }) {
                        assert_eq!(at, node(LIAR), "an honest node is not blamed");
                        count(&self.counts.wrong_blocks);
                    }
                }
                _ => {}
            }
        }
        let accepted = &self.follower.accepted;
        assert_eq!(accepted[..], self.chain[..accepted.len()], "never another chain");
    }

    fn block(&mut self) -> Parsed {
        let at = self.below(self.chain.len());
        if self.chance(50) { self.chain[at] } else { child(&self.chain[at], "lie") }
    }

    /// The liar answers, or does not.
    fn lie(&mut self, request: &Message<()>) {
        count(&self.counts.lies);
        let request_id = request.request_id();
        let answer = match request {
            Message::GetAcceptedFrontier { .. } => {
                Message::AcceptedFrontier { request_id, id: self.block().id() }
            }
            Message::GetAccepted { ids, .. } => {
                let mut said: Vec<Id> = ids.clone();
                let more = self.below(4);
                said.extend((0..more).map(|_| self.block().id()));
                Message::Accepted { request_id, ids: said }
            }
            Message::GetAncestors { id, .. } => {
                let at = self.chain.iter().position(|block| block.id() == *id);
                let honest: Vec<Parsed> = at
                    .map(|at| self.chain[..=at].iter().rev().take(7).copied().collect())
                    .unwrap_or_default();
                let blocks = match self.below(5) {
                    0 => None,
                    1 => Some(Vec::new()),
                    2 => Some((0..4).map(|_| self.block()).collect()),
                    3 => {
                        let mut mixed = honest;
                        let at = self.below(mixed.len().max(1));
                        let lie = self.block();
                        mixed.insert(at, lie);
                        Some(mixed)
                    }
                    _ => Some(honest),
                };
                Message::Ancestors { request_id, blocks }
            }
            _ => return,
        };
        if self.chance(80) {
            self.air.push((node(LIAR), answer));
        }
    }

    /// Carries one message, in good faith or not.
    fn carry(&mut self, faithful: bool) {
        let at = self.below(self.air.len());
        let (at_node, message) = self.air.swap_remove(at);
        if message.kind().answer().is_some() {
            let from = node(0);
            for output in self.leader.message(from, message) {
                if let Output::Send { message, .. } = output {
                    self.air.push((node(LEADER), message));
                }
            }
            return;
        }
        // A frontier without the leader may be an old one; that is right and ends elsewhere.
        let vital = at_node == node(LEADER) && message.kind() == MessageKind::AcceptedFrontier;
        if !faithful && !vital && self.chance(20) {
            count(&self.counts.failed);
            let request_id = message.request_id();
            if self.chance(50) {
                count(&self.counts.late);
                self.air.push((at_node, message));
            }
            let out = self.follower.fail(at_node, request_id);
            return self.send(out);
        }
        if !faithful && self.chance(10) {
            count(&self.counts.copies);
            self.air.push((at_node, message.clone()));
        }
        let out = self.follower.message(at_node, message);
        self.send(out);
    }

    fn run(&mut self) {
        for step in 0..20_000 {
            let faithful = step > 300;
            let open = &self.follower.open;
            if self.follower.engine.phase() == Phase::NormalOperation && open.is_empty() {
                return;
            }
            if !self.follower.open.is_empty() && (faithful || self.chance(50)) {
                count(&self.counts.slow_calls);
                let out = self.follower.answer_next();
                self.send(out);
            } else if !self.air.is_empty() {
                self.carry(faithful);
            } else if self.follower.open.is_empty() {
                count(&self.counts.ticks);
                let out = self.follower.tick();
                self.send(out);
            }
            self.follower.prompt = faithful || self.chance(50);
        }
        panic!("the follower does not catch up");
    }
}

#[test]
fn a_follower_ends_with_the_chain_of_the_majority() {
    let counts = Counts::default();
    let strategy = (0_usize..=200, 0_usize..40, 1_usize..30, any::<u64>());
    let config = Config { cases: 96, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    runner
        .run(&strategy, |(length, begun, portion, seed)| {
            let blocks = chain(length);
            let begun = begun.min(length);
            let mut plan = Plan {
                own: node(LEADER),
                accepted: blocks.clone(),
                ..Plan::new(Phase::NormalOperation, &[3, 1])
            };
            plan.config.limits.ancestors_max = portion;
            let (leader, _) = plan.start();
            let mut plan = Plan {
                accepted: blocks[..=begun / 2].to_vec(),
                stored: blocks[begun / 2 + 1..=begun].iter().step_by(2).copied().collect(),
                seed: seed.to_le_bytes()[0],
                ..Plan::bootstrap(&[3, 1])
            };
            plan.config.limits.execute_batch_max = portion as u64;
            let (follower, out) = plan.connected();
            let mut world = World {
                source: Mt19937x64::new(seed),
                follower,
                leader,
                chain: &blocks,
                air: Vec::new(),
                counts: &counts,
            };
            world.send(out);
            world.run();
            let follower = world.follower;
            prop_assert_eq!(&follower.accepted, &blocks);
            prop_assert_eq!(follower.engine.last_accepted(), follower.tip());
            prop_assert!(follower.stored.is_empty() && follower.open.is_empty());
            let asked = follower.calls.iter();
            let rounds = asked.filter(|call| matches!(call, Call::ExecuteStored { .. })).count();
            let rounds = u32::try_from(rounds).expect("few");
            counts.rounds.set(counts.rounds.get() + rounds);
            counts.blocks.set(counts.blocks.get() + length);
            Ok(())
        })
        .expect("every follower catches up");
    assert!(counts.blocks.get() > 5_000, "{}", counts.blocks.get());
    for (what, counter, least) in [
        ("lies", &counts.lies, 1_000),
        ("failures", &counts.failed, 300),
        ("late answers", &counts.late, 100),
        ("copies", &counts.copies, 200),
        ("ticks", &counts.ticks, 100),
        ("executions", &counts.rounds, 500),
        ("slow calls", &counts.slow_calls, 200),
        ("wrong blocks", &counts.wrong_blocks, 50),
    ] {
        assert!(counter.get() >= least, "{what}: {} of {least}", counter.get());
    }
}
