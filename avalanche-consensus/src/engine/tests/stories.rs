//! A VM that answers late: what was decided since is checked again.

use super::harness::*;
use super::steps::*;
use crate::engine::*;
use crate::{Height, Id};

fn lazy(k: u8, alpha: u32, beta: u32) -> Harness {
    let mut harness = committee(k, alpha, beta);
    harness.prompt = false;
    harness
}

impl Harness {
    /// Answers the call that asks this.
    fn answer_call(&mut self, asked: &Call<()>) -> Vec<Output<()>> {
        let at = self.open.iter().position(|(_, call)| call == asked).expect("an open call");
        let (call, _) = self.open.remove(at).expect("it is there");
        let answer = self.answer(asked);
        self.input(Input::Answer { call, answer })
    }

    /// The rest of the calls are searches for blocks, as in AvalancheGo's order of steps.
    pub(super) fn finds_nothing_else(&mut self) {
        while let Some((_, asked)) = self.open.front() {
            assert!(matches!(asked, Call::GetBlock(_)), "{asked:?}");
            self.answer_next();
        }
    }

    fn open_calls(&self) -> Vec<Call<()>> {
        self.open.iter().map(|(_, call)| call.clone()).collect()
    }
}

/// While a block is verified its rival becomes final: the block is rejected, not added.
#[test]
fn a_block_whose_rival_was_accepted_meanwhile_is_rejected() {
    let mut harness = committee(1, 1, 1);
    let [rival, late] = [child(&genesis(), "a"), child(&genesis(), "b")];
    harness.offer(1, &rival);
    harness.prompt = false;
    harness.offer(1, &late);
    assert_eq!(harness.open_calls(), [Call::Verify(late)]);
    assert_eq!(decided(&harness.chits(1, 1, &rival)), [("accept", rival.id())]);
    let out = harness.answer_next();
    assert_eq!(out, [Output::Reject(late)]);
    assert_eq!((harness.engine.num_processing(), harness.engine.stats().rejected), (0, 1));
    assert_eq!(harness.engine.waiting(), [0; 3]);
}

/// The same for a block whose parent is rejected while it is verified.
#[test]
fn a_block_whose_parent_was_rejected_meanwhile_is_rejected() {
    let mut harness = committee(1, 1, 1);
    let [rival, parent] = [child(&genesis(), "a"), child(&genesis(), "b")];
    let [late, later] = [child(&parent, "c"), child(&child(&parent, "c"), "d")];
    harness.offer(1, &rival);
    harness.offer(1, &parent);
    harness.prompt = false;
    harness.offer(1, &late);
    harness.offer(1, &later);
    assert_eq!(harness.engine.waiting()[1], 2);
    let out = harness.chits(1, 1, &rival);
    assert_eq!(decided(&out), [("accept", rival.id()), ("reject", parent.id())]);
    // The child never was verified, so it just goes.
    assert_eq!(harness.answer_next(), [Output::Reject(late)]);
    harness.finds_nothing_else();
    assert_eq!((harness.engine.num_processing(), harness.engine.waiting()), (0, [0; 3]));
}

/// An invalid block whose parent was rejected meanwhile is neither rejected nor remembered.
#[test]
fn an_invalid_block_is_not_rejected() {
    let mut harness = committee(1, 1, 1);
    let [rival, parent] = [child(&genesis(), "a"), child(&genesis(), "b")];
    let late = child(&parent, "c");
    harness.invalid.insert(late.id());
    harness.offer(1, &rival);
    harness.offer(1, &parent);
    harness.prompt = false;
    harness.offer(1, &late);
    harness.chits(1, 1, &rival);
    let out = harness.answer_next();
    assert_eq!(faults(&out), [Fault::InvalidBlock(late.id())]);
    assert_eq!((out.len(), decided(&out)), (1, vec![]));
}

/// While a block is verified it is not verified again, whoever gives it or names it.
#[test]
fn a_block_is_verified_once_at_a_time() {
    let mut harness = lazy(2, 2, 1);
    let block = child(&genesis(), "a");
    harness.offer(1, &block);
    harness.offer(2, &block);
    harness.message(2, pull(0, block.id(), 1));
    harness.offer(1, &child(&block, "b"));
    assert_eq!(harness.open_calls(), [Call::Verify(block)]);
    let out = harness.answer_next();
    assert_eq!(pulled(&out), [(block.id(), 1); 2]);
    assert_eq!(harness.open_calls(), [Call::Verify(child(&block, "b"))]);
    harness.answer_next();
    assert_eq!((harness.engine.num_processing(), harness.engine.waiting()), (2, [0; 3]));
    assert_eq!(harness.engine.stats().verified, 2);
}

