//! From votes for blocks to votes for the children of each block: AvalancheGo's Kahn sort, as a
//! climb.
//!
//! ```text
//!  height 3    tip: 12    other: 4           entries at the highest voted height
//!                 \        /
//!  height 2       middle: 16   + 2 voted here directly
//!                      \
//!  height 1            base: 18
//!                        \
//!  height 0         last accepted
//!
//!  levels, top last: (middle, [tip 12, other 4]), (base, [middle 18]), (last accepted, [base 18])
//! ```
//!
//! Undecided blocks are a tree and a poll has at most `k` votes, so entries are replaced by their
//! parents height by height and merged where they meet. A parent whose children have at least
//! `alpha_preference` votes together becomes a level. Because that is more than half of `k`, no
//! height has two, and the levels form one chain down from the last accepted block. Source of the
//! rule: `calculateInDegree` and `pushVotes` in `snow/consensus/snowman/topological.go` of
//! AvalancheGo.

use super::arena::{Arena, BlockRef};
use crate::Bag;
use crate::snowball::Ballot;

/// Votes for a block and its descendants.
#[derive(Clone, Copy, Debug)]
struct Entry {
    block: BlockRef,
    /// The height at which the votes were given.
    height: u64,
    count: u32,
    /// The child of the block that the votes came from; none for votes given to the block itself.
    child: BlockRef,
}

/// A block whose tree takes part in the poll, with the votes for its children.
#[derive(Clone, Copy, Debug)]
struct Level {
    parent: BlockRef,
    /// The child with most votes, and its votes.
    child: BlockRef,
    child_count: u32,
    /// All votes.
    count: u32,
    /// The votes of each child; nothing if one child has them all.
    first: u32,
    len: u32,
}

impl Level {
    const fn single(parent: BlockRef, child: BlockRef, count: u32) -> Self {
        Self { parent, child, child_count: count, count, first: 0, len: 0 }
    }
}

/// A level, as seen by its child with most votes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) parent: BlockRef,
    pub(super) child: BlockRef,
    /// The votes for the child.
    pub(super) count: u32,
    /// The block of the level after it.
    pub(super) next: BlockRef,
}

/// The working memory of a poll, kept between polls so that none of them allocates.
///
/// Bounded by `k` entries, and by one level for each undecided height with at most `k` ballots.
#[derive(Clone, Debug)]
pub(super) struct Climb {
    /// Voted blocks that are not reached yet, lowest height first.
    pending: Vec<Entry>,
    /// Blocks at the present height, the one with most votes first.
    entries: Vec<Entry>,
    present: u64,
    /// Levels that were found while there were several entries, lowest height last.
    levels: Vec<Level>,
    ballots: Vec<Ballot>,
    /// The blocks below those levels, lowest height last: the only child with votes of each level
    /// from `base` up. All votes are for each of them.
    chain: Vec<BlockRef>,
    base: BlockRef,
    count: u32,
    /// The ballot of the level that was taken last, if it has just one.
    ballot: [Ballot; 1],
}

impl Climb {
    pub(super) const fn new() -> Self {
        Self {
            pending: Vec::new(),
            entries: Vec::new(),
            present: 0,
            levels: Vec::new(),
            ballots: Vec::new(),
            chain: Vec::new(),
            base: BlockRef::NONE,
            count: 0,
            ballot: [Ballot { choice: 0, count: 0 }],
        }
    }

    /// The levels of a poll, deepest first. Votes for unknown or decided blocks do not count.
    pub(super) fn run(
        &mut self,
        arena: &Arena,
        last_accepted: BlockRef,
        votes: &Bag,
        alpha_preference: u32,
    ) {
        self.levels.clear();
        self.ballots.clear();
        self.chain.clear();
        if votes.len() < alpha_preference {
            return;
        }
        let counted = self.gather(arena, last_accepted, votes);
        if counted < alpha_preference {
            return;
        }
        loop {
            self.rise();
            if let ([entry], []) = (self.entries.as_slice(), self.pending.as_slice()) {
                self.follow(arena, last_accepted, *entry);
                return;
            }
            let alone = self.entries.first().is_some_and(|entry| entry.count >= alpha_preference);
            if !alone || self.race(arena) {
                self.merge(arena, alpha_preference);
            }
        }
    }

    /// Whether no level is left.
    pub(super) const fn is_empty(&self) -> bool {
        self.chain.is_empty() && self.levels.is_empty()
    }

    /// The level that comes next.
    pub(super) fn link(&self) -> Option<Link> {
        if let Some((child, rest)) = self.chain.split_last() {
            let next = if rest.is_empty() { parent(self.levels.last()) } else { *child };
            return Some(Link { parent: self.base, child: *child, count: self.count, next });
        }
        let (level, rest) = self.levels.split_last()?;
        let Level { child, child_count: count, .. } = *level;
        Some(Link { parent: level.parent, child, count, next: parent(rest.last()) })
    }

    /// Takes the level that [`Climb::link`] showed: the ballots for its tree, and how many votes
    /// they are.
    pub(super) fn pop(&mut self) -> (&mut [Ballot], u32) {
        let level = match self.chain.pop() {
            Some(child) => {
                self.base = child;
                Level::single(BlockRef::NONE, child, self.count)
            }
            None => match self.levels.pop() {
                Some(level) => level,
                None => return (&mut [], 0),
            },
        };
        let ballots = if level.len == 0 {
            self.ballot = [Ballot { choice: level.child.choice(), count: level.count }];
            self.ballot.as_mut_slice()
        } else {
            let range = level.first as usize..(level.first + level.len) as usize;
            self.ballots.get_mut(range).unwrap_or_default()
        };
        (ballots, level.count)
    }

