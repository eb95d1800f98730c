//! Step tables, and a model that adds everything up anew.

use super::*;
use crate::validators::Validator;
use proptest::prelude::*;
use std::cell::Cell;
use std::time::Duration;

use UnbenchCause::{Evicted, Expired, Recovered};

fn node(byte: u8) -> NodeId {
    NodeId::new([byte; 20])
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

/// Nodes 1, 2, .. with these weights, where zero is none.
fn set(weights: &[u64]) -> ValidatorSet {
    let weights = (1..).zip(weights).filter(|(_, weight)| **weight > 0);
    let validators =
        weights.map(|(byte, weight)| Validator { node_id: node(byte), weight: *weight });
    ValidatorSet::try_from(validators.collect::<Vec<_>>()).expect("valid")
}

fn list() -> Benchlist {
    Benchlist::new(BenchConfig::default(), &Parameters::default()).expect("valid")
}

fn on(byte: u8, seconds: u64) -> BenchEvent {
    BenchEvent::Benched { node: node(byte), until: at(seconds) }
}

fn off(byte: u8, cause: UnbenchCause) -> BenchEvent {
    BenchEvent::Unbenched { node: node(byte), cause }
}

/// Node, failed, seconds, events.
type Step<'a> = (u8, bool, u64, &'a [BenchEvent]);

