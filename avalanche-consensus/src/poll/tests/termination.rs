//! Early termination: each rule, votes that count for ancestors, prefixes, hostile block trees.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::super::vote_graph::VoteGraph;
use super::super::{Ancestry, Polls, Stats};
use super::{id, node, nodes, polls, tree, votes};
use crate::{Bag, HashKey, Id, NodeId};

/// Opens a poll of `validators` and takes a vote of one validator after the other. Whether it left
/// after each.
fn run(polls: &mut Polls, validators: u8, blocks: &[u8], tree: &impl Ancestry) -> Vec<bool> {
    assert_eq!(polls.add(0, &nodes(validators)), Ok(true));
    let vote =
        |(voter, block): (u8, &u8)| !polls.vote(0, &node(voter), id(*block), tree).is_empty();
    (0..).zip(blocks).map(vote).collect()
}

fn only(reason: &str) -> Stats {
    let count = |name| u64::from(name == reason);
    Stats {
        exhausted: count("exhausted"),
        early_fail: count("early fail"),
        early_alpha: count("early alpha"),
    }
}

/// Every count of the graph of `counts`, sorted.
fn counts(counts: &[(u8, u32)], tree: &impl Ancestry) -> Vec<u32> {
    let mut graph = VoteGraph::new(HashKey::from_seed([1; 32]), 1000);
    let mut seen = Vec::new();
    assert!(graph.all_counts(&votes(counts), tree, |count| {
        seen.push(count);
        true
    }));
    seen.sort_unstable();
    seen
}

#[test]
fn drops_that_leave_too_few_finish_a_poll() {
    let mut polls = polls(5, 4, 4);
    assert_eq!(run(&mut polls, 5, &[1], &tree(&[])), [false]);
    assert_eq!(polls.drop_validator(0, &node(1), &tree(&[])), [], "4 are left for alpha 4");
    assert_eq!(polls.drop_validator(0, &node(2), &tree(&[])), [votes(&[(1, 1)])]);
    assert_eq!(polls.stats(), only("early fail"));
}

#[test]
fn a_preference_that_cannot_become_confidence_finishes_a_poll() {
    let mut polls = polls(5, 3, 5);
    assert_eq!(run(&mut polls, 5, &[1, 1, 1], &tree(&[])), [false; 3]);
    assert_eq!(polls.drop_validator(0, &node(3), &tree(&[])), [votes(&[(1, 3)])]);
    assert_eq!(polls.stats(), only("early alpha"));
}

#[test]
fn confidence_finishes_a_poll() {
    let mut polls = polls(5, 3, 4);
    assert_eq!(run(&mut polls, 5, &[1, 1, 1, 1], &tree(&[])), [false, false, false, true]);
    assert_eq!(polls.stats(), only("early alpha"));
}

#[test]
fn the_last_answer_exhausts_a_poll() {
    let mut polls = polls(5, 4, 5);
    assert_eq!(
        run(&mut polls, 5, &[1, 1, 1, 1, 1], &tree(&[])),
        [false, false, false, false, true]
    );
    assert_eq!(polls.stats(), only("exhausted"));
}

#[test]
fn nothing_but_drops_is_not_settled() {
    let mut polls = polls(5, 3, 3);
    assert!(run(&mut polls, 5, &[], &tree(&[])).is_empty());
    assert_eq!(polls.drop_validator(0, &node(0), &tree(&[])), []);
    assert_eq!(polls.drop_validator(0, &node(1), &tree(&[])), []);
    assert_eq!(polls.drop_validator(0, &node(2), &tree(&[])), [votes(&[])]);
    assert_eq!(polls.stats(), only("early fail"));
}

/// ```text
///    4        Neither child can reach 3 any more, but their parent can.
///   / \
///  1   2
/// ```
#[test]
fn votes_for_children_keep_the_poll_open_for_the_parent() {
    let family = tree(&[(1, 4), (2, 4)]);
    assert_eq!(run(&mut polls(4, 3, 3), 3, &[1, 2], &family), [false, false]);
    assert_eq!(run(&mut polls(4, 3, 3), 3, &[1, 2], &tree(&[])), [false, true]);
    let mut polls = polls(4, 3, 3);
    assert_eq!(run(&mut polls, 4, &[1, 2, 4], &family), [false, false, true]);
    assert_eq!(polls.stats(), only("early alpha"));
}

/// ```text
///  0 <- 3 <- 1      The poll has confidence for 3 after the fourth vote, and 1 could still reach
///                   the preference threshold.
/// ```
#[test]
fn a_child_that_can_reach_preference_keeps_the_poll_open() {
    let line = tree(&[(3, 0), (1, 3)]);
    let mut polls = polls(5, 3, 4);
    let left = run(&mut polls, 5, &[3, 1, 3, 1], &line);
    assert_eq!(left, [false, false, false, false], "1 has 2 of 3, and one answer is missing");
    assert_eq!(polls.vote(0, &node(4), id(3), &line), [votes(&[(1, 2), (3, 3)])]);
}

