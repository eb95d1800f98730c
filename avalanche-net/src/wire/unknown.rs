//! Counts the fields of a message that this version of the protocol does not have.
//!
//! The generated code skips them in silence. What it read, written again, is as long as what came,
//! unless there was an unknown field or the sender encodes in an unusual way; only then are the
//! bytes walked once more.

use prost::Message as _;

use super::p2p::Message;
use super::p2p::message::Message as Body;

/// The number of unknown fields in `bytes`, of which `message` was decoded.
pub(super) fn count(message: &Message, bytes: &[u8]) -> u32 {
    if message.encoded_len() == bytes.len() && !may_have_grown(message) {
        return 0;
    }
    walk(bytes, Schema::Message).unwrap_or(0)
}

/// Whether an unusual encoding of known fields may be shorter than the usual one, so that unknown
/// fields could hide in the difference: a list of one number that is not packed, and a negative
/// engine type in five bytes rather than ten. All else is as long or longer.
fn may_have_grown(message: &Message) -> bool {
    match &message.message {
        Some(Body::Handshake(m)) => m.supported_acps.len() == 1 || m.objected_acps.len() == 1,
        Some(Body::GetAcceptedStateSummary(m)) => m.heights.len() == 1,
        Some(Body::GetAncestors(m)) => m.engine_type < 0,
        _ => false,
    }
}

/// Messages by the numbers of their fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Schema {
    Message,
    Handshake,
    Client,
    BloomFilter,
    ClaimedIpPort,
    GetPeerList,
    PeerList,
    /// All fields from 1 to this one are known, and none is a message.
    UpTo(u32),
    /// The same, but field 5 is reserved.
    Query,
}

/// What a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Unknown,
    Plain,
    Nested(Schema),
}

impl Schema {
    const fn field(self, number: u32) -> Field {
        let known = match self {
            Self::Message => return message_field(number),
            Self::Handshake => match number {
                9 => return Field::Nested(Self::Client),
                12 => return Field::Nested(Self::BloomFilter),
                _ => number <= 14,
            },
            Self::Client => number <= 4,
            Self::BloomFilter => number <= 2,
            Self::ClaimedIpPort => number <= 6,
            Self::GetPeerList => match number {
                1 => return Field::Nested(Self::BloomFilter),
                _ => number == 2,
            },
            Self::PeerList => match number {
                1 => return Field::Nested(Self::ClaimedIpPort),
                _ => false,
            },
            Self::UpTo(last) => number <= last,
            Self::Query => number <= 6 && number != 5,
        };
        if known { Field::Plain } else { Field::Unknown }
    }
}

/// The fields of the outermost message.
const fn message_field(number: u32) -> Field {
    Field::Nested(match number {
        2 => return Field::Plain,
        11 => Schema::UpTo(1),
        12 => Schema::UpTo(0),
        13 => Schema::Handshake,
        14 => Schema::PeerList,
        35 => Schema::GetPeerList,
        15 | 16 | 18 | 19 | 20 | 22 | 24 | 26 | 31 => Schema::UpTo(3),
        17 | 21 | 25 | 30 | 34 => Schema::UpTo(4),
        23 => Schema::UpTo(5),
        27 | 28 => Schema::Query,
        29 => Schema::UpTo(6),
        32 => Schema::UpTo(2),
        // AvalancheGo has nine more fields, which are ignored with the message.
        36 => Schema::UpTo(10),
        _ => return Field::Unknown,
    })
}

/// The number of unknown fields. None if the bytes are not fields, which cannot be when they were
/// decoded before.
fn walk(mut bytes: &[u8], schema: Schema) -> Option<u32> {
    let mut unknown = 0_u32;
    // Nested messages are at most three deep, by the schemas.
    while !bytes.is_empty() {
        let (number, value) = next_field(&mut bytes)?;
        unknown = unknown.saturating_add(match (schema.field(number), value) {
            (Field::Unknown, _) => 1,
            (Field::Nested(schema), Some(inner)) => walk(inner, schema)?,
            (Field::Nested(_) | Field::Plain, _) => 0,
        });
    }
    Some(unknown)
}

/// Takes a field off the front: its number, and its bytes if it has a length. A group is one field.
pub(super) fn next_field<'a>(bytes: &mut &'a [u8]) -> Option<(u32, Option<&'a [u8]>)> {
    let mut open = 0_u32;
    let mut outermost = None;
    loop {
        let key = varint(bytes)?;
        let number = u32::try_from(key >> 3).ok()?;
        let mut value = None;
        match key & 7 {
            0 => _ = varint(bytes)?,
            1 => _ = take(bytes, 8)?,
            2 => {
                let len = usize::try_from(varint(bytes)?).ok()?;
                value = Some(take(bytes, len)?);
            }
            3 => open = open.checked_add(1)?,
            4 => open = open.checked_sub(1)?,
            5 => _ = take(bytes, 4)?,
            _ => return None,
        }
        let outermost = *outermost.get_or_insert(number);
        if open == 0 {
            return Some((outermost, value));
        }
    }
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    prost::encoding::decode_varint(bytes).ok()
}

#[cfg(test)]
mod tests;
