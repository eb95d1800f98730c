//! The verifier that is always there: the arithmetic of curve25519-dalek, which uses AVX2 where a
//! processor has it.

use std::ops::Range;

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT as BASE;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};
use sha2::{Digest, Sha512};

use super::{BadSignatures, Item, Verifier, frame, search};

/// The most signatures in one equation. More would gain little and hold more memory: an equation
/// of this size takes about half a megabyte.
const EQUATION_MAX: usize = 1_024;

/// What goes before everything that coefficients are drawn from.
const TRANSCRIPT: &str = "avalanche-vm 2026-11 ed25519 batch coefficients";

/// The verifier that runs everywhere. Points are read once: finding the bad signatures of a batch
/// only repeats the sums.
#[derive(Clone, Copy, Debug, Default)]
pub struct Portable;

impl Verifier for Portable {
    fn name(&self) -> &'static str {
        "portable"
    }

    fn verify(&self, item: &Item<'_>) -> bool {
        Claim::read(item).is_some_and(|claim| claim.holds())
    }

    fn verify_batch(&self, items: &[Item<'_>]) -> Result<(), BadSignatures> {
        let mut bad = Vec::new();
        for (start, chunk) in (0..).step_by(EQUATION_MAX).zip(items.chunks(EQUATION_MAX)) {
            bad.extend(culprits(chunk).into_iter().map(|index| start + index));
        }
        BadSignatures::verdict(bad, items.len())
    }
}

/// One signature's equation: `[8]([s]B - R - [k]A) = 0`.
struct Claim {
    key: EdwardsPoint,
    r: EdwardsPoint,
    s: Scalar,
    k: Scalar,
    /// SHA-512 of `R`, `A` and the frame, of which `k` is the remainder.
    digest: [u8; 64],
}

impl Claim {
    /// What an item claims, or `None` if it has no point where one must be, or `s` is not below
    /// the order.
    fn read(item: &Item<'_>) -> Option<Self> {
        let (r_bytes, s_bytes) = item.signature.halves();
        let s = Option::from(Scalar::from_canonical_bytes(s_bytes))?;
        let key = CompressedEdwardsY(item.key.to_bytes()).decompress()?;
        let r = CompressedEdwardsY(r_bytes).decompress()?;
        let mut hash = Sha512::new().chain_update(r_bytes).chain_update(item.key.as_bytes());
        frame::length(item.domain.len(), |byte| hash.update([byte]));
        let digest: [u8; 64] =
            hash.chain_update(item.domain).chain_update(item.message).finalize().into();
        Some(Self { key, r, s, k: Scalar::from_bytes_mod_order_wide(&digest), digest })
    }

    /// Whether the equation is true.
    fn holds(&self) -> bool {
        let Self { key, r, s, k, .. } = self;
        let sum = EdwardsPoint::vartime_double_scalar_mul_basepoint(k, &-key, s);
        (sum - r).mul_by_cofactor().is_identity()
    }
}

/// The coefficients of one claim in every equation that it is part of.
struct Terms {
    z: Scalar,
    zk: Scalar,
    zs: Scalar,
}

/// The indices of all items that are not valid.
fn culprits(items: &[Item<'_>]) -> Vec<usize> {
    let mut bad = Vec::new();
    let mut claims = Vec::with_capacity(items.len());
    let mut places = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        match Claim::read(item) {
            Some(claim) => {
                claims.push(claim);
                places.push(place);
            }
            None => bad.push(place),
        }
    }
    let terms = terms(&claims);
    let found = search::culprits(
        claims.len(),
        |range| sum_holds(&claims, &terms, range),
        |at| claims.get(at).is_some_and(Claim::holds),
    );
    bad.extend(found.iter().filter_map(|at| places.get(*at)));
    bad.sort_unstable();
    bad
}

/// Draws a coefficient of 128 bits for each claim from a hash of all of them: of `R`, `A` and the
/// frame through the digest, and of `s`. They serve for parts of the batch as well: each part is
/// fixed before they are drawn.
fn terms(claims: &[Claim]) -> Vec<Terms> {
    let mut transcript = Vec::with_capacity(claims.len() * 96);
    for claim in claims {
        transcript.extend_from_slice(&claim.digest);
        transcript.extend_from_slice(claim.s.as_bytes());
    }
    let mut drawn = vec![[0; 16]; claims.len()];
    let mut hash = blake3::Hasher::new_derive_key(TRANSCRIPT);
    hash.update(&transcript).finalize_xof().fill(drawn.as_flattened_mut());
    let terms = claims.iter().zip(drawn).map(|(claim, drawn)| {
        let z = Scalar::from(u128::from_le_bytes(drawn));
        Terms { z, zk: z * claim.k, zs: z * claim.s }
    });
    terms.collect()
}

/// Whether the sum of all equations in a range is true: `[8]([-sum zs]B + sum [z]R + sum [zk]A)`
/// is the identity.
fn sum_holds(claims: &[Claim], terms: &[Terms], range: Range<usize>) -> bool {
    let (Some(claims), Some(terms)) = (claims.get(range.clone()), terms.get(range)) else {
        return false;
    };
    let base: Scalar = terms.iter().map(|terms| terms.zs).sum();
    let scalars = terms.iter().flat_map(|terms| [terms.z, terms.zk]).chain([-base]);
    let points = claims.iter().flat_map(|claim| [claim.r, claim.key]).chain([BASE]);
    EdwardsPoint::vartime_multiscalar_mul(scalars, points).mul_by_cofactor().is_identity()
}
