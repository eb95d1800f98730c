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
    /// Gives the log in the form of traces, and the first rule of order that it breaks. The rules: the
    /// acceptor is told first, then the block is accepted, then all its siblings are rejected, then
    /// their descendants, each after its parent; all of one acceptance before the next begins.
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
            // The rejects before a failing one depend on iteration order, so traces do not list them.
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
