//! What hostile peers can do to a node that catches up: bounded work, bounded memory, and faults.

use super::catchup_harness::*;
use super::harness::{Parsed, child, node};
use crate::engine::*;
use crate::snowman::Block;
use crate::validators::Validator;
use crate::{Height, Id, NodeId};

fn ids(count: usize) -> Vec<Id> {
    (0..count).map(|at| Id::hash(&at.to_le_bytes())).collect()
}

/// One answer of each kind that nodes give while one catches up.
fn answers(request_id: u32, blocks: &[Parsed]) -> Vec<Message<()>> {
    vec![
        Message::AcceptedFrontier { request_id, id: blocks[0].id() },
        Message::Accepted { request_id, ids: ids(10_000) },
        Message::Ancestors { request_id, blocks: Some(blocks.to_vec()) },
        Message::Ancestors { request_id, blocks: None },
        Message::StateSummaryFrontier { request_id, summary: Some(summary(5, "x")) },
        Message::StateSummaryFrontier { request_id, summary: None },
        Message::AcceptedStateSummary { request_id, ids: ids(10_000) },
    ]
}

/// In every phase an answer that nobody asked for is a fault and nothing else.
#[test]
fn unrequested_answers_change_nothing() {
    let blocks = chain(50);
    let mut looked = 0;
    for plan in [Plan::bootstrap(&[1, 1, 1]), Plan::sync(&[1, 1, 1])] {
        let (mut follower, out) = plan.connected();
        let [first, ..] = [MessageKind::GetAcceptedFrontier, MessageKind::GetStateSummaryFrontier]
            .map(|kind| requests(&out, kind));
        let open = follower.engine.requests_open();
        assert_eq!(open, 3);
        for round in 0..100 {
            for message in answers(1_000 + round, &blocks) {
                let kind = message.kind();
                let out = follower.message(node(1), message);
                assert_eq!(faults(&out), [(node(1), Fault::Unrequested(kind))]);
                assert_eq!(out.len(), 1);
                looked += 1;
            }
        }
        // Under a number that is in use, from somebody who was asked something else.
        for (to, request_id) in first {
            for message in answers(request_id, &blocks) {
                if message.kind() != MessageKind::AcceptedFrontier {
                    let kind = message.kind();
                    let out = follower.message(to, message);
                    assert_eq!(faults(&out), [(to, Fault::Unrequested(kind))]);
                    looked += 1;
                }
            }
        }
        assert_eq!(follower.engine.requests_open(), open);
        assert_eq!(follower.engine.downloads(), (0, 0));
        assert!(follower.stored.is_empty());
    }
    assert_eq!(looked, 2 * 700 + 3 * 6);
}

/// `Accepted` that names more than it was asked about counts for nothing; one that names what
/// nobody asked about has no vote for that.
#[test]
fn a_long_or_foreign_list_of_accepted_blocks_is_no_vote() {
    let invented = Id::hash(b"invented");
    let known = super::harness::genesis().id();
    let table = [
        (ids(100_000), true),
        (vec![known; 2], true),
        (vec![invented; 2], true),
        (vec![invented], false),
    ];
    for (say, fault) in table {
        let (mut follower, out) = Plan::bootstrap(&[1, 1, 1]).connected();
        let tip = follower.tip().id;
        let mut asked = Vec::new();
        for (to, request_id) in requests(&out, MessageKind::GetAcceptedFrontier) {
            let out = follower.message(to, Message::AcceptedFrontier { request_id, id: tip });
            asked.extend(requests(&out, MessageKind::GetAccepted));
        }
        assert_eq!(asked.len(), 3);
        let mut out = Vec::new();
        for (to, request_id) in asked {
            out.extend(follower.message(to, Message::Accepted { request_id, ids: say.clone() }));
        }
        let (kind, found) = (MessageKind::Accepted, say.len());
        let expected = Fault::TooLong { kind, found, max: 1 };
        assert_eq!(faults(&out).len(), if fault { 3 } else { 0 });
        assert!(faults(&out).iter().all(|(_, fault)| *fault == expected));
        assert_eq!(fetches(&out), []);
        assert_eq!(follower.engine.downloads(), (0, 0));
        assert_eq!(follower.engine.phase(), Phase::Bootstrapping, "nothing was found");
    }
}

