//! Family `sampler`: deterministic sampling on MT19937.

use avalanche_consensus::Error;
use avalanche_consensus::sampler::{
    Mt19937, Source, Uniform, WeightedHeap, WeightedWithoutReplacement,
};
use serde_json::{Value, json};

use super::check::{Check, Level};
use super::family::{Event, Replay};
use super::json::Fault;

/// More draws in one sample than any trace has; a bound on the memory a broken line can ask for.
const COUNT_MAX: u64 = 1 << 24;

enum Kind {
    Rng,
    Uniform(Uniform),
    Weighted(WeightedHeap),
    WithoutReplacement(WeightedWithoutReplacement),
    /// The total weight does not fit in 64 bits; the trace ends with `init`.
    Overflow,
}

struct Sampler {
    kind: Kind,
    source: Mt19937,
}

pub(crate) fn start(init: &Event<'_>, check: &mut Check) -> Result<Box<dyn Replay>, Fault> {
    let seed = || init.line.u64("rng").map(Mt19937::new);
    let (kind, source) = match init.line.text("kind")? {
        "rng" => (Kind::Rng, seed()?),
        "uniform" => (Kind::Uniform(Uniform::new(init.line.u64("length")?)), seed()?),
        "weighted" => {
            let heap = WeightedHeap::new(&init.line.u64s("weights")?);
            (overflow_or(heap, Kind::Weighted)?, Mt19937::new(0))
        }
        "wwr" => {
            let sampler = WeightedWithoutReplacement::new(&init.line.u64s("weights")?);
            (overflow_or(sampler, Kind::WithoutReplacement)?, seed()?)
        }
        other => return Err(Fault::new(format!("unknown kind `{other}` of family `sampler`"))),
    };
    let out = if matches!(kind, Kind::Overflow) { Value::from("overflow") } else { Value::Null };
    check.member(init.line, Level::Decisions, "out", out)?;
    Ok(Box::new(Sampler { kind, source }))
}

fn overflow_or<T>(made: Result<T, Error>, kind: impl FnOnce(T) -> Kind) -> Result<Kind, Fault> {
    match made {
        Ok(sampler) => Ok(kind(sampler)),
        Err(Error::WeightOverflow) => Ok(Kind::Overflow),
        Err(error) => Err(Fault::new(format!("member `weights` is refused: {error}"))),
    }
}

impl Replay for Sampler {
    fn event(&mut self, event: &Event<'_>, check: &mut Check) -> Result<(), Fault> {
        let source = &mut self.source;
        let out = match (&mut self.kind, event.op) {
            (Kind::Rng, "u64") => decimal(source.next_u64()),
            (Kind::Rng, "inclusive") => decimal(source.inclusive(event.line.u64("n")?)),
            (Kind::Uniform(uniform), "next") => uniform.next(source).map_or(Value::Null, decimal),
            (Kind::Uniform(uniform), "reset") => {
                uniform.reset();
                Value::Null
            }
            (Kind::Uniform(uniform), "sample") => {
                let drawn = uniform.sample(count(event)?, source);
                drawn.map_or(Value::Null, |drawn| drawn.into_iter().map(decimal).collect())
            }
            (Kind::Weighted(heap), "at") => json!(heap.at(event.line.u64("value")?)),
            (Kind::WithoutReplacement(sampler), "sample") => {
                json!(sampler.sample(count(event)?, source))
            }
            (Kind::Overflow, _) => return Err(Fault::new("event after `init` overflowed")),
            (kind, _) => return Err(event.unknown_op(kind.name())),
        };
        check.member(event.line, Level::Decisions, "out", out)
    }

    fn state(&self) -> Value {
        let inside = match &self.kind {
            Kind::Uniform(uniform) => format!("{uniform:?}"),
            Kind::Weighted(heap) => format!("{heap:?}"),
            Kind::WithoutReplacement(sampler) => format!("{sampler:?}"),
            Kind::Rng | Kind::Overflow => String::new(),
        };
        // The next number tells where the generator stands; a copy draws it.
        let next_u64 = decimal(self.source.clone().next_u64());
        json!({ "kind": self.kind.name(), "inside": inside, "next_u64": next_u64 })
    }
}

impl Kind {
    const fn name(&self) -> &'static str {
        match self {
            Self::Rng => "kind `rng`",
            Self::Uniform(_) => "kind `uniform`",
            Self::Weighted(_) => "kind `weighted`",
            Self::WithoutReplacement(_) => "kind `wwr`",
            Self::Overflow => "an overflow",
        }
    }
}

fn count(event: &Event<'_>) -> Result<usize, Fault> {
    let count = event.line.u64("count")?;
    usize::try_from(count).ok().filter(|_| count <= COUNT_MAX).ok_or_else(|| {
        Fault::new(format!("member `count` is {count}; at most {COUNT_MAX} is read"))
    })
}

fn decimal(value: u64) -> Value {
    Value::String(value.to_string())
}
