//! One setting of the laboratory: the network that has it, and what was measured there.

use std::time::Duration;

use avalanche_consensus::engine::{EngineConfig, Phase};
use avalanche_consensus::snowball::{Parameters, ParametersConfig};
use avalanche_consensus::testing::simulation::{
    Behaviour, Fault, FaultPlan, Latency, PlannedFault, Proposals, Scenario, Simulation, Verdict,
};
use avalanche_consensus::testing::{Magnitude, PollOdds, Stake};

use crate::simulate::{CommandError, OptionError};

/// Units of stake that each node has: so many that a poll of `k` draws few of one node.
const WEIGHT: u64 = 1_000;

/// What can be varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Units of stake that a poll draws.
    pub k: u32,
    /// Votes that turn the preference and that count; `None`: three quarters of `k`.
    pub alpha: Option<u32>,
    /// Polls in a row that decide.
    pub beta: u32,
    /// Percent of the stake that works against the others.
    pub adversary: u32,
    /// Milliseconds that a message travels on average.
    pub latency: u32,
}

impl Default for Setting {
    fn default() -> Self {
        Self { k: 20, alpha: None, beta: 20, adversary: 0, latency: 20 }
    }
}

impl Setting {
    /// The votes that turn the preference and that count.
    #[must_use]
    pub const fn alpha(&self) -> u32 {
        match self.alpha {
            Some(alpha) => alpha,
            None => (3 * self.k).div_ceil(4),
        }
    }

    /// The parameters of consensus.
    ///
    /// # Errors
    ///
    /// The rule of consensus that is broken.
    pub fn parameters(&self) -> Result<Parameters, OptionError> {
        Parameters::new(self.k, self.alpha(), self.alpha(), self.beta)
            .map_err(|error| OptionError::Together(error.to_string()))
    }
}

/// The network in which settings are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bench {
    /// Number of nodes.
    pub nodes: u32,
    /// Blocks that each run is to accept.
    pub heights: u64,
    /// The first seed.
    pub seed: u64,
    /// Runs for each setting.
    pub seeds: u64,
    /// How adversaries behave.
    pub behaviour: Behaviour,
    /// Milliseconds after which somebody builds again.
    pub slot: u32,
}

impl Default for Bench {
    fn default() -> Self {
        Self {
            nodes: 25,
            heights: 20,
            seed: 1,
            seeds: 2,
            behaviour: Behaviour::Contrary,
            slot: 1_000,
        }
    }
}

impl Bench {
    /// Nodes that are adversaries in a setting.
    #[must_use]
    pub const fn adversaries(&self, setting: Setting) -> u32 {
        (self.nodes * setting.adversary + 50) / 100
    }

    /// The odds of a poll once all honest nodes agree, if adversaries do not help.
    ///
    /// # Errors
    ///
    /// The rule of consensus that a setting breaks.
    pub fn expected(&self, setting: Setting) -> Result<PollOdds, OptionError> {
        let honest = self.nodes - self.adversaries(setting);
        let (total, red) = (u64::from(self.nodes) * WEIGHT, u64::from(honest) * WEIGHT);
        let parameters = setting.parameters()?;
        let stake = Stake::Units { total, red };
        Ok(PollOdds::new(parameters.k(), parameters.alpha_confidence(), stake))
    }

    /// The run of one seed.
    ///
    /// # Errors
    ///
    /// The rule of consensus that a setting breaks.
    pub fn scenario(&self, setting: Setting, seed: u64) -> Result<Scenario, OptionError> {
        let latency = Duration::from_millis(setting.latency.into());
        let adversary = |node| PlannedFault {
            at: Duration::ZERO,
            lasts: Duration::ZERO,
            fault: Fault::Adversary { node, behaviour: self.behaviour },
        };
        let faults = (0..self.adversaries(setting)).map(adversary).collect();
        let parameters = setting.parameters()?;
        let slot = Duration::from_millis(self.slot.into());
        let heights = u32::try_from(self.heights).unwrap_or(u32::MAX);
        Ok(Scenario {
            name: "lab",
            seed,
            weights: vec![WEIGHT; self.nodes as usize],
            config: EngineConfig { parameters, ..EngineConfig::default() },
            latency: Latency::Uniform { least: latency / 2, most: latency * 3 / 2 },
            slot,
            proposals: Proposals::Rivals { most: 2 },
            oracles: 0,
            options_agreed: true,
            heights: self.heights,
            start: Phase::NormalOperation,
            restart: Phase::NormalOperation,
            plan: FaultPlan { faults },
            // Builders that are adversaries waste slots, so there must be some to spare.
            patience: Duration::from_mins(1) + slot * heights,
            events_max: 10_000_000,
            measure: true,
            go_on: true,
        })
    }

