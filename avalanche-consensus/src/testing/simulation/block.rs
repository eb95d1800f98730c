//! The blocks of a simulation: all that anybody ever made, in one place.

use super::random::Random;
use crate::engine::ParsedBlock;
use crate::snowman::Block;
use crate::vocabulary::IdMap;
use crate::{HashKey, Height, Id, Timestamp};

/// A block by its number among all blocks of a run: what nodes use as the handle of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockRef(pub u32);

impl BlockRef {
    /// The block that everything builds on.
    pub const GENESIS: Self = Self(0);

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A block of the toy VM. Its name is the hash of its parent, height, proposer, salt and kind.
#[derive(Clone, Debug)]
pub(super) struct ToyBlock {
    /// What consensus sees.
    pub(super) block: Block,
    /// The node that made it.
    pub(super) proposer: u32,
    /// Its parent; genesis is its own.
    pub(super) parent: BlockRef,
    /// Blocks on it, valid or not.
    pub(super) children: Vec<BlockRef>,
    /// Whether an honest VM finds it valid on its parent.
    pub(super) valid: bool,
    /// If it is an oracle, the only two blocks that can follow.
    pub(super) options: Option<[BlockRef; 2]>,
    /// When it was made.
    pub(super) built: Timestamp,
    /// Whether some node accepted it.
    pub(super) accepted: bool,
    /// Whether some node rejected it.
    pub(super) rejected: bool,
    /// Whether an honest node accepted it.
    pub(super) accepted_honestly: bool,
    /// Whether an honest node rejected it.
    pub(super) rejected_honestly: bool,
}

/// What a block is besides a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Oracle,
    Invalid,
}

/// Length that blocks have, in bytes.
const BLOCK_BYTES: u32 = 256;

/// Every block by number and by name.
#[derive(Debug)]
pub(super) struct BlockStore {
    blocks: Vec<ToyBlock>,
    by_id: IdMap<Id, BlockRef>,
}

impl BlockStore {
    pub(super) fn new(key: HashKey) -> Self {
        let id = Id::hash(b"avalanche/consensus/simulation/genesis");
        let block = Block { id, parent: Id::EMPTY, height: Height::GENESIS };
        let mut store = Self { blocks: Vec::new(), by_id: IdMap::new(key) };
        store.push(block, u32::MAX, BlockRef::GENESIS, true, Timestamp::ZERO);
        store
    }

    /// A block by number; genesis for a number that nobody has.
    pub(super) fn get(&self, at: BlockRef) -> &ToyBlock {
        match self.blocks.get(at.index()) {
            Some(block) => block,
            None => self.genesis(),
        }
    }

    #[expect(clippy::indexing_slicing, reason = "the constructor puts genesis there")]
    fn genesis(&self) -> &ToyBlock {
        &self.blocks[0]
    }

    pub(super) fn get_mut(&mut self, at: BlockRef) -> Option<&mut ToyBlock> {
        self.blocks.get_mut(at.index())
    }

    /// The block of a name.
    pub(super) fn find(&self, id: &Id) -> Option<BlockRef> {
        self.by_id.get(id).copied()
    }

    /// The name of a block.
    pub(super) fn id(&self, at: BlockRef) -> Id {
        self.get(at).block.id
    }

    pub(super) fn height(&self, at: BlockRef) -> u64 {
        self.get(at).block.height.get()
    }

    /// A block as a shell gives it to its engine.
    pub(super) fn parsed(&self, at: BlockRef) -> ParsedBlock<BlockRef> {
        ParsedBlock { block: self.get(at).block, bytes: BLOCK_BYTES, handle: at }
    }

    /// Makes a block. The two options of an oracle are made with it.
    pub(super) fn build(
        &mut self,
        parent: BlockRef,
        proposer: u32,
        salt: u64,
        kind: Kind,
        now: Timestamp,
    ) -> BlockRef {
        let at = self.child(parent, proposer, salt, kind, now);
        if kind == Kind::Oracle {
            let options = [0, 1].map(|salt| self.child(at, u32::MAX, salt, Kind::Plain, now));
            if let Some(block) = self.get_mut(at) {
                block.options = Some(options);
            }
        }
        at
    }

    /// Makes a block on a parent that nobody has.
    pub(super) fn stray(&mut self, proposer: u32, random: &mut Random, height: u64) -> BlockRef {
        let (id, parent) = (random.id(), random.id());
        let block = Block { id, parent, height: Height::new(height) };
        self.push(block, proposer, BlockRef::GENESIS, false, Timestamp::ZERO)
    }

