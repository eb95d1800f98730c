//! Polls against the eager model, after every operation of thousands of scripts.

#[cfg(test)]
mod runner;

use std::cell::RefCell;

use avalanche_consensus::HashKey;
use avalanche_consensus::testing::{Coverage, POLLS_SITUATIONS, strategies};
use runner::run_cases;

#[test]
fn polls_finish_as_the_eager_model() {
    let coverage = RefCell::new(Coverage::new(POLLS_SITUATIONS));
    run_cases(3_000, file!(), &strategies::polls_script(200), |script| {
        script.run(HashKey::from_seed([1; 32]), &mut coverage.borrow_mut())
    });
    let coverage = coverage.into_inner();
    println!("{coverage}");
    assert_eq!(coverage.unreached(), [""; 0]);
}
