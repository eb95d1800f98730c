//! Any inputs to an engine keep its contract and its bounds, with a VM that answers at once and
//! with one that answers in any order.
#![no_main]

use avalanche_consensus::testing::{Coverage, ENGINE_SITUATIONS as SITUATIONS};
use avalanche_consensus::testing::{EngineScript, Manner};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let manner = Manner { lazy: first % 2 == 1, hostile: first / 2 % 2 == 1 };
    let mut coverage = Coverage::new(SITUATIONS);
    if let Err(difference) = EngineScript::from_bytes(rest).run(manner, &mut coverage) {
        panic!("{difference}\n\n{manner:?}");
    }
});
