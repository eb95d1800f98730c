//! Against curve25519-dalek, which reads one at a time.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;

use super::super::testing::{Draws, Number, on_ifma, point_of, with_ends};
use super::*;

/// Reads all, each in both vectors and with changing neighbours; how many were accepted.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn accepted(encodings: &[[u8; 32]]) -> usize {
    let mut accepted = 0;
    for start in 0..encodings.len() {
        let mut neighbours = encodings.iter().cycle().skip(start).step_by(3).copied();
        let mut eight = || [(); 8].map(|()| neighbours.next().unwrap());
        let (first, second) = (eight(), eight());
        for (eight, (points, good)) in [first, second].into_iter().zip(read([&first, &second])) {
            for (lane, (encoding, entry)) in eight.into_iter().zip(points.entries()).enumerate() {
                let expected = CompressedEdwardsY(encoding).decompress();
                assert_eq!(good >> lane & 1 == 1, expected.is_some(), "{encoding:x?}");
                let Some(expected) = expected else { continue };
                let [plus, minus, product] = entry.numbers();
                let (x, y) = (plus.minus(minus).half(), plus.plus(minus).half());
                // 2dxy, where d is -121665 / 121666.
                let number = |n: u64| Number::from_limbs(&[n, 0, 0, 0, 0]);
                let (two_xy, d) = (x.plus(x).times(y), number(121_665));
                let product = product.times(number(121_666));
                assert_eq!(product.plus(two_xy.times(d)), number(0), "{encoding:x?}");
                assert_eq!(point_of(x, y, Number::ONE), expected, "{encoding:x?}");
                let sign = (encoding[31] >> 7 == 1) && x != number(0);
                assert_eq!(x.is_odd(), sign, "{encoding:x?}");
            }
        }
        accepted += usize::from(CompressedEdwardsY(encodings[start]).decompress().is_some());
    }
    accepted
}

#[test]
fn random_bytes_are_points_or_not_as_the_other_crate_says() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        let mut draws = Draws::new("encodings");
        let all: Vec<_> = (0..400).map(|_| draws.bytes()).collect();
        let accepted = accepted(&all);
        assert!(accepted > 100 && accepted < 300, "{accepted}");
    }
    on_ifma(test);
}

#[test]
fn encodings_at_the_edges_are_read_as_the_other_crate_reads_them() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        let mut all: Vec<_> = EIGHT_TORSION.iter().map(|p| p.compress().to_bytes()).collect();
        // The smallest y, those below p, and those from p to 2^255, which are not canonical.
        for first in 0..=40 {
            let mut small = [0; 32];
            small[0] = first;
            all.extend([small, with_ends(255 - first, 0x7f)]);
        }
        let negative: Vec<_> = all
            .iter()
            .map(|bytes| {
                let mut bytes = *bytes;
                bytes[31] ^= 0x80;
                bytes
            })
            .collect();
        all.extend(negative);
        let accepted = accepted(&all);
        assert!(accepted > 60 && accepted < all.len() - 40, "{accepted} of {}", all.len());
    }
    on_ifma(test);
}