/// The frontier of a minority of liars is looked for nowhere.
#[test]
fn a_minority_cannot_have_invented_blocks_fetched() {
    let (mut follower, out) = Plan::bootstrap(&[1, 1, 1]).connected();
    let invented = Id::hash(b"invented");
    let tip = follower.tip().id;
    let mut asked = Vec::new();
    for (to, request_id) in requests(&out, MessageKind::GetAcceptedFrontier) {
        let id = if to == node(2) { invented } else { tip };
        let out = follower.message(to, Message::AcceptedFrontier { request_id, id });
        asked.extend(requests(&out, MessageKind::GetAccepted));
    }
    let mut out = Vec::new();
    for (to, request_id) in asked {
        let ids = if to == node(2) { vec![invented, tip] } else { vec![tip] };
        out.extend(follower.message(to, Message::Accepted { request_id, ids }));
    }
    assert_eq!((fetches(&out), faults(&out)), (vec![], vec![]));
    assert!(!follower.calls.contains(&Call::GetBlock(invented)));
    assert_eq!(follower.engine.phase(), Phase::NormalOperation);
}

/// However often a peer delivers nothing, each time there is one request, and nothing piles up.
#[test]
fn endless_useless_deliveries_keep_one_request_open() {
    let blocks = chain(3);
    let (mut follower, out) = Plan::bootstrap(&[1]).connected();
    let mut out = follower.discover(out, &[blocks[3].id()]);
    for round in 0..2_000 {
        let (to, request_id, _) = fetch(&out);
        let blocks = match round % 3 {
            0 => None,
            1 => Some(Vec::new()),
            _ => Some(vec![child(&blocks[2], "rival")]),
        };
        out = follower.message(to, Message::Ancestors { request_id, blocks });
        assert_eq!(follower.engine.requests_open(), 1);
        assert_eq!(follower.engine.downloads(), (1, 0));
        assert_eq!(faults(&out).len(), usize::from(round % 3 != 1));
    }
    assert_eq!(follower.engine.stats().faults, 1_333);
}

/// No more blocks of a delivery are looked at than the bound says.
#[test]
fn a_long_delivery_is_cut_off() {
    let blocks = chain(30);
    let mut plan = Plan::bootstrap(&[1]);
    plan.config.limits.ancestors_max = 10;
    let (mut follower, out) = plan.connected();
    let out = follower.discover(out, &[blocks[30].id()]);
    let (to, request_id, _) = fetch(&out);
    let mut delivery: Vec<_> = blocks[1..].iter().rev().copied().collect();
    // The eleventh would fit: the bound is on what came, not on what is of use.
    delivery.insert(5, child(&blocks[2], "stray"));
    let out = follower.message(to, ancestors(request_id, &delivery));
    assert_eq!(follower.engine.downloads(), (1, 9));
    assert_eq!(fetch(&out).2, blocks[21].id());
}

/// A chain whose heights do not fit is not stored, wherever the first wrong one is.
#[test]
fn wrong_heights_are_faults() {
    let at_height = |block: &Parsed, height: u64| {
        let block = Block { height: Height::new(height), ..block.block };
        ParsedBlock { block, bytes: 10, handle: () }
    };
    let blocks = chain(6);
    for wrong in [0, 2, 4, 9] {
        let (mut follower, out) = Plan::bootstrap(&[1, 1]).connected();
        let out = follower.discover(out, &[blocks[6].id()]);
        let (to, request_id, _) = fetch(&out);
        // Deep in a delivery.
        let delivery = [blocks[6], blocks[5], at_height(&blocks[4], wrong), blocks[3]];
        let out = follower.message(to, ancestors(request_id, &delivery));
        let expected = if wrong == 4 { vec![] } else { vec![Fault::WrongHeight(blocks[4].id())] };
        let found: Vec<_> = faults(&out).into_iter().map(|(_, fault)| fault).collect();
        assert_eq!(found, expected);
        if wrong == 4 {
            assert_eq!(fetch(&out).2, blocks[2].id());
            continue;
        }
        assert_eq!(follower.stored.len(), 2);
        // First in one, where its child is known.
        let (to, request_id, id) = fetch(&out);
        assert_eq!(id, blocks[4].id());
        let out = follower.message(to, ancestors(request_id, &[at_height(&blocks[4], wrong)]));
        assert_eq!(faults(&out), [(to, Fault::WrongHeight(id))]);
        assert_eq!(follower.stored.len(), 2);
        let (to, request_id, id) = fetch(&out);
        assert_eq!(id, blocks[4].id());
        let delivery: Vec<_> = blocks[1..=4].iter().rev().copied().collect();
        follower.message(to, ancestors(request_id, &delivery));
        assert_eq!(follower.accepted, blocks);
    }
}

