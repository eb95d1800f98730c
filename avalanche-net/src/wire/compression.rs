//! zstd with contexts that are reused, and a strict bound on what comes out.
//!
//! One whole message is one call, so no window is kept beside the output, whatever a frame asks
//! for. AvalancheGo's receiver (`utils/compression/zstd_compressor.go`) takes a single frame with a
//! window of at most 128 MiB; here several frames and skippable ones are taken, too. Both refuse
//! what follows a frame and is none.

use std::fmt;

use bytes::Bytes;
use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd::zstd_safe::{self, CCtx, CParameter, DCtx};

use super::MAX_MESSAGE_BYTES;

/// What becomes smaller and fits again.
pub(super) struct Compressor {
    context: CCtx<'static>,
    output: Vec<u8>,
}

/// What undoes it. The context is made when the first compressed message comes.
#[derive(Default)]
pub(super) struct Decompressor {
    context: Option<DCtx<'static>>,
}

/// Why compressed bytes cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not zstd, truncated, or followed by something else.
    Malformed,
    /// More would come out than a message may have: how much, where the frames say it.
    TooLong(Option<u64>),
}

/// Scratch space of more than this is given back after each message.
const SCRATCH_BYTES_MAX: usize = 256 * 1024;

impl Compressor {
    /// Levels out of zstd's range are moved into it. None when there is no memory.
    pub(super) fn new(level: i32) -> Option<Self> {
        let mut context = CCtx::try_create()?;
        context.set_parameter(CParameter::CompressionLevel(level)).ok()?;
        Some(Self { context, output: Vec::new() })
    }

    /// One frame with its content size. None if zstd cannot, which is no reason not to send.
    pub(super) fn compress(&mut self, plain: &[u8]) -> Option<&[u8]> {
        self.output.clear();
        if self.output.capacity() > SCRATCH_BYTES_MAX {
            self.output = Vec::new();
        }
        self.output.reserve(zstd_safe::compress_bound(plain.len()));
        if self.context.compress2(&mut self.output, plain).is_err() {
            // A failed frame stays open otherwise.
            let _ = self.context.reset(zstd_safe::ResetDirective::SessionOnly);
            return None;
        }
        Some(&self.output)
    }
}

impl Decompressor {
    /// All that the frames hold, at most [`MAX_MESSAGE_BYTES`].
    pub(super) fn decompress(&mut self, compressed: &[u8]) -> Result<Bytes, Refusal> {
        let capacity = match declared(compressed)? {
            Some(sum) => usize::try_from(sum)
                .ok()
                .filter(|sum| *sum <= MAX_MESSAGE_BYTES)
                .ok_or(Refusal::TooLong(Some(sum)))?,
            None => MAX_MESSAGE_BYTES,
        };
        let context = match &mut self.context {
            Some(context) => context,
            none => none.insert(DCtx::try_create().ok_or(Refusal::Malformed)?),
        };
        let mut plain = Vec::with_capacity(capacity);
        match context.decompress(&mut plain, compressed) {
            Ok(_) => {
                plain.shrink_to_fit();
                Ok(Bytes::from(plain))
            }
            Err(code) if is_overflow(code) => Err(Refusal::TooLong(None)),
            Err(_) => Err(Refusal::Malformed),
        }
    }
}

/// The sum of what the frames say that they hold; none if one of them does not say it.
///
/// It walks the headers of blocks only. What is no sequence of whole frames is found here, before
/// anything is allocated.
fn declared(compressed: &[u8]) -> Result<Option<u64>, Refusal> {
    let mut rest = compressed;
    let mut sum = Some(0_u64);
    if rest.is_empty() {
        return Err(Refusal::Malformed);
    }
    while !rest.is_empty() {
        let content = zstd_safe::get_frame_content_size(rest).map_err(|_| Refusal::Malformed)?;
        let len = zstd_safe::find_frame_compressed_size(rest).map_err(|_| Refusal::Malformed)?;
        sum = sum.zip(content).map(|(sum, content)| sum.saturating_add(content));
        rest = rest.get(len.max(1)..).ok_or(Refusal::Malformed)?;
    }
    Ok(sum)
}

/// Whether zstd stopped since the output is full.
fn is_overflow(code: zstd_safe::ErrorCode) -> bool {
    zstd_safe::is_error_kind(code, ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall)
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").field("used", &self.context.is_some()).finish()
    }
}

#[cfg(test)]
mod tests;
