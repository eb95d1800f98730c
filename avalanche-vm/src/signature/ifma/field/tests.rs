//! Against slow arithmetic, with limbs at the ends of their bounds.

use super::super::testing::{Draws, Number, combinations, on_ifma, with_ends};
use super::*;

/// The largest limbs of an element.
const ELEMENT_MAX: u64 = (1 << 51) - 1 + 19 * (1 << 12);
/// The largest limbs of a loose number.
const LOOSE_MAX: u64 = (1 << 61) - 1;
const PRODUCT_MAX: u64 = (1 << 59) - 1;

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn element(lanes: &[Limbs; 8]) -> Element {
    let [a, b, c, d, e, f, g, h] = lanes;
    Element::from_lanes([a, b, c, d, e, f, g, h])
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn limbs(vectors: [__m512i; 5]) -> [Limbs; 8] {
    Element(vectors).lanes()
}

/// The numbers of an element, whose bounds are checked.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn numbers(element: Element) -> [Number; 8] {
    element.lanes().map(|limbs| {
        assert!(limbs.iter().all(|limb| *limb <= ELEMENT_MAX), "{limbs:x?} is no element");
        Number::from_limbs(&limbs)
    })
}

/// The numbers of a product, whose bounds are checked.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn product(product: Product) -> [Number; 8] {
    limbs(product.0).map(|limbs| {
        assert!(limbs.iter().all(|limb| *limb <= PRODUCT_MAX), "{limbs:x?} is no product");
        Number::from_limbs(&limbs)
    })
}

/// Elements of interest: all ways to put these limbs together, and random ones.
fn elements() -> Vec<[Limbs; 8]> {
    let ends = [0, 1, (1 << 51) - 1, 1 << 51, ELEMENT_MAX];
    let mut all: Vec<_> = combinations(&ends).collect();
    let mut draws = Draws::new("elements");
    all.extend((0..2_000).map(|_| [(); 5].map(|()| draws.word() % (ELEMENT_MAX + 1))));
    assert_eq!(all.len() % 8, 5);
    all.extend([[ELEMENT_MAX; 5], [0; 5], [1, 0, 0, 0, 0]]);
    all.as_chunks().0.to_vec()
}

#[test]
fn products_and_squares_are_those_of_slow_arithmetic() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        let all = elements();
        for (at, limbs) in all.iter().enumerate() {
            let a = element(limbs);
            let expected = numbers(a).map(|number| number.times(number));
            assert_eq!(product(a.squared()), expected, "{limbs:x?}");
            assert_eq!(numbers(a.squared().carried()), expected);
            // With others, with the largest and with itself.
            for b in [all[at * 7 % all.len()], [[ELEMENT_MAX; 5]; 8], *limbs].map(|b| element(&b)) {
                let pairs = numbers(a).into_iter().zip(numbers(b));
                let expected: Vec<_> = pairs.map(|(a, b)| a.times(b)).collect();
                assert_eq!(product(a.times(&b)).as_slice(), expected, "{limbs:x?}");
                assert_eq!(numbers(a.times(&b).carried()).as_slice(), expected);
            }
        }
    }
    on_ifma(test);
}

#[test]
fn sums_and_differences_are_those_of_slow_arithmetic() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        let ends = [0, 1, (1 << 51) - 1, 1 << 51, LOOSE_MAX];
        let mut all: Vec<_> = combinations(&ends).collect();
        let mut draws = Draws::new("loose");
        all.extend((0..1_003).map(|_| [(); 5].map(|()| draws.word() % (LOOSE_MAX + 1))));
        let all = all.as_chunks::<8>().0;
        for (at, limbs) in all.iter().enumerate() {
            let a = Loose(element(limbs).0);
            let expected = limbs.map(|limbs| Number::from_limbs(&limbs));
            assert_eq!(numbers(a.carried()), expected, "{limbs:x?}");
            for others in [all[at * 7 % all.len()], [[LOOSE_MAX; 5]; 8], [[0; 5]; 8]] {
                let b = Loose(element(&others).0);
                let pairs = limbs.iter().zip(&others);
                let pairs = pairs.map(|(a, b)| (Number::from_limbs(a), Number::from_limbs(b)));
                let sums: Vec<_> = pairs.clone().map(|(a, b)| a.plus(b)).collect();
                let differences: Vec<_> = pairs.map(|(a, b)| a.minus(b)).collect();
                assert_eq!(numbers(a.plus(b)).as_slice(), sums, "{limbs:x?} + {others:x?}");
                assert_eq!(numbers(a.minus(b)).as_slice(), differences, "{limbs:x?} - {others:x?}");
            }
        }
    }
    on_ifma(test);
}

