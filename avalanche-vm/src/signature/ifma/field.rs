//! Eight numbers modulo p = 2^255 - 19 at once, one a lane, in five limbs of 51 bits.
//!
//! The instructions multiply the lowest 52 bits of two limbs and add the lower or the upper half
//! of the product, of 52 bits each, to a third. They look at no bit above: a limb of 2^52 in a
//! product is a wrong product, and nothing says so. Hence the types, which are bounds:
//!
//! ```text
//!                 every limb is at most        comes from
//! Element         2^51 - 1 + 19 * 2^12         bytes, constants, carrying a loose one
//! Product         124.6 * 2^52 < 2^59          a product or square of elements
//! Loose           2^61 - 1                     an element or product, once, twice or four times
//! (within)        2^61 - 1 + 2^62 < 2^63       the sum or difference of two loose ones
//! ```
//!
//! - **A sum or difference** is carried at once: each limb gives what is above 51 bits to the
//!   next, the last gives it to the first times 19, since 2^255 is 19. Below 2^63 a limb gives at
//!   most 2^12 - 1, so the result is an element.
//! - **A difference** is `a + (2048 p - b)`: each limb of `2048 p` is at least `2^62 - 2048 * 19`,
//!   more than any loose limb.
//! - **A product**: with limbs below `2^51 + 2^17`, lower halves are below 2^52, and upper halves
//!   below `2^50 + 2^18`. An upper half counts twice in the next column, because it stands for
//!   2^52 where columns are 2^51 apart. Columns 5 to 9 come back 19 times to 0 to 4. Column 0 has
//!   the most: `1 + 4 * 19` lower and `2 * 5 * 19` upper halves, `77 + 190 / 4` times 2^52.
//!
//! Everything here takes variable time or might: no secrets.

use std::arch::x86_64::{
    __m512i, __mmask8, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpeq_epi64_mask,
    _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_mask_blend_epi64, _mm512_mullo_epi64,
    _mm512_or_si512, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_slli_epi64, _mm512_srli_epi64,
    _mm512_sub_epi64, _mm512_test_epi64_mask,
};

use super::lanes::{each, from_lanes, to_lanes};

/// The bits of a limb.
const BITS: u32 = 51;
/// The lowest bits of a limb, all set.
const MASK: i64 = (1 << BITS) - 1;

/// Eight numbers whose limbs are at most `2^51 - 1 + 19 * 2^12`: fit for products.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element([__m512i; 5]);

/// Eight products, not carried: limbs below 2^59.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product([__m512i; 5]);

/// Eight numbers that can be added and subtracted, and nothing else: limbs below 2^61.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loose([__m512i; 5]);

/// A number modulo p in limbs of 51 bits, for constants and for points in memory.
pub(super) type Limbs = [u64; 5];

