//! Against curve25519-dalek's points, those of small order among them.

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::traits::{Identity, IsIdentity};

use super::super::testing::{Draws, Number, affine, entry, on_ifma, points_of, projective};
use super::*;

impl Entry {
    /// The three coordinates.
    pub(in super::super) fn numbers(&self) -> [Number; 3] {
        [&self.plus, &self.minus, &self.product].map(Number::from_limbs)
    }
}

/// What the lanes are for the other crate.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(in super::super) fn points(point: &Point) -> [EdwardsPoint; 8] {
    points_of([point.plus.lanes(), point.minus.lanes(), point.z.lanes(), point.t.lanes()])
}

/// Points of all kinds, in eights: random ones, all of small order, the base point.
fn all() -> Vec<[EdwardsPoint; 8]> {
    let mut draws = Draws::new("points");
    let mut all: Vec<_> = (0..6).map(|_| draws.points()).collect();
    all.push(EIGHT_TORSION);
    all.push(EIGHT_TORSION.map(|small| small + ED25519_BASEPOINT_POINT));
    all.push([EdwardsPoint::identity(); 8]);
    all
}

fn each_pair(
    a: [EdwardsPoint; 8],
    b: [EdwardsPoint; 8],
    of: impl Fn(EdwardsPoint, EdwardsPoint) -> EdwardsPoint,
) -> Vec<EdwardsPoint> {
    a.into_iter().zip(b).map(|(a, b)| of(a, b)).collect()
}

#[test]
fn sums_and_differences_of_all_kinds_of_points_are_right() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        for a in all() {
            // Itself and its opposite in the same lane are among them, as are all small orders.
            for b in all().into_iter().chain([a, a.map(|a| -a)]) {
                for turn in [0, 3] {
                    let mut b = b;
                    b.rotate_left(turn);
                    let (p, q) = (projective(&a), projective(&b));
                    let sums = each_pair(a, b, |a, b| a + b);
                    assert_eq!(points(&p.plus(&q)).as_slice(), sums);
                    assert_eq!(points(&p.plus_affine(&affine(&b))).as_slice(), sums);
                    let differences = each_pair(a, b, |a, b| a - b);
                    assert_eq!(points(&p.minus(&q)).as_slice(), differences);
                }
            }
        }
    }
    on_ifma(test);
}

#[test]
fn doubles_of_all_kinds_of_points_are_right() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        for a in all() {
            let (mut p, mut expected) = (projective(&a), a);
            for times in 0..4 {
                assert_eq!(points(&projective(&a).doubled_times(times)), expected);
                (p, expected) = (p.doubled(), expected.map(|point| point + point));
                assert_eq!(points(&p), expected);
            }
        }
    }
    on_ifma(test);
}

#[test]
fn opposites_and_turns_are_by_lane() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        let [a, b, ..] = all().try_into().unwrap_or_else(|_| [[EdwardsPoint::identity(); 8]; 9]);
        for mask in [0, 1, 0x80, 0b0101_1010, u8::MAX] {
            let bit = |lane: usize| mask >> lane & 1 == 1;
            let negated = points(&projective(&a).negated(mask));
            let sums = points(&projective(&b).plus_affine(&affine(&a).negated(mask)));
            for lane in 0..8 {
                let signed = if bit(lane) { -a[lane] } else { a[lane] };
                assert_eq!((negated[lane], sums[lane]), (signed, b[lane] + signed));
            }
        }
        let permuted = points(&projective(&a).permuted([7, 0, 1, 1, 2, 5, 6, 3]));
        assert_eq!(permuted, [a[7], a[0], a[1], a[1], a[2], a[5], a[6], a[3]]);
    }
    on_ifma(test);
}

#[test]
fn points_of_small_order_are_told_apart() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        let (mut small, mut large) = (0, 0);
        for a in all() {
            let mask = projective(&a).of_small_order();
            for (lane, point) in a.into_iter().enumerate() {
                let expected = point.mul_by_cofactor().is_identity();
                assert_eq!(mask >> lane & 1 == 1, expected, "{point:?}");
                (small, large) = (small + usize::from(expected), large + usize::from(!expected));
            }
        }
        assert!(small > 20 && large > 20, "{small}, {large}");
    }
    on_ifma(test);
}

#[test]
fn summands_in_memory_are_what_they_were() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        let one = Point::identity();
        assert_eq!(points(&one), [EdwardsPoint::identity(); 8]);
        for a in all() {
            let entries = affine(&a).entries();
            let [b, c, d, e, f, g, h, i] = &entries;
            let back = Affine::from_lanes([b, c, d, e, f, g, h, i]);
            assert_eq!(points(&one.plus_affine(&back)), a);
            assert_eq!(points(&one.plus_affine(&Affine::all(&entries[5]))), [a[5]; 8]);
        }
        let base = Entry::BASE.numbers();
        assert_eq!(base, entry(&ED25519_BASEPOINT_POINT).numbers());
        assert_eq!(Entry::IDENTITY.numbers(), entry(&EdwardsPoint::identity()).numbers());
    }
    on_ifma(test);
}
