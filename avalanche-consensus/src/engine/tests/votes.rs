//! What votes count for. Names are those of AvalancheGo's tests (`TestEngine...` in
//! `snow/engine/snowman/engine_test.go`) where they pin the same.

use super::harness::*;
use super::steps::*;
use crate::engine::*;

/// An answer counts once.
#[test]
fn double_chit() {
    let mut harness = committee(2, 2, 1);
    let block = child(&genesis(), "a");
    harness.offer(1, &block);
    assert_eq!(harness.chits(1, 1, &block), []);
    let out = harness.chits(1, 1, &block);
    assert_eq!(faults(&out), [Fault::Unrequested(MessageKind::Chits)]);
    assert!(harness.engine.processing(&block.id()));
    assert_eq!(decided(&harness.chits(2, 1, &block)), [("accept", block.id())]);
}

/// A vote for an invalid block counts for its valid parent.
#[test]
fn undeclared_dependency_deadlock() {
    let mut harness = committee(1, 1, 1);
    let blocks = chain(&genesis(), "a", 2);
    harness.invalid.insert(blocks[1].id());
    harness.offer(1, &blocks[0]);
    let out = harness.offer(1, &blocks[1]);
    assert_eq!(faults(&out), [Fault::InvalidBlock(blocks[1].id())]);
    assert_eq!(decided(&harness.chits(1, 1, &blocks[1])), [("accept", blocks[0].id())]);
}

/// A block that is valid only once its parent is accepted: votes for it count for the parent, and
/// then it can be issued.
#[test]
fn bubble_votes_through_invalid_block() {
    let mut harness = committee(1, 1, 1);
    let blocks = chain(&genesis(), "a", 2);
    harness.invalid.insert(blocks[1].id());
    assert_eq!(gets(&harness.offer(1, &blocks[1])), [(node(1), 1, blocks[0].id())]);
    let out = harness.put(1, 1, &blocks[0]);
    assert_eq!(pulled(&out), [(blocks[0].id(), 1)]);
    let vote = |request_id| chits(request_id, blocks[1].id(), blocks[0].id(), &blocks[1]);
    // It is tried again, from the cache, and asked of nobody.
    let out = harness.message(1, vote(2));
    assert_eq!((decided(&out), gets(&out)), (vec![("accept", blocks[0].id())], vec![]));
    assert_eq!(harness.engine.num_processing(), 0);

    harness.invalid.clear();
    let out = harness.offer(1, &blocks[1]);
    assert_eq!((queries(&out), pulled(&out)), (vec![(node(1), 3)], vec![(blocks[1].id(), 2)]));
    assert_eq!(decided(&harness.message(1, vote(3))), [("accept", blocks[1].id())]);
}

/// The same through two blocks, of which the upper one was never verified.
#[test]
fn bubble_votes_through_invalid_chain() {
    let mut harness = committee(1, 1, 1);
    let blocks = chain(&genesis(), "a", 3);
    harness.invalid.insert(blocks[1].id());
    harness.known.insert(blocks[0].id(), blocks[0]);
    assert_eq!(gets(&harness.offer(1, &blocks[2])), [(node(1), 1, blocks[1].id())]);
    let out = harness.put(1, 1, &blocks[1]);
    assert_eq!(pulled(&out), [(blocks[0].id(), 1)]);
    let out = harness.message(1, chits(2, blocks[2].id(), blocks[0].id(), &blocks[2]));
    assert_eq!(decided(&out), [("accept", blocks[0].id())]);
    assert_eq!(harness.engine.waiting(), [0; 3]);
}

/// A query that fails is a vote for what the peer was heard to accept last.
#[test]
fn apply_accepted_frontier_in_query_failed() {
    let mut harness = committee(1, 1, 2);
    let block = child(&genesis(), "a");
    harness.to_build.push_back(block);
    assert_eq!(pushed(&harness.input(Input::PendingTransactions)), [block.id()]);
    let out = harness.message(1, chits(1, block.id(), block.id(), &block));
    assert_eq!((decided(&out), polls(&out)), (vec![], vec![2]));
    assert_eq!(decided(&harness.fail(1, 2)), [("accept", block.id())]);
}

/// What a node that is no validator accepted, or no longer is one, counts for nothing.
#[test]
fn accepted_frontiers_are_those_of_validators() {
    let mut harness = committee(1, 1, 2);
    let block = child(&genesis(), "a");
    harness.offer(1, &block);
    harness.message(1, chits(1, block.id(), block.id(), &block));
    let leaves = crate::validators::ValidatorChange::Remove(node(1));
    harness.input(Input::Validators(vec![leaves]));
    let out = harness.fail(1, 2);
    assert_eq!(decided(&out), []);
    assert_eq!(harness.engine.stats().votes_dropped, 1);
}

