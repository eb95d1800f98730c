//! Families `snowman`, `snowmanerr` and `bench-snowman`: linear consensus over a block tree.

use std::fmt::Write as _;

use avalanche_consensus::snowball::{Parameters, Rule, Snowball, Snowflake};
use avalanche_consensus::snowman::{
    AcceptorCall, Block, BlockInspection, PollOutcome, RecordPollError, Topological,
};
use avalanche_consensus::{Error, Height, Id, Timestamp};
use serde_json::{Value, json};

use super::callbacks::{Call, Callbacks, Entry, Injected, Undecided};
use super::check::{Check, Level};
use super::family::{self, Event, Factory, Replay};
use super::json::{Fault, Object, hex, short_hash};

pub(crate) fn start(init: &Event<'_>, check: &mut Check) -> Result<Box<dyn Replay>, Fault> {
    match family::factory(init)? {
        Factory::Snowflake => Chain::<Snowflake>::start(init, check),
        Factory::Snowball => Chain::<Snowball>::start(init, check),
    }
}

struct Chain<R: Rule> {
    consensus: Topological<R>,
    callbacks: Callbacks,
    undecided: Undecided,
    /// Traces for measurements record the preference instead of the whole state.
    bench: bool,
    /// An injected failure was hit, which ends the trace.
    over: bool,
}

/// What an `init` says about the instance under test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    parameters: Parameters,
    last: Id,
    height: Height,
}

impl Start {
    pub(crate) fn parse(init: &Event<'_>) -> Result<Self, Fault> {
        Ok(Self {
            parameters: family::parameters(init)?,
            last: init.line.id("last")?,
            height: Height::new(init.line.u64("height")?),
        })
    }

    pub(crate) fn topological<R: Rule>(self) -> Topological<R> {
        let key = family::hash_key();
        // The bound protects a node from its peers; a trace may have as many blocks as it likes.
        Topological::new(self.parameters, self.last, self.height, key).with_processing_max(u32::MAX)
    }
}

/// The block of an `add`.
pub(crate) fn block(line: Object<'_>) -> Result<Block, Fault> {
    Ok(Block {
        id: line.id("id")?,
        parent: line.id("parent")?,
        height: Height::new(line.u64("height")?),
    })
}

impl<R: Rule> Chain<R> {
    fn start(init: &Event<'_>, check: &mut Check) -> Result<Box<dyn Replay>, Fault> {
        let start = Start::parse(init)?;
        let chain = Self {
            consensus: start.topological(),
            callbacks: Callbacks::default(),
            undecided: Undecided::new(start.last),
            bench: init.line.find("bench").is_some(),
            over: false,
        };
        let out = init.out()?;
        chain.compare_quiet(out, check, Value::Null)?;
        Ok(Box::new(chain))
    }

    fn add(&mut self, event: &Event<'_>, check: &mut Check) -> Result<(), Fault> {
        let block = block(event.line)?;
        let (id, parent, height) = (block.id, block.parent, block.height);
        let err = match self.consensus.add(block, Timestamp::ZERO) {
            Ok(()) => {
                self.undecided.add(id, parent, height);
                Value::Null
            }
            Err(Error::Duplicate { .. }) => "duplicate".into(),
            Err(Error::UnknownParent { .. }) => "unknown_parent".into(),
            Err(other) => other.to_string().into(),
        };
        self.compare_quiet(event.out()?, check, err)
    }

    fn poll(&mut self, event: &Event<'_>, check: &mut Check) -> Result<(), Fault> {
        let votes = event.line.votes("votes")?;
        let out = event.out()?;
        let result = self.consensus.record_poll(&votes, &mut self.callbacks);
        let log = self.callbacks.take();
        let failed = matches!(result, Err(RecordPollError::Acceptor { .. }));
        let (dec, broken) = self.undecided.apply(&log, failed);
        let err = error(&result);
        check.member(out, Level::Decisions, "err", err)?;
        let written_or_due = out.find("dec").is_some() || !log.is_empty();
        check.presence(out, Level::Decisions, "dec", written_or_due.then_some(dec));
        if let Some(rule) = broken {
            check.broken_rule("dec (order of callbacks)", &rule, written(&log));
        }
        match result {
            Ok(outcome) => {
                let polls = match outcome {
                    PollOutcome::Successful => [1, 0],
                    PollOutcome::Failed => [0, 1],
                    PollOutcome::Idle => [0, 0],
                };
                let unspecified = out.flag("pu")?;
                let level = if unspecified { Level::Layout } else { Level::Decisions };
                check.optional(out, level, "polls", polls.to_vec());
                self.compare_state(out, check)
            }
            Err(RecordPollError::Acceptor { call, id, source: Injected }) => {
                self.over = true;
                let named = log.last().map(|entry| (entry.call, entry.id));
                if named != Some((letter(call), id)) {
                    let actual = json!([letter(call).letter(), hex(id)]);
                    check.broken_rule("err (the call that it names)", "the last callback", actual);
                }
                let (last, height) = self.consensus.last_accepted();
                check.member(out, Level::Decisions, "last", hex(last))?;
                check.member(out, Level::Decisions, "lh", height.to_string())
            }
            // The difference in `err` is noted; there is nothing more to compare.
            Err(_) => Ok(()),
        }
    }

