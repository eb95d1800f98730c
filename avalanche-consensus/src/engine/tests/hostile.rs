//! Floods of messages from peers that mean no good, one test for each kind that normal operation
//! handles: what the engine holds and says stays within its bounds, and who is honest is served.
//! Answers of catching up are in `catchup_hostile.rs`.

use std::time::Duration;

use super::harness::*;
use super::steps::*;
use crate::engine::*;
use crate::{Height, Id, NodeId};

/// Messages of a flood.
const FLOOD: u32 = 100_000;

/// A peer that is no validator, connected.
pub(super) const STRANGER: u8 = 200;

/// Five validators, small bounds, and a connected stranger.
pub(super) fn fortress() -> Harness {
    let mut config = config(small(5, 4, 2));
    config.limits = Limits {
        processing_max: 32,
        pending_max: 64,
        pending_bytes_max: 1 << 20,
        pending_per_node_max: 16,
        unverified_bytes_max: 10_000,
        unverified_max: 32,
        polls_max: 8,
        requests_max: 160,
        calls_max: 64,
        calls_per_node_max: 8,
        builds_max: 4,
        ids_max: 16,
        connected_max: 32,
        ..Limits::default()
    };
    let mut harness = Harness::with(config, 5);
    harness.input(Input::Connected(node(STRANGER)));
    harness
}

impl Harness {
    /// What is held is within the bounds.
    #[track_caller]
    pub(super) fn within_bounds(&self) {
        let held = self.engine.holdings();
        assert_eq!(held.beyond(&self.engine.cx.config.limits), None, "{held:?}");
    }

    /// Validators get their answers, and their block becomes final.
    #[track_caller]
    pub(super) fn serves_the_honest(&mut self) {
        self.prompt = true;
        while !self.open.is_empty() {
            self.answer_next();
        }
        let get = Message::Get { request_id: 7, id: genesis().id() };
        let put = Message::Put { request_id: 7, block: Some(genesis()) };
        assert_eq!(self.message(1, get), [Output::Send { to: node(1), message: put }]);
        // What the network agrees on: whatever is preferred, then a block on that.
        let preferred = self.known[&self.engine.preference()];
        let block = child(&preferred, "honest");
        let mut out = self.message(1, push(8, &block));
        assert_eq!(answers(&out).len(), 1);
        for _ in 0..40 {
            let accepted = self.engine.last_accepted().id;
            if accepted == block.id() {
                return;
            }
            if accepted == preferred.id() && !self.engine.processing(&block.id()) {
                out.extend(self.message(1, push(9, &block)));
            }
            let known = self.engine.processing(&block.id());
            let vote = if known { &block } else { &preferred };
            let asked = queries(&std::mem::take(&mut out));
            for (to, request_id) in &asked {
                let Some(at) = (1..=5).find(|at| node(*at) == *to) else { continue };
                let message = chits(*request_id, vote.id(), vote.id(), &genesis());
                out.extend(self.message(at, message));
            }
            if asked.is_empty() {
                // Polls from before, which nobody answers any more.
                out.extend(self.tick_past_deadlines());
            }
        }
        panic!("the block is not final: {}", self.engine.explain(&block.id()).cause);
    }
}

/// Sends many messages from one peer or from many, first to a VM that answers at once, then to one
/// that does not answer at all. Returns what the last message but one led to.
fn flood(mut message: impl FnMut(u32) -> (NodeId, Message<()>)) -> Vec<Output<()>> {
    let mut last = Vec::new();
    for prompt in [true, false] {
        let mut harness = fortress();
        harness.prompt = prompt;
        for at in 0..FLOOD / 2 {
            let (from, message) = message(at);
            last = harness.input(Input::Message { from, message });
            assert!(last.len() <= 24, "{} outputs at once", last.len());
            harness.calls.clear();
            if at % 256 == 0 {
                harness.within_bounds();
                harness.now = harness.now.after(Duration::from_millis(10));
                let ticked = harness.input(Input::Tick);
                assert!(ticked.len() <= 512, "{} outputs of a tick", ticked.len());
            }
        }
        harness.within_bounds();
        harness.serves_the_honest();
    }
    last
}

fn name(at: u32) -> Id {
    Id::hash(&at.to_le_bytes())
}

