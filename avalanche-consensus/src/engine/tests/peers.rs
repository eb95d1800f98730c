//! Requests and the peers that they go to: deadlines, the bench, validators that change, and this
//! node itself.

use std::time::Duration;

use super::harness::*;
use super::steps::*;
use crate::engine::*;
use crate::network::{BenchConfig, TimeoutConfig};
use crate::validators::{Validator, ValidatorChange, ValidatorSet};
use crate::{Height, Id, Timestamp};

/// A node that is a validator votes for itself, without a message that leaves it.
#[test]
fn a_validator_asks_itself_without_a_message() {
    let mut harness = with_own_weight(2, 2);
    let block = child(&genesis(), "a");
    harness.to_build.push_back(block);
    let out = harness.input(Input::PendingTransactions);
    // Both are asked once a poll, and only one of them by message.
    assert_eq!((queries(&out), pushed(&out)), (vec![(node(1), 1)], vec![block.id()]));
    assert_eq!(harness.engine.stats().sent_to_self, 2);
    assert_eq!(harness.engine.requests_open(), 1);
    assert_eq!(decided(&harness.chits(1, 1, &block)), [("accept", block.id())]);
}

/// A network of one node decides by itself, within the input that gave the block.
#[test]
fn a_lonely_validator_decides_alone() {
    let mut harness = with_own_weight(1, 1);
    let blocks = chain(&genesis(), "a", 3);
    harness.to_build.extend(&blocks);
    for block in &blocks {
        let out = harness.input(Input::PendingTransactions);
        assert_eq!((decided(&out), queries(&out)), (vec![("accept", block.id())], vec![]));
    }
    assert_eq!((harness.engine.requests_open(), harness.engine.polls_open()), (0, 0));
}

/// With this node itself, weight 1 like each of `k - 1` others.
fn with_own_weight(k: u8, alpha: u32) -> Harness {
    let mut harness = Harness::with(config(small(u32::from(k), alpha, 1)), k - 1);
    let own = ValidatorChange::Add(Validator { node_id: node(0), weight: 1 });
    assert_eq!(harness.input(Input::Validators(vec![own])), []);
    harness
}

/// This node's own answer can come too late if the VM is slow. It is no fault of anybody.
#[test]
fn an_own_answer_that_comes_too_late_is_no_fault() {
    let mut config = config(small(1, 1, 1));
    config.partial_sync = true;
    let mut harness = Harness::with(config, 0);
    let own = ValidatorChange::Add(Validator { node_id: node(0), weight: 1 });
    harness.input(Input::Validators(vec![own]));
    harness.prompt = false;
    harness.offer(1, &child(&genesis(), "a"));
    for _ in 0..2 {
        harness.answer_next();
    }
    for _ in 0..5 {
        // The poll of this node fails and is followed by the next one.
        harness.tick_past_deadlines();
        assert_eq!(harness.engine.polls_open(), 1);
        let (_, asked) = harness.open.front().expect("the answer to the last one");
        assert!(matches!(asked, Call::BlockIdAtHeight(_)));
        assert_eq!(faults(&harness.answer_next()), []);
    }
    assert_eq!(harness.engine.stats().faults, 0);
    assert!(harness.engine.stats().failed_requests > 0);
}

/// A request ends at its deadline: five seconds at first.
#[test]
fn requests_end_at_their_deadline() {
    let mut harness = committee(2, 2, 1);
    let block = child(&genesis(), "a");
    harness.offer(1, &block);
    harness.message(2, pull(0, Id::hash(b"unknown"), 1));
    assert_eq!(harness.engine.requests_open(), 3);
    harness.now = Timestamp::from_nanos(4_999_999_999);
    assert_eq!(polls(&harness.input(Input::Tick)), []);
    assert_eq!(harness.engine.requests_open(), 3);
    assert_eq!(harness.engine.poll_timeout(), Some(Timestamp::from_millis(5_000)));
    let out = harness.tick();
    // The poll failed, and the next one begins; the block that was asked for is given up.
    assert_eq!((polls(&out), harness.fetching()), (vec![3], 0));
    assert_eq!(harness.engine.requests_open(), 2);
    let late = harness.chits(1, 1, &block);
    assert_eq!(faults(&late), [Fault::Unrequested(MessageKind::Chits)]);
}

/// A tick before anything is due changes nothing, and time never goes back.
#[test]
fn time_never_goes_back() {
    let mut harness = committee(1, 1, 1);
    harness.offer(1, &child(&genesis(), "a"));
    harness.tick_past_deadlines();
    let due = harness.engine.poll_timeout();
    harness.now = Timestamp::ZERO;
    assert_eq!(harness.input(Input::Tick), []);
    assert_eq!(harness.engine.poll_timeout(), due);
}