    /// The next levels that have one child with votes: the block of the first, their children, the
    /// first last, and the votes of each.
    pub(super) fn chain(&self) -> (BlockRef, &[BlockRef], u32) {
        (self.base, &self.chain, self.count)
    }

    /// Takes so many levels of [`Climb::chain`]; `base` is the last child that is taken.
    pub(super) fn take(&mut self, levels: usize, base: BlockRef) {
        self.chain.truncate(self.chain.len().saturating_sub(levels));
        self.base = base;
    }

    /// Takes the level that [`Climb::link`] showed, without its ballots.
    pub(super) fn advance(&mut self) {
        match self.chain.pop() {
            Some(child) => self.base = child,
            None => {
                self.levels.pop();
            }
        }
    }

    /// Looks the voted blocks up, sorts them by height and returns how many votes count.
    fn gather(&mut self, arena: &Arena, last_accepted: BlockRef, votes: &Bag) -> u32 {
        self.entries.clear();
        self.pending.clear();
        let mut counted = 0;
        for (id, count) in votes.iter() {
            match arena.find(id) {
                Some(block) if block != last_accepted => {
                    counted += count;
                    let height = arena.height(block).get();
                    self.pending.push(Entry { block, height, count, child: BlockRef::NONE });
                }
                _ => {}
            }
        }
        self.pending.sort_unstable_by_key(|entry| entry.height);
        self.present = self.pending.last().map_or(0, |entry| entry.height);
        counted
    }

    /// Brings the pending blocks of the present height in, and puts the entry with most votes
    /// first.
    fn rise(&mut self) {
        let present = self.present;
        while let Some(entry) = self.pending.pop_if(|entry| entry.height == present) {
            match self.entries.iter_mut().find(|known| known.block == entry.block) {
                Some(known) => known.count += entry.count,
                None => self.entries.push(entry),
            }
        }
        if let Some((first, rest)) = self.entries.split_first_mut() {
            for entry in rest {
                if entry.count > first.count {
                    std::mem::swap(entry, first);
                }
            }
        }
    }

    /// Adds levels for the ancestors of the first entry, which has enough votes alone, until it
    /// meets another one or a pending one joins. Returns whether it meets one in the next step.
    fn race(&mut self, arena: &Arena) -> bool {
        let Some((first, rest)) = self.entries.split_first_mut() else { return true };
        let joins = self.pending.last().map_or(0, |entry| entry.height);
        loop {
            let parent = arena.slot(first.block).parent;
            let apart = |entry: &Entry| arena.slot(entry.block).parent != parent;
            if !rest.iter().all(apart) {
                return true;
            }
            self.levels.push(Level::single(parent, first.block, first.count));
            first.block = parent;
            for entry in &mut *rest {
                entry.block = arena.slot(entry.block).parent;
            }
            self.present = self.present.saturating_sub(1);
            if self.present == joins {
                return false;
            }
        }
    }

    /// Replaces the entries by their parents, and adds a level for the one with enough votes.
    fn merge(&mut self, arena: &Arena, alpha_preference: u32) {
        self.present = self.present.saturating_sub(1);
        for entry in &mut self.entries {
            entry.child = entry.block;
            entry.block = arena.slot(entry.block).parent;
        }
        if let Some(parent) = self.parent_with(alpha_preference) {
            self.add_level(parent);
        }
        let mut at = 1;
        while let Some((entry, earlier)) =
            self.entries.get_mut(..=at).and_then(<[Entry]>::split_last_mut)
        {
            match earlier.iter_mut().find(|known| known.block == entry.block) {
                Some(known) => {
                    known.count += entry.count;
                    self.entries.swap_remove(at);
                }
                None => at += 1,
            }
        }
    }

    /// The parent whose children have at least `alpha_preference` votes together. There is at most
    /// one.
    fn parent_with(&self, alpha_preference: u32) -> Option<BlockRef> {
        let enough = |count: u32| count >= alpha_preference;
        let alone = self.entries.iter().find(|entry| enough(entry.count));
        let together = || self.entries.iter().find(|entry| enough(self.votes_below(entry.block)));
        alone.or_else(together).map(|entry| entry.block)
    }

    fn votes_below(&self, parent: BlockRef) -> u32 {
        self.entries.iter().filter(|entry| entry.block == parent).map(|entry| entry.count).sum()
    }

    fn add_level(&mut self, parent: BlockRef) {
        let first = self.ballots.len();
        let mut level = Level::single(parent, BlockRef::NONE, 0);
        for entry in self.entries.iter().filter(|entry| entry.block == parent) {
            self.ballots.push(Ballot { choice: entry.child.choice(), count: entry.count });
            level.count += entry.count;
            if entry.count > level.child_count {
                (level.child, level.child_count) = (entry.child, entry.count);
            }
        }
        (level.first, level.len) = (index(first), index(self.ballots.len() - first));
        self.levels.push(level);
    }

    /// Adds a level for every ancestor of the only entry that is left.
    fn follow(&mut self, arena: &Arena, last_accepted: BlockRef, entry: Entry) {
        self.base = last_accepted;
        self.count = entry.count;
        let mut block = entry.block;
        while block != last_accepted {
            self.chain.push(block);
            block = arena.slot(block).parent;
        }
    }
}

/// The block of a level.
fn parent(level: Option<&Level>) -> BlockRef {
    level.map_or(BlockRef::NONE, |level| level.parent)
}

/// An index into working memory, which holds far fewer than 2^32 ballots.
fn index(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
