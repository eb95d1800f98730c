//! The queues of all senders, each in a slot with a number.

use std::collections::HashMap;

use avalanche_consensus::HashKey;

use super::queue::Queue;
use crate::payments::Address;

/// Number of a slot. It is given to another sender when its own has nothing left.
pub(super) type Slot = u32;

/// The queues of senders. Everything else knows a sender by its slot, four bytes that lead to the
/// queue without a search.
#[derive(Debug)]
pub(super) struct Slots {
    by_sender: HashMap<Address, Slot, HashKey>,
    queues: Vec<Queue>,
    free: Vec<Slot>,
}

impl Slots {
    pub(super) fn new(key: HashKey) -> Self {
        let by_sender = HashMap::with_hasher(key);
        Self { by_sender, queues: Vec::new(), free: Vec::new() }
    }

    pub(super) fn of(&self, sender: &Address) -> Option<Slot> {
        self.by_sender.get(sender).copied()
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Queue> {
        self.queues.get(as_index(slot))
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Queue> {
        self.queues.get_mut(as_index(slot))
    }

    /// The slot of a sender, a new one with an empty queue if it has none.
    pub(super) fn of_or_new(&mut self, sender: Address) -> Slot {
        if let Some(slot) = self.of(&sender) {
            return slot;
        }
        let fresh = Slot::try_from(self.queues.len()).unwrap_or(Slot::MAX);
        let slot = self.free.pop().unwrap_or(fresh);
        match self.queues.get_mut(as_index(slot)) {
            Some(queue) => queue.begin(sender),
            None => self.queues.push(Queue::of(sender)),
        }
        self.by_sender.insert(sender, slot);
        slot
    }

    /// Takes the slot of a queue that is empty away from its sender.
    pub(super) fn release(&mut self, slot: Slot) {
        let Some(queue) = self.queues.get_mut(as_index(slot)) else { return };
        self.by_sender.remove(&queue.sender());
        queue.end();
        self.free.push(slot);
        // What a wave of senders took is given back when it is over.
        if self.by_sender.is_empty() {
            self.queues = Vec::new();
            self.free = Vec::new();
        }
    }

    /// All that have something, in no order that means anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Queue)> {
        (0..).zip(&self.queues).filter(|(_, queue)| !queue.is_empty())
    }
}

fn as_index(slot: Slot) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}