/// A node that nobody has heard of before.
fn invented(at: u32) -> NodeId {
    let mut bytes = [9; 20];
    bytes[..4].copy_from_slice(&at.to_le_bytes());
    NodeId::new(bytes)
}

fn block(id: Id, parent: Id, height: u64) -> Parsed {
    let block = crate::snowman::Block { id, parent, height: Height::new(height) };
    ParsedBlock { block, bytes: 10, handle: () }
}

#[test]
fn get() {
    let out = flood(|at| {
        let id = if at % 2 == 0 { genesis().id() } else { name(at) };
        (node(STRANGER), Message::Get { request_id: at, id })
    });
    // It has as many calls open as it may have.
    assert_eq!(faults(&out), [Fault::Flooding(MessageKind::Get)]);
}

#[test]
fn get_ancestors() {
    flood(|at| (invented(at), Message::GetAncestors { request_id: at, id: genesis().id() }));
}

#[test]
fn get_accepted() {
    let out = flood(|at| {
        let ids = vec![name(at); at as usize % 40];
        (node(STRANGER), Message::GetAccepted { request_id: at, ids })
    });
    let too_long = Fault::TooLong { kind: MessageKind::GetAccepted, found: 39, max: 16 };
    assert_eq!(faults(&out), [too_long]);
}

#[test]
fn get_accepted_frontier() {
    let out = flood(|at| (invented(at), Message::GetAcceptedFrontier { request_id: at }));
    assert_eq!((out.len(), faults(&out)), (1, vec![]));
}

#[test]
fn get_state_summary_frontier() {
    flood(|at| (node(STRANGER), Message::GetStateSummaryFrontier { request_id: at }));
}

#[test]
fn get_accepted_state_summary() {
    flood(|at| {
        let heights = (0..u64::from(at % 40)).map(|from| Height::new(u64::MAX - from)).collect();
        (node(1), Message::GetAcceptedStateSummary { request_id: at, heights })
    });
}

/// Names of blocks that nobody has.
#[test]
fn pull_query() {
    for from in [STRANGER, 5] {
        let out = flood(|at| (node(from), pull(at, name(at), 1)));
        assert_eq!((answers(&out).len(), gets(&out).len()), (1, 0));
        assert_eq!(faults(&out), [Fault::Flooding(MessageKind::PullQuery)]);
    }
}

/// Heights from below the first block to the highest there can be.
#[test]
fn pull_query_at_any_height() {
    let heights = [0, 1, 2, 1 << 40, u64::MAX - 1, u64::MAX];
    flood(|at| (node(STRANGER), pull(at, genesis().id(), heights[at as usize % heights.len()])));
}

/// From nodes that are not connected, each another one: nothing is asked of them.
#[test]
fn pull_query_from_invented_nodes() {
    let out = flood(|at| (invented(at), pull(at, name(at), 1)));
    assert_eq!((answers(&out).len(), gets(&out).len()), (1, 0));
}

/// A chain that is given from its tip down, so that no block of it can be issued.
#[test]
fn push_query_of_a_deep_chain() {
    let depth = u64::from(FLOOD);
    flood(|at| {
        let height = depth - u64::from(at);
        (node(5), push(at, &block(name(at), name(at + 1), height)))
    });
}

/// Blocks without a known parent, heavier than there is room for.
#[test]
fn push_query_of_heavy_blocks() {
    let out = flood(|at| {
        let heavy = ParsedBlock { bytes: u32::MAX, ..block(name(at), name(at + 1), 9) };
        (node(STRANGER), push(at, &heavy))
    });
    assert_eq!(faults(&out), [Fault::Flooding(MessageKind::Put)]);
}

/// The same block from everybody, and blocks that cannot be parsed.
#[test]
fn push_query_of_equal_blocks() {
    flood(|at| {
        let orphan = (at % 3 > 0).then(|| block(name(0), name(1), 9));
        let from = if at % 2 == 0 { invented(at) } else { node(STRANGER) };
        let requested_height = Height::new(1);
        (from, Message::PushQuery { request_id: at, block: orphan, requested_height })
    });
}

/// Parents in a circle, which only names that are no hashes can make, and blocks that are their own
/// parents.
#[test]
fn push_query_of_circles() {
    flood(|at| {
        let parent = match at % 4 {
            0 => name(at),
            3 => name(at - 2),
            _ => name(at + 1),
        };
        (node(STRANGER), push(at, &block(name(at), parent, u64::from(at) + 5)))
    });
}

