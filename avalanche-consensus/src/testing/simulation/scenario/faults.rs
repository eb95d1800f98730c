//! Faults drawn at random, within what a network can bear.

use std::time::Duration;

use super::super::adversary::Behaviour;
use super::super::fault_plan::{Fault, FaultPlan, Lie, PlannedFault};
use super::super::random::Random;
use super::Scenario;

const MS: Duration = Duration::from_millis(1);

/// What an adversary of a sampled network has at most of the weight: one part in so many. It is
/// what the real parameters let be benched.
const ADVERSARY_SHARE: u64 = 12;

/// What a node that crashes or whose VM lies has at most of the weight: one part in so many.
///
/// A node that crashes forgets what it preferred. Were it a large part, then a block that one node
/// has accepted, and the others were about to, could lose to a rival.
const WEAK_SHARE: u64 = 6;

/// One to four faults of any kind at any time, and one adversary in three runs of five or more
/// nodes.
pub(super) fn add_mixed(scenario: &mut Scenario, random: &mut Random) {
    let (nodes, building) = (scenario.nodes(), scenario.building());
    let weak = add_weak(scenario, random);
    let hostile = nodes >= 5 && random.chance(350);
    if hostile {
        let behaviour = random.pick(&Behaviour::ALL).unwrap_or(Behaviour::Silent);
        add_adversary(scenario, (weak + 1) % nodes, behaviour);
    }
    // Only the real parameters bear both.
    let bears_weak = nodes >= 4 && !(hostile && scenario.config.parameters.k() < 20);
    for _ in 0..=random.below(4) {
        let fault = match random.below(8) {
            0 | 1 if bears_weak => crash(weak, random),
            2 if bears_weak => lying_vm(weak, random),
            0..4 => partition(nodes, random),
            4 => slow_vm(nodes, random),
            _ => messages(nodes, random),
        };
        scenario.plan.faults.push(when(fault, building, random));
    }
}

/// A node with little enough weight to crash and to lie.
pub(super) fn add_weak(scenario: &mut Scenario, random: &mut Random) -> u32 {
    let weak = node(scenario.nodes(), random);
    limit_weight(scenario, weak, WEAK_SHARE);
    weak
}

/// One adversary that can be borne, or faults of single nodes one after the other.
pub(super) fn one_at_a_time(scenario: &Scenario, random: &mut Random) -> FaultPlan {
    let (nodes, building) = (scenario.nodes(), scenario.building());
    if nodes >= 5 && random.chance(400) {
        // One that makes twins or withholds blocks could split the honest nodes in camps.
        let bearable = [
            Behaviour::Silent,
            Behaviour::Contrary,
            Behaviour::Delaying,
            Behaviour::Outdated,
            Behaviour::Flooding,
        ];
        let behaviour = random.pick(&bearable).unwrap_or(Behaviour::Silent);
        let fault = Fault::Adversary { node: node(nodes, random), behaviour };
        let (at, lasts) = (Duration::ZERO, Duration::ZERO);
        return FaultPlan { faults: vec![PlannedFault { at, lasts, fault }] };
    }
    let parts = 1 + u32::try_from(random.below(3)).unwrap_or(0);
    let part = building / parts;
    let mut faults = Vec::new();
    for number in 0..parts {
        let fault = match random.below(6) {
            0 => crash(node(nodes, random), random),
            1 => {
                let (side, noticed) = (vec![node(nodes, random)], random.chance(500));
                Fault::Partition { side, noticed }
            }
            2 => Fault::Congestion { node: node(nodes, random), times: 5 },
            3 => slow_vm(nodes, random),
            4 => lying_vm(node(nodes, random), random),
            _ => Fault::Duplication { permille: 200 },
        };
        let at = part * number + random.between(Duration::ZERO, part / 4);
        let lasts = random.between(500 * MS, (part / 2).max(500 * MS));
        faults.push(PlannedFault { at, lasts, fault });
    }
    FaultPlan { faults }
}

/// Makes a node an adversary, with as much weight as can be borne.
pub(super) fn add_adversary(scenario: &mut Scenario, node: u32, behaviour: Behaviour) {
    limit_weight(scenario, node, ADVERSARY_SHARE);
    let (at, lasts) = (Duration::ZERO, Duration::ZERO);
    let fault = Fault::Adversary { node, behaviour };
    scenario.plan.faults.push(PlannedFault { at, lasts, fault });
}

/// Lets a node have at most one part in `share` of the weight.
fn limit_weight(scenario: &mut Scenario, node: u32, share: u64) {
    let all: u64 = scenario.weights.iter().sum();
    let Some(weight) = scenario.weights.get_mut(node as usize) else { return };
    *weight = (*weight).min((all - *weight) / (share - 1)).max(1);
}

pub(super) fn crash(node: u32, random: &mut Random) -> Fault {
    // Half of them in the middle of something.
    let outputs = if random.chance(500) { 0 } else { random.below(40) };
    Fault::Crash { node, outputs: u32::try_from(outputs).unwrap_or(0) }
}

/// A side of any size below half.
pub(super) fn partition(nodes: u32, random: &mut Random) -> Fault {
    let size = 1 + random.below(u64::from(nodes / 2));
    let mut side: Vec<u32> = Vec::new();
    for _ in 0..size {
        let node = node(nodes, random);
        if !side.contains(&node) {
            side.push(node);
        }
    }
    side.sort_unstable();
    Fault::Partition { side, noticed: random.chance(500) }
}

/// Something that happens to messages.
pub(super) fn messages(nodes: u32, random: &mut Random) -> Fault {
    match random.below(4) {
        0 => Fault::Loss { permille: random.pick(&[10, 50, 200]).unwrap_or(10) },
        1 => Fault::Duplication { permille: random.pick(&[50, 300]).unwrap_or(50) },
        2 => Fault::Reordering { permille: random.pick(&[50, 300]).unwrap_or(50) },
        _ => {
            let times = random.pick(&[5, 20, 60]).unwrap_or(5);
            Fault::Congestion { node: node(nodes, random), times }
        }
    }
}

pub(super) fn slow_vm(nodes: u32, random: &mut Random) -> Fault {
    let most = random.pick(&[5 * MS, 50 * MS, 400 * MS]).unwrap_or(MS);
    Fault::SlowVm { node: node(nodes, random), most }
}

pub(super) fn lying_vm(node: u32, random: &mut Random) -> Fault {
    let lie = if random.chance(500) { Lie::RejectValid } else { Lie::AcceptInvalid };
    Fault::LyingVm { node, lie }
}

/// Puts a fault somewhere into the time in which blocks are built.
pub(super) fn when(fault: Fault, building: Duration, random: &mut Random) -> PlannedFault {
    let at = random.between(building / 20, building * 3 / 4);
    let lasts = random.between(500 * MS, 5_000 * MS);
    PlannedFault { at, lasts, fault }
}

pub(super) fn node(nodes: u32, random: &mut Random) -> u32 {
    u32::try_from(random.below(u64::from(nodes))).unwrap_or(0)
}
