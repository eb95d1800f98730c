//! 20-byte identifiers of nodes.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::{ParseError, cb58, hex};

/// 20 opaque bytes that name a node.
///
/// The text form is AvalancheGo's: `NodeID-` and the CB58 form of the bytes. [`NodeId::from_str`]
/// also takes 40 hex digits, with or without `0x`.
///
/// ```
/// use avalanche_consensus::NodeId;
///
/// let node = NodeId::new([7; 20]);
/// assert!(node.to_string().starts_with("NodeID-"));
/// assert_eq!(node.to_string().parse(), Ok(node));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct NodeId([u8; 20]);

impl NodeId {
    /// 20 zero bytes, AvalancheGo's `ids.EmptyNodeID`.
    pub const EMPTY: Self = Self([0; 20]);
    const PREFIX: &'static str = "NodeID-";

    /// Makes an identifier of its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The bytes, in order.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Reads 40 hex digits, with or without `0x` in front.
    ///
    /// # Errors
    ///
    /// [`ParseError`] says what was wrong with the text.
    pub fn from_hex(text: &str) -> Result<Self, ParseError> {
        hex::decode(text).map(Self)
    }

    /// The bytes as words whose order is that of the bytes.
    const fn words(&self) -> (u64, u64, u32) {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t] = self.0;
        (
            u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            u64::from_be_bytes([i, j, k, l, m, n, o, p]),
            u32::from_be_bytes([q, r, s, t]),
        )
    }
}

/// Bytewise, as three words: a call to compare memory costs more than the comparison.
impl Ord for NodeId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.words().cmp(&other.words())
    }
}

impl PartialOrd for NodeId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        cb58::write(f, &self.0)
    }
}

impl fmt::LowerHex for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

impl FromStr for NodeId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.is_empty() {
            Err(ParseError::Empty)
        } else if let Some(rest) = text.strip_prefix(Self::PREFIX) {
            cb58::decode(rest).map(Self)
        } else if text.starts_with("0x") || text.len() == 40 {
            Self::from_hex(text)
        } else {
            Err(ParseError::Prefix { expected: Self::PREFIX })
        }
    }
}

impl From<[u8; 20]> for NodeId {
    fn from(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for NodeId {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(feature = "bincode")]
super::bincode_as!(NodeId, [u8; 20]);
#[cfg(feature = "serde")]
super::serde_text_or_bytes!(NodeId, 20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_are_those_of_avalanchego() {
        assert_eq!(NodeId::EMPTY.to_string(), "NodeID-111111111111111111116DBWJs");
        let mut bytes = [0; 20];
        bytes[..11].copy_from_slice(b"ava labs   ");
        let node = NodeId::new(bytes);
        assert_eq!(node.to_string().parse(), Ok(node));
        assert_eq!(format!("{node:x}").parse(), Ok(node));
    }

    #[test]
    fn the_order_is_that_of_the_bytes() {
        let mut less = 0;
        for at in 0..20 {
            for (low, high) in [(0x00, 0x01), (0x7f, 0x80), (0x80, 0xff)] {
                let (mut a, mut b) = ([0x55; 20], [0x55; 20]);
                (a[at], b[at]) = (low, high);
                // A later byte says the opposite, and has nothing to say.
                if at < 19 {
                    (a[at + 1], b[at + 1]) = (0xff, 0x00);
                }
                assert!(a < b && NodeId::new(a) < NodeId::new(b), "byte {at}");
                assert_eq!(NodeId::new(a).cmp(&NodeId::new(a)), Ordering::Equal);
                less += 1;
            }
        }
        assert_eq!(less, 60);
    }

    #[test]
    fn a_wrong_text_says_what_is_wrong() {
        let check = |text: &str, part: &str| {
            let message = text.parse::<NodeId>().unwrap_err().to_string();
            assert!(message.contains(part), "{text:?}: {message}");
        };
        check("", "empty");
        check("NodeID-", "empty");
        check("111111111111111111116DBWJs", "must begin with \"NodeID-\"");
        check("NodeID-111111111111111111116DBWJt", "checksum");
        check("0x0102", "2 bytes; exactly 20");
        check("NodeID-11111111111111111111111111111111LpoYY", "32 bytes; exactly 20");
    }
}
