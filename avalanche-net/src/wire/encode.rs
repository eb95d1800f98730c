//! Messages as bytes.

use std::borrow::Borrow;
use std::fmt;

use bytes::{BufMut, Bytes};

use super::compression::Compressor;
use super::frame::LENGTH_BYTES;
use super::p2p::message::Message as Body;
use super::{MAX_MESSAGE_BYTES, Op, frequent};

/// Messages shorter than this are not compressed: ids and signatures do not shrink.
const COMPRESSED_BYTES_MIN: usize = 256;

/// Whether and how a sender compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Nothing is compressed.
    None,
    /// The kinds of which [`Op::is_compressed`] says so, from 256 bytes on, and if that shortens
    /// them.
    Zstd {
        /// zstd's level: faster when lower, shorter when higher. AvalancheGo's is 5. Values out of
        /// zstd's range are moved into it.
        level: i32,
    },
}

/// A message as bytes, its length before it. Clones share them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
    op: Op,
    saved: usize,
}

/// Turns messages into frames.
#[derive(Debug)]
pub struct Encoder {
    compressor: Option<Compressor>,
    plain: Vec<u8>,
}

/// Why a message cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// No receiver would take it. Send less.
    TooLarge {
        /// Its length before compression, in bytes.
        len: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// The body is the compressed form of a message; the encoder compresses by itself.
    Compressed,
}

impl Frame {
    /// The bytes to write, the length included.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Number of bytes to write, the length included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a frame has at least its length")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The kind of message.
    #[must_use]
    pub const fn op(&self) -> Op {
        self.op
    }

    /// Bytes that compression saved.
    #[must_use]
    pub const fn saved(&self) -> usize {
        self.saved
    }
}

impl Default for Compression {
    /// zstd at AvalancheGo's level.
    fn default() -> Self {
        Self::Zstd { level: 5 }
    }
}

impl Encoder {
    /// An encoder. When there is no memory for zstd, it does not compress.
    #[must_use]
    pub fn new(compression: Compression) -> Self {
        let compressor = match compression {
            Compression::None => None,
            Compression::Zstd { level } => Compressor::new(level),
        };
        Self { compressor, plain: Vec::new() }
    }

    /// The frame of a message: one allocation of its exact length.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] when the message is longer than [`MAX_MESSAGE_BYTES`] before compression,
    /// or is the compressed form of one.
    pub fn encode(&mut self, body: impl Borrow<Body>) -> Result<Frame, EncodeError> {
        let body = body.borrow();
        let message = Measured::of(body)?;
        let (op, len) = (message.op, message.len);
        let compressed =
            message.is_worth_compressing().then(|| self.encode_compressed(body, op, len)).flatten();
        Ok(compressed.unwrap_or_else(|| message.plain()))
    }

    /// The frame of the compressed form, if that is shorter.
    fn encode_compressed(&mut self, body: &Body, op: Op, len: usize) -> Option<Frame> {
        let compressor = self.compressor.as_mut()?;
        self.plain.clear();
        self.plain.reserve_exact(len);
        body.encode(&mut self.plain);
        let compressed = compressor.compress(&self.plain);
        let outer = compressed.and_then(|compressed| {
            // Shorter only with its own tag and length.
            let around = 1 + prost::length_delimiter_len(compressed.len());
            let outer = compressed.len().saturating_add(around);
            (outer < len).then(|| framed_zstd(compressed, outer))
        });
        if self.plain.capacity() > COMPRESSED_SCRATCH_BYTES_MAX {
            self.plain = Vec::new();
        }
        let bytes = outer?;
        let saved = len.saturating_sub(bytes.len().saturating_sub(LENGTH_BYTES));
        Some(Frame { bytes, op, saved })
    }
}

/// The frame of a message that no encoder would compress; none for another.
pub(crate) fn encode_short(body: &Body) -> Result<Option<Frame>, EncodeError> {
    let message = Measured::of(body)?;
    Ok((!message.is_worth_compressing()).then(|| message.plain()))
}

/// A short message that no encoder would compress, to be written where it waits.
pub(crate) struct Short<'a>(Measured<'a>);

impl<'a> Short<'a> {
    /// Longer frames are not copied.
    const BYTES_MAX: usize = 4 * 1024;

    /// None for a longer message, and for one that may be compressed.
    pub(crate) fn of(body: &'a Body) -> Result<Option<Self>, EncodeError> {
        let message = Measured::of(body)?;
        let is_short = message.len <= Self::BYTES_MAX && !message.is_worth_compressing();
        Ok(is_short.then_some(Self(message)))
    }

    pub(crate) const fn op(&self) -> Op {
        self.0.op
    }

    /// Number of bytes to write, the length included.
    pub(crate) const fn len(&self) -> usize {
        LENGTH_BYTES + self.0.len
    }

    /// Writes the frame behind what is there.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
}

/// A message that may be sent.
struct Measured<'a> {
    body: &'a Body,
    /// The length of its fields, if it is of a frequent kind.
    fields: Option<usize>,
    op: Op,
    len: usize,
}

impl<'a> Measured<'a> {
    #[inline]
    fn of(body: &'a Body) -> Result<Self, EncodeError> {
        let op = Op::of(body).ok_or(EncodeError::Compressed)?;
        let (len, fields) = match frequent::encoded_len(body) {
            Some((len, fields)) => (len, Some(fields)),
            None => (body.encoded_len(), None),
        };
        if len > MAX_MESSAGE_BYTES {
            return Err(EncodeError::TooLarge { len, max: MAX_MESSAGE_BYTES });
        }
        Ok(Self { body, fields, op, len })
    }

    const fn is_worth_compressing(&self) -> bool {
        self.len >= COMPRESSED_BYTES_MIN && self.op.is_compressed()
    }

    /// One allocation of its exact length.
    fn plain(&self) -> Frame {
        let mut bytes = Vec::with_capacity(LENGTH_BYTES + self.len);
        self.write(&mut bytes);
        Frame { bytes: bytes.into(), op: self.op, saved: 0 }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let end = out.len() + LENGTH_BYTES + self.len;
        put_length(self.len, out);
        match self.fields {
            Some(fields) => frequent::write(self.body, fields, out),
            None => self.body.encode(out),
        }
        debug_assert_eq!(out.len(), end);
    }
}

/// Scratch space of more than this is given back after each message.
const COMPRESSED_SCRATCH_BYTES_MAX: usize = 256 * 1024;

/// The key of `Message.compressed_zstd`: field 2, length-delimited.
const COMPRESSED_KEY: u8 = 2 << 3 | 2;

/// The length before a frame: at most [`MAX_MESSAGE_BYTES`], as the callers saw to.
fn put_length(len: usize, out: &mut Vec<u8>) {
    out.put_u32(u32::try_from(len).unwrap_or(u32::MAX));
}

fn framed_zstd(compressed: &[u8], len: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(LENGTH_BYTES + len);
    put_length(len, &mut bytes);
    bytes.put_u8(COMPRESSED_KEY);
    prost::encoding::encode_varint(compressed.len() as u64, &mut bytes);
    bytes.extend_from_slice(compressed);
    debug_assert_eq!(bytes.len(), LENGTH_BYTES + len);
    bytes.into()
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { len, max } => {
                write!(f, "a message of {len} bytes, at most {max} are allowed: send less")
            }
            Self::Compressed => {
                f.write_str("a body that is compressed already: give the message itself")
            }
        }
    }
}

impl std::error::Error for EncodeError {}
