//! The event loop.

use std::time::Duration;

use super::block::{BlockRef, BlockStore};
use super::event_hash::EventHash;
use super::network::{Network, NetworkCounts};
use super::node::Node;
use super::queue::{Event, Queue};
use super::random::{Random, seed_of};
use super::scenario::{Proposals, Scenario};
use super::status::NodeStatus;
use super::summary::Report;
use super::verdict::Verdict;
use super::vm::{Building, Vm};
use super::world::{Counts, Log, World, node_id};
use crate::engine::{Cause, Input};
use crate::validators::{Validator, ValidatorSet};
use crate::{Error, HashKey, Timestamp};

/// A network that runs. Equal scenarios give equal runs, to the last bit.
///
/// ```
/// use avalanche_consensus::testing::simulation::{Named, Simulation};
///
/// let scenario = Named::find("default").expect("it has that name").draw(7, 5);
/// let mut simulation = Simulation::new(scenario)?;
/// let report = simulation.run();
/// assert!(report.verdict.passed(), "{}", report.verdict);
/// # Ok::<(), avalanche_consensus::Error>(())
/// ```
#[derive(Debug)]
pub struct Simulation {
    pub(super) scenario: Scenario,
    pub(super) world: World,
    pub(super) nodes: Vec<Node>,
    random: Random,
    slots: u64,
    /// Planned faults that are not over.
    pub(super) open_faults: usize,
    deadline: Timestamp,
    verdict: Option<Verdict>,
}

/// How far apart rivals build.
const SPREAD: Duration = Duration::from_millis(40);

impl Simulation {
    /// A network at genesis, with every node started and connected.
    ///
    /// # Errors
    ///
    /// What is wrong with the weights or the configuration of the engines.
    pub fn new(scenario: Scenario) -> Result<Self, Error> {
        let world = world(&scenario)?;
        let count = scenario.nodes();
        let building = Building {
            oracles: scenario.oracles,
            options_agreed: scenario.options_agreed,
            turns: matches!(scenario.proposals, Proposals::OneByOne { .. }),
            heights: scenario.heights,
        };
        let nodes = (0..count).map(|index| {
            let random = Random::new(scenario.seed, &format!("vm {index}"));
            let adversary = scenario.plan.adversary(index).map(|behaviour| behaviour.adversary());
            Node::new(index, count, Vm::new(index, building, random), adversary)
        });
        let end = scenario.building().max(scenario.plan.ends()) + scenario.patience;
        let mut simulation = Self {
            nodes: nodes.collect(),
            world,
            random: Random::new(scenario.seed, "proposals"),
            slots: 0,
            open_faults: scenario.plan.faults.len(),
            deadline: Timestamp::ZERO.after(end),
            verdict: None,
            scenario,
        };
        simulation.start();
        Ok(simulation)
    }

    /// Runs to the end.
    pub fn run(&mut self) -> Report {
        while self.step(self.deadline) {}
        self.report()
    }

    /// Runs for so long in virtual time, or to the end; whether it goes on.
    pub fn advance(&mut self, duration: Duration) -> bool {
        let until = self.world.now().after(duration);
        while self.step(until.min(self.deadline)) {}
        if self.verdict.is_none() {
            self.world.queue.rest(until);
        }
        self.verdict.is_none()
    }

