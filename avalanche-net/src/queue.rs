//! The frames that wait to be written to one peer.
//!
//! One first-in first-out lane a [`Class`], so that a flood of one kind never throws out another.
//! Lanes drain in the order control, consensus, sync, app; each lower lane earns credit from what
//! is drained above it, so none of them starves.
//!
//! ```text
//!   push --> control   [####]       -+                 earns from the lanes above
//!            consensus [##########]  |--> drain        1 byte a byte
//!            sync      [###]         |    max_bytes    1 byte in 4
//!            app       [###########]-+                 1 byte in 8
//!      full: the new frame is dropped, and counted
//! ```
//!
//! AvalancheGo has one queue a peer (`network/peer/message_queue.go`) and drops what does not fit
//! its outbound throttler (`network/throttling/outbound_msg_throttler.go`); that accounting over
//! all peers is [`OutboundBudget`](crate::throttle::OutboundBudget).
//!
//! # Limits
//!
//! A lane holds at most its [`LaneLimit`], or one frame of any length. So a frame of the largest
//! length always passes when its lane is empty.
//!
//! While a frame waits, a lane below it sends at most its own largest frame, and its share of what
//! the lanes above it send in that time and of the one frame that they sent before.

use std::collections::VecDeque;

use crate::wire::{Class, Frame};

/// What the queue has to know of a frame.
pub trait Queued {
    /// The lane that it belongs to.
    fn class(&self) -> Class;
    /// Bytes that are written for it, length prefix included.
    fn len(&self) -> usize;
    /// Whether nothing is written for it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The most that waits in one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneLimit {
    /// Bytes, length prefixes included. One frame may be longer if it is alone.
    pub bytes: usize,
    /// Frames. Each costs its own size in memory besides its bytes.
    pub frames: usize,
}

/// The most that waits for one peer, by lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboundConfig {
    /// Ping, pong, handshake and peer lists. Default: 128 KiB, 256 frames.
    pub control: LaneLimit,
    /// Queries, chits, get and put. Default: 768 KiB, 4,096 frames.
    pub consensus: LaneLimit,
    /// Frontiers, ancestors and state summaries. Default: 640 KiB, 1,024 frames.
    pub sync: LaneLimit,
    /// Messages of applications. Default: 512 KiB, 4,096 frames.
    pub app: LaneLimit,
}

/// 2 MiB in all, AvalancheGo's `throttler-outbound-node-max-at-large-bytes`.
impl Default for OutboundConfig {
    fn default() -> Self {
        Self {
            control: LaneLimit { bytes: 128 * KIB, frames: 256 },
            consensus: LaneLimit { bytes: 768 * KIB, frames: 4_096 },
            sync: LaneLimit { bytes: 640 * KIB, frames: 1_024 },
            app: LaneLimit { bytes: 512 * KIB, frames: 4_096 },
        }
    }
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a dropped frame of a request is a request that failed"]
pub enum Pushed {
    /// It will be drained.
    Queued,
    /// It is gone.
    Dropped(DropReason),
}

/// Why a frame was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DropReason {
    /// Its lane holds as many bytes as allowed.
    LaneBytes,
    /// Its lane holds as many frames as allowed.
    LaneFrames,
    /// The budget over all peers refused it.
    Budget,
}

impl DropReason {
    /// Every reason, in order.
    pub const ALL: [Self; 3] = [Self::LaneBytes, Self::LaneFrames, Self::Budget];

    /// A name for counters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LaneBytes => "lane_bytes",
            Self::LaneFrames => "lane_frames",
            Self::Budget => "budget",
        }
    }
}

/// Frames of one class that went through, or did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneStats {
    /// Frames that were queued.
    pub queued: u64,
    /// Frames that were dropped.
    pub dropped: u64,
    /// Bytes of those.
    pub dropped_bytes: u64,
}

/// Frames that wait for one peer.
#[derive(Debug)]
pub struct Outbound<T> {
    lanes: [Lane<T>; LANES],
    frames: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Lane<T> {
    waiting: VecDeque<T>,
    bytes: usize,
    limit: LaneLimit,
    /// What it can send before the lanes above it, in units of 1/`UNIT` bytes. Zero while empty.
    credit: u64,
    /// Units that it earns for each byte of a lane above it.
    earns: u64,
    stats: LaneStats,
}

impl Queued for Frame {
    fn class(&self) -> Class {
        self.op().class()
    }

    fn len(&self) -> usize {
        Self::len(self)
    }
}

impl<T: Queued> Outbound<T> {
    /// An empty queue. Allocates as frames come.
    #[must_use]
    pub fn new(config: &OutboundConfig) -> Self {
        let OutboundConfig { control, consensus, sync, app } = *config;
        let lane = |limit, earns| Lane {
            waiting: VecDeque::new(),
            bytes: 0,
            limit,
            credit: 0,
            earns,
            stats: LaneStats::default(),
        };
        let lanes =
            [lane(control, 0), lane(consensus, UNIT), lane(sync, UNIT / 4), lane(app, UNIT / 8)];
        Self { lanes, frames: 0, bytes: 0 }
    }

