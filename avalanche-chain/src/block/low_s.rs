//! Which of the two forms of an ECDSA signature is the one that is allowed.

/// The longest ECDSA signature on P-256 as ASN.1. RSA's are longer: 256 bytes at least.
const ECDSA_BYTES_MAX: usize = 72;
/// Half of the order of P-256 (FIPS 186-4 D.1.2.3), rounded down.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];
/// The tag of an ASN.1 INTEGER.
const INTEGER: u8 = 2;

/// Whether a signature is the allowed one of those that anybody can make out of it.
///
/// With `(r, s)`, `(r, -s)` is a signature of the same message and key: of the two, the one with
/// the lower `s` is allowed. Whether the rest is well-formed is for the verification to say.
pub(super) fn is_low(signature: &[u8]) -> bool {
    if signature.len() > ECDSA_BYTES_MAX {
        return true;
    }
    s(signature).is_some_and(|s| {
        let zeros = s.iter().take_while(|&&byte| byte == 0).count();
        let s = s.get(zeros..).unwrap_or_default();
        let mut padded = [0; 32];
        let start = padded.len().checked_sub(s.len());
        match start.and_then(|start| padded.get_mut(start..)) {
            Some(place) => {
                place.copy_from_slice(s);
                padded <= HALF_ORDER
            }
            None => false,
        }
    })
}

/// The bytes of `s` in `SEQUENCE { INTEGER r, INTEGER s }`, whose lengths are all short.
fn s(signature: &[u8]) -> Option<&[u8]> {
    let integers = signature.get(2..)?;
    let integer = |bytes: &'_ [u8]| match bytes {
        [INTEGER, len, ..] => Some(usize::from(*len) + 2),
        _ => None,
    };
    let s = integers.get(integer(integers)?..)?;
    s.get(2..integer(s)?)
}