/// A peer that is not connected is not sent to, and fails at once.
#[test]
fn who_is_not_connected_fails_at_once() {
    let mut harness = committee(4, 3, 1);
    harness.input(Input::Disconnected(node(4)));
    let block = child(&genesis(), "a");
    let out = harness.offer(1, &block);
    assert_eq!(queries(&out), [(node(1), 1), (node(2), 1), (node(3), 1)]);
    assert_eq!((harness.engine.requests_open(), harness.engine.stats().failed_requests), (3, 1));
    // A block that only a peer without a connection could give is not waited for.
    let unknown = child(&genesis(), "unknown");
    let out = harness.offer(4, &child(&unknown, "a"));
    assert_eq!((gets(&out), harness.engine.waiting()), (vec![], [0; 3]));
    harness.chits(1, 1, &block);
    harness.chits(2, 1, &block);
    assert_eq!(decided(&harness.chits(3, 1, &block)), [("accept", block.id())]);
}

/// Numbers of requests go round, and pass over those that are in use.
#[test]
fn request_ids_go_round() {
    let mut harness = committee(1, 1, 1);
    harness.engine.cx.request_id = u32::MAX - 1;
    let ids: Vec<u32> = (0..4_u8)
        .flat_map(|at| gets(&harness.message(1, pull(0, Id::hash(&[at]), 1))))
        .map(|(_, request_id, _)| request_id)
        .collect();
    assert_eq!(ids, [u32::MAX, 0, 1, 2]);
    assert_eq!((harness.fetching(), harness.engine.requests_open()), (4, 4));
    // A number that is in use is no number for another request: it is not sent.
    harness.engine.cx.request_id = u32::MAX;
    let out = harness.message(1, pull(0, Id::hash(b"another"), 1));
    assert_eq!((gets(&out), harness.fetching()), (vec![], 4));
    let block = child(&genesis(), "a");
    let out = harness.offer(1, &block);
    assert_eq!((polls(&out), harness.engine.polls_open()), (vec![], 0));
    harness.engine.cx.request_id = 2;
    assert_eq!(polls(&harness.tick()), [3]);
    // Each answer finds its request.
    let unknown = Id::hash(&[1]);
    let wrong = harness.put(1, 0, &block);
    assert_eq!(faults(&wrong), [Fault::WrongBlock { asked: unknown, got: block.id() }]);
    assert_eq!(harness.fetching(), 3);
    assert_eq!(decided(&harness.chits(1, 3, &block)), [("accept", block.id())]);
}

/// Who is asked, and how much weight is connected, follows the validators.
#[test]
fn queries_follow_the_validators() {
    let mut harness = committee(3, 2, 1);
    for at in 1..=5 {
        harness.input(Input::Connected(node(at)));
    }
    let changes = (1..=3)
        .map(|at| ValidatorChange::Remove(node(at)))
        .chain((4..=5).map(|at| ValidatorChange::Add(Validator { node_id: node(at), weight: 2 })));
    assert_eq!(harness.input(Input::Validators(changes.collect())), []);
    let block = child(&genesis(), "a");
    let asked: Vec<_> = queries(&harness.offer(1, &block)).into_iter().map(|(to, _)| to).collect();
    assert_eq!(asked, [node(4), node(5)]);
    // Who was sampled once or twice has as many votes; those of the others do not count.
    let out = harness.chits(1, 1, &block);
    assert_eq!(faults(&out), [Fault::Unrequested(MessageKind::Chits)]);
    let mut decisions = decided(&harness.chits(4, 1, &block));
    decisions.extend(decided(&harness.chits(5, 1, &block)));
    assert_eq!(decisions, [("accept", block.id())]);
    // Changes that do not fit are the shell's mistake.
    let change = Input::Validators(vec![ValidatorChange::Remove(node(1))]);
    let fatal = harness.engine.handle(harness.now, change).expect_err("not a validator");
    assert!(matches!(fatal, Fatal::Refused(_)));
    assert_eq!(harness.engine.handle(harness.now, Input::Tick), Err(Fatal::Stopped));
}

/// Four validators of 31, 31, 30 and 8 of 100 units: only the last one is light enough to be
/// benched.
fn benching() -> Harness {
    let bench = Some(BenchConfig::default());
    let mut harness = Harness::with(EngineConfig { bench, ..config(small(20, 15, 1)) }, 4);
    let grow = |(at, weight)| ValidatorChange::AddWeight { node_id: node(at), weight };
    let changes = [(1, 30), (2, 30), (3, 29), (4, 7)].map(grow);
    harness.input(Input::Validators(changes.to_vec()));
    harness
}

impl Harness {
    /// Everybody of `voters` answers the polls among the outputs for genesis, and much later the
    /// others have not.
    fn round(
        &mut self,
        out: &[Output<()>],
        voters: std::ops::RangeInclusive<u8>,
    ) -> Vec<Output<()>> {
        let mut next = Vec::new();
        for (to, request_id) in queries(out) {
            if let Some(at) = voters.clone().find(|at| node(*at) == to) {
                let vote = chits(request_id, genesis().id(), genesis().id(), &genesis());
                // Polls that begin now have ended before the next round.
                let out = self.message(at, vote);
                next.extend(out.into_iter().filter(|out| !matches!(out, Output::Send { .. })));
            }
        }
        next.extend(self.tick_past_deadlines());
        next
    }