#[test]
fn what_is_short_for_sums_and_products_is_the_same() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        let zero = Number::from_bytes(&[0; 32]);
        for limbs in elements() {
            let (a, b) = (element(&limbs), element(&[[ELEMENT_MAX; 5]; 8]));
            let ([a_number, ..], [b_number, ..]) = (numbers(a), numbers(b));
            let first = |element| numbers(element)[0];
            let twice = a_number.plus(a_number);
            assert_eq!(first(a.doubled().carried()), twice);
            assert_eq!(first(a.plus(b)), a_number.plus(b_number));
            assert_eq!(first(a.minus(b)), a_number.minus(b_number));
            assert_eq!(first(b.minus(a)), b_number.minus(a_number));
            assert_eq!(first(a.negated()), zero.minus(a_number));
            let (c, d) = (a.times(&b), b.squared());
            let (c_number, d_number) = (product(c)[0], product(d)[0]);
            assert_eq!(first(c.doubled().carried()), c_number.plus(c_number));
            let four = d_number.plus(d_number).plus(d_number).plus(d_number);
            assert_eq!(first(d.quadrupled().carried()), four);
            assert_eq!(first(c.plus(d)), c_number.plus(d_number));
            assert_eq!(first(c.minus(d)), c_number.minus(d_number));
            assert_eq!(
                first(d.quadrupled().minus(c.doubled())),
                four.minus(c_number).minus(c_number)
            );
        }
    }
    on_ifma(test);
}

#[test]
fn canonical_limbs_are_those_of_the_number_below_p() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        // Around zero, p and 2^255, where the lowest limb decides.
        let lowest = [0, 1, 18, 19, 20, 37, 38];
        let around =
            [1 << 51, (1 << 51) - 19, (1 << 51) - 38].map(|middle| middle - 20..=middle + 20);
        let lowest = lowest.into_iter().chain(around.into_iter().flatten()).chain([ELEMENT_MAX]);
        let others: Vec<_> = combinations(&[0, (1 << 51) - 1, 1 << 51, ELEMENT_MAX]).collect();
        let mut all: Vec<_> = lowest
            .flat_map(|lowest| others.iter().map(move |[_, b, c, d, e]| [lowest, *b, *c, *d, *e]))
            .collect();
        all.extend(elements().into_flattened());
        let (mut zeros, mut odds) = (0, 0);
        for limbs in all.as_chunks::<8>().0 {
            let a = element(limbs);
            let canonical = Element(a.canonical()).lanes();
            for lane in 0..8 {
                let number = Number::from_limbs(&limbs[lane]);
                let own = bytes(&canonical[lane]);
                assert_eq!(own, number.to_bytes(), "{:x?}", limbs[lane]);
                let zero = number.to_bytes() == [0; 32];
                assert_eq!(a.zeros() >> lane & 1 == 1, zero, "{:x?}", limbs[lane]);
                assert_eq!(a.odds() >> lane & 1 == 1, number.is_odd(), "{:x?}", limbs[lane]);
                zeros += u32::from(zero);
                odds += u32::from(number.is_odd());
            }
        }
        assert!(zeros > 3 && odds > 1_000, "{zeros}, {odds}");
    }
    on_ifma(test);
}

/// The bytes of limbs below 2^51, which do not overlap.
fn bytes(limbs: &Limbs) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (number, limb) in limbs.iter().enumerate() {
        assert!(*limb < 1 << 51);
        for bit in (0..51).filter(|bit| limb >> bit & 1 == 1) {
            bytes[(number * 51 + bit) / 8] |= 1 << ((number * 51 + bit) % 8);
        }
    }
    bytes
}

#[test]
fn words_are_read_whatever_they_are() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        let mut draws = Draws::new("words");
        let mut all = vec![[0; 32], [0xff; 32], with_ends(0xed, 0x7f), with_ends(0xee, 0xff)];
        all.extend((0..256).map(|bit| {
            let mut bytes = [0; 32];
            bytes[bit / 8] = 1 << (bit % 8);
            bytes
        }));
        all.extend((0..404).map(|_| draws.bytes::<32>()));
        for eight in all.as_chunks::<8>().0 {
            let word = |at: usize| {
                eight.map(|bytes| u64::from_le_bytes(bytes[at * 8..][..8].try_into().unwrap()))
            };
            let words = [word(0), word(1), word(2), word(3)];
            let [w0, w1, w2, w3] = words;
            let words = [from_lanes(w0), from_lanes(w1), from_lanes(w2), from_lanes(w3)];
            let read = Element::from_words(&words);
            let expected = eight.map(|mut bytes| {
                bytes[31] &= 0x7f;
                Number::from_bytes(&bytes)
            });
            assert_eq!(numbers(read), expected);
            assert!(read.lanes().as_flattened().iter().all(|limb| *limb < 1 << 51));
        }
    }
    on_ifma(test);
}

#[test]
fn lanes_stay_apart() {
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn test() {
        let mut draws = Draws::new("lanes");
        let mut eight = || [(); 8].map(|()| [(); 5].map(|()| draws.word() >> 13));
        let (a, b) = (eight(), eight());
        assert_eq!(element(&a).lanes(), a);
        assert_eq!(to_lanes(from_lanes([1, 2, 3, 4, 5, 6, 7, 8])), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(Element::all(&a[3]).lanes(), [a[3]; 8]);
        for mask in 0..=u8::MAX {
            let chosen = element(&a).or(element(&b), mask).lanes();
            for lane in 0..8 {
                let from = if mask >> lane & 1 == 1 { b } else { a };
                assert_eq!(chosen[lane], from[lane]);
            }
        }
    }
    on_ifma(test);
}
