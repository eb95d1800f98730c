//! Unary, binary, n-ary and flat instances against the transition tables, written out step by step.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a case that is out of range is a defect of this test, and a panic fails it"
)]

#[cfg(test)]
mod runner;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use avalanche_consensus::Bag;
use avalanche_consensus::snowball::{
    Binary, Bit, Flat, Nnary, Rule, Snowball, Snowflake, TerminationCondition, Thresholds, Unary,
};
use avalanche_consensus::testing::{Coverage, Factory, strategies};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use runner::run_cases;

/// One instance between values of `V`, and every number it should hold.
#[derive(Clone)]
struct Model<V> {
    factory: Factory,
    alpha_preference: u32,
    conditions: Vec<(u32, u32)>,
    flake: V,
    ball: V,
    strength: BTreeMap<V, u64>,
    confidence: Vec<u32>,
    finalized: bool,
}

impl<V: Ord + Clone + fmt::Debug> Model<V> {
    fn new(factory: Factory, case: &Case, choice: V) -> Self {
        Self {
            factory,
            alpha_preference: case.alpha_preference,
            conditions: case.conditions.clone(),
            flake: choice.clone(),
            ball: choice,
            strength: BTreeMap::new(),
            confidence: vec![0; case.conditions.len()],
            finalized: false,
        }
    }

    /// Binary and n-ary.
    fn poll(&mut self, count: u32, choice: V) {
        if count >= self.alpha_preference {
            let before = self.strength.values().max().copied().unwrap_or(0);
            let strength = self.strength.entry(choice.clone()).or_default();
            *strength += 1;
            if *strength > before {
                self.ball = choice.clone();
            }
        }
        if self.finalized {
            return;
        }
        if count < self.alpha_preference {
            return self.fail();
        }
        if choice != self.flake {
            self.fail();
        }
        self.flake = choice;
        self.count(count);
    }

    /// Unary: no guard after finalisation, and no preference threshold for the confidence.
    fn poll_unary(&mut self, count: u32) {
        if count >= self.alpha_preference {
            *self.strength.entry(self.flake.clone()).or_default() += 1;
        }
        self.count(count);
    }

    fn count(&mut self, count: u32) {
        for (index, (alpha, beta)) in self.conditions.iter().enumerate() {
            if count < *alpha {
                self.confidence[index..].fill(0);
                return;
            }
            self.confidence[index] += 1;
            if self.confidence[index] >= *beta {
                self.finalized = true;
                return;
            }
        }
    }

    fn fail(&mut self) {
        self.confidence.fill(0);
    }

    fn preference(&self) -> &V {
        match self.factory {
            Factory::Snowball if !self.finalized => &self.ball,
            _ => &self.flake,
        }
    }

    fn strength(&self, value: &V) -> u64 {
        self.strength.get(value).copied().unwrap_or(0)
    }

    fn confidence_form(&self) -> String {
        let numbers: Vec<_> = self.confidence.iter().map(u32::to_string).collect();
        format!("Confidence = [{}], Finalized = {}", numbers.join(" "), self.finalized)
    }

    fn unary_form(&self) -> String {
        let flake = format!("SF({})", self.confidence_form());
        match self.factory {
            Factory::Snowflake => flake,
            Factory::Snowball => {
                format!("SB(PreferenceStrength = {}, {flake})", self.strength(&self.flake))
            }
        }
    }

    fn nnary_form(&self) -> String {
        let flake = format!("SF({}, SL(Preference = {:?}))", self.confidence_form(), self.flake);
        let most = self.strength.values().max().copied().unwrap_or(0);
        match self.factory {
            Factory::Snowflake => flake,
            Factory::Snowball => {
                format!("SB(Preference = {:?}, PreferenceStrength = {most}, {flake})", self.ball)
            }
        }
    }
}

impl Model<bool> {
    fn binary_form(&self) -> String {
        let (flake, ball) = (u8::from(self.flake), u8::from(self.ball));
        let inner = format!("SF({}, SL(Preference = {flake}))", self.confidence_form());
        let [zeros, ones] = [false, true].map(|bit| self.strength(&bit));
        match self.factory {
            Factory::Snowflake => inner,
            Factory::Snowball => format!(
                "SB(Preference = {ball}, PreferenceStrength[0] = {zeros}, \
                 PreferenceStrength[1] = {ones}, {inner})"
            ),
        }
    }
}

#[derive(Clone, Debug)]
struct Case {
    alpha_preference: u32,
    conditions: Vec<(u32, u32)>,
    first: u8,
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Poll { count: u32, choice: u8 },
    Fail,
}

impl Case {
    fn thresholds<const N: usize>(&self) -> Thresholds<N> {
        let conditions = std::array::from_fn(|index| TerminationCondition {
            alpha_confidence: self.conditions[index].0,
            beta: self.conditions[index].1,
        });
        Thresholds::new(self.alpha_preference, conditions).unwrap()
    }
}

const SITUATIONS: &[&str] = &[
    "preference changed",
    "preference kept by a tie",
    "confidence lost",
    "between the thresholds",
    "finalized by the first condition",
    "finalized by a later condition",
    "finalized against the snowball preference",
    "poll after finalization",
    "extended with confidence",
];

