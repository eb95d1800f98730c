//! State sync, step by step. Names in comments are those of AvalancheGo's tests that pin the same.

use super::catchup_harness::*;
use super::harness::node;
use crate::engine::*;
use crate::{Height, Id, NodeId};

const FRONTIER: MessageKind = MessageKind::GetStateSummaryFrontier;
const VOTE: MessageKind = MessageKind::GetAcceptedStateSummary;

fn frontier(request_id: u32, summary: Summary<()>) -> Message<()> {
    Message::StateSummaryFrontier { request_id, summary: Some(summary) }
}

fn vote(request_id: u32, ids: &[Id]) -> Message<()> {
    Message::AcceptedStateSummary { request_id, ids: ids.to_vec() }
}

/// The heights that voters are asked about.
fn heights(out: &[Output<()>]) -> Vec<u64> {
    let heights = out.iter().find_map(|output| match output {
        Output::Send { message: Message::GetAcceptedStateSummary { heights, .. }, .. } => {
            Some(heights.clone())
        }
        _ => None,
    });
    heights.expect("voters are asked").into_iter().map(Height::get).collect()
}

/// Everybody who is asked answers with `say`; `None` is silence that is noticed.
fn answer_all(
    follower: &mut Follower,
    asked: &[(NodeId, u32)],
    mut say: impl FnMut(usize, u32) -> Option<Message<()>>,
) -> Out {
    let mut out = Vec::new();
    for (at, (to, request_id)) in asked.iter().enumerate() {
        out.extend(match say(at, *request_id) {
            Some(message) => follower.message(*to, message),
            None => follower.fail(*to, *request_id),
        });
    }
    out
}

/// A follower that has asked all of its voters.
fn voting(plan: Plan, summaries: &[Summary<()>]) -> (Follower, Vec<(NodeId, u32)>, Out) {
    let (mut follower, out) = plan.connected();
    let seeders = requests(&out, FRONTIER);
    let out = answer_all(&mut follower, &seeders, |at, request_id| {
        Some(frontier(request_id, summaries[at % summaries.len()]))
    });
    let voters = requests(&out, VOTE);
    (follower, voters, out)
}

fn is_bootstrapping(follower: &Follower) -> bool {
    follower.calls.contains(&Call::EnterPhase(Phase::Bootstrapping))
}

/// `StartsOnlyIfEnoughStakeIsConnected`, `BeaconsAreReachedForFrontiersUponStartup`.
#[test]
fn nobody_is_asked_before_three_quarters_of_the_weight_is_connected() {
    let (mut follower, out) = Plan::sync(&[1, 1, 1, 1]).start();
    assert_eq!(out, []);
    assert_eq!(follower.input(Input::Connected(node(1))), []);
    assert_eq!(follower.input(Input::Connected(node(2))), []);
    assert_eq!(follower.calls, [Call::EnterPhase(Phase::StateSyncing)]);
    let out = follower.input(Input::Connected(node(3)));
    assert_eq!(follower.calls[1..], [Call::OngoingSummary]);
    let sent: Vec<_> = requests(&out, FRONTIER);
    // The fourth is not connected, so it fails at once.
    assert_eq!(sent.len(), 3);
    // What has begun goes on in the next phase, however few are left.
    for at in 1..=3 {
        follower.input(Input::Disconnected(node(at)));
    }
    let out = answer_all(&mut follower, &sent, |_, id| Some(frontier(id, summary(5, "a"))));
    assert_eq!(requests(&out, VOTE), [], "nobody is there to vote");
    assert_eq!(follower.engine.phase(), Phase::StateSyncing);
}

/// `LocalSummaryIsIncludedAmongFrontiersIfAvailable`, `NotFoundOngoingSummaryIsNotIncluded`,
/// `VoteRequestsAreSentAsAllFrontierBeaconsResponded`.
#[test]
fn voters_are_asked_about_every_height_once() {
    for (ongoing, expected) in [(Some(summary(9, "own")), vec![9, 5, 7]), (None, vec![5, 7])] {
        let plan = Plan { ongoing, ..Plan::sync(&[1, 1, 1, 1]) };
        let said = [summary(5, "a"), summary(7, "b"), summary(5, "c"), summary(7, "b")];
        let (follower, voters, out) = voting(plan, &said);
        assert_eq!(heights(&out), expected);
        assert_eq!(voters.len(), 4);
        assert!(voters.iter().all(|(_, request_id)| *request_id == 2));
        assert!(!is_bootstrapping(&follower));
    }
}

