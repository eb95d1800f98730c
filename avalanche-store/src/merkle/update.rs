//! Changes of many keys at once: every dirty node is copied once, and every dirty hash made once.

use super::Hash;
use super::cells::Cells;
use super::change::{Change, pair};
use super::hash::inner_hashes;
use super::node::{Item, Kind, Leaf, Node, Packed, Ref};
use super::path::{Path, nibble};
use super::pool::{Entry, Made, Pool, find};
use super::tree::Load;

/// Fewer changes than this are made by one thread.
const PARALLEL_MIN: usize = 256;

/// Below a node with so many changes, everything is read ahead: enough that reads overlap, and few
/// enough that what was read stays in the processor's cache.
const WARM_MIN: usize = 4;
const WARM_MAX: usize = 96;

/// A node that a version no longer has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replaced {
    pub(crate) at: Ref,
    pub(crate) path: Path,
}

/// What updating made.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) made: Vec<Made>,
    pub(crate) replaced: Vec<Replaced>,
    /// Hashes that it took.
    pub(crate) hashes: u64,
    spare: Vec<u32>,
    cells: Cells,
    /// Whether this is below a node where everything was read ahead, and hashes wait.
    batch: bool,
    /// Slots and numbers of nodes that wait, and that no node was put above yet.
    below: Vec<(u8, u32)>,
    pairs: Vec<[u8; 64]>,
    sums: Vec<Hash>,
}

/// Makes changes, which are sorted by key hash without duplicates, in one thread.
pub(crate) struct Updater<'a, L> {
    pub(crate) entries: &'a [Entry],
    pub(crate) pool: &'a Pool,
    pub(crate) load: &'a L,
    pub(crate) born: u64,
    pub(crate) serial: u32,
}

impl<L> Clone for Updater<'_, L> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<L: Load> Updater<'_, L> {
    /// The subtree after `changes`, or `None` if nothing changes, by up to `threads` threads.
    pub(crate) fn root(
        &self,
        root: &Item,
        changes: &[Change],
        threads: usize,
        work: &mut Work,
    ) -> Result<Option<Item>, L::Error> {
        let path = Path::of(&[0; 32], 0);
        let result = if threads > 1 && changes.len() >= PARALLEL_MIN {
            self.parallel(root, &path, changes, threads, work)
        } else {
            self.update(root, &path, changes, work)
        };
        self.pool.give_back(&work.spare);
        self.pool.take_back(std::mem::take(&mut work.cells));
        work.spare.clear();
        result
    }

