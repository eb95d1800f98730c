//! Splits a stream of bytes into frames: a length, and as many bytes.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use super::MAX_MESSAGE_BYTES;

/// Bytes of the length before a frame: big-endian.
pub const LENGTH_BYTES: usize = 4;

/// How much is read at once, unless more of a frame is known to follow. One TLS record is as long.
const CHUNK_BYTES: usize = 16 * 1024;

/// A read is not made into less room than this.
const ROOM_BYTES_MIN: usize = CHUNK_BYTES / 4;

/// Splits what comes from a peer into frames.
///
/// The buffer is bounded by what came: room is made for as many bytes again as are waiting, and one
/// chunk of 16 KiB. A peer that announces 2 MiB and sends nothing costs one chunk, and so does an
/// idle connection, whatever it read before.
///
/// A frame borrows from the buffer, so a short one that is kept for long may keep a whole chunk;
/// who keeps many of them copies them.
///
/// ```
/// use avalanche_net::wire::FrameReader;
///
/// let mut reader = FrameReader::new();
/// reader.space().extend_from_slice(&[0, 0, 0, 2, 98]);
/// assert_eq!(reader.next_frame(), Ok(None));
/// reader.space().extend_from_slice(&[0, 0, 0]);
/// assert_eq!(reader.next_frame().map(|frame| frame.is_some_and(|f| f[..] == [98, 0])), Ok(true));
/// assert_eq!(reader.waiting(), 2);
/// ```
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: BytesMut,
    /// Bytes of the allocation that `buffer` is the end of.
    allocated: usize,
}

/// A length over [`MAX_MESSAGE_BYTES`]: the stream cannot be followed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oversized {
    /// The length that was announced, in bytes.
    pub len: u32,
}

impl FrameReader {
    /// A reader at the start of a stream. Nothing is allocated before [`FrameReader::space`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The buffer, with room to read into; append what comes, up to its capacity.
    pub fn space(&mut self) -> &mut BytesMut {
        let waiting = self.buffer.len();
        let missing = self.missing().unwrap_or(0);
        // The allocation of a long frame is left to it.
        let is_long = self.allocated > 2 * CHUNK_BYTES && waiting + missing <= CHUNK_BYTES;
        let spare = self.buffer.capacity().saturating_sub(waiting);
        if spare >= ROOM_BYTES_MIN && !is_long {
            return &mut self.buffer;
        }
        // Twice as much at each step, so that each byte is moved a bounded number of times.
        let additional = missing.clamp(CHUNK_BYTES, waiting.saturating_add(CHUNK_BYTES));
        if is_long || !self.buffer.try_reclaim(additional) {
            let mut fresh = BytesMut::with_capacity(waiting.saturating_add(additional));
            fresh.extend_from_slice(&self.buffer);
            self.allocated = fresh.capacity();
            self.buffer = fresh;
        }
        &mut self.buffer
    }

    /// The next frame, without its length. None until all of it came.
    ///
    /// # Errors
    ///
    /// [`Oversized`] when the peer announced more than [`MAX_MESSAGE_BYTES`]; again on each call.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, Oversized> {
        let Some(len) = self.announced() else { return Ok(None) };
        let size = usize::try_from(len).unwrap_or(usize::MAX);
        if size > MAX_MESSAGE_BYTES {
            return Err(Oversized { len });
        }
        if self.buffer.len() < LENGTH_BYTES + size {
            return Ok(None);
        }
        self.buffer.advance(LENGTH_BYTES);
        Ok(Some(self.buffer.split_to(size).freeze()))
    }

    /// All frames that came whole. None if there is none yet.
    ///
    /// Up to `copied` bytes of them are copied into one allocation of their exact length, so that
    /// the memory that they hold is what their lengths say; longer ones share the buffer, which is
    /// hardly longer than they are.
    ///
    /// # Errors
    ///
    /// [`Oversized`] as [`FrameReader::next_frame`], once all whole frames before it are taken.
    pub fn take_whole(&mut self, copied: usize) -> Result<Option<Frames>, Oversized> {
        let mut whole = 0_usize;
        while let Some(len) = announced(self.buffer.get(whole..).unwrap_or_default()) {
            let size = usize::try_from(len).unwrap_or(usize::MAX);
            if size > MAX_MESSAGE_BYTES && whole == 0 {
                return Err(Oversized { len });
            }
            let end = whole.saturating_add(LENGTH_BYTES).saturating_add(size);
            if size > MAX_MESSAGE_BYTES || end > self.buffer.len() {
                break;
            }
            whole = end;
        }
        if whole == 0 {
            return Ok(None);
        }
        if whole > copied {
            return Ok(Some(Frames { bytes: self.buffer.split_to(whole).freeze() }));
        }
        let bytes = Bytes::copy_from_slice(self.buffer.get(..whole).unwrap_or_default());
        self.buffer.advance(whole);
        Ok(Some(Frames { bytes }))
    }

    /// The length of the frame that is coming, if it is known and not all of it came.
    #[must_use]
    pub fn coming(&self) -> Option<usize> {
        self.missing().filter(|missing| *missing > 0).map(|missing| missing + self.buffer.len())
    }

    /// Bytes that came and are not part of a whole frame yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// Bytes that this reader has room for, those that wait included.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// The length of the frame that begins the buffer, if it came.
    fn announced(&self) -> Option<u32> {
        announced(&self.buffer)
    }

    /// How many bytes the first frame lacks. None when its length is unknown, or too long.
    fn missing(&self) -> Option<usize> {
        let size = usize::try_from(self.announced()?).ok().filter(|s| *s <= MAX_MESSAGE_BYTES)?;
        Some((LENGTH_BYTES + size).saturating_sub(self.buffer.len()))
    }
}

/// The length of the frame that begins these bytes, if they have it.
fn announced(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|length| u32::from_be_bytes(*length))
}

/// Whole frames, one behind the other; yields each without its length.
#[derive(Clone, Debug)]
pub struct Frames {
    bytes: Bytes,
}

impl Frames {
    /// Bytes that are left, lengths included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no frame is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl Iterator for Frames {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let size = usize::try_from(announced(&self.bytes)?).ok()?;
        self.bytes.advance(LENGTH_BYTES);
        Some(self.bytes.split_to(size.min(self.bytes.len())))
    }
}

impl fmt::Display for Oversized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a frame of {} bytes, at most {MAX_MESSAGE_BYTES} are allowed", self.len)
    }
}

impl std::error::Error for Oversized {}