    /// What is simulated.
    #[must_use]
    pub const fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The virtual time.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.world.now()
    }

    /// How the run ended; `None` while it goes on.
    #[must_use]
    pub const fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// The figures of every node.
    #[must_use]
    pub fn status(&self) -> Vec<NodeStatus> {
        self.nodes.iter().map(|node| NodeStatus::of(node, &self.world, &self.scenario)).collect()
    }

    /// What was injected so far, oldest first; the last 256 lines.
    #[must_use]
    pub fn injected(&self) -> impl DoubleEndedIterator<Item = (Timestamp, &str)> {
        self.world.log.iter()
    }

    /// Why the preference of each node that is up is not final.
    #[must_use]
    pub fn explain(&self) -> Vec<(u32, Cause)> {
        let explained = self.nodes.iter().filter_map(|node| {
            let engine = node.engine.as_ref()?;
            Some((node.index, engine.explain(&engine.preference()).cause))
        });
        explained.collect()
    }

    /// Counters so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.world.counts
    }

    /// How often something happened to messages.
    #[must_use]
    pub const fn network(&self) -> &NetworkCounts {
        &self.world.network.counts
    }

    /// From when a block was built until a node accepted it, for every node and block, in the order
    /// of accepts; empty unless [`Scenario::measure`].
    #[must_use]
    pub fn finality(&self) -> &[Duration] {
        self.world.finality.as_deref().unwrap_or_default()
    }

    /// How the run stands, or ended.
    #[must_use]
    pub fn report(&self) -> Report {
        let reached = self.reached();
        let unfinished = Verdict::NoProgress { reached, heights: self.scenario.heights };
        let verdict = self.verdict.clone().unwrap_or(unfinished);
        let stuck = match verdict {
            Verdict::NoProgress { .. } => self.explain(),
            _ => Vec::new(),
        };
        Report {
            seed: self.scenario.seed,
            verdict,
            stuck,
            heights: reached,
            counts: self.world.counts,
            network: self.world.network.counts,
            polls: self.nodes.iter().map(Node::polls).sum(),
            took: self.world.now().since(Timestamp::ZERO),
            event_hash: self.world.hash.finish(),
        }
    }

    /// Starts every node and schedules what is planned.
    fn start(&mut self) {
        let Self { nodes, world, scenario, .. } = self;
        for node in nodes.iter_mut() {
            node.start(world, scenario.start);
            world.queue.after(Duration::ZERO, Event::Links { node: node.index });
            if node.adversary.is_some() {
                world.queue.after(Duration::ZERO, Event::Wake { node: node.index });
            }
        }
        for (planned, entry) in scenario.plan.faults.iter().zip(0..) {
            world.queue.at(Timestamp::ZERO.after(planned.at), Event::Begin { entry });
        }
        world.queue.after(scenario.slot, Event::Slot);
    }

    /// Lets the next event happen, if there is one until then; whether the run goes on.
    fn step(&mut self, until: Timestamp) -> bool {
        if self.verdict.is_some() {
            return false;
        }
        let Some(event) = self.world.queue.pop(until) else {
            if until >= self.deadline {
                self.give_up();
            }
            return false;
        };
        self.world.counts.events += 1;
        self.happen(event);
        if let Some(violation) = &self.world.violation
            && !self.scenario.go_on
        {
            self.verdict = Some(Verdict::Diverged(violation.clone()));
        } else if self.world.behind == 0 && self.open_faults == 0 {
            self.verdict = Some(match &self.world.violation {
                Some(violation) => Verdict::Diverged(violation.clone()),
                None => Verdict::Pass,
            });
        } else if self.world.counts.events >= self.scenario.events_max {
            self.give_up();
        }
        self.verdict.is_none()
    }

    fn give_up(&mut self) {
        let (reached, heights) = (self.reached(), self.scenario.heights);
        self.verdict = Some(match &self.world.violation {
            Some(violation) => Verdict::Diverged(violation.clone()),
            None => Verdict::NoProgress { reached, heights },
        });
    }

    /// Heights that every honest node accepted.
    fn reached(&self) -> u64 {
        let honest = self.nodes.iter().filter(|node| node.honest());
        honest.map(|node| node.vm.height()).min().unwrap_or(0)
    }

    fn happen(&mut self, event: Event) {
        let Self { nodes, world, .. } = self;
        let now = world.now();
        let lives = |world: &World, node: u32, life| world.is_up(node) && world.life(node) == life;
        match event {
            Event::Deliver { from, to, life, message } if lives(world, to, life) => {
                world.hash.event(now, to, 1);
                if let Some(node) = nodes.get_mut(to as usize) {
                    node.hear(world, from, message);
                }
            }
            Event::Tick { node, life } if lives(world, node, life) => {
                world.hash.event(now, node, 2);
                if let Some(node) = nodes.get_mut(node as usize) {
                    node.tick(world);
                }
            }
            Event::Answer { node, life, id, call } if lives(world, node, life) => {
                world.hash.event(now, node, 3);
                if let Some(node) = nodes.get_mut(node as usize) {
                    node.answer(world, id, &call);
                }
            }
            // Meant for a node that has crashed since.
            Event::Deliver { .. } | Event::Tick { .. } | Event::Answer { .. } => {}
            Event::Slot => self.slot(),
            Event::Build { node, beside } => {
                world.hash.event(now, node, 4);
                if let Some(node) = nodes.get_mut(node as usize) {
                    node.vm.may_build(now, beside);
                    node.take(world, Input::PendingTransactions);
                }
            }
            Event::Wake { node } => {
                world.hash.event(now, node, 5);
                let period = nodes.get_mut(node as usize).and_then(|node| node.wake(world));
                if let Some(period) = period {
                    world.queue.after(period, Event::Wake { node });
                }
            }
            Event::Links { node } => {
                world.hash.event(now, node, 6);
                if let Some(node) = nodes.get_mut(node as usize) {
                    node.check_links(world);
                }
            }
            Event::Begin { entry } => self.begin(entry),
            Event::End { entry } => self.end(entry),
        }
    }

    /// Draws who builds in this slot.
    fn slot(&mut self) {
        let nodes = self.scenario.nodes();
        let slot = self.scenario.slot;
        self.slots += 1;
        let draw = |random: &mut Random| u32::try_from(random.below(nodes.into())).unwrap_or(0);
        let queue = &mut self.world.queue;
        match self.scenario.proposals {
            Proposals::OneByOne { beside } => {
                let node = draw(&mut self.random);
                queue.after(Duration::ZERO, Event::Build { node, beside: false });
                if self.random.chance(beside) {
                    let node = draw(&mut self.random);
                    queue.after(slot / 2, Event::Build { node, beside: true });
                }
            }
            Proposals::Rivals { most } => {
                for _ in 0..=self.random.below(most.into()) {
                    let node = draw(&mut self.random);
                    let wait = self.random.between(Duration::ZERO, SPREAD);
                    queue.after(wait, Event::Build { node, beside: self.random.chance(50) });
                }
            }
        }
        queue.after(slot, Event::Slot);
    }
}

