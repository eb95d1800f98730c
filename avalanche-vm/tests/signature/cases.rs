//! Signatures at the edges of the rule, each with the verdict that ZIP-215 gives.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use sha2::{Digest, Sha512};

use avalanche_vm::signature::{PublicKey, Signature, framed};

use crate::support::Signed;

/// What kind of edge a case is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Honest,
    SmallOrder,
    MixedOrder,
    LargeS,
    NoPoint,
    Flipped,
}

/// A signature and whether it is valid.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) kind: Kind,
    pub(crate) signed: Signed,
    pub(crate) valid: bool,
}

/// The encodings of the eight points of small order, as published with ZIP-215: first the
/// canonical ones, then those with a superfluous sign or a y of p or p + 1.
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

/// The order of the base point, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// All cases.
pub(crate) fn all() -> Vec<Case> {
    let parts = [honest(), small_order(), mixed_order(), large_s(), no_point(), flipped()];
    parts.into_iter().flatten().collect()
}

fn case(kind: Kind, valid: bool, signed: Signed) -> Case {
    Case { kind, signed, valid }
}

/// Signed as it should be, of all sizes.
fn honest() -> Vec<Case> {
    let mut cases = Vec::new();
    for domain in [0, 1, 127, 128, 300] {
        for message in [0, 1, 47, 111, 128, 1_000] {
            let signed = Signed::with(domain + message, &vec![3; domain], &vec![5; message]);
            cases.push(case(Kind::Honest, true, signed));
        }
    }
    cases.push(case(Kind::Honest, true, Signed::with(1, b"large", &vec![7; 1 << 20])));
    cases
}

/// Keys and `R` of small order, in all encodings, with `s = 0`: both sides are the identity.
fn small_order() -> Vec<Case> {
    let encodings = SMALL_ORDER.map(bytes);
    let points = encodings.map(|bytes| CompressedEdwardsY(bytes).decompress().unwrap());
    let canonical: Vec<_> = EIGHT_TORSION.iter().map(|p| p.compress().to_bytes()).collect();
    for (place, (bytes, point)) in encodings.iter().zip(points).enumerate() {
        assert!(point.mul_by_cofactor().is_identity());
        assert_eq!(canonical.contains(bytes), place < 8, "{place}");
    }
    let mut cases = Vec::new();
    for key in encodings {
        for r in encodings {
            let signed = Signed {
                key: PublicKey::new(key),
                domain: b"Zcash".to_vec(),
                message: b"Zcash".to_vec(),
                signature: signature(r, [0; 32]),
            };
            // With s = 1 the left side is 8B.
            let one = Scalar::ONE.to_bytes();
            let wrong = Signed { signature: signature(r, one), ..signed.clone() };
            cases.push(case(Kind::SmallOrder, true, signed));
            cases.push(case(Kind::SmallOrder, false, wrong));
        }
    }
    cases
}

/// Keys and `R` that somebody made of an honest point and one of small order.
fn mixed_order() -> Vec<Case> {
    let secret = scalar(b"secret");
    let mut cases = Vec::new();
    for (at, key_part) in EIGHT_TORSION.iter().enumerate() {
        for (other, r_part) in EIGHT_TORSION.iter().enumerate().filter(|(other, _)| at + other > 0)
        {
            let nonce = scalar(&[u8::try_from(at * 8 + other).unwrap()]);
            let key = (EdwardsPoint::mul_base(&secret) + key_part).compress().to_bytes();
            let r = (EdwardsPoint::mul_base(&nonce) + r_part).compress().to_bytes();
            let (domain, message) = (b"mixed".to_vec(), vec![9; at * 8 + other]);
            let mut octets = Vec::new();
            framed(&domain, &message, &mut octets);
            let k = hash(&[&r, &key, &octets]);
            let (key, s) = (PublicKey::new(key), nonce + k * secret);
            let signed = Signed { key, domain, message, signature: signature(r, s.to_bytes()) };
            let off = signature(r, (s + Scalar::ONE).to_bytes());
            let wrong = Signed { signature: off, ..signed.clone() };
            cases.push(case(Kind::MixedOrder, true, signed));
            cases.push(case(Kind::MixedOrder, false, wrong));
        }
    }
    cases
}

