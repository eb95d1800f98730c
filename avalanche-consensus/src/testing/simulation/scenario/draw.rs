//! Scenarios by their names.
//!
//! Two families, because they fail differently. Where the total weight is far above `k`, polls
//! sample, and chance tips networks that are split in two: rivals, oracles and partitions of any
//! shape are fine, while a fifth of the weight that does not answer makes decisions slow. Where the
//! total weight is about `k`, every poll asks everybody: one of five can be bad for ever, but a
//! split of three to two would stay (`alpha` is 15 of 20, and nothing tips it), so nodes build one
//! by one and only one of them is in trouble at a time.

use std::time::Duration;

use super::super::adversary::Behaviour;
use super::super::fault_plan::{Fault, PlannedFault};
use super::super::network::Latency;
use super::super::random::Random;
use super::{Only, Proposals, Scenario, base, faults, quick_timeouts};
use crate::engine::Phase;
use crate::snowball::{Parameters, ParametersConfig};

const MS: Duration = Duration::from_millis(1);

/// Parameters where polls sample: `k`, both `alpha`, `beta`. The real ones twice.
const SAMPLED: [[u32; 4]; 4] =
    [[20, 15, 15, 20], [20, 15, 15, 20], [15, 10, 12, 16], [10, 8, 8, 15]];
/// Parameters where polls ask everybody; the weight of a node is `k` over their number, rounded up.
const WHOLE: [[u32; 4]; 3] = [[20, 15, 15, 20], [20, 15, 15, 20], [10, 8, 8, 12]];
/// The most nodes with such weights: beyond it polls would sample after all.
const WHOLE_NODES_MAX: u32 = 10;

/// The default: both families, and faults of all kinds.
pub(super) fn mixed(name: &'static str, seed: u64, nodes: u32, random: &mut Random) -> Scenario {
    if nodes <= WHOLE_NODES_MAX && random.chance(300) {
        let mut scenario = whole(name, seed, nodes, random);
        scenario.plan = faults::one_at_a_time(&scenario, random);
        return scenario;
    }
    let mut scenario = sampled(name, seed, nodes, random);
    faults::add_mixed(&mut scenario, random);
    scenario
}

/// A network where polls sample, without faults.
pub(super) fn sampled(name: &'static str, seed: u64, nodes: u32, random: &mut Random) -> Scenario {
    let weights = (0..nodes).map(|_| 900 + random.below(201)).collect();
    let drawn = random.pick(&SAMPLED).unwrap_or(SAMPLED[0]);
    let real = name == "real";
    let mut scenario = base(name, seed, weights, parameters(if real { SAMPLED[0] } else { drawn }));
    scenario.latency = match random.below(4) {
        0 => Latency::Fixed(20 * MS),
        1 => Latency::Uniform { least: 5 * MS, most: 60 * MS },
        2 => Latency::LongTailed { least: 10 * MS },
        _ => Latency::Regions { regions: 3, near: 5 * MS, far: 40 * MS },
    };
    scenario.slot = random.between(250 * MS, 500 * MS);
    let most = u32::try_from(1 + random.below(3)).unwrap_or(1);
    scenario.proposals = Proposals::Rivals { most };
    scenario.oracles = random.pick(&[0, 0, 60]).unwrap_or(0);
    vary(&mut scenario, random);
    scenario
}

/// A network where every poll asks everybody, without faults.
fn whole(name: &'static str, seed: u64, nodes: u32, random: &mut Random) -> Scenario {
    let drawn = random.pick(&WHOLE).unwrap_or(WHOLE[0]);
    let drawn = if name == "real" { WHOLE[0] } else { drawn };
    let [k, ..] = drawn;
    let weights = vec![u64::from(k.div_ceil(nodes)); nodes as usize];
    let mut scenario = base(name, seed, weights, parameters(drawn));
    scenario.latency = match random.below(3) {
        0 => Latency::Fixed(20 * MS),
        1 => Latency::Uniform { least: 5 * MS, most: 60 * MS },
        _ => Latency::Regions { regions: 3, near: 5 * MS, far: 40 * MS },
    };
    scenario.slot = 1_000 * MS;
    scenario.proposals = Proposals::OneByOne { beside: 400 };
    scenario.oracles = random.pick(&[0, 60]).unwrap_or(0);
    scenario.options_agreed = true;
    vary(&mut scenario, random);
    // Nodes that do not all begin at once would form camps.
    scenario.start = Phase::NormalOperation;
    scenario
}

/// One kind of fault, several times, with the real parameters.
pub(super) fn only(
    name: &'static str,
    only: Only,
    seed: u64,
    nodes: u32,
    random: &mut Random,
) -> Scenario {
    let mut scenario = sampled(name, seed, nodes, random);
    scenario.config.parameters = parameters(SAMPLED[0]);
    if let Only::Adversary(behaviour) = only {
        let node = faults::node(nodes, random);
        faults::add_adversary(&mut scenario, node, behaviour);
        return scenario;
    }
    let weak = faults::add_weak(&mut scenario, random);
    let building = scenario.building();
    for _ in 0..4 {
        let fault = match only {
            Only::Crashes => faults::crash(weak, random),
            Only::Partitions => faults::partition(nodes, random),
            Only::Messages => faults::messages(nodes, random),
            Only::SlowVms => faults::slow_vm(nodes, random),
            _ => faults::lying_vm(weak, random),
        };
        scenario.plan.faults.push(faults::when(fault, building, random));
    }
    scenario
}