    /// Node 4 never answers until it is benched.
    fn until_benched(&mut self, block: &Parsed) -> Vec<Output<()>> {
        let mut out = self.offer(1, block);
        while !out.contains(&Output::Benched(node(4))) {
            out = self.round(&out, 1..=3);
            assert!(self.now < Timestamp::from_millis(600_000), "it is never benched");
        }
        out
    }

    fn connected(&self) -> f64 {
        self.engine.health(self.now).connected
    }
}

/// A validator that does not answer is benched: it is told so, counts as not connected, and
/// requests to it fail at once although they are sent.
#[test]
fn who_does_not_answer_is_benched() {
    let mut harness = benching();
    let block = child(&genesis(), "a");
    let mut out = harness.until_benched(&block);
    assert!((harness.connected() - 0.92).abs() < 1e-9, "{}", harness.connected());
    // The first query to it from the bench.
    while !queries(&out).iter().any(|(to, _)| *to == node(4)) {
        out = harness.round(&out, 1..=3);
    }
    let dropped = harness.engine.stats().votes_dropped;
    let asked = queries(&out);
    let (_, request_id) = *asked.iter().find(|(to, _)| *to == node(4)).expect("it is asked");
    let others = asked.iter().filter(|(to, id)| *to != node(4) && *id == request_id);
    for (to, _) in others.copied().collect::<Vec<_>>() {
        let at = (1..=3).find(|at| node(*at) == to).expect("a validator");
        out.extend(harness.chits(at, request_id, &block));
    }
    // The poll did not wait for it.
    assert_eq!(decided(&out), [("accept", block.id())]);
    assert_eq!(harness.engine.stats().votes_dropped, dropped);
    // When its time is over it is let off.
    for ticks in 0.. {
        let off = harness.tick().contains(&Output::Unbenched(node(4)));
        assert_eq!(off, harness.connected() > 0.99);
        if off {
            break;
        }
        assert!(ticks < 10_000, "it stays on the bench");
    }
}

/// An answer of a peer on the bench is no fault, and enough of them let it off before its time.
#[test]
fn answers_from_the_bench_are_no_fault() {
    let mut harness = benching();
    let mut out = harness.until_benched(&child(&genesis(), "a"));
    let benched = harness.now;
    while !out.contains(&Output::Unbenched(node(4))) {
        harness.now = harness.now.after(Duration::from_secs(1));
        for (to, request_id) in queries(&std::mem::take(&mut out)) {
            let at = (1..=4).find(|at| node(*at) == to).expect("a validator");
            let vote = chits(request_id, genesis().id(), genesis().id(), &genesis());
            out.extend(harness.message(at, vote));
        }
        assert_eq!(faults(&out), []);
        assert!(harness.now.since(benched) < Duration::from_mins(4), "its time is over");
    }
}

/// Requests that were never sent do not make the engine believe that answers come fast.
#[test]
fn who_is_not_connected_says_nothing_about_latency() {
    let mut harness = committee(4, 3, 1);
    harness.input(Input::Disconnected(node(4)));
    let mut out = harness.offer(1, &child(&genesis(), "a"));
    for _ in 0..50 {
        harness.now = harness.now.after(Duration::from_millis(2_500));
        for request_id in polls(&std::mem::take(&mut out)) {
            for at in 1..=3 {
                let nothing = chits(request_id, genesis().id(), genesis().id(), &genesis());
                out.extend(harness.message(at, nothing));
            }
        }
    }
    // Twice the average of those that answer, which takes 2.5 s, or more.
    assert!(harness.engine.health(harness.now).timeout >= Duration::from_millis(4_900));
}

/// A benched peer that leaves and comes back stays benched.
#[test]
fn the_bench_outlasts_a_connection() {
    let mut harness = benching();
    harness.until_benched(&child(&genesis(), "a"));
    for input in [Input::Disconnected(node(4)), Input::Connected(node(4))] {
        harness.input(input);
        assert!(harness.connected() < 0.93);
    }
}

/// Peers beyond the bound count as not connected.
#[test]
fn connections_are_bounded() {
    let mut config = config(small(2, 2, 1));
    config.limits.connected_max = 3;
    let mut harness = Harness::with(config, 2);
    for at in 3..=9 {
        harness.input(Input::Connected(node(at)));
    }
    for (at, sent) in [(3, 1), (4, 0)] {
        let out = harness.message(at, pull(0, Id::hash(&[at]), 1));
        assert_eq!(gets(&out).len(), sent, "{at}");
    }
    assert!((harness.engine.health(harness.now).connected - 1.0).abs() < 1e-9);
}

/// What is wrong with a configuration is an error of the beginning.
#[test]
fn a_wrong_configuration_is_refused() {
    let set = ValidatorSet::new();
    let setup = Setup {
        own: node(0),
        validators: set,
        beacons: None,
        tip: Tip { id: genesis().id(), height: Height::GENESIS },
        phase: Phase::NormalOperation,
        stored: Vec::new(),
        seed: [7; 32],
    };
    let timeouts = TimeoutConfig { coefficient: 0.5, ..TimeoutConfig::default() };
    let wrong = EngineConfig { timeouts, ..EngineConfig::default() };
    assert!(Engine::<()>::new(wrong, setup, Timestamp::ZERO).is_err());
}
