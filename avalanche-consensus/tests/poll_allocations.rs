//! A set of polls that has been in use for a while allocates nothing, whatever the votes are.
//!
//! One test only: the counter belongs to the whole process.

mod counting;

use std::collections::BTreeMap;

use avalanche_consensus::poll::Polls;
use avalanche_consensus::snowball::Parameters;
use avalanche_consensus::{Bag, HashKey, Id, NodeId};
use counting::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

const DEPTH: u8 = 64;

fn block(line: u8, height: u8) -> Id {
    Id::hash(&[line, height])
}

/// Three polls at once, of which each gets 20 votes spread over two lines of 64 blocks, the newest
/// first, so that all three leave together. Number of results and of votes in them.
fn three_polls(
    polls: &mut Polls,
    request: u32,
    sampled: &Bag<NodeId>,
    tree: &BTreeMap<Id, Id>,
) -> (usize, u32) {
    let mut left = (0, 0);
    for request in request..request + 3 {
        assert_eq!(polls.add(request, sampled), Ok(true));
    }
    for request in (request..request + 3).rev() {
        for (voter, (validator, _)) in (0..).zip(sampled.iter()) {
            let id = block(voter % 2, 1 + voter * 3);
            for votes in polls.vote(request, validator, id, tree) {
                left = (left.0 + 1, left.1 + votes.len());
            }
        }
    }
    left
}

#[test]
fn warm_polls_allocate_nothing() {
    let mut tree = BTreeMap::new();
    for line in [0, 1] {
        for height in 1..=DEPTH {
            let parent = if height == 1 { block(0, 0) } else { block(line, height - 1) };
            tree.insert(block(line, height), parent);
        }
    }
    let parameters = Parameters::new(20, 11, 20, 1).unwrap();
    let mut polls = Polls::new(&parameters, HashKey::from_seed([5; 32]));
    let sampled: Bag<NodeId> = (0..20).map(|n| NodeId::new([n; 20])).collect();
    let cold = ALLOCATOR.allocations();
    for round in 0..20 {
        assert_eq!(three_polls(&mut polls, round * 3, &sampled, &tree), (3, 60));
    }
    let warm = ALLOCATOR.allocations();
    assert!(warm > cold, "the counter counts");
    for round in 20..120 {
        assert_eq!(three_polls(&mut polls, round * 3, &sampled, &tree), (3, 60));
    }
    assert_eq!(ALLOCATOR.allocations() - warm, 0);
}
