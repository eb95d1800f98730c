//! Which connections are open, and which of them has to go when there is no room.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The open connections of a server.
///
/// A connection is idle while it has no request in work: a new one, one whose head is being read,
/// and one that is kept for the next request.
#[derive(Debug)]
pub(super) struct Connections {
    max: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    open: usize,
    /// Idle ones, the one that has been idle for the longest time first.
    idle: BTreeMap<u64, Arc<Slot>>,
    next: u64,
}

#[derive(Debug, Default)]
struct Slot {
    end: Notify,
    ended: AtomicBool,
}

/// A place among the open connections, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    slot: Arc<Slot>,
    /// Its key among the idle ones; `None` while it is busy.
    key: Mutex<Option<u64>>,
}

/// A request in work. When it is dropped, its connection is idle.
#[derive(Debug)]
pub(super) struct Busy(Arc<Place>);

/// What became of a new connection.
#[derive(Debug)]
pub(super) enum Admission {
    /// There was room.
    Room(Arc<Place>),
    /// The oldest idle connection was closed to make room.
    Instead(Arc<Place>),
    /// All are busy.
    Full,
}

impl Connections {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, inner: Mutex::default() })
    }

    /// A place for a new connection.
    pub(super) fn admit(self: &Arc<Self>) -> Admission {
        let mut inner = self.lock();
        let full = inner.open >= self.max;
        if full {
            let Some((_, oldest)) = inner.idle.pop_first() else { return Admission::Full };
            oldest.ended.store(true, Ordering::Release);
            oldest.end.notify_one();
        } else {
            inner.open += 1;
        }
        let slot = Arc::new(Slot::default());
        let key = Mutex::new(Some(inner.insert(&slot)));
        drop(inner);
        let place = Arc::new(Place { connections: Arc::clone(self), slot, key });
        if full { Admission::Instead(place) } else { Admission::Room(place) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn insert(&mut self, slot: &Arc<Slot>) -> u64 {
        let key = self.next;
        self.next += 1;
        self.idle.insert(key, Arc::clone(slot));
        key
    }
}

impl Place {
    /// A request has come; `None` if the connection is being closed.
    pub(super) fn begin(self: &Arc<Self>) -> Option<Busy> {
        let mut inner = self.connections.lock();
        if self.slot.ended.load(Ordering::Acquire) {
            return None;
        }
        if let Some(key) = self.key().take() {
            inner.idle.remove(&key);
        }
        Some(Busy(Arc::clone(self)))
    }

    /// Whether it has no request in work.
    pub(super) fn is_idle(&self) -> bool {
        self.key().is_some()
    }

    /// Waits until the connection has to be closed.
    pub(super) async fn ended(&self) {
        self.slot.end.notified().await;
    }

    fn key(&self) -> MutexGuard<'_, Option<u64>> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let place = &self.0;
        let mut inner = place.connections.lock();
        *place.key() = Some(inner.insert(&place.slot));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.connections.lock();
        if let Some(key) = self.key().take() {
            inner.idle.remove(&key);
        }
        // Whoever was closed to make room has given its place away.
        if !self.slot.ended.load(Ordering::Acquire) {
            inner.open = inner.open.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(connections: &Arc<Connections>) -> Arc<Place> {
        match connections.admit() {
            Admission::Room(place) => place,
            other => panic!("{other:?}"),
        }
    }

    fn instead(connections: &Arc<Connections>) -> Arc<Place> {
        match connections.admit() {
            Admission::Instead(place) => place,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_oldest_idle_connection_makes_room_and_busy_ones_stay() {
        let connections = Connections::new(3);
        let [a, b, c] = [room(&connections), room(&connections), room(&connections)];
        let busy = a.begin().unwrap();
        // b is the oldest that is idle.
        let d = instead(&connections);
        assert!(b.begin().is_none());
        drop(b);
        drop(busy);
        // Now c, d, a.
        let _e = instead(&connections);
        assert!(c.begin().is_none());
        let _busy = [a.begin().unwrap(), d.begin().unwrap(), _e.begin().unwrap()];
        assert!(matches!(connections.admit(), Admission::Full));
    }

    #[test]
    fn places_that_are_given_back_are_given_out_again() {
        let connections = Connections::new(2);
        for _ in 0..5 {
            let [a, b] = [room(&connections), room(&connections)];
            let _busy = b.begin().unwrap();
            drop(a);
            _ = room(&connections);
        }
        let inner = connections.lock();
        assert_eq!((inner.open, inner.idle.len()), (0, 0));
    }
}
