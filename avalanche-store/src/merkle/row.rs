//! The hashes of one node while they are made.

use super::hash::{EMPTY, Hash};

/// The hashes of a node by position. The two halves of p lie side by side, as they are hashed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row([[u8; 64]; 16]);

impl Row {
    pub(super) const NEW: Self = Self([[0; 64]; 16]);

    pub(super) fn get(&self, position: usize) -> Hash {
        let halves = self.0.get(position / 2).map(|pair| pair.as_chunks::<32>().0);
        halves.and_then(|halves| halves.get(position % 2)).copied().unwrap_or(EMPTY)
    }

    pub(super) fn set(&mut self, position: usize, hash: &Hash) {
        if let Some(pair) = self.0.get_mut(position / 2)
            && let Some(half) = pair.as_chunks_mut::<32>().0.get_mut(position % 2)
        {
            *half = *hash;
        }
    }

    /// What the hash of a position below 16 is made of.
    pub(super) fn halves(&self, position: usize) -> &[u8; 64] {
        self.0.get(position).unwrap_or(&[0; 64])
    }
}
