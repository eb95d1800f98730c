//! Bootstrapping, step by step. Names in comments are those of AvalancheGo's tests that pin the
//! same.

use super::catchup_harness::*;
use super::harness::{Parsed, child, node};
use crate::engine::*;
use crate::{Height, Id, NodeId};

/// Newest first, as peers send them.
fn newest_first(blocks: &[Parsed]) -> Vec<Parsed> {
    blocks.iter().rev().copied().collect()
}

fn entered(follower: &Follower) -> Vec<Phase> {
    let phase = |call: &Call<()>| match call {
        Call::EnterPhase(phase) => Some(*phase),
        _ => None,
    };
    follower.calls.iter().filter_map(phase).collect()
}

fn executions(follower: &Follower) -> Vec<(u64, u64)> {
    let run = |call: &Call<()>| match call {
        Call::ExecuteStored { low, high } => Some((low.get(), high.get())),
        _ => None,
    };
    follower.calls.iter().filter_map(run).collect()
}

/// `StartsOnlyIfEnoughStakeIsConnected`, `NoParseOnNew`.
#[test]
fn nobody_is_asked_before_three_quarters_of_the_weight_is_connected() {
    // Four of five units is the least that is enough: ceil(15 / 4).
    for (first, enough) in [([1, 2], false), ([2, 3], true)] {
        let (mut follower, out) = Plan::bootstrap(&[1, 2, 2]).start();
        assert_eq!((out, follower.calls.len()), (vec![], 1));
        let mut out = Vec::new();
        for at in first {
            out.extend(follower.input(Input::Connected(node(at))));
        }
        assert_eq!(!out.is_empty(), enough);
        if !enough {
            assert_eq!(follower.engine.poll_timeout(), None);
            out = follower.input(Input::Connected(node(3)));
        }
        assert!(!requests(&out, MessageKind::GetAcceptedFrontier).is_empty());
        assert_eq!(follower.calls, [Call::EnterPhase(Phase::Bootstrapping)]);
    }
    // Less weight is enough once it has less to reach.
    let (mut follower, _) = Plan::bootstrap(&[3, 1]).start();
    assert_eq!(follower.input(Input::Connected(node(2))), []);
    let leave = crate::validators::ValidatorChange::Remove(node(1));
    let out = follower.input(Input::Validators(vec![leave]));
    assert_eq!(requests(&out, MessageKind::GetAcceptedFrontier).len(), 1);
}

/// A beacon that leaves again does not stop what has begun.
#[test]
fn what_has_begun_goes_on_when_weight_is_lost() {
    let (mut follower, out) = Plan::bootstrap(&[1]).connected();
    assert_eq!(follower.input(Input::Disconnected(node(1))), []);
    let blocks = chain(1);
    // The first question is out; the second fails at once, and discovery begins again later.
    let [(to, request_id)] = requests(&out, MessageKind::GetAcceptedFrontier)[..] else {
        panic!("one beacon: {out:?}")
    };
    let id = blocks[1].id();
    assert_eq!(follower.message(to, Message::AcceptedFrontier { request_id, id }), []);
    assert_eq!(follower.input(Input::Connected(node(1))), []);
    let out = follower.tick();
    assert_eq!(requests(&out, MessageKind::GetAcceptedFrontier).len(), 1);
}

#[test]
fn without_beacons_there_is_nothing_to_catch_up_with() {
    let (follower, out) = Plan::bootstrap(&[]).start();
    assert_eq!(out[0], Output::Bootstrapped);
    assert_eq!(entered(&follower), [Phase::Bootstrapping, Phase::NormalOperation]);
    assert_eq!(follower.engine.phase(), Phase::NormalOperation);
}

