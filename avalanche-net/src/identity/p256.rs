//! Whether bytes are a point of the curve P-256.
//!
//! ring tells a bad key from a bad signature only by refusing both; AvalancheGo refuses a
//! certificate whose point is not on the curve when it reads it. The arithmetic is not in constant
//! time: points are public.

/// An integer of 256 bits: high half, low half.
type Wide = (u128, u128);

/// The prime of the field: 2^256 - 2^224 + 2^192 + 2^96 - 1.
const P: Wide =
    (0xffff_ffff_0000_0001_0000_0000_0000_0000, 0x0000_0000_ffff_ffff_ffff_ffff_ffff_ffff);
/// `b` of the curve y^2 = x^3 - 3x + b.
const B: Wide =
    (0x5ac6_35d8_aa3a_93e7_b3eb_bd55_7698_86bc, 0x651d_06b0_cc53_b0f6_3bce_3c3e_27d2_604b);
/// The first byte of an uncompressed point.
const UNCOMPRESSED: u8 = 4;

/// The 65 bytes, if they are an uncompressed point of the curve.
pub(super) fn point(bytes: &[u8]) -> Option<[u8; 65]> {
    let point: [u8; 65] = bytes.try_into().ok()?;
    let (&tag, coordinates) = point.split_first()?;
    let (x, y) = coordinates.split_at_checked(32)?;
    let (x, y) = (wide(x)?, wide(y)?);
    let square = |value| multiply(value, value);
    // x (x^2 - 3) + b
    let three = (0, 3);
    let right = add(multiply(x, add(square(x), subtract(P, three))), B);
    (tag == UNCOMPRESSED && x < P && y < P && square(y) == right).then_some(point)
}

fn wide(bytes: &[u8]) -> Option<Wide> {
    let (high, low) = bytes.split_first_chunk::<16>()?;
    Some((u128::from_be_bytes(*high), u128::from_be_bytes(low.try_into().ok()?)))
}

/// Sum in the field. Both are below [`P`].
const fn add((a_high, a_low): Wide, (b_high, b_low): Wide) -> Wide {
    let (low, carry) = a_low.overflowing_add(b_low);
    let (high, over) = a_high.overflowing_add(b_high);
    let (high, over_by_carry) = high.overflowing_add(carry as u128);
    let at_least_p = high > P.0 || (high == P.0 && low >= P.1);
    if over || over_by_carry || at_least_p { subtract((high, low), P) } else { (high, low) }
}

/// Difference modulo 2^256.
const fn subtract((a_high, a_low): Wide, (b_high, b_low): Wide) -> Wide {
    let (low, borrow) = a_low.overflowing_sub(b_low);
    (a_high.wrapping_sub(b_high).wrapping_sub(borrow as u128), low)
}

/// Product in the field, by doubling and adding: some microseconds.
const fn multiply(a: Wide, (b_high, b_low): Wide) -> Wide {
    let mut product = (0, 0);
    let mut bit = 256;
    while bit > 0 {
        bit -= 1;
        product = add(product, product);
        let set = if bit >= 128 { b_high >> (bit - 128) & 1 } else { b_low >> bit & 1 };
        if set == 1 {
            product = add(product, a);
        }
    }
    product
}
