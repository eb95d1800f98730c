//! Buckets of points: eight rows of them, one for each lane.
//!
//! A bucket is kept as 20 words after each other, so that a lane reads and writes one stretch of
//! memory; vectors have the same word of eight buckets. Between the two lie transpositions of four
//! by four words, two instructions a vector.

use std::arch::x86_64::{
    __m256i, __m512i, _mm256_setzero_si256, _mm512_castsi256_si512, _mm512_castsi512_si256,
    _mm512_extracti64x4_epi64, _mm512_inserti64x4, _mm512_permutex2var_epi64, _mm512_shuffle_i64x2,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi64,
};

use super::digits::Eight;
use super::lanes::from_lanes;
use super::point::{Affine, Point};

/// The words of a point, four a vector.
type Bucket = [__m256i; 5];

/// Rows of buckets for the sizes from 0 to the largest of a digit; what is in those of 0 is
/// ignored.
#[derive(Debug)]
pub(super) struct Buckets {
    /// Row after row.
    buckets: Vec<Bucket>,
    /// Buckets in a row.
    row: usize,
}

impl Buckets {
    /// Empty ones for digits of up to `largest`.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn new(largest: u8) -> Self {
        let row = usize::from(largest) + 1;
        let mut all = Self { buckets: vec![[_mm256_setzero_si256(); 5]; row * 8], row };
        all.clear();
        all
    }

    /// Empties all.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn clear(&mut self) {
        self.set(0, &Point::identity());
        let empty = self.buckets.first().copied();
        empty.into_iter().for_each(|empty| self.buckets.fill(empty));
    }

    /// Puts each lane's point into its bucket of a size.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn set(&mut self, size: u8, point: &Point) {
        self.store(self.places([size; 8]), point);
    }

    /// What is in the bucket of each lane's digit, with its sign.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn get(&self, digits: Eight) -> Point {
        self.load(self.places(digits.sizes)).negated(digits.negative)
    }

    /// Adds a point to the bucket of each lane's digit, with its sign.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn add(&mut self, point: &Affine, digits: Eight) {
        let point = point.negated(digits.negative);
        let places = self.places(digits.sizes);
        let sum = self.load(places).plus_affine(&point);
        self.store(places, &sum);
    }

    /// The sum of all points in a row's buckets, times their sizes, for each lane.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn total(&self) -> Point {
        let (mut total, mut running) = (Point::identity(), Point::identity());
        for size in (1..=u8::MAX).rev().filter(|size| usize::from(*size) < self.row) {
            running = running.plus(&self.load(self.places([size; 8])));
            total = total.plus(&running);
        }
        total
    }

    /// Where each lane's bucket is.
    #[inline]
    fn places(&self, sizes: [u8; 8]) -> [usize; 8] {
        let [a, b, c, d, e, f, g, h] = sizes;
        let place = |lane: usize, size: u8| {
            debug_assert!(usize::from(size) < self.row);
            lane * self.row + usize::from(size)
        };
        [
            place(0, a),
            place(1, b),
            place(2, c),
            place(3, d),
            place(4, e),
            place(5, f),
            place(6, g),
            place(7, h),
        ]
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    #[expect(clippy::indexing_slicing, reason = "a wrong place must not become a wrong verdict")]
    fn load(&self, places: [usize; 8]) -> Point {
        let [a, b, c, d, e, f, g, h] = places;
        let all = &self.buckets;
        from_rows([&all[a], &all[b], &all[c], &all[d], &all[e], &all[f], &all[g], &all[h]])
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    #[expect(clippy::indexing_slicing, reason = "a wrong place must not become a wrong verdict")]
    fn store(&mut self, places: [usize; 8], point: &Point) {
        let [a, b, c, d, e, f, g, h] = places;
        let [
            &[p0, p1, p2, p3, p4],
            &[m0, m1, m2, m3, m4],
            &[z0, z1, z2, z3, z4],
            &[t0, t1, t2, t3, t4],
        ] = point.vectors();
        let [a0, b0, c0, d0, e0, f0, g0, h0] = quarters([p0, p1, p2, p3]);
        let [a1, b1, c1, d1, e1, f1, g1, h1] = quarters([p4, m0, m1, m2]);
        let [a2, b2, c2, d2, e2, f2, g2, h2] = quarters([m3, m4, z0, z1]);
        let [a3, b3, c3, d3, e3, f3, g3, h3] = quarters([z2, z3, z4, t0]);
        let [a4, b4, c4, d4, e4, f4, g4, h4] = quarters([t1, t2, t3, t4]);
        let all = &mut self.buckets;
        all[a] = [a0, a1, a2, a3, a4];
        all[b] = [b0, b1, b2, b3, b4];
        all[c] = [c0, c1, c2, c3, c4];
        all[d] = [d0, d1, d2, d3, d4];
        all[e] = [e0, e1, e2, e3, e4];
        all[f] = [f0, f1, f2, f3, f4];
        all[g] = [g0, g1, g2, g3, g4];
        all[h] = [h0, h1, h2, h3, h4];
    }
}

/// The point of which each lane has a bucket.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn from_rows(buckets: [&Bucket; 8]) -> Point {
    let [a, b, c, d, e, f, g, h] = buckets;
    let [a0, a1, a2, a3, a4] = *a;
    let [b0, b1, b2, b3, b4] = *b;
    let [c0, c1, c2, c3, c4] = *c;
    let [d0, d1, d2, d3, d4] = *d;
    let [e0, e1, e2, e3, e4] = *e;
    let [f0, f1, f2, f3, f4] = *f;
    let [g0, g1, g2, g3, g4] = *g;
    let [h0, h1, h2, h3, h4] = *h;
    let [p0, p1, p2, p3] = columns([a0, b0, c0, d0, e0, f0, g0, h0]);
    let [p4, m0, m1, m2] = columns([a1, b1, c1, d1, e1, f1, g1, h1]);
    let [m3, m4, z0, z1] = columns([a2, b2, c2, d2, e2, f2, g2, h2]);
    let [z2, z3, z4, t0] = columns([a3, b3, c3, d3, e3, f3, g3, h3]);
    let [t1, t2, t3, t4] = columns([a4, b4, c4, d4, e4, f4, g4, h4]);
    Point::from_vectors([
        [p0, p1, p2, p3, p4],
        [m0, m1, m2, m3, m4],
        [z0, z1, z2, z3, z4],
        [t0, t1, t2, t3, t4],
    ])
}