/// `SingleFrontier`: everybody is where the follower is.
#[test]
fn a_frontier_that_is_known_ends_bootstrapping() {
    let (mut follower, out) = Plan::bootstrap(&[1, 1, 1]).connected();
    let tip = follower.tip();
    let out = follower.discover(out, &[tip.id]);
    assert_eq!(out, [Output::Bootstrapped, Output::SetPreference(tip.id)]);
    assert_eq!(follower.engine.phase(), Phase::NormalOperation);
    assert_eq!(follower.engine.last_accepted(), tip);
}

/// Both questions of a round have one number; fetching goes on from there.
#[test]
fn numbers_of_requests_go_on_from_phase_to_phase() {
    let blocks = chain(1);
    let (mut follower, out) = Plan::bootstrap(&[30, 30]).connected();
    let first = requests(&out, MessageKind::GetAcceptedFrontier);
    let out = first.iter().flat_map(|(to, request_id)| {
        let id = blocks[1].id();
        follower.message(*to, Message::AcceptedFrontier { request_id: *request_id, id })
    });
    let out: Vec<_> = out.collect();
    let second = requests(&out, MessageKind::GetAccepted);
    assert_eq!(second.len(), 2);
    assert!(first.iter().chain(&second).all(|(_, request_id)| *request_id == 1));
    let out = follower.discover(out, &[blocks[1].id()]);
    let (to, request_id, _) = fetch(&out);
    assert_eq!(request_id, 2);
    let out = follower.message(to, ancestors(2, &blocks[1..]));
    assert_eq!(requests(&out, MessageKind::GetAcceptedFrontier)[0].1, 3);
    let out = follower.discover(out, &[blocks[1].id()]);
    let last = blocks[1].id();
    assert_eq!(out, [Output::Bootstrapped, Output::SetPreference(last)]);
    let out = follower.message(node(1), super::harness::push(9, &child(&blocks[1], "new")));
    assert_eq!(super::harness::queries(&out)[0].1, 4);
}

/// `UnknownByzantineResponse`, `EmptyResponse`: what a peer can answer instead of what it was asked
/// for, what it is blamed for, and that another one is asked.
#[test]
fn a_useless_delivery_is_asked_for_again() {
    let blocks = chain(3);
    let (asked, other) = (blocks[3].id(), child(&blocks[2], "rival"));
    let table = [
        ("nothing", Some(vec![]), None),
        ("garbage", None, Some(Fault::Malformed(MessageKind::Ancestors))),
        ("another", Some(vec![other]), Some(Fault::WrongBlock { asked, got: other.id() })),
        (
            "oldest first",
            Some(vec![blocks[2], blocks[3]]),
            Some(Fault::WrongBlock { asked, got: blocks[2].id() }),
        ),
    ];
    for (what, delivery, fault) in table {
        let (mut follower, out) = Plan::bootstrap(&[1, 1]).connected();
        let out = follower.discover(out, &[blocks[3].id()]);
        let (to, request_id, id) = fetch(&out);
        assert_eq!(id, blocks[3].id());
        let message = Message::Ancestors { request_id, blocks: delivery };
        let out = follower.message(to, message);
        assert_eq!(faults(&out), fault.map(|fault| (to, fault)).as_slice(), "{what}");
        let (other, request_id, again) = fetch(&out);
        assert_eq!(again, id, "{what}");
        assert_ne!(other, to, "{what}: somebody else is asked");
        assert!(follower.stored.is_empty(), "{what}");
        follower.message(other, ancestors(request_id, &newest_first(&blocks[1..])));
        assert_eq!(follower.accepted, blocks, "{what}");
    }
}

