//! Fetching blocks and waiting for them. Names are those of AvalancheGo's tests (`TestEngine...` in
//! `snow/engine/snowman/engine_test.go`) where they pin the same. There a block that nobody asked
//! for is taken in; here the engine keeps the table of requests, and says
//! [`Fault::Unrequested`] where AvalancheGo's router drops it.

use super::harness::*;
use super::steps::*;
use crate::Id;
use crate::engine::*;

#[test]
fn drops_attempt_to_issue_block_after_failed_request() {
    let mut harness = committee(1, 1, 1);
    let blocks = chain(&genesis(), "a", 2);
    let out = harness.offer(1, &blocks[1]);
    assert_eq!(gets(&out), [(node(1), 1, blocks[0].id())]);
    assert_eq!((harness.jobs(), harness.engine.waiting()[1]), (1, 1));
    // An answer that cannot be parsed is none.
    let out = harness.message(1, Message::Put { request_id: 1, block: None });
    assert_eq!(faults(&out), [Fault::Malformed(MessageKind::Put)]);
    assert_eq!(harness.engine.waiting(), [0; 3]);
}

/// A child waits for its parent, then becomes preferred.
#[test]
fn blocked_issue() {
    let mut harness = committee(1, 1, 1);
    let blocks = chain(&genesis(), "a", 2);
    harness.offer(1, &blocks[1]);
    assert_eq!(harness.engine.preference(), genesis().id());
    let out = harness.offer(1, &blocks[0]);
    assert_eq!(harness.engine.preference(), blocks[1].id());
    let preferences = out.iter().filter(|output| matches!(output, Output::SetPreference(_)));
    assert_eq!(preferences.count(), 2);
    assert_eq!(harness.engine.waiting(), [0; 3]);
}

#[test]
fn abandon_query() {
    let mut harness = committee(1, 1, 1);
    let out = harness.message(1, pull(0, Id::hash(b"unknown"), 1));
    assert_eq!((gets(&out).len(), harness.fetching()), (1, 1));
    assert_eq!(harness.fail(1, 1), []);
    assert_eq!((harness.fetching(), harness.engine.requests_open()), (0, 0));
}

#[test]
fn abandon_chit() {
    let mut harness = committee(1, 1, 1);
    let block = child(&genesis(), "a");
    harness.offer(1, &block);
    let unknown = child(&genesis(), "unknown");
    assert_eq!(gets(&harness.chits(1, 1, &unknown)), [(node(1), 2, unknown.id())]);
    assert_eq!((harness.jobs(), harness.engine.polls_open()), (1, 1));
    // The vote counts for nothing, the poll is over, and the next one begins.
    let out = harness.fail(1, 2);
    assert_eq!((harness.jobs(), pulled(&out)), (0, vec![(block.id(), 1)]));
}

/// Another block than the one that was asked for is as good as none.
#[test]
fn abandon_chit_with_unexpected_put_block() {
    let mut harness = committee(1, 1, 1);
    let block = child(&genesis(), "a");
    harness.offer(1, &block);
    let (unknown, other) = (child(&genesis(), "unknown"), child(&genesis(), "other"));
    harness.chits(1, 1, &unknown);
    let out = harness.put(1, 2, &other);
    assert_eq!(faults(&out), [Fault::WrongBlock { asked: unknown.id(), got: other.id() }]);
    assert_eq!((harness.jobs(), pulled(&out)), (0, vec![(block.id(), 1)]));
    assert!(!harness.engine.processing(&other.id()));
}

#[test]
fn blocking_chit_request() {
    let mut harness = committee(1, 1, 1);
    let blocks = chain(&genesis(), "a", 3);
    assert_eq!(gets(&harness.offer(1, &blocks[1])).len(), 1);
    assert_eq!(gets(&harness.offer(1, &blocks[2])), []);
    assert_eq!(harness.jobs(), 2);
    harness.offer(1, &blocks[0]);
    assert_eq!((harness.jobs(), harness.fetching()), (0, 0));
    assert_eq!(harness.engine.num_processing(), 3);
}

/// A vote for a block that waits for the missing rival of what is preferred. When the rival comes,
/// all is decided at once.
#[test]
fn blocking_chit_response() {
    let mut harness = committee(1, 1, 1);
    let issued = child(&genesis(), "a");
    let missing = child(&genesis(), "b");
    let blocking = child(&missing, "b");
    assert_eq!(gets(&harness.offer(1, &blocking)), [(node(1), 1, missing.id())]);
    assert_eq!(queries(&harness.offer(1, &issued)), [(node(1), 2)]);
    let both = chits(2, blocking.id(), missing.id(), &blocking);
    assert_eq!(harness.message(1, both), []);
    // The block that waits for its parent, and the vote that waits for both.
    assert_eq!(harness.jobs(), 2);
    let out = harness.put(1, 1, &missing);
    let expected = [("accept", missing.id()), ("reject", issued.id()), ("accept", blocking.id())];
    assert_eq!(decided(&out), expected);
    // The missing block was not preferred when it came, so nobody was asked about it.
    assert_eq!(queries(&out), []);
}

#[test]
fn retry_fetch() {
    let mut harness = committee(1, 1, 1);
    let missing = Id::hash(b"missing");
    assert_eq!(gets(&harness.message(1, pull(0, missing, 1))), [(node(1), 1, missing)]);
    // Once is enough while the answer is out.
    assert_eq!(gets(&harness.message(1, pull(0, missing, 1))), []);
    harness.fail(1, 1);
    assert_eq!(gets(&harness.message(1, pull(0, missing, 1))), [(node(1), 2, missing)]);
}

