//! Who has to make room for whom.

use std::collections::BTreeMap;

use super::queue::TailKey;
use super::slots::{Slot, Slots};

/// The last transfers of all senders, what is evicted first in front. They are put in order when
/// the mempool is full for the first time, and no longer once it is half empty: until then nobody
/// asks, and keeping the order costs as much as all else that a transfer needs.
#[derive(Debug, Default)]
pub(super) struct Tails(Option<BTreeMap<TailKey, Slot>>);

impl Tails {
    /// What is evicted first, and whose it is.
    pub(super) fn first(&mut self, queues: &Slots) -> Option<(TailKey, Slot)> {
        let order = self.0.get_or_insert_with(|| {
            let tails = queues.iter().filter_map(|(slot, queue)| Some((queue.tail_key()?, slot)));
            tails.collect()
        });
        order.first_key_value().map(|(key, slot)| (*key, *slot))
    }

    /// Whether changes have to be told.
    pub(super) const fn are_kept(&self) -> bool {
        self.0.is_some()
    }

    /// The last transfer of a sender is another one.
    pub(super) fn change(&mut self, slot: Slot, old: Option<TailKey>, new: Option<TailKey>) {
        let Some(order) = &mut self.0 else { return };
        if old != new {
            old.map(|key| order.remove(&key));
            new.map(|key| order.insert(key, slot));
        }
    }

    /// So many wait, where there is room for so many.
    pub(super) fn forget_below_half(&mut self, count: usize, room: usize) {
        if self.are_kept() && count < room / 2 {
            self.0 = None;
        }
    }
}
