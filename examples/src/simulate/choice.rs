//! One run, as a command line.

use std::fmt;

use avalanche_consensus::testing::simulation::{Named, Report, Scenario, Simulation};

use super::CommandError;

/// What to run: a scenario and what is changed in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The scenario.
    pub named: Named,
    /// Its nodes; `None`: as many as it usually has.
    pub nodes: Option<u32>,
    /// Blocks to accept; `None`: as many as it usually has.
    pub heights: Option<u64>,
    /// The planned faults that stay, by number; `None`: all.
    pub faults: Option<Vec<usize>>,
    /// The nodes that stay, from the first; `None`: all.
    pub first: Option<u32>,
}

impl Choice {
    /// A scenario without changes.
    #[must_use]
    pub const fn of(named: Named) -> Self {
        Self { named, nodes: None, heights: None, faults: None, first: None }
    }

    /// The scenario of a seed.
    #[must_use]
    pub fn scenario(&self, seed: u64) -> Scenario {
        let mut scenario = self.named.draw(seed, self.nodes.unwrap_or(self.named.nodes));
        if let Some(faults) = &self.faults {
            scenario = scenario.with_faults(faults);
        }
        if let Some(first) = self.first {
            scenario.weights.truncate(first as usize);
            scenario.plan.faults.retain(|planned| planned.fault.fits(first));
        }
        if let Some(heights) = self.heights {
            scenario.heights = heights;
        }
        scenario
    }

    /// Runs a seed.
    ///
    /// # Errors
    ///
    /// If the engine refuses the scenario, which is a mistake in the scenario.
    pub fn run(&self, seed: u64) -> Result<Report, CommandError> {
        let simulation = Simulation::new(self.scenario(seed));
        let mut simulation =
            simulation.map_err(|error| CommandError::Run(format!("seed {seed}: {error}")))?;
        Ok(simulation.run())
    }

    /// The command that runs a seed of it again.
    #[must_use]
    pub fn command(&self, seed: u64) -> String {
        let end = u128::from(seed) + 1;
        format!("cargo run --release --bin simulate -- run --seeds {seed}..{end}{self}")
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { named, nodes, heights, faults, first } = self;
        write!(f, " --scenario {}", named.name)?;
        if let Some(nodes) = nodes {
            write!(f, " --nodes {nodes}")?;
        }
        if let Some(heights) = heights {
            write!(f, " --heights {heights}")?;
        }
        if let Some(faults) = faults {
            let faults: Vec<_> = faults.iter().map(usize::to_string).collect();
            let faults = if faults.is_empty() { "none".to_owned() } else { faults.join(",") };
            write!(f, " --faults {faults}")?;
        }
        if let Some(first) = first {
            write!(f, " --first {first}")?;
        }
        Ok(())
    }
}