    /// Queues a frame behind those of its class, or drops it if there is no room.
    pub fn push(&mut self, frame: T) -> Pushed {
        self.offer(frame, |_, _| true)
    }

    /// As [`Outbound::push`], but asks `acquire` for the frame's class and bytes after everything
    /// else allowed it. The caller gives back what it acquired when the frame is drained or the
    /// queue is cleared.
    pub fn offer(&mut self, frame: T, acquire: impl FnOnce(Class, usize) -> bool) -> Pushed {
        let (class, length) = (frame.class(), frame.len());
        let lane = self.lane_mut(class);
        let refused = match lane.refuses(length) {
            None if acquire(class, length) => None,
            None => Some(DropReason::Budget),
            reason => reason,
        };
        if let Some(reason) = refused {
            lane.stats.dropped += 1;
            lane.stats.dropped_bytes += length as u64;
            return Pushed::Dropped(reason);
        }
        lane.stats.queued += 1;
        lane.bytes += length;
        lane.waiting.push_back(frame);
        self.frames += 1;
        self.bytes += length;
        Pushed::Queued
    }

    /// Moves whole frames into `out`, in the order in which they are to be written, as long as
    /// they fit into `max_bytes`; returns their bytes. The first one always fits, so a frame that
    /// is longer than `max_bytes` is drained alone.
    ///
    /// Many small frames in one call are one write, and one TLS record.
    pub fn drain(&mut self, max_bytes: usize, out: &mut Vec<T>) -> usize {
        let before = out.len();
        let mut drained = 0_usize;
        while let Some((at, length)) = self.next() {
            let sum = drained.saturating_add(length);
            if out.len() > before && sum > max_bytes {
                break;
            }
            let Some(frame) = self.take(at, length) else { break };
            out.push(frame);
            drained = sum;
        }
        drained
    }

    /// Drops everything and returns its bytes, to be given back: the connection has ended.
    pub fn clear(&mut self) -> usize {
        for lane in &mut self.lanes {
            lane.waiting.clear();
            (lane.bytes, lane.credit) = (0, 0);
        }
        self.frames = 0;
        std::mem::take(&mut self.bytes)
    }

    /// Frames that wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.frames
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// Bytes that wait.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Frames and bytes of one class that wait.
    #[must_use]
    pub fn waiting(&self, class: Class) -> (usize, usize) {
        let lane = self.lane(class);
        (lane.waiting.len(), lane.bytes)
    }

    /// What went through one class so far.
    #[must_use]
    pub fn stats(&self, class: Class) -> LaneStats {
        self.lane(class).stats
    }

    /// The lane whose turn it is, and the length of its first frame.
    fn next(&self) -> Option<(usize, usize)> {
        let mut first = None;
        for (at, lane) in self.lanes.iter().enumerate() {
            let Some(length) = lane.waiting.front().map(T::len) else { continue };
            // A lane that has earned its first frame goes before those above it.
            if first.is_none() || lane.credit >= UNIT * length as u64 {
                first = Some((at, length));
            }
        }
        first
    }

    /// Takes the first frame of a lane, and lets the lanes below it earn.
    fn take(&mut self, at: usize, length: usize) -> Option<T> {
        let (above, below) = self.lanes.split_at_mut_checked(at + 1)?;
        let lane = above.last_mut()?;
        let frame = lane.waiting.pop_front()?;
        lane.bytes -= length;
        // Sent in its turn or ahead of it, it is paid for: what a long frame earned is not left to
        // the short ones behind it.
        lane.credit = lane.credit.saturating_sub(UNIT * length as u64);
        if lane.waiting.is_empty() {
            lane.credit = 0;
        }
        for lane in below.iter_mut().filter(|lane| !lane.waiting.is_empty()) {
            lane.credit = lane.credit.saturating_add(lane.earns * length as u64);
        }
        self.frames -= 1;
        self.bytes -= length;
        Some(frame)
    }

    const fn lane(&self, class: Class) -> &Lane<T> {
        let [control, consensus, sync, app] = &self.lanes;
        match class {
            Class::Control => control,
            Class::Consensus => consensus,
            Class::Sync => sync,
            Class::App => app,
        }
    }

    const fn lane_mut(&mut self, class: Class) -> &mut Lane<T> {
        let [control, consensus, sync, app] = &mut self.lanes;
        match class {
            Class::Control => control,
            Class::Consensus => consensus,
            Class::Sync => sync,
            Class::App => app,
        }
    }
}

impl<T> Lane<T> {
    fn refuses(&self, length: usize) -> Option<DropReason> {
        if self.waiting.is_empty() {
            return None;
        }
        if self.waiting.len() >= self.limit.frames {
            return Some(DropReason::LaneFrames);
        }
        (self.bytes.saturating_add(length) > self.limit.bytes).then_some(DropReason::LaneBytes)
    }
}

/// Units of credit that one byte costs.
const UNIT: u64 = 8;
const LANES: usize = 4;
const KIB: usize = 1 << 10;

#[cfg(test)]
mod tests;
