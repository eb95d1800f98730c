//! Against curve25519-dalek's sums, at all lengths where something changes.

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimeMultiscalarMul;

use super::super::point::tests::points;
use super::super::testing::{Draws, entry, on_ifma};
use super::*;

/// Terms with a point and a scalar of every kind, and what each comes to.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn terms(draws: &mut Draws, length: usize) -> Vec<(Term, EdwardsPoint)> {
    let scalars = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, Scalar::from(128_u64)];
    let mut all = Vec::new();
    for number in 0..length {
        let (key, r) = (draws.point(), draws.point());
        let zk = scalars.get(number % 12).copied().unwrap_or_else(|| draws.scalar());
        let drawn = match number % 10 {
            0 => [0; 16],
            1 => [255; 16],
            2 => [128; 16],
            _ => draws.bytes(),
        };
        let (z, _) = Digits::drawn(drawn);
        let term = Term { key: entry(&key), r: entry(&r), zk: Digits::of(&zk), z };
        // As whole numbers: modulo the order, points of small order would get something else.
        let [z, less] = [drawn, [128; 16]].map(|bytes| Scalar::from(u128::from_le_bytes(bytes)));
        let expected = EdwardsPoint::vartime_multiscalar_mul([zk, z, less], [key, r, -r]);
        all.push((term, expected));
    }
    all
}

#[test]
fn sums_of_all_lengths_are_right() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        let mut draws = Draws::new("sums");
        let all = terms(&mut draws, 1_030);
        let long = [63, 64, 65, 127, 128, 129, 148, 149, 150, 151, 152, 255, 1_023, 1_024, 1_025];
        for length in (0..=40).chain(long) {
            let all = all.iter().skip(length % 5).take(length);
            assert_eq!(all.len(), length);
            for scalar in [Scalar::ZERO, draws.scalar()] {
                let own = all.clone().map(|(term, _)| term);
                let own = sum(&own, &Entry::BASE, &Digits::of(&scalar));
                let expected = all.clone().map(|(_, point)| point).sum::<EdwardsPoint>();
                let expected = expected + scalar * ED25519_BASEPOINT_POINT;
                assert_eq!(points(&own), [expected; 8], "{length}");
            }
        }
    }
    on_ifma(test);
}

#[test]
fn lanes_count_by_their_place() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        use super::super::testing::projective;
        let eight = Draws::new("across").points();
        for bits in [NARROW, WIDE] {
            let base = Scalar::from(1_u64 << bits);
            let fold = |sum: EdwardsPoint, point: &EdwardsPoint| sum * base + point;
            let expected = eight.iter().rev().fold(EdwardsPoint::default(), fold);
            assert_eq!(points(&across(projective(&eight), bits)), [expected; 8]);
        }
    }
    on_ifma(test);
}