/// `UnRequestedStateSummaryFrontiersAreDropped`, `MalformedStateSummaryFrontiersAreDropped`,
/// `LateResponsesFromUnresponsiveFrontiersAreNotRecorded`.
#[test]
fn what_is_not_an_answer_adds_no_summary() {
    let (mut follower, out) = Plan::sync(&[1, 1, 1, 1]).connected();
    let seeders = requests(&out, FRONTIER);
    let (first, request_id) = seeders[0];
    let unrequested = |who| vec![(who, Fault::Unrequested(MessageKind::StateSummaryFrontier))];
    // A wrong number, a stranger, a second answer, one that is too late.
    let out = follower.message(first, frontier(request_id + 1, summary(1, "x")));
    assert_eq!(faults(&out), unrequested(first));
    let out = follower.message(node(9), frontier(request_id, summary(2, "x")));
    assert_eq!(faults(&out), unrequested(node(9)));
    let out = follower.message(first, Message::StateSummaryFrontier { request_id, summary: None });
    assert_eq!(faults(&out), [(first, Fault::Malformed(MessageKind::StateSummaryFrontier))]);
    let out = follower.message(first, frontier(request_id, summary(3, "x")));
    assert_eq!(faults(&out), unrequested(first));
    let (second, _) = seeders[1];
    assert_eq!(follower.fail(second, request_id), []);
    let out = follower.message(second, frontier(request_id, summary(4, "x")));
    assert_eq!(faults(&out), unrequested(second));
    let rest =
        answer_all(&mut follower, &seeders[2..], |_, id| Some(frontier(id, summary(5, "a"))));
    assert_eq!(heights(&rest), [5], "a malformed summary is an answer, and no more");
}

/// `RestartedIfTooManyFrontierSeedersTimeout`, and what is different with stakes above one: the
/// module says why.
#[test]
fn too_many_silent_seeders_are_asked_again() {
    // Weights of the nodes, who is silent, whether the rest is enough.
    let table: [(&[u64], &[u8], bool); 8] = [
        (&[1, 1, 1, 1], &[], true),
        (&[1, 1, 1, 1], &[1], true),
        (&[1, 1, 1, 1], &[1, 2], false),
        (&[1, 1, 1, 1], &[1, 2, 3, 4], false),
        (&[1, 1, 1], &[1], true),
        (&[1, 1, 1], &[1, 2], false),
        // Nearly all samples are of the first; here AvalancheGo would go on.
        (&[1_000, 1], &[1], false),
        (&[1_000, 1], &[2], true),
    ];
    for (weights, silent, enough) in table {
        let (mut follower, out) = Plan::sync(weights).connected();
        let seeders = requests(&out, FRONTIER);
        let silent: Vec<NodeId> = silent.iter().map(|at| node(*at)).collect();
        let mut at = seeders.iter();
        let out = answer_all(&mut follower, &seeders, |_, request_id| {
            let (to, _) = at.next().expect("as many");
            let answers = !silent.contains(to);
            answers.then(|| frontier(request_id, summary(5, "a")))
        });
        assert_eq!(!requests(&out, VOTE).is_empty(), enough, "{weights:?} {silent:?}");
        if !enough {
            let out = follower.tick();
            assert_eq!(follower.calls.len(), 3, "the VM is asked again too");
            assert_eq!(requests(&out, FRONTIER)[0].1, 2);
        }
    }
}