/// Children of the last accepted block and of each other, at heights where there can be none.
#[test]
fn push_query_of_impossible_heights() {
    let out = flood(|at| {
        let height = u64::MAX - u64::from(at % 5);
        (node(STRANGER), push(at, &block(name(at), genesis().id(), height)))
    });
    assert!(matches!(faults(&out)[..], [Fault::WrongHeight(_) | Fault::Flooding(_)]));
}

/// Valid siblings without end: no more are verified than may be processing, and one of them wins.
#[test]
fn push_query_of_valid_siblings() {
    flood(|at| (node(5), push(at, &block(name(at), genesis().id(), 1))));
}

/// A block that is asked for comes with a query instead, over and over: the requests count until
/// they end, so there is room for those of polls.
#[test]
fn pull_query_and_push_query_in_turn() {
    flood(|at| {
        let (id, request_id) = (name(at / 2), at);
        let message = if at % 2 == 0 {
            pull(request_id, id, 1)
        } else {
            push(request_id, &block(id, genesis().id(), 9))
        };
        (node(STRANGER), message)
    });
}

/// Answers that nobody asked for, of every kind.
#[test]
fn unrequested_answers() {
    let out = flood(|at| {
        let (request_id, ids) = (at % 64, vec![name(at); at as usize % 30]);
        let from = if at % 2 == 0 { invented(at) } else { node(1) };
        let message = match at % 7 {
            0 => Message::Put { request_id, block: Some(child(&genesis(), "unasked")) },
            1 => Message::Put { request_id, block: None },
            2 => Message::Ancestors { request_id, blocks: Some(vec![genesis(); ids.len()]) },
            3 => Message::AcceptedFrontier { request_id, id: name(at) },
            4 => Message::Accepted { request_id, ids },
            5 => Message::StateSummaryFrontier { request_id, summary: None },
            _ => Message::AcceptedStateSummary { request_id, ids },
        };
        (from, message)
    });
    assert_eq!((out.len(), faults(&out).len()), (1, 1));
    let out = flood(|at| {
        let accepted = block(name(at), name(at), u64::MAX);
        (invented(at), chits(at, name(at), name(at + 1), &accepted))
    });
    assert_eq!(faults(&out), [Fault::Unrequested(MessageKind::Chits)]);
}

#[test]
fn a_list_of_ids_is_taken_up_to_its_bound_and_not_one_longer() {
    let mut harness = fortress();
    for (found, calls) in [(16, 1), (17, 0)] {
        harness.calls.clear();
        let ids = vec![name(1); found];
        let out = harness.message(1, Message::GetAccepted { request_id: 1, ids });
        assert_eq!(harness.calls.len(), calls, "{found} ids");
        let too_long = Fault::TooLong { kind: MessageKind::GetAccepted, found, max: 16 };
        assert_eq!(faults(&out).contains(&too_long), calls == 0);
    }
}

#[test]
fn the_calls_of_one_peer_leave_room_for_others() {
    let mut harness = fortress();
    harness.prompt = false;
    for at in 0..20 {
        let get = Message::Get { request_id: at, id: name(at) };
        let out = harness.message(STRANGER, get);
        let flooding = faults(&out) == [Fault::Flooding(MessageKind::Get)];
        assert_eq!(flooding, at >= 8, "call {at}");
    }
    assert_eq!(harness.open.len(), 8);
    let out = harness.message(1, Message::Get { request_id: 1, id: name(1) });
    assert_eq!((faults(&out), harness.open.len()), (vec![], 9));
}

#[test]
fn a_vote_that_was_given_up_on_makes_room_for_another_to_wait() {
    let mut config = config(small(1, 1, 200));
    config.limits = Limits { requests_max: 4, ..Limits::default() };
    let mut harness = Harness::with(config, 1);
    let block = child(&genesis(), "a");
    let mut asked = queries(&harness.offer(1, &block));
    for at in 0..12 {
        let (_, request_id) = asked[0];
        let unknown = child(&block, &format!("unknown {at}"));
        let out = harness.chits(1, request_id, &unknown);
        assert_eq!(queries(&out), [], "vote {at} did not wait");
        let [(_, get, _)] = gets(&out)[..] else { panic!("{out:?}") };
        asked = queries(&harness.fail(1, get));
        assert_eq!(asked.len(), 1, "after vote {at}");
    }
}
