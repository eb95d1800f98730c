//! A store that forgets and fails, to put under code of one's own.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::dice::Dice;
use crate::{Batch, Change, Error, KeyRange, KeyValue, Limits, Order, Pairs};

/// What goes wrong, and when.
///
/// ```
/// use avalanche_store::testing::{Call, Failure, Faults, FaultyStore};
/// use avalanche_store::{Batch, KeyValue, MemoryStore};
/// use std::io::ErrorKind;
///
/// let second_flush = Failure { call: Call::Flush, number: 1, kind: ErrorKind::Other };
/// let faults = Faults { failures: vec![second_flush], ..Faults::default() };
/// let store = FaultyStore::new(MemoryStore::new(), faults);
/// let mut batch = Batch::new();
/// batch.put(*b"key", *b"value");
/// store.commit(batch)?;
/// store.flush()?;
/// assert!(store.flush().is_err() && store.get(b"key").is_err(), "poisoned");
/// store.crash()?;
/// assert_eq!(store.get(b"key")?, Some(b"value".to_vec()), "it was flushed");
/// # Ok::<(), avalanche_store::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Decides how many unflushed batches survive a crash.
    pub seed: u64,
    /// Calls that fail.
    pub failures: Vec<Failure>,
    /// How many bytes of keys and values may be committed before the disk is full. Nothing that is
    /// deleted gives space back.
    pub space_bytes: Option<u64>,
}

/// A call that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which kind of call.
    pub call: Call,
    /// Which of that kind, counted from 0 and over crashes.
    pub number: u64,
    /// What the operating system is made to say.
    pub kind: io::ErrorKind,
}

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `get`, and the beginning of a scan.
    Read,
    /// `commit`.
    Commit,
    /// `flush`.
    Flush,
}

impl Faults {
    /// A schedule from a seed: up to `failures` calls fail among the first `calls` of each kind.
    #[must_use]
    pub fn from_seed(seed: u64, failures: u64, calls: u64) -> Self {
        const KINDS: [io::ErrorKind; 4] = [
            io::ErrorKind::Other,
            io::ErrorKind::StorageFull,
            io::ErrorKind::ReadOnlyFilesystem,
            io::ErrorKind::PermissionDenied,
        ];
        let mut dice = Dice(seed);
        let mut picked = Vec::new();
        for _ in 0..failures {
            let call = dice.pick(&[Call::Read, Call::Commit, Call::Flush]).copied();
            let kind = dice.pick(&KINDS).copied();
            let number = dice.below(calls);
            picked.extend(call.zip(kind).map(|(call, kind)| Failure { call, number, kind }));
        }
        Self { seed, failures: picked, space_bytes: None }
    }
}

/// A store over another that keeps the contract of [`KeyValue`], and nothing beyond it.
///
/// [`crash`](Self::crash) stands for power loss and opening again: batches that were not flushed
/// are lost but for some of the first of them. A commit or flush that fails poisons the store until
/// then; a failed commit may have been made all the same, and a failed flush may have kept some.
///
/// It remembers what unflushed batches replaced: memory grows until the next flush.
#[derive(Debug)]
pub struct FaultyStore<K> {
    store: K,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    faults: Faults,
    dice: Dice,
    calls: [u64; 3],
    used_bytes: u64,
    poisoned: bool,
    /// For each unflushed batch what undoes it.
    undo: Vec<Batch>,
}

/// What a crash did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// Unflushed batches that survived: the first ones.
    pub kept: usize,
    /// Those that did not.
    pub lost: usize,
}

impl<K: KeyValue> FaultyStore<K> {
    /// Puts faults over a store.
    #[must_use]
    pub const fn new(store: K, faults: Faults) -> Self {
        let state = State {
            dice: Dice(faults.seed),
            faults,
            calls: [0; 3],
            used_bytes: 0,
            poisoned: false,
            undo: Vec::new(),
        };
        Self { store, state: Mutex::new(state) }
    }

