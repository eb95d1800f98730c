//! Building blocks, and bringing them to consensus. Names are those of AvalancheGo's tests
//! (`TestEngine...` in `snow/engine/snowman/engine_test.go`) where they pin the same.

use super::harness::*;
use super::steps::*;
use crate::engine::*;
use crate::snowball::ParametersConfig;
use crate::{Height, Id};

/// What is built here is given to whoever is asked about it.
#[test]
fn build_block() {
    let mut harness = committee(1, 1, 1);
    let block = child(&genesis(), "a");
    harness.to_build.push_back(block);
    let out = harness.input(Input::PendingTransactions);
    assert_eq!((pushed(&out), pulled(&out)), (vec![block.id()], vec![]));
    assert_eq!(out[0], Output::SetPreference(block.id()));
    assert_eq!((harness.engine.stats().built, harness.engine.waiting()), (1, [0; 3]));
}

/// Nothing is built while as many blocks are processing as the parameters allow. The request waits.
#[test]
fn build_block_limit() {
    let mut harness = committee(1, 1, 1);
    let blocks = chain(&genesis(), "a", 2);
    harness.to_build.extend(&blocks);
    assert_eq!(pushed(&harness.input(Input::PendingTransactions)), [blocks[0].id()]);
    assert_eq!(harness.input(Input::PendingTransactions), []);
    let out = harness.chits(1, 1, &blocks[0]);
    assert_eq!((decided(&out).len(), pushed(&out)), (1, vec![blocks[1].id()]));
}

/// A VM that has nothing to build keeps the other requests waiting for the next message.
#[test]
fn a_request_to_build_that_comes_to_nothing_is_used_up() {
    let parameters = ParametersConfig { optimal_processing: 10, ..small(1, 1, 1) };
    let mut harness = Harness::with(config(parameters), 1);
    let asked = |harness: &Harness| {
        harness.calls.iter().filter(|call| matches!(call, Call::BuildBlock)).count()
    };
    assert_eq!(harness.input(Input::PendingTransactions), []);
    assert_eq!(asked(&harness), 1);
    harness.message(1, pull(0, genesis().id(), 1));
    assert_eq!(asked(&harness), 1);
    // Of two requests at once, the first that fails leaves the second for later.
    harness.prompt = false;
    harness.input(Input::PendingTransactions);
    harness.input(Input::PendingTransactions);
    assert_eq!(asked(&harness), 2);
    harness.answer_next();
    assert_eq!(asked(&harness), 2);
    harness.to_build.push_back(child(&genesis(), "a"));
    harness.input(Input::RequestFailed { to: node(1), request_id: 77 });
    harness.message(1, pull(0, genesis().id(), 1));
    assert_eq!(asked(&harness), 3);
}

/// Requests to build are counted up to a bound.
#[test]
fn requests_to_build_are_bounded() {
    let mut config = config(ParametersConfig { optimal_processing: 100, ..small(1, 1, 1) });
    config.limits.builds_max = 3;
    let mut harness = Harness::with(config, 1);
    let blocker = child(&genesis(), "blocker");
    harness.prompt = false;
    harness.to_build.extend(chain(&blocker, "a", 10));
    // One is being built, and three wait.
    for _ in 0..10 {
        harness.input(Input::PendingTransactions);
    }
    harness.known.insert(blocker.id(), blocker);
    while !harness.open.is_empty() {
        harness.answer_next();
    }
    assert_eq!(harness.engine.stats().built, 4);
}

/// A block that was found invalid and that the shell parses anew is verified anew, and takes the
/// place of the one that is kept; what is built on it is issued.
#[test]
fn build_block_with_cached_non_verified_parent() {
    let mut harness = committee(1, 1, 1);
    let blocks = chain(&genesis(), "a", 3);
    harness.offer(1, &blocks[0]);
    harness.invalid.insert(blocks[1].id());
    assert_eq!(faults(&harness.offer(1, &blocks[1])), [Fault::InvalidBlock(blocks[1].id())]);
    harness.invalid.clear();
    // The length says which of the two it is.
    let again = ParsedBlock { bytes: 20, ..blocks[1] };
    let out = harness.offer(1, &again);
    assert_eq!(pulled(&out), [(again.id(), 1)]);
    let out = harness.chits(1, 2, &again);
    assert_eq!(decided(&out), []);
    let out = harness.chits(1, 1, &again);
    let expected = [Output::Accept(blocks[0]), Output::Accept(again)];
    let decisions = out.iter().filter(|output| matches!(output, Output::Accept(_))).cloned();
    assert_eq!(decisions.collect::<Vec<_>>(), expected);
    harness.to_build.push_back(blocks[2]);
    assert_eq!(pushed(&harness.input(Input::PendingTransactions)), [blocks[2].id()]);
}

