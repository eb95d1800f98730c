//! Nodes as records.
//!
//! The layout is our own: a record is written for each dirty node, and is a third shorter than one
//! with inner hashes, which reading computes anew to compare them with what the parent says.
//!
//! ```text
//!   version 2 | occupied u16 | leaves u16 | twigs u16 | for each occupied slot, ascending
//!                                             leaf: key hash 32, value hash 32
//!                                             twig: leaves u8, for each key hash 32, value hash 32
//!                                             node: height written u64, hash 32
//! ```
//! All numbers are little-endian. Version 1 had no twigs, and a node for each: it is read, and its
//! small nodes stay until their keys change.

use super::super::cells::Cells;
use super::super::hash::{Hash, is_leaf};
use super::super::path::{NIBBLES, Path, nibble};
use super::super::seen::Seen;
use super::{Item, Kind, Leaf, NOT_LOADED, Node, Packed, Ref, TWIG_MAX, Twig};

/// The version of a node's record.
pub(crate) const VERSION: u8 = 2;

/// Why bytes are no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// Written by a later release.
    Version(u8),
    /// Not a node's bytes, or not of the node that its parent means.
    Bytes(&'static str),
}

impl Node {
    /// The record of this node, which is whole.
    pub(crate) fn record(&self) -> Vec<u8> {
        let (mut leaves, mut twigs) = (0_u16, 0_u16);
        for slot in self.shape.slots() {
            match self.shape.kind(slot) {
                Kind::Leaf => leaves |= 1 << slot,
                Kind::Twig => twigs |= 1 << slot,
                Kind::Inner | Kind::Empty => {}
            }
        }
        let nodes = self.shape.nodes().count_ones() as usize;
        let bytes = 7 + 32 * self.shape.leaf_cells() + twigs.count_ones() as usize + 40 * nodes;
        let mut record = Vec::with_capacity(bytes);
        record.push(VERSION);
        for slots in [self.shape.occupied, leaves, twigs] {
            record.extend(slots.to_le_bytes());
        }
        for slot in self.shape.slots() {
            let leaves = self.shape.leaves_in(slot);
            if leaves == 0 {
                record.extend(self.node(slot).born.to_le_bytes());
                record.extend(self.hash_at(16 + slot));
                continue;
            }
            if leaves > 1 {
                record.push(u8::try_from(leaves).unwrap_or(u8::MAX));
            }
            for number in 0..leaves {
                record.extend(self.leaf_key(slot, number));
                record.extend(self.leaf_value(slot, number));
            }
        }
        record
    }

    /// The node of a record, if it is the one at `path` whose hash is `expected`.
    pub(crate) fn decode(bytes: &[u8], path: &Path, expected: &Hash) -> Result<Self, Malformed> {
        let (version, rest) = bytes.split_first().ok_or(SHORT)?;
        let (occupied, mut rest) = match *version {
            1 | VERSION => take(rest)?,
            later => return Err(Malformed::Version(later)),
        };
        let (leaves, twigs): ([u8; 2], [u8; 2]);
        (leaves, rest) = take(rest)?;
        (twigs, rest) = if *version == 1 { ([0; 2], rest) } else { take(rest)? };
        let [occupied, leaves, twigs] = [occupied, leaves, twigs].map(u16::from_le_bytes);
        if (leaves | twigs) & !occupied != 0 || leaves & twigs != 0 {
            return Err(Malformed::Bytes("a node's record has leaves in the wrong slots"));
        }
        let mut items = [Item::Empty; 16];
        for (slot, item) in items.iter_mut().enumerate() {
            if occupied >> slot & 1 == 0 {
                continue;
            }
            (*item, rest) = if leaves >> slot & 1 == 1 {
                let ([key, value], rest) = take_leaf(rest, path, slot)?;
                (Item::Leaf(Leaf::new(key, value)), rest)
            } else if twigs >> slot & 1 == 1 {
                take_twig(rest, path, slot)?
            } else {
                take_node(rest, path)?
            };
        }
        if !rest.is_empty() {
            return Err(Malformed::Bytes("a node's record has bytes too many"));
        }
        let none = Self::default();
        match Self::pack(&items, u32::MAX, Seen::alone(&none), &mut Cells::default(), false).0 {
            Packed::Node(node, hash) if hash == *expected => Ok(node),
            _ => Err(Malformed::Bytes("a node's hash is not what its parent or root says")),
        }
    }
}

const SHORT: Malformed = Malformed::Bytes("a node's record is cut short");