/// `PartialFetch`, `Ancestors`: however the blocks are split up, and whatever else comes along, the
/// chain is fetched down to what was accepted and executed upwards.
#[test]
fn blocks_come_in_any_portions() {
    let blocks = chain(6);
    let stray = child(&blocks[2], "stray");
    for portions in [vec![6], vec![1, 5], vec![2, 2, 2], vec![1; 6], vec![5, 3], vec![9]] {
        let (mut follower, out) = Plan::bootstrap(&[1]).connected();
        let mut out = follower.discover(out, &[blocks[6].id()]);
        let mut next = 6;
        for portion in portions {
            let (to, request_id, id) = fetch(&out);
            assert_eq!(id, blocks[next].id());
            let low = (next + 1).saturating_sub(portion);
            let mut delivery = newest_first(&blocks[low..=next]);
            delivery.push(stray);
            assert_eq!(follower.engine.phase(), Phase::Bootstrapping);
            out = follower.message(to, ancestors(request_id, &delivery));
            assert_eq!(faults(&out), []);
            next = low.saturating_sub(1);
        }
        assert_eq!(follower.accepted, blocks);
        follower.discover(out, &[blocks[6].id()]);
        assert_eq!(executions(&follower), [(1, 6)]);
        assert_eq!(follower.engine.phase(), Phase::NormalOperation);
        assert_eq!(follower.engine.last_accepted(), follower.tip());
    }
}

/// `Finalized`: two accepted blocks of one chain are both asked for, and whichever comes first the
/// other is settled too.
#[test]
fn accepted_blocks_of_one_chain_meet() {
    let blocks = chain(4);
    for higher_first in [true, false] {
        let (mut follower, out) = Plan::bootstrap(&[1, 1, 1]).connected();
        let out = follower.discover(out, &[blocks[2].id(), blocks[4].id()]);
        let mut asked = fetches(&out);
        assert_eq!(asked.len(), 2);
        asked.sort_by_key(|(_, _, id)| (*id == blocks[2].id()) == higher_first);
        let mut round = Vec::new();
        for (to, request_id, id) in asked {
            let at = if id == blocks[4].id() { 4 } else { 2 };
            let out = follower.message(to, ancestors(request_id, &newest_first(&blocks[1..=at])));
            assert_eq!(faults(&out), []);
            round.extend(out);
        }
        assert_eq!(follower.accepted, blocks);
        follower.discover(round, &[blocks[4].id()]);
        assert_eq!(follower.engine.phase(), Phase::NormalOperation);
    }
}

/// `RestartBootstrapping`: a round that executed less than half of what the one before did is
/// followed by another, one that executed nothing or more is the last.
#[test]
fn rounds_end_when_they_do_not_shrink() {
    let blocks = chain(40);
    // Heights of the tip, round after round. The first one is always followed by another.
    let table: [(&[usize], bool); 7] = [
        (&[20], false),
        (&[20, 20], true),
        (&[20, 29], false),
        (&[20, 30], true),
        (&[20, 29, 33], true),
        (&[20, 29, 32], false),
        (&[20, 29, 32, 32], true),
    ];
    for (tips, done) in table {
        let (mut follower, mut out) = Plan::bootstrap(&[1]).connected();
        let mut last = 0;
        for tip in tips {
            assert_eq!(follower.engine.phase(), Phase::Bootstrapping);
            out = follower.discover(out, &[blocks[*tip].id()]);
            if last < *tip {
                let (to, request_id, _) = fetch(&out);
                let delivery = newest_first(&blocks[last + 1..=*tip]);
                out = follower.message(to, ancestors(request_id, &delivery));
            }
            last = *tip;
        }
        let told = out.iter().filter(|output| **output == Output::Bootstrapped).count();
        assert_eq!((told == 1, follower.engine.phase() == Phase::NormalOperation), (done, done));
        assert_eq!(follower.accepted, blocks[..=last]);
    }
}

/// `OldBlockAfterStateSync`: blocks that were stored below the last accepted one, since its state
/// was synced, are deleted only.
#[test]
fn stored_blocks_below_the_tip_are_deleted() {
    let blocks = chain(9);
    let plan = Plan {
        accepted: blocks[..=6].to_vec(),
        stored: [&blocks[1..=2], &blocks[5..=7]].concat(),
        ..Plan::bootstrap(&[1])
    };
    let (mut follower, out) = plan.connected();
    let out = follower.discover(out, &[blocks[9].id()]);
    let (to, request_id, _) = fetch(&out);
    let out = follower.message(to, ancestors(request_id, &newest_first(&blocks[1..=9])));
    assert_eq!(out[0], Output::StoreBlocks(newest_first(&blocks[8..=9])));
    assert_eq!(executions(&follower), [(1, 2), (5, 9)]);
    assert_eq!((follower.accepted.clone(), follower.stored.len()), (blocks, 0));
}

