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
}

/// A block whose tree takes part in the poll, with the votes for its children.
#[derive(Clone, Copy, Debug)]
struct Level {
    parent: BlockRef,
    first: u32,
    len: u32,
    count: u32,
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
    /// Their parents.
    parents: Vec<Entry>,
    /// Levels whose children have votes of their own, lowest height last.
    levels: Vec<Level>,
    ballots: Vec<Ballot>,
    /// The blocks below those levels, lowest height last: the only child with votes of each level from
    /// `base` up. All votes are for each of them.
    chain: Vec<BlockRef>,
    base: BlockRef,
    count: u32,
    /// The ballot of the level of the chain that was taken last.
    ballot: [Ballot; 1],
}

impl Climb {
    pub(super) const fn new() -> Self {
        Self {
            pending: Vec::new(),
            entries: Vec::new(),
            parents: Vec::new(),
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
        while self.rise(arena) {
            if let ([entry], []) = (self.entries.as_slice(), self.pending.as_slice()) {
                self.follow(arena, last_accepted, *entry);
                return;
            }
            self.merge(arena, last_accepted, alpha_preference);
        }
    }

    /// Takes the level nearest to the last accepted block: its block, the ballots for its tree, and how
    /// many votes they are.
    pub(super) fn pop(&mut self) -> Option<(BlockRef, &mut [Ballot], u32)> {
        if let Some(child) = self.chain.pop() {
            let parent = std::mem::replace(&mut self.base, child);
            self.ballot = [Ballot { choice: child.choice(), count: self.count }];
            return Some((parent, &mut self.ballot, self.count));
        }
        let level = self.levels.pop()?;
        let range = level.first as usize..(level.first + level.len) as usize;
        Some((level.parent, self.ballots.get_mut(range).unwrap_or_default(), level.count))
    }

    /// The block of the level that comes next.
    pub(super) fn peek(&self) -> BlockRef {
        if self.chain.is_empty() {
            self.levels.last().map_or(BlockRef::NONE, |level| level.parent)
        } else {
            self.base
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
                    self.pending.push(Entry { block, count });
                }
                _ => {}
            }
        }
        if self.pending.len() > 1 {
            self.pending.sort_unstable_by_key(|entry| arena.slot(entry.block).height);
        }
        counted
    }

    /// Brings the pending blocks of the present height in, and returns whether any vote is left.
    ///
    /// The present height is that of the entries or, if there are none, the highest pending one.
    fn rise(&mut self, arena: &Arena) -> bool {
        let Some(first) = self.entries.first().or(self.pending.last()) else {
            return false;
        };
        let height = arena.slot(first.block).height;
        while let Some(entry) =
            self.pending.pop_if(|entry| arena.slot(entry.block).height == height)
        {
            add(&mut self.entries, entry);
        }
        true
    }

    /// Replaces the entries by their parents, and adds a level for the one with enough votes.
    fn merge(&mut self, arena: &Arena, last_accepted: BlockRef, alpha_preference: u32) {
        self.parents.clear();
        for entry in &self.entries {
            let block = arena.slot(entry.block).parent;
            add(&mut self.parents, Entry { block, count: entry.count });
        }
        for parent in &self.parents {
            if parent.count >= alpha_preference {
                let first = self.ballots.len();
                let children =
                    self.entries.iter().filter(|e| arena.slot(e.block).parent == parent.block);
                self.ballots
                    .extend(children.map(|e| Ballot { choice: e.block.choice(), count: e.count }));
                let len = self.ballots.len() - first;
                self.levels.push(Level {
                    parent: parent.block,
                    first: index(first),
                    len: index(len),
                    count: parent.count,
                });
            }
        }
        std::mem::swap(&mut self.entries, &mut self.parents);
        self.entries.retain(|entry| entry.block != last_accepted);
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

/// Adds the votes of `entry` to those of its block.
fn add(entries: &mut Vec<Entry>, entry: Entry) {
    match entries.iter_mut().find(|known| known.block == entry.block) {
        Some(known) => known.count += entry.count,
        None => entries.push(entry),
    }
}

/// An index into working memory, which holds far fewer than 2^32 ballots.
fn index(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
