//! Changes of many keys at once: every dirty node is copied once, and every dirty hash made once.

use super::Hash;
use super::batch::{self, put};
use super::change::Change;
use super::node::{Item, Leaf, NOT_LOADED, Node, Packed, Ref, Root, TWIG_MAX, Twig, above};
use super::path::{Path, nibble};
use super::pool::{Made, Place, Pool};
use super::seen::Seen;
use super::tree::Load;
use super::work::{Gone, Mark, Work};

/// Fewer changes than this are made by one thread.
const PARALLEL_MIN: usize = 256;

/// So many changes below a node, or fewer, are made level by level (see [`batch`]): enough that
/// reads overlap and hashes fill all lanes, and few enough that they stay in the processor's cache.
/// While one is made, each node takes about half a KiB beside itself if it has new values only, and
/// twice that if it changes its structure.
const BATCH_MAX: usize = 1_024;

/// Makes changes, which are sorted by key hash without duplicates.
pub(crate) struct Updater<'a, L> {
    pub(super) pool: &'a Pool,
    pub(super) load: &'a L,
    born: u64,
    serial: u32,
    /// Whether no other thread works on the same version. Then what a batch has made is put into
    /// the pool at once, and the next batch finds the memory of that one in the processor's cache;
    /// threads of one version would wait for each other's batches.
    pub(super) alone: bool,
}

impl<'a, L: Load> Updater<'a, L> {
    /// Makes a version that will be written at height `born`, of so many changes.
    pub(crate) const fn new(
        (pool, load): (&'a Pool, &'a L),
        (born, serial): (u64, u32),
        changes: usize,
        threads: usize,
    ) -> Self {
        let alone = threads <= 1 || changes < PARALLEL_MIN;
        Self { pool, load, born, serial, alone }
    }

    /// The subtree after `changes`, or `None` if nothing changes, by up to `threads` threads.
    pub(crate) fn root(
        &self,
        root: &Root,
        changes: &[Change],
        threads: usize,
        work: &mut Work,
    ) -> Result<Option<Root>, L::Error> {
        let path = Path::of(&[0; 32], 0);
        work.reserve(changes.len(), self.alone);
        let result = loop {
            let result = if self.alone {
                self.update(&Item::of(*root), &path, changes, work)
            } else {
                self.parallel(root, &path, changes, threads, work)
            };
            let planted = match result {
                Ok(item) => item.map(|item| self.plant(&item, &path, work)),
                Err(error) => break Err(error),
            };
            if self.install(work) {
                break Ok(planted);
            }
            // A node was evicted meanwhile, by a commit: it is read from the store now. Only
            // threads come here: what batches leave over are whole nodes.
            debug_assert!(work.installed.is_empty(), "a whole node was refused");
            work.back_to(&Mark::default());
        };
        if result.is_err() {
            work.back_to(&Mark::default());
        }
        work.give_back(self.pool);
        result
    }

    /// Puts what is made into the pool, see [`Pool::install`].
    pub(super) fn install(&self, work: &mut Work) -> bool {
        self.pool.install(&mut work.made, &mut work.installed, self.born, self.serial)
    }

    /// The whole tree: what would be a twig is a node.
    fn plant(&self, item: &Item, path: &Path, work: &mut Work) -> Root {
        match item {
            Item::Empty => Root::Empty,
            Item::Leaf(leaf) => Root::Leaf(*leaf),
            Item::Inner { hash, at } => Root::Node { hash: *hash, at: *at },
            Item::Twig(twig) => {
                let place = Place::new(path.prefix(), path.depth());
                let slot = self.keep(twig.node(path.depth()), NOT_LOADED, place, None, work);
                Root::Node { hash: twig.hash, at: self.made(slot) }
            }
        }
    }

