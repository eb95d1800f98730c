//! Each request has one outcome.

use super::*;
use avalanche_consensus::network::{BenchConfig, UnbenchCause};
use avalanche_consensus::snowball::Parameters;
use avalanche_consensus::validators::Validator;
use proptest::prelude::*;
use std::cell::Cell;

fn node(byte: u8) -> NodeId {
    NodeId::new([byte; 20])
}

fn chain(byte: u8) -> Id {
    Id::new([byte; 32])
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn requests(config: RequestsConfig) -> Requests {
    Requests::new(config, node(0), at(0)).unwrap()
}

/// Ten validators, of which the first has a hundredth of the weight.
fn validators() -> ValidatorSet {
    let weight = |byte| if byte == 1 { 1 } else { 11 };
    let all = (1..=10).map(|byte| Validator { node_id: node(byte), weight: weight(byte) });
    ValidatorSet::try_from(all.collect::<Vec<_>>()).unwrap()
}

fn ask(node: NodeId, op: Op, request_id: impl Into<Option<u32>>) -> Request {
    Request { node, chain: chain(1), op, request_id: request_id.into() }
}

fn matched(request: Op, millis: u64) -> Answer {
    Answer::Matched { request, latency: Duration::from_millis(millis) }
}

#[test]
fn each_kind_of_answer_is_told_apart_and_counted() {
    let mut requests = requests(RequestsConfig::default());
    let set = ValidatorSet::new();
    requests.register(ask(node(1), Op::PullQuery, 7), at(0)).unwrap();
    requests.register(ask(node(2), Op::PullQuery, 7), at(0)).unwrap();
    requests.register(ask(node(1), Op::AppRequest, 7), at(0)).unwrap();
    requests.register(ask(node(1), Op::AppRequest, 8), at(0)).unwrap();
    let duplicate = requests.register(ask(node(1), Op::PushQuery, 7), at(0));
    assert_eq!(duplicate, Err(Refused::IdInUse { request_id: 7 }));
    let steps = [
        (1, 1, 9, Op::Chits, Answer::Unsolicited),
        (3, 1, 7, Op::Chits, Answer::Unsolicited),
        (1, 2, 7, Op::Chits, Answer::Unsolicited),
        (1, 1, 7, Op::Put, Answer::WrongOp { expected: Op::Chits }),
        (1, 1, 7, Op::Chits, matched(Op::PullQuery, 30)),
        (1, 1, 7, Op::Chits, Answer::Duplicate),
        (1, 1, 7, Op::Put, Answer::WrongOp { expected: Op::AppResponse }),
        (1, 1, 7, Op::AppError, matched(Op::AppRequest, 30)),
        (1, 1, 7, Op::AppResponse, Answer::Duplicate),
        (1, 1, 8, Op::AppResponse, matched(Op::AppRequest, 30)),
        (1, 1, 7, Op::Put, Answer::Unsolicited),
        (1, 1, 7, Op::Ping, Answer::Unsolicited),
    ];
    for (from, of, id, op, answer) in steps {
        let got = requests.answer(node(from), chain(of), id, op, &set, at(30));
        assert_eq!(got, answer, "{op} {id} of {from}");
    }
    assert!(requests.expire(|_| None, at(4_999)).is_empty());
    let failed = Failed {
        node: node(2),
        chain: chain(1),
        request_id: 7,
        op: Op::PullQuery,
        cause: FailureCause::TimedOut,
    };
    assert_eq!(requests.next_deadline(), Some(at(5_000)));
    assert_eq!(requests.expire(|_| None, at(5_000)), [failed]);
    let late = requests.answer(node(2), chain(1), 7, Op::Chits, &set, at(5_001));
    assert_eq!(late, Answer::Late);
    let expected = RequestStats {
        registered: 4,
        refused: 1,
        matched: 3,
        timed_out: 1,
        late: 1,
        duplicate: 2,
        unsolicited: 5,
        wrong_op: 2,
        ..Default::default()
    };
    assert_eq!(requests.stats(), expected);
    assert!(requests.is_empty() && requests.outstanding(&node(1)) == 0);
    assert_eq!(requests.next_deadline(), None);
}

/// A disconnect ends every request of the peer at once, so that nothing waits for a peer that is
/// gone.
#[test]
fn a_disconnect_fails_all_of_the_peer_and_none_of_the_others() {
    let mut requests = requests(RequestsConfig::default());
    for peer in 1..=3 {
        for id in 0..5 {
            requests.register(ask(node(peer), Op::GetAncestors, id), at(0)).unwrap();
        }
    }
    let before = requests.timeout();
    let failed = requests.disconnected(&node(2));
    let ids: Vec<_> = failed.iter().map(|failed| failed.request_id).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4]);
    assert!(
        failed
            .iter()
            .all(|failed| { (failed.node, failed.cause) == (node(2), FailureCause::Disconnected) })
    );
    assert_eq!((requests.len(), requests.outstanding(&node(2))), (10, 0));
    assert_eq!(requests.timeout(), before, "a disconnect is no latency");
    assert!(requests.disconnected(&node(2)).is_empty());
    assert_eq!(requests.expire(|_| None, at(10_000)).len(), 10);
    assert_eq!(requests.stats().disconnected, 5);
}

