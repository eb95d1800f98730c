//! Any sequence of operations on a prefix tree decides as the eager model does.
#![no_main]

use avalanche_consensus::HashKey;
use avalanche_consensus::testing::{Coverage, TREE_SITUATIONS as SITUATIONS, TreeScript};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let script = TreeScript::from_bytes(bytes);
    let mut coverage = Coverage::new(SITUATIONS);
    if let Err(difference) = script.run(HashKey::from_seed([1; 32]), &mut coverage) {
        panic!("{difference}\n\n{script:?}");
    }
});