/// Four vectors of eight lanes from eight lanes' four words.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn columns(lanes: [__m256i; 8]) -> [__m512i; 4] {
    let [a, b, c, d, e, f, g, h] = lanes;
    let both = |low, high| _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high);
    // In units of two words: `ab02 cd02` and so on.
    let (ac, bd, eg, fh) = (both(a, c), both(b, d), both(e, g), both(f, h));
    let (even, odd) = (_mm512_unpacklo_epi64(ac, bd), _mm512_unpackhi_epi64(ac, bd));
    let (even_high, odd_high) = (_mm512_unpacklo_epi64(eg, fh), _mm512_unpackhi_epi64(eg, fh));
    [
        _mm512_shuffle_i64x2::<0b10_00_10_00>(even, even_high),
        _mm512_shuffle_i64x2::<0b10_00_10_00>(odd, odd_high),
        _mm512_shuffle_i64x2::<0b11_01_11_01>(even, even_high),
        _mm512_shuffle_i64x2::<0b11_01_11_01>(odd, odd_high),
    ]
}

/// Eight lanes' four words from four vectors of eight lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn quarters(vectors: [__m512i; 4]) -> [__m256i; 8] {
    let [v0, v1, v2, v3] = vectors;
    let (even, even_upper) = (_mm512_unpacklo_epi64(v0, v1), _mm512_unpacklo_epi64(v2, v3));
    let (odd, odd_upper) = (_mm512_unpackhi_epi64(v0, v1), _mm512_unpackhi_epi64(v2, v3));
    let (first, second) =
        (from_lanes([0, 1, 8, 9, 2, 3, 10, 11]), from_lanes([4, 5, 12, 13, 6, 7, 14, 15]));
    let ac = _mm512_permutex2var_epi64(even, first, even_upper);
    let eg = _mm512_permutex2var_epi64(even, second, even_upper);
    let bd = _mm512_permutex2var_epi64(odd, first, odd_upper);
    let fh = _mm512_permutex2var_epi64(odd, second, odd_upper);
    let low = |vector| _mm512_castsi512_si256(vector);
    let high = |vector| _mm512_extracti64x4_epi64::<1>(vector);
    [low(ac), low(bd), high(ac), high(bd), low(eg), low(fh), high(eg), high(fh)]
}

#[cfg(test)]
mod tests;
