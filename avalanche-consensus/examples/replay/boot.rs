//! Family `boot`: frontier discovery polls.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use avalanche_consensus::bootstrap::{FrontierPoll, Majority, Minority};
use avalanche_consensus::sampler::Mt19937x64;
use avalanche_consensus::validators::Validator;
use avalanche_consensus::{Error, NodeId};
use serde_json::{Value, json};

use super::check::{Check, Level};
use super::family::{Event, Replay};
use super::json::{Fault, Object, hex, node, u64};

struct Boot {
    poll: Box<dyn FrontierPoll>,
    /// Draws whom this implementation would ask; the trace goes on with whom the recorded one
    /// asked.
    source: Mt19937x64,
    /// A sum of weights did not fit in 64 bits; the trace ends there.
    overflow: bool,
}

pub(crate) fn start(init: &Event<'_>, check: &mut Check) -> Result<Box<dyn Replay>, Fault> {
    let validators = init.line.pairs("weights")?.map(|pair| {
        let (name, node_id, weight) = pair?;
        Ok(Validator { node_id: node(node_id, &name)?, weight: u64(weight, &name)? })
    });
    let validators = validators.collect::<Result<Vec<_>, Fault>>()?;
    let max = NonZeroU32::new(init.line.u32("max")?)
        .ok_or_else(|| Fault::new("member `max` is 0, so no peer can ever be asked"))?;
    let refused = |error| Fault::new(format!("member `weights` is refused: {error}"));
    // Answers of any length count: the recorded ones have no bound.
    let poll: Box<dyn FrontierPoll> = match init.line.text("kind")? {
        "majority" => {
            let poll = Majority::new(validators).map_err(refused)?;
            Box::new(poll.with_outstanding_max(max).with_ids_max(usize::MAX))
        }
        "minority" => {
            let nodes = validators.iter().map(|validator| validator.node_id).collect();
            let poll = Minority::new(nodes).map_err(refused)?;
            Box::new(poll.with_outstanding_max(max).with_ids_max(usize::MAX))
        }
        other => return Err(Fault::new(format!("unknown kind `{other}` of family `boot`"))),
    };
    let boot = Boot { poll, source: Mt19937x64::new(0), overflow: false };
    boot.compare(init.out()?, check)?;
    Ok(Box::new(boot))
}

impl Boot {
    fn compare(&self, out: Object<'_>, check: &mut Check) -> Result<(), Fault> {
        if self.overflow {
            return check.member(out, Level::Decisions, "err", "overflow");
        }
        check.member(out, Level::Decisions, "err", Value::Null)?;
        check.member(out, Level::Decisions, "final", self.poll.result().is_some())?;
        check.member(out, Level::Decisions, "result", self.result())
    }

    /// The blocks that the poll arrived at; none until it is final.
    fn result(&self) -> Value {
        self.poll.result().into_iter().flatten().map(|id| hex(*id)).collect()
    }

    /// Whom to ask is free, how many is not: checks the own choice, then goes on with the recorded
    /// one.
    fn peers(&mut self, out: Object<'_>, check: &mut Check) -> Result<(), Fault> {
        let requests = self.poll.requests();
        let wanted = requests.wanted();
        check.member(out, Level::Decisions, "count", wanted)?;
        let own = requests.choose(&mut self.source);
        let distinct: BTreeSet<NodeId> = own.iter().copied().collect();
        if own.len() != wanted
            || distinct.len() != wanted
            || !distinct.is_subset(requests.unasked())
        {
            let rule = "the replayed choice is `count` nodes that were not asked";
            check.broken_rule("asked", rule, nodes(&own));
        }
        out.get("asked")?;
        let list = out.list("asked")?;
        let recorded = list.iter().enumerate();
        let recorded: Result<Vec<_>, _> =
            recorded.map(|(at, peer)| node(peer, format_args!("asked[{at}]"))).collect();
        // A name that is none is a wrong result like any other.
        let fits = recorded.as_ref().is_ok_and(|recorded| {
            recorded.len() == wanted && recorded.is_sorted() && self.poll.ask(recorded).is_ok()
        });
        if !fits {
            let rule = "the recorded nodes are `count`, sorted and were not asked";
            check.broken_rule("asked", rule, list.into());
        }
        Ok(())
    }
}

impl Replay for Boot {
    fn event(&mut self, event: &Event<'_>, check: &mut Check) -> Result<(), Fault> {
        if self.overflow {
            return Err(Fault::new("event after an overflow"));
        }
        let (line, out) = (event.line, event.out()?);
        match event.op {
            "peers" => self.peers(out, check)?,
            "opinion" => match self.poll.record_opinion(&line.node("node")?, &line.ids("ids")?) {
                Ok(_) => {}
                Err(Error::WeightOverflow) => self.overflow = true,
                Err(error) => return Err(Fault::new(format!("op `opinion` is refused: {error}"))),
            },
            _ => return Err(event.unknown_op("family `boot`")),
        }
        self.compare(out, check)
    }

    fn state(&self) -> Value {
        let requests = self.poll.requests();
        json!({
            "unasked": nodes(requests.unasked()),
            "outstanding": nodes(requests.outstanding()),
            "final": self.poll.result().is_some(),
            "result": self.result(),
            "overflow": self.overflow,
        })
    }
}

/// A list of nodes as traces write it.
fn nodes<'a>(nodes: impl IntoIterator<Item = &'a NodeId>) -> Value {
    nodes.into_iter().map(|node| Value::from(format!("{node:x}"))).collect()
}
