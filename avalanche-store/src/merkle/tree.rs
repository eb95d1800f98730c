//! A version of the tree in memory, which shares nodes with the versions before and beside it.
//!
//! ```text
//!   accepted A ----> V1 ----> V2          each version knows the nodes that it made and those
//!               \                         of its parent that it replaced
//!                --> W1
//!
//!   V1 is accepted:  A gets the list of what V1 replaced, and frees it when A is dropped:
//!                    by then nobody reads A, and W1, which kept A, is gone too
//!   W1 is dropped:   frees what it made; only its own children could read that, and they keep it
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Hash;
use super::change::{Change, KeyChange};
use super::node::{Node, Ref, Root};
use super::path::Path;
use super::pool::{Installed, Place, Pool};
use super::seen::Seen;
use super::update::Updater;
use super::work::{Gone, Work};

/// Nodes that are made whole, and then read, at a time: they stay in the processor's cache.
const PART: usize = 64;

/// Where nodes are that are not in memory.
pub(crate) trait Load: Sync {
    /// Why a node cannot be had.
    type Error: Send;

    /// The node at `path` that was written at height `born`, verified against `hash`.
    fn load(&self, born: u64, path: &Path, hash: &Hash) -> Result<Node, Self::Error>;
}

/// One version of the tree. A clone is the same version.
#[derive(Clone, Debug)]
pub(crate) struct Tree(Arc<Version>);

#[derive(Debug)]
struct Version {
    pool: Arc<Pool>,
    root: Root,
    serial: u32,
    /// Kept until this version is accepted: it frees what is not kept.
    parent: Mutex<Option<Tree>>,
    /// Empty once the store has them.
    lists: Mutex<Lists>,
    hashes: u64,
    settled: AtomicBool,
    /// What the accepted child of this version replaced.
    legacy: Mutex<Vec<(u32, u32)>>,
}

/// How a version differs from its parent.
#[derive(Debug, Default)]
struct Lists {
    made: Vec<Installed>,
    gone: Vec<Gone>,
}

impl Tree {
    /// A version of which the store has every node.
    pub(crate) fn stored(pool: Arc<Pool>, root: Root) -> Self {
        Self(Arc::new(Version {
            pool,
            root,
            serial: 0,
            parent: Mutex::new(None),
            lists: Mutex::default(),
            hashes: 0,
            settled: AtomicBool::new(true),
            legacy: Mutex::new(Vec::new()),
        }))
    }

    pub(crate) fn root(&self) -> &Root {
        &self.0.root
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.0.pool
    }

    /// Whether `parent` is what this version was made from, and it is not accepted yet.
    pub(crate) fn is_child_of(&self, parent: &Self) -> bool {
        let mine = self.0.parent.lock().unwrap_or_else(PoisonError::into_inner);
        mine.as_ref().is_some_and(|mine| Arc::ptr_eq(&mine.0, &parent.0))
    }

    /// Leaf and inner hashes that it took to make this version from its parent, without those that
    /// are made again in twigs.
    pub(crate) fn hashes(&self) -> u64 {
        self.0.hashes
    }

    /// Calls `visit` for each node of the parent that this version no longer has, as long as it is
    /// not settled.
    pub(crate) fn each_replaced(&self, mut visit: impl FnMut(Ref, &Path)) {
        self.0.lists().replaced().for_each(|(at, place)| visit(at, &place.path()));
    }