/// A block that is built on one that nobody has is dropped, and nobody is asked.
#[test]
fn what_is_built_on_an_unknown_block_is_dropped() {
    let mut harness = committee(1, 1, 1);
    let unknown = child(&genesis(), "unknown");
    harness.to_build.push_back(child(&unknown, "a"));
    assert_eq!(harness.input(Input::PendingTransactions), []);
    assert_eq!((harness.engine.waiting(), harness.engine.num_processing()), ([0; 3], 0));
    // If the block was asked for already, it waits.
    harness.message(1, pull(0, unknown.id(), 1));
    harness.to_build.push_back(child(&unknown, "b"));
    harness.input(Input::PendingTransactions);
    assert_eq!(harness.engine.waiting(), [1, 1, 1]);
    harness.put(1, 1, &unknown);
    assert_eq!(harness.engine.num_processing(), 2);
}

/// Queries about heights that are decided are answered by the VM; what it has forgotten is answered
/// by the last accepted block.
#[test]
fn answers_below_the_last_accepted_block_come_from_the_vm() {
    let mut harness = committee(1, 1, 1);
    let blocks = chain(&genesis(), "a", 4);
    for (at, block) in (1..).zip(&blocks) {
        harness.offer(1, block);
        if at <= 2 {
            harness.chits(1, at, block);
        }
    }
    let [genesis_id, first, second, third, tip] =
        [genesis().id(), blocks[0].id(), blocks[1].id(), blocks[2].id(), blocks[3].id()];
    let cases =
        [(0, genesis_id), (1, first), (2, second), (3, third), (4, tip), (5, tip), (u64::MAX, tip)];
    harness.calls.clear();
    for (height, at_height) in cases {
        let out = harness.message(1, pull(9, tip, height));
        assert_eq!(answers(&out), [(9, [tip, at_height, second], 2)], "{height}");
    }
    let asked = |call: &&Call<()>| matches!(call, Call::BlockIdAtHeight(_));
    assert_eq!(harness.calls.iter().filter(asked).count(), 2);
    harness.prompt = false;
    assert_eq!(harness.message(1, pull(9, tip, 1)), []);
    let (call, asked) = harness.open.pop_front().expect("a call");
    assert_eq!(asked, Call::BlockIdAtHeight(Height::new(1)));
    let out = harness.input(Input::Answer { call, answer: Answer::BlockId(None) });
    assert_eq!(answers(&out), [(9, [tip, second, second], 2)]);
}

/// A chain that is kept in part tells what is accepted, never what is preferred.
#[test]
fn partial_sync_tells_accepted_blocks_only() {
    let mut config = config(small(1, 1, 1));
    config.partial_sync = true;
    let mut harness = Harness::with(config, 1);
    let blocks = chain(&genesis(), "a", 2);
    harness.offer(1, &blocks[0]);
    harness.chits(1, 1, &blocks[0]);
    harness.offer(1, &blocks[1]);
    assert_eq!(harness.engine.preference(), blocks[1].id());
    let accepted = blocks[0].id();
    let cases = [(0, genesis().id()), (1, accepted), (2, accepted), (9, accepted)];
    for (height, at_height) in cases {
        let out = harness.message(1, pull(3, blocks[1].id(), height));
        assert_eq!(answers(&out), [(3, [accepted, at_height, accepted], 1)], "{height}");
    }
}

