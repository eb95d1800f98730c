//! What the tests of this folder share: arithmetic that is slow and plain, bytes that look random,
//! and the way to the instructions.

use std::ops::Range;

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;

use super::Ifma;
use super::point::{Affine, Entry, Point};
use super::read::read;

/// Runs a test that needs the instructions, or says that it did not.
#[expect(unsafe_code, reason = "the processor was asked whether it has the instructions")]
pub(super) fn on_ifma(test: unsafe fn()) {
    if Ifma::detect().is_some() {
        // SAFETY: The tests enable the features that `detect` asks for, and are otherwise safe.
        unsafe { test() }
    } else {
        println!("skipped: this processor has no AVX-512-IFMA");
    }
}

/// A number modulo p in 32 digits of eight bits, the lowest first; always below p.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number([u64; 32]);

/// The digits of p.
const P: [u64; 32] = {
    let mut digits = [255; 32];
    digits[0] = 0xed;
    digits[31] = 0x7f;
    digits
};

impl Number {
    pub(super) const ONE: Self = {
        let mut digits = [0; 32];
        digits[0] = 1;
        Self(digits)
    };

    /// Of digits that may be large, and many.
    fn reduced(mut digits: Vec<u64>) -> Self {
        loop {
            let mut carry = 0;
            for digit in &mut digits {
                let sum = *digit + carry;
                (*digit, carry) = (sum & 255, sum >> 8);
            }
            while carry > 0 {
                digits.push(carry & 255);
                carry >>= 8;
            }
            digits.resize(digits.len().max(32), 0);
            if digits.len() > 32 {
                // 2^256 is 38.
                let upper = digits.split_off(32);
                digits.resize(digits.len().max(upper.len()), 0);
                digits.iter_mut().zip(upper).for_each(|(digit, upper)| *digit += 38 * upper);
            } else if digits[31] >= 128 {
                digits[31] -= 128;
                digits[0] += 19;
            } else {
                break;
            }
        }
        if digits.iter().rev().ge(P.iter().rev()) {
            // All digits but the lowest are those of p.
            digits[0] -= 0xed;
            digits[1..].fill(0);
        }
        Self(digits.try_into().unwrap())
    }

    pub(super) fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self::reduced(bytes.map(u64::from).to_vec())
    }

    /// Of limbs of 51 bits or more.
    pub(super) fn from_limbs(limbs: &[u64; 5]) -> Self {
        let mut digits = vec![0; 40];
        for (limb, bit) in limbs.iter().zip((0..).step_by(51)) {
            let shifted = (u128::from(*limb) << (bit % 8)).to_le_bytes();
            let to = digits[bit / 8..].iter_mut();
            to.zip(shifted).for_each(|(digit, byte)| *digit += u64::from(byte));
        }
        Self::reduced(digits)
    }

    pub(super) fn to_bytes(self) -> [u8; 32] {
        self.0.map(|digit| u8::try_from(digit).unwrap())
    }

    pub(super) fn is_odd(self) -> bool {
        self.0[0] & 1 == 1
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self::reduced(self.0.iter().zip(other.0).map(|(a, b)| a + b).collect())
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.plus(other.times(Self::from_bytes(&MINUS_ONE)))
    }

    pub(super) fn times(self, other: Self) -> Self {
        let mut digits = vec![0; 64];
        for (place, digit) in self.0.iter().enumerate() {
            for (to, other) in digits[place..].iter_mut().zip(other.0) {
                *to += digit * other;
            }
        }
        Self::reduced(digits)
    }

    /// By Fermat: to the power of `p - 2`.
    pub(super) fn inverse(self) -> Self {
        let mut power = Self::ONE;
        for bit in (0..255).rev() {
            power = power.times(power);
            if bit != 2 && bit != 4 {
                power = power.times(self);
            }
        }
        power
    }

    pub(super) fn half(self) -> Self {
        self.times(Self::from_bytes(&HALF))
    }
}

