//! Runs: they agree, repeat, are contested, and end.

use std::time::Duration;

use super::table::json;
use super::*;

/// Runs to the end.
fn run(config: Config) -> (Simulation, Outcome) {
    let mut simulation = Simulation::new(config).unwrap();
    while simulation.advance(Duration::from_secs(1)).unwrap() {}
    let outcome = simulation.outcome();
    (simulation, outcome)
}

fn config(nodes: u32, seed: u64) -> Config {
    Config { heights: 12, nodes, seed, loss_percent: 2 }
}

#[test]
fn nodes_agree_on_contested_blocks() {
    let (mut contested, mut rejected, mut lost) = (0, 0, 0);
    for seed in 0..6 {
        let (simulation, outcome) = run(config(5, seed));
        assert_eq!(outcome.verdict, Verdict::Agree, "seed {seed}");
        assert_eq!(outcome.heights, 12);
        assert!(simulation.status().iter().all(|node| node.accepted == 12));
        contested += outcome.contested;
        rejected += outcome.rejected;
        lost += outcome.lost;
    }
    assert!(contested > 10 && rejected > 50 && lost > 50, "{contested} {rejected} {lost}");
}

#[test]
fn the_seed_decides_everything() {
    let first = run(config(5, 1)).1;
    assert_eq!(first, run(config(5, 1)).1);
    let hashes: std::collections::BTreeSet<_> =
        (1..5).map(|seed| run(config(5, seed)).1.hash).collect();
    assert_eq!(hashes.len(), 4);
}

#[test]
fn how_far_a_step_goes_changes_nothing() {
    let whole = run(config(4, 3)).1;
    let mut simulation = Simulation::new(config(4, 3)).unwrap();
    while simulation.advance(Duration::from_millis(7)).unwrap() {}
    assert_eq!(simulation.outcome(), whole);
}

#[test]
fn every_size_of_network_decides() {
    for nodes in [1, 2, 3, 8, 30] {
        let outcome = run(config(nodes, 2)).1;
        assert_eq!(outcome.verdict, Verdict::Agree, "{nodes} nodes");
    }
}

#[test]
fn lost_messages_are_repeated_and_lost_blocks_fetched() {
    for seed in 0..4 {
        let config = Config { loss_percent: 12, ..config(7, seed) };
        let outcome = run(config).1;
        assert_eq!(outcome.verdict, Verdict::Agree, "seed {seed}");
        assert!(outcome.lost > 500, "{outcome:?}");
    }
}

#[test]
fn a_network_that_loses_half_of_all_messages_says_so() {
    let config = Config { loss_percent: 50, heights: 3, ..config(5, 1) };
    let outcome = run(config).1;
    assert_eq!(outcome.verdict, Verdict::NoProgress);
}

#[test]
fn the_drawing_says_what_it_is_and_how_it_ended() {
    for live in [false, true] {
        let mut out = Vec::new();
        let mut simulation = Simulation::new(config(5, 1)).unwrap();
        let mut table = Table::new(&mut out, live);
        table.start(&simulation).unwrap();
        while simulation.advance(Duration::from_millis(100)).unwrap() {
            table.show(&simulation).unwrap();
        }
        table.finish(&simulation).unwrap();
        let text = String::from_utf8(out).unwrap();
        let first = text.lines().next().unwrap();
        assert_eq!(first, "devnet: simulated network in one process; no sockets, no VM yet");
        let hash = simulation.outcome().hash;
        let last = text.lines().last().unwrap();
        assert_eq!(last, format!("all nodes agree; decisions {hash:x}"));
        assert_eq!(text.contains('\x1b'), live);
        assert!(text.contains("node 4"));
    }
}

#[test]
fn json_is_one_object_on_one_line() {
    let (simulation, outcome) = run(config(3, 9));
    let line = json(&simulation);
    assert!(line.starts_with('{') && line.ends_with('}') && !line.contains('\n'));
    for part in [
        r#""verdict":"all nodes agree""#.to_owned(),
        r#""seed":"9""#.to_owned(),
        format!(r#""polls":{}"#, outcome.polls),
        format!(r#""decisions":"{:x}""#, outcome.hash),
    ] {
        assert!(line.contains(&part), "{part} in {line}");
    }
}