/// Cases with one to three conditions. Choices and counts repeat, so that streaks happen.
fn case() -> impl Strategy<Value = Case> {
    let steps = prop_oneof![
        6 => (0..12_u32, 0..4_u8, 1..6_usize)
            .prop_map(|(count, choice, times)| vec![Step::Poll { count, choice }; times]),
        1 => Just(vec![Step::Fail]),
    ];
    let conditions = vec((1..4_u32, 0..3_u32), 1..=3);
    (1..8_u32, conditions, 1..4_u32, 0..4_u8, vec(steps, 1..12)).prop_map(
        |(alpha_preference, rises, least, first, steps)| {
            let mut alpha = alpha_preference - 1;
            let mut beta = least + rises.iter().map(|(_, fall)| fall).sum::<u32>();
            let conditions = rises
                .into_iter()
                .map(|(rise, fall)| {
                    alpha += rise;
                    beta -= fall;
                    (alpha, beta)
                })
                .collect();
            let steps = steps.into_iter().flatten().collect();
            Case { alpha_preference, conditions, first, steps }
        },
    )
}

/// Leaves with an error that names the step unless model and library agree.
macro_rules! check {
    ($step:expr, $($model:expr => $actual:expr),+ $(,)?) => {
        $(match (&$model, &$actual) {
            (model, actual) if model == actual => {}
            (model, actual) => {
                return Err(format!("step {}: model {model:?}, library {actual:?}", $step));
            }
        })+
    };
}

/// Runs `$check` for both rules and every number of conditions.
macro_rules! for_each_kind {
    ($case:expr, $coverage:expr, $check:ident) => {
        match $case.conditions.len() {
            1 => $check::<Snowflake, 1>(Factory::Snowflake, $case, $coverage)
                .and_then(|()| $check::<Snowball, 1>(Factory::Snowball, $case, $coverage)),
            2 => $check::<Snowflake, 2>(Factory::Snowflake, $case, $coverage)
                .and_then(|()| $check::<Snowball, 2>(Factory::Snowball, $case, $coverage)),
            _ => $check::<Snowflake, 3>(Factory::Snowflake, $case, $coverage)
                .and_then(|()| $check::<Snowball, 3>(Factory::Snowball, $case, $coverage)),
        }
    };
}

#[test]
fn instances_follow_the_transition_tables() {
    let coverage = RefCell::new(Coverage::new(SITUATIONS));
    run_cases(3_000, file!(), &case(), |case| {
        let coverage = &mut *coverage.borrow_mut();
        for_each_kind!(&case, coverage, check_nnary)
            .and_then(|()| for_each_kind!(&case, coverage, check_binary))
            .and_then(|()| for_each_kind!(&case, coverage, check_unary))
    });
    let coverage = coverage.into_inner();
    println!("{coverage}");
    assert_eq!(coverage.unreached(), [""; 0]);
}

fn check_nnary<R: Rule, const N: usize>(
    factory: Factory,
    case: &Case,
    coverage: &mut Coverage,
) -> Result<(), String> {
    let mut instance = Nnary::<R, u8, N>::new(case.thresholds(), case.first);
    let mut model = Model::new(factory, case, case.first);
    for (index, step) in case.steps.iter().enumerate() {
        let before = model.clone();
        match *step {
            Step::Poll { count, choice } => {
                instance.record_poll(count, &choice);
                model.poll(count, choice);
                let tie =
                    model.ball != choice && model.strength(&choice) == model.strength(&model.ball);
                coverage.hit_if("preference kept by a tie", tie && factory == Factory::Snowball);
                let short = count >= case.alpha_preference && count < case.conditions[0].0;
                coverage.hit_if("between the thresholds", short);
            }
            Step::Fail => {
                instance.record_unsuccessful_poll();
                model.fail();
            }
        }
        check!(index,
            model.preference() => instance.preference(),
            model.finalized => instance.finalized(),
            model.confidence => instance.confidence(),
            model.nnary_form() => instance.to_string(),
        );
        coverage.hit_if("preference changed", before.preference() != model.preference());
        coverage.hit_if("confidence lost", before.confidence[0] > model.confidence[0]);
        coverage.hit_if("poll after finalization", before.finalized);
        if model.finalized && !before.finalized {
            let first = model.confidence[0] >= case.conditions[0].1;
            coverage.hit_if("finalized by the first condition", first);
            coverage.hit_if("finalized by a later condition", !first);
            let against = factory == Factory::Snowball && model.ball != model.flake;
            coverage.hit_if("finalized against the snowball preference", against);
        }
        if before.finalized && before.preference() != model.preference() {
            return Err(format!("step {index}: preference moved after finalization"));
        }
    }
    Ok(())
}