/// `ContinueAfterHalt`: what was stored before a restart is not fetched again; only the parents of
/// runs that do not reach down are.
#[test]
fn a_restart_goes_on_with_what_was_stored() {
    let blocks = chain(12);
    let plan = Plan {
        accepted: blocks[..=2].to_vec(),
        stored: [&blocks[3..=4], &blocks[7..=8], &blocks[11..=11]].concat(),
        ..Plan::bootstrap(&[1, 1])
    };
    let (mut follower, out) = plan.connected();
    let out = follower.discover(out, &[blocks[12].id()]);
    let mut asked: Vec<_> = fetches(&out).into_iter().collect();
    asked.sort_by_key(|(_, _, id)| blocks.iter().position(|block| block.id() == *id));
    let heights = asked.iter().map(|(_, _, id)| blocks.iter().position(|b| b.id() == *id));
    assert_eq!(heights.flatten().collect::<Vec<_>>(), [6, 10, 12]);
    for ((to, request_id, id), low) in asked.into_iter().zip([5, 9, 12]) {
        let at = blocks.iter().position(|block| block.id() == id).expect("of the chain");
        let delivery = newest_first(&blocks[low..=at]);
        assert_eq!(faults(&follower.message(to, ancestors(request_id, &delivery))), []);
    }
    assert_eq!(executions(&follower), [(3, 12)]);
    assert_eq!(follower.accepted, blocks);
}

/// Runs that touch are one run: a store that says otherwise is refused.
#[test]
fn stored_runs_are_ascending_with_gaps() {
    let run =
        |low, high| StoredRun { low: Height::new(low), high: Height::new(high), parent: Id::EMPTY };
    for runs in [vec![run(3, 2)], vec![run(1, 2), run(3, 4)], vec![run(5, 6), run(1, 2)]] {
        let refused = bootstrapper_of(runs);
        assert!(matches!(refused, Err(crate::Error::InvalidInterval { .. })), "{refused:?}");
    }
    assert!(bootstrapper_of(vec![run(1, 2), run(4, 4)]).is_ok());
}

fn bootstrapper_of(stored: Vec<StoredRun>) -> Result<(), crate::Error> {
    let setup = Setup {
        own: node(0),
        validators: crate::validators::ValidatorSet::new(),
        beacons: None,
        tip: Tip { id: Id::EMPTY, height: Height::GENESIS },
        phase: Phase::Bootstrapping,
        stored,
        seed: [0; 32],
    };
    Engine::<()>::new(EngineConfig::default(), setup, crate::Timestamp::ZERO).map(|_| ())
}

/// `ReceiveStaleAncestorsMessage`: an answer to a request that the engine has given up counts for
/// nothing, and one to a request for what came otherwise changes nothing.
#[test]
fn late_deliveries_are_ignored() {
    let blocks = chain(4);
    let (mut follower, out) = Plan::bootstrap(&[1, 1, 1]).connected();
    let out = follower.discover(out, &[blocks[2].id(), blocks[4].id()]);
    let asked = fetches(&out);
    let of = |id: Id| *asked.iter().find(|(_, _, asked)| *asked == id).expect("it was asked for");
    // The lower block comes with the higher one, so all is executed. A round with a tip of its own
    // follows.
    let (to, request_id, _) = of(blocks[4].id());
    let out = follower.message(to, ancestors(request_id, &newest_first(&blocks[1..=4])));
    assert_eq!(executions(&follower), [(1, 4)]);
    let (late, request_id, _) = of(blocks[2].id());
    let stale = ancestors(request_id, &newest_first(&blocks[1..=2]));
    assert_eq!(follower.engine.downloads(), (0, 0));
    assert_eq!(follower.message(late, stale.clone()), []);
    assert_eq!(follower.stored.len(), 0);
    // A second copy was not asked for.
    let again = follower.message(late, stale);
    assert_eq!(faults(&again), [(late, Fault::Unrequested(MessageKind::Ancestors))]);
    follower.discover(out, &[blocks[4].id()]);
    assert_eq!(follower.engine.phase(), Phase::NormalOperation);
}

