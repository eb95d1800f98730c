//! The theory against its published table, whole numbers, and the real sampler and polls.

use super::*;
use crate::poll::Polls;
use crate::sampler::SeededSampler;
use crate::snowball::Parameters;
use crate::snowman::Topological;
use crate::{Bag, HashKey, Height, Id, NodeId};

/// The table of section 11.1 of the specification, for k = 20, alpha = 15, beta = 20: the share
/// that answers red, the odds of one poll, of twenty in a row, and the expected polls to decide.
const TABLE: [(f64, &str, &str, &str); 9] = [
    (0.50, "0.0207", "2e-34", "5e33"),
    (0.60, "0.126", "1e-18", "1e18"),
    (0.65, "0.245", "6e-13", "2e12"),
    (0.70, "0.416", "2e-8", "7e7"),
    (0.75, "0.617", "6e-5", "4e4"),
    (0.80, "0.804", "0.013", "394"),
    (0.85, "0.933", "0.25", "45"),
    (0.90, "0.989", "0.80", "22.6"),
    (0.95, "0.9997", "0.99", "20.1"),
];

/// Significant digits of a printed number.
fn digits(text: &str) -> usize {
    let mantissa = text.split('e').next().unwrap_or_default();
    mantissa.replace('.', "").trim_start_matches('0').len()
}

/// A number with as many digits as `printed` has, in the same form.
fn like(printed: &str, number: Magnitude) -> String {
    let digits = digits(printed);
    let text = format!("{number:.digits$}");
    // The table writes 4e4 where a plain number is not too long either.
    if printed.contains('e') { format!("{:.*e}", digits - 1, number.value()) } else { text }
}

#[test]
fn the_published_table_is_met_to_its_digits() {
    for (share, success, run, polls) in TABLE {
        let odds = PollOdds::new(20, 15, Stake::Share(share));
        assert_eq!(like(success, odds.success()), success, "{share}");
        assert_eq!(like(run, odds.run(20)), run, "{share}");
        assert_eq!(like(polls, odds.expected_polls(20)), polls, "{share}");
    }
}

/// The number of ways to draw, for small numbers.
fn choose(from: u64, drawn: u64) -> f64 {
    if drawn > from {
        return 0.0;
    }
    (0..drawn).fold(1.0, |ways, i| ways * (from - i) as f64 / (i + 1) as f64)
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-12 * left.abs().max(right.abs())
}

#[test]
fn draws_without_putting_back_are_counted_exactly() {
    let mut seen = 0;
    for (k, alpha) in [(1, 1), (5, 3), (5, 5), (20, 15)] {
        for total in [5, 20, 24, 100] {
            for red in 0..=total {
                let odds = PollOdds::new(k, alpha, Stake::Units { total, red });
                let ways = |i| choose(red, i) * choose(total - red, u64::from(k) - i);
                let all = choose(total, u64::from(k));
                let tail = |counts: std::ops::Range<u64>| counts.map(ways).sum::<f64>();
                let (k, alpha) = (u64::from(k), u64::from(alpha));
                // Without enough units there is no poll.
                let success = if all > 0.0 { tail(alpha..k + 1) / all } else { 0.0 };
                let failure = if all > 0.0 { tail(0..alpha) / all } else { 1.0 };
                assert!(close(odds.success().value(), success), "{k} {alpha} {total} {red}");
                assert!(close(odds.failure().value(), failure), "{k} {alpha} {total} {red}");
                seen += usize::from(success > 0.0 && failure > 0.0);
            }
        }
    }
    assert!(seen > 300, "only {seen} cases with both tails");
}

#[test]
fn with_much_stake_putting_back_does_not_matter() {
    for total in [1_000_000_000_000, u64::MAX] {
        for percent in [1, 30, 60, 85, 99] {
            let odds = PollOdds::new(20, 15, Stake::Units { total, red: total / 100 * percent });
            let limit = PollOdds::new(20, 15, Stake::Share(percent as f64 / 100.0));
            let ratio = odds.success().value() / limit.success().value();
            assert!((ratio - 1.0).abs() < 1e-7, "{total} {percent}: {ratio}");
        }
    }
}

#[test]
fn what_a_float_cannot_hold_keeps_its_digits() {
    let odds = PollOdds::new(100, 99, Stake::Share(0.01));
    // 100 * 0.01^99 * 0.99 + 0.01^100 = 9.901e-197.
    assert_eq!(format!("{:.4}", odds.success()), "9.901e-197");
    assert_eq!(format!("{:.4}", odds.run(1_000)), {
        let log10 = 1_000.0 * (libm::log10(9.901) - 197.0);
        let whole = libm::floor(log10);
        format!("{:.3}e{whole}", libm::pow(10.0, log10 - whole))
    });
    // The other tail is as exact.
    let sure = PollOdds::new(100, 2, Stake::Share(0.99));
    assert_eq!(format!("{:.4}", sure.failure()), "9.901e-197");
    assert!(close(sure.expected_polls(7).value(), 7.0));
}

