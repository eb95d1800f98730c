//! Family `interval`: a set of heights stored as closed intervals.

use avalanche_consensus::Height;
use avalanche_consensus::bootstrap::Intervals;
use serde_json::{Value, json};

use super::check::{Check, Level};
use super::family::{Event, Replay};
use super::json::{Fault, Object};

struct Heights(Intervals);

pub(crate) fn start(init: &Event<'_>, check: &mut Check) -> Result<Box<dyn Replay>, Fault> {
    let heights = Heights(Intervals::new());
    heights.compare(init.out()?, check)?;
    Ok(Box::new(heights))
}

impl Heights {
    fn compare(&self, out: Object<'_>, check: &mut Check) -> Result<(), Fault> {
        check.member(out, Level::Decisions, "len", decimal(self.0.len()))?;
        check.member(out, Level::Decisions, "intervals", self.intervals())
    }

    fn intervals(&self) -> Value {
        let ends = |end: Height| decimal(end.get());
        self.0.iter().map(|interval| json!([ends(interval.low), ends(interval.high)])).collect()
    }
}

impl Replay for Heights {
    fn event(&mut self, event: &Event<'_>, check: &mut Check) -> Result<(), Fault> {
        let out = event.out()?;
        let value = || event.line.u64("value").map(Height::new);
        let done = match event.op {
            "add" => self.0.add(value()?).map(drop),
            "remove" => self.0.remove(value()?).map(drop),
            "contains" => {
                check.member(out, Level::Decisions, "contains", self.0.contains(value()?))?;
                Ok(())
            }
            "reload" => Intervals::from_intervals(self.0.iter()).map(|read| self.0 = read),
            _ => return Err(event.unknown_op("family `interval`")),
        };
        done.map_err(|error| Fault::new(format!("op `{}` is refused: {error}", event.op)))?;
        self.compare(out, check)
    }

    fn state(&self) -> Value {
        json!({ "len": decimal(self.0.len()), "intervals": self.intervals() })
    }
}

fn decimal(value: u64) -> Value {
    Value::String(value.to_string())
}
