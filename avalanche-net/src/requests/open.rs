//! Requests that are open, by number, by place and by deadline.

use std::collections::{BTreeMap, BTreeSet};

use avalanche_consensus::{NodeId, Timestamp};

use super::Key;
use crate::wire::Op;

/// Room that is kept while nothing is open: more was a rush, and is over.
const IDLE_PLACES: usize = 1_024;
/// Peers without open requests that are kept.
const IDLE_NODES: usize = 1_024;
/// Rows at the start.
const ROWS_MIN: usize = 16;

/// One open request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) key: Key,
    pub(super) op: Op,
    pub(super) sent_at: Timestamp,
    pub(super) deadline: Timestamp,
    /// The failure was reported when it was registered.
    pub(super) benched: bool,
}

/// When a request is due, which one it is of all that were opened, and its place.
type Deadline = (Timestamp, u64, u32);

/// The requests that are open.
///
/// Each has a place, a small number that it alone has until it ends. Whatever else is kept of
/// requests goes by that: names are long, and slow to order. Those whose numbers come to the same
/// [row](Key::row) are linked.
#[derive(Debug, Default)]
pub(super) struct OpenRequests {
    places: Vec<Option<Entry>>,
    free: Vec<u32>,
    /// The first of each row; a power of two of them, or none.
    rows: Vec<Option<u32>>,
    /// Deadlines in order; equal ones in the order in which the requests were opened.
    deadlines: BTreeSet<Deadline>,
    /// Requests that were ever opened.
    opened: u64,
    /// Number of open requests of each peer that has any, and of some that have none any more.
    by_node: BTreeMap<NodeId, usize>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    open: Open,
    /// Which one it is of all that were opened.
    opened: u64,
    /// The one behind it in its row.
    next: Option<u32>,
}

impl OpenRequests {
    /// Opens a request of a name that is not open; returns its place.
    pub(super) fn insert(&mut self, open: Open) -> u32 {
        if self.len() >= self.rows.len() {
            self.lengthen();
        }
        let place = self.place();
        if let Some(entry) = self.places.get_mut(place as usize) {
            *entry = Some(Entry { open, opened: self.opened, next: None });
        }
        self.link(place);
        self.deadlines.insert((open.deadline, self.opened, place));
        self.opened += 1;
        *self.by_node.entry(open.key.node).or_default() += 1;
        place
    }

    /// A place that is free.
    fn place(&mut self) -> u32 {
        if let Some(place) = self.free.pop() {
            return place;
        }
        self.places.push(None);
        // There are no more than are allowed to be open, which is far less.
        u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
    }

    /// Makes twice as many rows.
    fn lengthen(&mut self) {
        self.rows = vec![None; (2 * self.rows.len()).max(ROWS_MIN)];
        for place in 0..self.places.len() {
            self.link(u32::try_from(place).unwrap_or(u32::MAX));
        }
    }

    /// Makes the request at a place the first of its row.
    fn link(&mut self, place: u32) {
        let Some(Some(entry)) = self.places.get_mut(place as usize) else { return };
        let row = entry.open.key.row(self.rows.len());
        if let Some(first) = self.rows.get_mut(row) {
            entry.next = first.replace(place);
        }
    }

    /// Ends a request; returns its place, too, which is free from now on.
    pub(super) fn remove(&mut self, key: &Key) -> Option<(u32, Open)> {
        let (before, place) = self.find(key)?;
        let row = key.row(self.rows.len());
        let entry = self.places.get_mut(place as usize)?.take()?;
        match before.and_then(|before| self.places.get_mut(before as usize)?.as_mut()) {
            Some(before) => before.next = entry.next,
            None => *self.rows.get_mut(row)? = entry.next,
        }
        self.free.push(place);
        self.deadlines.remove(&(entry.open.deadline, entry.opened, place));
        if let Some(count) = self.by_node.get_mut(&key.node) {
            *count = count.saturating_sub(1);
            if *count == 0 && self.by_node.len() > IDLE_NODES {
                self.by_node.remove(&key.node);
            }
        }
        if self.len() == 0 && self.places.len() > IDLE_PLACES {
            (self.places, self.free, self.rows) = (Vec::new(), Vec::new(), Vec::new());
        }
        Some((place, entry.open))
    }

    /// The place of a request, and of the one before it in its row.
    fn find(&self, key: &Key) -> Option<(Option<u32>, u32)> {
        let mut row = self.row(key);
        let mut before = None;
        loop {
            let (place, entry) = row.next()?;
            if entry.open.key == *key {
                return Some((before, place));
            }
            before = Some(place);
        }
    }

    /// The requests of the row of a name.
    fn row(&self, key: &Key) -> impl Iterator<Item = (u32, &Entry)> {
        let mut next = self.rows.get(key.row(self.rows.len())).copied().flatten();
        std::iter::from_fn(move || {
            let place = next?;
            let entry = self.places.get(place as usize)?.as_ref()?;
            next = entry.next;
            Some((place, entry))
        })
    }

    /// The request with the earliest deadline, if that is not after `now`.
    pub(super) fn due(&self, now: Timestamp) -> Option<Key> {
        let (_, _, place) = self.deadlines.first().filter(|(deadline, ..)| *deadline <= now)?;
        self.places.get(*place as usize)?.map(|entry| entry.open.key)
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(deadline, ..)| *deadline)
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.find(key).is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Number of open requests to a peer.
    pub(super) fn of_node(&self, node: &NodeId) -> usize {
        self.by_node.get(node).copied().unwrap_or(0)
    }

    /// Open requests to a node, by chain and number. A node that has none is not looked for.
    pub(super) fn names_of_node(&self, node: &NodeId) -> Vec<Key> {
        let open = self.places.iter().flatten().map(|entry| entry.open.key);
        let mut keys: Vec<_> =
            open.filter(|key| key.node == *node).take(self.of_node(node)).collect();
        keys.sort_unstable_by_key(|key| (key.chain, key.request_id, key.answer));
        keys
    }

    /// The open request that differs from this name in nothing but the kind of its answer; the
    /// first of them in the order of the kinds.
    pub(super) fn of_any_kind(&self, key: &Key) -> Option<Key> {
        let alike = self.row(key).map(|(_, entry)| entry.open.key);
        alike.filter(|open| Key { answer: key.answer, ..*open } == *key).min()
    }

    /// Places and peers that there is room for.
    #[cfg(test)]
    pub(super) fn kept(&self) -> (usize, usize) {
        (self.places.len(), self.by_node.len())
    }

    #[cfg(test)]
    pub(super) fn deadlines(&self) -> usize {
        self.deadlines.len()
    }

    #[cfg(test)]
    pub(super) fn sum_by_node(&self) -> usize {
        self.by_node.values().sum()
    }
}
