//! Bytes as hexadecimal with `0x` in front.

use std::borrow::Cow;
use std::str::FromStr;
use std::{error, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes whose text form is hexadecimal: `0x` is written, and may be missing when it is read.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct HexBytes(pub Vec<u8>);

/// Text that is no hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HexError {
    /// Digits come in pairs.
    Odd {
        /// How many there are.
        digits: usize,
    },
    /// A character that is no digit.
    Digit {
        /// The character.
        found: char,
        /// Its byte in the text.
        at: usize,
    },
}

impl FromStr for HexBytes {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
        let mut bytes = Vec::with_capacity(pairs.len());
        for [high, low] in pairs {
            match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => bytes.push(high << 4 | low),
                _ => return Err(wrong(text)),
            }
        }
        match rest {
            [] => Ok(Self(bytes)),
            _ => Err(wrong(text)),
        }
    }
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// What is wrong with text that is wrong.
fn wrong(text: &str) -> HexError {
    let skipped = if text.starts_with("0x") { 2 } else { 0 };
    let odd = text.char_indices().skip(skipped).find(|(_, found)| !found.is_ascii_hexdigit());
    match odd {
        Some((at, found)) => HexError::Digit { found, at },
        None => HexError::Odd { digits: text.len() - skipped },
    }
}

impl fmt::Display for HexBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for HexBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for HexBytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HexBytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for HexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Odd { digits } => {
                write!(f, "{digits} hexadecimal digits; two are needed for each byte")
            }
            Self::Digit { found, at } => write!(
                f,
                "character {found:?} at byte {at} is no hexadecimal digit; allowed are 0-9, a-f \
                 and A-F, with an optional 0x in front"
            ),
        }
    }
}

impl error::Error for HexError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_with_and_without_prefix() {
        let bytes = HexBytes((0..=255).collect());
        let text = bytes.to_string();
        assert_eq!(text.parse(), Ok(bytes.clone()));
        assert_eq!(text[2..].to_uppercase().parse(), Ok(bytes));
        assert_eq!("".parse(), Ok(HexBytes(Vec::new())));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        assert_eq!("0x123".parse::<HexBytes>(), Err(HexError::Odd { digits: 3 }));
        let found = 'g';
        assert_eq!("0x1g3".parse::<HexBytes>(), Err(HexError::Digit { found, at: 3 }));
        let found = '\u{e9}';
        assert_eq!("\u{e9}".parse::<HexBytes>(), Err(HexError::Digit { found, at: 0 }));
        assert_eq!("0\u{e9}1".parse::<HexBytes>(), Err(HexError::Digit { found, at: 1 }));
    }
}
