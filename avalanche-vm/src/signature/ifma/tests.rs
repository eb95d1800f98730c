//! What is taken over from items, and what is refused before any sum.

use curve25519_dalek::edwards::CompressedEdwardsY;

use super::super::{PublicKey, Signature, SigningKey};
use super::point::tests::points;
use super::testing::on_ifma;
use super::*;

/// Bytes that are no point.
fn no_point() -> [u8; 32] {
    let mut all = (0..=u8::MAX).map(|byte| [byte; 32]);
    all.find(|bytes| CompressedEdwardsY(*bytes).decompress().is_none()).unwrap()
}

#[test]
fn keys_and_rs_that_are_no_points_never_come_into_a_sum() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        let key = SigningKey::from_seed(&[1; 32]);
        let (domain, message) = (b"d".as_slice(), b"m".as_slice());
        let good =
            Item { key: key.public_key(), domain, message, signature: key.sign(domain, message) };
        let mut without_r = good.signature.to_bytes();
        without_r[..32].copy_from_slice(&no_point());
        let bad_key = Item { key: PublicKey::new(no_point()), ..good };
        let bad_r = Item { signature: Signature::new(without_r), ..good };
        let neither = Item { key: PublicKey::new(no_point()), ..bad_r };
        for spoilt in [bad_key, bad_r, neither] {
            for length in 1..=8 {
                for lane in 0..length {
                    let mut items = vec![good; length];
                    items[lane] = spoilt;
                    let read = items.iter().map(|item| Statement::read(item).unwrap());
                    let places = (100..).zip(&items);
                    let mut eight =
                        places.zip(read).map(|((place, item), read)| (place, item, read)).collect();
                    let (mut claims, mut bad) = (Claims::default(), Vec::new());
                    claims.read(&mut eight, &mut bad);
                    assert_eq!(bad, [100 + lane]);
                    let others = (100..100 + length).filter(|place| *place != 100 + lane);
                    assert_eq!(claims.places, others.collect::<Vec<_>>());
                    assert_eq!(
                        (claims.statements.len(), claims.terms.len()),
                        (length - 1, length - 1)
                    );
                    assert_eq!(claims.bad_in(0..length - 1), []);
                }
            }
        }
    }
    on_ifma(test);
}

#[test]
fn a_half_is_the_whole_without_the_other_half() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        let key = SigningKey::from_seed(&[1; 32]);
        let (domain, message) = (b"d".as_slice(), b"m".as_slice());
        let signature = key.sign(domain, message);
        let good = Item { key: key.public_key(), domain, message, signature };
        // All are bad, so no sum is the identity.
        let mut claims = Claims::default();
        for start in (0..400).step_by(8) {
            let items = [(); 8].map(|()| Item { message: b"other", ..good });
            let read = items.iter().map(|item| Statement::read(item).unwrap());
            let places = (start..).zip(&items);
            let mut eight = places.zip(read).map(|((at, item), read)| (at, item, read)).collect();
            claims.read(&mut eight, &mut Vec::new());
        }
        let bases = claims.draw();
        // Wide and narrow digits on either side.
        for (start, middle, end) in [(0, 200, 400), (0, 100, 200), (7, 20, 33), (1, 200, 203)] {
            let whole = claims.sum(&bases, start..end);
            let first = claims.sum(&bases, start..middle);
            let second = claims.sum(&bases, middle..end);
            assert_eq!(points(&whole.minus(&first)), points(&second));
            let all = [whole, first, second].map(|sum| sum.of_small_order());
            assert_eq!(all, [0; 3], "{start}, {middle}, {end}");
        }
    }
    on_ifma(test);
}
