//! What all verifiers of batches share: what a signature states, and the coefficients of a batch.

use curve25519_dalek::scalar::Scalar;
use sha2::{Digest, Sha512};

use super::{Item, frame};

/// What goes before everything that coefficients are drawn from.
const TRANSCRIPT: &str = "avalanche-vm 2026-11 ed25519 batch coefficients";

/// The scalars of one signature's equation `[8]([s]B - R - [k]A) = 0`.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) s: Scalar,
    pub(super) k: Scalar,
    /// SHA-512 of `R`, `A` and the frame, of which `k` is the remainder.
    digest: [u8; 64],
}

impl Statement {
    /// What an item states, or `None` if `s` is not below the order.
    pub(super) fn read(item: &Item<'_>) -> Option<Self> {
        let (r_bytes, s_bytes) = item.signature.halves();
        let s = Option::from(Scalar::from_canonical_bytes(s_bytes))?;
        let mut hash = Sha512::new().chain_update(r_bytes).chain_update(item.key.as_bytes());
        frame::length(item.domain.len(), |byte| hash.update([byte]));
        let digest: [u8; 64] =
            hash.chain_update(item.domain).chain_update(item.message).finalize().into();
        Some(Self { s, k: Scalar::from_bytes_mod_order_wide(&digest), digest })
    }
}

/// Draws 128 bits for the coefficient of each statement from a hash of all of them: of `R`, `A`
/// and the frame through the digest, and of `s`. They serve for parts of the batch as well: each
/// part is fixed before they are drawn.
pub(super) fn draw<'a>(statements: impl ExactSizeIterator<Item = &'a Statement>) -> Vec<[u8; 16]> {
    let mut drawn = vec![[0; 16]; statements.len()];
    let mut transcript = Vec::with_capacity(statements.len() * 96);
    for statement in statements {
        transcript.extend_from_slice(&statement.digest);
        transcript.extend_from_slice(statement.s.as_bytes());
    }
    let mut hash = blake3::Hasher::new_derive_key(TRANSCRIPT);
    hash.update(&transcript).finalize_xof().fill(drawn.as_flattened_mut());
    drawn
}
