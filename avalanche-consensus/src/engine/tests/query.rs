//! Queries, both ways, and polls. Names are those of AvalancheGo's tests (`TestEngine...` in
//! `snow/engine/snowman/engine_test.go`) where they pin the same.

use super::harness::*;
use super::steps::*;
use crate::engine::*;
use crate::snowball::ParametersConfig;
use crate::validators::{Validator, ValidatorChange};
use crate::{Height, Id};

/// Pull query: chits first, then a request for the block; the block: a query of our own; chits for
/// an unknown child: a request for it, and with it both become final.
#[test]
fn query() {
    let mut harness = committee(1, 1, 1);
    let [parent, tip] = [chain(&genesis(), "a", 2)[0], chain(&genesis(), "a", 2)[1]];
    let out = harness.message(1, pull(15, parent.id(), 1));
    assert_eq!(answers(&out), [(15, [genesis().id(); 3], 0)]);
    assert!(matches!(out[0], Output::Send { message: Message::Chits { .. }, .. }));
    assert_eq!(gets(&out), [(node(1), 1, parent.id())]);

    let out = harness.put(1, 1, &parent);
    assert_eq!(queries(&out), [(node(1), 2)]);
    assert_eq!(pulled(&out), [(parent.id(), 1)]);

    let out = harness.chits(1, 2, &tip);
    assert_eq!(gets(&out), [(node(1), 3, tip.id())]);
    assert_eq!(decided(&out), []);

    let out = harness.put(1, 3, &tip);
    assert_eq!(pulled(&out), [(tip.id(), 1)]);
    assert_eq!(decided(&out), [("accept", parent.id()), ("accept", tip.id())]);
    assert_eq!((harness.jobs(), harness.fetching()), (0, 0));
}

/// Votes for an unknown block wait for it, from everybody who names it, and count for it and its
/// parent when it comes. Who answers a poll that is over changes nothing.
#[test]
fn multiple_query() {
    let mut harness = committee(3, 2, 1);
    let blocks = chain(&genesis(), "a", 2);
    let out = harness.offer(1, &blocks[0]);
    assert_eq!(queries(&out), [(node(1), 1), (node(2), 1), (node(3), 1)]);
    assert_eq!(gets(&harness.chits(1, 1, &blocks[1])), [(node(1), 2, blocks[1].id())]);
    assert_eq!(harness.chits(2, 1, &blocks[1]), []);
    assert_eq!(harness.jobs(), 2);

    let out = harness.put(1, 2, &blocks[1]);
    assert_eq!(pulled(&out), [(blocks[1].id(), 1); 3]);
    assert_eq!(decided(&out), [("accept", blocks[0].id()), ("accept", blocks[1].id())]);

    assert_eq!(harness.chits(3, 1, &blocks[0]), []);
    let twice = harness.chits(3, 1, &blocks[0]);
    assert_eq!(faults(&twice), [Fault::Unrequested(MessageKind::Chits)]);
    assert_eq!(harness.jobs(), 0);
}

#[test]
fn responds_to_get_request() {
    let mut harness = committee(1, 1, 1);
    let get = |request_id, id| Message::Get { request_id, id };
    let out = harness.message(1, get(123, genesis().id()));
    let put = Message::Put { request_id: 123, block: Some(genesis()) };
    assert_eq!(out, [Output::Send { to: node(1), message: put }]);
    assert_eq!(harness.message(1, get(124, Id::hash(b"unknown"))), []);
}

#[test]
fn push_query() {
    let mut harness = committee(1, 1, 1);
    let block = child(&genesis(), "a");
    let out = harness.message(1, push(20, &block));
    assert_eq!(answers(&out), [(20, [genesis().id(); 3], 0)]);
    assert!(matches!(out[0], Output::Send { message: Message::Chits { .. }, .. }));
    assert_eq!((queries(&out), pulled(&out)), (vec![(node(1), 1)], vec![(block.id(), 1)]));
    let requested_height = Height::new(1);
    let broken = Message::PushQuery { request_id: 21, block: None, requested_height };
    let out = harness.message(1, broken);
    // What it asks is answered, whatever came along.
    assert_eq!(answers(&out), [(21, [block.id(), block.id(), genesis().id()], 0)]);
    assert_eq!(faults(&out), [Fault::Malformed(MessageKind::PushQuery)]);
}

/// A poll that fails is followed by one about the preference.
#[test]
fn repoll() {
    let mut harness = committee(1, 1, 1);
    let block = child(&genesis(), "a");
    harness.offer(1, &block);
    let out = harness.fail(1, 1);
    assert_eq!((queries(&out), pulled(&out)), (vec![(node(1), 2)], vec![(block.id(), 1)]));
    assert_eq!(harness.engine.stats().votes_dropped, 1);
}

/// A poll ends as soon as nothing can come of it.
#[test]
fn vote_canceling() {
    let mut harness = committee(3, 2, 1);
    let block = child(&genesis(), "a");
    harness.to_build.push_back(block);
    let out = harness.input(Input::PendingTransactions);
    assert_eq!(pushed(&out), [block.id(); 3]);
    assert_eq!(harness.fail(1, 1), []);
    assert_eq!(harness.engine.polls_open(), 1);
    let out = harness.fail(2, 1);
    assert_eq!((pushed(&out), pulled(&out)), (vec![], vec![(block.id(), 1); 3]));
    assert_eq!(harness.engine.polls_open(), 1);
}

