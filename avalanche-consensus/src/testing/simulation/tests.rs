//! Whole runs: they repeat, they meet every fault, and their verdicts can be bad.

use std::collections::BTreeSet;
use std::time::Duration;

use super::block::{BlockRef, Kind};
use super::vm::Status;
use super::*;
use crate::engine::{Fault as Reported, Input, Output, Phase};
use crate::{Id, Timestamp};

fn scenario(name: &str, seed: u64) -> Scenario {
    let named = Named::find(name).unwrap_or_else(|| panic!("no scenario {name}"));
    named.draw(seed, named.nodes)
}

fn simulation(scenario: Scenario) -> Simulation {
    Simulation::new(scenario).expect("a valid scenario")
}

/// Runs to a good end.
fn pass(name: &str, seed: u64) -> Report {
    let report = simulation(scenario(name, seed)).run();
    assert_eq!(report.verdict, Verdict::Pass, "{name}, seed {seed}: {:?}", report.stuck);
    report
}

fn hex(bytes: [u8; 32]) -> String {
    format!("{:x}", Id::new(bytes))
}

/// The hash of this run is the same on every machine and with every compiler. It changes with every
/// change of what engines or the simulation do; then write down the new one.
const GOLDEN: &str = "b2077b0f08482e902029e74cee9d4397bc4d8796c8d3ea01888069a881744f64";

#[test]
fn the_run_of_a_seed_is_the_same_on_every_machine() {
    let mut scenario = scenario("real", 3);
    scenario.heights = 20;
    let report = simulation(scenario).run();
    assert_eq!(report.verdict, Verdict::Pass);
    assert_eq!(hex(report.event_hash), GOLDEN);
}

#[test]
fn equal_seeds_give_equal_runs_in_one_go_or_in_pieces() {
    let mut hashes = BTreeSet::new();
    for seed in 0..6 {
        let report = pass("default", seed);
        let mut again = simulation(scenario("default", seed));
        while again.advance(Duration::from_millis(333)) {}
        assert_eq!(again.report(), report);
        hashes.insert(report.event_hash);
    }
    assert_eq!(hashes.len(), 6);
}

#[test]
fn a_default_seed_is_five_nodes_fifty_heights_and_a_fault() {
    let (mut kinds, mut real, mut whole, mut bootstrapping) = (BTreeSet::new(), 0, 0, 0);
    let mut behaviours = BTreeSet::new();
    for seed in 0..1_000 {
        let scenario = scenario("default", seed);
        assert_eq!(scenario.nodes(), 5);
        assert!(scenario.heights >= 50 && !scenario.plan.faults.is_empty(), "seed {seed}");
        kinds.extend(scenario.plan.faults.iter().map(|planned| planned.fault.kind()));
        behaviours.extend((0..5).filter_map(|node| scenario.plan.adversary(node)));
        let parameters = scenario.config.parameters;
        let is_real = [parameters.k(), parameters.alpha_confidence(), parameters.beta()];
        if is_real == [20, 15, 20] {
            real += 1;
            whole += u32::from(scenario.weights.iter().all(|weight| *weight == 4));
        }
        bootstrapping += u32::from(scenario.start == Phase::Bootstrapping);
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), FaultKind::ALL);
    assert_eq!(behaviours.into_iter().collect::<Vec<_>>(), Behaviour::ALL);
    assert!(real > 400 && real < 800, "{real} with the real parameters");
    assert!(whole > 100 && bootstrapping > 50, "{whole} {bootstrapping}");
}

#[test]
fn default_seeds_pass_contested() {
    let mut summary = Summary::default();
    (0..12).for_each(|seed| summary.add(&pass("default", seed)));
    assert!(summary.passed());
    assert_eq!(summary.seeds, 12);
    assert!(summary.accepted >= 12 * 4 * 50, "{summary:?}");
    assert!(summary.conflicts > 50 && summary.rejected > summary.conflicts, "{summary:?}");
}

#[test]
fn every_adversary_does_its_worst_and_is_borne() {
    for behaviour in Behaviour::ALL {
        let report = pass(behaviour.name(), 1);
        let Counts { misdeeds, reported, .. } = report.counts;
        assert!(misdeeds > 10, "{behaviour}: {misdeeds} misdeeds");
        if behaviour == Behaviour::Flooding {
            assert!(reported > 100, "{reported} faults were reported");
        }
    }
}

#[test]
fn every_kind_of_fault_happens() {
    let run = |name: &str| {
        let mut total = (Counts::default(), NetworkCounts::default());
        for seed in 0..5 {
            let Report { counts, network, .. } = pass(name, seed);
            total.0.crashes += counts.crashes;
            total.0.restarts += counts.restarts;
            total.0.partitions += counts.partitions;
            total.0.lies += counts.lies;
            total.0.slow_answers += counts.slow_answers;
            total.1.cut += network.cut;
            total.1.lost += network.lost;
            total.1.duplicated += network.duplicated;
            total.1.reordered += network.reordered;
            total.1.congested += network.congested;
        }
        total
    };
    let (counts, _) = run("crashes");
    assert!(counts.crashes >= 10 && counts.restarts == counts.crashes, "{counts:?}");
    let (counts, network) = run("partitions");
    assert!(counts.partitions == 20 && network.cut > 100, "{counts:?} {network:?}");
    let (_, network) = run("messages");
    let NetworkCounts { lost, duplicated, reordered, congested, .. } = network;
    let least = [lost, duplicated, reordered, congested].into_iter().min();
    assert!(least > Some(50), "{network:?}");
    assert!(run("slow-vms").0.slow_answers > 500);
    assert!(run("lying-vms").0.lies > 5);
}

