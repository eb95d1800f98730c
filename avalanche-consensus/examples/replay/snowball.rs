//! Family `snowball`: decision trees, flat decisions, and numbered single instances.

use std::fmt;

use avalanche_consensus::Id;
use avalanche_consensus::snowball::{
    Binary, Bit, Consensus, Flat, Nnary, Parameters, Rule, Snowball, Snowflake,
    TerminationCondition, Thresholds, Tree, Unary,
};
use serde_json::{Value, json};

use super::check::{Check, Level};
use super::family::{self, Event, Factory, Replay};
use super::json::{Fault, Object, hex, short_hash, u32};

pub(crate) fn start(init: &Event<'_>, check: &mut Check) -> Result<Box<dyn Replay>, Fault> {
    match family::factory(init)? {
        Factory::Snowflake => start_with::<Snowflake>(init, check),
        Factory::Snowball => start_with::<Snowball>(init, check),
    }
}

fn start_with<R: Reported>(init: &Event<'_>, check: &mut Check) -> Result<Box<dyn Replay>, Fault> {
    let parameters = family::parameters(init)?;
    let conditions = conditions(init)?;
    let choice = || init.line.id("choice");
    match init.line.text("kind")? {
        "tree" => {
            one_condition(&parameters, &conditions)?;
            let tree = Tree::<R>::new(parameters, choice()?, family::hash_key());
            Voted { decision: tree, is_tree: true }.compared(init.out()?, check)
        }
        "flat" => {
            one_condition(&parameters, &conditions)?;
            let flat = Flat::<R>::new(parameters, choice()?);
            Voted { decision: flat, is_tree: false }.compared(init.out()?, check)
        }
        "unary" | "binary" | "nnary" => {
            // The number of conditions is part of the type; traces have up to four.
            macro_rules! with_conditions {
                ($($count:literal),*) => {
                    match conditions.len() {
                        $($count => Instances::<R, $count>::start(init, &conditions, check),)*
                        other => Err(Fault::new(format!(
                            "member `tc` has {other} conditions; 1 to 4 can be replayed"
                        ))),
                    }
                };
            }
            with_conditions!(1, 2, 3, 4)
        }
        other => Err(Fault::new(format!("unknown kind `{other}` of family `sb`"))),
    }
}

fn conditions(init: &Event<'_>) -> Result<Vec<TerminationCondition>, Fault> {
    init.line
        .pairs("tc")?
        .map(|pair| {
            let (name, alpha_confidence, beta) = pair?;
            Ok(TerminationCondition {
                alpha_confidence: u32(alpha_confidence, &name)?,
                beta: u32(beta, &name)?,
            })
        })
        .collect()
}

/// Trees and flat decisions have the condition that their parameters state, and no other.
fn one_condition(
    parameters: &Parameters,
    conditions: &[TerminationCondition],
) -> Result<(), Fault> {
    if conditions == Thresholds::from(parameters).conditions() {
        return Ok(());
    }
    Err(Fault::new("member `tc` must be the pair of `params.ac` and `params.beta` for this kind"))
}

/// A decision driven by whole bags of votes: a tree or a flat one.
struct Voted<D> {
    decision: D,
    is_tree: bool,
}

impl<D: Consensus<Choice = Id> + fmt::Display + 'static> Voted<D> {
    fn compared(self, out: Object<'_>, check: &mut Check) -> Result<Box<dyn Replay>, Fault> {
        self.compare(out, check)?;
        Ok(Box::new(self))
    }

    fn compare(&self, out: Object<'_>, check: &mut Check) -> Result<(), Fault> {
        let decision = &self.decision;
        check.member(out, Level::Decisions, "pref", hex(*decision.preference()))?;
        check.member(out, Level::Decisions, "fin", decision.finalized())?;
        let printed = decision.to_string();
        let hash = short_hash(&printed);
        if self.is_tree {
            check.optional(out, Level::Layout, "str", printed);
        } else {
            check.member(out, Level::Decisions, "str", printed)?;
        }
        check.member(out, Level::Layout, "sh", hash)
    }
}

