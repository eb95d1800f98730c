//! Random sequences of calls on a set of polls and on the model, compared after each.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::super::{Polls, Stats};
use super::model::{Alphas, Finish, ModelGraph, ModelPoll, Tree};
use super::{node, polls};
use crate::{Bag, Id, NodeId};

const BLOCKS: usize = 60;

#[derive(Clone, Debug)]
enum Call {
    /// Replaces the tree. The parent of a block is one of the `spread` blocks before it, or in a
    /// bushy tree one of the first `spread` blocks, or in some cases unknown.
    Tree {
        bushy: bool,
        spread: usize,
        parents: Vec<usize>,
    },
    Add {
        request: u32,
        sampled: Vec<(u8, u32)>,
    },
    Vote {
        poll: Pick,
        validator: Pick,
        block: usize,
    },
    Drop {
        poll: Pick,
        validator: Pick,
    },
}

/// One of those that exist, by number modulo how many there are; or any, which may not exist.
#[derive(Clone, Copy, Debug)]
enum Pick {
    Known(usize),
    Any(u8),
}

/// How often the cases that matter came up.
#[derive(Debug, Default)]
struct Seen {
    exhausted: u64,
    early_fail: u64,
    early_alpha: u64,
    unfinished: u64,
    only_a_prefix_is_open: u64,
    late_votes: u64,
    idle_responses: u64,
    several_drained: u64,
    reopened_by_a_tree: u64,
    finished_by_a_tree: u64,
    opened_twice: u64,
    large_graphs: u64,
}

/// The set of section 6.1.
#[derive(Debug)]
struct Model {
    alphas: Alphas,
    polls: Vec<ModelPoll>,
    tree: Tree,
    stats: Stats,
}

impl Model {
    fn add(&mut self, request: u32, sampled: &Bag<NodeId>) -> bool {
        let new = self.polls.iter().all(|poll| poll.request != request);
        if new {
            let polled = sampled.iter().map(|(node, count)| (*node, count)).collect();
            let votes = BTreeMap::new();
            self.polls.push(ModelPoll { request, polled, votes, finished: false });
        }
        new
    }

    fn respond(
        &mut self,
        request: u32,
        node: NodeId,
        vote: Option<Id>,
        seen: &mut Seen,
    ) -> Vec<Bag> {
        let Some(at) = self.polls.iter().position(|poll| poll.request == request) else {
            return Vec::new();
        };
        let sampled = self.polls[at].polled.remove(&node).unwrap_or(0);
        seen.idle_responses += u64::from(sampled == 0);
        seen.late_votes += u64::from(sampled > 0 && self.polls[at].finished && vote.is_some());
        if let Some(id) = vote.filter(|_| sampled > 0) {
            *self.polls[at].votes.entry(id).or_insert(0) += sampled;
        }
        let mut results = Vec::new();
        if self.finished(at, seen) {
            while !self.polls.is_empty() && self.finished(0, seen) {
                results.push(self.polls.remove(0).votes());
            }
        }
        seen.several_drained += u64::from(results.len() > 1);
        results
    }

    fn finished(&mut self, at: usize, seen: &mut Seen) -> bool {
        if self.polls[at].finished {
            return true;
        }
        let (finish, prefix) = self.polls[at].ask(self.alphas, &self.tree);
        let (counter, seen_counter) = match finish {
            Some(Finish::Exhausted) => (&mut self.stats.exhausted, &mut seen.exhausted),
            Some(Finish::EarlyFail) => (&mut self.stats.early_fail, &mut seen.early_fail),
            Some(Finish::EarlyAlpha) => (&mut self.stats.early_alpha, &mut seen.early_alpha),
            None => {
                seen.unfinished += 1;
                seen.only_a_prefix_is_open += u64::from(prefix);
                let graph = ModelGraph::new(&self.polls[at].votes, &self.tree);
                seen.large_graphs += u64::from(graph.len() > 32);
                return false;
            }
        };
        *counter += 1;
        *seen_counter += 1;
        self.polls[at].finished = true;
        true
    }

    fn would_finish(&self) -> Vec<(u32, bool)> {
        let ask = |poll: &ModelPoll| poll.finished || poll.ask(self.alphas, &self.tree).0.is_some();
        self.polls.iter().map(|poll| (poll.request, ask(poll))).collect()
    }
}

/// Blocks whose identifiers share prefixes of many lengths, from none to all bits but the last
/// ones.
fn block(n: usize) -> Id {
    let [low, ..] = n.to_le_bytes();
    let mut bytes = [0; 32];
    bytes[0] = low & 0b111;
    bytes[9] = low >> 3 & 0b1;
    bytes[31] = low & 0b1111_0000;
    Id::new(bytes)
}

fn call() -> impl Strategy<Value = Call> {
    let parents = prop::collection::vec(0..1000_usize, BLOCKS);
    let sampled = prop::collection::vec((0..20_u8, 1..3_u32), 0..20);
    let block = prop_oneof![5 => BLOCKS - 6..BLOCKS, 1 => 0..BLOCKS];
    prop_oneof![
        4 => (any::<bool>(), 1..8_usize, parents)
            .prop_map(|(bushy, spread, parents)| Call::Tree { bushy, spread, parents }),
        6 => (0..6_u32, sampled).prop_map(|(request, sampled)| Call::Add { request, sampled }),
        40 => (pick(), pick(), block)
            .prop_map(|(poll, validator, block)| Call::Vote { poll, validator, block }),
        5 => (pick(), pick()).prop_map(|(poll, validator)| Call::Drop { poll, validator }),
    ]
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![9 => (0..1000_usize).prop_map(Pick::Known), 1 => (0..20_u8).prop_map(Pick::Any)]
}