fn check(name: &str, list: &mut Benchlist, validators: &ValidatorSet, steps: &[Step<'_>]) {
    for (byte, failed, seconds, events) in steps {
        let found = list.observe(node(*byte), *failed, validators, at(*seconds));
        assert_eq!(found.as_deref(), Ok(*events), "{name}: {byte} at {seconds}");
    }
}

#[test]
fn nodes_are_benched_above_half_and_let_off_below_a_fifth() {
    let validators = set(&[5, 95]);
    let mut list = list();
    check(
        "failures and late answers",
        &mut list,
        &validators,
        &[
            // The prior and one failure at one moment are exactly a half, which is not above it.
            (1, true, 0, &[]),
            (1, true, 0, &[on(1, 300)]),
            // Benched already.
            (1, true, 1, &[]),
            // Answers: after two half-lives 3/4 of what is known is new, then 7/8.
            (1, false, 121, &[]),
            (1, false, 241, &[off(1, Recovered)]),
        ],
    );
    assert_eq!((list.next_expiry(), list.is_benched(&node(1))), (None, false));
}

#[test]
fn the_time_is_up_at_its_end_and_the_average_starts_anew() {
    let validators = set(&[5, 5, 190]);
    let mut list = list();
    check("bench", &mut list, &validators, &[(2, true, 0, &[]), (2, true, 0, &[on(2, 300)])]);
    check("bench", &mut list, &validators, &[(1, true, 10, &[]), (1, true, 10, &[on(1, 310)])]);
    assert_eq!((list.next_expiry(), list.expire(at(299))), (Some(at(300)), vec![]));
    assert!(list.benched().eq([node(2), node(1)]));
    assert_eq!(list.expire(at(310)), [off(2, Expired), off(1, Expired)]);
    assert_eq!(list.failure_probability(&node(2)), Some(0.0));
    // As in the beginning.
    check("again", &mut list, &validators, &[(2, true, 310, &[]), (2, true, 310, &[on(2, 610)])]);
}

/// Fails a node until nothing more than `failures` at one moment.
fn fail(list: &mut Benchlist, byte: u8, times: u32, validators: &ValidatorSet) -> Vec<BenchEvent> {
    let events = (0..times).map(|_| list.observe(node(byte), true, validators, at(0)));
    events.flat_map(|events| events.expect("room")).collect()
}

#[test]
fn room_is_made_by_those_who_fail_less_and_only_if_it_is_enough() {
    // A tenth of the weight can be benched.
    let list = || list().with_max_portion(0.1);
    let fits = set(&[10, 20, 70, 1]);
    assert_eq!(fail(&mut list(), 1, 2, &fits), [on(1, 300)], "10 of floor(10.1)");
    assert_eq!(fail(&mut list(), 2, 9, &fits), [], "20 of floor(10.1)");

    let validators = set(&[4, 3, 3, 6, 10, 74]);
    let mut full = list();
    // Averages 2/3, 3/4 and 3/4; all 10 of the weight.
    assert_eq!(fail(&mut full, 1, 2, &validators), [on(1, 300)]);
    assert_eq!(fail(&mut full, 2, 3, &validators), [on(2, 300)]);
    assert_eq!(fail(&mut full, 3, 3, &validators), [on(3, 300)]);
    // 4 has 2/3: nobody fails less. Then 3/4: only 1 does, which is not enough. Then 4/5: 6 units
    // are needed, and 1 and 2 have 7.
    assert_eq!(fail(&mut full, 4, 2, &validators), []);
    assert_eq!(fail(&mut full, 4, 1, &validators), []);
    let events = fail(&mut full, 4, 1, &validators);
    assert_eq!(events, [off(1, Evicted), off(2, Evicted), on(4, 300)]);
    // They keep their averages.
    assert_eq!(full.failure_probability(&node(1)), Some(2.0 / 3.0));
    // Its equal does not make room: 1 reaches 4/5 by its next failures.
    assert_eq!(fail(&mut full, 1, 2, &validators), [off(3, Evicted), on(1, 300)]);
    assert!(full.benched().eq([node(1), node(4)]));
}

#[test]
fn who_is_no_validator_is_not_followed() {
    let (mut list, validators) = (list(), set(&[5, 95]));
    assert_eq!(fail(&mut list, 9, 5, &validators), []);
    assert!(list.is_empty());
    // One that leaves is forgotten at its next outcome, but not while it is benched.
    assert_eq!(fail(&mut list, 1, 1, &validators), []);
    assert_eq!(fail(&mut list, 1, 1, &set(&[0, 95])), []);
    assert!(list.is_empty());
    assert_eq!(fail(&mut list, 1, 2, &validators), [on(1, 300)]);
    assert_eq!(fail(&mut list, 1, 2, &set(&[0, 95])), []);
    assert!(list.is_benched(&node(1)));
    assert_eq!(list.expire(at(300)), [off(1, Expired)]);
}

#[test]
fn without_a_portion_the_list_is_off() {
    let everybody = Parameters::new(5, 5, 5, 1).expect("valid");
    let off = Benchlist::new(BenchConfig::default(), &everybody).expect("valid");
    assert_eq!(off.max_portion(), 0.0);
    let lists = [off, list().with_max_portion(-1.0), list().with_max_portion(f64::NAN)];
    for mut off in lists {
        assert_eq!(fail(&mut off, 1, 9, &set(&[1, 99])), []);
        assert!(off.is_empty());
    }
    // (1 - 15 / 20) / 3
    assert!((list().max_portion() - 1.0 / 12.0).abs() < 1e-12);
    let config = BenchConfig { duration: Duration::ZERO, ..BenchConfig::default() };
    assert!(Benchlist::new(config, &Parameters::default()).is_err());
}

#[test]
fn nodes_that_left_make_room_for_new_ones() {
    let mut list = list().with_nodes_max(2);
    let (old, new) = (set(&[50, 50]), set(&[0, 0, 50, 50, 50]));
    fail(&mut list, 1, 1, &old);
    fail(&mut list, 2, 1, &old);
    fail(&mut list, 3, 1, &new);
    assert_eq!((list.len(), list.failure_probability(&node(1))), (1, None));
    fail(&mut list, 4, 1, &new);
    let error = list.observe(node(5), true, &new, at(0));
    assert_eq!(error, Err(Error::BenchlistFull { max: 2 }));
    assert_eq!(list.len(), 2);
    fail(&mut list, 4, 1, &new);
}

/// Node by node: outcomes so far, and the end of its time if it is benched.
type Model = BTreeMap<u8, (Vec<(f64, u64)>, Option<u64>)>;

fn average(outcomes: &[(f64, u64)]) -> f64 {
    let now = outcomes.last().map_or(0, |(_, time)| *time);
    let weight = |time: u64| libm::exp2(-((now - time) as f64) / 60.0);
    outcomes.iter().map(|(value, time)| value * weight(*time)).sum::<f64>()
        / outcomes.iter().map(|(_, time)| weight(*time)).sum::<f64>()
}

/// What an outcome leads to, by the words of the specification.
fn expect(model: &mut Model, byte: u8, failed: bool, weights: &[u64], now: u64) -> Vec<BenchEvent> {
    let weight = |byte: u8| weights[usize::from(byte) - 1];
    let entry = model.entry(byte).or_insert_with(|| (vec![(0.0, now)], None));
    entry.0.push((f64::from(u8::from(failed)), now));
    let p = average(&entry.0);
    match entry.1 {
        Some(_) if p < 0.2 => {
            entry.1 = None;
            return vec![off(byte, Recovered)];
        }
        None if p > 0.5 => {}
        _ => return Vec::new(),
    }
    let benched: Vec<_> = model.iter().filter(|(_, entry)| entry.1.is_some()).collect();
    let weight_benched: u64 = benched.iter().map(|(byte, _)| weight(**byte)).sum();
    let limit = weights.iter().sum::<u64>() / 4;
    let mut better: Vec<_> =
        benched.iter().map(|(byte, entry)| (average(&entry.0), **byte)).collect();
    better.retain(|(average, _)| *average < p);
    better.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
    let needed = (weight_benched + weight(byte)).saturating_sub(limit);
    // The shortest run from the lowest on that is enough.
    let enough = (0..=better.len()).find(|count| {
        better[..*count].iter().map(|(_, byte)| weight(*byte)).sum::<u64>() >= needed
    });
    let Some(enough) = enough else { return Vec::new() };
    let mut events = Vec::new();
    for (_, byte) in &better[..enough] {
        model.entry(*byte).and_modify(|entry| entry.1 = None);
        events.push(off(*byte, Evicted));
    }
    model.entry(byte).and_modify(|entry| entry.1 = Some(now + 300));
    events.push(on(byte, now + 300));
    events
}

#[test]
fn any_outcomes_lead_to_what_the_words_say() {
    let [benched, recovered, evicted, expired, refused] = [0; 5].map(Cell::new);
    let steps = prop::collection::vec((1_u8..9, 0_u8..4, 1_u64..40), 1..150);
    let strategy = (prop::collection::vec(1_u64..30, 8), steps);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    runner
        .run(&strategy, |(weights, steps)| {
            let mut list = list().with_max_portion(0.25);
            let (validators, mut model, mut now) = (set(&weights), Model::new(), 0);
            for (byte, kind, pause) in steps {
                // Times that have no round ratio to the half-life, so that averages are not equal.
                now += pause;
                let mut due: Vec<_> = model
                    .iter()
                    .filter_map(|(byte, (_, until))| Some(((*until)?, *byte)))
                    .filter(|(until, _)| *until <= now)
                    .collect();
                due.sort_unstable();
                let events: Vec<_> = due.iter().map(|(_, byte)| off(*byte, Expired)).collect();
                expired.set(expired.get() + events.len());
                for (_, byte) in due {
                    model.insert(byte, (vec![(0.0, now)], None));
                }
                prop_assert_eq!(list.expire(at(now)), events);

                let failed = kind > 0 && byte < 7;
                let events = expect(&mut model, byte, failed, &weights, now);
                let found = list.observe(node(byte), failed, &validators, at(now)).expect("room");
                for event in &events {
                    let count = match event {
                        BenchEvent::Benched { .. } => &benched,
                        BenchEvent::Unbenched { cause: Recovered, .. } => &recovered,
                        BenchEvent::Unbenched { .. } => &evicted,
                    };
                    count.set(count.get() + 1);
                }
                let high = average(&model[&byte].0) > 0.5 && model[&byte].1.is_none();
                refused.set(refused.get() + usize::from(high));
                prop_assert_eq!(found, events);
                let sum: u64 = list.benched().map(|node| validators.weight(&node)).sum();
                prop_assert!(sum <= validators.total_weight() / 4);
            }
            Ok(())
        })
        .expect("the list equals its model");
    for count in [&benched, &recovered, &evicted, &expired, &refused] {
        assert!(count.get() > 20, "{benched:?} {recovered:?} {evicted:?} {expired:?} {refused:?}");
    }
}