#[test]
fn a_validator_counts_as_often_as_it_was_sampled() {
    let sampled = Bag::<NodeId>::from(vec![(node(0), 3), (node(1), 1), (node(2), 1)]);
    let mut polls = polls(5, 3, 3);
    assert_eq!(polls.add(0, &sampled), Ok(true));
    assert_eq!(polls.add(1, &sampled), Ok(true));
    assert_eq!(polls.vote(0, &node(0), id(1), &tree(&[])), [votes(&[(1, 3)])]);
    assert_eq!(polls.drop_validator(1, &node(0), &tree(&[])), [votes(&[])], "2 of 5 are left");
}

/// ```text
///        0          Counts without votes of their own: 7 has 3, and 0 has 4. The climbs meet in 0,
///       / \         and nothing above it has another count.
///      7   2
///     / \
///    1   4 - 6
/// ```
#[test]
fn blocks_that_nobody_voted_for_get_the_votes_of_their_descendants() {
    let tree = tree(&[(7, 0), (2, 0), (1, 7), (4, 7), (6, 4), (0, 8)]);
    // 1, 2 and 6 for 1, 2 and 6; 4: 1, 7: 3, 0: 4. 7 and 2 differ in bit 0, as 1 and 4 do.
    // 8 was reached from 2 before the climbs met in 0.
    assert_eq!(counts(&[(1, 2), (2, 1), (6, 1)], &tree), [1, 1, 1, 2, 3, 4, 4]);
    // Another tree keeps every climb going: 0 and 8 are asked about, and 99 alone.
    assert_eq!(counts(&[(1, 2), (2, 1), (6, 1), (99, 9)], &tree), [1, 1, 1, 2, 3, 4, 4, 9]);
    // Votes for ancestors of a voted block; 8 was reached from 0.
    assert_eq!(counts(&[(6, 1), (7, 1), (0, 1)], &tree), [1, 1, 2, 3, 3]);
}

#[test]
fn votes_for_several_trees_are_counted_apart() {
    let forest = tree(&[(1, 0), (2, 0), (11, 10), (12, 10)]);
    assert_eq!(counts(&[(1, 1), (2, 2), (11, 3), (12, 4)], &forest), [1, 2, 3, 3, 4, 7]);
    // No tree has 3 of 3, and one answer is not enough for any of them.
    assert_eq!(run(&mut polls(5, 4, 4), 5, &[1, 2, 11, 12], &forest), [false, false, false, true]);
}

/// ```text
///      8              Two branches of three. Neither reaches 4 of 5 with the last answer.
///    /   \
///   2     1
///   |     |
///   4     3
///   |     |
///   6     5
/// ```
#[test]
fn deep_branches_that_both_fail_finish_a_poll() {
    let deep = tree(&[(2, 8), (1, 8), (4, 2), (3, 1), (6, 4), (5, 3)]);
    let mut polls = polls(5, 4, 4);
    assert_eq!(run(&mut polls, 5, &[6, 5, 6, 5], &deep), [false, false, false, true]);
    assert_eq!(polls.stats(), only("early alpha"));
    // While the root itself is undecided, the poll goes on.
    assert_eq!(run(&mut self::polls(5, 5, 5), 5, &[6, 5, 6, 5], &deep), [false; 4]);
}

/// Bits are read from the lowest of each byte, so 0b0110 and 0b1110 share three of them and 0b0010
/// two with both; 0b0001 shares none with any.
#[test]
fn siblings_with_a_shared_prefix_count_as_one() {
    let family = |children: &[u8]| -> BTreeMap<Id, Id> {
        children.iter().map(|child| (id(*child), id(255))).collect()
    };
    let check = |children: &[(u8, u32)], prefixes: &[u32]| {
        let blocks: Vec<u8> = children.iter().map(|(block, _)| *block).collect();
        let mut expected: Vec<u32> = children.iter().map(|(_, count)| *count).collect();
        expected.push(expected.iter().sum());
        expected.extend(prefixes);
        expected.sort_unstable();
        assert_eq!(counts(children, &family(&blocks)), expected, "{children:?}");
    };
    check(&[(0b0000, 1), (0b0001, 2)], &[]);
    check(&[(0b0000, 1), (0b0010, 2)], &[3]);
    check(&[(0b0000, 1), (0b0010, 2), (0b0001, 4)], &[3]);
    check(&[(0b0110, 1), (0b1110, 2), (0b0010, 4)], &[3, 7]);
    check(&[(0b0110, 1), (0b1110, 2), (0b0010, 4), (0b0001, 8)], &[3, 7]);
    check(&[(0b00, 1), (0b10, 2), (0b01, 4), (0b11, 8)], &[3, 12]);
    check(&[(0b000, 1), (0b100, 2), (0b010, 4), (0b110, 8)], &[3, 12, 15]);
    check(&[(0b1000_0000, 1), (0b0000_0000, 2)], &[3]);
}

