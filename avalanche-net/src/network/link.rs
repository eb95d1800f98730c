//! One connection, as its tasks and the rest of the network share it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use avalanche_consensus::NodeId;
use tokio::sync::Notify;

use super::config::Limits;
use super::inbound::{Inbound, Spare};
use super::ticket::Places;
use crate::CloseReason;
use crate::control::ConnectionId;
use crate::queue::{Outbound, Pushed};
use crate::wire::Frame;

/// Room in the buffer for all peers is taken in steps of so many bytes, so that a small frame
/// seldom asks for any.
const RESERVE_STEP: usize = 32 * 1024;

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: ConnectionId,
    pub(crate) node_id: NodeId,
    /// For messages that were read and are not handled yet.
    pub(crate) places: Arc<Places>,
    /// For a few messages when there is no room in the buffer for all.
    pub(crate) spare: Arc<Spare>,
    inbound: Arc<Inbound>,
    queue: Mutex<Queue>,
    /// The queue was empty and is not.
    filled: Notify,
    /// The handshake is complete: messages for chains flow.
    established: AtomicBool,
    reason: OnceLock<CloseReason>,
    closing: Notify,
}

/// What waits to be written.
#[derive(Debug)]
struct Queue {
    frames: Outbound<Frame>,
    /// Bytes of the buffer for all peers that this link has taken.
    reserved: usize,
}

impl Link {
    pub(crate) fn new(
        id: ConnectionId,
        node_id: NodeId,
        limits: &Limits,
        inbound: Arc<Inbound>,
    ) -> Self {
        Self {
            id,
            node_id,
            places: Arc::new(Places::new(limits.messages_in_work)),
            spare: Arc::default(),
            inbound,
            queue: Mutex::new(Queue { frames: Outbound::new(&limits.queue), reserved: 0 }),
            filled: Notify::new(),
            established: AtomicBool::new(false),
            reason: OnceLock::new(),
            closing: Notify::new(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a frame, and wakes the writer if it sleeps.
    pub(crate) fn push(&self, frame: Frame) -> Pushed {
        let (pushed, was_empty) = {
            let mut queue = self.queue();
            let Queue { frames, reserved } = &mut *queue;
            let (waiting, was_empty) = (frames.bytes(), frames.is_empty());
            let pushed = frames.offer(frame, |class, len| {
                if waiting.saturating_add(len) <= *reserved {
                    return true;
                }
                let steps = [len.max(RESERVE_STEP), len];
                let taken =
                    steps.into_iter().find(|step| self.inbound.reserve(self.node_id, class, *step));
                *reserved += taken.unwrap_or(0);
                taken.is_some()
            });
            (pushed, was_empty)
        };
        if was_empty && pushed == Pushed::Queued {
            self.filled.notify_one();
        }
        pushed
    }

    /// Moves what is to be written next to the end of `frames`, at least one frame if there is any;
    /// returns their bytes.
    pub(crate) fn drain(&self, max_bytes: usize, frames: &mut Vec<Frame>) -> usize {
        let (drained, free) = {
            let mut queue = self.queue();
            let drained = queue.frames.drain(max_bytes, frames);
            let all = queue.frames.is_empty();
            (drained, if all { std::mem::take(&mut queue.reserved) } else { 0 })
        };
        self.inbound.unreserve(&self.node_id, free);
        drained
    }

    /// Waits until the queue was filled since the last call.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    pub(crate) fn is_established(&self) -> bool {
        self.established.load(Ordering::Acquire)
    }

    pub(crate) fn establish(&self) {
        self.established.store(true, Ordering::Release);
    }

    /// Ends the connection; the first reason counts.
    pub(crate) fn close(&self, reason: CloseReason) {
        let _ = self.reason.set(reason);
        // A permit: whoever asks later is told, too.
        self.closing.notify_one();
    }

    /// Waits for [`Link::close`].
    pub(crate) async fn closed(&self) -> CloseReason {
        loop {
            if let Some(reason) = self.reason.get() {
                return *reason;
            }
            self.closing.notified().await;
        }
    }
}

/// What was not written does not take room any more.
impl Drop for Link {
    fn drop(&mut self) {
        let reserved = self.queue().reserved;
        self.inbound.unreserve(&self.node_id, reserved);
    }
}