/// Nobody to ask: no query, and nothing fatal.
#[test]
fn no_query() {
    let mut harness = Harness::with(config(small(1, 1, 1)), 0);
    let out = harness.offer(1, &child(&genesis(), "a"));
    assert_eq!(queries(&out), []);
    assert_eq!((harness.engine.num_processing(), harness.engine.polls_open()), (1, 0));
    assert_eq!(queries(&harness.tick()), []);
    // The query, the repoll after it, and the repoll of the gossip.
    assert_eq!(harness.engine.stats().queries_dropped, 3);
}

/// Gossip opens the polls that could not be opened before.
#[test]
fn repolls_misconfigured_subnet() {
    let mut harness = Harness::with(config(small(1, 1, 1)), 0);
    let block = child(&genesis(), "a");
    harness.offer(1, &block);
    let joined = ValidatorChange::Add(Validator { node_id: node(1), weight: 1 });
    assert_eq!(harness.input(Input::Validators(vec![joined])), []);
    harness.input(Input::Connected(node(1)));
    let out = harness.tick();
    assert_eq!((queries(&out), pulled(&out)), (vec![(node(1), 1)], vec![(block.id(), 1)]));
    assert_eq!(decided(&harness.chits(1, 1, &block)), [("accept", block.id())]);
}

/// While nothing is processing, one connected validator is asked; no poll comes of it.
#[test]
fn gossip() {
    let mut harness = committee(1, 1, 1);
    assert_eq!(harness.engine.poll_timeout(), Some(crate::Timestamp::from_millis(100)));
    let out = harness.tick();
    assert_eq!((queries(&out), pulled(&out)), (vec![(node(1), 1)], vec![(genesis().id(), 1)]));
    assert_eq!((harness.engine.polls_open(), harness.engine.requests_open()), (0, 1));
    let block = child(&genesis(), "a");
    let out = harness.chits(1, 1, &block);
    assert_eq!(gets(&out), [(node(1), 2, block.id())]);
    // Neither an early tick nor nobody to ask makes a query.
    assert_eq!(harness.input(Input::Tick), []);
    harness.input(Input::Disconnected(node(1)));
    assert_eq!(queries(&harness.tick()), []);
    // Without a period there is none.
    let config =
        EngineConfig { gossip_period: std::time::Duration::ZERO, ..EngineConfig::default() };
    assert_eq!(Harness::with(config, 20).engine.poll_timeout(), None);
}

/// As many polls as are to be open are opened at once, for one block.
#[test]
fn aggressive_polling() {
    let parameters = ParametersConfig { concurrent_repolls: 2, ..small(1, 1, 2) };
    let mut harness = Harness::with(config(parameters), 1);
    let out = harness.offer(1, &child(&genesis(), "a"));
    assert_eq!(polls(&out), [1, 2]);
    assert_eq!(harness.engine.polls_open(), 2);
}

/// Blocks that are not preferred are not asked about.
#[test]
fn non_preferred_amplification() {
    let mut harness = committee(1, 1, 1);
    let [preferred, other] = [child(&genesis(), "a"), child(&genesis(), "b")];
    assert_eq!(pulled(&harness.offer(1, &preferred)), [(preferred.id(), 1)]);
    assert_eq!(queries(&harness.offer(1, &other)), []);
    assert_eq!(harness.engine.num_processing(), 2);
    // Nor by repolls.
    let out = harness.fail(1, 1);
    assert_eq!(pulled(&out), [(preferred.id(), 1)]);
}

/// With too little weight connected nobody is asked; with enough, the next gossip does.
#[test]
fn abort_query_when_in_partition() {
    let config = EngineConfig { bench: None, ..EngineConfig::default() };
    let mut harness = Harness::with(config, 20);
    for at in 1..=6 {
        harness.input(Input::Disconnected(node(at)));
    }
    let out = harness.offer(20, &child(&genesis(), "a"));
    assert_eq!(queries(&out), []);
    assert_eq!((harness.engine.num_processing(), harness.engine.stats().polls), (1, 0));
    assert_eq!(queries(&harness.tick()), []);
    harness.input(Input::Connected(node(6)));
    harness.tick();
    assert_eq!((harness.engine.polls_open(), harness.engine.stats().polls), (4, 4));
}

/// Beyond the bounds on polls and requests no poll is opened.
#[test]
fn polls_and_requests_are_bounded() {
    for (polls_max, requests_max, opened) in [(2, 100, 2), (100, 4, 1), (100, 5, 1), (100, 6, 2)] {
        let mut config = config(ParametersConfig { concurrent_repolls: 4, ..small(3, 2, 4) });
        (config.limits.polls_max, config.limits.requests_max) = (polls_max, requests_max);
        let mut harness = Harness::with(config, 3);
        let out = harness.offer(1, &child(&genesis(), "a"));
        assert_eq!(polls(&out).len(), opened, "{polls_max} {requests_max}");
        assert_eq!(harness.engine.polls_open(), opened);
        assert_eq!(harness.engine.requests_open(), 3 * opened);
        assert_eq!(harness.engine.stats().queries_dropped, 4 - opened as u64);
    }
}
