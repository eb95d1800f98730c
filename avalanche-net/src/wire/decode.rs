//! Bytes as messages.

use std::fmt;

use bytes::Bytes;
use prost::Message as _;

use super::compression::{Decompressor, Refusal};
use super::p2p::Message;
use super::p2p::message::Message as Body;
use super::route::{BadId, Route, check_ids, route};
use super::{MAX_MESSAGE_BYTES, Op, frequent, lists, unknown};

/// What lists may take in memory besides twice the bytes of their message.
const LISTS_BYTES: usize = 512 * 1024;

/// Turns frames into messages.
#[derive(Debug, Default)]
pub struct Decoder {
    decompressor: Decompressor,
    /// The id of the chain that the last message of a frequent kind was of.
    chain: Bytes,
}

/// A message, with ids of the right length.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// Its kind.
    pub op: Op,
    /// Its fields. Bytes in it are parts of the frame, or of what was decompressed; the id of the
    /// chain may be one that is shared with other messages.
    pub body: Body,
    /// Chain, request and deadline. None for messages about the connection.
    pub route: Option<Route>,
    /// Fields that this protocol version does not have: the peer's is newer. At any depth; one that
    /// holds others counts once.
    pub unknown_fields: u32,
    /// Whether it came compressed.
    pub compressed: bool,
    /// Bytes of memory that it takes, at most: its own, decompressed, and its lists.
    pub memory: usize,
}

/// Why a frame holds no message that can be used. It is skipped and counted; the connection stays,
/// as with AvalancheGo (`network/peer/peer.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not protobuf, or a known field of another type. AvalancheGo takes the latter as an unknown
    /// field; no version of it sends such a thing.
    Protobuf,
    /// No kind of message, or one that is not known.
    Empty,
    /// The compressed bytes are not zstd, are truncated, or more follows them.
    Decompression,
    /// More would be decompressed than [`MAX_MESSAGE_BYTES`].
    Bomb {
        /// How much, if the sender said it.
        declared: Option<u64>,
    },
    /// Its lists would take many times the memory of the message. No honest node sends such.
    Lists {
        /// How much, in bytes.
        memory: usize,
    },
    /// What was decompressed is itself compressed.
    Nested,
    /// An id that is not 32 bytes long.
    BadId(BadId),
}

impl Decoder {
    /// A decoder. It allocates nothing before the first compressed message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The message of a frame, which is without its length, as [`super::FrameReader`] makes it.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]: the peer's wrong; count it and go on.
    #[inline]
    pub fn decode(&mut self, frame: Bytes) -> Result<Decoded, DecodeError> {
        match frequent::find(&frame) {
            Some(found) => found.decoded(frame, &mut self.chain).ok_or(DecodeError::Protobuf),
            None => self.decode_any(&frame),
        }
    }

    /// As the generated code has it.
    pub(super) fn decode_any(&mut self, frame: &Bytes) -> Result<Decoded, DecodeError> {
        let memory = weigh(frame)?;
        let (body, unknown_fields) = parse(frame)?;
        let Body::CompressedZstd(zstd) = body else {
            return finish(body, unknown_fields, false, memory);
        };
        if zstd.is_empty() {
            return Err(DecodeError::Empty);
        }
        let plain = self.decompressor.decompress(&zstd).map_err(|refusal| match refusal {
            Refusal::Malformed => DecodeError::Decompression,
            Refusal::TooLong(declared) => DecodeError::Bomb { declared },
        })?;
        let memory = weigh(&plain)?;
        let (body, inner) = parse(&plain)?;
        finish(body, unknown_fields.saturating_add(inner), true, memory)
    }
}

/// What a message will take in memory; an error if that is out of all proportion.
fn weigh(bytes: &Bytes) -> Result<usize, DecodeError> {
    let (len, memory) = (bytes.len(), lists::memory(bytes));
    if memory > len.saturating_mul(2).saturating_add(LISTS_BYTES) {
        return Err(DecodeError::Lists { memory });
    }
    Ok(len.saturating_add(memory))
}

/// The body of the message that `bytes` are, and the number of unknown fields.
#[inline]
fn parse(bytes: &Bytes) -> Result<(Body, u32), DecodeError> {
    let message = Message::decode(bytes.clone()).map_err(|_| DecodeError::Protobuf)?;
    let unknown_fields = unknown::count(&message, bytes);
    message.message.map(|body| (body, unknown_fields)).ok_or(DecodeError::Empty)
}

#[inline]
fn finish(
    body: Body,
    unknown_fields: u32,
    compressed: bool,
    memory: usize,
) -> Result<Decoded, DecodeError> {
    let op = Op::of(&body).ok_or(DecodeError::Nested)?;
    let route = route(&body).map_err(DecodeError::BadId)?;
    check_ids(&body).map_err(DecodeError::BadId)?;
    Ok(Decoded { op, body, route, unknown_fields, compressed, memory })
}

impl DecodeError {
    /// The names of all, in the order of their declaration.
    pub const NAMES: &[&str] =
        &["protobuf", "empty", "decompression", "bomb", "lists", "nested", "bad_id"];

    /// The name: a label of metrics and logs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Protobuf => "protobuf",
            Self::Empty => "empty",
            Self::Decompression => "decompression",
            Self::Bomb { .. } => "bomb",
            Self::Lists { .. } => "lists",
            Self::Nested => "nested",
            Self::BadId(_) => "bad_id",
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protobuf => f.write_str("not a message of the peer protocol"),
            Self::Empty => f.write_str("a message without a kind that is known"),
            Self::Decompression => f.write_str("not whole zstd frames and nothing else"),
            Self::Bomb { declared: Some(declared) } => {
                write!(f, "{declared} bytes compressed, at most {MAX_MESSAGE_BYTES} are allowed")
            }
            Self::Bomb { declared: None } => {
                write!(f, "more than {MAX_MESSAGE_BYTES} bytes compressed")
            }
            Self::Lists { memory } => {
                write!(f, "lists that would take {memory} bytes of memory")
            }
            Self::Nested => f.write_str("a compressed message within a compressed message"),
            Self::BadId(bad) => bad.fmt(f),
        }
    }
}

impl std::error::Error for DecodeError {}