impl<D: Consensus<Choice = Id> + fmt::Display + 'static> Replay for Voted<D> {
    fn event(&mut self, event: &Event<'_>, check: &mut Check) -> Result<(), Fault> {
        let out = event.out()?;
        match event.op {
            "add" if self.is_tree => {
                let added = self.decision.add(event.line.id("id")?);
                added.map_err(|error| Fault::new(format!("op `add` is refused: {error}")))?;
            }
            "poll" => {
                let was_finalized = self.decision.finalized();
                let ok = self.decision.record_poll(&event.line.votes("votes")?);
                // What a finalized tree answers is unspecified.
                if !(self.is_tree && was_finalized) {
                    check.member(out, Level::Decisions, "ok", ok)?;
                }
            }
            "fail" => self.decision.record_unsuccessful_poll(),
            _ => {
                return Err(event.unknown_op(if self.is_tree {
                    "kind `tree`"
                } else {
                    "kind `flat`"
                }));
            }
        }
        self.compare(out, check)
    }

    fn state(&self) -> Value {
        json!({
            "pref": hex(*self.decision.preference()),
            "fin": self.decision.finalized(),
            "str": self.decision.to_string(),
        })
    }
}

/// Numbered instances: number 0 from `init`, others from `clone` and `extend`.
struct Instances<R: Rule, const N: usize> {
    instances: Vec<Instance<R, N>>,
}

enum Instance<R: Rule, const N: usize> {
    Unary(Unary<R, N>),
    Binary(Binary<R, N>),
    Nnary(Box<Nnary<R, Id, N>>),
}

impl<R: Reported, const N: usize> Instances<R, N> {
    fn start(
        init: &Event<'_>,
        conditions: &[TerminationCondition],
        check: &mut Check,
    ) -> Result<Box<dyn Replay>, Fault> {
        let alpha_preference = init.line.object("params")?.u32("ap")?;
        let thresholds = <[TerminationCondition; N]>::try_from(conditions)
            .map_err(|_| Fault::new("member `tc` changed its length"))
            .and_then(|conditions| {
                Thresholds::new(alpha_preference, conditions)
                    .map_err(|error| Fault::new(format!("member `tc` is refused: {error}")))
            })?;
        let instance = match init.line.text("kind")? {
            "unary" => Instance::Unary(Unary::new(thresholds)),
            "binary" => Instance::Binary(Binary::new(thresholds, bit(init.line, "choice")?)),
            _ => Instance::Nnary(Box::new(Nnary::new(thresholds, init.line.id("choice")?))),
        };
        instance.compare(init.out()?, check)?;
        Ok(Box::new(Self { instances: vec![instance] }))
    }
}

impl<R: Reported, const N: usize> Replay for Instances<R, N> {
    fn event(&mut self, event: &Event<'_>, check: &mut Check) -> Result<(), Fault> {
        let out = event.out()?;
        let number = match event.line.find("i") {
            None => 0,
            Some(_) => event.line.u32("i")?,
        };
        let known = self.instances.len();
        let acted_on = usize::try_from(number).ok().and_then(|at| self.instances.get_mut(at));
        let Some(instance) = acted_on else {
            return Err(Fault::new(format!("member `i` is {number}; there are {known} instances")));
        };
        let made = instance.apply(event)?;
        if let Some(made) = made {
            check.member(out, Level::Decisions, "new", known)?;
            made.compare(out, check)?;
            self.instances.push(made);
            return Ok(());
        }
        instance.compare(out, check)
    }

    fn state(&self) -> Value {
        let printed = self.instances.iter().map(|instance| Value::from(instance.to_string()));
        json!({ "instances": printed.collect::<Vec<_>>() })
    }
}

