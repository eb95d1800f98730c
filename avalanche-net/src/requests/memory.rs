//! Requests that ended lately.

use std::collections::VecDeque;

use super::Key;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remembered {
    Failed,
    Answered,
}

/// The latest requests that ended, oldest forgotten first.
///
/// They lie one behind the other as they ended, and those whose numbers come to the same
/// [row](Key::row) are linked, newest first. A link to one that is not there any more is the end of
/// its row.
#[derive(Debug)]
pub(super) struct Memory {
    /// Every insertion of late, oldest first.
    entries: VecDeque<Entry>,
    /// Insertions that are not among the entries any more.
    gone: u64,
    /// The newest insertion of each row, counted from one; a power of two of them.
    rows: Vec<u64>,
    max: usize,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    /// None if it was forgotten.
    outcome: Option<Remembered>,
    /// The insertion before it in its row, counted from one; zero if it was the first.
    older: u64,
}

/// Rows at the start.
const ROWS_MIN: usize = 16;

impl Memory {
    pub(super) const fn new(max: usize) -> Self {
        Self { entries: VecDeque::new(), gone: 0, rows: Vec::new(), max }
    }

    pub(super) fn insert(&mut self, key: Key, outcome: Remembered) {
        if self.entries.len() >= self.rows.len() && self.rows.len() < self.max {
            self.lengthen();
        }
        self.entries.push_back(Entry { key, outcome: Some(outcome), older: 0 });
        let last = self.entries.len() - 1;
        self.link(last);
        while self.entries.len() > self.max {
            self.entries.pop_front();
            self.gone += 1;
        }
    }

    /// Makes twice as many rows.
    fn lengthen(&mut self) {
        self.rows = vec![0; (2 * self.rows.len()).max(ROWS_MIN)];
        (0..self.entries.len()).for_each(|at| self.link(at));
    }

    /// Makes an entry the newest one of its row.
    fn link(&mut self, at: usize) {
        let insertion = self.gone + at as u64 + 1;
        let Some(entry) = self.entries.get_mut(at) else { return };
        let row = entry.key.row(self.rows.len());
        if let Some(newest) = self.rows.get_mut(row) {
            entry.older = std::mem::replace(newest, insertion);
        }
    }

    pub(super) fn forget(&mut self, key: &Key) {
        while let Some(at) = self.find(key) {
            if let Some(entry) = self.entries.get_mut(at) {
                entry.outcome = None;
            }
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Remembered> {
        self.find(key).and_then(|at| self.entries.get(at)).and_then(|entry| entry.outcome)
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.find(key).is_some()
    }

    /// Where the latest insertion of a key is that was not forgotten.
    fn find(&self, key: &Key) -> Option<usize> {
        let mut insertion = *self.rows.get(key.row(self.rows.len()))?;
        loop {
            // Counted from one, and gone is how many are not there: the first that is, is one more.
            let at = usize::try_from(insertion.checked_sub(self.gone + 1)?).ok()?;
            let entry = self.entries.get(at)?;
            if entry.outcome.is_some() && entry.key == *key {
                return Some(at);
            }
            insertion = entry.older;
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Op;
    use avalanche_consensus::{Id, NodeId};
    use proptest::prelude::*;
    use std::cell::Cell;

    /// Against a list of all insertions, of which the latest count.
    #[test]
    fn the_latest_are_remembered_whatever_was_forgotten() {
        let step = (0_u8..4, 0_u32..40, 0_u8..3);
        let steps = (0_usize..70, prop::collection::vec(step, 1..400));
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let (known, unknown, passed) = (Cell::new(0), Cell::new(0), Cell::new(0));
        runner
            .run(&steps, |(max, steps)| {
                let mut memory = Memory::new(max);
                let mut all: Vec<(Key, Option<Remembered>)> = Vec::new();
                for (kind, request_id, peer) in steps {
                    let (node, chain) = (NodeId::new([peer; 20]), Id::EMPTY);
                    let key = Key { request_id, node, chain, answer: Op::Chits };
                    let outcome = [Remembered::Failed, Remembered::Answered][usize::from(kind) % 2];
                    if kind == 3 {
                        memory.forget(&key);
                        all.iter_mut().filter(|(of, _)| *of == key).for_each(|each| each.1 = None);
                    } else {
                        memory.insert(key, outcome);
                        all.push((key, Some(outcome)));
                    }
                    let latest = &all[all.len().saturating_sub(max)..];
                    prop_assert_eq!(memory.len(), latest.len());
                    passed.set(passed.get() + u32::from(latest.len() < all.len()));
                    for (key, _) in &all {
                        let found =
                            latest.iter().rev().find(|(of, out)| of == key && out.is_some());
                        let found = found.and_then(|(_, outcome)| *outcome);
                        let count = if found.is_some() { &known } else { &unknown };
                        count.set(count.get() + 1);
                        prop_assert_eq!(memory.get(key), found);
                        prop_assert_eq!(memory.contains(key), found.is_some());
                    }
                }
                Ok(())
            })
            .expect("as the list has it");
        let counts = [known.get(), unknown.get(), passed.get()];
        assert!(counts.iter().all(|count| *count > 1_000), "{counts:?}");
    }
}