    /// The same network, for the theory to be met: no rivals, one poll at a time, nobody benched,
    /// and so much time between blocks that only one is undecided.
    ///
    /// # Errors
    ///
    /// As [`Bench::scenario`].
    pub fn scenario_of_theory(&self, setting: Setting, seed: u64) -> Result<Scenario, OptionError> {
        let mut scenario = self.scenario(setting, seed)?;
        let config = ParametersConfig {
            concurrent_repolls: 1,
            ..ParametersConfig::from(scenario.config.parameters)
        };
        scenario.config.parameters = Parameters::try_from(config)
            .map_err(|error| OptionError::Together(error.to_string()))?;
        scenario.config.bench = None;
        scenario.config.gossip_period = Duration::ZERO;
        scenario.proposals = Proposals::OneByOne { beside: 0 };
        scenario.slot = Duration::from_mins(5);
        let heights = u32::try_from(self.heights).unwrap_or(u32::MAX);
        scenario.patience = scenario.slot * heights;
        Ok(scenario)
    }

    /// Tries a setting with every seed.
    ///
    /// # Errors
    ///
    /// A setting that breaks a rule, or engines that refuse it.
    pub fn measure(&self, setting: Setting) -> Result<Point, CommandError> {
        let mut point = Point::new(self, setting)?;
        for seed in self.seed..self.seed.saturating_add(self.seeds) {
            let scenario = self.scenario(setting, seed)?;
            let mut simulation =
                Simulation::new(scenario).map_err(|error| CommandError::Run(error.to_string()))?;
            point.add(&mut simulation);
        }
        point.finality.sort_unstable();
        Ok(point)
    }
}

/// What was measured with a setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The setting.
    pub setting: Setting,
    /// Number of nodes.
    pub nodes: u32,
    /// From when a block was built until a node accepted it, ascending.
    pub finality: Vec<Duration>,
    /// Heights that all honest nodes accepted, added up over runs.
    pub heights: u64,
    /// The same, added up over honest nodes too.
    pub honest_heights: u64,
    /// Polls of honest nodes.
    pub polls: u64,
    /// Estimated bytes that all nodes sent.
    pub bytes: u64,
    /// Pairs of a node and a height at which it accepted another block than the first node did.
    pub disagreements: u64,
    /// Runs.
    pub runs: u64,
    /// Runs in which honest nodes did not accept every height in time.
    pub stalled: u64,
    /// Polls that the theory expects until a decision, once all honest nodes agree and adversaries
    /// do not help.
    pub expected_polls: Magnitude,
}

impl Point {
    fn new(bench: &Bench, setting: Setting) -> Result<Self, OptionError> {
        let parameters = setting.parameters()?;
        Ok(Self {
            setting,
            nodes: bench.nodes,
            finality: Vec::new(),
            heights: 0,
            honest_heights: 0,
            polls: 0,
            bytes: 0,
            disagreements: 0,
            runs: 0,
            stalled: 0,
            expected_polls: bench.expected(setting)?.expected_polls(parameters.beta()),
        })
    }

    /// Runs a network and adds what it shows.
    fn add(&mut self, simulation: &mut Simulation) {
        let report = simulation.run();
        let heights = simulation.scenario().heights;
        self.finality.extend_from_slice(simulation.finality());
        self.heights += report.heights;
        for node in simulation.status().iter().filter(|node| node.adversary.is_none()) {
            self.polls += node.polls;
            self.honest_heights += report.heights;
        }
        self.bytes += report.counts.bytes;
        self.disagreements += report.counts.disagreements;
        self.runs += 1;
        let short = report.heights < heights;
        self.stalled += u64::from(short || matches!(report.verdict, Verdict::NoProgress { .. }));
    }

    /// The time within which this percentage of accepts came; `None` if there was none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let rank = (self.finality.len() * percent).div_ceil(100);
        self.finality.get(rank.checked_sub(1)?).copied()
    }

    /// Polls of an honest node for a block; `None` if no height was accepted by all.
    #[must_use]
    pub fn polls_per_block(&self) -> Option<f64> {
        ratio(self.polls, self.honest_heights)
    }

    /// Bytes that a node sent for a block; `None` if no height was accepted by all.
    #[must_use]
    pub fn bytes_per_block(&self) -> Option<f64> {
        ratio(self.bytes, self.heights * u64::from(self.nodes))
    }
}

fn ratio(count: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| count as f64 / of as f64)
}
