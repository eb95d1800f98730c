//! A disk in memory that loses power, fails and fills up on schedule.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::platter::{Inode, Random};
use crate::{Disk, DiskFile, OpenMode};

/// A disk in memory. Clones are the same disk.
///
/// Put it under your own code in place of [`OsDisk`](crate::OsDisk), run a script, lose power at
/// any operation, and open again what survived. Everything follows from the seed.
///
/// ```
/// use avalanche_store::testing::SimDisk;
/// use avalanche_store::{BlockLog, LogConfig};
/// use avalanche_consensus::{Height, Id};
///
/// # fn main() -> Result<(), avalanche_store::Error> {
/// let disk = SimDisk::new(7);
/// let (mut log, _) = BlockLog::open(disk.clone(), "log", LogConfig::default())?;
/// log.append_synced(Height::new(0), Id::hash(b"a"), b"a")?;
/// log.append(Height::new(1), Id::hash(b"b"), b"b")?;
/// disk.crash();
/// let (log, _) = BlockLog::open(disk, "log", LogConfig::default())?;
/// assert_eq!(log.get(Height::new(0))?.map(|block| block.bytes), Some(b"a".to_vec()));
/// # Ok(())
/// # }
/// ```
///
/// # What survives power loss
///
/// - Bytes that were synced. Of the others, by [`Persist`]: none, all, or by lot each 512 bytes of
///   what was written, in any order, also of the write or sync that the power went out in; bytes
///   that did not survive below ones that did are zeros or noise. A length that was not synced is
///   the old one, the new one, or one in between.
/// - Names in folders that were synced. Of the others by lot, each change for itself; a rename
///   happens whole or not at all.
/// - While power is on, some of what is not synced is written back early, by lot.
///
/// A failed sync is as on Linux: the bytes stay readable, and a later sync that succeeds does not
/// write them. Files opened before a crash fail ever after; locks are gone.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// A file of a [`SimDisk`].
#[derive(Debug)]
pub struct SimFile {
    disk: SimDisk,
    inode: usize,
    generation: u64,
    writable: bool,
}

/// A lock of a [`SimDisk`].
#[derive(Debug)]
pub struct SimLock {
    disk: SimDisk,
    path: PathBuf,
    generation: u64,
}

/// What becomes of bytes and names that were not synced when power goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persist {
    /// Each part survives by lot.
    #[default]
    Mixed,
    /// Nothing survives.
    Nothing,
    /// Everything survives, as if only the process had ended.
    Everything,
}

/// An operation that changes a disk. These are counted, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// A file was made.
    Create,
    /// Bytes were written.
    Write,
    /// A file was cut or extended.
    SetLen,
    /// A file was synced.
    Sync,
    /// A folder was synced.
    SyncDir,
    /// A file got another name.
    Rename,
    /// A file was removed.
    Remove,
}