    fn parallel(
        &self,
        root: &Item,
        path: &Path,
        changes: &[Change],
        threads: usize,
        work: &mut Work,
    ) -> Result<Option<Item>, L::Error> {
        let mut items = [Item::Empty; 16];
        let mut old = Node::default();
        match root {
            Item::Empty => {}
            Item::Leaf(leaf) => put(&mut items, nibble(&leaf.key, 0), *root),
            Item::Inner { hash, at } => {
                old = self.node(*at, path, hash)?;
                for slot in old.slots() {
                    put(&mut items, slot, old.item(slot));
                }
            }
        }
        let groups: Vec<_> =
            changes.chunk_by(|a, b| nibble(&a.key, 0) == nibble(&b.key, 0)).collect();
        let shares = shares(&groups, threads);
        let items_ref = &items;
        let done = std::thread::scope(|scope| {
            let run = |share: &[&[Change]]| {
                let mut work = Work::for_changes(changes.len() / threads);
                let mut results = Vec::with_capacity(share.len());
                for group in share {
                    let slot = first_slot(group, 0);
                    let item = items_ref.get(slot).unwrap_or(&Item::Empty);
                    results.push((slot, self.update(item, &path.child(slot), group, &mut work)?));
                }
                self.pool.give_back(&work.spare);
                self.pool.take_back(std::mem::take(&mut work.cells));
                Ok((results, work))
            };
            let handles: Vec<_> =
                shares.into_iter().map(|share| scope.spawn(move || run(share))).collect();
            let results = handles.into_iter().map(|handle| match handle.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            results.collect::<Result<Vec<_>, L::Error>>()
        })?;
        let mut dirty = 0;
        for (results, part) in done {
            work.made.extend(part.made);
            work.replaced.extend(part.replaced);
            work.hashes += part.hashes;
            for (slot, item) in results {
                if let Some(item) = item {
                    put(&mut items, slot, item);
                    dirty |= above(16 + slot);
                }
            }
        }
        if dirty == 0 {
            return Ok(None);
        }
        if let Item::Inner { at, .. } = root {
            work.replaced.push(Replaced { at: *at, path: *path });
        }
        // A leaf that was the root has no node whose hashes could be kept.
        let dirty = if matches!(root, Item::Inner { .. }) { dirty } else { u32::MAX };
        let packed = Node::pack(&items, dirty, &old, &mut work.cells, false);
        let first = work.below.len();
        Ok(Some(self.keep(packed, path, first, work)))
    }

    fn update(
        &self,
        item: &Item,
        path: &Path,
        changes: &[Change],
        work: &mut Work,
    ) -> Result<Option<Item>, L::Error> {
        match item {
            Item::Inner { hash, at } => self.inner(hash, *at, path, changes, work),
            Item::Leaf(leaf) => Ok(self.grow(Some(leaf), path, changes, work)),
            Item::Empty => Ok(self.grow(None, path, changes, work)),
        }
    }

    fn inner(
        &self,
        hash: &Hash,
        at: Ref,
        path: &Path,
        changes: &[Change],
        work: &mut Work,
    ) -> Result<Option<Item>, L::Error> {
        let loaded;
        let old = if let Some(node) = find(self.entries, at) {
            node
        } else {
            loaded = self.load.load(at.born, path, hash)?;
            &loaded
        };
        let depth = path.depth();
        if (WARM_MIN..=WARM_MAX).contains(&changes.len()) && !work.batch {
            self.warm(old, depth, changes);
            let first = work.made.len();
            work.batch = true;
            let result = self.inner(hash, at, path, changes, work);
            work.batch = false;
            let top = work.hash_from(first);
            return Ok(match result? {
                Some(Item::Inner { at, .. }) => Some(Item::Inner { hash: top, at }),
                other => other,
            });
        }
        let mut change = NodeChange { old, fresh: None, items: None, dirty: 0 };
        let first = work.below.len();
        for group in changes.chunk_by(|a, b| nibble(&a.key, depth) == nibble(&b.key, depth)) {
            let slot = first_slot(group, depth);
            match (old.kind(slot), group) {
                (Kind::Inner, _) => {
                    let below = old.node(slot);
                    let hash = old.hash_at(16 + slot);
                    let result = self.inner(&hash, below, &path.child(slot), group, work)?;
                    if let Some(item) = result {
                        change.set(slot, &item, work);
                    }
                }
                (Kind::Leaf, [Change { key, leaf: Some(leaf) }]) if old.leaf_key(slot) == *key => {
                    if old.leaf_pair(slot).1 != leaf.value {
                        work.hashes += 1;
                        change.set(slot, &Item::Leaf(*leaf), work);
                    }
                }
                (Kind::Leaf, _) => {
                    let leaf = old.leaf(slot);
                    if let Some(item) = self.grow(Some(&leaf), &path.child(slot), group, work) {
                        change.set(slot, &item, work);
                    }
                }
                (Kind::Empty, _) => {
                    if let Some(item) = self.grow(None, &path.child(slot), group, work) {
                        change.set(slot, &item, work);
                    }
                }
            }
        }
        let Some(packed) = change.finish(&mut work.cells, work.batch) else { return Ok(None) };
        work.replaced.push(Replaced { at, path: *path });
        Ok(Some(self.keep(packed, path, first, work)))
    }

    /// Reads all nodes that `changes` lead to, level by level. None waits for another of its level,
    /// so the processor fetches many at once; going down key by key waits for each.
    fn warm(&self, top: &Node, depth: usize, changes: &[Change]) {
        let mut level = vec![(top, changes)];
        let mut below = Vec::new();
        for depth in depth.. {
            let nibble = |change: &Change| nibble(&change.key, depth);
            for (node, changes) in level.drain(..) {
                for group in changes.chunk_by(|a, b| nibble(a) == nibble(b)) {
                    let slot = first_slot(group, depth);
                    if node.kind(slot) == Kind::Inner {
                        below.push((node.node(slot), group));
                    }
                }
            }
            if below.is_empty() {
                return;
            }
            let entry = |at: &Ref| self.entries.get(at.slot as usize);
            let sum = below.iter().filter_map(|(at, _)| entry(at)).fold(0, |a, e| a ^ e.serial());
            std::hint::black_box(sum);
            let found = below.drain(..);
            level.extend(found.filter_map(|(at, group)| Some((find(self.entries, at)?, group))));
            // Two cells are a line.
            let lines = level.iter().flat_map(|(node, _)| node.cells().iter().step_by(2));
            std::hint::black_box(lines.fold(0, |sum, cell| sum ^ cell[0]));
        }
    }

    /// Changes below a place that has at most one leaf.
    fn grow(
        &self,
        leaf: Option<&Leaf>,
        path: &Path,
        changes: &[Change],
        work: &mut Work,
    ) -> Option<Item> {
        let mut leaves = Vec::with_capacity(changes.len() + 1);
        let mut changed = false;
        let mut old = leaf.copied();
        for change in changes {
            if let Some(leaf) = old.take_if(|leaf| leaf.key < change.key) {
                leaves.push(leaf);
            }
            let same = old.take_if(|leaf| leaf.key == change.key);
            match (same, change.leaf) {
                (Some(leaf), Some(new)) if leaf.value == new.value => leaves.push(leaf),
                (_, Some(leaf)) => {
                    work.hashes += 1;
                    changed = true;
                    leaves.push(leaf);
                }
                (same, None) => changed |= same.is_some(),
            }
        }
        leaves.extend(old);
        changed.then(|| self.build(path, &leaves, work))
    }

    fn build(&self, path: &Path, leaves: &[Leaf], work: &mut Work) -> Item {
        match leaves {
            [] => return Item::Empty,
            [leaf] => return Item::Leaf(*leaf),
            _ => {}
        }
        let depth = path.depth();
        let mut items = [Item::Empty; 16];
        let first = work.below.len();
        for group in leaves.chunk_by(|a, b| nibble(&a.key, depth) == nibble(&b.key, depth)) {
            let slot = group.first().map_or(0, |leaf| nibble(&leaf.key, depth));
            let item = self.build(&path.child(slot), group, work);
            work.note(slot, &item);
            put(&mut items, slot, item);
        }
        let old = Node::default();
        let packed = Node::pack(&items, u32::MAX, &old, &mut work.cells, work.batch);
        self.keep(packed, path, first, work)
    }

    fn keep(
        &self,
        (packed, hashed): (Packed, u32),
        path: &Path,
        first: usize,
        work: &mut Work,
    ) -> Item {
        work.hashes += u64::from(hashed.count_ones());
        let (node, hash) = match packed {
            Packed::Item(item) => return item,
            Packed::Node(node, hash) => (node, hash),
        };
        if work.spare.is_empty() {
            self.pool.reserve(&mut work.spare);
            self.pool.lend(&mut work.cells);
        }
        let slot = work.spare.pop().unwrap_or(super::node::NOT_LOADED);
        let index = u32::try_from(work.made.len()).unwrap_or(u32::MAX);
        for (slot, child) in work.below.drain(first.min(work.below.len())..) {
            if let Some(made) = work.made.get_mut(child as usize) {
                made.above = Some((index, slot));
            }
        }
        let waiting = if work.batch { hashed } else { 0 };
        work.made.push(Made { slot, path: *path, node, waiting, above: None });
        Item::Inner { hash, at: Ref { slot, serial: self.serial, born: self.born } }
    }

    fn node(&self, at: Ref, path: &Path, hash: &Hash) -> Result<Node, L::Error> {
        match find(self.entries, at) {
            Some(node) => Ok(node.clone()),
            None => self.load.load(at.born, path, hash),
        }
    }
}

/// A node while it changes: a copy as long as its structure stays, 16 subtrees from then on.
struct NodeChange<'a> {
    old: &'a Node,
    fresh: Option<Node>,
    items: Option<Box<[Item; 16]>>,
    /// Bit p: position p has to be hashed.
    dirty: u32,
}

