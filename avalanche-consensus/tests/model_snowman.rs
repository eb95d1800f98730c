//! Snowman against the eager model, after every operation of thousands of scripts.

#[cfg(test)]
mod runner;

use std::cell::RefCell;

use avalanche_consensus::HashKey;
use avalanche_consensus::testing::{Coverage, REFUSAL_SITUATIONS, SNOWMAN_SITUATIONS, strategies};
use runner::run_cases;

#[test]
fn snowman_decides_as_the_eager_model() {
    let coverage = RefCell::new(Coverage::new(SNOWMAN_SITUATIONS));
    run_cases(3_000, file!(), &strategies::snowman_script(100), |script| {
        script.run(HashKey::from_seed([1; 32]), &mut coverage.borrow_mut())
    });
    let coverage = coverage.into_inner();
    println!("{coverage}");
    assert_eq!(coverage.unreached(), [""; 0]);
}

#[test]
fn a_refused_acceptor_call_stops_the_poll_there_and_poisons_the_instance() {
    let situations = [SNOWMAN_SITUATIONS, REFUSAL_SITUATIONS].concat();
    let coverage = RefCell::new(Coverage::new(&situations));
    run_cases(1_000, file!(), &strategies::refused_snowman_script(60), |script| {
        script.run(HashKey::from_seed([1; 32]), &mut coverage.borrow_mut())
    });
    let coverage = coverage.into_inner();
    println!("{coverage}");
    for situation in REFUSAL_SITUATIONS {
        assert!(coverage.count(situation) > 10, "{situation}: {}", coverage.count(situation));
    }
}
