//! 32-byte identifiers of blocks, chains and everything else that is hashed.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::{ParseError, cb58, hex};

/// 32 opaque bytes that name a block, a chain, a subnet or a VM.
///
/// Ordering is bytewise lexicographic. It is not the order of the prefix tree, which reads bits
/// least significant first inside each byte (`ids/bits.go` of AvalancheGo): bit `i` is
/// `(bytes[i / 8] >> (i % 8)) & 1`.
///
/// The text form is CB58; [`Id::from_str`] also takes 64 hex digits, with or without `0x`.
///
/// ```
/// use avalanche_consensus::Id;
///
/// let id = Id::hash(b"a block");
/// assert_eq!(id.to_string().parse(), Ok(id));
/// assert_eq!(format!("{id:x}").parse(), Ok(id));
/// assert!("2JE".parse::<Id>().is_err());
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; 32]);

impl Id {
    /// 32 zero bytes, AvalancheGo's `ids.Empty`.
    pub const EMPTY: Self = Self([0; 32]);
    /// Number of bits.
    pub const BITS: usize = 256;

    /// Makes an identifier of its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The SHA-256 of `bytes`, which is how AvalancheGo names a block.
    #[must_use]
    pub fn hash(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The bytes, in order.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Bit `index`, least significant first inside each byte; `false` from 256 on.
    #[must_use]
    pub fn bit(&self, index: usize) -> bool {
        self.0.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }

    /// Whether the bits in `range` agree. An empty range agrees; one that ends above 256 does not.
    #[must_use]
    pub fn equal_subset(&self, range: Range<usize>, other: &Self) -> bool {
        range.end <= Self::BITS && self.first_difference(range, other).is_none()
    }

    /// The smallest index in `range` at which the bits differ. `None` when there is none, and for a
    /// range that ends above 256.
    #[must_use]
    pub fn first_difference(&self, range: Range<usize>, other: &Self) -> Option<usize> {
        if range.end > Self::BITS || range.is_empty() {
            return None;
        }
        let skipped = range.start / 64;
        self.words().zip(other.words()).enumerate().skip(skipped).find_map(|(word, (a, b))| {
            let mut difference = a ^ b;
            if word == skipped {
                difference &= u64::MAX << (range.start % 64);
            }
            let bit = word * 64 + usize::try_from(difference.trailing_zeros()).ok()?;
            (difference != 0 && bit < range.end).then_some(bit)
        })
    }

    /// The bits in groups of 64: bit `i` of the identifier is bit `i % 64` of word `i / 64`.
    pub(crate) fn words(&self) -> impl Iterator<Item = u64> {
        let (words, _) = self.0.as_chunks::<8>();
        words.iter().map(|bytes| u64::from_le_bytes(*bytes))
    }

    /// Reads the CB58 form.
    ///
    /// # Errors
    ///
    /// [`ParseError`] says what was wrong with the text.
    pub fn from_cb58(text: &str) -> Result<Self, ParseError> {
        cb58::decode(text).map(Self)
    }

    /// Reads 64 hex digits, with or without `0x` in front.
    ///
    /// # Errors
    ///
    /// [`ParseError`] says what was wrong with the text.
    pub fn from_hex(text: &str) -> Result<Self, ParseError> {
        hex::decode(text).map(Self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        cb58::write(f, &self.0)
    }
}

impl fmt::LowerHex for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

impl FromStr for Id {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        // A CB58 form of 36 bytes has at most 50 digits, so the forms cannot be confused.
        if text.starts_with("0x") || text.len() == 64 {
            Self::from_hex(text)
        } else {
            Self::from_cb58(text)
        }
    }
}

impl From<[u8; 32]> for Id {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Id {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(feature = "bincode")]
super::bincode_as!(Id, [u8; 32]);
#[cfg(feature = "serde")]
super::serde_text_or_bytes!(Id, 32);

#[cfg(test)]
mod tests {
    use super::*;

    /// `ids/id_test.go` and `ids/node_id_test.go` pin these forms.
    #[test]
    fn text_forms_are_those_of_avalanchego() {
        assert_eq!(Id::EMPTY.to_string(), "11111111111111111111111111111111LpoYY");
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(b"ava labs");
        let id = Id::new(bytes);
        assert_eq!(id.to_string(), "jvYi6Tn9idMi7BaymUVi9zWjg5tpmW7trfKG1AYJLKZJ2fsU7");
        assert_eq!("jvYi6Tn9idMi7BaymUVi9zWjg5tpmW7trfKG1AYJLKZJ2fsU7".parse(), Ok(id));
        assert_eq!(format!("{id:x}"), format!("617661206c616273{}", "0".repeat(48)));
    }

    #[test]
    fn a_wrong_text_says_what_is_wrong() {
        let check = |text: &str, part: &str| {
            let message = text.parse::<Id>().unwrap_err().to_string();
            assert!(message.contains(part), "{text:?}: {message}");
        };
        check("", "empty");
        check("0x", "empty");
        check("0x1", "1 hex digits");
        check("0x12", "1 bytes; exactly 32");
        check("0l", "'0' at byte 0 is not cb58");
        check("1I", "'I' at byte 1 is not cb58");
        check("0x1g", "'g' at byte 3 is not hex");
        check("é", "'é' at byte 0");
        check("11111111111111111111111111111111LpoYZ", "checksum");
        check("1111111111111111111111111111111LpoYY", "31 bytes; exactly 32");
        check(&"z".repeat(63), "33 bytes; exactly 32");
        check(&"0".repeat(200), "'0' at byte 0");
        check(&"z".repeat(100_000), "33 bytes");
    }

    #[test]
    fn bits_are_least_significant_first_in_each_byte() {
        let mut bytes = [0; 32];
        bytes[0] = 0b0000_0010;
        bytes[31] = 0b1000_0000;
        let id = Id::new(bytes);
        let ones: Vec<_> = (0..300).filter(|bit| id.bit(*bit)).collect();
        assert_eq!(ones, [1, 255]);
        assert_eq!(id.first_difference(0..256, &Id::EMPTY), Some(1));
        assert_eq!(id.first_difference(2..256, &Id::EMPTY), Some(255));
        assert_eq!(id.first_difference(2..255, &Id::EMPTY), None);
        assert_eq!(id.first_difference(0..257, &Id::EMPTY), None);
        assert!(id.equal_subset(2..255, &Id::EMPTY));
        assert!(id.equal_subset(5..5, &Id::EMPTY));
        assert!(!id.equal_subset(0..257, &id));
    }
}