    /// Loses power, and opens again.
    ///
    /// # Errors
    ///
    /// Those of the store below.
    pub fn crash(&self) -> Result<Crash, Error> {
        let mut state = self.state();
        let batches = state.undo.len();
        let kept = state.dice.below(u64::try_from(batches).unwrap_or(u64::MAX).saturating_add(1));
        let kept = usize::try_from(kept).unwrap_or(batches);
        let mut undo = Batch::new();
        for batch in state.undo.drain(..).skip(kept).rev() {
            undo.extend(batch.into_changes());
        }
        state.poisoned = false;
        self.store.commit(undo)?;
        Ok(Crash { kept, lost: batches - kept })
    }

    /// Gives the disk more space.
    pub fn add_space(&self, bytes: u64) {
        let space = &mut self.state().faults.space_bytes;
        *space = space.map(|space| space.saturating_add(bytes));
    }

    /// How many batches a crash may lose.
    #[must_use]
    pub fn unflushed(&self) -> usize {
        self.state().undo.len()
    }

    /// The store below, with every batch.
    #[must_use]
    pub fn into_inner(self) -> K {
        self.store
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_fails(&self) -> Option<Error> {
        let mut state = self.state();
        state.poison().err().or_else(|| state.fails(Call::Read).err())
    }

    fn make(&self, state: &mut State, batch: Batch) -> Result<(), Error> {
        let mut undo = Batch::new();
        for Change { key, .. } in batch.changes() {
            undo.push(Change { key: key.clone(), value: self.store.get(key)? });
        }
        self.store.commit(batch)?;
        state.undo.push(undo);
        Ok(())
    }
}

impl State {
    fn poison(&self) -> Result<(), Error> {
        if self.poisoned { Err(Error::Poisoned { path: place() }) } else { Ok(()) }
    }

    /// Counts a call, and tells if it is one that fails.
    fn fails(&mut self, call: Call) -> Result<(), Error> {
        let (count, action) = match (&mut self.calls, call) {
            ([read, _, _], Call::Read) => (read, "read"),
            ([_, commit, _], Call::Commit) => (commit, "write to"),
            ([_, _, flush], Call::Flush) => (flush, "sync"),
        };
        let number = *count;
        *count += 1;
        let failure = self.faults.failures.iter().find(|it| it.call == call && it.number == number);
        failure.map_or(Ok(()), |it| Err(failed(action, it.kind)))
    }
}

impl<K: KeyValue> KeyValue for FaultyStore<K> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.read_fails() {
            Some(error) => Err(error),
            None => self.store.get(key),
        }
    }

    fn range(&self, range: KeyRange, order: Order) -> Pairs<'_> {
        match self.read_fails() {
            Some(error) => Box::new(std::iter::once(Err(error))),
            None => self.store.range(range, order),
        }
    }

    fn commit(&self, batch: Batch) -> Result<(), Error> {
        self.limits().check(&batch)?;
        let mut state = self.state();
        state.poison()?;
        let bytes = u64::try_from(batch.bytes()).unwrap_or(u64::MAX);
        let full = state
            .faults
            .space_bytes
            .is_some_and(|space| state.used_bytes.saturating_add(bytes) > space);
        let failed = if full {
            Err(failed("write to", io::ErrorKind::StorageFull))
        } else {
            state.fails(Call::Commit)
        };
        if let Err(error) = failed {
            state.poisoned = true;
            // What is on disk is unknown: with a full one too, if the last byte did fit.
            if !full && state.dice.below(2) == 0 {
                self.make(&mut state, batch)?;
            }
            return Err(error);
        }
        state.used_bytes = state.used_bytes.saturating_add(bytes);
        self.make(&mut state, batch).inspect_err(|_error| state.poisoned = true)
    }

    fn flush(&self) -> Result<(), Error> {
        let mut state = self.state();
        state.poison()?;
        let flushed = state.fails(Call::Flush).and_then(|()| self.store.flush());
        match flushed {
            Ok(()) => state.undo.clear(),
            Err(_) => state.poisoned = true,
        }
        flushed
    }

    fn limits(&self) -> Limits {
        self.store.limits()
    }
}

fn place() -> PathBuf {
    PathBuf::from("a store that is made to fail")
}

fn failed(action: &'static str, kind: io::ErrorKind) -> Error {
    Error::Io { action, path: place(), source: kind.into() }
}