#[test]
fn a_request_that_was_not_sent_fails_once() {
    let mut requests = requests(RequestsConfig::default());
    let open = requests.register(ask(node(1), Op::Get, None), at(0)).unwrap();
    let end =
        |requests: &mut Requests, op| requests.not_sent(node(1), chain(1), open.request_id, op);
    assert_eq!(end(&mut requests, Op::Chits), None);
    assert_eq!(end(&mut requests, Op::GetAncestors), None);
    let failed = end(&mut requests, Op::Get).unwrap();
    assert_eq!((failed.op, failed.cause), (Op::Get, FailureCause::NotSent));
    assert_eq!(end(&mut requests, Op::Get), None);
    assert!(requests.expire(|_| None, at(100_000)).is_empty());
}

#[test]
fn numbers_wrap_past_those_that_are_open_or_remembered() {
    let mut requests = requests(RequestsConfig::default());
    requests.next_id = u32::MAX - 1;
    requests.register(ask(node(1), Op::Get, u32::MAX), at(0)).unwrap();
    requests.register(ask(node(1), Op::Get, 1), at(0)).unwrap();
    let _ = requests.answer(node(1), chain(1), 1, Op::Put, &ValidatorSet::new(), at(0));
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(requests.register(ask(node(1), Op::Get, None), at(0)).unwrap().request_id);
    }
    assert_eq!(ids, [u32::MAX - 1, 2, 3]);
}

#[test]
fn every_bound_refuses_and_changes_nothing() {
    let config = RequestsConfig {
        outstanding_max: 5,
        node_outstanding_max: 3,
        remembered_max: 2,
        ..Default::default()
    };
    let mut requests = requests(config);
    let mut register = |peer, op| requests.register(ask(node(peer), op, None), at(0)).err();
    let refusals = [
        register(1, Op::Chits),
        register(1, Op::Get),
        register(1, Op::Get),
        register(1, Op::GetAccepted),
        register(1, Op::Get),
        register(2, Op::Get),
        register(2, Op::Get),
        register(3, Op::Get),
    ];
    let (node_full, full) = (Refused::TooManyOfNode { max: 3 }, Refused::TooMany { max: 5 });
    let none = Refused::NoRequest { op: Op::Chits };
    let expected = [Some(none), None, None, None, Some(node_full), None, None, Some(full)];
    assert_eq!(refusals, expected);
    assert_eq!((requests.len(), requests.stats().refused), (5, 3));
    assert_eq!(requests.expire(|_| None, at(5_000)).len(), 5);
    assert_eq!(requests.memory.len(), 2);
    // Only the last two are remembered.
    let set = ValidatorSet::new();
    let answers = [1, 2, 3].map(|id| requests.answer(node(1), chain(1), id, Op::Put, &set, at(0)));
    assert_eq!(answers, [Answer::Unsolicited; 3]);
    let answers = [4, 5].map(|id| requests.answer(node(2), chain(1), id, Op::Put, &set, at(0)));
    assert_eq!(answers, [Answer::Late; 2]);
}

