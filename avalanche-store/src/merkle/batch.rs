//! Changes below one node, level by level.
//!
//! ```text
//!   down   a level at a time: which nodes change, and what is put in their slots. The hashes
//!          beside the paths are copied into a row for each node. No load waits for another
//!   up     the deepest level first: its hashes, 16 at a time, from the rows and into them; then
//!          each node is put together from its row
//! ```
//!
//! Going down key by key, a processor waits for memory at each node, and a tree of a million
//! entries is in no cache.

mod job;
mod twigs;

use std::ops::Range;

use super::change::Change;
use super::hash::{EMPTY, Hash};
use super::node::{
    Item, Kind, Leaf, NOT_LOADED, Node, Packed, Ref, Set, Twig, above, beside, halves, ones,
};
use super::path::Path;
use super::pool::{Entry, Place};
use super::prefetch::prefetch;
use super::row::{Row, Spot};
use super::scratch::{Above, Below, Put, Scratch, What};
use super::seen::Seen;
use super::tree::Load;
use super::update::Updater;
use super::work::{Gone, Work};
use job::{Job, Old, Plan};
use twigs::hash_lines;

pub(super) use twigs::Twigs;

/// Nodes that are asked for before one is read.
const AHEAD: usize = 8;

/// All that happens below one node.
struct Batch<'a, 'b, L> {
    updater: &'b Updater<'b, L>,
    entries: &'a [Entry],
    changes: &'b [Change],
    /// The depth of the first level.
    depth: usize,
    jobs: Vec<Job<'a>>,
    scratch: Scratch,
    /// What has become of the whole, once it has.
    top: Option<Item>,
}

/// The subtree of a node after changes; `None` if nothing changes.
pub(super) fn update<L: Load>(
    updater: &Updater<'_, L>,
    (hash, at): (&Hash, Ref),
    depth: usize,
    changes: &[Change],
    work: &mut Work,
) -> Result<Option<Item>, L::Error> {
    let mark = work.mark();
    loop {
        let reader = updater.pool.read();
        let mut batch = Batch {
            updater,
            entries: reader.entries(),
            changes,
            depth,
            jobs: Vec::with_capacity(2 * changes.len()),
            scratch: work.scratch.take().unwrap_or_else(|| updater.pool.scratch()),
            top: None,
        };
        let result = batch.run((hash, at), work);
        batch.scratch.clear();
        work.scratch = Some(batch.scratch);
        drop(reader);
        if result.is_err() || !updater.alone || updater.install(work) {
            return result;
        }
        // A node was evicted meanwhile, by a commit: it is read from the store now.
        work.back_to(&mark);
    }
}

impl<L: Load> Batch<'_, '_, L> {
    fn run(&mut self, (hash, at): (&Hash, Ref), work: &mut Work) -> Result<Option<Item>, L::Error> {
        self.push(hash, at, (0, index(self.changes.len())), None, 0)?;
        let mut levels = Vec::new();
        let mut from = 0;
        while from < self.jobs.len() {
            let level = from..self.jobs.len();
            from = self.jobs.len();
            self.down(level.clone(), levels.len(), work);
            levels.push(level);
            self.next_level(levels.len())?;
        }
        self.scratch.twigs.hash(&mut self.scratch.rows);
        for (depth, level) in levels.into_iter().enumerate().rev() {
            for job in level.clone() {
                self.plan(job, work);
            }
            self.hash(level.clone(), work);
            for job in level {
                self.finish(job, depth, work);
            }
        }
        Ok(self.top.take())
    }

    fn push(
        &mut self,
        hash: &Hash,
        at: Ref,
        changes: (u32, u32),
        above: Option<Above>,
        level: usize,
    ) -> Result<(), L::Error> {
        let old = if let Some(seen) = Seen::find(self.entries, at) {
            Old::Pool(seen)
        } else {
            let path = path_of(self.changes, changes, self.depth + level);
            Old::Loaded(Box::new(self.updater.load.load(at.born, &path, hash)?))
        };
        let parent = above.and_then(|above| Some((self.jobs.get(above.job as usize)?, above.slot)));
        let result = parent.map_or(Spot::TOP, |(job, slot)| job.row.spot(16 + usize::from(slot)));
        self.jobs.push(Job {
            old,
            at,
            changes,
            puts: (0, 0),
            above: above.map(|above| above.put),
            slots: 0,
            beside: 0,
            row: Row::default(),
            result,
            plan: Plan::Stays,
        });
        Ok(())
    }