impl Element {
    /// The same number in all lanes. Its limbs are below 2^51.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn all(limbs: &Limbs) -> Self {
        let [a0, a1, a2, a3, a4] = *limbs;
        Self([each(a0), each(a1), each(a2), each(a3), each(a4)])
    }

    /// A number for each lane. The limbs are those of elements.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn from_lanes(lanes: [&Limbs; 8]) -> Self {
        Self([
            from_lanes(lanes.map(|[limb, _, _, _, _]| *limb)),
            from_lanes(lanes.map(|[_, limb, _, _, _]| *limb)),
            from_lanes(lanes.map(|[_, _, limb, _, _]| *limb)),
            from_lanes(lanes.map(|[_, _, _, limb, _]| *limb)),
            from_lanes(lanes.map(|[_, _, _, _, limb]| *limb)),
        ])
    }

    /// The limbs of each lane.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn lanes(&self) -> [Limbs; 8] {
        let mut lanes = [[0; 5]; 8];
        for (at, vector) in self.0.iter().enumerate() {
            for (lane, limb) in lanes.iter_mut().zip(to_lanes(*vector)) {
                lane.get_mut(at).into_iter().for_each(|to| *to = limb);
            }
        }
        lanes
    }

    /// Vectors that were taken from an element, or whose limbs are below 2^51.
    #[inline]
    pub(super) const fn from_vectors(limbs: [__m512i; 5]) -> Self {
        Self(limbs)
    }

    /// A vector for each limb.
    #[inline]
    pub(super) const fn vectors(&self) -> &[__m512i; 5] {
        &self.0
    }

    /// Numbers of 255 bits, each in four little-endian words. The topmost bit is ignored; numbers
    /// from p on stand for what they are modulo p.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn from_words(words: &[__m512i; 4]) -> Self {
        let [w0, w1, w2, w3] = *words;
        let mask = _mm512_set1_epi64(MASK);
        let a1 = _mm512_or_si512(_mm512_srli_epi64::<51>(w0), _mm512_slli_epi64::<13>(w1));
        let a2 = _mm512_or_si512(_mm512_srli_epi64::<38>(w1), _mm512_slli_epi64::<26>(w2));
        let a3 = _mm512_or_si512(_mm512_srli_epi64::<25>(w2), _mm512_slli_epi64::<39>(w3));
        let a4 = _mm512_srli_epi64::<12>(w3);
        let kept = |limb| _mm512_and_si512(limb, mask);
        Self([kept(w0), kept(a1), kept(a2), kept(a3), kept(a4)])
    }

    /// The products, lane by lane.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn times(&self, other: &Self) -> Product {
        let [a0, a1, a2, a3, a4] = self.0;
        let [b0, b1, b2, b3, b4] = other.0;
        let none = _mm512_setzero_si512();
        // Upper halves, each in the column above.
        let h1 = high(none, a0, b0);
        let h2 = high(high(none, a0, b1), a1, b0);
        let h3 = high(high(high(none, a0, b2), a1, b1), a2, b0);
        let h4 = high(high(high(high(none, a0, b3), a1, b2), a2, b1), a3, b0);
        let h5 = high(high(high(high(high(none, a0, b4), a1, b3), a2, b2), a3, b1), a4, b0);
        let h6 = high(high(high(high(none, a1, b4), a2, b3), a3, b2), a4, b1);
        let h7 = high(high(high(none, a2, b4), a3, b3), a4, b2);
        let h8 = high(high(none, a3, b4), a4, b3);
        let h9 = high(none, a4, b4);
        // Twice, and lower halves.
        let c0 = low(none, a0, b0);
        let c1 = low(low(twice(h1), a0, b1), a1, b0);
        let c2 = low(low(low(twice(h2), a0, b2), a1, b1), a2, b0);
        let c3 = low(low(low(low(twice(h3), a0, b3), a1, b2), a2, b1), a3, b0);
        let c4 = low(low(low(low(low(twice(h4), a0, b4), a1, b3), a2, b2), a3, b1), a4, b0);
        let c5 = low(low(low(low(twice(h5), a1, b4), a2, b3), a3, b2), a4, b1);
        let c6 = low(low(low(twice(h6), a2, b4), a3, b3), a4, b2);
        let c7 = low(low(twice(h7), a3, b4), a4, b3);
        let c8 = low(twice(h8), a4, b4);
        folded([c0, c1, c2, c3, c4], [c5, c6, c7, c8, twice(h9)])
    }

    /// The squares, lane by lane: as a product, with equal halves computed once.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn squared(&self) -> Product {
        let [a0, a1, a2, a3, a4] = self.0;
        let none = _mm512_setzero_si512();
        // Upper halves of different limbs count four times in the column above; those of equal
        // limbs, and lower halves of different ones, twice.
        let h2 = twice(high(none, a0, a1));
        let h3 = twice(high(none, a0, a2));
        let h4 = twice(high(high(none, a0, a3), a1, a2));
        let h5 = twice(high(high(none, a0, a4), a1, a3));
        let h6 = twice(high(high(none, a1, a4), a2, a3));
        let h7 = twice(high(none, a2, a4));
        let h8 = twice(high(none, a3, a4));
        let c0 = low(none, a0, a0);
        let c1 = twice(low(high(none, a0, a0), a0, a1));
        let c2 = low(twice(low(h2, a0, a2)), a1, a1);
        let c3 = twice(low(low(high(h3, a1, a1), a0, a3), a1, a2));
        let c4 = low(twice(low(low(h4, a0, a4), a1, a3)), a2, a2);
        let c5 = twice(low(low(high(h5, a2, a2), a1, a4), a2, a3));
        let c6 = low(twice(low(h6, a2, a4)), a3, a3);
        let c7 = twice(low(high(h7, a3, a3), a3, a4));
        let c8 = low(twice(h8), a4, a4);
        let c9 = twice(high(none, a4, a4));
        folded([c0, c1, c2, c3, c4], [c5, c6, c7, c8, c9])
    }

    /// As what can be added.
    #[inline]
    pub(super) const fn loose(self) -> Loose {
        Loose(self.0)
    }

    /// Twice, as what can be added.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn doubled(self) -> Loose {
        let [a0, a1, a2, a3, a4] = self.0;
        Loose([twice(a0), twice(a1), twice(a2), twice(a3), twice(a4)])
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn plus(self, other: Self) -> Self {
        self.loose().plus(other.loose())
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn minus(self, other: Self) -> Self {
        self.loose().minus(other.loose())
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn negated(self) -> Self {
        Loose([_mm512_setzero_si512(); 5]).minus(self.loose())
    }

    /// The lanes of `other` where the mask is set, else those of `self`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn or(self, other: Self, mask: __mmask8) -> Self {
        let [a0, a1, a2, a3, a4] = self.0;
        let [b0, b1, b2, b3, b4] = other.0;
        let choose = |a, b| _mm512_mask_blend_epi64(mask, a, b);
        Self([choose(a0, b0), choose(a1, b1), choose(a2, b2), choose(a3, b3), choose(a4, b4)])
    }

    /// The lanes that are zero modulo p.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn zeros(self) -> __mmask8 {
        let [a0, a1, a2, a3, a4] = self.canonical();
        let any = _mm512_or_si512(_mm512_or_si512(a0, a1), _mm512_or_si512(a2, a3));
        let any = _mm512_or_si512(any, a4);
        _mm512_cmpeq_epi64_mask(any, _mm512_setzero_si512())
    }

    /// The lanes that are odd as numbers below p.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn odds(self) -> __mmask8 {
        let [a0, ..] = self.canonical();
        _mm512_test_epi64_mask(a0, each(1))
    }

    /// The limbs of the numbers below p, each below 2^51.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn canonical(self) -> [__m512i; 5] {
        // After one pass all limbs are below 2^51 but the lowest, which what went around raises
        // by at most 19. After two all are: if something goes around again, the lowest limb was
        // carried just now and is below 19.
        let (limbs, around) = in_order(self.0);
        let (limbs, around) = in_order(with_19_times(limbs, around));
        let limbs = with_19_times(limbs, around);
        // The number is below 2^255. It is not below p if 19 more reach 2^255, and then those 19
        // more without the 2^255 are the number less p.
        let (reduced, over) = in_order(with_19_times(limbs, each(1)));
        let mask = _mm512_test_epi64_mask(over, over);
        Self(limbs).or(Self(reduced), mask).0
    }
}