#[test]
fn a_silent_validator_is_benched_fails_at_once_and_comes_back() {
    let mut requests = requests(RequestsConfig::default());
    let parameters = Parameters::default();
    assert!(
        requests.add_chain(chain(1), Benchlist::new(BenchConfig::default(), &parameters).unwrap())
    );
    let set = validators();
    let mut now = at(0);
    for _ in 0..100 {
        if requests.is_benched(&chain(1), &node(1)) {
            break;
        }
        requests.register(ask(node(1), Op::PullQuery, None), now).unwrap();
        now = requests.next_deadline().unwrap();
        assert_eq!(requests.expire(|_| Some(&set), now).len(), 1);
    }
    let benched = requests.next_bench_event().unwrap();
    assert!(matches!(benched, (_, BenchEvent::Benched { node: who, .. }) if who == node(1)));
    // Another chain still waits for it.
    let other = Request { chain: chain(2), ..ask(node(1), Op::PullQuery, None) };
    assert!(!requests.register(other, now).unwrap().benched);
    requests.disconnected(&node(1));

    let open = requests.register(ask(node(1), Op::PullQuery, None), now).unwrap();
    assert!(open.benched);
    let answer = |requests: &mut Requests, id, now| {
        requests.answer(node(1), chain(1), id, Op::Chits, &set, now)
    };
    assert_eq!(answer(&mut requests, open.request_id, now), Answer::Late);
    assert_eq!(answer(&mut requests, open.request_id, now), Answer::Late);
    // A benched request does not fail again at its deadline, nor at a disconnect.
    let open = requests.register(ask(node(1), Op::PullQuery, None), now).unwrap();
    assert!(requests.expire(|_| Some(&set), open.deadline).is_empty());
    requests.register(ask(node(1), Op::PullQuery, None), now).unwrap();
    assert!(requests.disconnected(&node(1)).is_empty());
    // Answers that come late let it off.
    let mut answers = 0;
    while requests.is_benched(&chain(1), &node(1)) {
        now = now.after(Duration::from_secs(1));
        let open = requests.register(ask(node(1), Op::PullQuery, None), now).unwrap();
        assert_eq!(answer(&mut requests, open.request_id, now), Answer::Late);
        answers += 1;
        assert!(answers < 200);
    }
    let cause = UnbenchCause::Recovered;
    let event = BenchEvent::Unbenched { node: node(1), cause };
    assert_eq!(requests.next_bench_event(), Some((chain(1), event)));
    assert_eq!(requests.next_bench_event(), None);
    assert_eq!(requests.stats().benched, 3 + answers);
}

#[test]
fn applications_do_not_bench_and_gets_and_oneself_are_not_measured() {
    let mut requests = requests(RequestsConfig::default());
    let parameters = Parameters::default();
    let benchlist = Benchlist::new(BenchConfig::default(), &parameters).unwrap();
    requests.add_chain(chain(1), benchlist);
    let set = validators();
    let mut now = at(0);
    let before = requests.average_latency();
    for (peer, op) in [(1, Op::Get), (0, Op::PullQuery)] {
        let id = requests.register(ask(node(peer), op, None), now).unwrap().request_id;
        let op = op.answer().unwrap();
        let answer = requests.answer(node(peer), chain(1), id, op, &set, at(1));
        assert!(matches!(answer, Answer::Matched { .. }));
        assert_eq!(requests.average_latency(), before);
    }
    for _ in 0..50 {
        requests.register(ask(node(1), Op::AppRequest, None), now).unwrap();
        now = requests.next_deadline().unwrap();
        assert_eq!(requests.expire(|_| Some(&set), now).len(), 1);
    }
    assert!(!requests.is_benched(&chain(1), &node(1)));
    assert!(requests.average_latency() > before, "timeouts are latencies");
}