/// The next bytes, and what follows them.
fn take<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), Malformed> {
    bytes.split_first_chunk().map(|(first, rest)| (*first, rest)).ok_or(SHORT)
}

fn take_leaf<'a>(
    bytes: &'a [u8],
    path: &Path,
    slot: usize,
) -> Result<([Hash; 2], &'a [u8]), Malformed> {
    let (key, rest) = take(bytes)?;
    let (value, rest) = take(rest)?;
    if Path::of(&key, path.depth()) != *path || nibble(&key, path.depth()) != slot {
        return Err(Malformed::Bytes("a node's record has a leaf of another place"));
    }
    Ok(([key, value], rest))
}

fn take_twig<'a>(bytes: &'a [u8], path: &Path, slot: usize) -> Result<(Item, &'a [u8]), Malformed> {
    const NONE: Malformed = Malformed::Bytes("a node's record has a twig that cannot be");
    let ([count], mut rest) = take(bytes)?;
    let mut pairs = [[[0; 32]; 2]; TWIG_MAX];
    let pairs = pairs.get_mut(..usize::from(count)).ok_or(NONE)?;
    for pair in &mut *pairs {
        (*pair, rest) = take_leaf(rest, path, slot)?;
    }
    let twig = Twig::of_pairs(pairs, path.depth() + 1).ok_or(NONE)?;
    Ok((Item::Twig(twig), rest))
}

fn take_node<'a>(bytes: &'a [u8], path: &Path) -> Result<(Item, &'a [u8]), Malformed> {
    let (born, rest) = take(bytes)?;
    let (hash, rest) = take(rest)?;
    if is_leaf(&hash) || path.depth() + 1 >= NIBBLES {
        return Err(Malformed::Bytes("a node's record names a node that cannot be"));
    }
    let at = Ref { slot: NOT_LOADED, serial: 0, born: u64::from_le_bytes(born) };
    Ok((Item::Inner { hash, at }, rest))
}

#[cfg(test)]
mod tests {
    use super::super::Root;
    use super::*;

    const DEPTH: usize = 3;

    /// A key whose nibbles at the depth of the node and below are these.
    fn pair(first: u8, second: u8) -> [Hash; 2] {
        let mut key = [7; 32];
        key[1] = 0x70 | first;
        key[2] = second << 4 | 7;
        [key, [first << 4 | second; 32]]
    }

    fn path() -> Path {
        Path::of(&pair(0, 0)[0], DEPTH)
    }

    /// A node with a leaf, twigs of two, three and four leaves, and a node below.
    fn node() -> (Node, Hash) {
        let mut items = [Item::Empty; 16];
        let [key, value] = pair(1, 5);
        items[1] = Item::Leaf(Leaf::new(key, value));
        for (slot, leaves) in [(3, 2), (4, 3), (9, 4)] {
            let pairs: Vec<_> = (0..leaves).map(|n| pair(slot, 3 * n + 1)).collect();
            items[usize::from(slot)] = Item::Twig(Twig::of_pairs(&pairs, DEPTH + 1).unwrap());
        }
        let at = Ref { slot: NOT_LOADED, serial: 0, born: 77 };
        items[12] = Item::Inner { hash: [8; 32], at };
        let none = Node::default();
        match Node::pack(&items, u32::MAX, Seen::alone(&none), &mut Cells::default(), false).0 {
            Packed::Node(node, hash) => (node, hash),
            Packed::NoNode(_) => panic!("a node"),
        }
    }

    #[test]
    fn a_record_is_read_back_and_cut_short_or_changed_it_is_refused() {
        let (node, hash) = node();
        let record = node.record();
        assert_eq!(record.len(), 7 + 64 + (1 + 2 * 64) + (1 + 3 * 64) + (1 + 4 * 64) + 40);
        let read = Node::decode(&record, &path(), &hash).unwrap();
        assert_eq!(read.record(), record);
        for slot in 0..16 {
            assert_eq!(read.item(slot), node.item(slot));
        }
        for len in 0..record.len() {
            assert!(Node::decode(&record[..len], &path(), &hash).is_err(), "{len}");
        }
        let mut longer = record.clone();
        longer.push(0);
        assert!(Node::decode(&longer, &path(), &hash).is_err());
        for bit in 0..8 * record.len() {
            let mut other = record.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            let read = Node::decode(&other, &path(), &hash);
            // When a node was written is in no hash.
            let born = record.len() - 40..record.len() - 32;
            assert_eq!(read.is_ok(), born.contains(&(bit / 8)), "bit {bit}");
        }
        let later = [&[VERSION + 1], &record[1..]].concat();
        let refused = Node::decode(&later, &path(), &hash).map(|_| ());
        assert_eq!(refused, Err(Malformed::Version(VERSION + 1)));
    }