    fn parallel(
        &self,
        root: &Root,
        path: &Path,
        changes: &[Change],
        threads: usize,
        work: &mut Work,
    ) -> Result<Option<Item>, L::Error> {
        let mut items = [Item::Empty; 16];
        let mut old = Node::default();
        match root {
            Root::Empty => {}
            Root::Leaf(leaf) => put(&mut items, nibble(&leaf.key, 0), Item::Leaf(*leaf)),
            Root::Node { hash, at } => {
                old = self.node(*at, path, hash)?;
                for slot in old.shape().slots() {
                    put(&mut items, slot, old.item(slot));
                }
            }
        }
        let groups: Vec<_> = changes.chunk_by(|a, b| a.nibble(0) == b.nibble(0)).collect();
        let shares = shares(&groups, threads);
        let items_ref = &items;
        let done = std::thread::scope(|scope| {
            let run = |share: &[&[Change]]| {
                let mut work = Work::default();
                work.reserve(changes.len() / threads, false);
                let results = share.iter().map(|group| {
                    let slot = first_slot(group, 0);
                    let item = items_ref.get(slot).unwrap_or(&Item::Empty);
                    Ok((slot, self.update(item, &path.child(slot), group, &mut work)?))
                });
                let results = results.collect::<Result<Vec<_>, L::Error>>();
                work.give_back(self.pool);
                (results, work)
            };
            let handles: Vec<_> =
                shares.into_iter().map(|share| scope.spawn(move || run(share))).collect();
            let results = handles.into_iter().map(|handle| match handle.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            results.collect::<Vec<_>>()
        });
        // What all have made comes first: if one failed, all of it is dropped.
        let mut changed = Vec::with_capacity(done.len());
        for (results, part) in done {
            work.made.extend(part.made);
            work.gone.extend(part.gone);
            work.hashes += part.hashes;
            changed.push(results);
        }
        let mut dirty = 0;
        for results in changed {
            for (slot, item) in results? {
                if let Some(item) = item {
                    put(&mut items, slot, item);
                    dirty |= above(16 + slot);
                }
            }
        }
        if dirty == 0 {
            return Ok(None);
        }
        // What was no node has no hashes that could be kept.
        let replaced = if let Root::Node { at, .. } = root { Some(*at) } else { None };
        let dirty = if replaced.is_some() { dirty } else { u32::MAX };
        Ok(Some(self.pack(&items, dirty, (Seen::alone(&old), replaced), path, work)))
    }

    fn update(
        &self,
        item: &Item,
        path: &Path,
        changes: &[Change],
        work: &mut Work,
    ) -> Result<Option<Item>, L::Error> {
        match item {
            Item::Inner { hash, at } if changes.len() <= BATCH_MAX => {
                batch::update(self, (hash, *at), path.depth(), changes, work)
            }
            Item::Inner { hash, at } => self.inner(hash, *at, path, changes, work),
            Item::Empty => Ok(self.grow([], path, changes, work)),
            Item::Leaf(leaf) => Ok(self.grow([*leaf], path, changes, work)),
            Item::Twig(twig) => Ok(self.grow(twig.leaves(), path, changes, work)),
        }
    }

    /// Below one of the few nodes at the top that many changes lead through.
    fn inner(
        &self,
        hash: &Hash,
        at: Ref,
        path: &Path,
        changes: &[Change],
        work: &mut Work,
    ) -> Result<Option<Item>, L::Error> {
        let old = self.node(at, path, hash)?;
        let depth = path.depth();
        let mut items = [Item::Empty; 16];
        for slot in old.shape().slots() {
            put(&mut items, slot, old.item(slot));
        }
        let mut dirty = 0;
        for group in changes.chunk_by(|a, b| a.nibble(depth) == b.nibble(depth)) {
            let slot = first_slot(group, depth);
            let item = items.get(slot).copied().unwrap_or(Item::Empty);
            if let Some(item) = self.update(&item, &path.child(slot), group, work)? {
                put(&mut items, slot, item);
                dirty |= above(16 + slot);
            }
        }
        if dirty == 0 {
            return Ok(None);
        }
        Ok(Some(self.pack(&items, dirty, (Seen::alone(&old), Some(at)), path, work)))
    }

    /// Changes below a place that has only leaves, in order.
    pub(super) fn grow(
        &self,
        old: impl IntoIterator<Item = Leaf>,
        path: &Path,
        changes: &[Change],
        work: &mut Work,
    ) -> Option<Item> {
        let mut leaves = Vec::with_capacity(changes.len() + TWIG_MAX);
        let mut changed = false;
        let mut old = old.into_iter().peekable();
        for change in changes {
            while let Some(leaf) = old.next_if(|leaf| leaf.key < *change.key()) {
                leaves.push(leaf);
            }
            let same = old.next_if(|leaf| leaf.key == *change.key());
            match (same, change.leaf()) {
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
        for group in leaves.chunk_by(|a, b| nibble(&a.key, depth) == nibble(&b.key, depth)) {
            let slot = group.first().map_or(0, |leaf| nibble(&leaf.key, depth));
            put(&mut items, slot, self.build(&path.child(slot), group, work));
        }
        let none = Node::default();
        self.pack(&items, u32::MAX, (Seen::alone(&none), None), path, work)
    }

    /// The subtree of 16.
    fn pack(
        &self,
        items: &[Item; 16],
        dirty: u32,
        (old, replaced): (Seen<'_>, Option<Ref>),
        path: &Path,
        work: &mut Work,
    ) -> Item {
        let place = Place::new(path.prefix(), path.depth());
        if let Some((twig, hashed)) = Twig::of(items) {
            work.hashes += u64::from((hashed & dirty).count_ones());
            work.gone.extend(replaced.map(|at| Gone { at, place }));
            return Item::Twig(twig);
        }
        let (packed, hashed) = Node::pack(items, dirty, old, &mut work.cells, false);
        work.hashes += u64::from(hashed.count_ones());
        match packed {
            Packed::NoNode(leaf) => {
                work.gone.extend(replaced.map(|at| Gone { at, place }));
                leaf.map_or(Item::Empty, Item::Leaf)
            }
            Packed::Node(node, hash) => {
                let slot = self.keep(node, NOT_LOADED, place, replaced, work);
                Item::Inner { hash, at: self.made(slot) }
            }
        }
    }

    /// Puts a node among those that are made; a patch is over the node in a slot. Gives its slot.
    #[inline]
    pub(super) fn keep(
        &self,
        node: Node,
        over: u32,
        place: Place,
        replaced: Option<Ref>,
        work: &mut Work,
    ) -> u32 {
        if work.spare.is_empty() {
            self.refill(work);
        }
        let slot = work.spare.pop().unwrap_or(NOT_LOADED);
        work.made.push(Made { slot, place, node, replaced, over });
        slot
    }

    /// The reference to a node that was put in a slot.
    pub(super) const fn made(&self, slot: u32) -> Ref {
        Ref { slot, serial: self.serial, born: self.born }
    }

    #[cold]
    fn refill(&self, work: &mut Work) {
        self.pool.reserve(&mut work.spare);
        self.pool.lend(&mut work.cells);
    }

    fn node(&self, at: Ref, path: &Path, hash: &Hash) -> Result<Node, L::Error> {
        let reader = self.pool.read();
        let node = Seen::find(reader.entries(), at);
        let node = node.map(|node| node.copy(super::cells::NodeCells::new));
        drop(reader);
        match node {
            Some(node) => Ok(node),
            None => self.load.load(at.born, path, hash),
        }
    }
}

fn first_slot(group: &[Change], depth: usize) -> usize {
    group.first().map_or(0, |change| change.nibble(depth))
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