/// A block that came as another's ancestor is not asked for again when its own request fails.
#[test]
fn what_came_with_another_is_not_asked_for_again() {
    let blocks = chain(6);
    let (mut follower, out) = Plan::bootstrap(&[1, 1, 1]).connected();
    let out = follower.discover(out, &[blocks[2].id(), blocks[4].id(), blocks[6].id()]);
    let asked = fetches(&out);
    let of = |id: Id| *asked.iter().find(|(_, _, asked)| *asked == id).expect("it was asked for");
    let (to, request_id, _) = of(blocks[4].id());
    follower.message(to, ancestors(request_id, &newest_first(&blocks[1..=4])));
    let (to, request_id, _) = of(blocks[2].id());
    assert_eq!(follower.fail(to, request_id), []);
    let (to, request_id, id) = of(blocks[6].id());
    let out = follower.fail(to, request_id);
    assert_eq!(fetch(&out).2, id, "what is missing still is");
}

/// What the VM wants to build is not forgotten while the node catches up.
#[test]
fn blocks_are_built_once_the_node_has_caught_up() {
    let (mut follower, out) = Plan::bootstrap(&[1]).connected();
    follower.input(Input::PendingTransactions);
    assert!(!follower.calls.contains(&Call::BuildBlock));
    let tip = follower.tip();
    follower.discover(out, &[tip.id]);
    let builds = follower.calls.iter().filter(|call| **call == Call::BuildBlock).count();
    assert_eq!(builds, 1);
}

/// `RollbackOnSetState`: what is last accepted is asked once the VM has entered the phase.
#[test]
fn the_vm_may_roll_back_as_it_enters_the_phase() {
    let blocks = chain(3);
    let plan = Plan { accepted: blocks[..=2].to_vec(), rollback: Some(1), ..Plan::bootstrap(&[1]) };
    let (mut follower, out) = plan.connected();
    assert_eq!(follower.engine.last_accepted().id, blocks[1].id());
    let out = follower.discover(out, &[blocks[3].id()]);
    let (to, request_id, _) = fetch(&out);
    let out = follower.message(to, ancestors(request_id, &newest_first(&blocks[2..=3])));
    assert_eq!(out[0], Output::StoreBlocks(newest_first(&blocks[2..=3])));
    assert_eq!(follower.accepted, blocks);
}

/// The VM can have blocks that it has not accepted: they are stored without being fetched.
#[test]
fn blocks_that_the_vm_has_are_not_fetched() {
    let blocks = chain(4);
    let (mut follower, out) = Plan::bootstrap(&[1]).connected();
    follower.has.insert(blocks[4].id(), blocks[4]);
    let out = follower.discover(out, &[blocks[4].id()]);
    assert_eq!(out[0], Output::StoreBlocks(vec![blocks[4]]));
    let (to, request_id, id) = fetch(&out);
    assert_eq!(id, blocks[3].id());
    follower.message(to, ancestors(request_id, &newest_first(&blocks[1..=3])));
    assert_eq!(follower.accepted, blocks);
}

#[test]
fn checkpoints_are_brought_in_whatever_peers_say() {
    let blocks = chain(4);
    let mut plan = Plan::bootstrap(&[1]);
    plan.config.checkpoints = vec![blocks[4].id(), blocks[0].id()];
    let (mut follower, out) = plan.connected();
    let out = follower.discover(out, &[blocks[1].id()]);
    let asked: Vec<_> = fetches(&out);
    assert_eq!(asked.len(), 2);
    for (to, request_id, id) in asked {
        let at = blocks.iter().position(|block| block.id() == id).expect("of the chain");
        follower.message(to, ancestors(request_id, &newest_first(&blocks[1..=at])));
    }
    assert_eq!(follower.accepted, blocks);
}

