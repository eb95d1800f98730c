//! Serde forms of identifiers: their text form where a person reads, their bytes elsewhere.

/// Implements serde for an identifier of `$length` bytes.
macro_rules! serde_text_or_bytes {
    ($name:ident, $length:literal) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                if to.is_human_readable() { to.collect_str(self) } else { self.0.serialize(to) }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                if from.is_human_readable() {
                    let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; $length]>::deserialize(from).map(Self)
                }
            }
        }
    };
}

pub(super) use serde_text_or_bytes;
