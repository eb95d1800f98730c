//! The callback log of a poll: its form in traces, and the order that every acceptance must keep.

use std::collections::{BTreeMap, BTreeSet};

use avalanche_consensus::snowman::Acceptor;
use avalanche_consensus::{Height, Id};
use serde_json::{Value, json};

use super::json::hex;

/// What consensus asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    Notify,
    Accept,
    Reject,
}

impl Call {
    /// The letter that traces write.
    pub(crate) const fn letter(self) -> &'static str {
        match self {
            Self::Notify => "C",
            Self::Accept => "A",
            Self::Reject => "R",
        }
    }

    pub(crate) fn from_letter(letter: &str) -> Option<Self> {
        [Self::Notify, Self::Accept, Self::Reject].into_iter().find(|call| call.letter() == letter)
    }
}

/// One call, in the order of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) call: Call,
    pub(crate) id: Id,
    pub(crate) height: Height,
}

/// The error of a callback that a trace told to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Injected;

/// Logs every call, and fails those that the trace armed.
#[derive(Debug, Default)]
pub(crate) struct Callbacks {
    armed: BTreeSet<(Call, Id)>,
    log: Vec<Entry>,
}

impl Callbacks {
    /// From now on `call` fails for `id`.
    pub(crate) fn arm(&mut self, call: Call, id: Id) {
        self.armed.insert((call, id));
    }

    /// Takes the calls since the last time.
    pub(crate) fn take(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.log)
    }

    fn called(&mut self, call: Call, id: Id, height: Height) -> Result<(), Injected> {
        self.log.push(Entry { call, id, height });
        if self.armed.contains(&(call, id)) { Err(Injected) } else { Ok(()) }
    }
}

impl Acceptor for Callbacks {
    type Error = Injected;

    fn notify_accepted(&mut self, id: Id, height: Height) -> Result<(), Injected> {
        self.called(Call::Notify, id, height)
    }

    fn accept(&mut self, id: Id, height: Height) -> Result<(), Injected> {
        self.called(Call::Accept, id, height)
    }

    fn reject(&mut self, id: Id, height: Height) -> Result<(), Injected> {
        self.called(Call::Reject, id, height)
    }
}

/// What the replayer itself knows of the undecided blocks, from the events it executed.
#[derive(Debug)]
pub(crate) struct Undecided {
    last_accepted: Id,
    blocks: BTreeMap<Id, (Id, Height)>,
    /// Undecided children by parent; no set is empty.
    children: BTreeMap<Id, BTreeSet<Id>>,
}

impl Undecided {
    pub(crate) const fn new(last_accepted: Id) -> Self {
        Self { last_accepted, blocks: BTreeMap::new(), children: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, id: Id, parent: Id, height: Height) {
        self.blocks.insert(id, (parent, height));
        self.children.entry(parent).or_default().insert(id);
    }

    fn decide(&mut self, id: Id) {
        let Some((parent, _)) = self.blocks.remove(&id) else {
            return;
        };
        if let Some(children) = self.children.get_mut(&parent) {
            children.remove(&id);
            if children.is_empty() {
                self.children.remove(&parent);
            }
        }
    }

    /// Applies a poll's log. `failed` says whether its last call returned an error.
    ///
    /// Gives the log in the form of traces, and the first rule of order that it breaks. The rules:
    /// the acceptor is told first, then the block is accepted, then all its siblings are rejected,
    /// then their descendants, each after its parent; all of one acceptance before the next begins.
    pub(crate) fn apply(&mut self, log: &[Entry], failed: bool) -> (Value, Option<String>) {
        let mut reading =
            Reading { undecided: self, stage: Stage::Begin, out: Vec::new(), broken: None };
        let last = log.len().checked_sub(1).filter(|_| failed);
        for (at, entry) in log.iter().enumerate() {
            reading.entry(*entry, last == Some(at));
        }
        reading.end(failed);
        (Value::Array(reading.out), reading.broken)
    }
}

/// How far the acceptance that is being read has come.
enum Stage {
    /// None has begun, or the last one is complete.
    Begin,
    Notified(Id),
    Accepted(Rejects),
}

/// The rejects of one acceptance.
struct Rejects {
    /// The parent of the accepted block, and so of its siblings.
    parent: Id,
    siblings: BTreeSet<Id>,
    descendants: BTreeSet<Id>,
}

struct Reading<'a> {
    undecided: &'a mut Undecided,
    stage: Stage,
    out: Vec<Value>,
    broken: Option<String>,
}