/// Many peers are asked by one number, in turns with numbers of their own; then all is over.
#[test]
fn a_rush_of_requests_leaves_no_more_than_a_bounded_rest() {
    let mut requests = requests(RequestsConfig::default());
    let set = ValidatorSet::new();
    let nodes: Vec<_> = (1..=3_000_u16)
        .map(|number| {
            let mut bytes = [1; 20];
            bytes[..2].copy_from_slice(&number.to_be_bytes());
            NodeId::new(bytes)
        })
        .collect();
    let number = |at: usize| if at.is_multiple_of(2) { 7 } else { u32::try_from(at).unwrap() };
    for (at, node) in nodes.iter().enumerate() {
        requests.register(ask(*node, Op::PullQuery, number(at)), at_millis(at)).unwrap();
    }
    assert_eq!((requests.len(), requests.open.kept()), (3_000, (3_000, 3_000)));
    for (at, node) in nodes.iter().enumerate().rev() {
        let got = requests.answer(*node, chain(1), number(at), Op::Chits, &set, at_millis(3_000));
        assert!(matches!(got, Answer::Matched { .. }), "{at}");
    }
    assert_eq!((requests.len(), requests.open.kept()), (0, (0, 1_024)));
    // All of them are remembered, and peers that were forgotten are asked again.
    for (at, node) in nodes.iter().enumerate() {
        let got = requests.answer(*node, chain(1), number(at), Op::Chits, &set, at_millis(3_000));
        assert_eq!(got, Answer::Duplicate, "{at}");
        requests.register(ask(*node, Op::PullQuery, number(at)), at_millis(3_000)).unwrap();
        assert_eq!(requests.outstanding(node), 1);
    }
}

/// A time in the rush.
fn at_millis(millis: usize) -> Timestamp {
    at(u64::try_from(millis).unwrap())
}

/// Whatever happens in whatever order, each request has one outcome.
#[test]
fn each_request_has_exactly_one_outcome() {
    let counts: [Cell<u32>; 6] = Default::default();
    let bump = |at: usize| counts[at].set(counts[at].get() + 1);
    let steps = prop::collection::vec((0_u8..10, 1_u8..5, 0_u32..6, 0_u64..3_000), 1..120);
    let ops = [Op::PullQuery, Op::Get, Op::AppRequest];
    let config = RequestsConfig {
        outstanding_max: 16,
        node_outstanding_max: 6,
        remembered_max: 8,
        ..Default::default()
    };
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    runner
        .run(&steps, |steps| {
            let mut requests = requests(config);
            let set = validators();
            let mut open: BTreeMap<(u8, u32, Op), Op> = BTreeMap::new();
            let mut now = at(0);
            for (kind, peer, id, pause) in steps {
                let op = ops[usize::try_from(id).unwrap() % 3];
                let key = (peer, id, op.answer().unwrap());
                let mut failed = Vec::new();
                match kind {
                    0..=4 => {
                        let mine = open.keys().filter(|(other, _, _)| *other == peer).count();
                        let room = open.len() < 16 && mine < 6 && !open.contains_key(&key);
                        let got = requests.register(ask(node(peer), op, id), now);
                        prop_assert_eq!(got.is_ok(), room);
                        if room {
                            bump(0);
                            open.insert(key, op);
                        }
                    }
                    5 | 6 => {
                        let got = requests.answer(node(peer), chain(1), id, key.2, &set, now);
                        let known = open.remove(&key).is_some();
                        prop_assert_eq!(matches!(got, Answer::Matched { .. }), known);
                        bump(if known { 1 } else { 2 });
                    }
                    7 => {
                        now = now.after(Duration::from_millis(pause));
                        failed = requests.expire(|_| Some(&set), now);
                        failed.iter().for_each(|_| bump(3));
                    }
                    8 => {
                        failed = requests.disconnected(&node(peer));
                        let mine = open.keys().filter(|(other, _, _)| *other == peer).count();
                        prop_assert_eq!(failed.len(), mine);
                        failed.iter().for_each(|_| bump(4));
                    }
                    _ => {
                        failed.extend(requests.not_sent(node(peer), chain(1), id, op));
                        failed.iter().for_each(|_| bump(5));
                    }
                }
                for failed in failed {
                    let peer = failed.node.as_bytes()[0];
                    let key = (peer, failed.request_id, failed.op.answer().unwrap());
                    prop_assert_eq!(open.remove(&key), Some(failed.op));
                }
                prop_assert_eq!(requests.len(), open.len());
                prop_assert_eq!(requests.open.deadlines(), open.len());
                prop_assert!(requests.memory.len() <= 8);
                prop_assert_eq!(requests.open.sum_by_node(), open.len());
            }
            // Nothing waits for ever.
            let left = requests.expire(|_| None, now.after(Duration::from_secs(11)));
            prop_assert_eq!(left.len(), open.len());
            prop_assert!(requests.is_empty());
            Ok(())
        })
        .expect("one outcome each");
    assert!(counts.iter().all(|count| count.get() > 100), "{counts:?}");
}