/// Blocks wait within bounds: by number, by bytes, by peer, and strangers have half.
#[test]
fn blocks_wait_within_bounds() {
    // Kind of bound, peer, blocks that may wait. Of the ten validators number 11 is none.
    type Case = (fn(&mut Limits), u8, usize);
    let cases: [Case; 4] = [
        (|limits| limits.pending_max = 8, 1, 8),
        (|limits| limits.pending_max = 8, 11, 4),
        (|limits| limits.pending_per_node_max = 5, 1, 5),
        (|limits| limits.pending_bytes_max = 39, 1, 3),
    ];
    for (limit, from, expected) in cases {
        let mut config = config(small(10, 8, 1));
        limit(&mut config.limits);
        let mut harness = Harness::with(config, 10);
        harness.input(Input::Connected(node(11)));
        for at in 0..20_usize {
            let unknown = child(&genesis(), &format!("unknown {at}"));
            let out = harness.offer(from, &child(&unknown, "a"));
            let full = (at >= expected).then_some(Fault::Flooding(MessageKind::Put));
            assert_eq!(faults(&out), Vec::from_iter(full), "{at} of {expected}");
        }
        assert_eq!(harness.engine.waiting(), [expected; 3]);
        // Room comes back.
        harness.tick_past_deadlines();
        assert_eq!(harness.engine.waiting(), [0; 3]);
        let unknown = child(&genesis(), "unknown");
        assert_eq!(faults(&harness.offer(from, &child(&unknown, "a"))), []);
    }
}

/// With as many blocks processing as allowed, others are dropped before they are verified.
#[test]
fn blocks_beyond_the_bound_on_processing_are_not_verified() {
    let mut config = config(small(1, 1, 1));
    config.limits.processing_max = 2;
    let mut harness = Harness::with(config, 1);
    let blocks = chain(&genesis(), "a", 3);
    harness.offer(1, &blocks[0]);
    harness.offer(1, &blocks[1]);
    let out = harness.offer(1, &blocks[2]);
    assert_eq!(faults(&out), [Fault::Flooding(MessageKind::Put)]);
    assert!(!harness.calls.contains(&Call::Verify(blocks[2])));
    harness.chits(1, 1, &blocks[0]);
    harness.offer(1, &blocks[2]);
    assert!(harness.engine.processing(&blocks[2].id()));
}

/// The oldest blocks without a verdict are forgotten, and votes for them with them.
#[test]
fn blocks_without_a_verdict_are_kept_within_a_budget() {
    for (bytes_max, counts) in [(1_000, true), (0, false)] {
        let mut config = config(small(1, 1, 1));
        (config.limits.unverified_bytes_max, config.limits.unverified_max) = (bytes_max, 1);
        let mut harness = Harness::with(config, 1);
        let valid = child(&genesis(), "a");
        harness.offer(1, &valid);
        let invalid = [child(&valid, "x"), child(&valid, "y")];
        for block in &invalid {
            harness.invalid.insert(block.id());
            harness.offer(1, block);
        }
        // There is room for the parent of one. Its vote counts, the other one is asked for again.
        let out = harness.chits(1, 1, &invalid[1]);
        assert_eq!((gets(&out).len(), decided(&out)), (1, vec![]));
        let (_, request_id, _) = gets(&out)[0];
        assert_eq!(decided(&harness.fail(1, request_id)), []);
        let out = harness.chits(1, 3, &invalid[0]);
        assert_eq!(gets(&out).is_empty(), counts);
        let out = match gets(&out).first() {
            Some((_, request_id, _)) => harness.fail(1, *request_id),
            None => out,
        };
        assert_eq!(decided(&out), [("accept", valid.id())]);
    }
}

/// Names of blocks that are decided are looked up once and asked of nobody who has them.
#[test]
fn a_decided_block_is_not_issued_again() {
    let mut harness = committee(1, 1, 1);
    let block = child(&genesis(), "a");
    harness.offer(1, &block);
    harness.chits(1, 1, &block);
    for message in [pull(5, block.id(), 2), pull(5, genesis().id(), 2), push(5, &block)] {
        let out = harness.message(1, message);
        assert_eq!((out.len(), answers(&out).len()), (1, 1));
    }
    assert_eq!(gets(&harness.message(1, pull(5, Id::hash(b"other"), 2))).len(), 1);
    assert_eq!(harness.engine.num_processing(), 0);
}
