//! Points from their 32 bytes, sixteen at a time: two vectors of eight, because the chain of
//! squares of one leaves the processor waiting half of the time.
//!
//! The rule is that of ZIP-215 and of curve25519-dalek: the 255 lower bits are y, whatever they
//! are, modulo p. There is an x, or the bytes are no point. Of x and -x the even one is meant if
//! the topmost bit is clear; if x is zero that bit changes nothing.

use std::arch::x86_64::__mmask8;

use super::field::{Element, Limbs};
use super::lanes::from_lanes;
use super::point::Affine;

/// The d of the curve.
const D: Limbs = [
    0x3_4dca_1359_78a3,
    0x1_a828_3b15_6ebd,
    0x5_e7a2_6001_c029,
    0x7_39c6_63a0_3cbb,
    0x5_2036_cee2_b6ff,
];
/// The even square root of -1.
const ROOT: Limbs = [
    0x6_1b27_4a0e_a0b0,
    0x0_d5a5_fc8f_189d,
    0x7_ef5e_9cbd_0c60,
    0x7_8595_a680_4c9e,
    0x2_b832_4804_fc1d,
];
const ONE: Limbs = [1, 0, 0, 0, 0];

/// The points of two times eight encodings, and which lanes have one. What is in the others is no
/// point.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn read(encodings: [&[[u8; 32]; 8]; 2]) -> [(Affine, __mmask8); 2] {
    let [(y, negative), (other_y, other_negative)] = encodings.map(|eight| parsed(eight));
    let (u, v) = fraction(y);
    let (other_u, other_v) = fraction(other_y);
    let (w, other_w) = (times_seventh(u, v), times_seventh(other_u, other_v));
    let [power, other_power] = powers([w, other_w]);
    let (x, good) = root(u, v, power, negative);
    let (other_x, other_good) = root(other_u, other_v, other_power, other_negative);
    [(Affine::new(x, y), good), (Affine::new(other_x, other_y), other_good)]
}

/// The y of each encoding, and which have the topmost bit set.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn parsed(encodings: &[[u8; 32]; 8]) -> (Element, __mmask8) {
    let mut words = [[0; 8]; 4];
    let mut negative = 0;
    for (lane, encoding) in encodings.iter().enumerate() {
        let (eights, _) = encoding.as_chunks::<8>();
        for (words, bytes) in words.iter_mut().zip(eights) {
            words.get_mut(lane).into_iter().for_each(|word| *word = u64::from_le_bytes(*bytes));
        }
        let [.., last] = encoding;
        negative |= (last >> 7) << lane;
    }
    let [w0, w1, w2, w3] = words;
    let words = [from_lanes(w0), from_lanes(w1), from_lanes(w2), from_lanes(w3)];
    (Element::from_words(&words), negative)
}

/// `y^2 - 1` and `d y^2 + 1`, whose quotient is the square of x. The latter is never zero.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn fraction(y: Element) -> (Element, Element) {
    let square = y.squared().carried();
    let one = Element::all(&ONE);
    (square.minus(one), square.times(&Element::all(&D)).loose().plus(one.loose()))
}

/// `u v^7`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn times_seventh(u: Element, v: Element) -> Element {
    let cube = v.squared().carried().times(&v).carried();
    let seventh = cube.squared().carried().times(&v).carried();
    u.times(&seventh).carried()
}

/// The root of `u / v` with the sign that is asked for, and where there is one. `power` is
/// `(u v^7)^((p - 5) / 8)`.
///
/// `r = u v^3 power` has `v r^2 = u` times a fourth root of one: if that is 1, r is a root; if it
/// is -1, r times the root of -1 is one; else there is none.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn root(u: Element, v: Element, power: Element, negative: __mmask8) -> (Element, __mmask8) {
    let cube = v.squared().carried().times(&v).carried();
    let r = u.times(&cube).carried().times(&power).carried();
    let check = r.squared().carried().times(&v);
    let straight = check.loose().minus(u.loose()).zeros();
    let turned = check.loose().plus(u.loose()).zeros();
    let r = r.or(r.times(&Element::all(&ROOT)).carried(), turned & !straight);
    let r = r.or(r.negated(), r.odds() ^ negative);
    (r, straight | turned)
}

/// Both to the power of `(p - 5) / 8 = 2^252 - 3`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn powers(of: [Element; 2]) -> [Element; 2] {
    // `ones(n)` is the power of n ones in binary.
    let two = squares(of, 1);
    let nine = products(squares(two, 2), of);
    let eleven = products(nine, two);
    let ones_5 = products(squares(eleven, 1), nine);
    let ones_10 = products(squares(ones_5, 5), ones_5);
    let ones_20 = products(squares(ones_10, 10), ones_10);
    let ones_40 = products(squares(ones_20, 20), ones_20);
    let ones_50 = products(squares(ones_40, 10), ones_10);
    let ones_100 = products(squares(ones_50, 50), ones_50);
    let ones_200 = products(squares(ones_100, 100), ones_100);
    let ones_250 = products(squares(ones_200, 50), ones_50);
    products(squares(ones_250, 2), of)
}

/// Both squared so many times, by turns.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn squares([mut a, mut b]: [Element; 2], times: u32) -> [Element; 2] {
    for _ in 0..times {
        a = a.squared().carried();
        b = b.squared().carried();
    }
    [a, b]
}

/// Both products.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn products([a, b]: [Element; 2], [c, d]: [Element; 2]) -> [Element; 2] {
    [a.times(&c).carried(), b.times(&d).carried()]
}

#[cfg(test)]
mod tests;
