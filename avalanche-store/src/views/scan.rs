//! A scan of the keys of a versioned store as they were at a height.

use std::ops::Bound;

use super::layout::unseal;
use super::versioned::Versioned;
use crate::{Error, KeyRange, KeyValue, Order, Pair, Pairs};

/// After so many rows of one key that do not count, the scan jumps to where it wants to be.
const STEPS_MAX: u32 = 8;

/// Ends with its first error.
pub(super) struct Scan<'a, K> {
    of: &'a Versioned<K>,
    height: u64,
    order: Order,
    /// `None` at the end.
    rows: Option<Pairs<'a>>,
    /// Rows that were not looked at.
    rest: KeyRange,
    /// The key of the last row that was looked at.
    key: Option<Vec<u8>>,
    /// Whether that key is settled.
    settled: bool,
    /// Descending: the newest value of the key that counts so far.
    candidate: Option<Vec<u8>>,
    steps: u32,
}

impl<'a, K: KeyValue> Scan<'a, K> {
    pub(super) fn new(of: &'a Versioned<K>, range: &KeyRange, order: Order, height: u64) -> Self {
        let rest = of.layout().range(range);
        Self {
            of,
            height,
            order,
            rows: Some(of.store().range(rest.clone(), order)),
            rest,
            key: None,
            settled: false,
            candidate: None,
            steps: 0,
        }
    }

    /// The next pair; `None` at the end.
    fn step(&mut self) -> Result<Option<Pair>, Error> {
        loop {
            let Some(rows) = &mut self.rows else { return Ok(None) };
            let Some((row, value)) = rows.next().transpose()? else {
                self.rows = None;
                return Ok(self.leave());
            };
            let (key, height) = self.of.layout().parse(&row)?;
            let mut left = None;
            if self.key.as_ref() == Some(&key) {
                self.steps += 1;
            } else {
                left = self.leave();
                self.key = Some(key);
                self.settled = false;
                self.steps = 0;
            }
            let found = self.look(height, value)?;
            if self.steps == STEPS_MAX {
                self.jump()?;
            }
            // At most one of them: descending pairs are found when their key is left.
            if let Some(pair) = left.or(found) {
                return Ok(Some(pair));
            }
        }
    }

    /// Takes in a row of the current key.
    fn look(&mut self, height: u64, value: Vec<u8>) -> Result<Option<Pair>, Error> {
        if self.settled || height > self.height {
            // Descending, all further rows of this key are newer still.
            self.settled |= self.order == Order::Descending;
            return Ok(None);
        }
        let value = unseal(value)?;
        match self.order {
            Order::Ascending => {
                self.settled = true;
                Ok(self.key.clone().zip(value))
            }
            Order::Descending => {
                self.candidate = value;
                Ok(None)
            }
        }
    }

    /// Settles the current key from outside the scan, and goes on behind what does not count.
    fn jump(&mut self) -> Result<(), Error> {
        let Some(key) = &self.key else { return Ok(()) };
        let layout = self.of.layout();
        match self.order {
            Order::Ascending if self.settled => {
                self.rest.start = Bound::Included(layout.behind(key));
            }
            Order::Ascending => {
                self.rest.start = Bound::Included(layout.row(key, self.height));
                self.steps = 0;
            }
            Order::Descending => {
                if !self.settled {
                    self.candidate = self.of.read(key, self.height)?;
                    self.settled = true;
                }
                self.rest.end = Bound::Excluded(layout.before(key));
            }
        }
        self.rows = Some(self.of.store().range(self.rest.clone(), self.order));
        Ok(())
    }

    /// What the key that the scan leaves comes to.
    fn leave(&mut self) -> Option<Pair> {
        let value = self.candidate.take();
        self.key.take().zip(value)
    }
}

impl<K: KeyValue> Iterator for Scan<'_, K> {
    type Item = Result<Pair, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        // Rows may be pruned meanwhile: a pair counts only if its height can still be read.
        let step = self.step().and_then(|pair| match pair {
            Some(pair) => self.of.readable(self.height).map(|()| Some(pair)),
            None => self.of.readable(self.height).map(|()| None),
        });
        if step.is_err() {
            self.rows = None;
            self.candidate = None;
        }
        step.transpose()
    }
}
