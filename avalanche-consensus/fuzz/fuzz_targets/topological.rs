//! Any sequence of operations on Snowman decides as the eager model does; a refused call poisons.
#![no_main]

use avalanche_consensus::HashKey;
use avalanche_consensus::testing::{
    Coverage, REFUSAL_SITUATIONS, SNOWMAN_SITUATIONS, SnowmanScript,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let script = SnowmanScript::from_bytes(bytes);
    let mut coverage = Coverage::new(&[SNOWMAN_SITUATIONS, REFUSAL_SITUATIONS].concat());
    if let Err(difference) = script.run(HashKey::from_seed([1; 32]), &mut coverage) {
        panic!("{difference}\n\n{script:?}");
    }
});
