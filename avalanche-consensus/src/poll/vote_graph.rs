//! The votes of one poll on the block tree: every count that an instance would see.

use std::mem;

use super::Ancestry;
use super::prefix_counts::{Sibling, all_prefix_counts};
use crate::vocabulary::IdMap;
use crate::{Bag, HashKey, Id};

/// The blocks that were voted for and their ancestors, with the votes for each or its descendants.
///
/// ```text
///      (root)       Votes for a, b and c. All climbs go up one block at a time. Those from b and c
///         |         meet in p, those from p and a in q, and then one climb is left that carries
///         q         every vote: each count from q on is the number of votes, and no block above q
///        / \        has two children here, so there is nothing more to look at.
///       a   p       Had one climb ended at a block without a known parent, the others would have
///          / \      to go on to their end.
///         b   c
/// ```
///
/// Between two calls it holds nothing but memory that is used again.
#[derive(Clone, Debug)]
pub(super) struct VoteGraph {
    key: HashKey,
    /// The voted blocks first, then the ancestors as the climbs reached them.
    vertices: Vec<Vertex>,
    /// Positions of the vertices, kept while there are more than [`SCANNED_MAX`].
    positions: IdMap<Id, usize>,
    /// The vertices that climbs go on from.
    heads: Vec<usize>,
    /// The children of each block with two or more.
    siblings: Vec<Sibling>,
    /// A graph with more vertices is given up. It holds at most one level of the climb more.
    pub(super) vertices_max: u32,
}

impl VoteGraph {
    pub(super) fn new(key: HashKey, vertices_max: u32) -> Self {
        Self {
            key,
            vertices: Vec::new(),
            positions: IdMap::new(key),
            heads: Vec::new(),
            siblings: Vec::new(),
            vertices_max,
        }
    }

    /// The same bound, and memory of its own.
    pub(super) fn fresh(&self) -> Self {
        Self::new(self.key, self.vertices_max)
    }

    /// Whether `holds` is true for every transitive count and every prefix count.
    ///
    /// Stops at the first that it is not true for. Equal counts on one path may be asked about only
    /// once. False if the graph has a cycle or more vertices than allowed, so that a poll on such a
    /// relation waits for its answers.
    pub(super) fn all_counts(
        &mut self,
        votes: &Bag,
        ancestry: &impl Ancestry,
        mut holds: impl FnMut(u32) -> bool,
    ) -> bool {
        self.climb(votes, ancestry)
            && self.all_transitive_counts(votes.as_slice().len(), &mut holds)
            && self.all_sibling_counts(&mut holds)
    }

    /// Builds the graph. False if it has too many vertices.
    fn climb(&mut self, votes: &Bag, ancestry: &impl Ancestry) -> bool {
        self.vertices.clear();
        self.positions.clear();
        self.heads.clear();
        for (id, count) in votes.iter() {
            let position = self.push(*id, count);
            self.heads.push(position);
        }
        let vertices_max = usize::try_from(self.vertices_max).unwrap_or(usize::MAX);
        let mut one_ended = false;
        // A single climb carries every vote, unless another one has ended elsewhere.
        while self.heads.len() > usize::from(!one_ended) {
            if self.vertices.len() > vertices_max {
                return false;
            }
            one_ended |= self.climb_one_level(ancestry);
        }
        true
    }

    /// Takes every climb to the next parent. True if one of them has ended.
    fn climb_one_level(&mut self, ancestry: &impl Ancestry) -> bool {
        let mut one_ended = false;
        let mut heads = mem::take(&mut self.heads);
        heads.retain_mut(|head| match self.step(*head, ancestry) {
            Step::Reached(parent) => {
                *head = parent;
                true
            }
            Step::Met => false,
            Step::Ended => {
                one_ended = true;
                false
            }
        });
        self.heads = heads;
        one_ended
    }