    /// One twig, with these leaves, beside a leaf.
    fn twig_record(leaves: u8, pairs: &[[Hash; 2]]) -> Vec<u8> {
        let mut record = vec![VERSION];
        for slots in [1_u16 << 1 | 1 << 3, 1 << 1, 1 << 3] {
            record.extend(slots.to_le_bytes());
        }
        record.extend(pair(1, 5).as_flattened());
        record.push(leaves);
        record.extend(pairs.as_flattened().as_flattened());
        record
    }

    #[test]
    fn twigs_that_cannot_be_are_refused() {
        let refusal = |leaves, pairs: &[[Hash; 2]]| match Node::decode(
            &twig_record(leaves, pairs),
            &path(),
            &[0; 32],
        )
        .map(|_| ())
        {
            Err(Malformed::Bytes(why)) => why,
            other => panic!("{other:?}"),
        };
        let hash = "a node's hash is not what its parent or root says";
        let twig = "a node's record has a twig that cannot be";
        assert_eq!(refusal(2, &[pair(3, 1), pair(3, 2)]), hash);
        assert_eq!(refusal(2, &[pair(3, 2), pair(3, 1)]), twig);
        assert_eq!(refusal(2, &[pair(3, 1), pair(3, 1)]), twig);
        assert_eq!(refusal(1, &[pair(3, 1)]), twig);
        assert_eq!(refusal(0, &[]), twig);
        let five: Vec<_> = (0..5).map(|n| pair(3, n)).collect();
        assert_eq!(refusal(5, &five), twig);
        assert_eq!(refusal(255, &five), twig);
        let elsewhere = "a node's record has a leaf of another place";
        assert_eq!(refusal(2, &[pair(3, 1), pair(4, 2)]), elsewhere);
        let mut both = twig_record(2, &[pair(3, 1), pair(3, 2)]);
        both[3] |= 1 << 3;
        let refused = Node::decode(&both, &path(), &[0; 32]).map(|_| ());
        let why = "a node's record has leaves in the wrong slots";
        assert_eq!(refused, Err(Malformed::Bytes(why)));
    }

    /// A record of version 1, which has a node where there is a twig now, and one of leaves only.
    #[test]
    fn records_of_version_1_are_read() {
        let pairs = [pair(2, 1), pair(5, 2), pair(11, 3)];
        let slots: u16 = 1 << 2 | 1 << 5 | 1 << 11;
        let twig = Twig::of_pairs(&pairs, DEPTH).unwrap();
        let mut record = vec![1];
        record.extend([slots.to_le_bytes(), slots.to_le_bytes()].as_flattened());
        record.extend(pairs.as_flattened().as_flattened());
        let node = Node::decode(&record, &path(), &twig.hash).unwrap();
        assert_eq!(node.record(), twig.node(DEPTH).record());
        assert_eq!(twig.leaves().count(), 3);
        let mut parent = vec![1];
        parent.extend([slots.to_le_bytes(), (slots & !(1 << 5)).to_le_bytes()].as_flattened());
        parent.extend(pairs[0].as_flattened());
        parent.extend(9_u64.to_le_bytes());
        parent.extend([6; 32]);
        parent.extend(pairs[2].as_flattened());
        let refused = Node::decode(&parent, &path(), &[0; 32]).map(|_| ());
        let why = "a node's hash is not what its parent or root says";
        assert_eq!(refused, Err(Malformed::Bytes(why)));
        let at = Ref { slot: NOT_LOADED, serial: 0, born: 9 };
        let root = Root::Node { hash: [6; 32], at };
        let mut items = [Item::Empty; 16];
        for ([key, value], slot) in [(pairs[0], 2), (pairs[2], 11)] {
            items[slot] = Item::Leaf(Leaf::new(key, value));
        }
        items[5] = Item::of(root);
        let none = Node::default();
        let packed = Node::pack(&items, u32::MAX, Seen::alone(&none), &mut Cells::default(), false);
        let (Packed::Node(_, hash), _) = packed else { panic!("a node") };
        let node = Node::decode(&parent, &path(), &hash).unwrap();
        assert_eq!(node.item(5), Item::Inner { hash: [6; 32], at });
    }
}
