//! What happens in a devnet.

use std::time::Duration;

use avalanche_consensus::network::TimeoutConfig;
use avalanche_consensus::snowball::Parameters;
use avalanche_consensus::testing::simulation::{
    Behaviour, Fault, FaultPlan, Latency, Named, PlannedFault, Proposals, Random, Scenario,
};

/// Units of stake of an honest node: so many that a poll draws few of one node.
const WEIGHT: u64 = 1_000;
/// An adversary's part of all stake is one in so many at most, which is what consensus bears well.
const ADVERSARY_SHARE: u64 = 12;
const MS: Duration = Duration::from_millis(1);

/// What to simulate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Heights to decide.
    pub heights: u64,
    /// Number of nodes, at least one.
    pub nodes: u32,
    /// Everything random follows from it.
    pub seed: u64,
    /// Messages between nodes that never arrive, in percent.
    pub loss_percent: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { heights: 50, nodes: 5, seed: 1, loss_percent: 2 }
    }
}

impl Config {
    /// The network and its story. `None` only if the simulation lost the scenario that this is
    /// built on.
    #[must_use]
    pub fn scenario(&self) -> Option<Scenario> {
        let mut scenario = Named::find("calm")?.draw(self.seed, self.nodes);
        scenario.name = "devnet";
        scenario.config.parameters = Parameters::default();
        // Latencies are short, so a person need not wait as long as the real timeouts.
        scenario.config.timeouts = TimeoutConfig {
            initial: 500 * MS,
            minimum: 250 * MS,
            maximum: 1_000 * MS,
            ..TimeoutConfig::default()
        };
        scenario.heights = self.heights;
        scenario.oracles = 0;
        scenario.latency = Latency::Uniform { least: 10 * MS, most: 50 * MS };
        scenario.slot = 400 * MS;
        scenario.proposals = Proposals::Rivals { most: 3 };
        scenario.patience = Duration::from_mins(1);
        scenario.weights = vec![WEIGHT; self.nodes as usize];
        scenario.plan = self.story(scenario.building());
        if let Some((adversary, honest)) = scenario.weights.split_last_mut()
            && self.adversary().is_some()
        {
            // Of `n` parts the others have `n - 1`.
            *adversary = honest.iter().sum::<u64>() / (ADVERSARY_SHARE - 1);
        }
        Some(scenario)
    }

    /// The last node, if there are so many that one of them can be an adversary.
    const fn adversary(&self) -> Option<u32> {
        if self.nodes >= 4 { Some(self.nodes - 1) } else { None }
    }

    /// What goes wrong while blocks are built.
    fn story(&self, building: Duration) -> FaultPlan {
        let mut random = Random::new(self.seed, "devnet");
        let honest = u64::from(self.nodes - self.adversary().map_or(0, |_| 1));
        let mut pick = || u32::try_from(random.below(honest)).unwrap_or(0);
        let (crashed, cut, slow) = (pick(), pick(), pick());
        let outputs = 1 + pick();
        let part = |percent: u32| building * percent / 100;
        let mut faults = Vec::new();
        let mut plan = |from: u32, percent: u32, fault: Fault| {
            faults.push(PlannedFault { at: part(from), lasts: part(percent), fault });
        };
        if let Some(node) = self.adversary() {
            // Those that change what is seen; the others mostly change how long it takes.
            let seen = [Behaviour::Contrary, Behaviour::Equivocating, Behaviour::Withholding];
            let behaviour = random.pick(&seen).unwrap_or(Behaviour::Contrary);
            plan(0, 0, Fault::Adversary { node, behaviour });
        }
        if self.loss_percent > 0 {
            plan(0, 100, Fault::Loss { permille: self.loss_percent * 10 });
        }
        plan(15, 8, Fault::Crash { node: crashed, outputs });
        if self.nodes > 1 {
            plan(40, 8, Fault::Partition { side: vec![cut], noticed: random.chance(500) });
        }
        plan(65, 15, Fault::SlowVm { node: slow, most: 300 * MS });
        FaultPlan { faults }
    }
}
