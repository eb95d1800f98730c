//! The nodes in memory, of all versions of one tree.
//!
//! ```text
//!   entries   [ node | node | free | node | ... ]      a reference is (slot, serial, height):
//!                 ^             ^                       another serial there means that the node
//!   version 7 ----+-------------+                       was dropped; the store has it
//!   version 8 ----+
//! ```
//!
//! Nodes are never counted one by one: a version knows what it made and what it replaced, and
//! frees by those lists (see [`Tree`](super::Tree)). So sharing a node costs a copy of 16 bytes.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use super::cells::Cells;
use super::node::{Node, Ref};
use super::path::Path;

/// How many free slots, and spare cells of each length, a worker takes at a time.
const BLOCK: usize = 64;

/// Bytes of spare cells that are kept: as many as blocks of ten thousand changes drop.
const SPARE_BYTES_MAX: usize = 32 << 20;

/// One node, or a place for one.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    node: Node,
    born: u64,
    /// 0: free.
    serial: u32,
    depth: u8,
    /// Whether the store has it, so that it may be dropped.
    settled: bool,
}

/// A node that is about to be put into the pool.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) slot: u32,
    pub(crate) path: Path,
    pub(crate) node: Node,
    /// Positions of it that wait for their hashes, as bits.
    pub(crate) waiting: u32,
    /// Which of the nodes made beside it waits for its hash, and in which slot.
    pub(crate) above: Option<(u32, u8)>,
}

/// Nodes of all versions of a tree.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Bytes that nodes and spare cells are to keep to, see [`Pool::evict`].
    budget: usize,
    entries: RwLock<Vec<Entry>>,
    free: Mutex<Free>,
    spare: Mutex<Cells>,
    serial: AtomicU32,
    /// Of the nodes in `entries`, see [`Pool::bytes`].
    bytes: AtomicUsize,
}

#[derive(Debug, Default)]
struct Free {
    slots: Vec<u32>,
    /// Slots from here on were never used.
    high: u32,
}

impl Entry {
    pub(crate) const fn node(&self) -> &Node {
        &self.node
    }

    /// Touches the entry.
    pub(crate) const fn serial(&self) -> u32 {
        self.serial
    }
}

/// Read access to the entries.
pub(crate) struct Reader<'a>(RwLockReadGuard<'a, Vec<Entry>>);

impl Reader<'_> {
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }
}

/// The node that a reference means, if it is in memory.
pub(crate) fn find(entries: &[Entry], at: Ref) -> Option<&Node> {
    let entry = entries.get(at.slot as usize)?;
    (entry.serial == at.serial && entry.born == at.born).then_some(&entry.node)
}

/// Reads nodes ahead. None waits for another, so the processor fetches many at once.
pub(crate) fn touch<'a>(entries: impl Iterator<Item = &'a Entry> + Clone) {
    std::hint::black_box(entries.clone().fold(0, |sum, entry| sum ^ entry.serial));
    // Two cells are a line.
    let lines = entries.flat_map(|entry| entry.node.cells().iter().step_by(2));
    std::hint::black_box(lines.fold(0, |sum, cell| sum ^ cell[0]));
}

