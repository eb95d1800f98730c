//! Changes of many keys at once: every dirty node is copied once, and every dirty hash made once.

use super::Hash;
use super::cells::Cells;
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

/// A change of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyChange {
    /// The key's hash.
    pub(crate) key: Hash,
    /// Its new value's hash; `None` deletes it.
    pub(crate) value: Option<Hash>,
}

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
    /// Whether what is below was read ahead.
    warm: bool,
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
        changes: &[KeyChange],
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
        changes: &[KeyChange],
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
            let run = |share: &[&[KeyChange]]| {
                let mut work = Work::default();
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
        let (packed, hashes) = Node::pack(&items, dirty, &old, &mut work.cells);
        work.hashes += hashes;
        Ok(Some(self.keep(packed, path, work)))
    }

    fn update(
        &self,
        item: &Item,
        path: &Path,
        changes: &[KeyChange],
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
        changes: &[KeyChange],
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
        if (WARM_MIN..=WARM_MAX).contains(&changes.len()) && !work.warm {
            self.warm(old, depth, changes);
            work.warm = true;
            let result = self.inner(hash, at, path, changes, work);
            work.warm = false;
            return result;
        }
        let mut change = NodeChange { old, fresh: None, items: None, dirty: 0 };
        for group in changes.chunk_by(|a, b| nibble(&a.key, depth) == nibble(&b.key, depth)) {
            let slot = first_slot(group, depth);
            match (old.kind(slot), group) {
                (Kind::Inner, _) => {
                    let below = old.node(slot);
                    let hash = old.hash_at(16 + slot);
                    let result = self.inner(&hash, below, &path.child(slot), group, work)?;
                    if let Some(item) = result {
                        change.set(slot, &item, &mut work.cells);
                    }
                }
                (Kind::Leaf, [KeyChange { key, value: Some(value) }])
                    if old.leaf_key(slot) == *key =>
                {
                    if old.leaf_pair(slot).1 != *value {
                        work.hashes += 1;
                        let leaf = Leaf::new(*key, *value);
                        change.set(slot, &Item::Leaf(leaf), &mut work.cells);
                    }
                }
                (Kind::Leaf, _) => {
                    let leaf = old.leaf(slot);
                    if let Some(item) = self.grow(Some(&leaf), &path.child(slot), group, work) {
                        change.set(slot, &item, &mut work.cells);
                    }
                }
                (Kind::Empty, _) => {
                    if let Some(item) = self.grow(None, &path.child(slot), group, work) {
                        change.set(slot, &item, &mut work.cells);
                    }
                }
            }
        }
        let Some((packed, hashes)) = change.finish(&mut work.cells) else { return Ok(None) };
        work.hashes += hashes;
        work.replaced.push(Replaced { at, path: *path });
        Ok(Some(self.keep(packed, path, work)))
    }

    /// Reads all nodes that `changes` lead to, level by level. None waits for another of its level,
    /// so the processor fetches many at once; going down key by key waits for each.
    fn warm(&self, top: &Node, depth: usize, changes: &[KeyChange]) {
        let mut level = vec![(top, changes)];
        let mut below = Vec::new();
        for depth in depth.. {
            let nibble = |change: &KeyChange| nibble(&change.key, depth);
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
        changes: &[KeyChange],
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
            match (same, change.value) {
                (Some(leaf), Some(value)) if leaf.value == value => leaves.push(leaf),
                (_, Some(value)) => {
                    work.hashes += 1;
                    changed = true;
                    leaves.push(Leaf::new(change.key, value));
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
        for group in leaves.chunk_by(|a, b| nibble(&a.key, depth) == nibble(&b.key, depth)) {
            let slot = group.first().map_or(0, |leaf| nibble(&leaf.key, depth));
            put(&mut items, slot, self.build(&path.child(slot), group, work));
        }
        let (packed, hashes) = Node::pack(&items, u32::MAX, &Node::default(), &mut work.cells);
        work.hashes += hashes;
        self.keep(packed, path, work)
    }

    fn keep(&self, packed: Packed, path: &Path, work: &mut Work) -> Item {
        let (node, hash) = match packed {
            Packed::Item(item) => return item,
            Packed::Node(node, hash) => (node, hash),
        };
        if work.spare.is_empty() {
            self.pool.reserve(&mut work.spare);
            self.pool.lend(&mut work.cells);
        }
        let slot = work.spare.pop().unwrap_or(super::node::NOT_LOADED);
        work.made.push(Made { slot, path: *path, node });
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

impl NodeChange<'_> {
    fn set(&mut self, slot: usize, item: &Item, cells: &mut Cells) {
        if self.items.is_none() {
            let fresh = self.fresh.get_or_insert_with(|| self.old.copy(cells));
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

    fn finish(self, cells: &mut Cells) -> Option<(Packed, u64)> {
        if let Some(items) = self.items {
            if let Some(fresh) = self.fresh {
                cells.keep(fresh.into_cells());
            }
            return Some(Node::pack(&items, self.dirty, self.old, cells));
        }
        let mut node = self.fresh?;
        let (hash, hashes) = node.rehash(self.dirty);
        Some((Packed::Node(node, hash), hashes))
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

fn first_slot(group: &[KeyChange], depth: usize) -> usize {
    group.first().map_or(0, |change| nibble(&change.key, depth))
}

/// Splits groups into up to `threads` runs with about as many changes each.
fn shares<'a, 'b>(groups: &'a [&'b [KeyChange]], threads: usize) -> Vec<&'a [&'b [KeyChange]]> {
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
