//! The set: request identifiers, issue order, bounds, looking without asking.

use super::super::{Polls, Stats};
use super::{id, node, nodes, polls, tree, votes};
use crate::{Bag, Error, NodeId};

/// A set of `count` polls, numbered from 1, of two validators each, which both have to answer.
fn pairs(count: u32) -> Polls {
    let mut polls = polls(2, 2, 2);
    for request in 1..=count {
        assert_eq!(polls.add(request, &nodes(2)), Ok(true));
    }
    polls
}

/// Votes of both validators on a poll of [`pairs`], and what they let go.
fn answer(polls: &mut Polls, request: u32, block: u8) -> Vec<Bag> {
    assert_eq!(polls.vote(request, &node(0), id(block), &tree(&[])), []);
    polls.vote(request, &node(1), id(block), &tree(&[])).to_vec()
}

#[test]
fn a_poll_of_one_hands_out_its_one_vote() {
    let mut polls = polls(1, 1, 1);
    assert_eq!(polls.add(0, &nodes(1)), Ok(true));
    assert_eq!(polls.vote(0, &node(0), id(3), &tree(&[])), [votes(&[(3, 1)])]);
    assert!(polls.is_empty() && !polls.contains(0));
    assert_eq!(polls.stats().exhausted, 1);
}

#[test]
fn an_open_request_identifier_is_not_opened_again() {
    let mut polls = pairs(1);
    assert_eq!(polls.add(1, &nodes(1)), Ok(false));
    assert_eq!(polls.vote(1, &node(0), id(1), &tree(&[])), [], "still a poll of two");
    assert_eq!(polls.vote(1, &node(1), id(1), &tree(&[])), [votes(&[(1, 2)])]);
    assert_eq!(polls.add(1, &nodes(1)), Ok(true), "free again");
}

#[test]
fn responses_to_no_open_poll_change_nothing() {
    let mut polls = pairs(1);
    assert_eq!(polls.vote(9, &node(0), id(1), &tree(&[])), []);
    assert_eq!(polls.drop_validator(9, &node(0), &tree(&[])), []);
    assert_eq!(answer(&mut polls, 1, 4), [votes(&[(4, 2)])]);
}

#[test]
fn each_validator_is_heard_once() {
    let mut polls = polls(3, 2, 3);
    assert_eq!(polls.add(0, &nodes(3)), Ok(true));
    assert_eq!(polls.vote(0, &node(0), id(1), &tree(&[])), []);
    assert_eq!(polls.vote(0, &node(0), id(1), &tree(&[])), [], "repeated");
    assert_eq!(polls.drop_validator(0, &node(0), &tree(&[])), [], "dropped after its answer");
    assert_eq!(polls.vote(0, &node(9), id(1), &tree(&[])), [], "not sampled");
    assert_eq!(polls.vote(0, &node(1), id(1), &tree(&[])), []);
    assert_eq!(polls.drop_validator(0, &node(2), &tree(&[])), [votes(&[(1, 2)])]);
}

#[test]
fn a_newer_finished_poll_waits_for_the_older() {
    let mut polls = pairs(2);
    assert_eq!(answer(&mut polls, 2, 8), []);
    assert_eq!(polls.len(), 2);
    assert_eq!(answer(&mut polls, 1, 9), [votes(&[(9, 2)]), votes(&[(8, 2)])]);
    assert!(polls.is_empty());
}

#[test]
fn an_older_finished_poll_leaves_at_once() {
    let mut polls = pairs(2);
    assert_eq!(answer(&mut polls, 1, 9), [votes(&[(9, 2)])]);
    assert_eq!(answer(&mut polls, 2, 8), [votes(&[(8, 2)])]);
}

#[test]
fn draining_stops_at_the_first_unfinished_poll() {
    let mut polls = pairs(4);
    assert_eq!(answer(&mut polls, 4, 4), []);
    assert_eq!(answer(&mut polls, 2, 2), []);
    assert_eq!(answer(&mut polls, 1, 1), [votes(&[(1, 2)]), votes(&[(2, 2)])]);
    assert_eq!(polls.len(), 2);
    assert_eq!(answer(&mut polls, 3, 3), [votes(&[(3, 2)]), votes(&[(4, 2)])]);
}

#[test]
fn request_identifiers_may_wrap_and_come_in_any_order() {
    let mut polls = polls(1, 1, 1);
    for request in [u32::MAX, 0, 77, 3] {
        assert_eq!(polls.add(request, &nodes(1)), Ok(true));
    }
    let no_tree = tree(&[]);
    assert_eq!(polls.vote(77, &node(0), id(77), &no_tree), []);
    assert_eq!(polls.vote(0, &node(0), id(0), &no_tree), []);
    assert_eq!(polls.vote(u32::MAX, &node(0), id(1), &no_tree).len(), 3);
    assert_eq!(polls.vote(3, &node(0), id(3), &no_tree), [votes(&[(3, 1)])]);
}