impl<R: Reported, const N: usize> Instance<R, N> {
    /// Carries out an operation; the new instance if it makes one.
    fn apply(&mut self, event: &Event<'_>) -> Result<Option<Self>, Fault> {
        let line = event.line;
        match (&mut *self, event.op) {
            (Self::Unary(unary), "poll") => unary.record_poll(line.u32("count")?),
            (Self::Binary(binary), "poll") => {
                binary.record_poll(line.u32("count")?, bit(line, "choice")?);
            }
            (Self::Nnary(nnary), "poll") => {
                nnary.record_poll(line.u32("count")?, &line.id("choice")?);
            }
            (Self::Nnary(nnary), "add") => nnary.add(&line.id("id")?),
            (Self::Unary(unary), "fail") => unary.record_unsuccessful_poll(),
            (Self::Binary(binary), "fail") => binary.record_unsuccessful_poll(),
            (Self::Nnary(nnary), "fail") => nnary.record_unsuccessful_poll(),
            (Self::Unary(unary), "clone") => return Ok(Some(Self::Unary(unary.clone()))),
            (Self::Unary(unary), "extend") => {
                return Ok(Some(Self::Binary(unary.extend(bit(line, "choice")?))));
            }
            _ => return Err(event.unknown_op(self.kind())),
        }
        Ok(None)
    }

    fn compare(&self, out: Object<'_>, check: &mut Check) -> Result<(), Fault> {
        if let Some(preference) = self.preference() {
            check.member(out, Level::Decisions, "pref", preference)?;
        }
        check.member(out, Level::Decisions, "fin", self.finalized())?;
        check.member(out, Level::Decisions, "conf", self.confidence().to_vec())?;
        check.presence(out, Level::Decisions, "strength", self.strength());
        let printed = self.to_string();
        let hash = short_hash(&printed);
        check.member(out, Level::Decisions, "str", printed)?;
        check.member(out, Level::Layout, "sh", hash)
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Unary(_) => "a unary instance",
            Self::Binary(_) => "a binary instance",
            Self::Nnary(_) => "an n-ary instance",
        }
    }

    fn preference(&self) -> Option<Value> {
        match self {
            Self::Unary(_) => None,
            Self::Binary(binary) => Some(u8::from(bool::from(binary.preference())).into()),
            Self::Nnary(nnary) => Some(hex(*nnary.preference())),
        }
    }

    const fn finalized(&self) -> bool {
        match self {
            Self::Unary(unary) => unary.finalized(),
            Self::Binary(binary) => binary.finalized(),
            Self::Nnary(nnary) => nnary.finalized(),
        }
    }

    const fn confidence(&self) -> [u32; N] {
        match self {
            Self::Unary(unary) => unary.confidence(),
            Self::Binary(binary) => binary.confidence(),
            Self::Nnary(nnary) => nnary.confidence(),
        }
    }

    fn strength(&self) -> Option<Value> {
        match self {
            Self::Unary(unary) => R::unary_strength(unary),
            Self::Binary(binary) => R::binary_strength(binary),
            Self::Nnary(nnary) => R::nnary_strength(nnary),
        }
    }
}

impl<R: Rule, const N: usize> fmt::Display for Instance<R, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unary(unary) => unary.fmt(f),
            Self::Binary(binary) => binary.fmt(f),
            Self::Nnary(nnary) => nnary.fmt(f),
        }
    }
}

/// Strengths exist under [`Snowball`] only, and traces say so by their absence.
trait Reported: Rule {
    fn unary_strength<const N: usize>(_: &Unary<Self, N>) -> Option<Value> {
        None
    }

    fn binary_strength<const N: usize>(_: &Binary<Self, N>) -> Option<Value> {
        None
    }

    fn nnary_strength<const N: usize>(_: &Nnary<Self, Id, N>) -> Option<Value> {
        None
    }
}

impl Reported for Snowflake {}

impl Reported for Snowball {
    fn unary_strength<const N: usize>(instance: &Unary<Self, N>) -> Option<Value> {
        Some(instance.strength().into())
    }

    fn binary_strength<const N: usize>(instance: &Binary<Self, N>) -> Option<Value> {
        Some(instance.strength().to_vec().into())
    }

    fn nnary_strength<const N: usize>(instance: &Nnary<Self, Id, N>) -> Option<Value> {
        let counted = instance.strengths();
        Some(counted.map(|(id, polls)| Value::from(vec![hex(*id), polls.into()])).collect())
    }
}

fn bit(line: Object<'_>, name: &str) -> Result<Bit, Fault> {
    match line.u32(name)? {
        0 => Ok(Bit::Zero),
        1 => Ok(Bit::One),
        other => Err(Fault::new(format!("member `{name}` is {other}, which is neither 0 nor 1"))),
    }
}