impl Product {
    /// Carried.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn carried(self) -> Element {
        carried(self.0)
    }

    /// As what can be added.
    #[inline]
    pub(super) const fn loose(self) -> Loose {
        Loose(self.0)
    }

    /// Twice, as what can be added.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn doubled(self) -> Loose {
        let [a0, a1, a2, a3, a4] = self.0;
        Loose([twice(a0), twice(a1), twice(a2), twice(a3), twice(a4)])
    }

    /// Four times, as what can be added.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn quadrupled(self) -> Loose {
        let [a0, a1, a2, a3, a4] = self.0;
        let four = |limb| _mm512_slli_epi64::<2>(limb);
        Loose([four(a0), four(a1), four(a2), four(a3), four(a4)])
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn plus(self, other: Self) -> Element {
        self.loose().plus(other.loose())
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn minus(self, other: Self) -> Element {
        self.loose().minus(other.loose())
    }
}

impl Loose {
    /// Carried.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn carried(self) -> Element {
        carried(self.0)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn plus(self, other: Self) -> Element {
        let [a0, a1, a2, a3, a4] = self.0;
        let [b0, b1, b2, b3, b4] = other.0;
        let add = |a, b| _mm512_add_epi64(a, b);
        carried([add(a0, b0), add(a1, b1), add(a2, b2), add(a3, b3), add(a4, b4)])
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn minus(self, other: Self) -> Element {
        let [a0, a1, a2, a3, a4] = self.0;
        let [b0, b1, b2, b3, b4] = other.0;
        // The limbs of 2048 p.
        let first = _mm512_set1_epi64((1 << 62) - 2_048 * 19);
        let rest = _mm512_set1_epi64((1 << 62) - 2_048);
        let subtract = |a, p, b| _mm512_add_epi64(a, _mm512_sub_epi64(p, b));
        carried([
            subtract(a0, first, b0),
            subtract(a1, rest, b1),
            subtract(a2, rest, b2),
            subtract(a3, rest, b3),
            subtract(a4, rest, b4),
        ])
    }
}

/// `sum` plus the lower halves of the products of the lowest 52 bits.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn low(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
    _mm512_madd52lo_epu64(sum, a, b)
}