impl Work {
    /// With room for what so many changes make in a large tree.
    pub(crate) fn for_changes(changes: usize) -> Self {
        Self {
            made: Vec::with_capacity(2 * changes + 64),
            replaced: Vec::with_capacity(2 * changes + 64),
            ..Self::default()
        }
    }

    /// Takes note of an item that was made just now, for the node that will be above it.
    fn note(&mut self, slot: usize, item: &Item) {
        if let (true, Item::Inner { .. }) = (self.batch, item) {
            let last = u32::try_from(self.made.len()).unwrap_or(u32::MAX).wrapping_sub(1);
            self.below.push((u8::try_from(slot).unwrap_or(0), last));
        }
    }

    /// Makes the hashes that wait in the nodes from `first` on: deepest nodes first, and in each
    /// level all at once. Gives the hash of the node above all others.
    fn hash_from(&mut self, first: usize) -> Hash {
        let made = &mut self.made;
        let depths = made.iter().enumerate().skip(first);
        let mut order: Vec<_> = depths.map(|(at, made)| (made.path.depth(), at)).collect();
        order.sort_unstable();
        let (mut targets, mut top) = (Vec::new(), super::EMPTY);
        for same in order.chunk_by(|a, b| a.0 == b.0).rev() {
            for level in (0..4).rev() {
                self.pairs.clear();
                targets.clear();
                for (_, index) in same {
                    let Some(made) = made.get(*index) else { continue };
                    let level = made.waiting & (((1 << (1 << level)) - 1) << (1 << level));
                    for p in ones(level) {
                        let node = &made.node;
                        self.pairs.push(pair(&node.hash_at(2 * p), &node.hash_at(2 * p + 1)));
                        targets.push((*index, p));
                    }
                }
                inner_hashes(&self.pairs, &mut self.sums);
                for ((index, p), hash) in targets.iter().zip(&self.sums) {
                    let Some(node) = made.get_mut(*index) else { continue };
                    if *p > 1 {
                        node.node.set_hash(*p, hash);
                        continue;
                    }
                    match node.above {
                        None => top = *hash,
                        Some((above, slot)) => {
                            if let Some(above) = made.get_mut(above as usize) {
                                above.node.set_hash(16 + usize::from(slot), hash);
                            }
                        }
                    }
                }
            }
        }
        top
    }
}