impl Reading<'_> {
    fn require(&mut self, holds: bool, rule: impl FnOnce() -> String) {
        if !holds && self.broken.is_none() {
            self.broken = Some(rule());
        }
    }

    fn entry(&mut self, entry: Entry, fails: bool) {
        let Entry { call, id, height } = entry;
        let known = self.undecided.blocks.get(&id).copied();
        self.require(known.is_some(), || {
            format!("{} of a block that is not undecided", show(entry))
        });
        let stated = known.is_none_or(|(_, known)| known == height);
        self.require(stated, || format!("{} states height {height}", show(entry)));
        if call != Call::Reject {
            let child = known.is_none_or(|(parent, _)| parent == self.undecided.last_accepted);
            self.require(child, || format!("{} is not on the last accepted block", show(entry)));
        }
        match call {
            Call::Notify => self.complete(entry),
            Call::Accept => {
                let told = matches!(self.stage, Stage::Notified(told) if told == id);
                self.require(told, || format!("{} without its C just before", show(entry)));
            }
            Call::Reject => {
                let accepted = matches!(self.stage, Stage::Accepted(_));
                self.require(accepted, || format!("{} outside an acceptance", show(entry)));
            }
        }
        if fails {
            self.out.push(json!(["E", call.letter(), hex(id)]));
            return;
        }
        match call {
            Call::Notify => {
                self.out.push(json!(["C", hex(id)]));
                self.stage = Stage::Notified(id);
            }
            Call::Accept => {
                self.out.push(json!(["A", hex(id)]));
                let parent = std::mem::replace(&mut self.undecided.last_accepted, id);
                self.undecided.decide(id);
                self.stage = Stage::Accepted(Rejects::new(parent));
            }
            Call::Reject => self.reject(entry, known.map(|(parent, _)| parent)),
        }
    }

    fn reject(&mut self, entry: Entry, parent: Option<Id>) {
        let mut broken = None;
        if let Stage::Accepted(rejects) = &mut self.stage {
            if parent == Some(rejects.parent) {
                if !rejects.descendants.is_empty() {
                    broken = Some("of a sibling after a descendant");
                }
                rejects.siblings.insert(entry.id);
            } else {
                if !parent.is_some_and(|parent| rejects.contains(&parent)) {
                    broken = Some("before its parent was rejected");
                } else if self.undecided.children.contains_key(&rejects.parent) {
                    broken = Some("of a descendant before all siblings");
                }
                rejects.descendants.insert(entry.id);
            }
        }
        self.undecided.decide(entry.id);
        self.require(broken.is_none(), || {
            format!("{} {}", show(entry), broken.unwrap_or_default())
        });
    }

    /// Ends the acceptance that is being read, before `next` begins another.
    fn complete(&mut self, next: Entry) {
        let complete = matches!(self.stage, Stage::Begin | Stage::Accepted(_));
        self.require(complete, || format!("{} before an acceptance was complete", show(next)));
        self.write_rejects();
    }

    fn end(&mut self, failed: bool) {
        if failed {
            // Which rejects came before a failing one depends on iteration order: not in traces.
            return;
        }
        let complete = !matches!(self.stage, Stage::Notified(_));
        self.require(complete, || "the log ends inside an acceptance".to_owned());
        self.write_rejects();
    }

    fn write_rejects(&mut self) {
        if let Stage::Accepted(rejects) = std::mem::replace(&mut self.stage, Stage::Begin) {
            let list = |ids: &BTreeSet<Id>| ids.iter().copied().map(hex).collect::<Value>();
            self.out.push(json!(["R", list(&rejects.siblings), list(&rejects.descendants)]));
            let mut decided = rejects.siblings.iter().chain(&rejects.descendants);
            let children = &self.undecided.children;
            let siblings_left = children.contains_key(&rejects.parent);
            let descendants_left = decided.any(|id| children.contains_key(id));
            self.require(!siblings_left, || "an acceptance leaves siblings undecided".to_owned());
            self.require(!descendants_left, || {
                "an acceptance leaves children of rejected blocks undecided".to_owned()
            });
        }
    }
}

impl Rejects {
    const fn new(parent: Id) -> Self {
        Self { parent, siblings: BTreeSet::new(), descendants: BTreeSet::new() }
    }

    fn contains(&self, id: &Id) -> bool {
        self.siblings.contains(id) || self.descendants.contains(id)
    }
}