/// `sum` plus the upper halves.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn high(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
    _mm512_madd52hi_epu64(sum, a, b)
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn twice(limb: __m512i) -> __m512i {
    _mm512_add_epi64(limb, limb)
}

/// Columns 0 to 4, and 19 times columns 5 to 9.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn folded(lower: [__m512i; 5], upper: [__m512i; 5]) -> Product {
    let [c0, c1, c2, c3, c4] = lower;
    let [c5, c6, c7, c8, c9] = upper;
    let nineteen = each(19);
    let fold = |low, high| _mm512_add_epi64(low, _mm512_mullo_epi64(high, nineteen));
    Product([fold(c0, c5), fold(c1, c6), fold(c2, c7), fold(c3, c8), fold(c4, c9)])
}

/// Carries once, all limbs at the same time; they are below 2^63.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn carried(limbs: [__m512i; 5]) -> Element {
    let [a0, a1, a2, a3, a4] = limbs;
    let mask = _mm512_set1_epi64(MASK);
    let kept = |limb| _mm512_and_si512(limb, mask);
    let add = |limb, below| _mm512_add_epi64(kept(limb), _mm512_srli_epi64::<BITS>(below));
    let around = _mm512_srli_epi64::<BITS>(a4);
    Element([low(kept(a0), around, each(19)), add(a1, a0), add(a2, a1), add(a3, a2), add(a4, a3)])
}

/// With 19 times a small number added to the lowest limb.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn with_19_times(limbs: [__m512i; 5], number: __m512i) -> [__m512i; 5] {
    let [a0, a1, a2, a3, a4] = limbs;
    [low(a0, number, each(19)), a1, a2, a3, a4]
}

/// Carries from limb to limb. What is above the last is apart, and not in it.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn in_order(limbs: [__m512i; 5]) -> ([__m512i; 5], __m512i) {
    let [a0, a1, a2, a3, a4] = limbs;
    let mask = _mm512_set1_epi64(MASK);
    let add = |limb, below| _mm512_add_epi64(limb, _mm512_srli_epi64::<BITS>(below));
    let a1 = add(a1, a0);
    let a2 = add(a2, a1);
    let a3 = add(a3, a2);
    let a4 = add(a4, a3);
    let kept = |limb| _mm512_and_si512(limb, mask);
    let limbs = [kept(a0), kept(a1), kept(a2), kept(a3), kept(a4)];
    (limbs, _mm512_srli_epi64::<BITS>(a4))
}

#[cfg(test)]
mod tests;