/// The positions of the bits that are set, ascending.
fn ones(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = bits.trailing_zeros() as usize;
        (bits != 0).then(|| bits &= bits - 1).map(|()| lowest)
    })
}

impl NodeChange<'_> {
    fn set(&mut self, slot: usize, item: &Item, work: &mut Work) {
        work.note(slot, item);
        if self.items.is_none() {
            let fresh = self.fresh.get_or_insert_with(|| self.old.copy(&mut work.cells));
            match (self.old.kind(slot), item) {
                (Kind::Inner, Item::Inner { hash, at }) => {
                    fresh.set_node(slot, *at, hash);
                    self.dirty |= above(16 + slot);
                    return;
                }
                (Kind::Leaf, Item::Leaf(leaf)) if fresh.leaf_key(slot) == leaf.key => {
                    self.dirty |= above(fresh.set_leaf(slot, leaf));
                    return;
                }
                _ => {
                    let mut items = [Item::Empty; 16];
                    for slot in fresh.slots() {
                        put(&mut items, slot, fresh.item(slot));
                    }
                    self.items = Some(Box::new(items));
                }
            }
        }
        if let Some(items) = &mut self.items {
            put(items, slot, *item);
            self.dirty |= above(16 + slot);
        }
    }

    fn finish(self, cells: &mut Cells, defer: bool) -> Option<(Packed, u32)> {
        if let Some(items) = self.items {
            if let Some(fresh) = self.fresh {
                cells.keep(fresh.into_cells());
            }
            return Some(Node::pack(&items, self.dirty, self.old, cells, defer));
        }
        let mut node = self.fresh?;
        let hash = if defer { super::EMPTY } else { node.rehash(self.dirty) };
        Some((Packed::Node(node, hash), self.dirty))
    }
}

/// The positions above one, as bits.
const fn above(position: usize) -> u32 {
    let mut bits = 0;
    let mut position = position / 2;
    while position > 0 {
        bits |= 1 << position;
        position /= 2;
    }
    bits
}

fn put(items: &mut [Item; 16], slot: usize, item: Item) {
    if let Some(place) = items.get_mut(slot) {
        *place = item;
    }
}

fn first_slot(group: &[Change], depth: usize) -> usize {
    group.first().map_or(0, |change| nibble(&change.key, depth))
}

/// Splits groups into up to `threads` runs with about as many changes each.
fn shares<'a, 'b>(groups: &'a [&'b [Change]], threads: usize) -> Vec<&'a [&'b [Change]]> {
    let mut left: usize = groups.iter().map(|group| group.len()).sum();
    let mut rest = groups;
    let mut shares = Vec::new();
    for threads_left in (1..=threads).rev() {
        let want = left.div_ceil(threads_left);
        let mut taken = 0;
        let cut = rest.iter().position(|group| {
            let full = taken >= want;
            taken += group.len();
            full
        });
        let (share, after) = rest.split_at(cut.unwrap_or(rest.len()));
        left -= share.iter().map(|group| group.len()).sum::<usize>();
        rest = after;
        if !share.is_empty() {
            shares.push(share);
        }
    }
    shares
}
