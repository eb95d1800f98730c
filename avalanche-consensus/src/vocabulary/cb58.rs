//! CB58: base58 of a payload followed by the last four bytes of its SHA-256.
//!
//! Source of the rule: `utils/cb58/cb58.go` of AvalancheGo. The checksum is a single SHA-256, which
//! is why the double hash of Bitcoin's check form does not fit.

use std::fmt;

use sha2::{Digest, Sha256};

use super::ParseError;

const ALPHABET: [u8; 58] = *b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const CHECKSUM: usize = 4;
/// Payload and checksum of the longest identifier.
const BYTES_MAX: usize = 32 + CHECKSUM;
/// Base58 needs at most 138 digits for 100 bytes.
const DIGITS_MAX: usize = BYTES_MAX * 138 / 100 + 1;

/// The last four bytes of the payload's SHA-256.
fn checksum(payload: &[u8]) -> [u8; CHECKSUM] {
    let hash = Sha256::digest(payload);
    hash.last_chunk().copied().unwrap_or_default()
}

/// Writes the CB58 form of a payload of at most 32 bytes.
pub(super) fn write(f: &mut fmt::Formatter<'_>, payload: &[u8]) -> fmt::Result {
    let check = checksum(payload);
    let bytes = || payload.iter().chain(&check).copied();
    // Digits of the number, least significant first.
    let mut digits = [0_u8; DIGITS_MAX];
    let mut used = 0;
    for byte in bytes() {
        let mut carry = u32::from(byte);
        let mut at = 0;
        for digit in &mut digits {
            if at >= used && carry == 0 {
                break;
            }
            carry += u32::from(*digit) << 8;
            *digit = low_byte(carry % 58);
            carry /= 58;
            at += 1;
        }
        used = used.max(at);
    }
    let zeros = bytes().take_while(|byte| *byte == 0).count();
    let mut text = String::with_capacity(zeros + used);
    text.extend(std::iter::repeat_n('1', zeros));
    for digit in digits.iter().take(used).rev() {
        text.push(ALPHABET.get(usize::from(*digit)).copied().map_or('1', char::from));
    }
    f.pad(&text)
}

/// Reads the CB58 form of exactly `N` bytes, at most 32.
pub(super) fn decode<const N: usize>(text: &str) -> Result<[u8; N], ParseError> {
    if text.is_empty() {
        return Err(ParseError::Empty);
    }
    // Bytes of the number, least significant first.
    let mut bytes = [0_u8; BYTES_MAX];
    let mut used = 0;
    for (at, found) in text.char_indices() {
        let digit = u8::try_from(found)
            .ok()
            .and_then(|byte| ALPHABET.iter().position(|symbol| *symbol == byte))
            .and_then(|digit| u32::try_from(digit).ok())
            .ok_or(ParseError::Character { found, at, form: "cb58" })?;
        let mut carry = digit;
        let mut place = 0;
        for byte in &mut bytes {
            if place >= used && carry == 0 {
                break;
            }
            carry += u32::from(*byte) * 58;
            *byte = low_byte(carry & 0xff);
            carry >>= 8;
            place += 1;
        }
        if carry != 0 {
            return Err(ParseError::Length { found: BYTES_MAX - CHECKSUM + 1, expected: N });
        }
        used = used.max(place);
    }
    let zeros = text.bytes().take_while(|symbol| *symbol == b'1').count();
    let length = zeros + used;
    if length != N + CHECKSUM {
        return Err(ParseError::Length { found: length.saturating_sub(CHECKSUM), expected: N });
    }
    let mut ordered = [0_u8; BYTES_MAX];
    for (out, byte) in ordered.iter_mut().skip(zeros).zip(bytes.iter().take(used).rev()) {
        *out = *byte;
    }
    let (payload, rest) =
        ordered.split_first_chunk().ok_or(ParseError::Length { found: 0, expected: N })?;
    let found = rest.first_chunk().copied().unwrap_or_default();
    let expected = checksum(payload);
    if found == expected { Ok(*payload) } else { Err(ParseError::Checksum { found, expected }) }
}

/// A value that is known to be below 256.
fn low_byte(value: u32) -> u8 {
    value.to_le_bytes()[0]
}
