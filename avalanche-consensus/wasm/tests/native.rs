//! The native half of the comparison that `scripts/wasm` makes.

use avalanche_consensus_wasm::{
    EXPECTED, EXPECTED_EVENTS, decides_as_expected, run, simulate, simulates_as_expected,
};

#[test]
fn native_decisions_are_those_that_wasm_must_repeat() {
    let outcome = run(1).expect("every call is accepted");
    assert_eq!((outcome.accepted, outcome.rejected), (7 * 20, 7 * 20 * 2));
    assert_eq!(outcome.digest.to_string(), EXPECTED);
    assert_eq!(decides_as_expected(), 1);
}

#[test]
fn the_digest_depends_on_what_is_sampled() {
    assert_ne!(run(1), run(2));
}

#[test]
fn native_events_are_those_that_wasm_must_repeat() {
    let events = simulate(1).expect("the network agrees");
    assert_eq!(format!("{events:x}"), EXPECTED_EVENTS);
    assert_eq!(simulates_as_expected(), 1);
    assert_ne!(simulate(2), Some(events));
}
