//! Why transfers are no longer waiting, for a bounded number of them.

use std::collections::{HashMap, VecDeque};

use avalanche_consensus::{HashKey, Id};

use crate::payments::Refusal;

/// The last drops, the oldest first.
#[derive(Debug)]
pub(super) struct Drops {
    max: usize,
    count: u64,
    order: VecDeque<(u64, Id)>,
    reasons: HashMap<Id, (u64, Refusal), HashKey>,
}

impl Drops {
    pub(super) fn new(key: HashKey, max: usize) -> Self {
        let reasons = HashMap::with_hasher(key);
        Self { max, count: 0, order: VecDeque::new(), reasons }
    }

    pub(super) fn add(&mut self, id: Id, reason: Refusal) {
        self.count += 1;
        self.order.push_back((self.count, id));
        self.reasons.insert(id, (self.count, reason));
        while self.order.len() > self.max {
            let Some((number, oldest)) = self.order.pop_front() else { break };
            if self.reasons.get(&oldest).is_some_and(|(newest, _)| *newest == number) {
                self.reasons.remove(&oldest);
            }
        }
    }

    pub(super) fn forget(&mut self, id: &Id) {
        self.reasons.remove(id);
    }

    pub(super) fn get(&self, id: &Id) -> Option<&Refusal> {
        self.reasons.get(id).map(|(_, reason)| reason)
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }
}
