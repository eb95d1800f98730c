//! Why a block is not final: each cause is brought about, and has to be the one that is named.

use super::harness::*;
use super::steps::*;
use crate::engine::*;
use crate::snowball::ParametersConfig;
use crate::{Height, Id, Timestamp};

fn cause(harness: &Harness, block: &Parsed) -> Cause {
    harness.engine.explain(&block.id()).cause
}

#[test]
fn final_blocks_and_their_rivals() {
    let mut harness = committee(1, 1, 1);
    let [good, bad] = [child(&genesis(), "a"), child(&genesis(), "b")];
    harness.offer(1, &good);
    harness.offer(1, &bad);
    harness.chits(1, 1, &good);
    for (block, expected) in [(&good, Cause::Accepted), (&bad, Cause::Rejected)] {
        assert_eq!(cause(&harness, block), expected);
    }
    let next = child(&good, "c");
    harness.offer(1, &next);
    harness.chits(1, 2, &next);
    // Older decisions are remembered too, as long as there is room.
    assert_eq!(cause(&harness, &good), Cause::Accepted);
    assert_eq!(harness.engine.explain(&next.id()).height, Some(next.height()));
    assert_eq!(cause(&harness, &genesis()), Cause::Unknown);
}

#[test]
fn what_nobody_has_heard_of() {
    let harness = committee(1, 1, 1);
    let explained = harness.engine.explain(&Id::hash(b"what"));
    assert_eq!((explained.cause, explained.height), (Cause::Unknown, None));
    assert_eq!(cause(&harness, &genesis()), Cause::Accepted);
    let entering = Harness::entering(config(small(1, 1, 1)), 1);
    assert_eq!(cause(&entering, &genesis()), Cause::Accepted);
    assert_eq!(cause(&entering, &child(&genesis(), "a")), Cause::Unknown);
}

#[test]
fn a_missing_ancestor() {
    let mut harness = committee(1, 1, 1);
    let blocks = chain(&genesis(), "a", 4);
    harness.offer(1, &blocks[2]);
    harness.offer(1, &blocks[3]);
    let missing =
        |ancestor: &Parsed, asked| Cause::MissingAncestor { ancestor: ancestor.id(), asked };
    for block in &blocks[1..] {
        assert_eq!(cause(&harness, block), missing(&blocks[1], Some(node(1))));
    }
    assert_eq!(harness.engine.explain(&blocks[3].id()).height, Some(Height::new(4)));
    assert_eq!(cause(&harness, &blocks[0]), Cause::Unknown);
    // While the VM looks for it nobody was asked yet.
    harness.prompt = false;
    harness.put(1, 1, &blocks[1]);
    assert_eq!(cause(&harness, &blocks[3]), missing(&blocks[0], None));
}

#[test]
fn a_pending_verdict() {
    let mut harness = committee(1, 1, 1);
    let blocks = chain(&genesis(), "a", 2);
    let sibling = child(&blocks[0], "sibling");
    harness.prompt = false;
    harness.now = Timestamp::from_millis(5);
    for block in [&blocks[1], &sibling] {
        harness.offer(1, block);
        harness.answer_next();
    }
    harness.now = Timestamp::from_millis(20);
    harness.offer(1, &blocks[0]);
    harness.now = Timestamp::from_millis(30);
    let pending = |block: &Parsed, since| {
        let since = Timestamp::from_millis(since);
        Cause::VerificationPending { block: block.id(), since }
    };
    for block in [&blocks[0], &blocks[1], &sibling] {
        assert_eq!(cause(&harness, block), pending(&blocks[0], 20));
    }
    harness.answer_next();
    // The two children are verified one after the other.
    assert_eq!(cause(&harness, &blocks[1]), pending(&blocks[1], 5));
    assert_eq!(cause(&harness, &sibling), pending(&sibling, 5));
    harness.answer_next();
    assert_eq!(harness.open.len(), 1);
    assert_eq!(cause(&harness, &sibling), pending(&sibling, 5));
}

#[test]
fn a_failed_verification() {
    let mut harness = committee(1, 1, 1);
    let blocks = chain(&genesis(), "a", 3);
    harness.invalid.insert(blocks[1].id());
    for block in blocks.iter().rev() {
        harness.offer(1, block);
    }
    for block in &blocks[1..] {
        assert_eq!(cause(&harness, block), Cause::VerificationFailed);
    }
}

