//! Any bytes, taken as a proof or a range proof of a known tree, show nothing that is false; nor
//! does a true proof that was changed as the bytes say.
#![no_main]

use avalanche_store::testing::{check_proof_bytes, forge_proof};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    check_proof_bytes(bytes);
    check_proof_bytes(&forge_proof(bytes));
});
