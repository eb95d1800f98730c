//! Answers of validators that were asked and mean no good.

use std::time::Duration;

use super::harness::*;
use super::hostile::*;
use super::steps::*;
use crate::engine::*;
use crate::{Height, Id, NodeId};

fn name(at: u32) -> Id {
    Id::hash(&at.to_le_bytes())
}

fn validator(to: NodeId) -> u8 {
    (1..=5).find(|at| node(*at) == to).expect("a validator")
}

/// One validator of five answers every query with names of blocks that nobody has, and every
/// request with what it likes; the others disagree, so that polls go on and on.
fn disagree(rounds: u32, mut lie: impl FnMut(u32, &Message<()>) -> Option<Message<()>>) -> Harness {
    let mut harness = fortress();
    let [left, right] = [child(&genesis(), "left"), child(&genesis(), "right")];
    harness.offer(1, &left);
    let mut out = harness.offer(1, &right);
    out.extend(harness.tick());
    for round in 0..rounds {
        harness.calls.clear();
        let mut next = Vec::new();
        for output in &out {
            let Output::Send { to, message } = output else { continue };
            let from = validator(*to);
            let answer = match message {
                _ if from == 5 => lie(round, message),
                Message::PullQuery { request_id, .. } => {
                    let side = if from <= 2 { &left } else { &right };
                    Some(chits(*request_id, side.id(), side.id(), &genesis()))
                }
                _ => None,
            };
            next.extend(answer.into_iter().flat_map(|answer| harness.message(from, answer)));
        }
        if round % 16 == 0 {
            harness.within_bounds();
        }
        if queries(&next).is_empty() {
            harness.now = harness.now.after(Duration::from_millis(100));
            next.extend(harness.input(Input::Tick));
        }
        out = next;
    }
    assert_eq!(harness.engine.num_processing(), 2, "nobody has a majority");
    harness.within_bounds();
    harness
}

/// Chits for unknown blocks, another one each time, with absurd heights.
#[test]
fn chits_for_unknown_blocks() {
    let mut harness = disagree(50_000, |round, message| match message {
        Message::PullQuery { request_id, .. } => {
            let accepted = ParsedBlock { bytes: 0, ..child(&genesis(), "accepted") };
            let mut answer = chits(*request_id, name(2 * round), name(2 * round + 1), &accepted);
            if let Message::Chits { accepted_height, .. } = &mut answer {
                *accepted_height = Height::new(u64::MAX);
            }
            Some(answer)
        }
        _ => None,
    });
    assert!(harness.engine.stats().polls > 5_000);
    harness.serves_the_honest();
}

/// A chain without an end is given block by block, each when it is asked for, while all votes of
/// the liar wait for its tip. Others' votes are counted all the same, and the votes that wait are
/// bounded.
#[test]
fn a_chain_that_is_fed_slowly_holds_no_votes_back() {
    let tip = ParsedBlock { bytes: 1, ..at_height(0) };
    let mut most = 0;
    let mut fed = 0;
    let mut harness = disagree(50_000, |_, message| match message {
        Message::PullQuery { request_id, .. } => {
            Some(chits(*request_id, tip.id(), tip.id(), &genesis()))
        }
        Message::Get { request_id, id } => {
            // The next block, one below.
            fed = (0..=fed + 1).rev().find(|below| at_height(*below).id() == *id)?;
            most = most.max(fed);
            Some(Message::Put { request_id: *request_id, block: Some(at_height(fed)) })
        }
        _ => None,
    });
    assert!(most > 10 && harness.engine.stats().polls > 5_000, "{most}");
    harness.serves_the_honest();
}

/// A block of the endless chain: the number counts downwards.
fn at_height(below: u32) -> Parsed {
    let height = Height::new(u64::from(u32::MAX - below));
    let block = crate::snowman::Block {
        id: name(1_000_000 + below),
        parent: name(1_000_001 + below),
        height,
    };
    ParsedBlock { block, bytes: 1, handle: () }
}

/// Answers to requests for blocks: nothing, another block, one that is no block.
#[test]
fn wrong_answers_to_requests() {
    let mut harness = disagree(20_000, |round, message| match message {
        Message::PullQuery { request_id, .. } => {
            Some(chits(*request_id, name(round % 500), name(round % 300), &genesis()))
        }
        Message::Get { request_id, .. } => {
            let block = (round % 3 > 0).then(|| child(&genesis(), "another"));
            (round % 2 > 0).then_some(Message::Put { request_id: *request_id, block })
        }
        _ => None,
    });
    let stats = harness.engine.stats();
    assert!(stats.faults > 1_000 && stats.failed_requests > 0, "{stats:?}");
    harness.serves_the_honest();
}

/// Votes that wait are bounded: beyond the bound a vote counts at once for what is there.
#[test]
fn votes_that_wait_are_bounded() {
    let mut config =
        config(crate::snowball::ParametersConfig { concurrent_repolls: 2, ..small(3, 2, 2) });
    config.limits.requests_max = 8;
    let mut harness = Harness::with(config, 3);
    let block = child(&genesis(), "a");
    let mut out = harness.offer(1, &block);
    let unknown = child(&genesis(), "unknown");
    let mut most = 0;
    for _ in 0..100 {
        let mut next = Vec::new();
        for (to, request_id) in queries(&out) {
            let at = validator(to);
            let vote = if at == 3 { &unknown } else { &genesis() };
            next.extend(harness.chits(at, request_id, vote));
            most = most.max(harness.jobs());
        }
        if queries(&next).is_empty() {
            harness.now = harness.now.after(Duration::from_millis(100));
            next.extend(harness.input(Input::Tick));
        }
        out = next;
    }
    assert_eq!(most, 8);
    harness.within_bounds();
}