/// Two adversaries with a sixth of the weight, and loss.
pub(super) fn hostile(name: &'static str, seed: u64, nodes: u32, random: &mut Random) -> Scenario {
    let mut scenario = sampled(name, seed, nodes, random);
    scenario.config.parameters = parameters(SAMPLED[0]);
    for node in 0..2.min(nodes / 5) {
        let behaviour = random.pick(&Behaviour::ALL).unwrap_or(Behaviour::Silent);
        faults::add_adversary(&mut scenario, node, behaviour);
    }
    let loss = Fault::Loss { permille: 10 };
    scenario.plan.faults.push(faults::when(loss, scenario.building(), random));
    scenario
}

/// Many nodes of about equal weight.
pub(super) fn large(name: &'static str, seed: u64, nodes: u32, random: &mut Random) -> Scenario {
    let weights = (0..nodes).map(|_| 900 + random.below(201)).collect();
    let mut scenario = base(name, seed, weights, parameters(SAMPLED[0]));
    scenario.latency = Latency::Regions { regions: 5, near: 5 * MS, far: 40 * MS };
    scenario.heights = 100;
    // Blocks share polls, so many at a time cost little more than one.
    scenario.slot = 100 * MS;
    scenario.events_max = u64::MAX;
    let building = scenario.building();
    for _ in 0..5 {
        let crash = faults::crash(faults::node(nodes, random), random);
        scenario.plan.faults.push(faults::when(crash, building, random));
    }
    let loss = Fault::Loss { permille: 5 };
    scenario.plan.faults.push(faults::when(loss, building, random));
    scenario
}

/// Many nodes whose weights follow a law of powers, as stakes do.
pub(super) fn weighted(name: &'static str, seed: u64, nodes: u32, random: &mut Random) -> Scenario {
    let mut scenario = large(name, seed, nodes, random);
    // The greatest is a thousand times the least, and has less than 3 % of all.
    let greatest = 2_000_000.0;
    let exponent = libm::log(1_000.0) / libm::log(f64::from(nodes.max(2)));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "weights are between 1 and two million"
    )]
    let weight = |rank: u32| (greatest / libm::pow(f64::from(rank + 1), exponent)).max(1.0) as u64;
    scenario.weights = (0..nodes).map(weight).collect();
    scenario
}

/// More silent weight than consensus can bear.
pub(super) fn stalled(name: &'static str, seed: u64, nodes: u32, random: &mut Random) -> Scenario {
    let mut scenario = sampled(name, seed, nodes, random);
    scenario.config.parameters = parameters(SAMPLED[0]);
    scenario.patience = Duration::from_secs(20);
    scenario.heights = 5;
    for node in 0..(nodes * 2).div_ceil(5) {
        let (at, lasts) = (Duration::ZERO, Duration::ZERO);
        let fault = Fault::Adversary { node, behaviour: Behaviour::Silent };
        scenario.plan.faults.push(PlannedFault { at, lasts, fault });
    }
    scenario
}

/// Parameters of which a majority of one poll decides, and a partition.
pub(super) fn weak(name: &'static str, seed: u64, nodes: u32, random: &mut Random) -> Scenario {
    let mut scenario = sampled(name, seed, nodes, random);
    scenario.config.parameters = parameters([2, 2, 2, 1]);
    scenario.proposals = Proposals::Rivals { most: 3 };
    let partition = faults::partition(nodes, random);
    scenario.plan.faults.push(faults::when(partition, scenario.building(), random));
    scenario
}

/// The real timeouts, or quicker ones; and whether nodes start by looking for what the others have.
fn vary(scenario: &mut Scenario, random: &mut Random) {
    if random.chance(200) {
        scenario.start = Phase::Bootstrapping;
    }
    if random.chance(500) {
        scenario.config.timeouts = quick_timeouts();
    }
}

fn parameters([k, alpha_preference, alpha_confidence, beta]: [u32; 4]) -> Parameters {
    let usual = ParametersConfig::default();
    let concurrent_repolls = usual.concurrent_repolls.min(beta);
    let config = ParametersConfig {
        k,
        alpha_preference,
        alpha_confidence,
        beta,
        concurrent_repolls,
        ..usual
    };
    // All of this module keep the rules; a test asks each.
    Parameters::try_from(config).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_of_parameters_is_valid() {
        for [k, preference, confidence, beta] in
            SAMPLED.into_iter().chain(WHOLE).chain([[2, 2, 2, 1]])
        {
            let made = parameters([k, preference, confidence, beta]);
            assert_eq!((made.k(), made.beta()), (k, beta));
        }
    }
}
