//! One connection, as its tasks and the rest of the network share it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use avalanche_consensus::NodeId;
use tokio::sync::Notify;

use super::config::Limits;
use super::inbound::{Inbound, Spare};
use super::ticket::Places;
use super::waiting::{Outgoing, Waiting};
use crate::CloseReason;
use crate::control::ConnectionId;
use crate::queue::Pushed;
use crate::wire::{Class, Frame, Short};

/// Room in the buffer for all peers is taken in steps of so many bytes, so that a small frame
/// seldom asks for any.
const RESERVE_STEP: usize = 32 * 1024;
/// What a connection may have waiting besides: a few short messages to a peer that reads them take
/// no lock that all share.
const OWN_BYTES: usize = 4 * 1024;

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
    /// The handshake is complete: messages for chains flow.
    established: AtomicBool,
    reason: OnceLock<CloseReason>,
    closing: Notify,
}

/// What waits to be written.
#[derive(Debug)]
struct Queue {
    frames: Waiting,
    /// Bytes of the buffer for all peers that this link has taken.
    reserved: usize,
    /// Wakes the writer that found nothing here. Beside the frames, so that whoever queues one and
    /// whoever takes it has one lock to pass, not two.
    writer: Option<Waker>,
}

/// What was moved out of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drained {
    /// Look again when it is written.
    Some,
    /// A lone short frame; the next one wakes the writer, as if it had looked again.
    Last,
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
            queue: Mutex::new(Queue {
                frames: Waiting::new(&limits.queue),
                reserved: 0,
                writer: None,
            }),
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
        self.push_by(|waiting, acquire| waiting.offer(frame, acquire))
    }

    /// Queues a message that becomes a frame only if there is room for it.
    pub(crate) fn push_short(&self, short: &Short<'_>) -> Pushed {
        self.push_by(|waiting, acquire| waiting.offer_short(short, acquire))
    }

    fn push_by(
        &self,
        offer: impl FnOnce(&mut Waiting, &mut dyn FnMut(Class, usize) -> bool) -> Pushed,
    ) -> Pushed {
        let (pushed, writer) = {
            let mut queue = self.queue();
            let Queue { frames, reserved, writer } = &mut *queue;
            let waiting = frames.bytes();
            let pushed = offer(frames, &mut |class, len| {
                if waiting.saturating_add(len) <= reserved.saturating_add(OWN_BYTES) {
                    return true;
                }
                let steps = [len.max(RESERVE_STEP), len];
                let taken =
                    steps.into_iter().find(|step| self.inbound.reserve(self.node_id, class, *step));
                *reserved += taken.unwrap_or(0);
                taken.is_some()
            });
            (pushed, if pushed == Pushed::Queued { writer.take() } else { None })
        };
        if let Some(writer) = writer {
            writer.wake();
        }
        pushed
    }

    /// Moves what is to be written next into `out`, which is empty: at least one frame. Pending
    /// while nothing waits, and then whoever calls is woken by the next frame.
    pub(super) fn poll_drain(&self, cx: &Context<'_>, out: &mut Outgoing) -> Poll<Drained> {
        let (free, drained) = {
            let mut queue = self.queue();
            if queue.frames.is_empty() {
                queue.writer = Some(cx.waker().clone());
                queue.frames.rest(out);
                return Poll::Pending;
            }
            queue.frames.drain(out);
            let all = queue.frames.is_empty();
            // Frames that come alone come at their own pace: the next one is not here by the time
            // that this one is written.
            let last = all && out.is_slight();
            if last {
                queue.writer = Some(cx.waker().clone());
            }
            let drained = if last { Drained::Last } else { Drained::Some };
            (if all { std::mem::take(&mut queue.reserved) } else { 0 }, drained)
        };
        self.inbound.unreserve(&self.node_id, free);
        Poll::Ready(drained)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::driver::Clock;
    use crate::throttle::PoolConfig;
    use crate::wire::build;
    use avalanche_consensus::Id;
    use std::task::Waker;

    #[test]
    fn a_few_short_messages_need_no_room_of_all_and_more_are_dropped() {
        let nothing = PoolConfig { at_large: 0, node_at_large_max: 0, validators: 0 };
        let limits = Limits { outbound_pool: nothing, ..Limits::default() };
        let inbound = Arc::new(Inbound::new(&limits, Clock::new()));
        let link = Link::new(ConnectionId(1), NodeId::EMPTY, &limits, inbound);
        let body = build::app_gossip(Id::EMPTY, vec![1; 156].into());
        let short = Short::of(&body).unwrap().unwrap();
        let push = || link.push_short(&short) == Pushed::Queued;
        let fit = OWN_BYTES / short.len();
        let (mut out, cx) = (Outgoing::default(), Context::from_waker(Waker::noop()));
        for _ in 0..2 {
            assert_eq!((0..3 * fit).filter(|_| push()).count(), fit);
            assert!(link.poll_drain(&cx, &mut out).is_ready());
            assert_eq!(out.bytes().len(), fit * short.len());
            out.clear();
            assert!(link.poll_drain(&cx, &mut out).is_pending(), "all is written");
        }
    }
}