/// Who was not asked cannot answer, whatever it sends.
#[test]
fn invalid_block_ignored_from_unexpected_peer() {
    let mut harness = committee(2, 2, 1);
    let blocks = chain(&genesis(), "a", 2);
    assert_eq!(gets(&harness.offer(1, &blocks[1])), [(node(1), 1, blocks[0].id())]);
    for block in [None, Some(blocks[0]), Some(blocks[1])] {
        let out = harness.message(2, Message::Put { request_id: 1, block });
        assert_eq!(faults(&out), [Fault::Unrequested(MessageKind::Put)]);
        assert_eq!(out.len(), 1);
    }
    assert_eq!(harness.jobs(), 1);
    harness.put(1, 1, &blocks[0]);
    assert_eq!(harness.engine.preference(), blocks[1].id());
}

/// A query can have the number of a request to the same peer.
#[test]
fn push_query_request_id_conflict() {
    let mut harness = committee(1, 1, 1);
    let blocks = chain(&genesis(), "a", 2);
    assert_eq!(gets(&harness.offer(1, &blocks[1])), [(node(1), 1, blocks[0].id())]);
    let requested_height = crate::Height::new(1);
    harness.message(1, Message::PushQuery { request_id: 1, block: None, requested_height });
    assert_eq!((harness.jobs(), harness.fetching()), (1, 1));
    harness.put(1, 1, &blocks[0]);
    assert_eq!(harness.engine.preference(), blocks[1].id());
}

/// An answer of another kind than the one that was asked for is none, and takes none away.
#[test]
fn an_answer_of_another_kind_is_unrequested() {
    let mut harness = committee(1, 1, 1);
    let blocks = chain(&genesis(), "a", 2);
    harness.offer(1, &blocks[1]);
    let out = harness.chits(1, 1, &blocks[1]);
    assert_eq!(faults(&out), [Fault::Unrequested(MessageKind::Chits)]);
    harness.put(1, 1, &blocks[0]);
    assert_eq!(harness.engine.preference(), blocks[1].id());
}

/// A block above a rejected one is dropped without a question, since its own parent is known to be
/// a rival of the last accepted block.
#[test]
fn drop_rejected_block_on_receipt() {
    let mut harness = committee(1, 1, 1);
    let accepted = child(&genesis(), "a");
    let rejected = chain(&genesis(), "b", 3);
    assert_eq!(polls(&harness.offer(1, &accepted)), [1]);
    let out = harness.chits(1, 1, &accepted);
    assert_eq!((decided(&out), polls(&out)), (vec![("accept", accepted.id())], vec![]));
    for block in &rejected[..2] {
        let out = harness.offer(1, block);
        assert_eq!((out.len(), answers(&out).len()), (1, 1), "only the chits");
        assert_eq!(harness.engine.waiting(), [0; 3]);
    }
    // Two above, that is not known: the parent is fetched, and then both are dropped.
    assert_eq!(gets(&harness.offer(1, &rejected[2])), [(node(1), 2, rejected[1].id())]);
    assert_eq!(harness.put(1, 2, &rejected[1]), []);
    assert_eq!(harness.engine.waiting(), [0; 3]);
}

/// A walk goes down through blocks that the VM finds, to the first that it does not.
#[test]
fn a_walk_ends_at_the_first_block_that_is_not_there() {
    let mut harness = committee(1, 1, 1);
    let blocks = chain(&genesis(), "a", 5);
    for block in &blocks[1..4] {
        harness.known.insert(block.id(), *block);
    }
    let out = harness.message(1, pull(0, blocks[3].id(), 1));
    assert_eq!(gets(&out), [(node(1), 1, blocks[0].id())]);
    assert_eq!(harness.engine.waiting(), [1, 3, 3]);
    harness.put(1, 1, &blocks[0]);
    assert_eq!(harness.engine.preference(), blocks[3].id());
    // Each of them was verified once, from the lowest to the highest.
    let verified = harness.calls.iter().filter_map(|call| match call {
        Call::Verify(block) => Some(block.id()),
        _ => None,
    });
    assert!(verified.eq(blocks[..4].iter().map(ParsedBlock::id)));
}

/// A block that comes another way ends the wait, and the answer that comes after all is harmless.
#[test]
fn a_block_that_comes_another_way_ends_the_wait() {
    let mut harness = committee(2, 2, 1);
    let blocks = chain(&genesis(), "a", 2);
    harness.offer(1, &blocks[1]);
    harness.offer(2, &blocks[0]);
    assert_eq!(harness.engine.preference(), blocks[1].id());
    assert_eq!((harness.fetching(), harness.engine.requests_open()), (0, 5));
    assert_eq!(harness.put(1, 1, &blocks[0]), []);
    assert_eq!(harness.engine.requests_open(), 4);
}

/// Blocks whose height is not one above their parent's are never verified.
#[test]
fn a_wrong_height_is_a_fault() {
    let mut harness = committee(1, 1, 1);
    for height in [2, 7, u64::MAX] {
        let mut block = child(&genesis(), "a");
        block.block.height = crate::Height::new(height);
        block.block.id = Id::hash(&height.to_le_bytes());
        assert_eq!(faults(&harness.offer(1, &block)), [Fault::WrongHeight(block.id())]);
    }
    assert!(!harness.calls.iter().any(|call| matches!(call, Call::Verify(_))));
    assert_eq!((harness.engine.waiting(), harness.engine.num_processing()), ([0; 3], 0));
}