    /// The version after `changes`, which will be written at height `born`. Of several changes of
    /// a key the last one counts.
    pub(crate) fn apply<L: Load>(
        &self,
        born: u64,
        changes: &[KeyChange],
        threads: usize,
        load: &L,
    ) -> Result<Self, L::Error> {
        let changes = Change::list(changes);
        let pool = &self.0.pool;
        let serial = pool.next_serial();
        let mut work = Work::default();
        let updater = Updater::new((&**pool, load), (born, serial), changes.len(), threads);
        let root = match updater.root(&self.0.root, &changes, threads, &mut work) {
            Ok(root) => root.unwrap_or(self.0.root),
            Err(error) => {
                pool.free(work.installed.iter().map(|made| (made.slot, serial)));
                return Err(error);
            }
        };
        let (mut made, gone) = (work.installed, work.gone);
        if made.capacity() > 2 * made.len() {
            made.shrink_to_fit();
        }
        let lists = Lists { made, gone };
        Ok(Self(Arc::new(Version {
            pool: Arc::clone(pool),
            root,
            serial,
            parent: Mutex::new(Some(self.clone())),
            lists: Mutex::new(lists),
            hashes: work.hashes,
            settled: AtomicBool::new(false),
            legacy: Mutex::new(Vec::new()),
        })))
    }

    /// As [`each_replaced`](Self::each_replaced), without those in whose place there is another.
    pub(crate) fn each_gone(&self, mut visit: impl FnMut(Ref, &Path)) {
        self.0.lists().gone.iter().for_each(|gone| visit(gone.at, &gone.place.path()));
    }

    /// Calls `visit` for each node that this version made and that is in memory, as long as it is
    /// not settled, with its slot and serial. They are whole from then on.
    pub(crate) fn each_made(&self, mut visit: impl FnMut((u32, u32), &Path, &Node)) {
        let lists = self.0.lists();
        let slot = |at: usize| lists.made.get(at).map(|made| made.slot);
        for first in (0..lists.made.len()).step_by(PART) {
            let part = first..lists.made.len().min(first + PART);
            self.0.pool.make_whole(part.clone(), slot);
            let reader = self.0.pool.read();
            for Installed { slot, place, .. } in lists.made.get(part).unwrap_or_default() {
                if let Some(entry) = reader.entries().get(*slot as usize) {
                    visit((*slot, self.0.serial), &place.path(), entry.node());
                }
            }
        }
    }

    /// Says that this version was accepted, and its parent is history; `stored` says of a slot and
    /// serial whether the store has that node. A node that it never had stays until nobody reads
    /// this version.
    pub(crate) fn settle(&self, stored: impl Fn(u32, u32) -> bool) {
        let version = &self.0;
        if version.settled.swap(true, Ordering::AcqRel) {
            return;
        }
        let lists = std::mem::take(&mut *version.lists());
        let made = lists.made.iter().map(|made| made.slot);
        version.pool.settle(made, version.serial, |slot| stored(slot, version.serial));
        let parent = version.parent.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(parent) = parent {
            let replaced = lists.replaced().map(|(at, _)| (at.slot, at.serial));
            parent.0.legacy.lock().unwrap_or_else(PoisonError::into_inner).extend(replaced);
        }
    }

    /// The node that begins a subtree.
    pub(crate) fn with_node<L: Load, R>(
        &self,
        hash: &Hash,
        at: Ref,
        path: &Path,
        load: &L,
        then: impl FnOnce(&Node) -> Result<R, L::Error>,
    ) -> Result<R, L::Error> {
        let reader = self.0.pool.read();
        let node =
            Seen::find(reader.entries(), at).map(|node| node.copy(super::cells::NodeCells::new));
        drop(reader);
        match node {
            Some(node) => then(&node),
            None => then(&load.load(at.born, path, hash)?),
        }
    }
}

impl Lists {
    /// The nodes of the parent that this version no longer has.
    fn replaced(&self) -> impl Iterator<Item = (Ref, Place)> {
        let made = self.made.iter().filter_map(|made| Some((made.replaced?, made.place)));
        made.chain(self.gone.iter().map(|gone| (gone.at, gone.place)))
    }
}

