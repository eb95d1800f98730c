//! What goes into buckets comes out again, lane by lane.

use std::array::from_fn;

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;

use super::super::point::tests::points;
use super::super::testing::{Draws, affine, on_ifma, projective};
use super::*;

#[test]
fn rows_and_columns_are_each_others_transposition() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        use super::super::lanes::to_lanes;
        let vectors: [_; 4] = from_fn(|word| from_fn(|lane| (word * 8 + lane) as u64));
        let [a, b, c, d] = vectors;
        let lanes = quarters([from_lanes(a), from_lanes(b), from_lanes(c), from_lanes(d)]);
        for (lane, words) in lanes.into_iter().enumerate() {
            let all = to_lanes(_mm512_castsi256_si512(words));
            assert_eq!(all[..4], [a[lane], b[lane], c[lane], d[lane]], "{lane}");
        }
        let [e, f, g, h] = columns(lanes);
        assert_eq!([to_lanes(e), to_lanes(f), to_lanes(g), to_lanes(h)], vectors);
        let point = projective(&Draws::new("rows").points());
        let mut buckets = Buckets::new(8);
        buckets.set(3, &point);
        let digits = Eight { sizes: [3; 8], negative: 0 };
        assert_eq!(points(&buckets.get(digits)), points(&point));
    }
    on_ifma(test);
}

#[test]
fn totals_are_sums_of_points_times_digits() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        for largest in [8, 128] {
            let mut draws = Draws::new("buckets");
            let mut buckets = Buckets::new(largest);
            for turn in 0..2 {
                let mut expected = [EdwardsPoint::default(); 8];
                for number in 0..40 {
                    let all = draws.points();
                    let negative = draws.bytes::<1>()[0];
                    let sizes = match number {
                        0 => [0; 8],
                        1 => [largest; 8],
                        2 => [0, 1, 0, 2, largest, largest - 1, 0, 3],
                        _ => draws.bytes().map(|byte| byte % (largest + 1)),
                    };
                    buckets.add(&affine(&all), Eight { sizes, negative });
                    for lane in 0..8 {
                        let times = Scalar::from(sizes[lane]) * all[lane];
                        let below = negative >> lane & 1 == 1;
                        expected[lane] += if below { -times } else { times };
                    }
                }
                assert_eq!(points(&buckets.total()), expected, "{turn}");
                buckets.clear();
            }
            assert_eq!(points(&buckets.total()), [EdwardsPoint::default(); 8]);
        }
    }
    on_ifma(test);
}
