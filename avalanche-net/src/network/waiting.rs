//! What waits to be written to one peer, and what is written next.

use std::collections::VecDeque;

use super::stats::Tally;
use crate::queue::{Outbound, OutboundConfig, Pushed, Queued};
use crate::wire::{Class, Frame, Op, Short};

/// Frames are gathered into one write up to this many bytes; a larger frame is written by itself.
pub(super) const WRITE_CHUNK: usize = 64 * 1024;
/// Room for bytes, and for frames, that an idle connection keeps: all that are idle pay for it.
const IDLE_BYTES: usize = 1024;
const IDLE_FRAMES: usize = 8;

/// The frames that wait for one peer.
///
/// A short frame for this peer alone is written where it waits, behind those of its lane before it:
/// so what has gathered is one piece of memory when its turn comes, and is written as it is.
/// Frames that many peers share, and long ones, wait as they are.
#[derive(Debug)]
pub(super) struct Waiting {
    frames: Outbound<Entry>,
    /// By class.
    short: [Chunks; Class::ALL.len()],
    /// Memory for the next chunk.
    spare: Vec<u8>,
    /// Frames that are being taken out; empty between calls.
    taken: Vec<Entry>,
}

/// One frame that waits.
#[derive(Debug)]
enum Entry {
    Frame(Frame),
    /// Its bytes are the next ones of its lane.
    Short {
        op: Op,
        len: usize,
    },
}

impl Queued for Entry {
    fn class(&self) -> Class {
        self.op().class()
    }

    fn len(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.len(),
            Self::Short { len, .. } => *len,
        }
    }
}

impl Entry {
    const fn op(&self) -> Op {
        match self {
            Self::Frame(frame) => frame.op(),
            Self::Short { op, .. } => *op,
        }
    }
}

/// What is written next: bytes, or a frame that is not copied.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    frame: Option<Frame>,
    /// How many they are.
    frames: usize,
    pub(super) tally: Tally,
}

impl Outgoing {
    pub(super) fn bytes(&self) -> &[u8] {
        self.frame.as_ref().map_or(&self.bytes, |frame| frame.bytes())
    }

    /// Whether it is one frame, and has no memory that an idle connection would not keep.
    pub(super) const fn is_slight(&self) -> bool {
        self.frame.is_none() && self.frames == 1 && self.bytes.capacity() <= IDLE_BYTES
    }

    /// All is written.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.frame = None;
    }
}

impl Waiting {
    pub(super) fn new(config: &OutboundConfig) -> Self {
        Self {
            frames: Outbound::new(config),
            short: Default::default(),
            spare: Vec::new(),
            taken: Vec::new(),
        }
    }

    pub(super) const fn bytes(&self) -> usize {
        self.frames.bytes()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// As [`Outbound::offer`].
    pub(super) fn offer(
        &mut self,
        frame: Frame,
        acquire: impl FnOnce(Class, usize) -> bool,
    ) -> Pushed {
        self.frames.offer(Entry::Frame(frame), acquire)
    }

    /// As [`Outbound::offer`]; the message is encoded if there is room for it.
    pub(super) fn offer_short(
        &mut self,
        short: &Short<'_>,
        acquire: impl FnOnce(Class, usize) -> bool,
    ) -> Pushed {
        let (op, len) = (short.op(), short.len());
        let pushed = self.frames.offer(Entry::Short { op, len }, acquire);
        if pushed == Pushed::Queued
            && let Some(chunks) = self.short.get_mut(op.class() as usize)
        {
            chunks.push(short, &mut self.spare);
        }
        pushed
    }

    /// Moves what is to be written next into `out`, which is empty: at least one frame if there is
    /// any, and more while they fit into one write.
    pub(super) fn drain(&mut self, out: &mut Outgoing) {
        let bytes = self.frames.drain(WRITE_CHUNK, &mut self.taken);
        out.frames = self.taken.len();
        let (mut lane, mut of_one_lane) = (None, true);
        for entry in &self.taken {
            out.tally.add(entry.op(), entry.len());
            let short = matches!(entry, Entry::Short { .. }).then(|| entry.class());
            of_one_lane &= short.is_some() && *lane.get_or_insert(short) == short;
        }
        let chunks = lane.flatten().and_then(|class| self.short.get_mut(class as usize));
        if of_one_lane && let Some(chunk) = chunks.and_then(|chunks| chunks.whole(bytes)) {
            self.taken.clear();
            self.spare = std::mem::replace(&mut out.bytes, chunk);
            return;
        }
        if let [Entry::Frame(_)] = self.taken.as_slice()
            && let Some(Entry::Frame(frame)) = self.taken.pop()
        {
            out.frame = Some(frame);
            return;
        }
        out.bytes.reserve(bytes);
        for entry in self.taken.drain(..) {
            match entry {
                Entry::Frame(frame) => out.bytes.extend_from_slice(frame.bytes()),
                Entry::Short { op, len } => {
                    if let Some(chunks) = self.short.get_mut(op.class() as usize) {
                        chunks.take(len, &mut out.bytes);
                    }
                }
            }
        }
    }

    /// Nothing waits, and nothing is being written: memory for much is given back.
    pub(super) fn rest(&mut self, out: &mut Outgoing) {
        for buffer in [&mut self.spare, &mut out.bytes] {
            if buffer.capacity() > IDLE_BYTES {
                *buffer = Vec::new();
            }
        }
        if self.taken.capacity() > IDLE_FRAMES {
            self.taken = Vec::new();
        }
    }
}

/// Short frames of one lane, one behind the other, in pieces of at most one write.
#[derive(Debug, Default)]
struct Chunks {
    /// None is empty, and no frame is in two.
    chunks: VecDeque<Vec<u8>>,
    /// Bytes of the first one that were taken out.
    taken: usize,
}

impl Chunks {
    fn push(&mut self, short: &Short<'_>, spare: &mut Vec<u8>) {
        let fits = |chunk: &Vec<u8>| chunk.len() + short.len() <= WRITE_CHUNK;
        if !self.chunks.back().is_some_and(fits) {
            self.chunks.push_back(std::mem::take(spare));
        }
        if let Some(chunk) = self.chunks.back_mut() {
            short.write(chunk);
        }
    }

    /// The first piece, if it is what the next so many bytes are.
    fn whole(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let is_whole = self.taken == 0 && self.chunks.front()?.len() == bytes;
        if is_whole { self.chunks.pop_front() } else { None }
    }

    /// Takes out a frame of this length, the next one.
    fn take(&mut self, len: usize, out: &mut Vec<u8>) {
        let Some(chunk) = self.chunks.front() else { return };
        let end = self.taken + len;
        out.extend_from_slice(chunk.get(self.taken..end).unwrap_or_default());
        self.taken = end;
        if end >= chunk.len() {
            self.chunks.pop_front();
            self.taken = 0;
        }
    }
}

#[cfg(test)]
mod tests;
