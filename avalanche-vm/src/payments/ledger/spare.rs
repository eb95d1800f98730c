//! Arrays of blocks that are decided, for those that come: fresh memory costs more than executing.

use std::sync::Arc;

use super::execute::Move;
use super::layer::{Layer, Touched};

/// Layers that wait until nobody holds them. More are dropped.
const RETIRED_MAX: usize = 2;

/// What executing one block leaves to the next.
#[derive(Debug, Default)]
pub(super) struct Spare {
    retired: Vec<Arc<Layer>>,
    touched: Vec<Touched>,
    moves: Vec<Move>,
}

impl Spare {
    /// A layer that the ledger no longer needs; others may.
    pub(super) fn retire(&mut self, layer: Arc<Layer>) {
        if self.retired.len() >= RETIRED_MAX {
            self.retired.remove(0);
        }
        self.retired.push(layer);
    }

    /// Arrays for a block that touches up to `count` addresses.
    pub(super) fn take(&mut self, count: usize) -> (Touched, Vec<Move>) {
        let mut touched = self.touched.pop().or_else(|| self.reclaim()).unwrap_or_default();
        touched.clear(count);
        (touched, std::mem::take(&mut self.moves))
    }

    /// Takes back what [`take`](Self::take) gave, as far as no layer holds it.
    pub(super) fn give_back(&mut self, touched: Option<Touched>, moves: Vec<Move>) {
        if self.touched.is_empty() {
            self.touched.extend(touched);
        }
        self.moves = moves;
    }

    /// Bytes that it holds; of retired layers too, which others may hold as well.
    pub(super) fn memory_bytes(&self) -> usize {
        self.moves.capacity() * size_of::<Move>()
            + self.touched.iter().map(Touched::memory_bytes).sum::<usize>()
            + self.retired.iter().map(|layer| layer.memory_bytes()).sum::<usize>()
    }

    /// The arrays of a retired layer that nobody else holds.
    fn reclaim(&mut self) -> Option<Touched> {
        let free = self.retired.iter().position(|layer| Arc::strong_count(layer) == 1)?;
        Arc::into_inner(self.retired.swap_remove(free)).map(|layer| layer.touched)
    }
}
