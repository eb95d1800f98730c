//! What keeps blocks, rows and state, beside the bare calls that cannot be avoided.
//!
//! Whatever syncs is measured by wall time, in pairs: the disk is a neighbour like any other.

pub mod folder;
pub mod key_value;
pub mod log;
pub mod state;

/// Bytes that follow from a number, and do not compress.
#[must_use]
pub fn noise(number: u64, bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut noise);
    noise
}