/// Parents are verified before their children, siblings of different peers at the same time.
#[test]
fn parents_are_verified_first() {
    let mut harness = lazy(2, 2, 1);
    let [left, right] = [chain(&genesis(), "a", 2), chain(&genesis(), "b", 2)];
    for at in [1, 0] {
        harness.offer(1, &left[at]);
        harness.offer(2, &right[at]);
        // The search for the parents ends without them.
        while matches!(harness.open.front(), Some((_, Call::GetBlock(_)))) {
            harness.answer_next();
        }
    }
    assert_eq!(harness.open_calls(), [Call::Verify(left[0]), Call::Verify(right[0])]);
    harness.answer_call(&Call::Verify(right[0]));
    assert_eq!(harness.open_calls(), [Call::Verify(left[0]), Call::Verify(right[1])]);
    harness.answer_call(&Call::Verify(right[1]));
    harness.answer_call(&Call::Verify(left[0]));
    harness.answer_call(&Call::Verify(left[1]));
    assert_eq!((harness.engine.num_processing(), harness.open.len()), (4, 0));
    assert_eq!(harness.engine.preference(), right[1].id());
}

/// A block comes from a peer while the VM looks for it: nobody is asked for it.
#[test]
fn a_block_that_comes_while_it_is_looked_for_is_not_asked_for() {
    let mut harness = lazy(1, 1, 1);
    let blocks = chain(&genesis(), "a", 2);
    harness.message(1, pull(0, blocks[0].id(), 1));
    harness.offer(1, &blocks[1]);
    let looked_for = Call::GetBlock(blocks[0].id());
    assert_eq!(harness.open_calls(), [looked_for.clone(), looked_for.clone()]);
    harness.offer(1, &blocks[0]);
    let (first, _) = harness.open.pop_front().expect("a call");
    let out = harness.input(Input::Answer { call: first, answer: Answer::Block(None) });
    assert_eq!((gets(&out), harness.fetching()), (vec![], 0));
    harness.answer_call(&Call::Verify(blocks[0]));
    // The second search ends when the block is issued already.
    let (second, _) = harness.open.pop_front().expect("a call");
    let out = harness.input(Input::Answer { call: second, answer: Answer::Block(None) });
    assert_eq!(gets(&out), []);
    while !harness.open.is_empty() {
        harness.answer_next();
    }
    assert_eq!((harness.engine.num_processing(), harness.engine.waiting()), (2, [0; 3]));
}

/// Two searches for one block end in one request.
#[test]
fn a_block_that_is_looked_for_twice_is_asked_for_once() {
    let mut harness = lazy(2, 2, 1);
    let missing = child(&genesis(), "missing");
    harness.offer(1, &child(&missing, "a"));
    harness.offer(2, &child(&missing, "b"));
    assert_eq!(harness.open.len(), 2);
    assert_eq!(gets(&harness.answer_next()), [(node(1), 1, missing.id())]);
    assert_eq!(gets(&harness.answer_next()), []);
    harness.put(1, 1, &missing);
    while !harness.open.is_empty() {
        harness.answer_next();
    }
    assert_eq!((harness.engine.num_processing(), harness.engine.waiting()), (3, [0; 3]));
}

/// A vote for a block that is being verified waits for the verdict.
#[test]
fn a_vote_waits_for_the_verdict() {
    for valid in [true, false] {
        let mut harness = committee(1, 1, 1);
        let blocks = chain(&genesis(), "a", 2);
        harness.offer(1, &blocks[0]);
        if !valid {
            harness.invalid.insert(blocks[1].id());
        }
        harness.prompt = false;
        harness.offer(1, &blocks[1]);
        assert_eq!((harness.chits(1, 1, &blocks[1]), harness.jobs()), (vec![], 1));
        let accepted = decided(&harness.answer_next());
        let expected = [("accept", blocks[0].id()), ("accept", blocks[1].id())];
        assert_eq!(accepted, expected[..if valid { 2 } else { 1 }]);
    }
}

/// What follows from a step waits with it, in order: chits before the block that came along.
#[test]
fn an_answer_that_needs_the_vm_comes_before_what_the_query_brings() {
    let mut harness = committee(1, 1, 1);
    let blocks = chain(&genesis(), "a", 2);
    harness.offer(1, &blocks[0]);
    harness.chits(1, 1, &blocks[0]);
    harness.prompt = false;
    let (request_id, requested_height) = (5, Height::GENESIS);
    let block = Some(blocks[1]);
    let out = harness.message(1, Message::PushQuery { request_id, block, requested_height });
    assert_eq!((out, harness.open_calls()), (vec![], vec![Call::BlockIdAtHeight(Height::GENESIS)]));
    let out = harness.answer_next();
    let accepted = blocks[0].id();
    assert_eq!(answers(&out), [(5, [accepted, genesis().id(), accepted], 1)]);
    assert_eq!(harness.open_calls(), [Call::Verify(blocks[1])]);
}

/// One block is built at a time, on what is preferred then.
#[test]
fn one_block_is_built_at_a_time() {
    let parameters = crate::snowball::ParametersConfig { optimal_processing: 3, ..small(1, 1, 1) };
    let mut harness = Harness::with(config(parameters), 1);
    harness.prompt = false;
    let blocks = chain(&genesis(), "a", 3);
    harness.to_build.extend(&blocks);
    for _ in 0..3 {
        harness.input(Input::PendingTransactions);
    }
    assert_eq!(harness.open_calls(), [Call::BuildBlock]);
    for block in &blocks {
        harness.answer_call(&Call::BuildBlock);
        assert_eq!(harness.open_calls()[0], Call::Verify(*block));
        let out = harness.answer_call(&Call::Verify(*block));
        assert_eq!(out[0], Output::SetPreference(block.id()));
    }
    assert_eq!((harness.engine.num_processing(), harness.open.len()), (3, 0));
}