/// The world of a scenario, before its nodes start.
fn world(scenario: &Scenario) -> Result<World, Error> {
    let count = scenario.weights.len();
    let nodes = scenario.nodes();
    let weights = scenario.weights.iter().zip(0..);
    let validators =
        weights.map(|(weight, index)| Validator { node_id: node_id(index), weight: *weight });
    let honest: Vec<bool> =
        (0..nodes).map(|node| scenario.plan.adversary(node).is_none()).collect();
    Ok(World {
        seed: scenario.seed,
        config: scenario.config.clone(),
        validators: ValidatorSet::try_from(validators.collect::<Vec<_>>())?,
        queue: Queue::default(),
        network: Network::new(nodes, scenario.latency, scenario.seed),
        blocks: BlockStore::new(HashKey::from_seed(seed_of(scenario.seed, "blocks"))),
        hash: EventHash::new(),
        counts: Counts::default(),
        chain: vec![BlockRef::GENESIS],
        conflicts: Vec::new(),
        preferences: vec![BlockRef::GENESIS; count],
        lives: vec![0; count],
        up: vec![false; count],
        behind: honest.iter().filter(|honest| **honest).count(),
        honest,
        adversary_random: Random::new(scenario.seed, "adversaries"),
        violation: None,
        heights: scenario.heights,
        finality: scenario.measure.then(Vec::new),
        log: Log::default(),
    })
}
