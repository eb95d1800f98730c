//! The laboratory against the theory, and its command line.

use avalanche_consensus::testing::simulation::Simulation;

use super::*;
use crate::simulate::svg::Chart;

fn args(line: &str) -> Result<Args, String> {
    let words = line.split_whitespace().map(str::to_owned);
    Args::parse(words).map_err(|error| error.to_string())
}

/// The polls that honest nodes made for a decision on average, and the number of decisions.
fn measured(bench: &Bench, setting: Setting) -> (f64, u32) {
    let scenario = bench.scenario_of_theory(setting, bench.seed).unwrap();
    let mut simulation = Simulation::new(scenario).unwrap();
    let report = simulation.run();
    assert!(report.verdict.passed(), "{}", report.verdict);
    let status = simulation.status();
    let honest = status.iter().filter(|node| node.adversary.is_none());
    let (polls, nodes) =
        honest.fold((0, 0), |(polls, nodes), node| (polls + node.polls, nodes + 1));
    let decisions = nodes * u32::try_from(bench.heights).unwrap();
    (polls as f64 / f64::from(decisions), decisions)
}

/// The standard deviation of the number of polls until `run` in a row succeeded, if each does with
/// the probability `odds`.
fn deviation(odds: f64, run: u32) -> f64 {
    let (missing, power) = (1.0 - odds, odds.powi(i32::try_from(run).unwrap()));
    let variance = (missing * power).powi(-2)
        - f64::from(2 * run + 1) / (missing * power)
        - odds / missing.powi(2);
    variance.sqrt()
}

#[test]
fn the_engine_takes_as_many_polls_as_the_theory_expects() {
    let mut above_beta = 0;
    for (k, alpha, beta, silent, heights) in
        [(20, 15, 20, 15, 12), (20, 15, 10, 20, 12), (10, 8, 10, 10, 20), (5, 4, 8, 20, 20)]
    {
        let setting =
            Setting { k, alpha: Some(alpha), beta, adversary: silent, ..Setting::default() };
        let behaviour = Behaviour::Silent;
        let bench = Bench { nodes: 20, heights, behaviour, ..Bench::default() };
        let expected = bench.expected(setting).unwrap();
        let (found, decisions) = measured(&bench, setting);
        let mean = expected.expected_polls(beta).value();
        // Four standard deviations of the mean of so many decisions.
        let spread = deviation(expected.success().value(), beta) / f64::from(decisions).sqrt();
        assert!(
            (found - mean).abs() <= 4.0 * spread,
            "{setting:?}: {found:.2} polls, {mean:.2} expected, {spread:.2} is a deviation"
        );
        assert!(4.0 * spread < 0.35 * mean, "{setting:?}: a tolerance that says nothing");
        above_beta += u32::from(mean > 1.5 * f64::from(beta));
    }
    assert!(above_beta >= 3, "hardly any setting in which polls fail");
}

#[test]
fn without_silent_nodes_a_decision_takes_beta_polls_and_seldom_more() {
    for (k, beta) in [(20, 20), (5, 8), (10, 3)] {
        let setting = Setting { k, beta, ..Setting::default() };
        let bench = Bench { nodes: 9, heights: 6, ..Bench::default() };
        let (found, decisions) = measured(&bench, setting);
        // The first poll fails where peers are asked before the block has reached them.
        let more = found - f64::from(beta);
        assert!((0.0..1.0).contains(&more), "{setting:?}: {found} polls");
        assert_eq!(decisions, 54);
    }
}

#[test]
fn parameters_that_cannot_agree_are_seen_to_disagree() {
    let weak = Setting { k: 2, alpha: Some(2), beta: 1, ..Setting::default() };
    let bench = Bench { heights: 10, ..Bench::default() };
    assert!(bench.measure(weak).unwrap().disagreements > 0);
    let usual = bench.measure(Setting::default()).unwrap();
    assert_eq!((usual.disagreements, usual.stalled, usual.runs), (0, 0, 2));
    assert_eq!(usual.finality.len(), 2 * 25 * 10);
    assert!(usual.percentile(50) < usual.percentile(99));
    assert_eq!(usual.percentile(100), usual.finality.last().copied());
    assert!(usual.polls_per_block().unwrap() >= 20.0, "{:?}", usual.polls_per_block());
    assert!(usual.bytes_per_block().unwrap() > 10_000.0, "{:?}", usual.bytes_per_block());
}

