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

use std::ops::Range;

use super::change::Change;
use super::hash::{EMPTY, Hash, LANES, inner_hashes};
use super::node::{Item, Kind, NOT_LOADED, Node, Packed, Ref, Set, ones};
use super::path::Path;
use super::pool::Place;
use super::prefetch::prefetch;
use super::row::{Row, Spot};
use super::scratch::{Above, Below, Put, Scratch, What};
use super::seen::Seen;
use super::tree::Load;
use super::update::Updater;
use super::work::{Gone, Work};
use job::{Job, Old, Plan, beside, halves};

pub(super) use job::above;

/// Nodes that are asked for before one is read.
const AHEAD: usize = 8;

/// All that happens below one node.
struct Batch<'a, 'b, L> {
    updater: &'b Updater<'a, L>,
    changes: &'b [Change],
    /// The depth of the first level.
    depth: usize,
    jobs: Vec<Job<'a>>,
    scratch: Scratch,
}

/// The subtree that `item` is the node of, after changes; `None` if nothing changes.
pub(super) fn update<L: Load>(
    updater: &Updater<'_, L>,
    (hash, at): (&Hash, Ref),
    depth: usize,
    changes: &[Change],
    work: &mut Work,
) -> Result<Option<Item>, L::Error> {
    let mut batch = Batch {
        updater,
        changes,
        depth,
        jobs: Vec::with_capacity(3 * changes.len()),
        scratch: work.scratch.take().unwrap_or_else(|| updater.pool.scratch()),
    };
    let result = batch.run((hash, at), work);
    batch.scratch.clear();
    work.scratch = Some(batch.scratch);
    result
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
        let mut top = None;
        for (depth, level) in levels.into_iter().enumerate().rev() {
            for job in level.clone() {
                self.plan(job, work);
            }
            self.hash(level.clone());
            for job in level {
                top = self.finish(job, depth, work);
            }
        }
        Ok(top)
    }

    fn push(
        &mut self,
        hash: &Hash,
        at: Ref,
        changes: (u32, u32),
        above: Option<Above>,
        level: usize,
    ) -> Result<(), L::Error> {
        let old = if let Some(seen) = Seen::find(self.updater.entries, at) {
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
            above,
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
        let Self { updater, changes, jobs, scratch, .. } = self;
        let Scratch { rows, puts, below, .. } = scratch;
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
                    if let Some(entry) = updater.entries.get(at.slot as usize) {
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
                (kind, group) => {
                    let leaf = (kind == Kind::Leaf).then(|| seen.leaf(slot));
                    let path = path_of(changes, put.changes, depth + 1);
                    if let Some(item) = updater.grow(leaf.as_ref(), &path, group, work) {
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
                let here = self.updater.is_here(*at);
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
        let (seen, row, rows) = (job.old.seen(), job.row, &mut scratch.rows);
        let puts = scratch.puts.get(job.puts.0 as usize..job.puts.1 as usize).unwrap_or_default();
        let (mut fresh, mut dirty, mut restructured) = (0, 0, false);
        for Put { slot, changes: at, what } in puts {
            let slot = usize::from(*slot);
            let position = match what {
                What::Same => continue,
                What::Node(_) => 16 + slot,
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
            fresh |= 1 << position;
            dirty |= above(position);
        }
        if fresh == 0 {
            return;
        }
        if !restructured {
            let fresh = (fresh | dirty) & !3;
            job.plan = Plan::Changes { fresh, dirty };
            work.hashes += u64::from(dirty.count_ones());
            return;
        }
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
                What::Node(at) => Item::Inner { hash: rows.get(row.spot(16 + slot)), at: *at },
                What::Other(item) => **item,
            };
            put(&mut items, slot, item);
            dirty |= above(16 + slot);
        }
        let (packed, dirty) = Node::pack(&items, dirty, seen, &mut work.cells, true);
        job.plan = match packed {
            Packed::Item(item) => Plan::Gone(Box::new(item)),
            Packed::Node(node, _) => {
                job.row = rows.add(dirty);
                Seen::alone(&node).stage(halves(dirty), job.row, rows);
                Plan::Packed { node, dirty }
            }
        };
        work.hashes += u64::from(dirty.count_ones());
    }

    /// Makes the hashes of a level.
    fn hash(&mut self, level: Range<usize>) {
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
        for some in targets.iter().rev().flat_map(|list| list.chunks(LANES)) {
            let mut hashes = [EMPTY; LANES];
            let pair = |lane| rows.pair(some.get::<usize>(lane)?.0);
            inner_hashes(some.len(), pair, &mut hashes);
            for ((_, spot), hash) in some.iter().zip(&hashes) {
                rows.set(*spot, hash);
            }
        }
    }

    /// Puts a node together, and tells the one above. Gives what has become of it.
    fn finish(&mut self, number: usize, level: usize, work: &mut Work) -> Option<Item> {
        let Self { updater, changes, jobs, scratch, .. } = self;
        let job = jobs.get_mut(number)?;
        let rows = &scratch.rows;
        let Job { at, above, changes: first, row, result, .. } = *job;
        let plan = std::mem::replace(&mut job.plan, Plan::Stays);
        let old = job.old.seen();
        let (node, over) = match plan {
            Plan::Stays => return None,
            Plan::Gone(item) => {
                let place = Place::new(&key_of(changes, first), self.depth + level);
                work.gone.push(Gone { at, place });
                let left = *item;
                self.tell(above, What::Other(item));
                return Some(left);
            }
            Plan::Packed { mut node, dirty } => {
                for p in ones(dirty & !3) {
                    node.set_hash(p, &rows.get(row.spot(p)));
                }
                (node, NOT_LOADED)
            }
            Plan::Changes { fresh, .. } => {
                let puts = scratch.puts.get(job.puts.0 as usize..job.puts.1 as usize);
                let sets = puts.unwrap_or_default().iter().filter_map(|put| {
                    let set = match &put.what {
                        What::Leaf => Set::Value(*first_of(changes, put.changes)?.value()?),
                        What::Node(at) => Set::Node(*at),
                        What::Same | What::Other(_) => return None,
                    };
                    Some((usize::from(put.slot), set))
                });
                let hashes = |p| rows.get(row.spot(p));
                let cells = &mut work.cells;
                let in_pool = old.slot() != NOT_LOADED;
                let patch = in_pool.then(|| Node::patch(old, fresh, hashes, sets.clone(), cells));
                match patch.flatten() {
                    Some(patch) => (patch, old.slot()),
                    None => (old.change(fresh, hashes, sets, |len| cells.take(len)), NOT_LOADED),
                }
            }
        };
        let place = Place::new(&key_of(changes, first), self.depth + level);
        let at = updater.made(updater.keep(node, over, place, Some(at), work));
        let hash = self.scratch.rows.get(result);
        self.tell(above, What::Node(at));
        Some(Item::Inner { hash, at })
    }

    fn tell(&mut self, above: Option<Above>, what: What) {
        let put = above.and_then(|above| self.scratch.puts.get_mut(above.put as usize));
        if let Some(put) = put {
            put.what = what;
        }
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
