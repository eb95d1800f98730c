//! Runs: they agree, repeat, are contested, go wrong as told, and end.

use std::collections::BTreeSet;
use std::time::Duration;

use avalanche_consensus::testing::simulation::{Report, Simulation, Verdict};

use super::*;

/// Runs to the end.
fn run(config: &Config) -> (Simulation, Report) {
    let mut simulation = Simulation::new(config.scenario().unwrap()).unwrap();
    let report = simulation.run();
    (simulation, report)
}

fn config(nodes: u32, seed: u64) -> Config {
    Config { heights: 12, nodes, seed, loss_percent: 2 }
}

#[test]
fn nodes_agree_on_contested_blocks_whatever_goes_wrong() {
    let (mut conflicts, mut rejected, mut lost, mut told) = (0, 0, 0, BTreeSet::new());
    for seed in 0..6 {
        let (simulation, report) = run(&config(5, seed));
        assert_eq!(report.verdict, Verdict::Pass, "seed {seed}");
        assert_eq!(report.heights, 12);
        assert_eq!((report.counts.crashes, report.counts.partitions), (1, 1));
        conflicts += report.counts.conflicts;
        rejected += report.counts.rejected;
        lost += report.network.lost;
        let lines = simulation.injected().map(|(_, line)| line.to_owned());
        told.extend(lines.flat_map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>()));
    }
    assert!(conflicts > 10 && rejected > 50 && lost > 50, "{conflicts} {rejected} {lost}");
    for word in ["crashes", "cut", "lost", "VM"] {
        assert!(told.contains(word), "{word} in {told:?}");
    }
}

#[test]
fn the_seed_decides_everything() {
    let first = run(&config(5, 1)).1;
    assert_eq!(first, run(&config(5, 1)).1);
    let hashes: BTreeSet<_> = (1..5).map(|seed| run(&config(5, seed)).1.event_hash).collect();
    assert_eq!(hashes.len(), 4);
}

#[test]
fn how_far_a_step_goes_changes_nothing() {
    let whole = run(&config(4, 3)).1;
    let mut simulation = Simulation::new(config(4, 3).scenario().unwrap()).unwrap();
    while simulation.advance(Duration::from_millis(7)) {}
    assert_eq!(simulation.report(), whole);
}

#[test]
fn every_size_of_network_decides() {
    for nodes in [1, 2, 3, 8, 30] {
        let report = run(&config(nodes, 2)).1;
        assert_eq!(report.verdict, Verdict::Pass, "{nodes} nodes");
    }
}

#[test]
fn an_adversary_has_no_more_stake_than_can_be_borne() {
    for nodes in 1..=100 {
        let scenario = config(nodes, 1).scenario().unwrap();
        let total: u64 = scenario.weights.iter().sum();
        let hostile: Vec<u32> =
            (0..nodes).filter(|node| scenario.plan.adversary(*node).is_some()).collect();
        assert_eq!(hostile.len(), usize::from(nodes >= 4), "{nodes} nodes");
        for node in hostile {
            assert!(scenario.weights[node as usize] * 12 <= total, "{nodes} nodes");
        }
        assert!(scenario.plan.faults.iter().all(|planned| planned.fault.fits(nodes)));
    }
}

#[test]
fn a_network_that_loses_half_of_all_messages_says_so() {
    // Loss is over when the last block should have been built, so patience must be too.
    let mut scenario = Config { loss_percent: 50, heights: 10, ..config(5, 1) }.scenario().unwrap();
    scenario.patience = Duration::from_millis(1);
    let mut simulation = Simulation::new(scenario).unwrap();
    let verdict = simulation.run().verdict;
    assert!(matches!(verdict, Verdict::NoProgress { .. }), "{verdict}");
}

#[test]
fn the_drawing_says_what_it_is_what_happens_and_how_it_ended() {
    for live in [false, true] {
        let mut out = Vec::new();
        let config = config(5, 1);
        let mut simulation = Simulation::new(config.scenario().unwrap()).unwrap();
        let mut view = View::new(&mut out, config, live);
        view.start().unwrap();
        while simulation.advance(Duration::from_millis(100)) {
            view.show(&simulation).unwrap();
        }
        view.finish(&simulation).unwrap();
        let text = String::from_utf8(out).unwrap();
        let first = text.lines().next().unwrap();
        assert!(first.starts_with("devnet: simulated network in one process"), "{first}");
        let hash = simulation.report().event_hash;
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text.lines().last().unwrap(), format!("all nodes agree; events {hash}"));
        assert_eq!(text.contains('\x1b'), live);
        assert!(text.contains("node 4"));
        // Each is told once, however often the table is drawn.
        let told = simulation.injected().count();
        assert_eq!(text.lines().filter(|line| line.contains(" s  * ")).count(), told);
        assert!(told > 6, "{told}");
    }
}

#[test]
fn json_is_one_object_on_one_line() {
    let config = config(3, 9);
    let (simulation, report) = run(&config);
    let line = json(&config, &simulation);
    assert!(!line.contains('\n'));
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["verdict"], "all nodes agree");
    assert_eq!(value["seed"], "9");
    assert_eq!(value["polls"], report.polls);
    assert_eq!(value["contested"], report.counts.conflicts);
}
