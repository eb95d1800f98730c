//! The blocks that a generated run of an engine is about.

use super::script::Bytes;
use crate::engine::ParsedBlock;
use crate::snowman::Block;
use crate::{Height, Id};

/// Blocks by number: the first is accepted from the start.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) blocks: Vec<Entry>,
    /// What honest peers accept, beginning with the first block.
    pub(super) chain: Vec<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) parsed: ParsedBlock<usize>,
    pub(super) validity: Validity,
    /// The two children of an oracle, in the order of the VM's preference.
    pub(super) options: Option<[usize; 2]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validity {
    Valid,
    /// Once its parent is accepted.
    Late,
    Invalid,
}

impl World {
    /// A chain and rivals to its blocks. Blocks of a hostile world have wrong heights and parents
    /// that nobody has, or that lead in a circle.
    pub(super) fn from_bytes(bytes: &mut Bytes<'_>, hostile: bool) -> Self {
        let mut world = Self { blocks: Vec::new(), chain: vec![0] };
        world.add(None, Validity::Valid);
        let length = 2 + usize::from(bytes.u8() % 5);
        while world.chain.len() <= length {
            let tip = world.chain.last().copied();
            let kind = bytes.u8();
            let validity = if kind % 4 == 3 { Validity::Late } else { Validity::Valid };
            let next = world.add(tip, validity);
            world.chain.push(next);
            if kind / 4 % 4 == 3 && world.chain.len() <= length {
                world.add_options(next, kind);
            }
        }
        for _ in 0..bytes.u8() % 12 {
            let (at, kind) = (usize::from(bytes.u8()) % world.blocks.len(), bytes.u8());
            // An oracle has no children but its options.
            let oracle = |at: &usize| world.blocks.get(*at).is_some_and(|e| e.options.is_some());
            let parent = Some(at).filter(|at| !oracle(at)).unwrap_or(0);
            let validity = match kind % 8 {
                0 | 1 => Validity::Invalid,
                2 => Validity::Late,
                _ => Validity::Valid,
            };
            let rival = world.add(Some(parent), validity);
            if hostile {
                world.spoil(rival, kind / 8);
            }
        }
        world
    }

    fn add_options(&mut self, oracle: usize, kind: u8) {
        let [good, bad] = [0; 2].map(|_| self.add(Some(oracle), Validity::Valid));
        let invalid = kind / 16 % 4 == 3;
        self.chain.push(good);
        let options = if (kind / 64).is_multiple_of(2) { [good, bad] } else { [bad, good] };
        if let Some(bad) = self.blocks.get_mut(bad).filter(|_| invalid) {
            bad.validity = Validity::Invalid;
        }
        if let Some(oracle) = self.blocks.get_mut(oracle) {
            oracle.options = Some(options);
        }
    }

    /// Adds a block and returns its number.
    pub(super) fn add(&mut self, parent: Option<usize>, validity: Validity) -> usize {
        let at = self.blocks.len();
        let above = parent.and_then(|parent| self.blocks.get(parent)).map(|entry| entry.parsed);
        let id = Id::hash(&[b"engine world", &at.to_le_bytes()[..]].concat());
        let height = above.map_or(Some(Height::GENESIS), |above| above.height().next());
        let block = Block {
            id,
            parent: above.map_or(Id::EMPTY, |above| above.id()),
            height: height.unwrap_or(Height::GENESIS),
        };
        let parsed = ParsedBlock { block, bytes: 100, handle: at };
        self.blocks.push(Entry { parsed, validity, options: None });
        at
    }

    fn spoil(&mut self, at: usize, kind: u8) {
        let count = self.blocks.len();
        let Some(entry) = self.blocks.get_mut(at) else { return };
        let block = &mut entry.parsed.block;
        match kind % 8 {
            0 => block.height = Height::new(u64::MAX - u64::from(kind / 8)),
            1 => block.height = block.height.next().unwrap_or(block.height),
            2 => block.parent = Id::hash(&[kind]),
            3 => block.parent = block.id,
            // The block that is added after it may name it as its parent.
            4 => block.parent = Id::hash(&[b"engine world", &count.to_le_bytes()[..]].concat()),
            5 => entry.parsed.bytes = u32::MAX,
            _ => return,
        }
        entry.validity = if kind % 16 < 8 { Validity::Valid } else { Validity::Invalid };
    }

    pub(super) fn get(&self, at: usize) -> Option<&Entry> {
        self.blocks.get(at)
    }

    pub(super) fn find(&self, id: &Id) -> Option<usize> {
        self.blocks.iter().position(|entry| entry.parsed.id() == *id)
    }

    /// One of the blocks.
    pub(super) fn pick(&self, choice: u8) -> ParsedBlock<usize> {
        let at = usize::from(choice) % self.blocks.len().max(1);
        self.blocks.get(at).map_or_else(genesis, |entry| entry.parsed)
    }

    /// The block of the chain at a height, or its tip.
    pub(super) fn chain_at(&self, height: usize) -> ParsedBlock<usize> {
        let at = self.chain.get(height).or(self.chain.last());
        at.and_then(|at| self.get(*at)).map_or_else(genesis, |entry| entry.parsed)
    }
}

fn genesis() -> ParsedBlock<usize> {
    let block = Block { id: Id::EMPTY, parent: Id::EMPTY, height: Height::GENESIS };
    ParsedBlock { block, bytes: 0, handle: 0 }
}
