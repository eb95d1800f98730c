//! What is simulated, as data: the network, its parameters, and what goes wrong.

use std::time::Duration;

use super::adversary::Behaviour;
use super::fault_plan::FaultPlan;
use super::network::Latency;
use super::random::Random;
use crate::engine::{EngineConfig, Phase};
use crate::network::TimeoutConfig;
use crate::snowball::Parameters;

mod draw;
mod faults;

/// Who builds blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposals {
    /// One node each slot, and now and then another that builds beside it, half a slot later.
    OneByOne {
        /// How many slots of a thousand have another.
        beside: u32,
    },
    /// Up to so many nodes each slot, almost at once, so that camps form.
    Rivals {
        /// The most.
        most: u32,
    },
}

/// A network, what it has to do, and what goes wrong. Together with a seed it fixes a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// Everything random follows from it.
    pub seed: u64,
    /// The weight of each node.
    pub weights: Vec<u64>,
    /// What engines are told; with the parameters of consensus.
    pub config: EngineConfig,
    /// How long messages travel.
    pub latency: Latency,
    /// How often somebody builds.
    pub slot: Duration,
    /// Who.
    pub proposals: Proposals,
    /// How many blocks of a thousand are oracles.
    pub oracles: u32,
    /// Whether all nodes want the same option of an oracle.
    pub options_agreed: bool,
    /// Blocks to accept.
    pub heights: u64,
    /// The phase that nodes start in.
    pub start: Phase,
    /// The phase that nodes start in after a crash.
    pub restart: Phase,
    /// What goes wrong.
    pub plan: FaultPlan,
    /// Time to reach every height after all should have been built and all faults are over.
    pub patience: Duration,
    /// Events after which a run has made no progress.
    pub events_max: u64,
    /// Whether to measure how long blocks take.
    pub measure: bool,
    /// Whether a run goes on after an invariant broke, so that disagreements can be counted.
    pub go_on: bool,
}

/// The phase that a node starts in after a crash.
const RESTART: Phase = Phase::Bootstrapping;

/// A kind of scenario that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: &'static str,
    /// What it is, for people.
    pub about: &'static str,
    /// Nodes, if nobody asks for another number.
    pub nodes: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Mixed,
    Calm,
    Only(Only),
    Hostile,
    Large,
    Weighted,
    Stalled,
    Weak,
}

/// Scenarios with one kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Only {
    Crashes,
    Partitions,
    Messages,
    SlowVms,
    LyingVms,
    Adversary(Behaviour),
}

/// The most nodes of a simulation.
pub const NODES_MAX: u32 = 5_000;

const NAMED: [Named; 20] = {
    const fn five(name: &'static str, about: &'static str, kind: Kind) -> Named {
        Named { name, about, nodes: 5, kind }
    }
    const fn adversary(behaviour: Behaviour, about: &'static str) -> Named {
        five(behaviour.name(), about, Kind::Only(Only::Adversary(behaviour)))
    }
    [
        five("default", "rival blocks, and faults drawn from all kinds", Kind::Mixed),
        five("calm", "rival blocks, and nothing goes wrong", Kind::Calm),
        five("crashes", "nodes crash and start again", Kind::Only(Only::Crashes)),
        five("partitions", "nodes are cut off and come back", Kind::Only(Only::Partitions)),
        five("messages", "loss, repetition, disorder, congestion", Kind::Only(Only::Messages)),
        five("slow-vms", "VMs answer late and out of order", Kind::Only(Only::SlowVms)),
        five("lying-vms", "VMs are wrong about blocks for a while", Kind::Only(Only::LyingVms)),
        adversary(Behaviour::Silent, "a node never answers"),
        adversary(Behaviour::Contrary, "a node votes against what its peer prefers"),
        adversary(Behaviour::Equivocating, "a node makes twins of its blocks"),
        adversary(Behaviour::Delaying, "a node answers about when peers give up"),
        adversary(Behaviour::Outdated, "a node votes for the past"),
        adversary(Behaviour::Flooding, "a node sends whatever costs work"),
        adversary(Behaviour::Withholding, "a node names its blocks and keeps them"),
        Named {
            name: "hostile",
            about: "two of twelve nodes work against the others, and messages get lost",
            nodes: 12,
            kind: Kind::Hostile,
        },
        Named {
            name: "large",
            about: "1,000 nodes of about equal weight, to 100 blocks",
            nodes: 1_000,
            kind: Kind::Large,
        },
        Named {
            name: "weighted",
            about: "2,000 nodes whose weights differ a thousandfold, to 100 blocks",
            nodes: 2_000,
            kind: Kind::Weighted,
        },
        five("stalled", "two silent nodes of five: more than can be borne", Kind::Stalled),
        five("weak", "parameters that cannot agree", Kind::Weak),
        five("real", "only the real parameters, all kinds of faults", Kind::Mixed),
    ]
};

