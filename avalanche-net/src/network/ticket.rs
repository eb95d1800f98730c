//! The room that messages take while they are handled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

use super::inbound::Held;

/// The messages of one peer that are not handled yet.
#[derive(Debug)]
pub(crate) struct Places {
    /// How many are taken, and [`WAITS`].
    taken: AtomicU32,
    most: u32,
    /// Some were given back that are waited for.
    freed: Notify,
}

/// A bit that says that somebody waits for places. Beside their number: who gives some back learns
/// it on the way.
const WAITS: u32 = 1 << 31;

impl Places {
    /// `most` at once.
    pub(crate) fn new(most: u32) -> Self {
        let most = most.clamp(1, WAITS - 1);
        Self { taken: AtomicU32::new(0), most, freed: Notify::new() }
    }

    /// Takes `count` places, or as many as there are in all; waits for them.
    pub(crate) async fn take(&self, count: u32) -> u32 {
        let count = count.min(self.most);
        if self.try_take(count) {
            return count;
        }
        loop {
            // Before it looks again, so that nothing that is freed is missed.
            self.taken.fetch_or(WAITS, Ordering::AcqRel);
            if self.try_take(count) {
                self.taken.fetch_and(!WAITS, Ordering::AcqRel);
                return count;
            }
            self.freed.notified().await;
        }
    }

    fn try_take(&self, count: u32) -> bool {
        // There is one connection, so one that takes.
        let taken = self.taken.load(Ordering::Acquire) & !WAITS;
        let free = taken.saturating_add(count) <= self.most;
        if free {
            self.taken.fetch_add(count, Ordering::AcqRel);
        }
        free
    }

    /// Places that are taken.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> u32 {
        self.taken.load(Ordering::Acquire) & !WAITS
    }

    fn give_back(&self, count: u32) {
        if self.taken.fetch_sub(count, Ordering::AcqRel) & WAITS != 0 {
            // It is kept for who is about to wait.
            self.freed.notify_one();
        }
    }
}

/// What messages that were read together take: memory, and places.
#[derive(Debug)]
pub(crate) struct Room {
    _memory: Held,
    places: Arc<Places>,
    count: u32,
}

impl Room {
    /// Of this memory, and places that were taken.
    pub(crate) fn new(memory: Held, places: &Arc<Places>, count: u32) -> Self {
        Self { _memory: memory, places: Arc::clone(places), count }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.places.give_back(self.count);
    }
}

/// Keeps the room of a message until it is handled.
///
/// How much room messages take is known, and waited for, when all that were read together are
/// decoded; none is handed out before.
#[derive(Debug)]
pub(crate) enum Ticket {
    /// Nothing else was read with it.
    Alone { _room: Room },
    /// The last one of those that were read together gives the room back.
    Shared { _room: Arc<Room> },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::inbound::Spare;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;
    use std::time::Duration;
    use tokio::time::timeout;

    /// Whoever waits for places has them once the last ticket of those before is dropped.
    #[tokio::test(start_paused = true)]
    async fn places_come_back_with_the_last_ticket_and_not_before() {
        let spare = Arc::<Spare>::default();
        let places = Arc::new(Places::new(3));
        let room = async |count| {
            let count = places.take(count).await;
            Room::new(spare.try_hold(10).expect("it is free"), &places, count)
        };
        for alone in [true, false] {
            let room = room(2).await;
            let mut tickets = if alone {
                vec![Ticket::Alone { _room: room }]
            } else {
                let room = Arc::new(room);
                vec![Ticket::Shared { _room: Arc::clone(&room) }, Ticket::Shared { _room: room }]
            };
            while tickets.len() > 1 {
                tickets.pop();
                assert_eq!(places.taken(), 2, "one is left");
            }
            let mut waits = pin!(places.take(2));
            let mut polls = 0;
            let comes = poll_fn(|cx| {
                polls += 1;
                let taken = waits.as_mut().poll(cx);
                if polls == 1 {
                    assert!(taken.is_pending(), "one place is free");
                    // It is woken: nothing else polls it again.
                    tickets.clear();
                    return Poll::Pending;
                }
                taken.map(|count| assert_eq!(count, 2))
            });
            timeout(Duration::from_secs(1), comes).await.expect("it is woken");
            assert_eq!((polls, places.taken(), spare.try_hold(1).is_some()), (2, 2, true));
            places.give_back(2);
        }
        assert_eq!(places.taken(), 0);
    }
}