fn alphas() -> impl Strategy<Value = (u32, u32, u32)> {
    (1..=20_u32)
        .prop_flat_map(|k| (Just(k), k / 2 + 1..=(k / 2 + 3).min(k)))
        .prop_flat_map(|(k, preference)| (Just(k), Just(preference), preference..=k))
}

/// At most `k` of the sampled validators.
fn at_most(k: u32, sampled: &[(u8, u32)]) -> Bag<NodeId> {
    let mut bag = Bag::new();
    for (validator, count) in sampled {
        bag.add_count(node(*validator), (*count).min(k - bag.len()));
    }
    bag
}

/// The request and the validator that a response is about.
fn target(poll: Pick, validator: Pick, model: &Model) -> (u32, NodeId) {
    let at = match poll {
        Pick::Known(n) => n.checked_rem(model.polls.len()),
        Pick::Any(request) => {
            model.polls.iter().position(|poll| poll.request == u32::from(request))
        }
    };
    let polled = at.map(|at| &model.polls[at].polled);
    let known = polled.and_then(|polled| match validator {
        Pick::Known(n) => polled.keys().nth(n.checked_rem(polled.len())?).copied(),
        Pick::Any(_) => None,
    });
    let any = match validator {
        Pick::Known(_) => 0,
        Pick::Any(n) => n,
    };
    (at.map_or(99, |at| model.polls[at].request), known.unwrap_or(node(any)))
}

fn grow(bushy: bool, spread: usize, parents: &[usize]) -> Tree {
    let parent = |child: usize| {
        let distance = parents[child] % spread.min(child);
        if bushy { distance } else { child - 1 - distance }
    };
    let known = (1..BLOCKS).filter(|child| !parents[*child].is_multiple_of(16));
    known.map(|child| (block(child), block(parent(child)))).collect()
}

fn apply(call: &Call, k: u32, polls: &mut Polls, model: &mut Model, seen: &mut Seen) {
    match call {
        Call::Tree { bushy, spread, parents } => {
            let before = model.would_finish();
            model.tree = grow(*bushy, *spread, parents);
            for ((_, before), (_, now)) in before.into_iter().zip(model.would_finish()) {
                seen.reopened_by_a_tree += u64::from(before && !now);
                seen.finished_by_a_tree += u64::from(!before && now);
            }
        }
        Call::Add { request, sampled } => {
            let sampled = at_most(k, sampled);
            let new = model.add(*request, &sampled);
            seen.opened_twice += u64::from(!new);
            assert_eq!(polls.add(*request, &sampled), Ok(new));
        }
        Call::Vote { poll, validator, block: voted } => {
            let (request, validator) = target(*poll, *validator, model);
            let id = block(*voted);
            let expected = model.respond(request, validator, Some(id), seen);
            assert_eq!(polls.vote(request, &validator, id, &model.tree), expected);
        }
        Call::Drop { poll, validator } => {
            let (request, validator) = target(*poll, *validator, model);
            let expected = model.respond(request, validator, None, seen);
            assert_eq!(polls.drop_validator(request, &validator, &model.tree), expected);
        }
    }
}

#[test]
fn every_call_answers_as_the_literal_model() {
    let config = Config { cases: 1500, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[3; 32]);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let seen = RefCell::new(Seen::default());
    let calls = prop::collection::vec(call(), 1..150);
    let outcome = runner.run(&(alphas(), calls), |((k, preference, confidence), calls)| {
        let mut polls = polls(k, preference, confidence);
        let alphas = Alphas { preference, confidence };
        let (stats, tree) = (Stats::default(), Tree::new());
        let mut model = Model { alphas, polls: Vec::new(), tree, stats };
        for call in &calls {
            apply(call, k, &mut polls, &mut model, &mut seen.borrow_mut());
            assert_eq!((polls.len(), polls.stats()), (model.polls.len(), model.stats));
            assert_eq!(polls.would_finish(&model.tree).collect::<Vec<_>>(), model.would_finish());
        }
        Ok(())
    });
    outcome.unwrap();
    let seen = seen.into_inner();
    println!("{seen:?}");
    let Seen { exhausted, early_fail, early_alpha, unfinished, .. } = seen;
    for often in [exhausted, early_fail, early_alpha, unfinished, seen.idle_responses] {
        assert!(often > 500, "{seen:?}");
    }
    let Seen { only_a_prefix_is_open, late_votes, several_drained, opened_twice, .. } = seen;
    for sometimes in [only_a_prefix_is_open, late_votes, several_drained, opened_twice] {
        assert!(sometimes > 50, "{seen:?}");
    }
    let Seen { reopened_by_a_tree, finished_by_a_tree, large_graphs, .. } = seen;
    for rarely in [reopened_by_a_tree, finished_by_a_tree, large_graphs] {
        assert!(rarely > 10, "{seen:?}");
    }
}
