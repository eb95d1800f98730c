//! Making one run of several, a piece at a time.

use std::sync::Arc;

use avalanche_store::{Batch, KeyValue};

use super::entry::{ENTRY_BYTES, Entry};
use super::run::{Run, RunCursor, put_chunk};
use crate::Error;

/// A merge that is under way. What it has written counts when it is done.
#[derive(Debug)]
pub(super) struct Merge {
    pub(super) from: Vec<Arc<Run>>,
    pub(super) into: Run,
    inputs: Vec<RunCursor>,
    chunk: Vec<Entry>,
}

impl Merge {
    /// Begins to merge runs into a new one of that number.
    pub(super) fn new(
        store: &dyn KeyValue,
        from: Vec<Arc<Run>>,
        number: u64,
    ) -> Result<Self, Error> {
        let level = from.iter().map(|run| run.level).max().unwrap_or(0).saturating_add(1);
        let start = [0; ENTRY_BYTES];
        let inputs = from.iter().map(|run| RunCursor::seek(store, run.number, &start));
        let inputs = inputs.collect::<Result<_, _>>()?;
        Ok(Self { from, into: Run { number, level }, inputs, chunk: Vec::new() })
    }

    /// Merges so many entries, and puts full chunks into the batch. Whether it is done.
    pub(super) fn step(
        &mut self,
        store: &dyn KeyValue,
        batch: &mut Batch,
        entries: usize,
        chunk_entries: usize,
    ) -> Result<bool, Error> {
        for _ in 0..entries {
            let heads = self.inputs.iter_mut().filter(|input| input.head().is_some());
            let Some(least) = heads.min_by(|one, other| one.head().cmp(&other.head())) else {
                put_chunk(batch, self.into.number, &self.chunk);
                self.chunk.clear();
                return Ok(true);
            };
            self.chunk.extend(least.head());
            least.advance(store)?;
            if self.chunk.len() >= chunk_entries {
                put_chunk(batch, self.into.number, &self.chunk);
                self.chunk.clear();
            }
        }
        Ok(false)
    }
}
