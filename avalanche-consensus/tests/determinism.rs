//! The key of hash tables decides nothing: two runs with different keys are equal in everything.

#[cfg(test)]
mod runner;

use std::cell::Cell;

use avalanche_consensus::HashKey;
use avalanche_consensus::testing::{Coverage, SNOWMAN_SITUATIONS, TREE_SITUATIONS, strategies};
use runner::run_cases;

#[test]
fn snowman_calls_its_acceptor_alike_under_every_key() {
    let calls = Cell::new(0);
    run_cases(300, file!(), &strategies::snowman_script(100), |script| {
        let mut coverage = Coverage::new(SNOWMAN_SITUATIONS);
        let [one, other] = [1, 2].map(|seed| HashKey::from_seed([seed; 32]));
        let first = script.run(one, &mut coverage).map_err(|difference| difference.to_string())?;
        let second =
            script.run(other, &mut coverage).map_err(|difference| difference.to_string())?;
        calls.set(calls.get() + first.calls.len());
        if first == second { Ok(()) } else { Err(format!("{first:?}\n{second:?}")) }
    });
    assert!(calls.get() > 10_000, "{} calls", calls.get());
}

#[test]
fn a_tree_prefers_alike_under_every_key() {
    let preferences = Cell::new(0);
    run_cases(300, file!(), &strategies::tree_script(60), |script| {
        let mut coverage = Coverage::new(TREE_SITUATIONS);
        let [one, other] = [1, 2].map(|seed| HashKey::from_seed([seed; 32]));
        let first = script.run(one, &mut coverage).map_err(|difference| difference.to_string())?;
        let second =
            script.run(other, &mut coverage).map_err(|difference| difference.to_string())?;
        preferences.set(preferences.get() + first.len());
        if first == second { Ok(()) } else { Err(format!("{first:?}\n{second:?}")) }
    });
    assert!(preferences.get() > 10_000, "{} preferences", preferences.get());
}
