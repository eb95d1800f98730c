//! The conformance suite, held against VMs that break one promise each: it has to find every one.
#![cfg(test)]

mod counter;

use std::panic::{AssertUnwindSafe, catch_unwind};

use avalanche_vm::testing::suite::check;
use avalanche_vm::testing::{run, suite};
use counter::{Broken, Bug};

const BAD: &str = "a bad block is refused and changes nothing";
const EQUAL: &str = "equal blocks lead to equal states";
const BUILDS: &str = "it builds what waits, as it was asked";
const GROWS: &str = "work becomes blocks, and parsing them needs no state";
const HARM: &str = "garbage does no harm";
const LATER: &str = "a block that is too new is valid later";
const REPEATED: &str = "what is repeated changes nothing";
const STOPPED: &str = "a state that stopped anywhere is found again";
const TOLD: &str = "the engine is told that there is work";
const TRACE: &str = "a rejected block leaves no trace";
const WINNERS: &str = "the winners alone make the state";

/// What breaks, and the rule that finds it first.
const BUGS: &[(Bug, &str)] = &[
    (Bug::RefusalLeavesTrace, BAD),
    (Bug::ParentUnchecked, BAD),
    (Bug::HeightUnchecked, BAD),
    (Bug::ReadsMoreThanABlock, BAD),
    (Bug::IgnoresGenesis, BAD),
    (Bug::ZeroIsValid, BAD),
    (Bug::NodeInState, EQUAL),
    (Bug::NowInState, EQUAL),
    (Bug::ForgetsAtRestart, EQUAL),
    (Bug::ReplayNeedsVerify, EQUAL),
    (Bug::StartsAhead, EQUAL),
    (Bug::BuildConsumes, BUILDS),
    (Bug::BuildsOfNothing, BUILDS),
    (Bug::BuildsTooLong, BUILDS),
    (Bug::LaterThanAsked, BUILDS),
    (Bug::VerifyCounts, GROWS),
    (Bug::ParseNeedsState, GROWS),
    (Bug::NeverBuildsTheLast, GROWS),
    (Bug::RefusesTheFutureForEver, LATER),
    (Bug::NeverMindsTheFuture, LATER),
    (Bug::AcceptCountsTwice, REPEATED),
    (Bug::VerifyTwiceFails, REPEATED),
    (Bug::TornState, STOPPED),
    (Bug::SilentOnWork, TOLD),
    (Bug::SilentOnRest, TOLD),
    (Bug::RejectCounts, TRACE),
    (Bug::IgnoresPreference, TRACE),
    (Bug::RejectLosesParent, WINNERS),
    (Bug::LosesRejectedWork, WINNERS),
    (Bug::ForgetsSiblings, WINNERS),
    (Bug::FatalOnGarbage, HARM),
    (Bug::ReadsAnySummary, HARM),
    (Bug::SummaryNamesNode, "equal states have equal summaries"),
];

#[test]
fn a_vm_that_keeps_every_promise_passes() {
    let report = run(suite(Broken(Bug::None)));
    assert!(report.returned > 0 && report.lost_batches > 0 && report.summaries > 0, "{report:?}");
}

#[test]
fn every_broken_promise_is_found_by_its_rule() {
    for (bug, rule) in BUGS {
        match run(check(&Broken(*bug))) {
            Ok(report) => panic!("{bug:?} passes: {report:?}"),
            Err(found) => assert_eq!(found.rule, *rule, "{bug:?}: {found}"),
        }
    }
}

#[test]
fn a_panic_is_not_hidden() {
    let broken = AssertUnwindSafe(|| run(check(&Broken(Bug::PanicsOnShortBytes))));
    assert!(catch_unwind(broken).is_err());
}

#[test]
#[should_panic(expected = "breaks the rule that the engine is told")]
fn the_suite_panics_with_the_rule() {
    run(suite(Broken(Bug::SilentOnWork)));
}
