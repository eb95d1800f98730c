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
/// The largest size of a wide digit.
pub(super) const WIDE_MAX: u8 = 128;
/// The largest size of a narrow digit.
pub(super) const NARROW_MAX: u8 = 8;

/// A number of so many bytes, with 128 added to each digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digits<const BYTES: usize>([u8; BYTES]);

/// Eight digits, the lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Eight {
    /// At most [`WIDE_MAX`], or [`NARROW_MAX`].
    pub(super) sizes: [u8; 8],
    /// A bit for each digit below zero.
    pub(super) negative: u8,
}

impl Digits<32> {
    /// Those of a scalar, which is below 2^253: nothing is carried out.
    pub(super) fn of(scalar: &Scalar) -> Self {
        let mut bytes = scalar.to_bytes();
        let mut carry = 0;
        for byte in &mut bytes {
            let sum = u16::from(*byte) + 128 + carry;
            [*byte, _] = sum.to_le_bytes();
            carry = sum >> 8;
        }
        Self(bytes)
    }
}

impl Digits<32> {
    /// The narrow digits of eight numbers: first the lowest of each, then the next.
    pub(super) fn across(numbers: &[Self; 8]) -> Vec<Eight> {
        let mut across = vec![Eight::ZERO; 64];
        for (lane, number) in numbers.iter().enumerate() {
            for (group, to) in across.chunks_mut(8).enumerate() {
                let Eight { sizes, negative } = number.narrow(group);
                for ((place, to), from) in to.iter_mut().enumerate().zip(sizes) {
                    to.sizes.get_mut(lane).into_iter().for_each(|size| *size = from);
                    to.negative |= (negative >> place & 1) << lane;
                }
            }
        }
        across
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
