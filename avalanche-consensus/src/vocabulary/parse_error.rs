//! Why a text form was not an identifier.

use std::fmt;

/// A text that is not an identifier: what was wrong, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseError {
    /// A character that the alphabet of the form does not have.
    Character {
        /// The character that was found.
        found: char,
        /// Its byte offset in the text.
        at: usize,
        /// The form that was being read: `"cb58"` or `"hex"`.
        form: &'static str,
    },
    /// The text decodes to another number of bytes than the identifier has.
    Length {
        /// Bytes that the text decodes to, without the checksum. For a text too long to be decoded
        /// at all, the smallest number of bytes that it can stand for.
        found: usize,
        /// Bytes that the identifier has.
        expected: usize,
    },
    /// Hex digits come in pairs, and one is missing.
    OddDigits {
        /// Number of digits that were found.
        found: usize,
    },
    /// The four checksum bytes do not belong to the payload: the text was mistyped or cut.
    Checksum {
        /// The last four bytes of the text.
        found: [u8; 4],
        /// The last four bytes of the payload's SHA-256.
        expected: [u8; 4],
    },
    /// A required prefix is missing.
    Prefix {
        /// The prefix that must come first.
        expected: &'static str,
    },
    /// Nothing was given.
    Empty,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character { found, at, form } => write!(
                f,
                "character {found:?} at byte {at} is not {form}; allowed are {}",
                if *form == "hex" {
                    "0-9, a-f and A-F, with an optional 0x in front"
                } else {
                    "1-9, A-Z without I and O, and a-z without l"
                }
            ),
            Self::Length { found, expected } => {
                write!(f, "text stands for {found} bytes; exactly {expected} are needed")
            }
            Self::OddDigits { found } => {
                write!(f, "{found} hex digits; two are needed for each byte")
            }
            Self::Checksum { found, expected } => write!(
                f,
                "checksum is {found:02x?} and should be {expected:02x?}; copy the text again, whole"
            ),
            Self::Prefix { expected } => write!(f, "text must begin with {expected:?}"),
            Self::Empty => f.write_str("text is empty; give the CB58 or hex form"),
        }
    }
}

impl std::error::Error for ParseError {}
