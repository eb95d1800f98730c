//! Eight signatures checked each for itself, one a lane: for those that a sum cannot tell apart.

use std::arch::x86_64::__mmask8;

use curve25519_dalek::scalar::Scalar;

use super::buckets::Buckets;
use super::digits::{Digits, Eight, NARROW, NARROW_MAX};
use super::point::{Affine, Entry, Point};

/// One signature's equation: `[8]([k]A + R - [s]B) = 0`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Equation<'a> {
    pub(super) key: &'a Entry,
    pub(super) r: &'a Entry,
    pub(super) k: &'a Scalar,
    pub(super) s: &'a Scalar,
}

/// The multiples of eight points by the sizes of narrow digits, from 0 on.
struct Multiples(Buckets);

/// The equations that hold, a bit each. Missing ones, past the end, hold.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn holding(equations: &[Equation<'_>]) -> __mmask8 {
    let (mut keys, mut rs) = ([&Entry::IDENTITY; 8], [&Entry::IDENTITY; 8]);
    let (mut ks, mut ss) = ([Digits::ZERO; 8], [Digits::ZERO; 8]);
    let lanes = keys.iter_mut().zip(&mut rs).zip(&mut ks).zip(&mut ss);
    for ((((key, r), k), s), equation) in lanes.zip(equations) {
        (*key, *r) = (equation.key, equation.r);
        (*k, *s) = (Digits::of(equation.k), Digits::of(&-equation.s));
    }
    let keys = Multiples::of(&Affine::from_lanes(keys));
    let bases = Multiples::of(&Affine::all(&Entry::BASE));
    let mut sum = Point::identity();
    for (k, s) in Digits::across(&ks).into_iter().zip(Digits::across(&ss)).rev() {
        sum = sum.doubled_times(NARROW);
        sum = sum.plus(&keys.times(k)).plus(&bases.times(s));
    }
    sum.plus_affine(&Affine::from_lanes(rs)).of_small_order()
}

impl Multiples {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn of(point: &Affine) -> Self {
        let mut multiples = Buckets::new(NARROW_MAX);
        let mut multiple = Point::identity();
        for size in 1..=NARROW_MAX {
            multiple = multiple.plus_affine(point);
            multiples.set(size, &multiple);
        }
        Self(multiples)
    }

    /// Each lane's multiple by its digit.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn times(&self, digits: Eight) -> Point {
        self.0.get(digits)
    }
}

#[cfg(test)]
mod tests;
