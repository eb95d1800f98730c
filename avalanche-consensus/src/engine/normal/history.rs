//! How the last polls went.

use std::collections::VecDeque;

use crate::{Bag, Id, Timestamp};

/// How a poll went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PollRecord {
    /// The number of its query.
    pub request_id: u32,
    /// The block that the query named.
    pub about: Id,
    /// When it was opened.
    pub opened: Timestamp,
    /// Peers that did not answer in time, so far.
    pub failed: u32,
    /// When it left, with the votes that it had then; `None` while it is open.
    pub finished: Option<Timestamp>,
    /// The blocks that the votes counted for.
    pub votes: Bag,
}

/// The polls that are open and the last that finished, both oldest first.
#[derive(Debug, Default)]
pub(super) struct PollHistory {
    open: VecDeque<PollRecord>,
    finished: VecDeque<PollRecord>,
    finished_max: usize,
}

impl PollHistory {
    pub(super) const fn new(finished_max: usize) -> Self {
        Self { open: VecDeque::new(), finished: VecDeque::new(), finished_max }
    }

    /// Notes that a poll was opened. Memory of an old record is used again.
    pub(super) fn open(&mut self, request_id: u32, about: Id, now: Timestamp) {
        let full = self.finished.len() + self.open.len() >= self.finished_max;
        let spare = if full { self.finished.pop_front() } else { None };
        let mut record = spare.unwrap_or_default();
        record.votes.clear();
        let PollRecord { votes, .. } = record;
        let (opened, failed, finished) = (now, 0, None);
        self.open.push_back(PollRecord { request_id, about, opened, failed, finished, votes });
    }

    /// Notes that a peer did not answer.
    pub(super) fn failed(&mut self, request_id: u32) {
        let mut records = self.open.iter_mut().chain(&mut self.finished);
        if let Some(record) = records.find(|record| record.request_id == request_id) {
            record.failed = record.failed.saturating_add(1);
        }
    }

    /// Notes that the oldest poll left.
    pub(super) fn finish(&mut self, votes: &Bag, now: Timestamp) {
        let Some(mut record) = self.open.pop_front() else { return };
        record.finished = Some(now);
        for (id, count) in votes.iter() {
            record.votes.add_count(*id, count);
        }
        if self.finished.len() >= self.finished_max {
            self.finished.pop_front();
        }
        self.finished.push_back(record);
    }

    /// Finished polls, then open ones, each oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &PollRecord> {
        self.finished.iter().chain(&self.open)
    }
}