#[test]
fn weight_that_is_out_of_reach() {
    let mut harness = committee(4, 3, 1);
    let block = child(&genesis(), "a");
    harness.offer(1, &block);
    assert_eq!(cause(&harness, &block), Cause::Deciding);
    for at in 1..=2 {
        harness.input(Input::Disconnected(node(at)));
    }
    assert_eq!(cause(&harness, &block), Cause::WeightUnreachable { connected: 0.5, needed: 0.75 });
    harness.input(Input::Connected(node(1)));
    assert_eq!(cause(&harness, &block), Cause::Deciding);
}

#[test]
fn polls_that_time_out() {
    let mut harness = committee(4, 3, 3);
    let block = child(&genesis(), "a");
    let mut out = harness.offer(1, &block);
    for failed in 1..=3 {
        harness.chits(1, *polls(&out).last().expect("a poll"), &block);
        out = harness.tick_past_deadlines();
        assert_eq!(cause(&harness, &block), Cause::PollsTimingOut { failed, of: failed });
    }
    // Good polls outweigh them.
    for _ in 0..2 {
        let request_id = polls(&out)[0];
        out.clear();
        for at in 1..=3 {
            out.extend(harness.chits(at, request_id, &block));
        }
    }
    assert_eq!(cause(&harness, &block), Cause::PollsTimingOut { failed: 3, of: 5 });
    let explained = harness.engine.explain(&block.id());
    assert_eq!(explained.polls.len(), 6, "five that are over and one that is open");
    let last = &explained.polls[4];
    assert_eq!((last.about, last.failed, last.votes.count(&block.id())), (block.id(), 0, 3));
    assert!(last.finished.is_some() && explained.polls[5].finished.is_none());
    let first = &explained.polls[0];
    assert_eq!((first.request_id, first.failed, first.votes.len()), (1, 3, 1));
}

/// A poll that is short of votes because they went elsewhere did not time out.
#[test]
fn a_minority_preference() {
    let mut harness = committee(3, 2, 3);
    let [left, right] = [child(&genesis(), "a"), child(&genesis(), "b")];
    let above = child(&right, "above");
    for block in [&left, &right, &above] {
        harness.offer(1, block);
    }
    let rival = Cause::MinorityPreference { preferred: left.id() };
    assert_eq!((cause(&harness, &right), cause(&harness, &above)), (rival.clone(), rival));
    assert_eq!(cause(&harness, &left), Cause::Deciding);
    harness.chits(1, 1, &above);
    harness.chits(2, 1, &above);
    let rival = Cause::MinorityPreference { preferred: right.id() };
    assert_eq!((cause(&harness, &left), cause(&harness, &right)), (rival, Cause::Deciding));
}

#[test]
fn behind_an_undecided_parent() {
    let mut harness = committee(1, 1, 2);
    let blocks = chain(&genesis(), "a", 3);
    for block in &blocks {
        harness.offer(1, block);
    }
    assert_eq!(cause(&harness, &blocks[0]), Cause::Deciding);
    for at in 1..3 {
        let parent = blocks[at - 1].id();
        assert_eq!(cause(&harness, &blocks[at]), Cause::BehindUndecidedParent { parent });
    }
}

/// Records of polls are bounded, the last ones stay.
#[test]
fn the_last_polls_are_remembered() {
    let mut config = config(ParametersConfig { concurrent_repolls: 2, ..small(1, 1, 2) });
    config.limits.poll_history_max = 3;
    let mut harness = Harness::with(config, 1);
    let block = child(&genesis(), "a");
    let mut out = harness.offer(1, &block);
    for _ in 0..10 {
        out = polls(&out).iter().flat_map(|id| harness.fail(1, *id)).collect();
        let explained = harness.engine.explain(&block.id());
        assert!(explained.polls.len() <= 3);
        let ids: Vec<u32> = explained.polls.iter().map(|poll| poll.request_id).collect();
        assert!(ids.is_sorted() && ids.last() == polls(&out).last(), "{ids:?}");
    }
}

#[test]
fn a_poll_that_ended_early_does_not_count_as_timed_out() {
    let mut harness = committee(4, 4, 3);
    let block = child(&genesis(), "a");
    let mut out = harness.offer(1, &block);
    for round in 0..4 {
        let Some(request_id) = polls(&out).last().copied() else {
            panic!("round {round}: {out:?}")
        };
        out.clear();
        // One peer prefers nothing new, and no poll of four can succeed any more.
        out.extend(harness.chits(1, request_id, &block));
        out.extend(harness.chits(2, request_id, &genesis()));
    }
    assert_eq!(cause(&harness, &block), Cause::Deciding);
}
