//! Lower-case hex, the text form of traces and of tools.

use std::fmt;

use super::ParseError;

/// Writes `bytes` as two lower-case digits each.
pub(super) fn write(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Reads exactly `N` bytes of hex, either case, with an optional `0x` in front.
pub(super) fn decode<const N: usize>(text: &str) -> Result<[u8; N], ParseError> {
    let (digits, skipped) = text.strip_prefix("0x").map_or((text, 0), |rest| (rest, 2));
    if digits.is_empty() {
        return Err(ParseError::Empty);
    }
    let values = digits.char_indices().map(|(at, found)| {
        found.to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or(ParseError::Character {
            found,
            at: at + skipped,
            form: "hex",
        })
    });
    let mut out = [0; N];
    let mut count = 0;
    for value in values {
        let value = value?;
        if let Some(byte) = out.get_mut(count / 2) {
            *byte = *byte << 4 | value;
        }
        count += 1;
    }
    if !count.is_multiple_of(2) {
        return Err(ParseError::OddDigits { found: count });
    }
    if count / 2 != N {
        return Err(ParseError::Length { found: count / 2, expected: N });
    }
    Ok(out)
}
