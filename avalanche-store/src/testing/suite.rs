//! The conformance suite of key-value stores: every promise of [`KeyValue`]'s contract, asked of
//! any implementation.
//!
//! [`run`] asks what needs no crash, [`run_durable`] what survives closing and opening. Neither can
//! cut the power: put a store of your own over a disk that forgets, or kill its process.

mod concurrent;
mod durable;
mod rules;

use std::fmt;
use std::path::Path;

use super::dice::Dice;
use crate::{Error, KeyRange, KeyValue, Order, Pair};

/// Values longer than this are not built to try a limit, in bytes.
const TRIED_BYTES_MAX: usize = 64 << 20;

/// How much was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Rules, each on a store of its own.
    pub rules: usize,
    /// Answers that were compared.
    pub answers: u64,
    /// Limits that are too large to be tried.
    pub limits_not_tried: u64,
}

/// A promise that a store does not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub rule: &'static str,
    /// What the store did instead.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store breaks the rule that {}: {}", self.rule, self.found)
    }
}

impl std::error::Error for Violation {}

/// Runs every rule that needs no crash, each on a new, empty store.
///
/// # Panics
///
/// At the first promise that is not kept.
#[expect(clippy::panic, reason = "a test's way to fail")]
pub fn run<K: KeyValue>(make: impl Fn() -> K) -> Report {
    match check(make) {
        Ok(report) => report,
        Err(violation) => panic!("{violation}"),
    }
}

/// As [`run`], without the panic.
///
/// # Errors
///
/// The first promise that is not kept.
pub fn check<K: KeyValue>(make: impl Fn() -> K) -> Result<Report, Violation> {
    let mut report = Report::default();
    for (rule, ask) in rules::RULES.iter().chain(concurrent::RULES) {
        let mut seen = Seen::default();
        ask(&make(), &mut seen).map_err(|found| Violation { rule, found })?;
        report.add(&seen);
    }
    Ok(report)
}

/// Runs every rule about closing and opening again. `open` opens the store in a folder, made if it
/// is absent; `dir` is an empty folder for this run.
///
/// # Panics
///
/// At the first promise that is not kept.
#[expect(clippy::panic, reason = "a test's way to fail")]
pub fn run_durable<K: KeyValue>(dir: &Path, open: impl Fn(&Path) -> Result<K, Error>) -> Report {
    match check_durable(dir, open) {
        Ok(report) => report,
        Err(violation) => panic!("{violation}"),
    }
}

/// As [`run_durable`], without the panic.
///
/// # Errors
///
/// The first promise that is not kept.
pub fn check_durable<K: KeyValue>(
    dir: &Path,
    open: impl Fn(&Path) -> Result<K, Error>,
) -> Result<Report, Violation> {
    let mut report = Report::default();
    for (number, (rule, ask)) in durable::rules().into_iter().enumerate() {
        let mut seen = Seen::default();
        let dir = dir.join(number.to_string());
        let open = || open(&dir);
        ask(&open, &mut seen).map_err(|found| Violation { rule, found })?;
        report.add(&seen);
    }
    Ok(report)
}

impl Report {
    fn add(&mut self, seen: &Seen) {
        self.rules += 1;
        self.answers += seen.answers;
        self.limits_not_tried += seen.limits_not_tried;
    }
}

/// The end of a rule: kept, or what was found.
type Kept = Result<(), String>;

/// A rule's name and what asks for it.
type Rule = (&'static str, fn(&dyn KeyValue, &mut Seen) -> Kept);

/// What a rule compared.
#[derive(Debug, Default)]
struct Seen {
    answers: u64,
    limits_not_tried: u64,
}

impl Seen {
    fn equal<T: PartialEq + fmt::Debug>(&mut self, what: &str, found: &T, wanted: &T) -> Kept {
        self.holds(found == wanted, || format!("{what} is {}, not {}", short(found), short(wanted)))
    }

    fn holds(&mut self, holds: bool, found: impl FnOnce() -> String) -> Kept {
        self.answers += 1;
        if holds { Ok(()) } else { Err(found()) }
    }

    fn get(&mut self, store: &dyn KeyValue, key: &[u8], wanted: Option<&[u8]>) -> Kept {
        let found = did("get", store.get(key))?;
        self.equal(&format!("the value of {}", short(&key)), &found, &wanted.map(<[u8]>::to_vec))
    }

    /// Compares a scan with the rows of a model inside its range.
    fn range(
        &mut self,
        store: &dyn KeyValue,
        range: &KeyRange,
        order: Order,
        model: &[Pair],
    ) -> Kept {
        let mut wanted: Vec<_> =
            model.iter().filter(|(key, _)| range.contains(key)).cloned().collect();
        if order == Order::Descending {
            wanted.reverse();
        }
        let found = rows(store, range, order)?;
        self.equal(&format!("{order:?} {}", short(range)), &found, &wanted)
    }
}

/// All pairs of a range.
fn rows(store: &dyn KeyValue, range: &KeyRange, order: Order) -> Result<Vec<Pair>, String> {
    let rows: Result<Vec<_>, _> = store.range(range.clone(), order).collect();
    did("range", rows)
}

/// A call that must succeed.
fn did<T>(call: &str, answer: Result<T, Error>) -> Result<T, String> {
    answer.map_err(|error| format!("{call} fails: {error}"))
}

/// For a message: what may be a megabyte long.
fn short(value: &impl fmt::Debug) -> String {
    const CHARS_MAX: usize = 200;
    let mut text = format!("{value:?}");
    if let Some((end, _)) = text.char_indices().nth(CHARS_MAX) {
        let bytes = text.len();
        text.truncate(end);
        text.push_str(&format!("... ({bytes} bytes)"));
    }
    text
}
