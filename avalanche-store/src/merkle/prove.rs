//! Makes proofs and lists of entries from a tree.

use super::Hash;
use super::hash::EMPTY;
use super::node::{Item, Node, Root};
use super::path::{Path, bit, nibble};
use super::proof::{End, Proof};
use super::range::{Bounds, Mark, RangeProof, Side, with_bit};
use super::tree::{Load, Tree};

/// Key hash and value hash of each entry of a part of a tree, in order.
pub(crate) type Entries = Vec<(Hash, Hash)>;

impl Tree {
    /// The proof of what a key has.
    pub(crate) fn prove<L: Load>(&self, key: &Hash, load: &L) -> Result<Proof, L::Error> {
        let mut siblings = Vec::with_capacity(32);
        let mut item = Item::of(*self.root());
        let mut depth = 0;
        loop {
            let step = match &item {
                Item::Empty => Err(End::Empty),
                Item::Leaf(leaf) => Err(end(key, (leaf.key, leaf.value))),
                Item::Twig(twig) => node_step(&twig.node(depth), key, depth, &mut siblings),
                Item::Inner { hash, at } => {
                    let path = Path::of(key, depth);
                    self.with_node(hash, *at, &path, load, |node| {
                        Ok(node_step(node, key, depth, &mut siblings))
                    })?
                }
            };
            match step {
                Ok(below) => item = below,
                Err(end) => return Ok(Proof::new(siblings, end)),
            }
            depth += 1;
        }
    }

    /// Up to `max` entries whose key hashes lie from `from` up to, and without, `end`.
    pub(crate) fn entries<L: Load>(
        &self,
        from: &Hash,
        end: Option<&Hash>,
        max: usize,
        load: &L,
    ) -> Result<Entries, L::Error> {
        let mut list = List { tree: self, load, from, end, max, found: Vec::new() };
        list.item(&Item::of(*self.root()), &Path::of(&EMPTY, 0), true)?;
        Ok(list.found)
    }

    /// The proof that `entries` are all whose key hashes lie in a range, which they are.
    pub(crate) fn prove_range<L: Load>(
        &self,
        from: &Hash,
        end: Option<&Hash>,
        entries: Vec<(Vec<u8>, Vec<u8>)>,
        load: &L,
    ) -> Result<RangeProof, L::Error> {
        let bounds = Bounds { from: *from, end: end.copied() };
        let mut walk = Walk { tree: self, load, bounds, marks: Vec::new() };
        match self.root() {
            Root::Empty => walk.mark(&Sub::Empty, &EMPTY, 0)?,
            Root::Leaf(leaf) => walk.mark(&Sub::Leaf(leaf.key, leaf.value), &EMPTY, 0)?,
            Root::Node { hash, at } => {
                self.with_node(hash, *at, &Path::of(&EMPTY, 0), load, |node| {
                    walk.mark(&Sub::Inner(node, 1, *hash), &EMPTY, 0)
                })?;
            }
        }
        Ok(RangeProof::new(bounds, entries, walk.marks))
    }
}

fn end(key: &Hash, (other, value): (Hash, Hash)) -> End {
    if other == *key { End::Own } else { End::Other { key: other, value } }
}

/// Follows a key through the four levels of a node: what is below, or where the path ends.
fn node_step(node: &Node, key: &Hash, depth: usize, siblings: &mut Vec<Hash>) -> Result<Item, End> {
    let mut position = 1;
    for level in 4 * depth..4 * depth + 4 {
        position = 2 * position + usize::from(bit(key, level));
        siblings.push(node.hash_at(position ^ 1));
        if !node.shape().exists(position) {
            return Err(End::Empty);
        }
        if node.is_leaf(position) {
            return Err(end(key, node.leaf_pair(node.shape().slot_below(position))));
        }
    }
    Ok(node.item(nibble(key, depth)))
}