/// `UnRequestedVotesAreDropped`, `VotesForUnknownSummariesAreDropped`.
#[test]
fn what_is_not_an_answer_is_no_vote() {
    let a = summary(5, "a");
    let (mut follower, voters, _) = voting(Plan::sync(&[1, 1, 1, 1]), &[a]);
    let (first, request_id) = voters[0];
    let unrequested = |who| vec![(who, Fault::Unrequested(MessageKind::AcceptedStateSummary))];
    let out = follower.message(first, vote(request_id + 1, &[a.id]));
    assert_eq!(faults(&out), unrequested(first));
    let out = follower.message(node(9), vote(request_id, &[a.id]));
    assert_eq!(faults(&out), unrequested(node(9)));
    // A name that nobody heard of, as often as one likes, and then nothing more.
    let unknown = summary(5, "unknown");
    let out = follower.message(first, vote(request_id, &[unknown.id]));
    assert_eq!(faults(&out), []);
    let out = follower.message(first, vote(request_id, &[a.id]));
    assert_eq!(faults(&out), unrequested(first));
    // A list that is longer than the question is no answer either.
    let (second, _) = voters[1];
    let out = follower.message(second, vote(request_id, &[a.id, a.id]));
    let kind = MessageKind::AcceptedStateSummary;
    assert_eq!(faults(&out), [(second, Fault::TooLong { kind, found: 2, max: 1 })]);
    // So two of four are left, which is not a majority.
    answer_all(&mut follower, &voters[2..], |_, id| Some(vote(id, &[a.id])));
    assert_eq!(follower.synced_to, None);
    assert!(is_bootstrapping(&follower));
}

/// `StateSummaryIsPassedToVMAsMajorityOfVotesIsCastedForIt`: with the weight that it needs, and the
/// highest of several, unless the VM was at one already.
#[test]
fn the_best_summary_that_most_of_the_weight_has_is_taken() {
    let (low, high) = (summary(5, "low"), summary(9, "high"));
    type Row<'a> = (Option<Summary<()>>, [&'a [Id]; 4], Option<Summary<()>>);
    let table: [Row<'_>; 7] = [
        (None, [&[low.id], &[low.id], &[low.id], &[]], Some(low)),
        (None, [&[low.id], &[low.id], &[], &[]], None),
        (None, [&[low.id, high.id], &[low.id, high.id], &[low.id, high.id], &[]], Some(high)),
        (None, [&[low.id, high.id], &[low.id, high.id], &[low.id], &[]], Some(low)),
        (Some(low), [&[low.id, high.id], &[low.id, high.id], &[low.id, high.id], &[]], Some(low)),
        (Some(low), [&[high.id], &[high.id], &[high.id], &[low.id]], Some(high)),
        (Some(low), [&[], &[], &[], &[]], None),
    ];
    for (ongoing, votes, expected) in table {
        let plan = Plan { ongoing, ..Plan::sync(&[1, 1, 1, 1]) };
        let (mut follower, voters, _) = voting(plan, &[low, high]);
        answer_all(&mut follower, &voters, |at, id| Some(vote(id, votes[at])));
        assert_eq!(follower.synced_to, expected, "{ongoing:?} {votes:?}");
        assert!(is_bootstrapping(&follower));
    }
}

/// `VotingIsRestartedIfMajorityIsNotReachedDueToTimeouts`,
/// `StoppedIfEnoughVotesAreCastedWithNoClearMajority`.
#[test]
fn without_a_majority_it_depends_on_how_many_voted() {
    let a = summary(5, "a");
    // Of weights 10, 20, 30 and 40, a majority is 51.
    let table = [(&[4_u8, 1][..], true), (&[4, 2], true), (&[], false), (&[4], false)];
    for (silent, again) in table {
        let (mut follower, out) = Plan::sync(&[10, 20, 30, 40]).connected();
        let seeders = requests(&out, FRONTIER);
        let out =
            answer_all(&mut follower, &seeders, |_, request_id| Some(frontier(request_id, a)));
        let voters = requests(&out, VOTE);
        for (to, request_id) in voters {
            if silent.iter().any(|at| node(*at) == to) {
                follower.fail(to, request_id);
            } else {
                follower.message(to, vote(request_id, &[]));
            }
        }
        let silence = silent.iter().map(|at| u64::from(*at) * 10).sum::<u64>();
        assert_eq!(again, 100 - silence < 51);
        assert_eq!(is_bootstrapping(&follower), !again, "{silent:?}");
        if again {
            assert_eq!(requests(&follower.tick(), FRONTIER)[0].1, 3);
        }
    }
}

