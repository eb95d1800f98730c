//! The contract of the engine, after every input of thousands of scripts.

#[cfg(test)]
mod runner;

use std::cell::{Cell, RefCell};

use avalanche_consensus::testing::{Coverage, ENGINE_SITUATIONS, EngineScript, Manner};
use proptest::prelude::*;
use runner::run_cases;

fn scripts(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), length / 4..length)
}

/// A prompt VM and a lazy one, which answers in any order: both end with what honest peers accept.
#[test]
fn prompt_and_lazy_shells_accept_the_same_chain() {
    let coverage = RefCell::new(Coverage::new(ENGINE_SITUATIONS));
    let [accepted, rejected, conflicts] = [0, 0, 0].map(Cell::new);
    run_cases(600, file!(), &scripts(1_200), |bytes| {
        let script = EngineScript::from_bytes(&bytes);
        let coverage = &mut *coverage.borrow_mut();
        for lazy in [false, true] {
            let run = script.run(Manner { lazy, hostile: false }, coverage)?;
            accepted.set(accepted.get() + run.accepted.len() - 1);
            rejected.set(rejected.get() + run.rejected);
            conflicts.set(conflicts.get() + run.conflicts);
        }
        Ok::<_, avalanche_consensus::testing::Difference>(())
    });
    let coverage = coverage.into_inner();
    println!("{coverage}{accepted:?} {rejected:?} {conflicts:?}");
    assert_eq!(coverage.unreached(), [""; 0]);
    assert!(accepted.get() > 4_000 && rejected.get() > 1_000 && conflicts.get() > 1_000);
}

/// Any inputs, late, twice, unasked and malformed, within small bounds.
#[test]
fn any_inputs_keep_the_contract() {
    let coverage = RefCell::new(Coverage::new(ENGINE_SITUATIONS));
    let [accepted, rejected, conflicts] = [0, 0, 0].map(Cell::new);
    run_cases(800, file!(), &scripts(1_600), |bytes| {
        let script = EngineScript::from_bytes(&bytes);
        let coverage = &mut *coverage.borrow_mut();
        for lazy in [false, true] {
            let run = script.run(Manner { lazy, hostile: true }, coverage)?;
            accepted.set(accepted.get() + run.accepted.len() - 1);
            rejected.set(rejected.get() + run.rejected);
            conflicts.set(conflicts.get() + run.conflicts);
        }
        Ok::<_, avalanche_consensus::testing::Difference>(())
    });
    let coverage = coverage.into_inner();
    println!("{coverage}{accepted:?} {rejected:?} {conflicts:?}");
    assert_eq!(coverage.unreached(), [""; 0]);
    assert!(accepted.get() > 200 && rejected.get() > 100 && conflicts.get() > 50);
}