#[test]
fn a_network_without_faults_passes_and_nothing_is_left_to_do() {
    let report = pass("calm", 1);
    assert_eq!(report.counts.accepted, 5 * 50);
    assert_eq!((report.heights, report.counts.crashes, report.network.lost), (50, 0, 0));
    for nodes in [1, 2, 3, 7] {
        let scenario = Named::find("calm").unwrap().draw(1, nodes);
        assert_eq!(simulation(scenario).run().verdict, Verdict::Pass, "{nodes} nodes");
    }
}

#[test]
fn too_much_silent_weight_is_no_progress_and_says_why() {
    let report = simulation(scenario("stalled", 1)).run();
    assert_eq!(report.verdict, Verdict::NoProgress { reached: 0, heights: 5 });
    assert!(!report.stuck.is_empty());
    assert!(report.verdict.to_string().contains("0 of 5 heights"));
}

#[test]
fn parameters_that_cannot_agree_diverge() {
    let forked = |seed: &u64| {
        let verdict = simulation(scenario("weak", *seed)).run().verdict;
        matches!(verdict, Verdict::Diverged(Violation { invariant: Invariant::Agreement, .. }))
    };
    assert!((0..10).filter(forked).count() >= 5);
    // Who wants to count forks can.
    let scenario = Scenario { go_on: true, events_max: 200_000, ..scenario("weak", 0) };
    let report = simulation(scenario).run();
    assert!(report.counts.disagreements > 1, "{:?}", report.counts);
    assert!(matches!(report.verdict, Verdict::Diverged(_)));
}

#[test]
fn faults_can_be_left_out() {
    let whole = scenario("crashes", 1);
    let part = whole.clone().with_faults(&[2]);
    assert_eq!(part.plan.faults, [whole.plan.faults[2].clone()]);
    let none = simulation(whole.with_faults(&[])).run();
    assert_eq!((none.verdict, none.counts.crashes), (Verdict::Pass, 0));
}

#[test]
fn what_is_injected_can_be_watched() {
    let mut simulation = simulation(scenario("crashes", 1));
    let mut down = 0;
    while simulation.advance(Duration::from_millis(100)) {
        down += simulation.status().iter().filter(|node| node.phase.is_none()).count();
    }
    let lines: Vec<_> = simulation.injected().collect();
    assert_eq!(lines.len(), 8);
    assert!(lines.is_sorted_by_key(|(at, _)| *at) && lines[0].1.contains("crashes after"));
    assert!(down > 10, "{down}");
    let status = simulation.status();
    assert!(status.iter().all(|node| node.height == 50 && node.polls > 0 && node.weight > 0));
}

#[test]
fn scenarios_are_found_by_their_names() {
    let names: BTreeSet<_> = Named::ALL.iter().map(|named| named.name).collect();
    assert_eq!(names.len(), Named::ALL.len());
    assert_eq!(Named::find("other"), None);
    let weighted = scenario("weighted", 1);
    let (most, least) = (weighted.weights[0], weighted.weights[1_999]);
    assert!((900..1_100).contains(&(most / least)), "{most} {least}");
    assert_eq!((weighted.nodes(), weighted.heights), (2_000, 100));
}

/// A run that is going well, and its node 1.
fn running() -> Simulation {
    let mut simulation = simulation(scenario("calm", 1));
    while simulation.nodes[1].vm.undecided() == 0 || simulation.nodes[1].vm.height() < 3 {
        assert!(simulation.advance(Duration::from_millis(1)));
    }
    simulation
}

/// The invariant that breaks once something was done to node 1.
fn broken(tamper: impl FnOnce(&mut Simulation)) -> Invariant {
    let mut simulation = running();
    tamper(&mut simulation);
    match simulation.run().verdict {
        Verdict::Diverged(violation) => {
            assert_eq!(violation.node, 1, "{violation}");
            violation.invariant
        }
        other => panic!("{other}"),
    }
}

/// A block that node 1 has verified and not decided.
fn undecided(simulation: &Simulation) -> BlockRef {
    let vm = &simulation.nodes[1].vm;
    let children = &simulation.world.blocks.get(vm.tip()).children;
    let verified = |block: &&BlockRef| vm.status(**block) == Status::Verified;
    *children.iter().find(verified).expect("one is processing")
}

fn carry_out(simulation: &mut Simulation, output: Output<BlockRef>) {
    let Simulation { nodes, world, .. } = simulation;
    nodes[1].carry_out(world, output).expect("no fatal error");
}

