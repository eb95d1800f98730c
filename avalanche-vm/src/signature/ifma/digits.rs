//! Scalars in signed digits, of eight bits or of four.
//!
//! With 128 added to each digit in advance, the digits of eight bits are the bytes less 128. They
//! are between -128 and 127. One such digit is `16 h + l` with `l` between -8 and 7 and `h` between
//! -8 and 8, so narrow digits are made of wide ones without a carry from digit to digit.

use curve25519_dalek::scalar::Scalar;

/// Bits of a wide digit.
pub(super) const WIDE: u32 = 8;
/// Bits of a narrow digit.
pub(super) const NARROW: u32 = 4;

/// A number of so many bytes, with 128 added to each digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digits<const BYTES: usize>([u8; BYTES]);

/// Eight digits, the lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Eight {
    /// At most 128, or 8.
    pub(super) sizes: [u8; 8],
    /// A bit for each digit below zero.
    pub(super) negative: u8,
}

impl Digits<32> {
    /// Those of a scalar, which is below 2^253: nothing is carried out.
    pub(super) fn of(scalar: &Scalar) -> Self {
        let mut carry = 0;
        Self(scalar.to_bytes().map(|byte| {
            let sum = u16::from(byte) + 128 + carry;
            carry = sum >> 8;
            let [digit, _] = sum.to_le_bytes();
            digit
        }))
    }
}

impl Digits<16> {
    /// Bytes that were drawn, as they are; and the number that these digits have, between -2^127
    /// and 2^127 or little more.
    pub(super) fn drawn(bytes: [u8; 16]) -> (Self, Scalar) {
        let number = Scalar::from(u128::from_le_bytes(bytes));
        (Self(bytes), number - Scalar::from(u128::from_le_bytes([128; 16])))
    }
}

impl<const BYTES: usize> Digits<BYTES> {
    /// Zero.
    pub(super) const ZERO: Self = Self([128; BYTES]);
    /// How many narrow digits there are.
    pub(super) const NARROW: usize = BYTES * 2;

    /// Narrow digit `place` of eight numbers.
    pub(super) fn across(numbers: &[Self; 8], place: usize) -> Eight {
        let (group, place) = (place / 8, place % 8);
        let mut across = Eight::ZERO;
        for ((bit, size), number) in (0..).zip(&mut across.sizes).zip(numbers) {
            let eight = number.narrow(group);
            *size = eight.sizes.get(place).copied().unwrap_or_default();
            across.negative |= (eight.negative >> place & 1) << bit;
        }
        across
    }

    /// Digits `8 * group` and on, of eight bits; past the end they are zero.
    #[inline]
    pub(super) fn wide(&self, group: usize) -> Eight {
        let (eights, _) = self.0.as_chunks::<8>();
        eights.get(group).map_or(Eight::ZERO, |bytes| Eight::less(*bytes, 128))
    }

    /// Digits `8 * group` and on, of four bits; past the end they are zero.
    #[inline]
    pub(super) fn narrow(&self, group: usize) -> Eight {
        let (fours, _) = self.0.as_chunks::<4>();
        fours.get(group).map_or(Eight::ZERO, |&[a, b, c, d]| {
            let parts = |byte: u8| {
                let sum = u16::from(byte) + 8;
                let [all, carry] = sum.to_le_bytes();
                (all & 15, all >> 4 | carry << 4)
            };
            let [(a, b), (c, d), (e, f), (g, h)] = [a, b, c, d].map(parts);
            Eight::less([a, b, c, d, e, f, g, h], 8)
        })
    }
}

impl Eight {
    const ZERO: Self = Self { sizes: [0; 8], negative: 0 };

    /// A bit for each digit of a size.
    pub(super) fn of_size(&self, size: u8) -> u8 {
        let sizes = (0..).zip(self.sizes);
        sizes.fold(0, |mask, (bit, of)| mask | u8::from(of == size) << bit)
    }

    /// Digits that are such numbers less `offset`.
    #[inline]
    fn less(bytes: [u8; 8], offset: u8) -> Self {
        let (mut sizes, mut negative) = ([0; 8], 0);
        for ((bit, size), byte) in (0..).zip(&mut sizes).zip(bytes) {
            *size = byte.abs_diff(offset);
            negative |= u8::from(byte < offset) << bit;
        }
        Self { sizes, negative }
    }
}

#[cfg(test)]
mod tests;
