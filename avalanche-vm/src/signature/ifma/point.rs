//! Eight points of the curve at once, one a lane: `-x^2 + y^2 = 1 + d x^2 y^2`.
//!
//! The formulas are those of extended twisted Edwards coordinates (Hisil, Wong, Carter and Dawson,
//! 2008) for `a = -1`. Because -1 is a square modulo p and d is none, they have no exceptions:
//! doubling, the identity, opposite points and points of small order all come out right.
//!
//! A point is kept as `Y + X`, `Y - X`, `Z` and `T = XY / Z`, because that is what the next
//! addition multiplies by. Sums of products are carried once and nothing else is.

use std::arch::x86_64::{__m512i, __mmask8, _mm512_permutexvar_epi64};

use super::field::{Element, Limbs};
use super::lanes::from_lanes;

/// Twice the d of the curve.
const TWICE_D: Limbs = [
    0x6_9b94_26b2_f159,
    0x3_5050_762a_dd7a,
    0x3_cf44_c003_8052,
    0x6_738c_c740_7977,
    0x2_406d_9dc5_6dff,
];
const ONE: Limbs = [1, 0, 0, 0, 0];

/// Eight points.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    /// `Y + X`.
    plus: Element,
    /// `Y - X`.
    minus: Element,
    z: Element,
    t: Element,
}

/// Eight points with a Z of one, as summands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Affine {
    plus: Element,
    minus: Element,
    /// `2dxy`.
    product: Element,
}

/// One point of an [`Affine`], in memory. Its limbs are those of elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    plus: Limbs,
    minus: Limbs,
    product: Limbs,
}

impl Point {
    /// The identity in all lanes.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn identity() -> Self {
        let (one, zero) = (Element::all(&ONE), Element::all(&[0; 5]));
        Self { plus: one, minus: one, z: one, t: zero }
    }

    /// The limbs of all coordinates.
    #[inline]
    pub(super) const fn vectors(&self) -> [&[__m512i; 5]; 4] {
        [self.plus.vectors(), self.minus.vectors(), self.z.vectors(), self.t.vectors()]
    }

    /// The point of such limbs, taken from points.
    #[inline]
    pub(super) const fn from_vectors(limbs: [[__m512i; 5]; 4]) -> Self {
        let [plus, minus, z, t] = limbs;
        Self {
            plus: Element::from_vectors(plus),
            minus: Element::from_vectors(minus),
            z: Element::from_vectors(z),
            t: Element::from_vectors(t),
        }
    }

    /// The sum with points whose Z is one, in seven products.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn plus_affine(&self, other: &Affine) -> Self {
        let a = self.minus.times(&other.minus);
        let b = self.plus.times(&other.plus);
        let c = self.t.times(&other.product).loose();
        let d = self.z.doubled();
        Self::finished(&b.minus(a), &d.minus(c), &d.plus(c), &b.plus(a))
    }

    /// The sum, in nine products.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn plus(&self, other: &Self) -> Self {
        let a = self.minus.times(&other.minus);
        let b = self.plus.times(&other.plus);
        let t = self.t.times(&other.t).carried();
        let c = t.times(&Element::all(&TWICE_D)).loose();
        let d = self.z.times(&other.z).doubled();
        Self::finished(&b.minus(a), &d.minus(c), &d.plus(c), &b.plus(a))
    }

    /// The difference.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn minus(&self, other: &Self) -> Self {
        self.plus(&other.negated(u8::MAX))
    }

    /// The double, in eight products.
    ///
    /// With `p = Y + X` and `m = Y - X`: `p^2 - m^2 = 4XY`, `p^2 + m^2 = 2(X^2 + Y^2)` and
    /// `pm = Y^2 - X^2`. All four terms are twice those of the formula, which is the same point.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn doubled(&self) -> Self {
        let plus = self.plus.squared();
        let minus = self.minus.squared();
        let g = self.plus.times(&self.minus).doubled();
        let z = self.z.squared().quadrupled();
        Self::finished(&plus.minus(minus), &z.minus(g), &g.carried(), &plus.plus(minus))
    }

    /// Doubled so many times.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn doubled_times(mut self, times: u32) -> Self {
        for _ in 0..times {
            self = self.doubled();
        }
        self
    }

    /// `X = EF`, `Y = GH`, `Z = FG`, `T = EH`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn finished(e: &Element, f: &Element, g: &Element, h: &Element) -> Self {
        let (x, y) = (e.times(f), g.times(h));
        Self {
            plus: y.plus(x),
            minus: y.minus(x),
            z: f.times(g).carried(),
            t: e.times(h).carried(),
        }
    }

    /// With the opposite points where the mask is set.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn negated(&self, mask: __mmask8) -> Self {
        Self {
            plus: self.plus.or(self.minus, mask),
            minus: self.minus.or(self.plus, mask),
            z: self.z,
            t: self.t.or(self.t.negated(), mask),
        }
    }

    /// The points of other lanes: lane `i` has that of lane `from[i]`.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn permuted(&self, from: [u64; 8]) -> Self {
        let from = from_lanes(from);
        let limbs = self.vectors();
        Self::from_vectors(
            limbs.map(|limbs| limbs.map(|limb| _mm512_permutexvar_epi64(from, limb))),
        )
    }

    /// The lanes whose point has an order that divides eight.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn of_small_order(self) -> __mmask8 {
        let Self { plus, minus, z, .. } = self.doubled_times(3);
        // Y + X and Y - X are Z: X is zero, Y is Z.
        plus.minus(z).zeros() & minus.minus(z).zeros()
    }
}