    /// Goes through the nodes of a level: what is put in their slots, and which nodes are below.
    fn down(&mut self, level: Range<usize>, depth: usize, work: &mut Work) {
        for number in level.start..level.end + AHEAD {
            if number < level.end {
                self.find_slots(number, self.depth + depth);
            }
            if number >= level.start + AHEAD {
                self.read(number - AHEAD, self.depth + depth, work);
            }
        }
    }

    /// Notes the slots that changes lead to, and the hashes beside them, for which it takes lines,
    /// and asks for what is there.
    fn find_slots(&mut self, number: usize, depth: usize) {
        let Scratch { puts, rows, .. } = &mut self.scratch;
        let Some(job) = self.jobs.get_mut(number) else { return };
        let seen = job.old.seen();
        let first_put = index(puts.len());
        let (mut from, to) = job.changes;
        let mut changing = 0;
        let mine = self.changes.get(from as usize..to as usize).unwrap_or_default();
        for group in mine.chunk_by(|a, b| a.nibble(depth) == b.nibble(depth)) {
            let slot = group.first().map_or(0, |change| change.nibble(depth));
            let after = from + index(group.len());
            puts.push(Put { slot: low(slot), changes: (from, after), what: What::Same });
            job.slots |= 1 << slot;
            changing |= 1 << seen.shape().item_position(slot);
            from = after;
        }
        job.puts = (first_put, index(puts.len()));
        let (hashes, parents) = beside(changing);
        (job.beside, job.row) = (hashes, rows.add(parents));
        seen.prefetch(job.beside, job.slots);
    }

    /// Reads what is in the slots, and the hashes beside them.
    fn read(&mut self, number: usize, depth: usize, work: &mut Work) {
        let Self { updater, entries, changes, jobs, scratch, .. } = self;
        let Scratch { rows, puts, below, twigs, .. } = scratch;
        let Some(job) = jobs.get(number) else { return };
        let seen = job.old.seen();
        seen.stage(job.beside, job.row, rows);
        let range = job.puts.0 as usize..job.puts.1 as usize;
        for (at, put) in (job.puts.0..).zip(puts.get_mut(range).unwrap_or_default()) {
            let slot = usize::from(put.slot);
            let group = changes.get(put.changes.0 as usize..put.changes.1 as usize);
            match (seen.kind(slot), group.unwrap_or_default()) {
                (Kind::Inner, _) => {
                    let above = Above { job: index(number), put: at, slot: put.slot };
                    let at = seen.node(slot);
                    if let Some(entry) = entries.get(at.slot as usize) {
                        prefetch(entry);
                    }
                    below.push(Below { at, changes: put.changes, above });
                }
                (Kind::Leaf, [change])
                    if let Some(value) = change.value()
                        && seen.leaf_key(slot) == *change.key() =>
                {
                    if seen.leaf_value(slot) != *value {
                        work.hashes += 1;
                        put.what = What::Leaf;
                    }
                }
                (Kind::Twig, group)
                    if {
                        let (twig, hash) = ((seen, slot, depth + 1), job.row.spot(16 + slot));
                        twigs.change(twig, group, (rows, hash), &mut put.what, work)
                    } => {}
                (_, group) => {
                    let leaves = seen.leaf_pairs(slot).map(|[key, value]| Leaf::new(key, value));
                    let path = path_of(changes, put.changes, depth + 1);
                    if let Some(item) = updater.grow(leaves, &path, group, work) {
                        put.what = What::Other(Box::new(item));
                    }
                }
            }
        }
    }