fn show(entry: Entry) -> String {
    format!("[{}, {:x}]", entry.call.letter(), entry.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(name: u8) -> Id {
        Id::new([name; 32])
    }

    /// Names of blocks are their heights and a letter; `1b` has the child `2b`, which has `3b`.
    const BLOCKS: [(&str, &str); 6] =
        [("1a", "0"), ("1b", "0"), ("1c", "0"), ("2b", "1b"), ("3b", "2b"), ("2a", "1a")];

    fn id(name: &str) -> Id {
        let known = BLOCKS.iter().position(|(block, _)| *block == name);
        block(known.map_or(0, |at| u8::try_from(at).unwrap() + 1))
    }

    fn undecided() -> Undecided {
        let mut undecided = Undecided::new(id("0"));
        for (name, parent) in BLOCKS {
            undecided.add(id(name), id(parent), height(name));
        }
        undecided
    }

    fn height(name: &str) -> Height {
        Height::new(name[..1].parse().unwrap())
    }

    /// Reads a log such as `C1a A1a R1b`.
    fn log(text: &str) -> Vec<Entry> {
        let entries = text.split_whitespace().map(|word| {
            let (call, name) = word.split_at(1);
            Entry { call: Call::from_letter(call).unwrap(), id: id(name), height: height(name) }
        });
        entries.collect()
    }

    #[test]
    fn a_log_in_order_is_written_as_traces_write_it() {
        let (written, broken) = undecided().apply(&log("C1a A1a R1c R1b R2b R3b C2a A2a"), false);
        assert_eq!(broken, None);
        let ids = |names: &[&str]| names.iter().map(|name| hex(id(name))).collect::<Value>();
        let expected = json!([
            ["C", hex(id("1a"))],
            ["A", hex(id("1a"))],
            ["R", ids(&["1b", "1c"]), ids(&["2b", "3b"])],
            ["C", hex(id("2a"))],
            ["A", hex(id("2a"))],
            ["R", [], []],
        ]);
        assert_eq!(written, expected);
    }

    #[test]
    fn a_failing_call_ends_the_log_without_the_rejects_before_it() {
        for (text, kept) in
            [("C1a", 0), ("C1a A1a", 1), ("C1a A1a R1b", 2), ("C1a A1a R1b R1c R2b", 2)]
        {
            let (written, broken) = undecided().apply(&log(text), true);
            assert_eq!(broken, None, "{text}");
            let last = log(text).pop().unwrap();
            let entries = written.as_array().unwrap();
            assert_eq!(entries.len(), kept + 1, "{text}");
            assert_eq!(entries[kept], json!(["E", last.call.letter(), hex(last.id)]), "{text}");
        }
    }

    #[test]
    fn every_rule_of_order_is_checked() {
        for (text, rule) in [
            ("A1a R1b R1c R2b R3b", "without its C just before"),
            ("C1a A1b", "without its C just before"),
            ("C1a R1b", "outside an acceptance"),
            ("R1b", "outside an acceptance"),
            ("C1a", "ends inside an acceptance"),
            ("C1a C1b", "before an acceptance was complete"),
            ("C2a A2a", "is not on the last accepted block"),
            ("C1a A1a R1b R1c R3b R2b", "before its parent was rejected"),
            ("C1a A1a R2b R1b R1c R3b", "before its parent was rejected"),
            ("C1a A1a R1b R2b R1c R3b", "of a descendant before all siblings"),
            ("C1a A1a R1b R1c R2b R3b R3b", "that is not undecided"),
            ("C1a A1a R1b R1c R2b R3b R1a", "that is not undecided"),
            ("C1a A1a R1b R1c R2b R3b R2a", "before its parent was rejected"),
            ("C1a A1a R1b R2b R3b", "before all siblings"),
            ("C1a A1a R1b", "leaves siblings undecided"),
            ("C1a A1a R1b R1c R2b", "leaves children of rejected blocks undecided"),
            ("C1a A1a C2a A2a R1b R1c R2b R3b", "leaves siblings undecided"),
        ] {
            let broken = undecided().apply(&log(text), false).1;
            assert!(
                broken.as_ref().is_some_and(|found| found.contains(rule)),
                "{text}: {broken:?}"
            );
        }
        let mut wrong_height = log("C1a A1a R1b R1c R2b R3b");
        wrong_height[4].height = Height::new(9);
        let broken = undecided().apply(&wrong_height, false).1;
        assert!(broken.is_some_and(|found| found.contains("states height 9")));
    }
}
