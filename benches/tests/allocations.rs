//! Recording a poll asks nothing of the allocator once the working memory has grown.

use avalanche_benches::allocations::{Allocations, Counting, counted, installed};
use avalanche_benches::engine::{Committee, endless};
use avalanche_benches::poll::Polling;
use avalanche_benches::sampler::Seeded;
use avalanche_benches::snowball::SteadyTree;
use avalanche_benches::snowman::{DEPTHS, Shape, Steady, Stream};
use avalanche_benches::store::state::{Accounts, Nowhere};
use avalanche_consensus::snowball::{Snowball, Snowflake};

#[global_allocator]
static COUNTING: Counting = Counting;

/// Runs `operation` a few times to let memory grow, then a thousand times without a single call.
fn check(name: &str, mut operation: impl FnMut()) {
    (0..4).for_each(|_| operation());
    let ((), allocations) = counted(|| (0..1_000).for_each(|_| operation()));
    assert_eq!(allocations, Allocations::default(), "{name}");
}

#[test]
fn the_counter_counts() {
    assert!(installed());
    let (kept, allocations) = counted(|| {
        drop(std::hint::black_box(vec![0_u8; 50]));
        std::hint::black_box(vec![0_u8; 100])
    });
    assert_eq!((allocations, kept.len()), (Allocations { calls: 2, bytes: 100 }, 100));
    let (grown, allocations) = counted(|| {
        let mut grown = kept;
        grown.reserve_exact(200);
        grown
    });
    assert_eq!(allocations, Allocations { calls: 1, bytes: 200 });
    assert_eq!(counted(|| drop(grown)).1, Allocations { calls: 0, bytes: -300 });
}

#[test]
fn steady_polls_of_snowman_allocate_nothing() {
    for shape in Shape::ALL {
        for depth in DEPTHS {
            let mut steady = Steady::new(shape, depth).unwrap();
            check(&format!("{shape:?} at depth {depth}"), || steady.poll());
            assert_eq!(steady.snowman().stats().polls, 1_004);
        }
    }
}

#[test]
fn counting_twenty_answers_allocates_nothing() {
    for shape in [Shape::Chain, Shape::SiblingsSplit, Shape::Fan] {
        let mut steady = Steady::new(shape, 4).unwrap();
        check(&format!("{shape:?}"), || steady.poll_answers());
    }
}

#[test]
fn polls_of_a_tree_allocate_nothing() {
    for colours in [2, 10] {
        let mut tree = SteadyTree::<Snowball>::new(colours).unwrap();
        check("snowball", || tree.poll());
        let mut tree = SteadyTree::<Snowflake>::new(colours).unwrap();
        check("snowflake", || tree.poll());
    }
}

/// Slots, tree nodes and index entries of decided blocks are used again.
#[test]
fn a_stream_of_blocks_allocates_nothing() {
    for contested in [false, true] {
        let mut stream = Stream::new(contested).unwrap();
        check(&format!("contested: {contested}"), || assert!(stream.accept_one()));
    }
}

#[test]
fn polls_open_count_and_leave_without_allocating() {
    let mut polling = Polling::new(16).unwrap();
    check("polls", || assert_eq!(polling.drain_one(), 15));
}

#[test]
fn samples_allocate_nothing() {
    let mut sampler = Seeded::new(1_500).unwrap();
    check("sampler", || assert!(sampler.sample()));
}

/// From receipt to recorded vote, with every poll that ends and every query that follows.
#[test]
fn answers_to_queries_allocate_nothing() {
    for validators in [20, 1_500] {
        let committee = Committee { validators, k: 20, concurrent: 4 };
        let mut network = endless(committee, 4).unwrap();
        // Every table has its size once some hundred polls are through.
        (0..20_000).for_each(|_| assert!(network.answer_one()));
        check(&format!("{validators} validators"), || assert!(network.answer_one()));
        assert!(network.engine().stats().polls > 1_000);
    }
}

#[test]
fn a_state_holds_about_as_much_memory_as_it_says() {
    let (accounts, held) = counted(|| Accounts::new(Nowhere, 100_000, 1).unwrap());
    let said = i64::try_from(accounts.state().memory_bytes()).unwrap();
    assert!((held.bytes - said).abs() * 10 <= held.bytes, "{} held, {said} said", held.bytes);
}