/// Votes that wait for blocks that never come hold the polls behind them up no longer than that.
/// See the test of this name for the whole story.
#[test]
fn vote_stall_regression() {
    let mut harness = committee(3, 2, 1);
    let (good, bad) = (chain(&genesis(), "a", 3), chain(&genesis(), "b", 2));
    for (at, block) in (1..).zip(&good) {
        assert_eq!(polls(&harness.offer(1, block)), [at]);
    }
    // The first poll waits for the third vote, which waits for a block.
    harness.chits(1, 1, &good[1]);
    harness.chits(2, 1, &good[2]);
    let out = harness.chits(3, 1, &bad[0]);
    assert_eq!(gets(&out), [(node(3), 4, bad[0].id())]);
    let out = harness.offer(1, &bad[1]);
    assert_eq!((polls(&out), gets(&out)), (vec![], vec![]));
    // So does the second poll, for the child of that block.
    harness.chits(1, 2, &good[1]);
    harness.chits(2, 2, &good[2]);
    assert_eq!(harness.chits(3, 2, &bad[1]), []);
    assert_eq!((harness.engine.polls_open(), harness.jobs()), (3, 3));

    let out = harness.put(3, 4, &bad[0]);
    let expected = [("accept", good[0].id()), ("reject", bad[0].id()), ("accept", good[1].id())];
    assert_eq!(decided(&out), expected);
    assert_eq!(harness.jobs(), 0);
    // The second poll is over too; the third, about the last block, is still open.
    assert_eq!((harness.engine.polls_open(), polls(&out)), (1, vec![]));
    harness.chits(1, 3, &good[2]);
    assert_eq!(decided(&harness.chits(2, 3, &good[2])), [("accept", good[2].id())]);
}

/// A vote waits for everything that it names, even if the first of it never comes.
#[test]
fn early_terminate_voter_regression() {
    let mut harness = committee(1, 1, 1);
    let blocks = chain(&genesis(), "a", 3);
    harness.offer(1, &blocks[0]);
    let out = harness.message(1, chits(1, blocks[2].id(), blocks[1].id(), &genesis()));
    assert_eq!(gets(&out), [(node(1), 2, blocks[2].id()), (node(1), 3, blocks[1].id())]);
    let out = harness.fail(1, 2);
    assert_eq!((out, harness.jobs()), (vec![], 1));
    let out = harness.put(1, 3, &blocks[1]);
    assert_eq!(decided(&out), [("accept", blocks[0].id()), ("accept", blocks[1].id())]);
    assert_eq!(polls(&out), [4]);
}

/// A vote for a block that was found invalid, and whose parent was rejected since, waits for
/// nothing: it is dropped, and the next poll begins.
#[test]
fn registers_invalid_voter_dependency_regression() {
    let mut harness = committee(1, 1, 1);
    let (good, bad) = (chain(&genesis(), "a", 2), chain(&genesis(), "b", 2));
    harness.invalid.insert(bad[1].id());
    assert_eq!(polls(&harness.offer(1, &bad[0])), [1]);
    assert_eq!(polls(&harness.offer(1, &bad[1])), []);
    assert_eq!(polls(&harness.offer(1, &good[0])), []);
    let out = harness.chits(1, 1, &good[0]);
    assert_eq!(decided(&out), [("accept", good[0].id()), ("reject", bad[0].id())]);
    assert_eq!(polls(&out), []);
    assert_eq!(polls(&harness.offer(1, &good[1])), [2]);
    let out = harness.chits(1, 2, &bad[1]);
    assert_eq!((polls(&out), gets(&out), harness.jobs()), (vec![3], vec![], 0));
    assert_eq!(decided(&harness.chits(1, 3, &good[1])), [("accept", good[1].id())]);
}

/// The vote goes to the highest of the named blocks that is here.
#[test]
fn the_block_at_the_height_counts_if_the_tip_cannot() {
    let mut harness = committee(1, 1, 1);
    let blocks = chain(&genesis(), "a", 3);
    harness.offer(1, &blocks[0]);
    harness.offer(1, &blocks[1]);
    let unknown = child(&blocks[1], "unknown");
    let out = harness.message(1, chits(1, unknown.id(), blocks[0].id(), &genesis()));
    assert_eq!((gets(&out).len(), decided(&out)), (1, vec![]));
    // The tip does not come: the vote is for the lower block only.
    let (_, request_id, _) = gets(&out)[0];
    assert_eq!(decided(&harness.fail(1, request_id)), [("accept", blocks[0].id())]);
    assert!(harness.engine.processing(&blocks[1].id()));
}

/// If the tip can count, the block at the height does not.
#[test]
fn a_vote_counts_for_one_block() {
    let mut harness = committee(1, 1, 1);
    let (good, bad) = (child(&genesis(), "a"), child(&genesis(), "b"));
    harness.offer(1, &good);
    harness.offer(1, &bad);
    let out = harness.message(1, chits(1, bad.id(), good.id(), &genesis()));
    assert_eq!(decided(&out), [("accept", bad.id()), ("reject", good.id())]);
}
