//! Comparison of recorded with replayed members, and the count of what was compared.

use serde_json::{Map, Value};

use super::json::{Fault, Object};

/// How exact an implementation must be to match a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Decisions and everything that follows from them.
    Decisions = 1,
    /// The layout of trees, with counters in branches that no poll visited.
    Layout = 2,
}

/// The first difference of a trace.
#[derive(Debug)]
pub(crate) struct Mismatch {
    pub(crate) level: Level,
    pub(crate) member: String,
    /// `None`: the trace says that there is no such member.
    pub(crate) expected: Option<Value>,
    pub(crate) actual: Value,
}

/// Comparisons by level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparisons {
    pub(crate) decisions: u64,
    pub(crate) layout: u64,
}

impl Comparisons {
    pub(crate) const fn total(self) -> u64 {
        self.decisions + self.layout
    }
}

/// Takes what an event's replay gave, member by member.
///
/// One call is one comparison. After the first difference nothing is compared any more, but values
/// are still noted, because a report shows them all.
#[derive(Debug, Default)]
pub(crate) struct Check {
    comparisons: Comparisons,
    replayed: Vec<(String, Value)>,
    mismatch: Option<Mismatch>,
}

impl Check {
    /// Compares a member that must be recorded.
    pub(crate) fn member(
        &mut self,
        recorded: Object<'_>,
        level: Level,
        name: &str,
        actual: impl Into<Value>,
    ) -> Result<(), Fault> {
        let expected = recorded.get(name)?;
        self.compare(level, recorded.name(name), Some(expected), actual.into());
        Ok(())
    }

    /// Compares a member if it is recorded.
    pub(crate) fn optional(
        &mut self,
        recorded: Object<'_>,
        level: Level,
        name: &str,
        actual: impl Into<Value>,
    ) {
        match recorded.find(name) {
            Some(expected) => {
                self.compare(level, recorded.name(name), Some(expected), actual.into());
            }
            None => self.replayed.push((recorded.name(name), actual.into())),
        }
    }

    /// Compares a member whose absence is a statement: there is nothing.
    pub(crate) fn presence(
        &mut self,
        recorded: Object<'_>,
        level: Level,
        name: &str,
        actual: Option<Value>,
    ) {
        match (recorded.find(name), actual) {
            (expected, Some(actual)) => self.compare(level, recorded.name(name), expected, actual),
            (Some(expected), None) => {
                self.compare(level, recorded.name(name), Some(expected), Value::Null);
            }
            (None, None) => self.count(level),
        }
    }

    /// A rule that the replayer checks on its own log; it is part of comparing `member`.
    pub(crate) fn broken_rule(&mut self, member: &str, rule: &str, log: Value) {
        self.difference(Level::Decisions, member.to_owned(), Some(rule.into()), log);
    }

    pub(crate) fn compare(
        &mut self,
        level: Level,
        member: String,
        expected: Option<&Value>,
        actual: Value,
    ) {
        self.count(level);
        self.replayed.push((member.clone(), actual.clone()));
        if !expected.is_some_and(|expected| same(expected, &actual)) {
            self.difference(level, member, expected.cloned(), actual);
        }
    }

    fn difference(&mut self, level: Level, member: String, expected: Option<Value>, actual: Value) {
        if self.mismatch.is_none() {
            self.mismatch = Some(Mismatch { level, member, expected, actual });
        }
    }

    fn count(&mut self, level: Level) {
        if self.mismatch.is_some() {
            return;
        }
        match level {
            Level::Decisions => self.comparisons.decisions += 1,
            Level::Layout => self.comparisons.layout += 1,
        }
    }

    pub(crate) const fn comparisons(&self) -> Comparisons {
        self.comparisons
    }

    /// Forgets the values of the event before.
    pub(crate) fn next_event(&mut self) {
        self.replayed.clear();
    }

    /// The first difference with everything the event's replay gave, once.
    pub(crate) fn take_mismatch(&mut self) -> Option<(Mismatch, Map<String, Value>)> {
        let mismatch = self.mismatch.take()?;
        Some((mismatch, self.replayed.drain(..).collect()))
    }
}

/// Equality of values. A number equals its decimal string: traces write as strings what may exceed
/// 2^53, and which form a member has carries no meaning.
fn same(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Array(expected), Value::Array(actual)) => {
            expected.len() == actual.len()
                && expected.iter().zip(actual).all(|(expected, actual)| same(expected, actual))
        }
        (Value::String(text), Value::Number(number))
        | (Value::Number(number), Value::String(text)) => *text == number.to_string(),
        _ => expected == actual,
    }
}