/// Calls are answered once: a second answer, and one to a call that never was, change nothing; an
/// answer of another kind is the shell's defect.
#[test]
fn each_call_is_answered_once() {
    let mut harness = lazy(1, 1, 1);
    let block = child(&genesis(), "a");
    harness.offer(1, &block);
    let (call, _) = harness.open[0];
    harness.answer_next();
    for stray in [call, CallId(4_711)] {
        let answer = Answer::Verdict(Verdict::Valid);
        assert_eq!(harness.input(Input::Answer { call: stray, answer }), []);
    }
    assert_eq!(harness.engine.stats().stray_answers, 2);
    harness.message(1, Message::Get { request_id: 1, id: Id::EMPTY });
    harness.message(1, pull(1, Id::hash(b"unknown"), 1));
    harness.offer(1, &child(&block, "b"));
    let mut wrong = 0;
    for (call, _) in harness.open.clone() {
        let mut copy = lazy(1, 1, 1);
        // The same steps again, for an engine to break.
        copy.offer(1, &block);
        copy.answer_next();
        copy.message(1, Message::Get { request_id: 1, id: Id::EMPTY });
        copy.message(1, pull(1, Id::hash(b"unknown"), 1));
        copy.offer(1, &child(&block, "b"));
        let answer = Answer::BlockId(None);
        let fatal = copy.engine.handle(copy.now, Input::Answer { call, answer });
        assert_eq!(fatal, Err(Fatal::WrongAnswer(call)));
        assert_eq!(copy.engine.handle(copy.now, Input::Tick), Err(Fatal::Stopped));
        assert!(copy.engine.health(copy.now).stopped);
        wrong += 1;
    }
    assert_eq!(wrong, 3);
}

/// Another block than the one that was looked for is the shell's defect too.
#[test]
fn another_block_than_was_looked_for_is_fatal() {
    for of_walk in [false, true] {
        let mut harness = lazy(1, 1, 1);
        let unknown = child(&genesis(), "unknown");
        if of_walk {
            harness.offer(1, &child(&unknown, "a"));
        } else {
            harness.message(1, pull(0, unknown.id(), 1));
        }
        let (call, asked) = harness.open[0].clone();
        assert_eq!(asked, Call::GetBlock(unknown.id()));
        let answer = Answer::Block(Some(child(&genesis(), "other")));
        let fatal = harness.engine.handle(harness.now, Input::Answer { call, answer });
        assert_eq!(fatal, Err(Fatal::WrongAnswer(call)));
    }
}

/// What the shell says of itself stops the chain, and so does one that does not drain.
#[test]
fn defects_of_the_shell_are_fatal() {
    let mut harness = committee(1, 1, 1);
    let fatal = harness.engine.handle(harness.now, Input::Failed("disk full".into()));
    assert_eq!(fatal, Err(Fatal::Shell("disk full".into())));
    assert_eq!(harness.engine.handle(harness.now, Input::Tick), Err(Fatal::Stopped));

    let mut config = config(small(1, 1, 1));
    config.limits.outputs_max = 5;
    let mut harness = Harness::with(config, 1);
    let mut last = Ok(());
    for at in 0..10 {
        let input = Input::Message { from: node(1), message: pull(at, genesis().id(), 1) };
        last = harness.engine.handle(harness.now, input);
        assert_eq!(last.is_err(), at == 6, "{at}");
        if last.is_err() {
            break;
        }
    }
    assert_eq!(last, Err(Fatal::Undrained { max: 5 }));
}

/// Before the VM has entered the phase, blocks are served and queries are not answered.
#[test]
fn before_the_phase_begins_only_requests_are_served() {
    let mut harness = Harness::entering(config(small(1, 1, 1)), 1);
    let block = child(&genesis(), "a");
    assert_eq!(harness.message(1, push(1, &block)), []);
    assert_eq!(harness.message(1, pull(2, block.id(), 1)), []);
    assert_eq!(harness.input(Input::PendingTransactions), []);
    assert_eq!(harness.input(Input::Tick), []);
    assert_eq!(harness.message(1, Message::Get { request_id: 3, id: genesis().id() }), []);
    assert_eq!(harness.open.len(), 2);
    let (call, asked) = harness.open.pop_back().expect("a call");
    assert_eq!(asked, Call::GetBlock(genesis().id()));
    let answer = harness.answer(&asked);
    assert_eq!(harness.input(Input::Answer { call, answer }).len(), 1);
    assert_eq!(harness.answer_next(), [Output::SetPreference(genesis().id())]);
    assert_eq!(harness.engine.phase(), Phase::NormalOperation);
    harness.prompt = true;
    harness.input(Input::Connected(node(1)));
    assert_eq!(polls(&harness.offer(1, &block)), [1]);
}