/// Blocks that name each other as parents, which no hash allows but a shell could hand in, end.
#[test]
fn a_circle_of_blocks_ends() {
    let [a, b] = [b"a", b"b"].map(|name| Id::hash(name));
    let block = |id, parent, height| {
        let block = Block { id, parent, height: Height::new(height) };
        ParsedBlock { block, bytes: 1, handle: () }
    };
    let (mut follower, out) = Plan::bootstrap(&[1]).connected();
    let out = follower.discover(out, &[a]);
    let (to, request_id, _) = fetch(&out);
    let circle = [block(a, b, 9), block(b, a, 8), block(a, b, 7)];
    let out = follower.message(to, ancestors(request_id, &circle));
    assert_eq!(faults(&out), [(to, Fault::WrongHeight(b))]);
    assert_eq!(follower.engine.downloads(), (1, 1));
    let (to, request_id, id) = fetch(&out);
    assert_eq!(id, b);
    let out = follower.message(to, ancestors(request_id, &[block(b, a, 8)]));
    assert_eq!(faults(&out), []);
    let (to, request_id, id) = fetch(&out);
    assert_eq!(id, a);
    let out = follower.message(to, ancestors(request_id, &[block(a, b, 9)]));
    assert_eq!(faults(&out), [(to, Fault::WrongHeight(a))]);
    assert_eq!(follower.engine.downloads(), (1, 2));
}

/// Every seeder of state sync adds one summary at most, and voters name no more than they were
/// asked about.
#[test]
fn summaries_are_as_many_as_seeders() {
    let mut plan = Plan::sync(&[1; 60]);
    plan.config.limits.ids_max = 15;
    let (mut follower, out) = plan.connected();
    let mut open = requests(&out, MessageKind::GetStateSummaryFrontier);
    assert_eq!(open.len(), 20);
    let mut last = Vec::new();
    for (at, (to, request_id)) in (0..).zip(open.drain(..)) {
        let summary = Some(summary(at, "made up"));
        last = follower.message(to, Message::StateSummaryFrontier { request_id, summary });
    }
    let heights = last.iter().find_map(|output| match output {
        Output::Send { message: Message::GetAcceptedStateSummary { heights, .. }, .. } => {
            Some(heights.len())
        }
        _ => None,
    });
    assert_eq!(heights, Some(15), "as many as a list can have");
    let asked = requests(&last, MessageKind::GetAcceptedStateSummary);
    let (to, request_id) = asked[0];
    let ids = ids(16);
    let out = follower.message(to, Message::AcceptedStateSummary { request_id, ids });
    let kind = MessageKind::AcceptedStateSummary;
    assert_eq!(faults(&out), [(to, Fault::TooLong { kind, found: 16, max: 15 })]);
    assert_eq!(follower.engine.requests_open(), 50);
}

/// With room for one request, everything is asked for all the same, one after the other.
#[test]
fn little_room_for_requests_is_enough() {
    let blocks = chain(4);
    let rival = child(&blocks[1], "rival");
    let mut plan = Plan::bootstrap(&[1, 1, 1]);
    plan.config.limits.requests_max = 1;
    plan.config.checkpoints = vec![blocks[2].id()];
    let (mut follower, out) = plan.connected();
    assert_eq!(out.len(), 1);
    let out = follower.discover(out, &[blocks[4].id()]);
    let (to, request_id, id) = fetch(&out);
    assert_eq!(follower.engine.requests_open(), 1);
    let out = follower.message(to, ancestors(request_id, &[rival]));
    assert_eq!(faults(&out), [(to, Fault::WrongBlock { asked: id, got: rival.id() })]);
    let mut out: Out =
        out.into_iter().filter(|output| !matches!(output, Output::Fault { .. })).collect();
    let mut asked = 1;
    while follower.accepted != blocks {
        let (to, request_id, id) = fetch(&out);
        asked += 1;
        let at = blocks.iter().position(|block| block.id() == id).expect("of the chain");
        out = follower.message(to, ancestors(request_id, &blocks[at..=at]));
        assert!(follower.engine.requests_open() <= 1 && asked < 20);
    }
    assert!(asked >= 5, "{asked}");
}

/// Beacons stand in for the validators: for the weight that is needed, and as those who are asked.
#[test]
fn beacons_are_trusted_instead_of_validators() {
    let beacons = vec![Validator { node_id: node(8), weight: 5 }];
    let (mut follower, _) = Plan { beacons: Some(beacons), ..Plan::bootstrap(&[1, 1]) }.start();
    for at in [1, 2] {
        assert_eq!(follower.input(Input::Connected(node(at))), []);
    }
    let out = follower.input(Input::Connected(node(8)));
    assert_eq!(requests(&out, MessageKind::GetAcceptedFrontier), [(node(8), 1)]);
    let blocks = chain(1);
    let out = follower.discover(out, &[blocks[1].id()]);
    // Blocks come from anybody.
    let mut seen = std::collections::BTreeSet::<NodeId>::new();
    let (mut to, mut request_id, _) = fetch(&out);
    for _ in 0..3 {
        seen.insert(to);
        let out = follower.message(to, ancestors(request_id, &[]));
        (to, request_id, _) = fetch(&out);
    }
    assert_eq!(seen.len(), 3);
}