fn check_binary<R: Rule, const N: usize>(
    factory: Factory,
    case: &Case,
    _coverage: &mut Coverage,
) -> Result<(), String> {
    let bit = |choice: u8| choice % 2 == 1;
    let mut instance = Binary::<R, N>::new(case.thresholds(), Bit::from(bit(case.first)));
    let mut model = Model::new(factory, case, bit(case.first));
    for (index, step) in case.steps.iter().enumerate() {
        match *step {
            Step::Poll { count, choice } => {
                instance.record_poll(count, Bit::from(bit(choice)));
                model.poll(count, bit(choice));
            }
            Step::Fail => {
                instance.record_unsuccessful_poll();
                model.fail();
            }
        }
        check!(index,
            Bit::from(*model.preference()) => instance.preference(),
            model.finalized => instance.finalized(),
            model.confidence => instance.confidence(),
            model.binary_form() => instance.to_string(),
        );
    }
    Ok(())
}

fn check_unary<R: Rule, const N: usize>(
    factory: Factory,
    case: &Case,
    coverage: &mut Coverage,
) -> Result<(), String> {
    let mut instance = Unary::<R, N>::new(case.thresholds());
    let mut model = Model::new(factory, case, case.first % 2 == 1);
    for (index, step) in case.steps.iter().enumerate() {
        match *step {
            Step::Poll { count, .. } => {
                instance.record_poll(count);
                model.poll_unary(count);
            }
            Step::Fail => {
                instance.record_unsuccessful_poll();
                model.fail();
            }
        }
        check!(index,
            model.finalized => instance.finalized(),
            model.confidence => instance.confidence(),
            model.unary_form() => instance.to_string(),
            model.unary_form() => instance.clone().to_string(),
        );
    }
    // A rival of the value so far: its instance inherits everything, and goes on from there.
    let mut extended = instance.extend(Bit::from(model.flake));
    check!("extend", model.binary_form() => extended.to_string());
    coverage.hit_if("extended with confidence", model.confidence[0] > 0 && !model.finalized);
    for (index, step) in case.steps.iter().enumerate() {
        if let Step::Poll { count, choice } = *step {
            extended.record_poll(count, Bit::from(choice % 2 == 1));
            model.poll(count, choice % 2 == 1);
        }
        check!(index, model.binary_form() => extended.to_string());
    }
    check!("copy", instance.clone().to_string() => instance.to_string());
    Ok(())
}

/// Counted backwards from the whole history: until the first decision, a condition's confidence is
/// the number of polls at the end that all reached its threshold for the same choice.
#[test]
fn confidence_is_the_length_of_the_last_streak() {
    let streaks = RefCell::new(0_u32);
    run_cases(2_000, file!(), &case(), |case| {
        let mut instance = Nnary::<Snowflake, u8, 1>::new(case.thresholds(), case.first);
        let mut history = Vec::new();
        let (alpha, beta) = case.conditions[0];
        for (index, step) in case.steps.iter().enumerate() {
            match *step {
                Step::Poll { count, choice } => instance.record_poll(count, &choice),
                Step::Fail => instance.record_unsuccessful_poll(),
            }
            history.push(*step);
            let mut last = None;
            let streak = history
                .iter()
                .rev()
                .take_while(|step| match **step {
                    Step::Poll { count, choice } => {
                        count >= alpha && *last.get_or_insert(choice) == choice
                    }
                    Step::Fail => false,
                })
                .count();
            check!(index, vec![streak] => instance.confidence().map(|count| count as usize));
            check!(index, streak >= beta as usize => instance.finalized());
            if instance.finalized() {
                *streaks.borrow_mut() += 1;
                break;
            }
        }
        Ok::<(), String>(())
    });
    assert!(streaks.into_inner() > 500);
}

#[test]
fn a_flat_instance_counts_the_most_frequent_choice() {
    let decided = RefCell::new(0_u32);
    let bag = vec(prop_oneof![3 => Just(1_u8), 1 => any::<u8>().prop_map(|byte| byte % 4)], 0..=20);
    let cases = (strategies::parameters(), vec((bag, 1..6_usize), 1..20));
    run_cases(1_000, file!(), &cases, |(parameters, bags)| {
        let mut flat = Flat::<Snowball, u8>::new(parameters, 0);
        let case = Case {
            alpha_preference: parameters.alpha_preference(),
            conditions: vec![(parameters.alpha_confidence(), parameters.beta())],
            first: 0,
            steps: Vec::new(),
        };
        let mut model = Model::new(Factory::Snowball, &case, 0);
        for (index, (bag, times)) in bags.iter().enumerate() {
            let votes: Bag<u8> = bag.iter().copied().take(parameters.k() as usize).collect();
            for _ in 0..*times {
                let success = flat.record_poll(&votes);
                let most = (0..4_u8).map(|choice| (votes.count(&choice), choice)).max().unwrap();
                model.poll(most.0, most.1);
                check!(index,
                    most.0 >= parameters.alpha_preference() => success,
                    model.preference() => flat.preference(),
                    model.finalized => flat.finalized(),
                    model.nnary_form() => flat.to_string(),
                );
            }
        }
        *decided.borrow_mut() += u32::from(flat.finalized());
        Ok::<(), String>(())
    });
    assert!(decided.into_inner() > 100);
}
