//! One connection, as its tasks and the rest of the network share it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use avalanche_consensus::NodeId;
use tokio::sync::Notify;

use crate::CloseReason;
use crate::control::ConnectionId;
use crate::queue::{Outbound, Pushed};
use crate::wire::Frame;

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: ConnectionId,
    pub(crate) node_id: NodeId,
    pub(crate) remote: SocketAddr,
    queue: Mutex<Outbound<Frame>>,
    /// The queue was empty and is not.
    filled: Notify,
    /// The handshake is complete: messages for chains flow.
    established: AtomicBool,
    reason: OnceLock<CloseReason>,
    closing: Notify,
}

impl Link {
    pub(crate) fn new(
        id: ConnectionId,
        node_id: NodeId,
        remote: SocketAddr,
        queue: Outbound<Frame>,
    ) -> Self {
        Self {
            id,
            node_id,
            remote,
            queue: Mutex::new(queue),
            filled: Notify::new(),
            established: AtomicBool::new(false),
            reason: OnceLock::new(),
            closing: Notify::new(),
        }
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Outbound<Frame>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a frame, and wakes the writer if it sleeps.
    pub(crate) fn push(&self, frame: Frame) -> Pushed {
        let (pushed, was_empty) = {
            let mut queue = self.queue();
            let was_empty = queue.is_empty();
            (queue.push(frame), was_empty)
        };
        if was_empty && pushed == Pushed::Queued {
            self.filled.notify_one();
        }
        pushed
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