    fn query(&self, event: &Event<'_>, check: &mut Check) -> Result<(), Fault> {
        let id = event.line.id("id")?;
        let height = Height::new(event.line.u64("height")?);
        let (consensus, out) = (&self.consensus, event.out()?);
        let parent = consensus.parent(&id).map(hex);
        let at = consensus.preference_at_height(height).map(hex);
        check.member(out, Level::Decisions, "processing", consensus.processing(&id))?;
        check.member(out, Level::Decisions, "preferred", consensus.is_preferred(&id))?;
        check.member(out, Level::Decisions, "parent", parent)?;
        check.member(out, Level::Decisions, "at", at)
    }

    fn inject(&mut self, event: &Event<'_>, check: &mut Check) -> Result<(), Fault> {
        let letter = event.line.text("call")?;
        let Some(call) = Call::from_letter(letter) else {
            return Err(Fault::new(format!("member `call` is `{letter}`; C, A and R are known")));
        };
        self.callbacks.arm(call, event.line.id("id")?);
        self.compare_quiet(event.out()?, check, Value::Null)
    }

    /// What an event that decides nothing recorded.
    fn compare_quiet(&self, out: Object<'_>, check: &mut Check, err: Value) -> Result<(), Fault> {
        check.member(out, Level::Decisions, "err", err)?;
        self.compare_state(out, check)
    }

    fn compare_state(&self, out: Object<'_>, check: &mut Check) -> Result<(), Fault> {
        let consensus = &self.consensus;
        if self.bench {
            check.member(out, Level::Decisions, "pref", hex(consensus.preference()))?;
        } else {
            check.optional(out, Level::Decisions, "pref", hex(consensus.preference()));
        }
        if out.find("state").is_none() {
            return Ok(());
        }
        let state = out.object("state")?;
        let (last, height) = consensus.last_accepted();
        check.member(state, Level::Decisions, "pref", hex(consensus.preference()))?;
        check.member(state, Level::Decisions, "last", hex(last))?;
        check.member(state, Level::Decisions, "lh", height.to_string())?;
        check.member(state, Level::Decisions, "n", consensus.num_processing())?;
        check.member(state, Level::Decisions, "preferred", self.preferred())?;
        let blocks = consensus.inspect();
        if let Some(recorded) = state.find("blocks") {
            let ids = ids(recorded, state)?;
            let actual = blocks.iter().map(|block| hex(block.id)).collect();
            check.compare(Level::Decisions, state.name("blocks (ids)"), Some(&ids), actual);
            check.member(state, Level::Layout, "blocks", written_blocks(&blocks))?;
        }
        check.member(state, Level::Layout, "h", hash(&blocks))
    }

    fn preferred(&self) -> Value {
        let branch = self.consensus.preferred();
        branch.map(|(height, id)| json!([height.to_string(), hex(id)])).collect()
    }
}

impl<R: Rule> Replay for Chain<R> {
    fn event(&mut self, event: &Event<'_>, check: &mut Check) -> Result<(), Fault> {
        if self.over {
            return Err(Fault::new("event after an injected failure, which ends the trace"));
        }
        match event.op {
            "add" => self.add(event, check),
            "poll" => self.poll(event, check),
            "q" => self.query(event, check),
            "inject" => self.inject(event, check),
            _ => Err(event.unknown_op("family `sm`")),
        }
    }

    fn state(&self) -> Value {
        let (last, height) = self.consensus.last_accepted();
        json!({
            "pref": hex(self.consensus.preference()),
            "last": hex(last),
            "lh": height.to_string(),
            "n": self.consensus.num_processing(),
            "preferred": self.preferred(),
            "blocks": written_blocks(&self.consensus.inspect()),
        })
    }
}

/// The `err` of a poll.
fn error(result: &Result<PollOutcome, RecordPollError<Injected>>) -> Value {
    match result {
        Ok(_) => Value::Null,
        Err(RecordPollError::Acceptor { .. }) => "injected".into(),
        Err(other) => format!("{other:?}").into(),
    }
}

const fn letter(call: AcceptorCall) -> Call {
    match call {
        AcceptorCall::Notify => Call::Notify,
        AcceptorCall::Accept => Call::Accept,
        AcceptorCall::Reject => Call::Reject,
    }
}

/// The log as it was, for reports.
fn written(log: &[Entry]) -> Value {
    log.iter().map(|entry| json!([entry.call.letter(), hex(entry.id)])).collect()
}

/// The ids of a recorded `blocks` list.
fn ids(recorded: &Value, state: Object<'_>) -> Result<Value, Fault> {
    let malformed = || Fault::malformed(state.name("blocks"), "a list of blocks", recorded);
    let blocks = recorded.as_array().ok_or_else(malformed)?;
    let ids = blocks.iter().map(|block| block.get(0).cloned().ok_or_else(malformed));
    ids.collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn written_blocks(blocks: &[BlockInspection]) -> Value {
    let written = blocks.iter();
    written.map(|block| json!([hex(block.id), block.should_falter, block.tree])).collect()
}

fn hash(blocks: &[BlockInspection]) -> Value {
    let mut text = String::new();
    for block in blocks {
        let tree = block.tree.as_deref().unwrap_or("-");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:x} {} {tree}", block.id, u8::from(block.should_falter));
    }
    short_hash(&text)
}
