//! Family `poll`: a poll set with early termination.

use std::collections::BTreeMap;

use avalanche_consensus::poll::Polls;
use avalanche_consensus::{Bag, Id};
use serde_json::{Value, json};

use super::check::{Check, Level};
use super::family::{self, Event, Replay};
use super::json::{Fault, Object, hex, id, votes};

struct PollSet {
    polls: Polls,
    /// Child to parent: what the consensus instance would answer.
    parents: BTreeMap<Id, Id>,
}

pub(crate) fn start(init: &Event<'_>, check: &mut Check) -> Result<Box<dyn Replay>, Fault> {
    let polls = Polls::new(&family::parameters(init)?, family::hash_key());
    let polls = polls.with_polls_max(u32::MAX).with_vertices_max(u32::MAX);
    let set = PollSet { polls, parents: BTreeMap::new() };
    set.compare(init.out()?, check)?;
    Ok(Box::new(set))
}

impl PollSet {
    fn compare(&self, out: Object<'_>, check: &mut Check) -> Result<(), Fault> {
        check.member(out, Level::Decisions, "len", self.polls.len())?;
        check.member(out, Level::Decisions, "fin", self.finished())
    }

    /// What each poll would answer now, without latching it.
    fn finished(&self) -> Value {
        let polls = self.polls.would_finish(&self.parents);
        polls.map(|(request, finished)| json!([request, finished])).collect()
    }

    /// A vote or a drop: what drained, and by which rules polls became finished.
    fn respond(
        &mut self,
        out: Object<'_>,
        check: &mut Check,
        response: impl FnOnce(&mut Polls, &BTreeMap<Id, Id>) -> Vec<Bag>,
    ) -> Result<(), Fault> {
        let before = self.polls.stats();
        let results = response(&mut self.polls, &self.parents);
        let after = self.polls.stats();
        let reasons = [
            after.exhausted - before.exhausted,
            after.early_fail - before.early_fail,
            after.early_alpha - before.early_alpha,
        ];
        let results = results.iter().map(votes).collect::<Value>();
        check.member(out, Level::Decisions, "results", results)?;
        check.member(out, Level::Decisions, "reasons", reasons.to_vec())
    }
}

impl Replay for PollSet {
    fn event(&mut self, event: &Event<'_>, check: &mut Check) -> Result<(), Fault> {
        let (line, out) = (event.line, event.out()?);
        match event.op {
            "tree" => {
                let edges = line.pairs("edges")?.map(|pair| {
                    let (name, child, parent) = pair?;
                    Ok((id(child, &name)?, id(parent, &name)?))
                });
                self.parents = edges.collect::<Result<_, Fault>>()?;
            }
            "new" => {
                let added = self.polls.add(line.u32("req")?, &line.nodes("vdrs")?);
                let added =
                    added.map_err(|error| Fault::new(format!("op `new` is refused: {error}")))?;
                check.member(out, Level::Decisions, "ok", added)?;
            }
            "vote" => {
                let (request, validator) = (line.u32("req")?, line.node("vdr")?);
                let id = line.id("id")?;
                self.respond(out, check, |polls, parents| {
                    polls.vote(request, &validator, id, parents).to_vec()
                })?;
            }
            "drop" => {
                let (request, validator) = (line.u32("req")?, line.node("vdr")?);
                self.respond(out, check, |polls, parents| {
                    polls.drop_validator(request, &validator, parents).to_vec()
                })?;
            }
            _ => return Err(event.unknown_op("family `poll`")),
        }
        self.compare(out, check)
    }

    fn state(&self) -> Value {
        let edges = self.parents.iter();
        json!({
            "len": self.polls.len(),
            "fin": self.finished(),
            "edges": edges.map(|(child, parent)| json!([hex(*child), hex(*parent)])).collect::<Value>(),
        })
    }
}
