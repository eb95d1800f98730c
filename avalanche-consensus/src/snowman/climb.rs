//! From votes for blocks to votes for the children of each block: AvalancheGo's Kahn sort, as a climb.
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
//! `alpha_preference` votes together becomes a level. Because that is more than half of `k`, no height
//! has two, and the levels form one chain down from the last accepted block. Source of the rule:
//! `calculateInDegree` and `pushVotes` in `snow/consensus/snowman/topological.go` of AvalancheGo.

use super::arena::{Arena, BlockRef};
use crate::Bag;
use crate::snowball::Ballot;

/// Votes for a block and its descendants.
#[derive(Clone, Copy, Debug)]
struct Entry {
    block: BlockRef,
    count: u32,
    /// The child of the block that the votes came from; none for votes given to the block itself.
    child: BlockRef,
}

/// A block whose tree takes part in the poll, with the votes for its children.
#[derive(Clone, Copy, Debug)]
struct Level {
    parent: BlockRef,
    /// The child that has all the votes, if one has.
    only: BlockRef,
    count: u32,
    /// The votes, otherwise.
    first: u32,
    len: u32,
}

/// A level whose votes are all for one child.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) parent: BlockRef,
    pub(super) child: BlockRef,
    /// The block of the level after it.
    pub(super) next: BlockRef,
    pub(super) count: u32,
}

/// The working memory of a poll, kept between polls so that none of them allocates.
///
/// Bounded by `k` entries, and by one level for each undecided height with at most `k` ballots.
#[derive(Clone, Debug)]
pub(super) struct Climb {
    /// Voted blocks that are not reached yet, lowest height first.
    pending: Vec<Entry>,
    /// Blocks at the present height.
    entries: Vec<Entry>,
    /// Levels that were found while there were several entries, lowest height last.
    levels: Vec<Level>,
    ballots: Vec<Ballot>,
    /// The blocks below those levels, lowest height last: the only child with votes of each level from
    /// `base` up. All votes are for each of them.
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
            self.rise(arena);
            if let ([entry], []) = (self.entries.as_slice(), self.pending.as_slice()) {
                self.follow(arena, last_accepted, *entry);
                return;
            }
            self.merge(arena, alpha_preference);
        }
    }

    /// Whether no level is left.
    pub(super) const fn is_empty(&self) -> bool {
        self.chain.is_empty() && self.levels.is_empty()
    }

    /// The block of the level that comes next.
    pub(super) fn peek(&self) -> BlockRef {
        if self.chain.is_empty() { parent(self.levels.last()) } else { self.base }
    }

    /// The level that comes next, if all its votes are for one child.
    pub(super) fn link(&self) -> Option<Link> {
        if let Some((child, rest)) = self.chain.split_last() {
            let next = if rest.is_empty() { parent(self.levels.last()) } else { *child };
            return Some(Link { parent: self.base, child: *child, next, count: self.count });
        }
        let (level, rest) = self.levels.split_last()?;
        let Level { parent: block, only, count, .. } = *level;
        let link = Link { parent: block, child: only, next: parent(rest.last()), count };
        (!only.is_none()).then_some(link)
    }

    /// Takes the level that [`Climb::link`] showed.
    pub(super) fn advance(&mut self) {
        match self.chain.pop() {
            Some(child) => self.base = child,
            None => {
                self.levels.pop();
            }
        }
    }

    /// Takes the level nearest to the last accepted block: the ballots for its tree, and how many votes
    /// they are.
    pub(super) fn pop(&mut self) -> Option<(&mut [Ballot], u32)> {
        if let Some(Link { child, count, .. }) = self.link() {
            self.advance();
            self.ballot = [Ballot { choice: child.choice(), count }];
            return Some((&mut self.ballot, count));
        }
        let level = self.levels.pop()?;
        let range = level.first as usize..(level.first + level.len) as usize;
        Some((self.ballots.get_mut(range).unwrap_or_default(), level.count))
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
                    self.pending.push(Entry { block, count, child: BlockRef::NONE });
                }
                _ => {}
            }
        }
        if self.pending.len() > 1 {
            self.pending.sort_unstable_by_key(|entry| arena.height(entry.block));
        }
        counted
    }

    /// Brings the pending blocks of the present height in.
    ///
    /// The present height is that of the entries or, if there are none, the highest pending one.
    fn rise(&mut self, arena: &Arena) {
        let Some(next) = self.pending.last() else { return };
        let next = arena.height(next.block);
        if self.entries.first().is_some_and(|entry| arena.height(entry.block) != next) {
            return;
        }
        while let Some(entry) = self.pending.pop_if(|entry| arena.height(entry.block) == next) {
            match self.entries.iter_mut().find(|known| known.block == entry.block) {
                Some(known) => known.count += entry.count,
                None => self.entries.push(entry),
            }
        }
    }

    /// Replaces the entries by their parents, and adds a level for the one with enough votes.
    fn merge(&mut self, arena: &Arena, alpha_preference: u32) {
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

    /// The parent whose children have at least `alpha_preference` votes together. There is at most one.
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
        let mut level =
            Level { parent, only: BlockRef::NONE, count: 0, first: index(first), len: 0 };
        for entry in self.entries.iter().filter(|entry| entry.block == parent) {
            level.only = entry.child;
            level.count += entry.count;
            level.len += 1;
            self.ballots.push(Ballot { choice: entry.child.choice(), count: entry.count });
        }
        if level.len > 1 {
            level.only = BlockRef::NONE;
        }
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
