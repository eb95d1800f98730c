//! `simulate shrink`: a smaller schedule that fails in the same way.

use std::io::Write;
use std::mem::discriminant;

use avalanche_consensus::testing::simulation::{Report, Scenario, Verdict};

use super::args::{ShrinkArgs, shrink_help};
use super::run::failure;
use super::{Choice, CommandError};

/// Runs the command; whether the seed passes.
pub(super) fn run(args: Vec<String>, out: &mut dyn Write) -> Result<bool, CommandError> {
    let Some(ShrinkArgs { choice, seed }) = ShrinkArgs::parse(args)? else {
        out.write_all(shrink_help().as_bytes())?;
        return Ok(true);
    };
    let report = choice.run(seed)?;
    if report.verdict.passed() {
        writeln!(out, "seed {seed} passes; there is nothing to make smaller")?;
        return Ok(true);
    }
    writeln!(out, "seed {seed}: {}", report.verdict)?;
    let before = choice.scenario(seed);
    let mut shrinking = Shrinking { choice, report, seed, runs: 1 };
    shrinking.run(out)?;
    let Shrinking { choice, report, runs, .. } = shrinking;
    let after = choice.scenario(seed);
    writeln!(
        out,
        "after {runs} runs: {} of {} faults, {} of {} nodes, {} of {} heights",
        after.plan.faults.len(),
        before.plan.faults.len(),
        after.nodes(),
        before.nodes(),
        after.heights,
        before.heights,
    )?;
    for planned in &after.plan.faults {
        writeln!(out, "  {planned}")?;
    }
    write!(out, "{}", failure(&choice, &report))?;
    Ok(false)
}

/// A run that fails, and what is left of it.
struct Shrinking {
    choice: Choice,
    report: Report,
    seed: u64,
    runs: u32,
}

impl Shrinking {
    /// Leaves out whatever can be left out, until nothing more can.
    fn run(&mut self, out: &mut dyn Write) -> Result<(), CommandError> {
        loop {
            let before = self.choice.clone();
            self.heights()?;
            self.faults()?;
            self.nodes()?;
            if self.choice == before {
                return Ok(());
            }
            let scenario = self.choice.scenario(self.seed);
            let (nodes, heights) = (scenario.nodes(), scenario.heights);
            let faults = scenario.plan.faults.len();
            writeln!(out, "  {faults} faults, {nodes} nodes, {heights} heights still fail")?;
        }
    }

    /// Fewer blocks: by halves, then one by one.
    fn heights(&mut self) -> Result<(), CommandError> {
        let mut step = self.choice.scenario(self.seed).heights / 2;
        while step > 0 {
            let heights = self.choice.scenario(self.seed).heights;
            let fewer = heights.saturating_sub(step);
            let smaller = Choice { heights: Some(fewer), ..self.choice.clone() };
            if fewer == 0 || !self.still_fails(smaller)? {
                step /= 2;
            }
        }
        Ok(())
    }

    /// Fewer faults, one at a time, the last ones first.
    fn faults(&mut self) -> Result<(), CommandError> {
        let drawn = Choice { faults: None, first: None, ..self.choice.clone() };
        let planned = drawn.scenario(self.seed).plan.faults.len();
        let mut kept = self.choice.faults.clone().unwrap_or_else(|| (0..planned).collect());
        for number in (0..planned).rev() {
            let fewer: Vec<_> = kept.iter().copied().filter(|at| *at != number).collect();
            if fewer.len() < kept.len() {
                let smaller = Choice { faults: Some(fewer.clone()), ..self.choice.clone() };
                if self.still_fails(smaller)? {
                    kept = fewer;
                }
            }
        }
        Ok(())
    }

    /// Fewer nodes, the last ones first, as long as there is stake enough for a poll: without it
    /// nothing is ever decided, and that is another failure than the one that was found.
    fn nodes(&mut self) -> Result<(), CommandError> {
        while let Some(fewer) = self.choice.scenario(self.seed).nodes().checked_sub(1)
            && fewer > 0
        {
            let smaller = Choice { first: Some(fewer), ..self.choice.clone() };
            if !can_poll(&smaller.scenario(self.seed)) || !self.still_fails(smaller)? {
                break;
            }
        }
        Ok(())
    }

    /// Whether a smaller run fails in the same way; then it takes the place of the present one.
    fn still_fails(&mut self, smaller: Choice) -> Result<bool, CommandError> {
        self.runs += 1;
        let report = smaller.run(self.seed)?;
        let same = match (&self.report.verdict, &report.verdict) {
            (Verdict::Diverged(was), Verdict::Diverged(is)) => was.invariant == is.invariant,
            (was, is) => discriminant(was) == discriminant(is),
        };
        if same {
            (self.choice, self.report) = (smaller, report);
        }
        Ok(same)
    }
}

/// Whether the stake of all nodes is at least the `k` units that a poll draws.
fn can_poll(scenario: &Scenario) -> bool {
    let total = scenario.weights.iter().fold(0, |total: u64, weight| total.saturating_add(*weight));
    total >= u64::from(scenario.config.parameters.k())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_not_cut_below_the_stake_of_one_poll() {
        let parse = |line: &str| {
            let args = line.split(' ').map(str::to_owned).collect();
            ShrinkArgs::parse(args).unwrap().unwrap()
        };
        // Its five nodes have exactly `k` units together.
        let ShrinkArgs { choice, seed } = parse("18055");
        assert!(can_poll(&choice.scenario(seed)));
        assert!(!can_poll(&Choice { first: Some(4), ..choice }.scenario(seed)));
        // Each of these has far more.
        let ShrinkArgs { choice, seed } = parse("1 --scenario stalled");
        assert!(can_poll(&Choice { first: Some(1), ..choice }.scenario(seed)));
    }
}