#[test]
fn a_late_vote_is_counted_while_its_finished_poll_waits() {
    let mut polls = polls(3, 2, 2);
    assert_eq!(polls.add(1, &nodes(2)), Ok(true));
    assert_eq!(polls.add(2, &nodes(3)), Ok(true));
    let no_tree = tree(&[]);
    assert_eq!(polls.vote(2, &node(0), id(5), &no_tree), []);
    assert_eq!(polls.vote(2, &node(1), id(5), &no_tree), []);
    assert_eq!(polls.stats().early_alpha, 1);
    assert_eq!(polls.vote(2, &node(2), id(6), &no_tree), []);
    assert_eq!(polls.stats().early_alpha, 1, "finished only once");
    let left = [votes(&[]), votes(&[(5, 2), (6, 1)])];
    assert_eq!(polls.drop_validator(1, &node(0), &no_tree), left);
    assert_eq!(polls.stats(), Stats { exhausted: 0, early_fail: 1, early_alpha: 1 });
}

/// A poll of nobody has no answers to wait for, but nothing asks it before a response comes.
#[test]
fn a_poll_of_nobody_leaves_with_the_next_drain() {
    let mut polls = polls(2, 2, 2);
    assert_eq!(polls.add(1, &nodes(2)), Ok(true));
    assert_eq!(polls.add(2, &Bag::new()), Ok(true));
    assert_eq!(answer(&mut polls, 1, 5), [votes(&[(5, 2)]), votes(&[])]);
    assert_eq!(polls.add(3, &Bag::new()), Ok(true));
    assert_eq!(polls.vote(3, &node(0), id(1), &tree(&[])), [votes(&[])]);
}

/// Two votes on children of one block keep a poll open that without their parent is lost. Asking a
/// copy must not keep it lost.
#[test]
fn looking_does_not_finish_a_poll() {
    let (apart, joined) = (tree(&[]), tree(&[(1, 4), (2, 4)]));
    let mut polls = polls(4, 3, 3);
    assert_eq!(polls.add(1, &nodes(3)), Ok(true));
    assert_eq!(polls.vote(1, &node(0), id(1), &joined), []);
    assert_eq!(polls.vote(1, &node(1), id(2), &joined), []);
    assert_eq!(polls.would_finish(&apart).collect::<Vec<_>>(), [(1, true)]);
    assert_eq!(polls.would_finish(&joined).collect::<Vec<_>>(), [(1, false)]);
    assert_eq!(polls.stats(), Stats::default());
    // Asked by a response that counts nothing, it is finished for good.
    assert_eq!(polls.add(2, &nodes(3)), Ok(true));
    assert_eq!(polls.clone().vote(1, &node(9), id(2), &apart).len(), 1);
    assert_eq!(polls.vote(1, &node(9), id(2), &joined), []);
}

/// Finished while it was blocked, a poll stays finished although the tree has changed since.
#[test]
fn a_poll_found_finished_stays_finished() {
    let (apart, joined) = (tree(&[]), tree(&[(1, 4), (2, 4)]));
    let mut polls = polls(4, 3, 3);
    assert_eq!(polls.add(1, &nodes(4)), Ok(true));
    assert_eq!(polls.add(2, &nodes(3)), Ok(true));
    assert_eq!(polls.vote(2, &node(0), id(1), &joined), []);
    assert_eq!(polls.vote(2, &node(1), id(2), &joined), []);
    assert_eq!(polls.vote(2, &node(9), id(2), &apart), [], "finished, and blocked by 1");
    assert_eq!(polls.would_finish(&joined).collect::<Vec<_>>(), [(1, false), (2, true)]);
    assert_eq!(polls.drop_validator(1, &node(0), &joined), []);
    assert_eq!(polls.drop_validator(1, &node(1), &joined).len(), 2);
}

#[test]
fn both_bounds_refuse_and_change_nothing() {
    let mut polls = polls(3, 2, 2).with_polls_max(2);
    let sampled = Bag::<NodeId>::from(vec![(node(0), 2), (node(1), 2)]);
    assert_eq!(polls.add(1, &sampled), Err(Error::TooManyVotes { votes: 4, k: 3 }));
    assert!(polls.is_empty());
    assert_eq!(polls.add(1, &nodes(3)), Ok(true));
    assert_eq!(polls.add(2, &nodes(3)), Ok(true));
    let full = polls.add(3, &nodes(3)).unwrap_err();
    assert_eq!(full, Error::PollsFull { max: 2 });
    assert!(full.to_string().contains("2 polls are open"), "{full}");
    assert_eq!((polls.len(), polls.contains(3)), (2, false));
    assert_eq!(polls.add(2, &nodes(3)), Ok(false), "known before full");
    assert_eq!(polls.drop_validator(1, &node(0), &tree(&[])), []);
    assert_eq!(polls.drop_validator(1, &node(1), &tree(&[])).len(), 1);
    assert_eq!(polls.add(3, &nodes(3)), Ok(true));
}

/// Memory of polls that left is used again, so nothing of them may show.
#[test]
fn a_recycled_poll_starts_empty() {
    let mut polls = polls(3, 2, 2);
    for round in 0..20 {
        assert_eq!(polls.add(round, &nodes(3)), Ok(true));
        assert_eq!(polls.vote(round, &node(0), id(1), &tree(&[])), []);
        let block = u8::try_from(round).unwrap() + 1;
        let left = polls.vote(round, &node(1), id(block), &tree(&[])).to_vec();
        if round == 0 {
            assert_eq!(left, [votes(&[(1, 2)])]);
        } else {
            assert_eq!(left, []);
            let left = polls.drop_validator(round, &node(2), &tree(&[]));
            assert_eq!(left, [votes(&[(1, 1), (block, 1)])]);
        }
    }
}