#[test]
fn edges_are_certain_or_impossible() {
    let polls = |k, alpha, stake| PollOdds::new(k, alpha, stake).expected_polls(20).to_string();
    assert_eq!(polls(20, 15, Stake::Share(1.0)), "20.0");
    assert_eq!(polls(20, 15, Stake::Share(0.0)), "infinite");
    assert_eq!(polls(20, 21, Stake::Share(1.0)), "infinite");
    assert_eq!(polls(20, 0, Stake::Share(0.0)), "20.0");
    assert_eq!(polls(20, 15, Stake::Units { total: 20, red: 15 }), "20.0");
    assert_eq!(polls(20, 15, Stake::Units { total: 20, red: 14 }), "infinite");
    assert_eq!(polls(20, 15, Stake::Units { total: 19, red: 19 }), "infinite");
    let never = PollOdds::new(20, 15, Stake::Share(0.0));
    assert_eq!((never.success().to_string(), never.run(20).to_string()), ("0".into(), "0".into()));
    assert_eq!((never.run(0).to_string(), never.failure().value()), ("1.00".into(), 1.0));
}

#[test]
fn numbers_are_printed_with_the_digits_that_were_asked_for() {
    for (value, digits, text) in [
        (0.0, 3, "0"),
        (1.0, 3, "1.00"),
        (0.001, 1, "0.001"),
        (0.000_999, 3, "9.99e-4"),
        (0.000_999_9, 3, "0.00100"),
        (99.96, 3, "100"),
        (123_456.0, 3, "123456"),
        (9_999_999.0, 7, "9999999"),
        (12_345_678.0, 2, "1.2e7"),
        (f64::INFINITY, 3, "infinite"),
        (-1.0, 3, "0"),
        (f64::NAN, 3, "0"),
    ] {
        assert_eq!(format!("{:.digits$}", Magnitude::new(value)), text);
    }
    assert_eq!(Magnitude::new(1e-100).power(10).to_string(), "1.00e-1000");
}

/// The share of successes among `polls` real polls of a real sampler, in which `silent` of 25
/// validators of `weight` units do not answer.
fn measured(parameters: Parameters, weight: u64, silent: usize, polls: u32) -> f64 {
    let nodes: Vec<NodeId> = (0..25).map(|node| NodeId::new([node; 20])).collect();
    let mut sampler = SeededSampler::new(&vec![weight; nodes.len()], [9; 32]).unwrap();
    let key = HashKey::from_seed([1; 32]);
    let mut open = Polls::new(&parameters, key);
    let red = Id::hash(b"red");
    let chain =
        Topological::<crate::snowball::Snowflake>::new(parameters, red, Height::GENESIS, key);
    let mut sample = Vec::new();
    let mut successes = 0;
    for request in 0..polls {
        sampler.sample_into(parameters.k(), &mut sample).unwrap();
        let asked: Bag<NodeId> = sample.iter().map(|node| nodes[*node as usize]).collect();
        open.add(request, &asked).unwrap();
        for (node, _) in asked.iter() {
            let votes = if nodes[..silent].contains(node) {
                open.drop_validator(request, node, &chain)
            } else {
                open.vote(request, node, red, &chain)
            };
            let enough = |votes: &&Bag| votes.count(&red) >= parameters.alpha_confidence();
            successes += votes.iter().filter(enough).count();
        }
        assert!(!open.contains(request), "poll {request} is finished");
    }
    successes as f64 / f64::from(polls)
}

#[test]
fn real_samples_and_polls_succeed_as_often_as_the_theory_says() {
    let polls = 20_000;
    let mut between = 0;
    for (k, alpha, weight, silent) in
        [(20, 15, 1_000, 3), (20, 15, 1_000, 5), (20, 15, 1_000, 7), (20, 15, 1, 7), (5, 4, 40, 6)]
    {
        let parameters = Parameters::new(k, alpha, alpha, 20).unwrap();
        let stake = Stake::Units { total: 25 * weight, red: (25 - silent as u64) * weight };
        let odds = PollOdds::new(k, alpha, stake).success().value();
        let found = measured(parameters, weight, silent, polls);
        // Four standard deviations: one seed in 16,000 would be further off.
        let tolerance = 4.0 * (odds * (1.0 - odds) / f64::from(polls)).sqrt();
        assert!((found - odds).abs() <= tolerance, "{found} of {odds}, {tolerance} allowed");
        between += usize::from(tolerance < 0.02 && odds > 0.05 && odds < 0.99);
    }
    assert_eq!(between, 5);
}
