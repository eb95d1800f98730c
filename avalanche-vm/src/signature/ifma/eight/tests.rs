//! Equations that hold and others, in every lane and in every number.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::EdwardsPoint;

use super::super::point::tests::points;
use super::super::testing::{Draws, affine, entry, on_ifma};
use super::*;

#[test]
fn equations_that_do_not_hold_are_told_by_their_lane() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        let mut draws = Draws::new("eight");
        for length in 0..=8_usize {
            for _ in 0..6 {
                let bad = draws.bytes::<1>()[0] & draws.bytes::<1>()[0];
                let mut all = Vec::new();
                for (lane, small) in EIGHT_TORSION.into_iter().enumerate().take(length) {
                    let (k, s, secret) = (draws.scalar(), draws.scalar(), draws.scalar());
                    let key = EdwardsPoint::mul_base(&secret) + small;
                    // What is missing is of small order, or not.
                    let mut r = EdwardsPoint::mul_base(&(s - k * secret)) + small;
                    if bad >> lane & 1 == 1 {
                        r += EdwardsPoint::mul_base(&Scalar::ONE);
                    }
                    all.push((entry(&key), entry(&r), k, s));
                }
                let all: Vec<_> =
                    all.iter().map(|(key, r, k, s)| Equation { key, r, k, s }).collect();
                let present = u8::try_from((1_u16 << length) - 1).unwrap();
                assert_eq!(holding(&all), !(bad & present), "{length}, {bad:b}");
            }
        }
    }
    on_ifma(test);
}

#[test]
fn scalars_at_the_ends_are_right() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        let ends = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, Scalar::from(8_u64)];
        let secret = Scalar::from(5_u64);
        let key = EdwardsPoint::mul_base(&secret);
        for k in ends {
            for s in ends {
                let r = EdwardsPoint::mul_base(&(s - k * secret));
                let (key, good, bad) = (entry(&key), entry(&r), entry(&(r + key)));
                let equation = |r| Equation { key: &key, r, k: &k, s: &s };
                assert_eq!(holding(&[equation(&bad), equation(&good)]), 0b1111_1110);
            }
        }
    }
    on_ifma(test);
}

#[test]
fn multiples_are_by_the_digit_of_each_lane() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        let eight = Draws::new("multiples").points();
        let multiples = Multiples::of(&affine(&eight));
        for start in 0..=8_u8 {
            let sizes = [0, 1, 2, 3, 4, 5, 6, 7].map(|lane| (start + lane) % 9);
            let negative = 0b0110_1001;
            let own = points(&multiples.times(Eight { sizes, negative }));
            for lane in 0..8 {
                let times = Scalar::from(sizes[lane]) * eight[lane];
                let below = negative >> lane & 1 == 1;
                assert_eq!(own[lane], if below { -times } else { times });
            }
        }
    }
    on_ifma(test);
}
