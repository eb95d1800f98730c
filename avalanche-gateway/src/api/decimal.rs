//! 64-bit integers as decimal strings, for `#[serde(with = "decimal")]`.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserializer, Serializer};

/// Writes a decimal string.
///
/// # Errors
///
/// Those of the serializer.
pub fn serialize<S: Serializer>(value: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// Reads a decimal string, or a number.
///
/// # Errors
///
/// Says what was found, and that 0 to 2^64 - 1 is allowed.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    from.deserialize_any(Decimal)
}

struct Decimal;

impl Visitor<'_> for Decimal {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer from 0 to 18446744073709551615 as a decimal string")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<u64, E> {
        Ok(value)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        // `parse` would take a sign.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let parsed = if digits { text.parse().ok() } else { None };
        parsed.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// The same for what may be missing; with `#[serde(default)]`.
pub mod option {
    use serde::de::Visitor;
    use serde::{Deserializer, Serializer};

    use super::Decimal;

    /// Writes a decimal string or null.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    /// Reads a decimal string, a number or null.
    ///
    /// # Errors
    ///
    /// As for what must be there.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        from.deserialize_option(Maybe)
    }

    struct Maybe;

    impl<'de> Visitor<'de> for Maybe {
        type Value = Option<u64>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Decimal.expecting(f)
        }

        fn visit_none<E>(self) -> Result<Option<u64>, E> {
            Ok(None)
        }

        fn visit_unit<E>(self) -> Result<Option<u64>, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Option<u64>, D::Error> {
            super::deserialize(from).map(Some)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Both {
        #[serde(with = "super")]
        one: u64,
        #[serde(with = "super::option", default, skip_serializing_if = "Option::is_none")]
        two: Option<u64>,
    }

    #[test]
    fn strings_are_written_and_numbers_are_read_too() {
        let both = Both { one: u64::MAX, two: None };
        let text = serde_json::to_string(&both).unwrap();
        assert_eq!(text, r#"{"one":"18446744073709551615"}"#);
        assert_eq!(serde_json::from_str::<Both>(&text).unwrap(), both);
        let read = serde_json::from_str::<Both>(r#"{"one":7,"two":"8"}"#).unwrap();
        assert_eq!(read, Both { one: 7, two: Some(8) });
        let read = serde_json::from_str::<Both>(r#"{"one":7,"two":null}"#).unwrap();
        assert_eq!(read, Both { one: 7, two: None });
    }

    #[test]
    fn what_is_no_integer_of_64_bits_is_refused_with_what_is() {
        for text in ["-1", "1.5", "\"+1\"", "\"\"", "\"18446744073709551616\"", "[]", "\"x\""] {
            let error = serde_json::from_str::<Both>(&format!("{{\"one\":{text}}}")).unwrap_err();
            assert!(error.to_string().contains("0 to 18446744073709551615"), "{text}: {error}");
        }
    }
}
