//! The room that messages take while they are handled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

use super::inbound::Held;

/// The messages of one peer that are not handled yet.
#[derive(Debug)]
pub(crate) struct Places {
    taken: AtomicU32,
    most: u32,
    /// Some were given back.
    freed: Notify,
}

impl Places {
    /// `most` at once.
    pub(crate) fn new(most: u32) -> Self {
        Self { taken: AtomicU32::new(0), most: most.max(1), freed: Notify::new() }
    }

    /// Takes `count` places, or as many as there are in all; waits for them.
    pub(crate) async fn take(&self, count: u32) -> u32 {
        let count = count.min(self.most);
        loop {
            let freed = self.freed.notified();
            // There is one connection, so one that takes.
            let taken = self.taken.load(Ordering::Acquire);
            if taken.saturating_add(count) <= self.most {
                self.taken.fetch_add(count, Ordering::AcqRel);
                return count;
            }
            freed.await;
        }
    }

    /// Places that are taken.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> u32 {
        self.taken.load(Ordering::Acquire)
    }

    fn give_back(&self, count: u32) {
        self.taken.fetch_sub(count, Ordering::AcqRel);
        self.freed.notify_one();
    }
}

/// What a group of messages that were read together takes: memory, and places.
#[derive(Debug)]
struct Group {
    _bytes: Held,
    places: Arc<Places>,
    count: u32,
}

impl Drop for Group {
    fn drop(&mut self) {
        self.places.give_back(self.count);
    }
}

/// Keeps the room of a group of messages; the last one that is dropped gives it back.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    _group: Arc<Group>,
}

impl Ticket {
    pub(crate) fn new(bytes: Held, places: Arc<Places>, count: u32) -> Self {
        Self { _group: Arc::new(Group { _bytes: bytes, places, count }) }
    }
}
