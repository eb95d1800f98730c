//! Messages between peers, as bytes.
//!
//! A frame is a length and a message; a message is one of the kinds of [`Op`], in protobuf, perhaps
//! compressed as a whole.
//!
//! ```text
//!            Encoder                                   FrameReader       Decoder
//!  Body ---------------> Frame ---> ... stream ... ---> Bytes ---------------> Decoded
//!  (build::ping(..))     (shared by many peers)         (one frame)            (op, route, body)
//! ```
//!
//! Nothing here reads a clock or performs I/O. What a peer sends wrongly is a [`DecodeError`], to
//! be counted and skipped; only an [`Oversized`] length ends the connection.
//!
//! # Limits
//!
//! | What | Bound |
//! |---|--:|
//! | a message, compressed and not | 2 MiB |
//! | buffer of a [`FrameReader`] | twice what came, and 16 KiB |
//! | output of decompression | what the sender declares, and 2 MiB |
//! | lists of a message, decoded | twice its bytes, and 512 KiB |
//!
//! The catalogue of messages and the golden frames of each: `tests/wire_golden.rs`.

pub mod build;
mod compression;
mod decode;
mod encode;
mod frame;
mod frequent;
mod lists;
mod message;
#[expect(missing_docs, reason = "generated: the fields mean what the protocol's description says")]
#[expect(clippy::must_use_candidate, reason = "generated")]
pub mod p2p;
mod route;
#[expect(missing_docs, reason = "generated: the fields mean what the protocol's description says")]
pub mod sdk;
mod unknown;

pub use decode::{DecodeError, Decoded, Decoder};
pub use encode::{Compression, EncodeError, Encoder, Frame};
pub(crate) use encode::{Short, encode_short};
pub use frame::{FrameReader, Frames, LENGTH_BYTES, Oversized};
pub use message::{Class, Op};
pub use p2p::message::Message as Body;
pub use route::{BadId, Route, id, route};

/// Most bytes of a message, on the wire and decompressed (AvalancheGo `utils/constants`,
/// `DefaultMaxMessageSize`).
pub const MAX_MESSAGE_BYTES: usize = 2 * 1024 * 1024;
