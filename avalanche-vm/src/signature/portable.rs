//! The verifier that is always there: the arithmetic of curve25519-dalek, which uses AVX2 where a
//! processor has it.

use std::ops::Range;

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT as BASE;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};

use super::equation::{Statement, draw};
use super::search::{self, Equations};
use super::{BadSignatures, Item, Verifier};

/// The most signatures in one equation. More would gain little and hold more memory: an equation
/// of this size takes about half a megabyte.
const EQUATION_MAX: usize = 1_024;

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
    statement: Statement,
}

impl Claim {
    /// What an item claims, or `None` if it has no point where one must be, or `s` is not below
    /// the order.
    fn read(item: &Item<'_>) -> Option<Self> {
        let (r_bytes, _) = item.signature.halves();
        let statement = Statement::read(item)?;
        let key = CompressedEdwardsY(item.key.to_bytes()).decompress()?;
        let r = CompressedEdwardsY(r_bytes).decompress()?;
        Some(Self { key, r, statement })
    }

    /// Whether the equation is true.
    fn holds(&self) -> bool {
        let Self { key, r, statement: Statement { s, k, .. } } = self;
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
    let equations = Equations {
        sum: |range| sum(&claims, &terms, range),
        without: |sum: &EdwardsPoint, part: &EdwardsPoint| sum - part,
        holds: |sum: &EdwardsPoint| sum.mul_by_cofactor().is_identity(),
        singly: |range: Range<usize>| {
            let claims = claims.iter().enumerate().take(range.end).skip(range.start);
            claims.filter(|(_, claim)| !claim.holds()).map(|(at, _)| at).collect()
        },
    };
    let found = search::culprits(claims.len(), &equations);
    bad.extend(found.iter().filter_map(|at| places.get(*at)));
    bad.sort_unstable();
    bad
}

/// A coefficient of 128 bits for each claim.
fn terms(claims: &[Claim]) -> Vec<Terms> {
    let drawn = draw(claims.iter().map(|claim| &claim.statement));
    let terms = claims.iter().zip(drawn).map(|(claim, drawn)| {
        let z = Scalar::from(u128::from_le_bytes(drawn));
        Terms { z, zk: z * claim.statement.k, zs: z * claim.statement.s }
    });
    terms.collect()
}

/// The sum of all equations in a range, `[-sum zs]B + sum [z]R + sum [zk]A`. Eight times it is the
/// identity if all are true.
fn sum(claims: &[Claim], terms: &[Terms], range: Range<usize>) -> EdwardsPoint {
    let claims = claims.iter().take(range.end).skip(range.start);
    let terms = terms.iter().take(range.end).skip(range.start);
    let base: Scalar = terms.clone().map(|terms| terms.zs).sum();
    let scalars = terms.flat_map(|terms| [terms.z, terms.zk]).chain([-base]);
    let points = claims.flat_map(|claim| [claim.r, claim.key]).chain([BASE]);
    EdwardsPoint::vartime_multiscalar_mul(scalars, points)
}