#[test]
fn every_invariant_can_break() {
    let mut seen = BTreeSet::new();
    let mut expect = |invariant, tamper: fn(&mut Simulation)| {
        assert_eq!(broken(tamper), invariant);
        seen.insert(invariant);
    };
    expect(Invariant::Agreement, |simulation| {
        let height = usize::try_from(simulation.nodes[1].vm.height()).unwrap() + 1;
        simulation.world.chain.truncate(height);
        simulation.world.chain.push(BlockRef::GENESIS);
        let block = simulation.world.blocks.parsed(undecided(simulation));
        carry_out(simulation, Output::Accept(block));
    });
    expect(Invariant::OneDecision, |simulation| {
        let at = undecided(simulation);
        simulation.world.blocks.get_mut(at).unwrap().accepted_honestly = true;
        let block = simulation.world.blocks.parsed(at);
        carry_out(simulation, Output::Reject(block));
    });
    expect(Invariant::ConsecutiveHeights, |simulation| {
        let tip = simulation.nodes[1].vm.tip();
        let tip = simulation.world.blocks.parsed(tip);
        carry_out(simulation, Output::Accept(tip));
    });
    expect(Invariant::ParentAccepted, |simulation| {
        let tip = simulation.nodes[1].vm.tip();
        let below = simulation.world.blocks.get(tip).parent;
        let blocks = &mut simulation.world.blocks;
        let rival = blocks.build(below, 7, 7, Kind::Plain, Timestamp::ZERO);
        let other = blocks.build(rival, 7, 7, Kind::Plain, Timestamp::ZERO);
        let block = blocks.parsed(other);
        carry_out(simulation, Output::Accept(block));
    });
    expect(Invariant::VerifiedBeforeAccept, |simulation| {
        let tip = simulation.nodes[1].vm.tip();
        let blocks = &mut simulation.world.blocks;
        let block = blocks.build(tip, 7, 7, Kind::Plain, Timestamp::ZERO);
        let block = blocks.parsed(block);
        carry_out(simulation, Output::Accept(block));
    });
    expect(Invariant::RejectedOnce, |simulation| {
        let tip = simulation.world.blocks.parsed(simulation.nodes[1].vm.tip());
        carry_out(simulation, Output::Reject(tip));
    });
    expect(Invariant::NothingForgotten, |simulation| {
        let at = undecided(simulation);
        simulation.nodes[1].vm.reject(at);
    });
    expect(Invariant::PreferenceTold, |simulation| {
        simulation.nodes[1].vm.prefer(BlockRef::GENESIS);
    });
    expect(Invariant::TipTold, |simulation| {
        let at = undecided(simulation);
        simulation.nodes[1].vm.accept(at);
    });
    expect(Invariant::Bounded, |simulation| {
        let other = Simulation::new(simulation.scenario.clone()).unwrap();
        let polls = simulation.nodes[1].engine.as_ref().unwrap().polls_open();
        assert!(polls > 0 && other.world.config.limits.polls_max > 0);
        simulation.world.config.limits.polls_max = 0;
        let Simulation { nodes, world, .. } = simulation;
        nodes[1].take(world, Input::Tick);
    });
    expect(Invariant::NoFalseAccusation, |simulation| {
        let node = world::node_id(2);
        let fault = Reported::WrongHeight(Id::EMPTY);
        carry_out(simulation, Output::Fault { node, fault });
    });
    expect(Invariant::NeverFatal, |simulation| {
        let Simulation { nodes, world, .. } = simulation;
        nodes[1].take(world, Input::Failed("broken on purpose".to_owned()));
    });
    assert_eq!(seen.len(), 12);
}

#[test]
fn a_vm_is_asked_for_verdicts_in_order_and_once() {
    let mut simulation = running();
    let (blocks, vm) = (&mut simulation.world.blocks, &simulation.nodes[1].vm);
    let tip = vm.tip();
    let next = blocks.build(tip, 7, 7, Kind::Plain, Timestamp::ZERO);
    let above = blocks.build(next, 7, 7, Kind::Plain, Timestamp::ZERO);
    assert_eq!(vm.may_verify(blocks, next), Ok(()));
    assert_eq!(vm.may_verify(blocks, above), Err(Invariant::VerifiedAfterParent));
    let verified = undecided(&simulation);
    let vm = &simulation.nodes[1].vm;
    assert_eq!(vm.may_verify(&simulation.world.blocks, verified), Err(Invariant::VerifiedOnce));
}

#[test]
fn a_preference_that_is_decided_is_noticed() {
    let mut simulation = running();
    let node = &mut simulation.nodes[1];
    let (engine, vm) = (node.engine.as_ref().unwrap(), &mut node.vm);
    assert_eq!(invariants::preference_undecided(engine, vm), Ok(()));
    vm.prefer(vm.tip());
    let holds = invariants::preference_undecided(engine, vm);
    assert_eq!(holds, Err(Invariant::PreferenceUndecided));
}
