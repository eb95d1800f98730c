//! What will happen, in the order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::block::BlockRef;
use crate::Timestamp;
use crate::engine::{Call, CallId, Message};

/// Something that will happen. `life` is how often the node had crashed when it was scheduled: what
/// was meant for a node that has crashed since does not reach it.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A message arrives.
    Deliver { from: u32, to: u32, life: u32, message: Message<BlockRef> },
    /// The time that an engine named has come.
    Tick { node: u32, life: u32 },
    /// A slow VM answers.
    Answer { node: u32, life: u32, id: CallId, call: Box<Call<BlockRef>> },
    /// A new slot: somebody wants to build.
    Slot,
    /// A node wants to build: on its preference, or beside it.
    Build { node: u32, beside: bool },
    /// An adversary does something by itself.
    Wake { node: u32 },
    /// A node notices who is connected.
    Links { node: u32 },
    /// A planned fault begins.
    Begin { entry: u32 },
    /// A planned fault ends.
    End { entry: u32 },
}

/// Events by time. Of equal times, the one that was scheduled first comes first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Small entries, so that moving them is cheap; events stay where they are.
    heap: BinaryHeap<Reverse<(Timestamp, u64, u32)>>,
    events: Vec<Option<Event>>,
    free: Vec<u32>,
    sequence: u64,
    now: Timestamp,
}

impl Queue {
    /// The time of the latest event.
    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    /// Schedules an event after the present time.
    pub(super) fn after(&mut self, delay: Duration, event: Event) {
        self.at(self.now.after(delay), event);
    }

    /// Schedules an event; one for the past happens now.
    pub(super) fn at(&mut self, at: Timestamp, event: Event) {
        let slot = if let Some(slot) = self.free.pop() {
            slot
        } else {
            self.events.push(None);
            u32::try_from(self.events.len() - 1).unwrap_or(u32::MAX)
        };
        if let Some(free) = self.events.get_mut(slot as usize) {
            *free = Some(event);
        }
        self.heap.push(Reverse((at.max(self.now), self.sequence, slot)));
        self.sequence += 1;
    }

    /// Takes out the next event if it is not after `until`, and moves the time there.
    pub(super) fn pop(&mut self, until: Timestamp) -> Option<Event> {
        let Reverse((at, _, slot)) = *self.heap.peek()?;
        if at > until {
            return None;
        }
        self.heap.pop();
        self.now = at;
        self.free.push(slot);
        self.events.get_mut(slot as usize).and_then(Option::take)
    }

    /// Moves the time, if nothing is scheduled before.
    pub(super) fn rest(&mut self, until: Timestamp) {
        self.now = self.now.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(event: Option<Event>) -> Option<u32> {
        match event? {
            Event::Begin { entry } => Some(entry),
            _ => None,
        }
    }

    #[test]
    fn events_come_by_time_and_then_by_order_of_scheduling() {
        let mut queue = Queue::default();
        for (millis, entry) in [(3, 0), (1, 1), (2, 2), (1, 3)] {
            queue.at(Timestamp::from_millis(millis), Event::Begin { entry });
        }
        let end = Timestamp::from_millis(2);
        assert_eq!(entry(queue.pop(end)), Some(1));
        queue.after(Duration::ZERO, Event::Begin { entry: 4 });
        queue.at(Timestamp::ZERO, Event::Begin { entry: 5 });
        let order: Vec<_> = std::iter::from_fn(|| entry(queue.pop(end))).collect();
        assert_eq!(order, [3, 4, 5, 2]);
        assert_eq!((queue.now(), queue.heap.len()), (end, 1));
        queue.rest(Timestamp::from_millis(9));
        assert_eq!(entry(queue.pop(Timestamp::from_millis(9))), Some(0));
        // Places are used again.
        assert!(queue.events.len() <= 5);
    }
}
