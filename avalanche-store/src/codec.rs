//! Local records: a version byte, then bincode. Never hashed, signed or sent.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{Decode, Encode};

/// The version of every record that this crate writes.
const VERSION: u8 = 1;

/// The longest record that is read, in bytes: what decoding may allocate.
const RECORD_BYTES_MAX: usize = 1 << 20;

const CONFIG: Configuration<LittleEndian, Varint, Limit<RECORD_BYTES_MAX>> =
    bincode::config::standard().with_limit();

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// Written by a later release.
    Version(u8),
    /// Cut short, with bytes too many, or not what the type can be.
    Bytes,
}

/// The bytes of a record.
///
/// # Panics
///
/// Never: records hold no maps, and writing to memory cannot fail.
pub(crate) fn encode<T: Encode>(record: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    #[expect(
        clippy::expect_used,
        reason = "a Vec takes every byte, and derived encoders cannot fail"
    )]
    bincode::encode_into_std_write(record, &mut bytes, CONFIG).expect("a record encodes");
    bytes
}

/// The record that `bytes` hold, if they hold exactly one.
///
/// # Errors
///
/// [`Malformed`], with what was found.
pub(crate) fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, Malformed> {
    let (version, body) = bytes.split_first().ok_or(Malformed::Bytes)?;
    if *version != VERSION {
        return Err(Malformed::Version(*version));
    }
    let (record, used) =
        bincode::decode_from_slice(body, CONFIG).map_err(|_refused| Malformed::Bytes)?;
    if used == body.len() { Ok(record) } else { Err(Malformed::Bytes) }
}