    /// A rival of a block or of one of its ancestors that nobody has decided, the lowest.
    pub(super) fn rival(&self, of: BlockRef) -> Option<BlockRef> {
        let (mut at, mut found) = (of, None);
        while at != BlockRef::GENESIS && !self.get(at).accepted {
            let parent = self.get(at).parent;
            let open = |rival: &&BlockRef| {
                let block = self.get(**rival);
                **rival != at && block.valid && !block.rejected
            };
            found = self.get(parent).children.iter().find(open).copied().or(found);
            at = parent;
        }
        found
    }

    fn child(
        &mut self,
        parent: BlockRef,
        proposer: u32,
        salt: u64,
        kind: Kind,
        now: Timestamp,
    ) -> BlockRef {
        let below = self.get(parent).block;
        let height = below.height.next().unwrap_or(Height::MAX);
        let mut bytes = [0; 53];
        let parts = [
            below.id.as_bytes().as_slice(),
            &height.get().to_be_bytes(),
            &proposer.to_be_bytes(),
            &salt.to_be_bytes(),
            &[kind as u8],
        ];
        bytes.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        let block = Block { id: Id::hash(&bytes), parent: below.id, height };
        self.push(block, proposer, parent, kind != Kind::Invalid, now)
    }

    /// Adds a block, or finds it again.
    fn push(
        &mut self,
        block: Block,
        proposer: u32,
        parent: BlockRef,
        valid: bool,
        built: Timestamp,
    ) -> BlockRef {
        if let Some(at) = self.find(&block.id) {
            return at;
        }
        let at = BlockRef(u32::try_from(self.blocks.len()).unwrap_or(u32::MAX));
        self.by_id.insert(block.id, at);
        let hangs_there =
            self.blocks.get(parent.index()).is_some_and(|p| p.block.id == block.parent);
        if hangs_there && let Some(parent) = self.get_mut(parent) {
            parent.children.push(at);
        }
        let (accepted, rejected) = (at == BlockRef::GENESIS, false);
        let (children, options) = (Vec::new(), None);
        self.blocks.push(ToyBlock {
            block,
            proposer,
            parent,
            children,
            valid,
            options,
            built,
            accepted,
            rejected,
            accepted_honestly: accepted,
            rejected_honestly: rejected,
        });
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> BlockStore {
        BlockStore::new(HashKey::from_seed([1; 32]))
    }

    #[test]
    fn equal_contents_are_one_block_and_everything_counts_as_content() {
        let mut store = store();
        let genesis = BlockRef::GENESIS;
        let mut build = |parent, proposer, salt, kind| {
            store.build(parent, proposer, salt, kind, Timestamp::ZERO)
        };
        let block = build(genesis, 1, 1, Kind::Plain);
        assert_eq!(build(genesis, 1, 1, Kind::Plain), block);
        let others = [
            build(block, 1, 1, Kind::Plain),
            build(genesis, 2, 1, Kind::Plain),
            build(genesis, 1, 2, Kind::Plain),
            build(genesis, 1, 1, Kind::Invalid),
        ];
        assert!(others.iter().all(|other| *other != block));
        assert_eq!(store.get(genesis).children.len(), 4);
        assert_eq!((store.height(block), store.find(&store.id(block))), (1, Some(block)));
    }

    #[test]
    fn an_oracle_comes_with_its_options() {
        let mut store = store();
        let oracle = store.build(BlockRef::GENESIS, 1, 1, Kind::Oracle, Timestamp::ZERO);
        let [first, second] = store.get(oracle).options.unwrap();
        assert_eq!(store.get(oracle).children, [first, second]);
        assert_ne!(store.id(first), store.id(second));
    }

    #[test]
    fn the_lowest_open_rival_is_found() {
        let mut store = store();
        let mut build = |parent, salt, kind| store.build(parent, 1, salt, kind, Timestamp::ZERO);
        let first = build(BlockRef::GENESIS, 1, Kind::Plain);
        build(BlockRef::GENESIS, 2, Kind::Invalid);
        let above = build(first, 1, Kind::Plain);
        let rival_above = build(first, 2, Kind::Plain);
        assert_eq!(store.rival(above), Some(rival_above));
        assert_eq!(store.rival(first), None);
        let rival = store.build(BlockRef::GENESIS, 1, 3, Kind::Plain, Timestamp::ZERO);
        assert_eq!(store.rival(above), Some(rival));
        store.get_mut(rival).unwrap().rejected = true;
        assert_eq!(store.rival(above), Some(rival_above));
    }
}