/// Blocks 2 and 6 share two bits. Neither can reach 4 of 5 any more, and the instance for their
/// prefix can, though their parent has enough already.
#[test]
fn a_prefix_that_can_change_keeps_the_poll_open() {
    let prefixed = tree(&[(2, 0), (6, 0), (1, 0)]);
    let apart = tree(&[(2, 0), (5, 0), (1, 0)]);
    let mut open = polls(6, 4, 4);
    assert_eq!(run(&mut open, 6, &[2, 2, 1, 0, 6], &prefixed), [false; 5]);
    let mut settled = polls(6, 4, 4);
    assert_eq!(run(&mut settled, 6, &[2, 2, 1, 0, 5], &apart), [false, false, false, false, true]);
    // One answer less to come, and the prefix cannot either.
    assert_eq!(open.drop_validator(0, &node(5), &prefixed).len(), 1);
}

/// Each climb but the first ends at a block that is known already, wherever it is kept.
#[test]
fn a_line_of_which_every_block_is_voted_for_is_counted_exactly() {
    let block = |height: u8| Id::hash(&[height]);
    let line: BTreeMap<Id, Id> =
        (1..100).map(|height| (block(height), block(height - 1))).collect();
    let votes: Bag = (0..100).map(block).collect();
    let mut graph = VoteGraph::new(HashKey::from_seed([1; 32]), 1000);
    let mut seen = Vec::new();
    assert!(graph.all_counts(&votes, &line, |count| {
        seen.push(count);
        true
    }));
    assert_eq!(seen, (1..=100).collect::<Vec<_>>());
}

/// More vertices than are scanned: two lines of 100 blocks on one root.
#[test]
fn graphs_of_hundreds_of_blocks_are_counted_exactly() {
    let block = |line: u8, height: u8| Id::hash(&[line, height]);
    let mut tree = BTreeMap::new();
    for height in 1..=100 {
        for line in [0, 1] {
            let parent = if height == 1 { block(9, 0) } else { block(line, height - 1) };
            tree.insert(block(line, height), parent);
        }
    }
    let votes = Bag::from(vec![(block(0, 100), 1), (block(0, 50), 2), (block(1, 100), 4)]);
    let mut graph = VoteGraph::new(HashKey::from_seed([1; 32]), 1000);
    let mut seen = BTreeMap::new();
    for _ in 0..2 {
        seen.clear();
        assert!(graph.all_counts(&votes, &tree, |count| {
            *seen.entry(count).or_insert(0) += 1;
            true
        }));
    }
    let first = (block(0, 1), block(1, 1));
    let shared = if first.0.bit(0) == first.1.bit(0) { 1 } else { 0 };
    assert_eq!(seen, BTreeMap::from([(1, 50), (3, 50), (4, 100), (7, 1 + shared)]));
}

/// A relation that no block tree has: every block has a parent.
struct Endless(Cell<u32>);

impl Ancestry for Endless {
    fn parent(&self, id: &Id) -> Option<Id> {
        self.0.set(self.0.get() + 1);
        Some(Id::hash(id.as_bytes()))
    }
}

#[test]
fn an_endless_ancestry_makes_a_poll_wait_for_its_answers() {
    let endless = Endless(Cell::new(0));
    let mut polls = polls(5, 3, 3).with_vertices_max(100);
    assert_eq!(run(&mut polls, 5, &[1, 2, 1, 2], &endless), [false; 4]);
    assert!((98..=300).contains(&endless.0.get()), "{}", endless.0.get());
    assert_eq!(polls.vote(0, &node(4), id(1), &endless), [votes(&[(1, 3), (2, 2)])]);
    assert_eq!(polls.stats(), only("exhausted"));
}

#[test]
fn a_cycle_makes_a_poll_wait_for_its_answers() {
    for cycle in [tree(&[(1, 2), (2, 1)]), tree(&[(1, 1), (2, 2)]), tree(&[(1, 3), (2, 3), (3, 1)])]
    {
        let mut polls = polls(5, 3, 3);
        assert_eq!(run(&mut polls, 5, &[1, 2, 1, 2], &cycle), [false; 4]);
        assert_eq!(polls.vote(0, &node(4), id(2), &cycle).len(), 1);
        assert_eq!(polls.stats(), only("exhausted"));
    }
}

#[test]
fn a_poll_that_fits_its_bound_exactly_may_finish_early() {
    let deep = tree(&[(2, 8), (1, 8), (4, 2), (3, 1), (6, 4), (5, 3)]);
    let last = |max| {
        let mut polls = polls(5, 4, 4).with_vertices_max(max);
        run(&mut polls, 5, &[6, 5, 6, 5], &deep).pop()
    };
    assert_eq!((last(7), last(6), last(5)), (Some(true), Some(true), Some(false)));
}