    /// Finds the nodes of the next level.
    fn next_level(&mut self, level: usize) -> Result<(), L::Error> {
        let below = std::mem::take(&mut self.scratch.below);
        for Below { at, changes, above } in &below {
            let hash = self.jobs.get(above.job as usize).map_or(EMPTY, |job| {
                let here = Seen::find(self.entries, *at).is_some();
                if here { EMPTY } else { job.old.seen().hash_at(16 + usize::from(above.slot)) }
            });
            self.push(&hash, *at, *changes, Some(*above), level)?;
        }
        self.scratch.below = below;
        self.scratch.below.clear();
        Ok(())
    }

    /// Says what becomes of a node, now that it is known what became of those below.
    fn plan(&mut self, number: usize, work: &mut Work) {
        let Self { changes, jobs, scratch, .. } = self;
        let Some(job) = jobs.get_mut(number) else { return };
        let Scratch { rows, puts, .. } = scratch;
        let (seen, row) = (job.old.seen(), job.row);
        let puts = puts.get(job.puts.0 as usize..job.puts.1 as usize).unwrap_or_default();
        let (mut fresh, mut dirty, mut slots, mut restructured) = (0, 0, 0, false);
        for Put { slot, changes: at, what } in puts {
            let slot = usize::from(*slot);
            let position = match what {
                What::Same => continue,
                What::Node(_) | What::Twig(_) => 16 + slot,
                What::Leaf => {
                    let position = seen.shape().leaf_position(slot);
                    if let Some(change) = first_of(changes, *at) {
                        rows.set(row.spot(position), change.hash());
                    }
                    position
                }
                What::Other(_) => {
                    restructured = true;
                    16 + slot
                }
            };
            slots |= 1 << slot;
            fresh |= 1 << position;
            dirty |= above(position);
        }
        if fresh == 0 {
            return;
        }
        if !restructured {
            let fresh = (fresh | dirty) & !3;
            job.plan = Plan::Changes { fresh, dirty, slots };
            return;
        }
        self.restructure(number, work);
    }

    /// Packs a node anew.
    fn restructure(&mut self, number: usize, work: &mut Work) {
        let Self { changes, jobs, scratch, .. } = self;
        let Some(job) = jobs.get_mut(number) else { return };
        let Scratch { rows, puts, twigs, .. } = scratch;
        let (seen, row) = (job.old.seen(), job.row);
        let puts = puts.get(job.puts.0 as usize..job.puts.1 as usize).unwrap_or_default();
        let mut items = [Item::Empty; 16];
        for slot in seen.slots() {
            put(&mut items, slot, seen.item(slot));
        }
        let mut dirty = 0;
        for Put { slot, changes: at, what } in puts {
            let slot = usize::from(*slot);
            let item = match what {
                What::Same => continue,
                What::Leaf => {
                    let leaf = first_of(changes, *at).and_then(Change::leaf);
                    leaf.map_or(Item::Empty, Item::Leaf)
                }
                What::Twig(values) => {
                    let values = twigs.values(*values).iter();
                    let pairs = seen.leaf_pairs(slot).zip(values);
                    let pairs = pairs.map(|([key, _], value)| [key, *value]);
                    Item::Twig(Twig::known(rows.get(row.spot(16 + slot)), pairs))
                }
                What::Node(at) => Item::Inner { hash: rows.get(row.spot(16 + slot)), at: *at },
                What::Other(item) => **item,
            };
            put(&mut items, slot, item);
            dirty |= above(16 + slot);
        }
        if let Some((twig, hashed)) = Twig::of(&items) {
            work.hashes += u64::from((hashed & dirty).count_ones());
            job.plan = Plan::Gone(Box::new(Item::Twig(twig)));
            return;
        }
        let (packed, dirty) = Node::pack(&items, dirty, seen, &mut work.cells, true);
        job.plan = match packed {
            Packed::NoNode(leaf) => Plan::Gone(Box::new(leaf.map_or(Item::Empty, Item::Leaf))),
            Packed::Node(node, _) => {
                job.row = rows.add(dirty);
                Seen::alone(&node).stage(halves(dirty), job.row, rows);
                Plan::Packed { node: Box::new(node), dirty }
            }
        };
    }