impl SimDisk {
    /// An empty disk without faults.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(seed))) }
    }

    /// Power goes out in operation `operation`, which may happen in part. From then on every call
    /// fails, until [`crash`](Self::crash).
    pub fn crash_at(&self, operation: u64) {
        self.state().crash_at = Some(operation);
    }

    /// Operation `operation` fails with `kind` and does nothing; a sync loses what it was to write.
    pub fn fail_at(&self, operation: u64, kind: io::ErrorKind) {
        self.state().failures.insert(operation, kind);
    }

    /// The `nth` sync of a file from the beginning, counted from 0, fails with `kind`.
    pub fn fail_sync(&self, nth: u64, kind: io::ErrorKind) {
        self.state().sync_failures.insert(nth, kind);
    }

    /// All files together have room for this many bytes; `None`, as at first, for any. A write that
    /// does not fit is made as far as it fits, and fails with `StorageFull`.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// What becomes of bytes and names that were not synced.
    pub fn set_persist(&self, persist: Persist) {
        self.state().persist = persist;
    }

    /// Takes power away, if it is not gone already, and gives it back: the disk holds what
    /// survived. Planned crashes and failures are forgotten.
    pub fn crash(&self) {
        self.state().crash();
    }

    /// How many operations there were.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The operation that a planned crash took power away in, until [`crash`](Self::crash).
    #[must_use]
    pub fn died_in(&self) -> Option<Operation> {
        self.state().died_in
    }

    /// Paths of all files.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    /// The bytes of a file.
    #[must_use]
    pub fn contents(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let state = self.state();
        let inode = state.names.get(path.as_ref())?;
        state.inodes.get(*inode).map(|inode| inode.current.clone())
    }

    /// Puts a file there with these bytes, durably, or removes it: damage, or another program.
    pub fn replace(&self, path: impl AsRef<Path>, contents: Option<Vec<u8>>) {
        let mut state = self.state();
        let path = path.as_ref().to_path_buf();
        state.names.remove(&path);
        state.durable_names.remove(&path);
        if let Some(contents) = contents {
            let inode = state.inodes.len();
            state.inodes.push(Inode::durable(contents));
            state.names.insert(path.clone(), inode);
            state.durable_names.insert(path, inode);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct State {
    random: Random,
    /// Counts crashes: files opened before one are dead.
    generation: u64,
    on: bool,
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names since the sync of their folder.
    name_changes: Vec<NameChange>,
    locks: BTreeSet<PathBuf>,
    operations: u64,
    syncs: u64,
    crash_at: Option<u64>,
    failures: BTreeMap<u64, io::ErrorKind>,
    sync_failures: BTreeMap<u64, io::ErrorKind>,
    capacity: Option<u64>,
    persist: Persist,
    died_in: Option<Operation>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl NameChange {
    fn is_in(&self, dir: &Path) -> bool {
        match self {
            Self::Create(path, _) | Self::Rename(_, path) | Self::Remove(path) => {
                path.parent() == Some(dir)
            }
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Create(path, inode) => _ = names.insert(path.clone(), *inode),
            Self::Remove(path) => _ = names.remove(path),
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }
}

/// How an operation goes.
enum Fate {
    Done,
    Failed(io::ErrorKind),
    /// Power goes out in it.
    Dies,
}

impl State {
    fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            generation: 0,
            on: true,
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            locks: BTreeSet::new(),
            operations: 0,
            syncs: 0,
            crash_at: None,
            failures: BTreeMap::new(),
            sync_failures: BTreeMap::new(),
            capacity: None,
            persist: Persist::Mixed,
            died_in: None,
        }
    }

    fn powered(&self) -> io::Result<()> {
        if self.on { Ok(()) } else { Err(io::Error::other("the power is out")) }
    }

    /// Counts an operation, and says how it goes.
    fn begin(&mut self, operation: Operation) -> io::Result<Fate> {
        self.powered()?;
        let number = self.operations;
        self.operations += 1;
        let mut failure = self.failures.remove(&number);
        if operation == Operation::Sync {
            failure = failure.or_else(|| self.sync_failures.remove(&self.syncs));
            self.syncs += 1;
        }
        if self.crash_at == Some(number) {
            (self.on, self.died_in) = (false, Some(operation));
            return Ok(Fate::Dies);
        }
        if self.persist == Persist::Mixed && self.random.one_in(4) {
            for inode in &mut self.inodes {
                inode.write_back(&mut self.random);
            }
        }
        Ok(failure.map_or(Fate::Done, Fate::Failed))
    }

    /// A change of names, which is all or nothing.
    fn change(&mut self, operation: Operation, change: NameChange) -> io::Result<()> {
        let fate = self.begin(operation)?;
        if let Fate::Failed(kind) = fate {
            return Err(kind.into());
        }
        change.apply(&mut self.names);
        self.name_changes.push(change);
        self.finish(&fate)
    }

    /// The answer of an operation that was done as far as it gets.
    fn finish(&self, fate: &Fate) -> io::Result<()> {
        match fate {
            Fate::Failed(kind) => Err((*kind).into()),
            Fate::Done | Fate::Dies => self.powered(),
        }
    }

    fn crash(&mut self) {
        for inode in &mut self.inodes {
            inode.crash(self.persist, &mut self.random);
        }
        for change in std::mem::take(&mut self.name_changes) {
            let survives = match self.persist {
                Persist::Mixed => self.random.one_in(2),
                Persist::Nothing => false,
                Persist::Everything => true,
            };
            if survives {
                change.apply(&mut self.durable_names);
            }
        }
        self.names = self.durable_names.clone();
        self.locks.clear();
        self.failures.clear();
        self.sync_failures.clear();
        (self.on, self.crash_at, self.died_in) = (true, None, None);
        self.generation += 1;
    }

    fn inode(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn room(&self) -> u64 {
        let used = self.names.values().filter_map(|inode| self.inodes.get(*inode));
        let used: u64 = used.map(|inode| inode.current.len() as u64).sum();
        self.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(used))
    }
}

impl Disk for SimDisk {
    type File = SimFile;
    type Lock = SimLock;

    fn create_dir_all(&self, _dir: &Path) -> io::Result<()> {
        self.state().powered()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        state.powered()?;
        let names = state.names.keys().filter(|path| path.parent() == Some(dir));
        let names = names.filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
        Ok(names.collect())
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<SimFile> {
        let mut state = self.state();
        state.powered()?;
        let inode = if mode == OpenMode::CreateNew {
            if state.names.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let inode = state.inodes.len();
            state.inodes.push(Inode::default());
            state.change(Operation::Create, NameChange::Create(path.into(), inode))?;
            inode
        } else {
            state.inode(path)?
        };
        let (disk, generation, writable) = (self.clone(), state.generation, mode != OpenMode::Read);
        Ok(SimFile { disk, inode, generation, writable })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.inode(from)?;
        state.change(Operation::Rename, NameChange::Rename(from.into(), to.into()))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.inode(path)?;
        state.change(Operation::Remove, NameChange::Remove(path.into()))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        let fate = state.begin(Operation::SyncDir)?;
        if matches!(fate, Fate::Done) {
            let changes = std::mem::take(&mut state.name_changes);
            let (synced, left): (Vec<_>, Vec<_>) =
                changes.into_iter().partition(|change| change.is_in(dir));
            synced.iter().for_each(|change| change.apply(&mut state.durable_names));
            state.name_changes = left;
        }
        state.finish(&fate)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<SimLock>> {
        let mut state = self.state();
        state.powered()?;
        let free = state.locks.insert(path.to_path_buf());
        let generation = state.generation;
        Ok(free.then(|| SimLock { disk: self.clone(), path: path.into(), generation }))
    }
}

impl SimFile {
    fn with<T>(&self, call: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.state();
        state.powered()?;
        if state.generation != self.generation {
            return Err(io::Error::other("the file was opened before the power went out"));
        }
        call(&mut state)
    }

    fn change(
        &self,
        operation: Operation,
        call: impl FnOnce(&mut Inode, &Fate, u64, &mut Random) -> io::Result<()>,
    ) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.with(|state| {
            let fate = state.begin(operation)?;
            let room = state.room();
            let inode = state.inodes.get_mut(self.inode).ok_or(io::ErrorKind::NotFound)?;
            call(inode, &fate, room, &mut state.random)?;
            state.finish(&fate)
        })
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        self.with(|state| {
            let inode = state.inodes.get(self.inode).ok_or(io::ErrorKind::NotFound)?;
            Ok(inode.current.len() as u64)
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.with(|state| {
            let inode = state.inodes.get(self.inode).ok_or(io::ErrorKind::NotFound)?;
            inode.read(buffer, offset)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.change(Operation::Write, |inode, fate, room, random| match fate {
            Fate::Failed(_) => Ok(()),
            Fate::Dies => {
                // What was reached before the power went; it survives by lot, as all else.
                let reached = random.below(bytes.len() as u64 + 1);
                let reached = usize::try_from(reached).unwrap_or(usize::MAX);
                inode.write(bytes.get(..reached).unwrap_or(bytes), offset);
                Ok(())
            }
            Fate::Done => {
                let end = offset.saturating_add(bytes.len() as u64);
                let grows = end.saturating_sub(inode.current.len() as u64);
                let over = usize::try_from(grows.saturating_sub(room)).unwrap_or(usize::MAX);
                let fits = bytes.len().saturating_sub(over);
                inode.write(bytes.get(..fits).unwrap_or(bytes), offset);
                if over > 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
            }
        })
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.change(Operation::SetLen, |inode, fate, _, _| {
            if !matches!(fate, Fate::Failed(_)) {
                inode.set_len(bytes);
            }
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(Operation::Sync, |inode, fate, _, random| {
            match fate {
                Fate::Done => inode.sync(),
                Fate::Failed(_) => inode.fail_sync(random),
                // Some of it may be written: by lot, as all that is not synced.
                Fate::Dies => {}
            }
            Ok(())
        })
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.generation == self.generation {
            state.locks.remove(&self.path);
        }
    }
}
