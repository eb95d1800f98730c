//! Any bytes, taken as a proof or a range proof of a known tree, show nothing that is false.
#![no_main]

use avalanche_store::check_proof_bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| check_proof_bytes(bytes));