impl Version {
    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        let legacy = self.legacy.get_mut().unwrap_or_else(PoisonError::into_inner);
        let settled = *self.settled.get_mut();
        let lists = self.lists.get_mut().unwrap_or_else(PoisonError::into_inner);
        let made = lists.made.iter().filter(|_| !settled).map(|made| (made.slot, self.serial));
        self.pool.free(made.chain(legacy.drain(..)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::cells::Cells;
    use super::super::scratch::Scratch;
    use super::*;

    /// A store that cannot be read.
    struct Broken;

    impl Load for Broken {
        type Error = &'static str;

        fn load(&self, _: u64, _: &Path, _: &Hash) -> Result<Node, Self::Error> {
            Err("broken")
        }
    }

    fn changes(seed: u8) -> Vec<KeyChange> {
        changes_of(2_000, seed)
    }

    fn changes_of(keys: u32, seed: u8) -> Vec<KeyChange> {
        let hash = |of: u8, n: u32| crate::key_hash(&[&[of][..], &n.to_le_bytes()].concat());
        (0..keys).map(|n| KeyChange { key: hash(0, n), value: Some(hash(seed, n)) }).collect()
    }

    /// Half of the tree is not in memory and cannot be read; what was made of the other half, by
    /// another thread, takes no place afterwards.
    #[test]
    fn an_update_that_fails_gives_back_all_that_its_threads_took() {
        for threads in [1, 2, 4] {
            let empty = Tree::stored(Arc::new(Pool::new(usize::MAX)), Root::Empty);
            let tree = empty.apply(0, &changes(1), threads, &Broken).unwrap();
            let mut second_half = Vec::new();
            tree.each_made(|node, path, _| {
                if path.depth() > 1 && path.prefix()[0] >= 0x80 {
                    second_half.push(node);
                }
            });
            tree.settle(|_, _| true);
            assert!(second_half.len() > 20);
            tree.pool().free(second_half.into_iter());
            let fails = || {
                let result = tree.apply(1, &changes(2), threads, &Broken);
                assert_eq!(result.err(), Some("broken"));
            };
            fails();
            let places = tree.pool().places();
            (0..50).for_each(|_| fails());
            // Threads take free places some at a time, and how many at once is chance.
            let more = tree.pool().places() - places;
            assert!(more < 300, "{more} of {places} places, {threads} threads");
        }
    }

    /// Records of nodes, and how many were read.
    #[derive(Default)]
    struct Kept {
        rows: Mutex<std::collections::BTreeMap<(u64, Path), Vec<u8>>>,
        reads: std::sync::atomic::AtomicU64,
    }

    impl Load for Kept {
        type Error = &'static str;

        fn load(&self, born: u64, path: &Path, hash: &Hash) -> Result<Node, Self::Error> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let rows = self.rows.lock().unwrap();
            let row = rows.get(&(born, *path)).ok_or("a node is missing")?;
            Node::decode(row, path, hash).map_err(|_| "a node is malformed")
        }
    }

    /// A commit evicts all that was found, just before the new nodes are put over it: it is read
    /// from the store, and made again, by itself or by all threads, and nothing is counted twice.
    #[test]
    fn what_is_evicted_meanwhile_is_read_again() {
        let store = Kept::default();
        let pool = || Arc::new(Pool::new(0));
        let tree =
            Tree::stored(pool(), Root::Empty).apply(0, &changes_of(6_000, 1), 1, &store).unwrap();
        tree.each_made(|_, path, node| {
            store.rows.lock().unwrap().insert((0, *path), node.record());
        });
        // Other values of some keys, so that nodes are patched; of a part all go, and so do nodes.
        let mut list = changes_of(6_000, 2);
        list.retain(|change| change.key[0] < 0x10 || change.key[1] < 0x30);
        for change in list.iter_mut().filter(|change| change.key[0] < 0x10) {
            change.value = None;
        }
        assert!(list.len() > 1_100, "several batches: {}", list.len());
        // The first batch finds nothing evicted, or two have been put into the pool.
        let nothing: fn(&Pool) = |_| ();
        let evict: fn(&Pool) = |pool| pool.evict();
        for (threads, interference) in
            [(1, vec![evict]), (1, vec![evict, nothing, nothing]), (2, vec![evict])]
        {
            let apply = |meanwhile: Vec<fn(&Pool)>| {
                // All nodes are in memory, and settled.
                let warm = Tree::stored(pool(), *tree.root());
                let warm = warm.apply(1, &changes_of(6_000, 3), 1, &store).unwrap();
                warm.each_made(|_, path, node| {
                    store.rows.lock().unwrap().insert((1, *path), node.record());
                });
                warm.settle(|_, _| true);
                let reads = store.reads.load(Ordering::Relaxed);
                *warm.pool().meanwhile.lock().unwrap() = meanwhile;
                let next = warm.apply(2, &list, threads, &store).unwrap();
                assert!(warm.pool().meanwhile.lock().unwrap().is_empty());
                let mut replaced = Vec::new();
                next.each_replaced(|at, path| replaced.push((*path, at.born)));
                replaced.sort_unstable();
                let reads = store.reads.load(Ordering::Relaxed) - reads;
                (next.root().hash(), next.hashes(), replaced, reads)
            };
            let (root, hashes, replaced, reads) = apply(Vec::new());
            assert_eq!(reads, 0);
            assert!(replaced.len() > 50, "{} nodes replaced", replaced.len());
            assert!(replaced.windows(2).all(|two| two[0] != two[1]), "a node is there twice");
            let again = apply(interference);
            assert!(again.3 > 100, "{} reads", again.3);
            assert_eq!((again.0, again.1, again.2), (root, hashes, replaced), "{threads} threads");
        }
    }

    /// Nodes over which patches come while they are about to be evicted stay, and go with them.
    #[test]
    fn what_a_patch_is_over_is_not_evicted() {
        let tree = Tree::stored(Arc::new(Pool::new(0)), Root::Empty);
        let tree = tree.apply(0, &changes_of(6_000, 1), 1, &Broken).unwrap();
        let mut nodes = Vec::new();
        tree.each_made(|node, _, _| nodes.push(node));
        tree.settle(|_, _| true);
        let mut list = changes_of(6_000, 2);
        list.truncate(300);
        let next = tree.apply(1, &list, 1, &Broken).unwrap();
        let pool = Arc::clone(tree.pool());
        let before = pool.bytes();
        pool.free_keeping(nodes.into_iter(), 0, super::super::pool::Entry::may_go);
        assert!(pool.bytes() < before, "others went");
        next.each_made(|_, _, _| {});
        next.settle(|_, _| true);
        assert_eq!(pool.orphans(), 0);
        drop(tree);
        assert_eq!(pool.orphans(), 0);
    }

    /// Working memory of a thread comes back, for as many threads as it is kept for, unless it is
    /// larger than the bound.
    #[test]
    fn working_memory_is_kept_within_its_bounds() {
        let pool = Arc::new(Pool::new(usize::MAX));
        let empty = Tree::stored(Arc::clone(&pool), Root::Empty);
        let tree = empty.apply(0, &changes(1), 1, &Broken).unwrap();
        _ = tree.apply(1, &changes(2), 1, &Broken).unwrap();
        let kept = pool.scratch();
        assert!(kept.bytes() > 20_000, "{} bytes", kept.bytes());
        let mut large = Scratch::default();
        large.puts.reserve(1 << 20);
        for scratch in [large, kept] {
            pool.keep(Cells::default(), Some(scratch));
        }
        assert!((1..2 << 20).contains(&pool.scratch().bytes()));
        assert_eq!(pool.scratch().bytes(), 0, "nothing else was kept");
        for _ in 0..20 {
            let mut scratch = Scratch::default();
            scratch.puts.reserve(1);
            pool.keep(Cells::default(), Some(scratch));
        }
        let all = std::iter::from_fn(|| Some(pool.scratch()).filter(|it| it.bytes() > 0));
        assert_eq!(all.count(), 8);
    }
}
