//! Digits put together again are the number.

use super::super::testing::Draws;
use super::*;

/// The number that eight digits a group make, and the largest size among them.
fn number(groups: &[Eight], bits: u32) -> (Scalar, u8) {
    let base = Scalar::from(1_u64 << bits);
    let mut number = Scalar::ZERO;
    for eight in groups.iter().rev() {
        for (place, size) in eight.sizes.into_iter().enumerate().rev() {
            let size = Scalar::from(size);
            let digit = if eight.negative >> place & 1 == 1 { -size } else { size };
            number = number * base + digit;
        }
    }
    let largest = groups.iter().flat_map(|eight| eight.sizes).max();
    (number, largest.unwrap())
}

#[test]
fn digits_of_scalars_make_the_scalar() {
    let mut draws = Draws::new("digits");
    let mut scalars = vec![Scalar::ZERO, Scalar::ONE, -Scalar::ONE, -Scalar::from(2_u64)];
    scalars.extend((0..=u8::MAX).map(|byte| Scalar::from_bytes_mod_order([byte; 32])));
    scalars.extend((0..200).map(|_| draws.scalar()));
    let (mut wide_max, mut narrow_max) = (0, 0);
    for scalar in scalars {
        let digits = Digits::of(&scalar);
        let wide: Vec<_> = (0..4).map(|group| digits.wide(group)).collect();
        let narrow: Vec<_> = (0..8).map(|group| digits.narrow(group)).collect();
        let (by_wide, largest) = number(&wide, WIDE);
        let (by_narrow, largest_narrow) = number(&narrow, NARROW);
        assert_eq!((by_wide, by_narrow), (scalar, scalar));
        (wide_max, narrow_max) = (wide_max.max(largest), narrow_max.max(largest_narrow));
    }
    assert_eq!((wide_max, narrow_max), (128, 8));
}

#[test]
fn drawn_digits_make_the_number_that_is_said() {
    let mut draws = Draws::new("drawn");
    let mut all: Vec<_> = (0..=u8::MAX).map(|byte| [byte; 16]).collect();
    all.extend((0..200).map(|_| draws.bytes::<16>()));
    for drawn in all {
        let (digits, z) = Digits::drawn(drawn);
        let wide: Vec<_> = (0..2).map(|group| digits.wide(group)).collect();
        let narrow: Vec<_> = (0..4).map(|group| digits.narrow(group)).collect();
        assert_eq!((number(&wide, WIDE).0, number(&narrow, NARROW).0), (z, z));
        assert_eq!(
            z,
            Scalar::from(u128::from_le_bytes(drawn)) - Scalar::from(u128::MAX / 255 * 128)
        );
        assert_eq!((digits.wide(2), digits.narrow(4)), (Eight::ZERO, Eight::ZERO));
    }
}

#[test]
fn every_byte_has_its_digits() {
    for byte in 0..=u8::MAX {
        let digits = Digits([byte; 32]);
        let wide = digits.wide(0);
        let signed = i32::from(byte) - 128;
        assert_eq!(i32::from(wide.sizes[0]), signed.abs());
        assert_eq!(wide.negative, if signed < 0 { u8::MAX } else { 0 });
        let narrow = digits.narrow(7);
        let digit = |place: usize| {
            let sign = if narrow.negative >> place & 1 == 1 { -1 } else { 1 };
            sign * i32::from(narrow.sizes[place])
        };
        assert!(narrow.sizes.iter().all(|size| *size <= 8));
        assert_eq!(digit(7) * 16 + digit(6), signed);
    }
    assert_eq!(Digits::<32>::ZERO, Digits::of(&Scalar::ZERO));
}

#[test]
fn digits_across_are_those_of_each_number() {
    let mut draws = Draws::new("across");
    let numbers = [(); 8].map(|()| Digits::of(&draws.scalar()));
    let across = Digits::across(&numbers);
    assert_eq!(across.len(), 64);
    for (place, across) in across.into_iter().enumerate() {
        for (lane, number) in numbers.iter().enumerate() {
            let eight = number.narrow(place / 8);
            assert_eq!(across.sizes[lane], eight.sizes[place % 8]);
            assert_eq!(across.negative >> lane & 1, eight.negative >> (place % 8) & 1);
        }
    }
}