struct List<'a, L> {
    tree: &'a Tree,
    load: &'a L,
    from: &'a Hash,
    end: Option<&'a Hash>,
    max: usize,
    found: Entries,
}

impl<L: Load> List<'_, L> {
    /// Lists what is below an item. `edge`: it may hold key hashes below `from`. Gives whether to
    /// go on.
    fn item(&mut self, item: &Item, path: &Path, edge: bool) -> Result<bool, L::Error> {
        match item {
            Item::Empty => Ok(true),
            Item::Leaf(leaf) => Ok(self.leaf((leaf.key, leaf.value))),
            Item::Twig(twig) => {
                Ok(twig.pairs().iter().all(|[key, value]| self.leaf((*key, *value))))
            }
            Item::Inner { hash, at } => {
                let depth = path.depth();
                self.tree.with_node(hash, *at, path, self.load, |node| {
                    let first = if edge { nibble(self.from, depth) } else { 0 };
                    for slot in node.shape().slots().filter(|slot| *slot >= first) {
                        let below = node.item(slot);
                        if !self.item(&below, &path.child(slot), edge && slot == first)? {
                            return Ok(false);
                        }
                    }
                    Ok(true)
                })
            }
        }
    }

    fn leaf(&mut self, pair: (Hash, Hash)) -> bool {
        if self.found.len() >= self.max || self.end.is_some_and(|end| pair.0 >= *end) {
            return false;
        }
        if pair.0 >= *self.from {
            self.found.push(pair);
        }
        true
    }
}

/// A subtree that begins anywhere.
enum Sub<'a> {
    Empty,
    Leaf(Hash, Hash),
    /// A position in a node, with its hash.
    Inner(&'a Node, usize, Hash),
}

struct Walk<'a, L> {
    tree: &'a Tree,
    load: &'a L,
    bounds: Bounds,
    marks: Vec<Mark>,
}

impl<L: Load> Walk<'_, L> {
    fn mark(&mut self, sub: &Sub<'_>, prefix: &Hash, depth: usize) -> Result<(), L::Error> {
        let side = self.bounds.side(prefix, depth);
        if side == Side::Inside {
            return Ok(());
        }
        let mark = match sub {
            Sub::Empty => Mark::Empty,
            Sub::Leaf(key, _) if self.bounds.contains(key) => Mark::Entry,
            Sub::Leaf(key, value) => Mark::Leaf { key: *key, value: *value },
            Sub::Inner(_, _, hash) if side == Side::Outside => Mark::Inner(*hash),
            Sub::Inner(node, position, _) => {
                self.marks.push(Mark::Descend);
                for right in [false, true] {
                    let position = 2 * position + usize::from(right);
                    self.half(node, position, &with_bit(prefix, depth, right), depth + 1)?;
                }
                return Ok(());
            }
        };
        self.marks.push(mark);
        Ok(())
    }

    fn half(
        &mut self,
        node: &Node,
        position: usize,
        prefix: &Hash,
        depth: usize,
    ) -> Result<(), L::Error> {
        let hash = node.hash_at(position);
        if !node.shape().exists(position) {
            return self.mark(&Sub::Empty, prefix, depth);
        }
        if node.is_leaf(position) {
            let (key, value) = node.leaf_pair(node.shape().slot_below(position));
            return self.mark(&Sub::Leaf(key, value), prefix, depth);
        }
        if position < 16 || self.bounds.side(prefix, depth) != Side::Edge {
            return self.mark(&Sub::Inner(node, position, hash), prefix, depth);
        }
        let slot = position - 16;
        if let Item::Twig(twig) = node.item(slot) {
            return self.mark(&Sub::Inner(&twig.node(depth / 4), 1, hash), prefix, depth);
        }
        let at = node.node(slot);
        let (tree, load) = (self.tree, self.load);
        tree.with_node(&hash, at, &Path::of(prefix, depth / 4), load, |below| {
            self.mark(&Sub::Inner(below, 1, hash), prefix, depth)
        })
    }
}
