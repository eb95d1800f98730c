//! The room that messages take while they are handled.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

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
        if self.try_take(count) {
            return count;
        }
        loop {
            // Before it looks again, so that nothing that is freed is missed.
            let freed = self.freed.notified();
            if self.try_take(count) {
                return count;
            }
            freed.await;
        }
    }

    fn try_take(&self, count: u32) -> bool {
        // There is one connection, so one that takes.
        let free = self.taken.load(Ordering::Acquire).saturating_add(count) <= self.most;
        if free {
            self.taken.fetch_add(count, Ordering::AcqRel);
        }
        free
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
    places: Arc<Places>,
    /// The memory, and how many places; none before they are taken.
    room: OnceLock<(Held, u32)>,
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some((_, count)) = self.room.get() {
            self.places.give_back(*count);
        }
    }
}

/// Keeps the room of a group of messages; the last one that is dropped gives it back.
///
/// Each message gets its own when it is decoded. How much room the group takes is known, and waited
/// for, when all of them are; none is handed out before.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    group: Arc<Group>,
}

impl Ticket {
    /// Of a group that has no room yet.
    pub(crate) fn new(places: &Arc<Places>) -> Self {
        let group = Group { places: Arc::clone(places), room: OnceLock::new() };
        Self { group: Arc::new(group) }
    }

    /// The group has room: this memory, and places that were taken.
    pub(crate) fn fill(&self, bytes: Held, places: u32) {
        if self.group.room.set((bytes, places)).is_err() {
            // A group is filled once; if not, nothing is lost but its room is given back early.
            self.group.places.give_back(places);
        }
    }
}