/// What is executed in one call has its bound.
#[test]
fn execution_goes_in_batches() {
    let blocks = chain(10);
    let mut plan = Plan::bootstrap(&[1]);
    plan.config.limits.execute_batch_max = 4;
    let (mut follower, out) = plan.connected();
    let out = follower.discover(out, &[blocks[10].id()]);
    let (to, request_id, _) = fetch(&out);
    follower.prompt = false;
    follower.message(to, ancestors(request_id, &newest_first(&blocks[1..=10])));
    for run in [(1, 4), (5, 8), (9, 10)] {
        assert_eq!(executions(&follower).last(), Some(&run));
        assert_eq!(follower.open.len(), 1);
        assert_eq!(follower.engine.phase(), Phase::Bootstrapping);
        follower.answer_next();
    }
    assert_eq!(follower.engine.last_accepted(), follower.tip());
    assert_eq!(follower.engine.stats().accepted, 10);
}

/// A VM that says it executed and did not is not believed.
#[test]
fn an_execution_that_falls_short_is_fatal() {
    let blocks = chain(2);
    let (mut follower, out) = Plan::bootstrap(&[1]).connected();
    let out = follower.discover(out, &[blocks[2].id()]);
    let (to, request_id, _) = fetch(&out);
    follower.prompt = false;
    follower.message(to, ancestors(request_id, &newest_first(&blocks[1..=2])));
    let (call, _) = follower.open.pop_front().expect("a call");
    let answer = Answer::Executed(Tip { id: blocks[1].id(), height: Height::new(1) });
    let input = Input::Answer { call, answer };
    let now = follower.now;
    assert_eq!(follower.engine.handle(now, input), Err(Fatal::WrongAnswer(call)));
}

/// A node whose chain caught up waits for the others of its subnet, and looks for more every ten
/// seconds.
#[test]
fn other_chains_of_the_subnet_are_waited_for() {
    let mut plan = Plan::bootstrap(&[1]);
    plan.config.await_subnet = true;
    let (mut follower, out) = plan.connected();
    let tip = follower.tip();
    let out = follower.discover(out, &[tip.id]);
    assert_eq!(out, [Output::Bootstrapped]);
    let waiting = follower.now;
    let out = follower.tick();
    assert_eq!(follower.now.since(waiting).as_secs(), 10);
    assert_eq!(requests(&out, MessageKind::GetAcceptedFrontier).len(), 1);
    assert_eq!(follower.discover(out, &[tip.id]), [], "the shell was told before");
    assert_eq!(follower.engine.phase(), Phase::Bootstrapping);
    let out = follower.input(Input::SubnetBootstrapped);
    assert_eq!(out, [Output::SetPreference(tip.id)]);
    assert_eq!(follower.engine.phase(), Phase::NormalOperation);

    // If they are there first there is nothing to wait for.
    let mut plan = Plan::bootstrap(&[1]);
    plan.config.await_subnet = true;
    let (mut follower, out) = plan.connected();
    assert_eq!(follower.input(Input::SubnetBootstrapped), []);
    follower.discover(out, &[tip.id]);
    assert_eq!(follower.engine.phase(), Phase::NormalOperation);
}