impl Entry {
    /// The identity.
    pub(super) const IDENTITY: Self = Self { plus: ONE, minus: ONE, product: [0; 5] };
    /// The base point.
    pub(super) const BASE: Self = Self {
        plus: [
            0x4_93c6_f58c_3b85,
            0x0_df71_81c3_25f7,
            0x0_f50b_0b3e_4cb7,
            0x5_3293_85a4_4c32,
            0x0_7cf9_d3a3_3d4b,
        ],
        minus: [
            0x0_3905_d740_913e,
            0x0_ba28_17d6_73a2,
            0x2_3e28_27f4_e67c,
            0x1_33d2_e0c2_1a34,
            0x4_4fd2_f929_8f81,
        ],
        product: [
            0x1_1205_877a_aa68,
            0x4_7995_5893_d579,
            0x5_0d66_309b_67a0,
            0x2_d42d_0dbe_e5ee,
            0x6_f117_b689_f0c6,
        ],
    };
}

impl Affine {
    /// Points by their x and y.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn new(x: Element, y: Element) -> Self {
        let product = x.times(&y).carried().times(&Element::all(&TWICE_D)).carried();
        Self { plus: y.plus(x), minus: y.minus(x), product }
    }

    /// The same point in all lanes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn all(entry: &Entry) -> Self {
        Self {
            plus: Element::all(&entry.plus),
            minus: Element::all(&entry.minus),
            product: Element::all(&entry.product),
        }
    }

    /// A point for each lane.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn from_lanes(entries: [&Entry; 8]) -> Self {
        Self {
            plus: Element::from_lanes(entries.map(|entry| &entry.plus)),
            minus: Element::from_lanes(entries.map(|entry| &entry.minus)),
            product: Element::from_lanes(entries.map(|entry| &entry.product)),
        }
    }

    /// The point of each lane.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn entries(&self) -> [Entry; 8] {
        let mut entries = [Entry::IDENTITY; 8];
        let parts = self.plus.lanes().into_iter().zip(self.minus.lanes());
        let parts = parts.zip(self.product.lanes());
        for (entry, ((plus, minus), product)) in entries.iter_mut().zip(parts) {
            *entry = Entry { plus, minus, product };
        }
        entries
    }

    /// With the opposite points where the mask is set.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn negated(&self, mask: __mmask8) -> Self {
        Self {
            plus: self.plus.or(self.minus, mask),
            minus: self.minus.or(self.plus, mask),
            product: self.product.or(self.product.negated(), mask),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