impl Named {
    /// Everything that has a name.
    pub const ALL: &'static [Self] = &NAMED;

    /// The one of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        NAMED.iter().find(|named| named.name == name).copied()
    }

    /// The scenario of a seed, with this many nodes: at least 1 and at most [`NODES_MAX`].
    #[must_use]
    pub fn draw(&self, seed: u64, nodes: u32) -> Scenario {
        let nodes = nodes.clamp(1, NODES_MAX);
        let mut random = Random::new(seed, "scenario");
        match self.kind {
            Kind::Mixed => draw::mixed(self.name, seed, nodes, &mut random),
            Kind::Calm => draw::sampled(self.name, seed, nodes, &mut random),
            Kind::Only(only) => draw::only(self.name, only, seed, nodes, &mut random),
            Kind::Hostile => draw::hostile(self.name, seed, nodes, &mut random),
            Kind::Large => draw::large(self.name, seed, nodes, &mut random),
            Kind::Weighted => draw::weighted(self.name, seed, nodes, &mut random),
            Kind::Stalled => draw::stalled(self.name, seed, nodes, &mut random),
            Kind::Weak => draw::weak(self.name, seed, nodes, &mut random),
        }
    }
}

impl Scenario {
    /// Number of nodes.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        u32::try_from(self.weights.len()).unwrap_or(u32::MAX)
    }

    /// When every block should have been built if nothing went wrong.
    #[must_use]
    pub fn building(&self) -> Duration {
        self.slot * u32::try_from(self.heights).unwrap_or(u32::MAX)
    }

    /// Leaves out faults that are not among these.
    #[must_use]
    pub fn with_faults(mut self, kept: &[usize]) -> Self {
        let numbered = self.plan.faults.into_iter().enumerate();
        let kept = numbered.filter(|(number, _)| kept.contains(number));
        self.plan.faults = kept.map(|(_, fault)| fault).collect();
        self
    }
}

/// A network without faults that all scenarios vary.
fn base(name: &'static str, seed: u64, weights: Vec<u64>, parameters: Parameters) -> Scenario {
    Scenario {
        name,
        seed,
        weights,
        config: EngineConfig { parameters, ..EngineConfig::default() },
        latency: Latency::Fixed(Duration::from_millis(20)),
        slot: Duration::from_millis(400),
        proposals: Proposals::Rivals { most: 2 },
        oracles: 0,
        options_agreed: false,
        heights: 50,
        start: Phase::NormalOperation,
        restart: RESTART,
        plan: FaultPlan::default(),
        patience: Duration::from_hours(1),
        events_max: 20_000_000,
        measure: false,
        go_on: false,
    }
}

/// Timeouts that give up sooner than the real ones, where latencies are short.
fn quick_timeouts() -> TimeoutConfig {
    TimeoutConfig {
        initial: Duration::from_secs(1),
        minimum: Duration::from_millis(500),
        maximum: Duration::from_secs(2),
        ..TimeoutConfig::default()
    }
}