    /// Makes the hashes of a level.
    fn hash(&mut self, level: Range<usize>, work: &mut Work) {
        let Scratch { rows, targets, .. } = &mut self.scratch;
        targets.iter_mut().for_each(Vec::clear);
        for job in self.jobs.get(level).unwrap_or_default() {
            let (Plan::Changes { dirty, .. } | Plan::Packed { dirty, .. }) = &job.plan else {
                continue;
            };
            for p in ones(*dirty) {
                let spot = if p == 1 { job.result } else { job.row.spot(p) };
                if let Some(list) = targets.get_mut(p.ilog2() as usize) {
                    list.push((job.row.line(p), spot));
                }
            }
        }
        for list in targets.iter().rev() {
            work.hashes += list.len() as u64;
            hash_lines(rows, list);
        }
    }

    /// Puts a node together, and tells the one above.
    fn finish(&mut self, number: usize, level: usize, work: &mut Work) {
        let Self { updater, changes, jobs, scratch, .. } = self;
        let Some(job) = jobs.get_mut(number) else { return };
        let rows = &scratch.rows;
        let Job { at, above, changes: first, row, result, .. } = *job;
        let plan = std::mem::replace(&mut job.plan, Plan::Stays);
        let old = job.old.seen();
        let place = Place::new(&key_of(changes, first), self.depth + level);
        // Each makes its node where it keeps it: moved, it would be read before it is written.
        let slot = match plan {
            Plan::Stays => return,
            Plan::Gone(item) => {
                work.gone.push(Gone { at, place });
                match self.put_above(above) {
                    Some(what) => *what = What::Other(item),
                    None => self.top = Some(*item),
                }
                return;
            }
            Plan::Packed { mut node, dirty } => {
                for p in ones(dirty & !3) {
                    node.set_hash(p, &rows.get(row.spot(p)));
                }
                updater.keep(*node, NOT_LOADED, place, Some(at), work)
            }
            Plan::Changes { fresh, slots, .. } => {
                let puts = scratch.puts.get(job.puts.0 as usize..job.puts.1 as usize);
                let sets = puts.unwrap_or_default().iter().filter_map(|put| {
                    let set = match &put.what {
                        What::Leaf => {
                            let value = first_of(changes, put.changes)?.value()?;
                            Set::Values(std::slice::from_ref(value))
                        }
                        What::Twig(values) => Set::Values(scratch.twigs.values(*values)),
                        What::Node(at) => Set::Node(*at),
                        What::Same | What::Other(_) => return None,
                    };
                    Some((usize::from(put.slot), set))
                });
                let hashes = |p| rows.get(row.spot(p));
                let shape = old.shape().patched(fresh, slots);
                if let Some(shape) = shape.filter(|_| old.slot() != NOT_LOADED) {
                    let patch = Node::patch(old, shape, fresh, hashes, sets, &mut work.cells);
                    updater.keep(patch, old.slot(), place, Some(at), work)
                } else {
                    let node = old.change(fresh, hashes, sets, |len| work.cells.take(len));
                    updater.keep(node, NOT_LOADED, place, Some(at), work)
                }
            }
        };
        let at = updater.made(slot);
        match self.put_above(above) {
            Some(what) => *what = What::Node(at),
            None => self.top = Some(Item::Inner { hash: self.scratch.rows.get(result), at }),
        }
    }

    /// What is put in the node above; `None` at the top.
    fn put_above(&mut self, above: Option<u32>) -> Option<&mut What> {
        Some(&mut self.scratch.puts.get_mut(above? as usize)?.what)
    }
}

/// The first of some changes.
fn first_of(changes: &[Change], (first, _): (u32, u32)) -> Option<&Change> {
    changes.get(first as usize)
}

/// Where a node lies that some changes lead through.
fn path_of(changes: &[Change], range: (u32, u32), depth: usize) -> Path {
    Path::of(&key_of(changes, range), depth)
}

/// The key of the first of some changes.
fn key_of(changes: &[Change], range: (u32, u32)) -> Hash {
    first_of(changes, range).map_or(EMPTY, |change| *change.key())
}

pub(super) fn put(items: &mut [Item; 16], slot: usize, item: Item) {
    if let Some(place) = items.get_mut(slot) {
        *place = item;
    }
}

fn index(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn low(slot: usize) -> u8 {
    u8::try_from(slot).unwrap_or(0)
}