#[test]
fn options_are_read_and_checked() {
    let usual = args("").unwrap();
    assert_eq!((usual.bench, usual.setting), (Bench::default(), Setting::default()));
    assert_eq!(usual.sweeps.len(), 5);
    let read = args("--beta 5,10 --adversary 12 --k 10 --nodes 50 --behaviour silent --slot 300");
    let read = read.unwrap();
    assert_eq!(read.sweeps, [(Sweep::Beta, vec![5, 10])]);
    assert_eq!(read.setting, Setting { k: 10, adversary: 12, ..Setting::default() });
    assert_eq!((read.bench.nodes, read.bench.slot), (50, 300));
    assert_eq!(read.bench.behaviour, Behaviour::Silent);
    assert_eq!(args("--beta 5").unwrap().sweeps.len(), 5);
    for (line, part) in [
        ("--gamma 3", "unknown option \"--gamma\""),
        ("--beta 5,", "--beta \"\" is not a whole number"),
        ("--adversary 51", "from 0 to 50"),
        ("--behaviour bad", "one of silent, contrary,"),
        ("--alpha 10,15", "alpha_preference = 10"),
    ] {
        let error = args(line).unwrap_err();
        assert!(error.contains(part), "{line}: {error}");
    }
}

#[test]
fn the_help_names_the_defaults() {
    let (bench, setting) = (Bench::default(), Setting::default());
    for (option, default) in [
        ("--k", setting.k.into()),
        ("--beta", setting.beta.into()),
        ("--adversary", setting.adversary.into()),
        ("--latency", setting.latency.into()),
        ("--nodes", bench.nodes.into()),
        ("--heights", bench.heights),
        ("--slot", bench.slot.into()),
        ("--seeds", bench.seeds),
        ("--seed", bench.seed),
    ] {
        let line = HELP.lines().find(|line| line.trim_start().starts_with(&format!("{option} ")));
        assert!(line.unwrap().ends_with(&format!("(default {default})")), "{option}");
    }
    assert!(Behaviour::ALL.into_iter().all(|behaviour| HELP.contains(behaviour.name())));
}

#[test]
fn equal_command_lines_print_equal_bytes() {
    let line = "--nodes 8 --heights 4 --seeds 1 --beta 2,5";
    let print = |line: String| {
        let mut out = Vec::new();
        run(line.split_whitespace().map(str::to_owned), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let table = print(line.to_owned());
    assert_eq!(table, print(line.to_owned()));
    let rows: Vec<_> = table.lines().filter(|row| row.trim_start().starts_with("beta")).collect();
    assert_eq!(rows.len(), 2);
    let text = print(format!("{line} --json"));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let points = value["points"].as_array().unwrap();
    assert_eq!(points.len(), 2);
    for (point, row) in points.iter().zip(rows) {
        let p50 = point["finality_ms"]["p50"].as_f64().unwrap();
        assert_eq!(row.split_whitespace().nth(2).unwrap(), format!("{p50:.0}"));
        assert_eq!(point["stalled"], 0);
    }
}

#[test]
fn each_curve_becomes_four_pictures() {
    let bench = Bench { nodes: 8, heights: 3, seeds: 1, ..Bench::default() };
    let point = |beta| (beta, bench.measure(Setting { beta, ..Setting::default() }).unwrap());
    let curve = Curve { sweep: Sweep::Beta, points: vec![point(2), point(6)] };
    let charts: Vec<(String, Chart)> = charts(&curve);
    let names: Vec<_> = charts.iter().map(|(name, _)| name.as_str()).collect();
    let expected =
        ["finality", "polls", "bytes", "disagreements"].map(|what| format!("lab-beta-{what}.svg"));
    assert_eq!(names, expected);
    for (name, chart) in &charts {
        assert!(chart.series.iter().all(|series| series.points.len() == 2), "{name}");
        assert_eq!(chart.groups.is_empty(), !name.contains("disagreements"));
    }
}
