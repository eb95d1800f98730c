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
//!
//! Patches (see [`Seen`]) name the node below them by its slot alone, and that node counts them: it
//! stays as long as there are any.

mod drops;

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Hash;
use super::cells::Cells;
use super::node::{NOT_LOADED, Node, Ref};
use super::path::Path;
use super::prefetch::prefetch;
use super::scratch::Scratch;
use super::seen::Seen;
use drops::Drops;

/// How many free slots, and spare cells of each length, a worker takes at a time.
const BLOCK: usize = 64;

/// Bytes of spare cells that are kept: as many as blocks of ten thousand changes drop.
const SPARE_BYTES_MAX: usize = 32 << 20;

/// How many threads' working memory is kept.
const SCRATCHES_MAX: usize = 8;

/// Bytes of one that is kept. A batch of a thousand changes of a million entries takes 0.7 MB.
const SCRATCH_BYTES_MAX: usize = 2 << 20;

/// Nodes that are gone through while another is fetched.
const AHEAD: usize = 8;

/// One node, or a place for one: a line of the processor's cache.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Entry {
    node: Node,
    born: u64,
    /// 0: free.
    serial: u32,
    /// If this is a patch: the slot of the node below.
    over: u32,
    /// How many patches there are over this. It stays as long as there are any, also if nobody can
    /// find it any more.
    above: u32,
    depth: u8,
    /// Whether the store has it, so that it may be dropped.
    settled: bool,
}

/// Where a node lies: the first `depth` nibbles of a key hash, of which the rest means nothing.
/// Paths are made of it when they are needed: most roots are never committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) key: Hash,
    pub(crate) depth: u8,
}

impl Place {
    pub(crate) fn new(key: &Hash, depth: usize) -> Self {
        Self { key: *key, depth: u8::try_from(depth).unwrap_or(u8::MAX) }
    }

    pub(crate) fn path(&self) -> Path {
        Path::of(&self.key, usize::from(self.depth))
    }
}

/// A node that was put into the pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Installed {
    pub(crate) slot: u32,
    pub(crate) place: Place,
    /// The node of the parent's version in its place.
    pub(crate) replaced: Option<Ref>,
}

/// A node that is about to be put into the pool.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) slot: u32,
    pub(crate) place: Place,
    pub(crate) node: Node,
    /// The node of the parent's version in its place.
    pub(crate) replaced: Option<Ref>,
    /// If it is a patch: the slot of the node below.
    pub(crate) over: u32,
}

/// Nodes of all versions of a tree.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Bytes that nodes and spare cells are to keep to, see [`Pool::evict`].
    budget: usize,
    entries: RwLock<Vec<Entry>>,
    free: Mutex<Free>,
    spare: Mutex<Cells>,
    scratches: Mutex<Vec<Scratch>>,
    serial: AtomicU32,
    /// Of the nodes in `entries`, see [`Pool::bytes`].
    bytes: AtomicUsize,
    /// What somebody else does just before nodes are put here, for the last of these: once.
    #[cfg(test)]
    pub(super) meanwhile: Mutex<Vec<fn(&Self)>>,
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

    /// The slot of the node below, if this is a patch.
    pub(crate) const fn over(&self) -> u32 {
        self.over
    }

    /// Whether the store has it, and no patch is over it.
    pub(super) const fn may_go(&self) -> bool {
        self.settled && self.above == 0
    }

    /// Whether it is the one that a reference means.
    pub(crate) const fn is(&self, at: Ref) -> bool {
        self.serial == at.serial && self.born == at.born
    }
}

/// Read access to the entries.
pub(crate) struct Reader<'a>(RwLockReadGuard<'a, Vec<Entry>>);

impl Reader<'_> {
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }
}

/// Asks for the nodes of a list of slots that come soon after the one at `at`: for the entry first,
/// then for what it names.
pub(crate) fn look_ahead(entries: &[Entry], slot: impl Fn(usize) -> Option<u32>, at: usize) {
    let entry = |ahead: usize| entries.get(slot(at + ahead)? as usize);
    let below = |entry: &Entry| entries.get(entry.over as usize);
    if let Some(entry) = entry(3 * AHEAD) {
        prefetch(entry);
    }
    if let Some(entry) = entry(2 * AHEAD).filter(|entry| entry.node.shape().is_patch()) {
        entry.node.prefetch_all();
        below(entry).into_iter().for_each(prefetch);
    }
    if let Some(entry) = entry(AHEAD) {
        let whole = below(entry).filter(|_| entry.node.shape().is_patch()).unwrap_or(entry);
        whole.node.prefetch_all();
    }
}

