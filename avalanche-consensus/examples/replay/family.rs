//! What every family of traces has in common: start from `init`, then one event after the other.

use avalanche_consensus::HashKey;
use avalanche_consensus::snowball::{Parameters, ParametersConfig};
use serde_json::Value;

use super::check::Check;
use super::json::{Fault, Object};
use super::{boot, engine, interval, poll, sampler, snowball, snowman};

/// One trace being replayed.
pub(crate) trait Replay {
    /// Executes one event after `init` and compares its results.
    fn event(&mut self, event: &Event<'_>, check: &mut Check) -> Result<(), Fault>;

    /// The whole state, for the report of a mismatch.
    fn state(&self) -> Value;
}

/// A line that has the members which all lines have.
#[derive(Clone, Copy)]
pub(crate) struct Event<'a> {
    pub(crate) family: &'a str,
    pub(crate) op: &'a str,
    pub(crate) line: Object<'a>,
}

impl<'a> Event<'a> {
    pub(crate) fn new(value: &'a Value) -> Result<Self, Fault> {
        let line = Object::line(value)?;
        let event = Self { family: line.text("t")?, op: line.text("op")?, line };
        if line.flag("nondet")? {
            return Err(Fault::new(
                "event is marked `nondet`; only traces with one possible outcome can be replayed",
            ));
        }
        Ok(event)
    }

    /// The recorded result.
    pub(crate) fn out(&self) -> Result<Object<'a>, Fault> {
        self.line.object("out")
    }

    /// The fault of an operation that the trace's kind does not have.
    pub(crate) fn unknown_op(&self, kind: &str) -> Fault {
        Fault::new(format!("unknown op `{}` in a trace of {kind}", self.op))
    }
}

/// Creates the object under test as `init` says, and compares what `init` recorded.
pub(crate) fn start(init: &Event<'_>, check: &mut Check) -> Result<Box<dyn Replay>, Fault> {
    match init.family {
        "sb" => versioned(init).and_then(|()| snowball::start(init, check)),
        "sm" => versioned(init).and_then(|()| snowman::start(init, check)),
        "poll" => versioned(init).and_then(|()| poll::start(init, check)),
        "boot" => versioned(init).and_then(|()| boot::start(init, check)),
        "engine" => versioned(init).and_then(|()| engine::start(init, check)),
        "sampler" => versioned(init).and_then(|()| sampler::start(init, check)),
        "interval" => versioned(init).and_then(|()| interval::start(init, check)),
        unknown => Err(unknown_family(unknown)),
    }
}

/// Whether the family has this operation, for events that are not executed after a mismatch.
pub(crate) fn known(event: &Event<'_>) -> Result<(), Fault> {
    let ops: &[&str] = match event.family {
        "sb" => &["init", "add", "poll", "fail", "clone", "extend"],
        "sm" => &["init", "add", "poll", "q", "inject"],
        "poll" => &["init", "tree", "new", "vote", "drop"],
        "boot" => &["init", "peers", "opinion"],
        "engine" => &[
            "init",
            "put",
            "get_failed",
            "push_query",
            "pull_query",
            "chits",
            "query_failed",
            "notify",
            "gossip",
            "connected",
            "disconnected",
            "weight",
        ],
        "interval" => &["init", "add", "remove", "contains", "reload"],
        "sampler" => &["init", "u64", "inclusive", "next", "reset", "sample", "at"],
        unknown => return Err(unknown_family(unknown)),
    };
    if ops.contains(&event.op) {
        return Ok(());
    }
    Err(event.unknown_op(&format!("family `{}`", event.family)))
}

fn unknown_family(family: &str) -> Fault {
    let note = match family {
        "dag" => "is known, but cannot be replayed by avalanche-consensus yet",
        _ => "is not known",
    };
    Fault::new(format!(
        "unknown trace kind: family `{family}` {note}; supported are `sb` (snowball), `sm` \
         (snowman, snowmanerr, bench-snowman), `poll`, `engine`, `boot`, `sampler` and `interval`"
    ))
}

fn versioned(init: &Event<'_>) -> Result<(), Fault> {
    match init.line.u64("v")? {
        1 => Ok(()),
        other => Err(Fault::new(format!("format version {other}; only version 1 is known"))),
    }
}

/// The `params` of an `init`. What does not influence decisions has its default.
pub(crate) fn parameters(init: &Event<'_>) -> Result<Parameters, Fault> {
    let params = init.line.object("params")?;
    let beta = params.u32("beta")?;
    let config = ParametersConfig {
        k: params.u32("k")?,
        alpha_preference: params.u32("ap")?,
        alpha_confidence: params.u32("ac")?,
        beta,
        concurrent_repolls: 1,
        ..ParametersConfig::default()
    };
    Parameters::try_from(config)
        .map_err(|error| Fault::new(format!("member `params` is refused: {error}")))
}

/// The rule that `factory` names, as a type.
pub(crate) enum Factory {
    Snowflake,
    Snowball,
}

pub(crate) fn factory(init: &Event<'_>) -> Result<Factory, Fault> {
    match init.line.text("factory")? {
        "snowflake" => Ok(Factory::Snowflake),
        "snowball" => Ok(Factory::Snowball),
        other => Err(Fault::new(format!("unknown factory `{other}`"))),
    }
}

/// Keys never influence decisions, so every replay has the same.
pub(crate) fn hash_key() -> HashKey {
    HashKey::from_seed(*b"conformance replay conformance r")
}