/// p - 1.
const MINUS_ONE: [u8; 32] = with_ends(0xec, 0x7f);
/// (p + 1) / 2.
const HALF: [u8; 32] = with_ends(0xf7, 0x3f);

/// Bytes of ones but for the first and last.
pub(super) const fn with_ends(first: u8, last: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// Bytes that look random, always the same for a name.
pub(super) struct Draws(blake3::OutputReader);

impl Draws {
    pub(super) fn new(name: &str) -> Self {
        Self(blake3::Hasher::new().update(name.as_bytes()).finalize_xof())
    }

    pub(super) fn bytes<const LENGTH: usize>(&mut self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        self.0.fill(&mut bytes);
        bytes
    }

    pub(super) fn word(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    pub(super) fn scalar(&mut self) -> Scalar {
        Scalar::from_bytes_mod_order_wide(&self.bytes())
    }

    /// A point of any order: most are of eight times that of the base point, some of small order.
    pub(super) fn point(&mut self) -> EdwardsPoint {
        let [kind, torsion] = self.bytes();
        let small = curve25519_dalek::constants::EIGHT_TORSION[usize::from(torsion) % 8];
        if kind % 8 == 0 { small } else { EdwardsPoint::mul_base(&self.scalar()) + small }
    }

    pub(super) fn points<const LENGTH: usize>(&mut self) -> [EdwardsPoint; LENGTH] {
        [(); LENGTH].map(|()| self.point())
    }
}

/// Points as summands; reading them has tests of its own.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn affine(points: &[EdwardsPoint; 8]) -> Affine {
    let encodings = points.map(|point| point.compress().to_bytes());
    let [(affine, good), _] = read([&encodings, &encodings]);
    assert_eq!(good, u8::MAX);
    affine
}

/// A summand in memory.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn entry(point: &EdwardsPoint) -> Entry {
    let [entry, ..] = affine(&[*point; 8]).entries();
    entry
}

/// Points with a Z that is not one.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn projective(points: &[EdwardsPoint; 8]) -> Point {
    let other = EdwardsPoint::mul_base(&Scalar::from(77_u64));
    let rest = affine(&points.map(|point| point - other));
    Point::identity().plus_affine(&rest).plus_affine(&affine(&[other; 8]))
}

/// What eight points are for the other crate. Their coordinates must belong together.
pub(super) fn points_of(limbs: [[[u64; 5]; 8]; 4]) -> [EdwardsPoint; 8] {
    let mut points: Vec<EdwardsPoint> = Vec::new();
    for lane in 0..8 {
        // Inverting is slow, and after a sum all lanes are the same.
        if let Some(same) = (0..lane).find(|same| limbs.iter().all(|l| l[*same] == l[lane])) {
            points.push(points[same]);
            continue;
        }
        let [plus, minus, z, t] = limbs.map(|limbs| Number::from_limbs(&limbs[lane]));
        let (x, y) = (plus.minus(minus).half(), plus.plus(minus).half());
        assert_eq!(t.times(z), x.times(y), "T is not XY / Z in lane {lane}");
        points.push(point_of(x, y, z));
    }
    points.try_into().unwrap()
}

/// The point at `x / z` and `y / z`.
pub(super) fn point_of(x: Number, y: Number, z: Number) -> EdwardsPoint {
    let inverse = z.inverse();
    assert_eq!(z.times(inverse), Number::ONE);
    let (x, y) = (x.times(inverse), y.times(inverse));
    let mut bytes = y.to_bytes();
    bytes[31] |= u8::from(x.is_odd()) << 7;
    let point = CompressedEdwardsY(bytes).decompress().unwrap();
    assert_eq!(point.compress().to_bytes(), bytes, "x is not that of y");
    point
}

/// Every way to choose one of `from` for each of five limbs.
pub(super) fn combinations(from: &[u64]) -> impl Iterator<Item = [u64; 5]> {
    let all: Range<usize> = 0..from.len().pow(5);
    all.map(|number| {
        let mut rest = number;
        [(); 5].map(|()| {
            let limb = from[rest % from.len()];
            rest /= from.len();
            limb
        })
    })
}