impl Pool {
    /// A number for a new version, never 0.
    pub(crate) fn next_serial(&self) -> u32 {
        self.serial.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Entry>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
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
            scratches: Mutex::default(),
            serial: AtomicU32::new(0),
            bytes: AtomicUsize::new(0),
            #[cfg(test)]
            meanwhile: Mutex::default(),
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

    /// The working memory of an earlier update, if there is any.
    pub(super) fn scratch(&self) -> Scratch {
        self.scratches().pop().unwrap_or_default()
    }

    /// Keeps what an update has left over.
    pub(super) fn keep(&self, cells: Cells, scratch: Option<Scratch>) {
        self.spare_cells().absorb(cells);
        let mut list = self.scratches();
        if list.len() < SCRATCHES_MAX {
            list.extend(scratch.filter(|scratch| scratch.bytes() <= SCRATCH_BYTES_MAX));
        }
    }

    fn scratches(&self) -> MutexGuard<'_, Vec<Scratch>> {
        self.scratches.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Puts nodes in their slots, and notes where they are. If a node that one is a patch over was
    /// dropped since it was found, gives `false`, and nothing happens.
    #[must_use]
    pub(crate) fn install(
        &self,
        nodes: &mut Vec<Made>,
        installed: &mut Vec<Installed>,
        born: u64,
        serial: u32,
    ) -> bool {
        if nodes.is_empty() {
            return true;
        }
        #[cfg(test)]
        {
            let next = self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner).pop();
            next.into_iter().for_each(|meanwhile| meanwhile(self));
        }
        let high = self.free_list().high as usize;
        let mut entries = self.write();
        let found = |made: &Made| {
            let below = entries.get(made.over as usize);
            !made.node.shape().is_patch()
                || below.is_some_and(|below| made.replaced.is_some_and(|at| below.is(at)))
        };
        if !nodes.iter().all(found) {
            return false;
        }
        if entries.len() < high {
            // Not twice as many, as a vector would: the table is a good part of what small nodes
            // take.
            if entries.capacity() < high {
                let more = (high - entries.len()).max(entries.len() / 16);
                entries.reserve_exact(more);
            }
            entries.resize_with(high, Entry::default);
        }
        let mut bytes = 0;
        for Made { slot, place, node, replaced, over } in nodes.drain(..) {
            if node.shape().is_patch()
                && let Some(below) = entries.get_mut(over as usize)
            {
                below.above += 1;
            }
            if let Some(entry) = entries.get_mut(slot as usize) {
                bytes += node.bytes() + size_of::<Entry>();
                let Place { depth, .. } = place;
                *entry = Entry { node, born, serial, over, above: 0, depth, settled: false };
                installed.push(Installed { slot, place, replaced });
            }
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        true
    }

    /// Makes the nodes in slots of a list whole: those that are patches get the cells of the nodes
    /// below, which become patches over them. Where that is one itself, or others are over it, the
    /// patch becomes a copy: so nobody ever reads through more than a few.
    pub(crate) fn make_whole(&self, range: Range<usize>, slot: impl Fn(usize) -> Option<u32>) {
        let mut more = 0;
        let mut entries = self.write();
        for at in range {
            look_ahead(&entries, &slot, at);
            let Some(slot) = slot(at) else { continue };
            more += make_whole(&mut entries, slot);
        }
        drop(entries);
        self.bytes.fetch_add(more, Ordering::Relaxed);
    }

    /// Says that a version was accepted that made the nodes in `slots`; the store has those of
    /// which `stored` says so.
    pub(crate) fn settle(
        &self,
        slots: impl Iterator<Item = u32>,
        serial: u32,
        stored: impl Fn(u32) -> bool,
    ) {
        let mut entries = self.write();
        for slot in slots {
            if let Some(entry) = entries.get_mut(slot as usize)
                && entry.serial == serial
            {
                entry.settled = stored(slot);
            }
        }
    }

    /// How many places for nodes were ever used.
    #[cfg(test)]
    pub(crate) fn places(&self) -> u32 {
        self.free_list().high
    }

    /// How many nodes nobody finds, though no patch is over them.
    #[cfg(test)]
    pub(crate) fn orphans(&self) -> usize {
        let orphan =
            |entry: &&Entry| entry.serial == 0 && entry.above == 0 && entry.node.bytes() > 0;
        self.read().entries().iter().filter(orphan).count()
    }

    /// How many nodes are patches.
    #[cfg(feature = "testing")]
    pub(crate) fn patches(&self) -> usize {
        self.read().entries().iter().filter(|entry| entry.node.shape().is_patch()).count()
    }

    /// Drops nodes, those of them that are there.
    pub(crate) fn free(&self, nodes: impl Iterator<Item = (u32, u32)>) {
        let room = self.budget.saturating_sub(self.bytes());
        self.free_keeping(nodes, room.min(SPARE_BYTES_MAX), |_| true);
    }

    /// Drops nodes, those of which `still` says so now that nobody else has the pool, and keeps
    /// their cells as long as there are fewer than `keep` bytes of such.
    pub(super) fn free_keeping(
        &self,
        nodes: impl Iterator<Item = (u32, u32)>,
        keep: usize,
        still: impl Fn(&Entry) -> bool,
    ) {
        let mut entries = self.write();
        let mut drops = self.drops(keep);
        for (slot, serial) in nodes {
            if let Some(entry) = entries.get_mut(slot as usize)
                && entry.serial == serial
                && serial != 0
                && still(entry)
            {
                entry.serial = 0;
                drops.unless_used(&mut entries, slot);
            }
        }
        drop(entries);
        self.dropped(drops);
    }

    /// Begins to drop nodes; who calls this has the lock of the entries, which comes before that of
    /// the spare cells.
    fn drops(&self, keep: usize) -> Drops<'_> {
        let over_budget = self.bytes().saturating_sub(self.budget);
        let spare = self.spare_cells();
        Drops { spare, keep, over_budget, slots: Vec::new(), bytes: 0 }
    }