impl Pool {
    /// A number for a new version, never 0.
    pub(crate) fn next_serial(&self) -> u32 {
        self.serial.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1)
    }

    pub(crate) fn read(&self) -> Reader<'_> {
        Reader(self.entries.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A pool without nodes.
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            budget,
            entries: RwLock::default(),
            free: Mutex::default(),
            spare: Mutex::default(),
            serial: AtomicU32::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    /// Bytes of all nodes in memory, without what the allocator adds.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes of cells that no node uses.
    pub(crate) fn spare_bytes(&self) -> usize {
        self.spare_cells().bytes()
    }

    fn spare_cells(&self) -> MutexGuard<'_, Cells> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lend(&self, to: &mut Cells) {
        self.spare_cells().lend(to, BLOCK);
    }

    pub(crate) fn take_back(&self, cells: Cells) {
        self.spare_cells().absorb(cells);
    }

    fn free_list(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes some free slots.
    pub(crate) fn reserve(&self, to: &mut Vec<u32>) {
        let mut free = self.free_list();
        let keep = free.slots.len().saturating_sub(BLOCK);
        to.extend(free.slots.drain(keep..));
        while to.len() < BLOCK {
            to.push(free.high);
            free.high += 1;
        }
    }

    /// Gives back slots that were not used.
    pub(crate) fn give_back(&self, slots: &[u32]) {
        self.free_list().slots.extend(slots);
    }

    /// Puts nodes in their slots. Gives where they are.
    pub(crate) fn install(&self, made: Vec<Made>, born: u64, serial: u32) -> Vec<(u32, Path)> {
        let mut places = Vec::with_capacity(made.len());
        let mut bytes = 0;
        let high = self.free_list().high as usize;
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() < high {
            // Not twice as many, as a vector would: the table is a good part of what small nodes
            // take.
            let more = (high - entries.len()).max(entries.len() / 16);
            entries.reserve_exact(more);
            entries.resize_with(high, Entry::default);
        }
        for Made { slot, path, node, .. } in made {
            if let Some(entry) = entries.get_mut(slot as usize) {
                bytes += node.bytes() + size_of::<Entry>();
                let depth = u8::try_from(path.depth()).unwrap_or(u8::MAX);
                *entry = Entry { node, born, serial, depth, settled: false };
                places.push((slot, path));
            }
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        places
    }

    /// Says that the store has these nodes.
    pub(crate) fn settle(&self, slots: impl Iterator<Item = u32>, serial: u32) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        for slot in slots {
            if let Some(entry) = entries.get_mut(slot as usize)
                && entry.serial == serial
            {
                entry.settled = true;
            }
        }
    }

    /// Drops nodes, those of them that are there.
    pub(crate) fn free(&self, nodes: impl Iterator<Item = (u32, u32)>) {
        let room = self.budget.saturating_sub(self.bytes());
        self.free_keeping(nodes, room.min(SPARE_BYTES_MAX));
    }

    /// Drops nodes, and keeps their cells as long as there are fewer than `keep` bytes of such.
    fn free_keeping(&self, nodes: impl Iterator<Item = (u32, u32)>, keep: usize) {
        let mut bytes = 0;
        let mut freed = Vec::new();
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let mut spare = self.spare_cells();
        for (slot, serial) in nodes {
            if let Some(entry) = entries.get_mut(slot as usize)
                && entry.serial == serial
                && serial != 0
            {
                bytes += entry.node.bytes() + size_of::<Entry>();
                let node = std::mem::take(entry).node;
                if spare.bytes() < keep {
                    spare.keep(node.into_cells());
                }
                freed.push(slot);
            }
        }
        drop(spare);
        drop(entries);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.give_back(&freed);
    }

    /// If there are more bytes than the budget has, drops spare cells and then nodes that the store
    /// has, deepest and oldest first, until a quarter of the budget is free.
    pub(crate) fn evict(&self) {
        let (budget, all) = (self.budget, self.bytes());
        if all.saturating_add(self.spare_bytes()) <= budget {
            return;
        }
        *self.spare_cells() = Cells::default();
        if all <= budget {
            return;
        }
        let mut candidates = Vec::new();
        {
            let reader = self.read();
            for (slot, entry) in (0_u32..).zip(reader.entries()) {
                if entry.settled && entry.serial != 0 {
                    let bytes = entry.node.bytes() + size_of::<Entry>();
                    candidates.push((u8::MAX - entry.depth, entry.born, slot, entry.serial, bytes));
                }
            }
        }
        candidates.sort_unstable();
        let mut left = all;
        let target = budget - budget / 4;
        let enough = candidates.iter().position(|(.., bytes)| {
            let stop = left <= target;
            left = left.saturating_sub(*bytes);
            stop
        });
        candidates.truncate(enough.unwrap_or(candidates.len()));
        self.free_keeping(candidates.iter().map(|(_, _, slot, serial, _)| (*slot, *serial)), 0);
    }
}