/// `StateSyncIsDoneOnceVMNotifies`, and the other modes.
#[test]
fn what_the_vm_says_decides_what_follows() {
    let a = summary(5, "a");
    for mode in [SyncMode::Skipped, SyncMode::Static, SyncMode::Dynamic] {
        let plan = Plan { mode, ..Plan::sync(&[1, 1]) };
        let (mut follower, voters, _) = voting(plan, &[a]);
        let mut out = answer_all(&mut follower, &voters, |_, id| Some(vote(id, &[a.id])));
        assert_eq!(follower.synced_to, Some(a));
        assert_eq!(is_bootstrapping(&follower), mode != SyncMode::Static);
        if mode == SyncMode::Static {
            assert_eq!((out.len(), follower.engine.poll_timeout()), (0, None));
            out = follower.input(Input::StateSyncDone);
        }
        let tip = follower.tip();
        follower.discover(out, &[tip.id]);
        assert_eq!(follower.engine.phase(), Phase::NormalOperation);
        // While its state is not complete the node names only accepted blocks, with the VM's help.
        let asked = follower.calls.len();
        let query = |request_id| Message::PullQuery {
            request_id,
            id: tip.id,
            requested_height: Height::new(1),
        };
        follower.message(node(1), query(1));
        let helped = follower.calls.len() > asked;
        assert_eq!(helped, mode == SyncMode::Dynamic, "{mode:?}");
        follower.input(Input::StateSyncDone);
        let asked = follower.calls.len();
        follower.message(node(1), query(2));
        assert_eq!(follower.calls.len(), asked);
    }
}

/// Weight that was connected once is enough for the next phase.
#[test]
fn the_next_phase_begins_whatever_weight_was_lost() {
    let a = summary(5, "a");
    let plan = Plan { mode: SyncMode::Static, ..Plan::sync(&[1, 1]) };
    let (mut follower, voters, _) = voting(plan, &[a]);
    answer_all(&mut follower, &voters, |_, id| Some(vote(id, &[a.id])));
    for at in [1, 2] {
        follower.input(Input::Disconnected(node(at)));
    }
    assert_eq!(follower.engine.poll_timeout(), None);
    follower.input(Input::StateSyncDone);
    assert!(is_bootstrapping(&follower));
    assert!(follower.engine.poll_timeout().is_some(), "it has begun to ask");
}

/// The VM can be done before the shell tells how it syncs, and while the next phase goes on.
#[test]
fn a_state_sync_that_is_done_early_is_not_waited_for() {
    let a = summary(5, "a");
    for mode in [SyncMode::Static, SyncMode::Dynamic] {
        let plan = Plan { mode, ..Plan::sync(&[1, 1]) };
        let (mut follower, voters, _) = voting(plan, &[a]);
        follower.prompt = false;
        answer_all(&mut follower, &voters, |_, id| Some(vote(id, &[a.id])));
        follower.input(Input::StateSyncDone);
        assert!(!is_bootstrapping(&follower));
        follower.prompt = true;
        follower.answer_next();
        assert!(is_bootstrapping(&follower));
        assert!(!follower.engine.cx.state_syncing);
    }
}

/// Nodes that are named in the configuration are asked instead of the beacons, each with the same
/// weight.
#[test]
fn state_sync_nodes_of_the_configuration_have_one_vote_each() {
    let a = summary(5, "a");
    let mut plan = Plan::sync(&[100, 1, 1, 1]);
    plan.config.state_sync_nodes = vec![node(2), node(3), node(4), node(3)];
    let (mut follower, voters, _) = voting(plan, &[a]);
    let mut asked: Vec<NodeId> = voters.iter().map(|(to, _)| *to).collect();
    asked.sort_unstable();
    assert_eq!(asked, [node(2), node(3), node(4)]);
    answer_all(&mut follower, &voters, |at, id| Some(vote(id, &[a.id][..usize::from(at < 2)])));
    assert_eq!(follower.synced_to, Some(a));
}

#[test]
fn without_anybody_to_ask_bootstrapping_follows() {
    let (follower, out) = Plan::sync(&[]).start();
    assert_eq!(out[0], Output::Bootstrapped);
    assert_eq!(follower.engine.phase(), Phase::NormalOperation);
    assert_eq!(follower.calls.len(), 4);
}