    fn dropped(&self, drops: Drops<'_>) {
        let Drops { spare, slots, bytes, .. } = drops;
        drop(spare);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.give_back(&slots);
    }

    /// If there are more bytes than the budget has, drops spare cells and working memory, and then
    /// nodes that the store has, deepest and oldest first, until a quarter of the budget is free.
    pub(crate) fn evict(&self) {
        let (budget, all) = (self.budget, self.bytes());
        if all.saturating_add(self.spare_bytes()) <= budget {
            return;
        }
        *self.spare_cells() = Cells::default();
        self.scratches().clear();
        if all <= budget {
            return;
        }
        let mut candidates = Vec::new();
        {
            let reader = self.read();
            for (slot, entry) in (0_u32..).zip(reader.entries()) {
                if entry.serial != 0 && entry.may_go() {
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
        // Somebody may have put a patch over one since: then it stays.
        let nodes = candidates.iter().map(|(_, _, slot, serial, _)| (*slot, *serial));
        self.free_keeping(nodes, 0, Entry::may_go);
    }
}

/// Makes the node in a slot whole, see [`Pool::make_whole`]. Gives the bytes that it took.
fn make_whole(entries: &mut [Entry], slot: u32) -> usize {
    let Some(entry) = entries.get(slot as usize).filter(|entry| entry.node.shape().is_patch())
    else {
        return 0;
    };
    let over = entry.over;
    if let Ok([patch, below]) = entries.get_disjoint_mut([slot as usize, over as usize])
        && !below.node.shape().is_patch()
        && below.above == 1
    {
        patch.node.exchange(&mut below.node);
        std::mem::swap(&mut patch.node, &mut below.node);
        (patch.over, below.over) = (NOT_LOADED, slot);
        (patch.above, below.above) = (patch.above + 1, 0);
        return 0;
    }
    let Some(entry) = entries.get(slot as usize) else { return 0 };
    let whole = Seen::new(entries, &entry.node, over).copy(super::cells::NodeCells::new);
    let more = whole.bytes() - entry.node.bytes();
    if let Some(below) = entries.get_mut(over as usize) {
        below.above = below.above.saturating_sub(1);
    }
    if let Some(entry) = entries.get_mut(slot as usize) {
        (entry.node, entry.over) = (whole, NOT_LOADED);
    }
    more
}