/// `s` with the order added, which changes nothing in the equation: refused.
fn large_s() -> Vec<Case> {
    let mut cases = Vec::new();
    for number in 0..16 {
        let signed = Signed::new(number);
        let mut bytes = signed.signature.to_bytes();
        for _ in 0..=number % 8 {
            let mut carry = 0;
            for (byte, order) in bytes[32..].iter_mut().zip(ORDER) {
                let sum = u16::from(*byte) + u16::from(order) + carry;
                *byte = sum.to_le_bytes()[0];
                carry = sum >> 8;
            }
            assert_eq!(carry, 0);
        }
        cases.push(case(Kind::LargeS, false, signed.signed(bytes)));
    }
    // The first number that is not below the order, and the last that is.
    let identity = bytes(SMALL_ORDER[0]);
    let signed = Signed { key: PublicKey::new(identity), ..Signed::new(0) };
    cases.push(case(Kind::LargeS, true, signed.clone().signed(join(identity, [0; 32]))));
    cases.push(case(Kind::LargeS, false, signed.signed(join(identity, ORDER))));
    cases
}

/// Bytes that are no point, where one must be.
fn no_point() -> Vec<Case> {
    let mut cases = Vec::new();
    for number in (0..=u8::MAX).filter(|n| CompressedEdwardsY([*n; 32]).decompress().is_none()) {
        let signed = Signed::new(usize::from(number));
        let (_, s) = signed.signature.as_bytes().split_at(32);
        let r = join([number; 32], s.try_into().unwrap());
        let key = PublicKey::new([number; 32]);
        cases.push(case(Kind::NoPoint, false, Signed { key, ..signed.clone() }));
        cases.push(case(Kind::NoPoint, false, signed.signed(r)));
    }
    cases
}

/// An honest signature with one bit of anything changed.
fn flipped() -> Vec<Case> {
    let honest = Signed::with(5, b"flip", b"bits");
    let mut cases = Vec::new();
    let flip = |bytes: &mut [u8], bit: usize| bytes[bit / 8] ^= 1 << (bit % 8);
    for bit in 0..512 {
        let mut bytes = honest.signature.to_bytes();
        flip(&mut bytes, bit);
        cases.push(case(Kind::Flipped, false, honest.clone().signed(bytes)));
    }
    for bit in 0..256 {
        let mut bytes = honest.key.to_bytes();
        flip(&mut bytes, bit);
        let key = PublicKey::new(bytes);
        cases.push(case(Kind::Flipped, false, Signed { key, ..honest.clone() }));
    }
    for bit in 0..32 {
        let [mut domain, mut message] = [honest.clone(), honest.clone()];
        flip(&mut domain.domain, bit);
        flip(&mut message.message, bit);
        cases.extend([domain, message].map(|signed| case(Kind::Flipped, false, signed)));
    }
    cases
}

fn signature(r: [u8; 32], s: [u8; 32]) -> Signature {
    Signature::new(join(r, s))
}

fn join(r: [u8; 32], s: [u8; 32]) -> [u8; 64] {
    [r, s].concat().try_into().unwrap()
}

fn scalar(seed: &[u8]) -> Scalar {
    hash(&[b"scalar", seed])
}

fn hash(parts: &[&[u8]]) -> Scalar {
    let hash = parts.iter().fold(Sha512::new(), |hash, part| hash.chain_update(part));
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

fn bytes(hex: &str) -> [u8; 32] {
    let digits = hex.as_bytes().chunks(2);
    let bytes = digits.map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap());
    bytes.collect::<Vec<_>>().try_into().unwrap()
}