/// A round that finds nothing, since nobody answers, is repeated at the pace of answers.
#[test]
fn a_fruitless_round_is_repeated_and_not_at_once() {
    let (mut follower, _) = Plan::bootstrap(&[1, 1, 1, 1]).connected();
    let all: Vec<NodeId> = (1..=4).map(node).collect();
    for node in &all {
        follower.input(Input::Disconnected(*node));
    }
    let mut rounds = 0;
    for _ in 0..40 {
        let before = follower.engine.stats().failed_requests;
        follower.tick();
        rounds += u32::from(follower.engine.stats().failed_requests > before);
    }
    let seconds = follower.now.as_nanos() / 1_000_000_000;
    assert!(rounds > 10 && seconds > 2 * u64::from(rounds), "{rounds} in {seconds} s");
    for node in &all {
        follower.input(Input::Connected(*node));
    }
    let out = follower.tick();
    let tip = follower.tip();
    follower.discover(out, &[tip.id]);
    assert_eq!(follower.engine.phase(), Phase::NormalOperation);
}

/// With nobody to ask for blocks, the engine tries again after as long as an answer takes.
#[test]
fn with_nobody_connected_a_fetch_waits() {
    let blocks = chain(2);
    let (mut follower, out) = Plan::bootstrap(&[1]).connected();
    let frontier = requests(&out, MessageKind::GetAcceptedFrontier);
    let id = blocks[2].id();
    let mut out = Vec::new();
    for (to, request_id) in frontier {
        out.extend(follower.message(to, Message::AcceptedFrontier { request_id, id }));
    }
    let [(to, request_id)] = requests(&out, MessageKind::GetAccepted)[..] else {
        panic!("{out:?}")
    };
    follower.input(Input::Disconnected(node(1)));
    let out = follower.message(to, Message::Accepted { request_id, ids: vec![id] });
    assert_eq!(out, []);
    assert_eq!(follower.engine.downloads(), (1, 0));
    let timeout = follower.engine.health(follower.now).timeout;
    assert_eq!(follower.tick(), [], "nobody came");
    assert_eq!(follower.now, crate::Timestamp::ZERO.after(timeout));
    follower.input(Input::Connected(node(1)));
    let out = follower.tick();
    let (to, request_id, _) = fetch(&out);
    follower.message(to, ancestors(request_id, &newest_first(&blocks[1..])));
    assert_eq!(follower.accepted, blocks);
}

/// More beacons than can be asked at once are asked as answers come in, under one number, and each
/// has a deadline of its own.
#[test]
fn many_beacons_are_asked_in_turn() {
    let mut plan = Plan::bootstrap(&[1; 120]);
    plan.config.limits.frontier_requests_max = std::num::NonZeroU32::MIN.saturating_add(9);
    let (mut follower, out) = plan.connected();
    let tip = follower.tip();
    let mut open = requests(&out, MessageKind::GetAcceptedFrontier);
    assert_eq!(open.len(), 10);
    let mut asked = 0;
    while let Some((to, request_id)) = open.pop() {
        asked += 1;
        let id = tip.id;
        let out = follower.message(to, Message::AcceptedFrontier { request_id, id });
        let more = requests(&out, MessageKind::GetAcceptedFrontier);
        assert!(more.len() <= 1);
        if more.is_empty() && open.is_empty() {
            open = requests(&out, MessageKind::GetAccepted);
            assert_eq!(open.len(), 10);
            break;
        }
        open.extend(more);
    }
    assert!(asked > 10 && asked <= 20, "{asked}");
    let mut heard = 0;
    while let Some((to, request_id)) = open.pop() {
        assert_eq!(request_id, 1);
        heard += 1;
        assert!(follower.engine.requests_open() <= 10);
        // Whoever was asked first is silent until its own deadline, and this one waits.
        let out = if heard == 30 {
            open.push((to, request_id));
            let failed = follower.engine.stats().failed_requests;
            let out = follower.tick();
            assert!(follower.engine.stats().failed_requests > failed);
            out
        } else {
            follower.now = follower.now.after(std::time::Duration::from_millis(10));
            follower.message(to, Message::Accepted { request_id, ids: vec![tip.id] })
        };
        open.extend(requests(&out, MessageKind::GetAccepted));
    }
    assert_eq!(heard, 121, "one was looked at twice");
    assert_eq!(follower.engine.phase(), Phase::NormalOperation);
}