    /// Adds the parent of the vertex at `child` to the graph and the edge between them.
    fn step(&mut self, child: usize, ancestry: &impl Ancestry) -> Step {
        let parent = self.vertices.get(child).and_then(|vertex| ancestry.parent(&vertex.id));
        let Some(parent) = parent else {
            return Step::Ended;
        };
        let (position, step) = match self.position(&parent) {
            Some(known) => (known, Step::Met),
            None => {
                let new = self.push(parent, 0);
                (new, Step::Reached(new))
            }
        };
        if let Some(vertex) = self.vertices.get_mut(child) {
            vertex.parent = Some(position);
        }
        if let Some(vertex) = self.vertices.get_mut(position) {
            vertex.children += 1;
        }
        step
    }

    /// Adds up the counts from the leaves, each of which is among the first `voted` vertices. False
    /// if `holds` is, or if a cycle keeps a vertex from being counted.
    fn all_transitive_counts(&mut self, voted: usize, holds: &mut impl FnMut(u32) -> bool) -> bool {
        let mut counted = 0;
        for leaf in 0..voted {
            let mut next = self.vertices.get(leaf).is_some_and(Vertex::is_leaf).then_some(leaf);
            while let Some(vertex) = next.and_then(|position| self.vertices.get(position)) {
                let (count, parent) = (vertex.count, vertex.parent);
                if !holds(count) {
                    return false;
                }
                counted += 1;
                next = parent.filter(|parent| self.add_child_count(*parent, count));
            }
        }
        counted == self.vertices.len()
    }

    /// Adds the count of one child to its parent. True if that was the last child.
    fn add_child_count(&mut self, parent: usize, count: u32) -> bool {
        self.vertices.get_mut(parent).is_some_and(|vertex| {
            vertex.count = vertex.count.saturating_add(count);
            vertex.children_counted += 1;
            vertex.children_counted == vertex.children
        })
    }

    /// Checks the prefix counts of each block with two or more children.
    fn all_sibling_counts(&mut self, holds: &mut impl FnMut(u32) -> bool) -> bool {
        self.siblings.clear();
        for vertex in &self.vertices {
            if let Some(parent) = vertex.parent
                && self.vertices.get(parent).is_some_and(|parent| parent.children > 1)
            {
                self.siblings.push(Sibling { parent, id: vertex.id, count: vertex.count });
            }
        }
        self.siblings.sort_unstable_by(Sibling::order);
        self.siblings
            .chunk_by(|a, b| a.parent == b.parent)
            .all(|siblings| all_prefix_counts(siblings, holds))
    }

    fn push(&mut self, id: Id, count: u32) -> usize {
        let position = self.vertices.len();
        self.vertices.push(Vertex { id, count, parent: None, children: 0, children_counted: 0 });
        if position > SCANNED_MAX {
            self.positions.insert(id, position);
        } else if position == SCANNED_MAX {
            for (position, vertex) in self.vertices.iter().enumerate() {
                self.positions.insert(vertex.id, position);
            }
        }
        position
    }

    fn position(&self, id: &Id) -> Option<usize> {
        if self.vertices.len() > SCANNED_MAX {
            self.positions.get(id).copied()
        } else {
            self.vertices.iter().position(|vertex| vertex.id == *id)
        }
    }
}

/// A block of the graph.
#[derive(Clone, Debug)]
struct Vertex {
    id: Id,
    /// Votes for this block and for those of its descendants that were counted already.
    count: u32,
    parent: Option<usize>,
    children: u32,
    children_counted: u32,
}

impl Vertex {
    const fn is_leaf(&self) -> bool {
        self.children == 0
    }
}

/// What one level of a climb led to.
enum Step {
    /// A block that no climb had reached, at this position.
    Reached(usize),
    /// A block of another climb, which carries the votes on.
    Met,
    /// Nothing: the parent is not known.
    Ended,
}

/// Up to this many vertices a scan is faster than a hash table.
const SCANNED_MAX: usize = 32;
