//! Names of requests, so that an answer and a line of the log can be brought together.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The name of a request: 16 bytes, as in the header `traceparent` of the W3C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceId(u128);

impl TraceId {
    /// One that no other request of this process has, and hardly one of another.
    pub(crate) fn fresh() -> Self {
        static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let high = STATE.hash_one(number);
        Self(u128::from(high) << 64 | u128::from(number))
    }

    /// The one in a header `traceparent`, if it has the form of version 00 and is not zero.
    pub(crate) fn from_traceparent(header: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(header).ok()?;
        let mut parts = text.split('-');
        let id = match (parts.next()?, parts.next()?, parts.next()?, parts.next()?) {
            ("00", id, span, flags) if span.len() == 16 && flags.len() == 2 => id,
            _ => return None,
        };
        let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if id.len() != 32 || !id.bytes().all(lower) || parts.next().is_some() {
            return None;
        }
        u128::from_str_radix(id, 16).ok().filter(|id| *id != 0).map(Self)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_have_32_digits() {
        let [one, two] = [TraceId::fresh(), TraceId::fresh()];
        assert_ne!(one, two);
        assert_eq!(one.to_string().len(), 32);
    }

    #[test]
    fn only_the_form_of_the_w3c_is_taken_over() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let read = |text: &str| TraceId::from_traceparent(text.as_bytes()).map(|t| t.to_string());
        assert_eq!(read(&format!("00-{id}-00f067aa0ba902b7-01")).as_deref(), Some(id));
        let zero = "0".repeat(32);
        for wrong in [
            String::new(),
            id.to_owned(),
            format!("01-{id}-00f067aa0ba902b7-01"),
            format!("00-{id}-00f067aa0ba902b7"),
            format!("00-{id}-00f067aa0ba902b7-01-x"),
            format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()),
            format!("00-+{}-00f067aa0ba902b7-01", &id[1..]),
            format!("00-{zero}-00f067aa0ba902b7-01"),
        ] {
            assert_eq!(read(&wrong), None, "{wrong}");
        }
    }
}
