//! The suite of back-ends notices a store that breaks any one rule.
#![cfg(test)]

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use avalanche_store::testing::suite;
use avalanche_store::{
    Batch, Change, Error, KeyRange, KeyValue, Limits, MemoryStore, Order, Pairs,
};

/// What is wrong with a store, and a part of the name of the rule that has to notice.
const BUGS: [(Bug, &str); 24] = [
    (Bug::FirstChangeCounts, "last change"),
    (Bug::DeleteComesBack, "last change|deleted key"),
    (Bug::DeleteOfAbsentFails, "last change|deleted key"),
    (Bug::EmptyValueIsDelete, "empty value"),
    (Bug::EmptyKeyDropped, "empty key"),
    (Bug::EmptyKeyNotScanned, "empty key"),
    (Bug::CaseFolded, "all of its bytes"),
    (Bug::PrefixMatches, "all of its bytes"),
    (Bug::SignedOrder, "ordered by bytes"),
    (Bug::DescendingIsAscending, "deleted key|ordered"),
    (Bug::IncludedEndMissed, "bounds"),
    (Bug::ExcludedStartSeen, "bounds"),
    (Bug::InvertedRangeSwapped, "bounds"),
    (Bug::HighKeysMissed, "ordered|bounds"),
    (Bug::PrefixOfHighBytesGoesOn, "prefix"),
    (Bug::LongestKeyRefused, "key as long"),
    (Bug::LongerValueTaken, "value as long"),
    (Bug::RefusalMadeInPart, "refused"),
    (Bug::RefusalPoisons, "refused"),
    (Bug::RefusalMisreported, "refused"),
    (Bug::LargeBatchCut, "large batch"),
    (Bug::FlushForgets, "flush"),
    (Bug::ScanEndsAtCommit, "scan goes on"),
    (Bug::TornBatch, "other threads"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    FirstChangeCounts,
    DeleteComesBack,
    DeleteOfAbsentFails,
    EmptyValueIsDelete,
    EmptyKeyDropped,
    EmptyKeyNotScanned,
    CaseFolded,
    PrefixMatches,
    SignedOrder,
    DescendingIsAscending,
    IncludedEndMissed,
    ExcludedStartSeen,
    InvertedRangeSwapped,
    HighKeysMissed,
    PrefixOfHighBytesGoesOn,
    LongestKeyRefused,
    LongerValueTaken,
    RefusalMadeInPart,
    RefusalPoisons,
    RefusalMisreported,
    LargeBatchCut,
    FlushForgets,
    ScanEndsAtCommit,
    TornBatch,
}

#[test]
fn each_bug_is_noticed_by_its_rule() {
    let mut wrong = Vec::new();
    for (bug, rule) in BUGS {
        match suite::check(|| Broken::new(bug)) {
            Ok(_) => wrong.push(format!("{bug:?} is not noticed")),
            Err(found) if rule.split('|').any(|part| found.rule.contains(part)) => {}
            Err(found) => wrong.push(format!("{bug:?} is noticed by another rule: {found}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    suite::check(MemoryStore::new).unwrap();
}

#[test]
fn a_violation_fails_the_run_and_says_what_is_wrong() {
    let run = catch_unwind(AssertUnwindSafe(|| suite::run(|| Broken::new(Bug::SignedOrder))));
    let said = run.unwrap_err().downcast::<String>().unwrap();
    assert!(said.contains("breaks the rule that keys are ordered by bytes"), "{said}");
}

/// A store that keeps the contract but for one bug.
#[derive(Debug)]
struct Broken {
    store: MemoryStore,
    bug: Bug,
    commits: AtomicU64,
    poisoned: AtomicBool,
}

impl Broken {
    fn new(bug: Bug) -> Self {
        Self {
            store: MemoryStore::new(),
            bug,
            commits: AtomicU64::new(0),
            poisoned: AtomicBool::new(false),
        }
    }

    fn refuse(&self, batch: &Batch) -> Result<(), Error> {
        let limits = self.limits();
        match self.bug {
            Bug::LongestKeyRefused => {
                Limits { key_bytes_max: limits.key_bytes_max - 1, ..limits }.check(batch)
            }
            Bug::LongerValueTaken => {
                Limits { value_bytes_max: limits.value_bytes_max + 1, ..limits }.check(batch)
            }
            Bug::RefusalMisreported => limits.check(batch).map_err(|error| match error {
                Error::KeyTooLarge { bytes, max } => Error::ValueTooLarge { bytes, max },
                other => other,
            }),
            _ => limits.check(batch),
        }
    }
}

impl KeyValue for Broken {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        if self.poisoned.load(Ordering::Relaxed) {
            return Err(Error::Poisoned { path: PathBuf::new() });
        }
        match self.bug {
            Bug::CaseFolded => self.store.get(&key.to_ascii_lowercase()),
            Bug::PrefixMatches if !key.is_empty() => Ok(self
                .store
                .range(KeyRange::prefix(key), Order::Ascending)
                .next()
                .map(|row| row.unwrap().1)),
            _ => self.store.get(key),
        }
    }

    fn range(&self, mut range: KeyRange, mut order: Order) -> Pairs<'_> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        match self.bug {
            Bug::DescendingIsAscending => order = Order::Ascending,
            Bug::IncludedEndMissed => {
                if let Included(end) = range.end {
                    range.end = Excluded(end);
                }
            }
            Bug::ExcludedStartSeen => {
                if let Excluded(start) = range.start {
                    range.start = Included(start);
                }
            }
            Bug::InvertedRangeSwapped if range.is_empty() => {
                (range.start, range.end) = (range.end, range.start);
            }
            Bug::EmptyKeyNotScanned if range.contains(b"") => {
                range.start = Excluded(Vec::new());
            }
            Bug::HighKeysMissed if range.end == Unbounded => {
                range.end = Excluded(vec![0xff, 0xff]);
            }
            // As if the end of a prefix were its last byte raised, without a carry.
            Bug::PrefixOfHighBytesGoesOn => {
                let (Included(start), Excluded(end)) = (&range.start, &range.end) else {
                    return self.store.range(range, order);
                };
                if start.as_slice() == b"a\xff" && end.as_slice() == b"b" {
                    range.end = Excluded(b"c".to_vec());
                }
            }
            _ => {}
        }
        let rows = self.store.range(range, order);
        match self.bug {
            Bug::SignedOrder => {
                let mut rows: Vec<_> = rows.map(Result::unwrap).collect();
                rows.sort_by_key(|(key, _)| {
                    key.iter().map(|byte| byte.cast_signed()).collect::<Vec<_>>()
                });
                if order == Order::Descending {
                    rows.reverse();
                }
                Box::new(rows.into_iter().map(Ok))
            }
            Bug::ScanEndsAtCommit => {
                let begun = self.commits.load(Ordering::Relaxed);
                Box::new(
                    rows.take_while(move |_row| self.commits.load(Ordering::Relaxed) < begun + 50),
                )
            }
            _ => rows,
        }
    }

    fn commit(&self, batch: Batch) -> Result<(), Error> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        if let Err(refused) = self.refuse(&batch) {
            if self.bug == Bug::RefusalMadeInPart {
                let mut part = Batch::new();
                part.extend(batch.into_changes().into_iter().take(1));
                let _ = self.store.commit(part);
            }
            self.poisoned.store(self.bug == Bug::RefusalPoisons, Ordering::Relaxed);
            return Err(refused);
        }
        let mut changes = batch.into_changes();
        match self.bug {
            Bug::FirstChangeCounts => changes.reverse(),
            Bug::DeleteComesBack => {
                for change in &mut changes {
                    change.value.get_or_insert_default();
                }
            }
            Bug::DeleteOfAbsentFails => {
                for change in &changes {
                    if change.value.is_none() && self.store.get(&change.key)?.is_none() {
                        return Err(Error::Poisoned { path: PathBuf::new() });
                    }
                }
            }
            Bug::EmptyValueIsDelete => {
                for change in &mut changes {
                    change.value.take_if(|value| value.is_empty());
                }
            }
            Bug::EmptyKeyDropped => changes.retain(|change| !change.key.is_empty()),
            Bug::CaseFolded => {
                for change in &mut changes {
                    change.key.make_ascii_lowercase();
                }
            }
            Bug::LargeBatchCut => changes.truncate(4096),
            Bug::TornBatch if changes.len() > 1 => {
                let mut half = Batch::new();
                half.extend(changes.drain(..changes.len() / 2));
                self.store.commit(half)?;
                thread::sleep(Duration::from_micros(200));
            }
            _ => {}
        }
        let mut batch = Batch::new();
        batch.extend(changes);
        MemoryStore::commit(&self.store, batch)
    }

    fn flush(&self) -> Result<(), Error> {
        if self.bug == Bug::FlushForgets && self.store.len() > 10 {
            let mut batch = Batch::new();
            batch.delete(*b"a");
            self.store.commit(batch)?;
        }
        self.store.flush()
    }

    fn limits(&self) -> Limits {
        self.store.limits()
    }
}

/// Ways to forget, and a part of the name of the rule that has to notice.
const LOSSES: [(Loss, &str); 6] = [
    (Loss::FlushDoesNothing, "what was flushed"),
    (Loss::DeletesForgotten, "what was flushed"),
    (Loss::SecondOpenFails, "what was flushed|only opened"),
    (Loss::LaterWithoutEarlier, "in order"),
    (Loss::HalfABatch, "in order"),
    (Loss::RefusedComesBack, "refused batch"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    FlushDoesNothing,
    DeletesForgotten,
    SecondOpenFails,
    LaterWithoutEarlier,
    HalfABatch,
    RefusedComesBack,
}

#[test]
fn each_way_to_forget_is_noticed_by_its_rule() {
    for (loss, rule) in LOSSES {
        let disk = Folders::default();
        let found = suite::check_durable(Path::new("x"), |dir| open(&disk, dir, Some(loss)));
        let found = found.unwrap_err();
        assert!(
            rule.split('|').any(|part| found.rule.contains(part)),
            "{loss:?} is noticed by another rule: {found}"
        );
    }
    let disk = Folders::default();
    suite::check_durable(Path::new("x"), |dir| open(&disk, dir, None)).unwrap();
}

type Folders = Arc<Mutex<HashMap<PathBuf, BTreeMap<Vec<u8>, Vec<u8>>>>>;

/// A store whose disk is a map; it writes at a flush, and the rest when it is closed.
#[derive(Debug)]
struct Forgetful {
    store: MemoryStore,
    pending: Mutex<Vec<Batch>>,
    disk: Folders,
    dir: PathBuf,
    loss: Option<Loss>,
}

fn open(disk: &Folders, dir: &Path, loss: Option<Loss>) -> Result<Forgetful, Error> {
    let store = MemoryStore::new();
    let mut folders = disk.lock().unwrap();
    if folders.contains_key(dir) && loss == Some(Loss::SecondOpenFails) {
        return Err(Error::InUse { path: dir.to_path_buf() });
    }
    let mut batch = Batch::new();
    for (key, value) in folders.entry(dir.to_path_buf()).or_default() {
        batch.put(key.clone(), value.clone());
    }
    store.commit(batch)?;
    let (pending, disk, dir) = (Mutex::default(), Arc::clone(disk), dir.to_path_buf());
    Ok(Forgetful { store, pending, disk, dir, loss })
}

impl Forgetful {
    fn write(&self, batches: Vec<Batch>) {
        let mut folders = self.disk.lock().unwrap();
        let rows = folders.get_mut(&self.dir).unwrap();
        for Change { key, value } in batches.into_iter().flat_map(Batch::into_changes) {
            match value {
                Some(value) => _ = rows.insert(key, value),
                None if self.loss == Some(Loss::DeletesForgotten) => {}
                None => _ = rows.remove(&key),
            }
        }
    }
}

impl KeyValue for Forgetful {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.store.get(key)
    }

    fn range(&self, range: KeyRange, order: Order) -> Pairs<'_> {
        self.store.range(range, order)
    }

    fn commit(&self, batch: Batch) -> Result<(), Error> {
        let mut pending = self.pending.lock().unwrap();
        if self.loss == Some(Loss::RefusedComesBack) {
            pending.push(batch.clone());
        }
        self.store.commit(batch.clone())?;
        pending.push(batch);
        Ok(())
    }

    fn flush(&self) -> Result<(), Error> {
        let pending = std::mem::take(&mut *self.pending.lock().unwrap());
        if self.loss != Some(Loss::FlushDoesNothing) {
            self.write(pending);
        }
        Ok(())
    }

    fn limits(&self) -> Limits {
        self.store.limits()
    }
}

impl Drop for Forgetful {
    fn drop(&mut self) {
        let mut pending = std::mem::take(&mut *self.pending.lock().unwrap());
        match self.loss {
            Some(Loss::FlushDoesNothing) => pending.clear(),
            Some(Loss::LaterWithoutEarlier) if pending.len() > 1 => _ = pending.remove(0),
            Some(Loss::HalfABatch) => {
                if let Some(last) = pending.pop() {
                    let mut half = Batch::new();
                    let rows = last.len() / 2;
                    half.extend(last.into_changes().into_iter().take(rows));
                    pending.push(half);
                }
            }
            _ => {}
        }
        self.write(pending);
    }
}
