//! Planned faults begin and end.

use std::time::Duration;

use super::fault_plan::Fault;
use super::queue::Event;
use super::simulation::Simulation;
use super::world::World;

/// How long it takes until a node notices who is connected.
const NOTICE: Duration = Duration::from_millis(50);

impl Simulation {
    /// A planned fault begins.
    pub(super) fn begin(&mut self, entry: u32) {
        let Some(planned) = self.scenario.plan.faults.get(entry as usize) else { return };
        let Self { world, nodes, .. } = self;
        world.log.note(world.now(), planned.fault.to_string());
        world.hash.event(world.now(), entry, 7);
        match &planned.fault {
            Fault::Crash { node, outputs } => {
                if let Some(node) = nodes.get_mut(*node as usize) {
                    node.crash_after(world, *outputs);
                }
                notice(world);
            }
            Fault::Partition { side, noticed } => {
                world.counts.partitions += 1;
                world.network.set_wall(entry, side, true, *noticed);
                notice(world);
            }
            Fault::Loss { permille } => world.network.loss = *permille,
            Fault::Duplication { permille } => world.network.duplication = *permille,
            Fault::Reordering { permille } => world.network.reordering = *permille,
            Fault::Congestion { node, times } => world.network.set_congestion(*node, *times),
            Fault::SlowVm { node, most } => {
                if let Some(node) = nodes.get_mut(*node as usize) {
                    node.vm.slowness = *most;
                }
            }
            Fault::LyingVm { node, lie } => {
                if let Some(node) = nodes.get_mut(*node as usize) {
                    node.vm.lie = Some(*lie);
                }
            }
            // It is one from the start.
            Fault::Adversary { .. } => {
                self.open_faults -= 1;
                return;
            }
        }
        world.queue.after(planned.lasts, Event::End { entry });
    }

    /// A planned fault ends.
    pub(super) fn end(&mut self, entry: u32) {
        let Some(planned) = self.scenario.plan.faults.get(entry as usize) else { return };
        let Self { world, nodes, .. } = self;
        world.log.note(world.now(), format!("no longer: {}", planned.fault));
        world.hash.event(world.now(), entry, 8);
        self.open_faults -= 1;
        match &planned.fault {
            Fault::Crash { node, .. } => {
                if let Some(node) = nodes.get_mut(*node as usize) {
                    node.spare();
                    if node.engine.is_none() {
                        world.counts.restarts += 1;
                        node.start(world, self.scenario.restart);
                    }
                }
                notice(world);
            }
            Fault::Partition { side, noticed } => {
                world.network.set_wall(entry, side, false, *noticed);
                notice(world);
            }
            Fault::Loss { .. } => world.network.loss = 0,
            Fault::Duplication { .. } => world.network.duplication = 0,
            Fault::Reordering { .. } => world.network.reordering = 0,
            Fault::Congestion { node, .. } => world.network.set_congestion(*node, 1),
            Fault::SlowVm { node, .. } => {
                if let Some(node) = nodes.get_mut(*node as usize) {
                    node.vm.slowness = Duration::ZERO;
                }
            }
            Fault::LyingVm { node, .. } => {
                if let Some(node) = nodes.get_mut(*node as usize) {
                    node.vm.lie = None;
                }
            }
            Fault::Adversary { .. } => {}
        }
    }
}

/// Every node will notice who is connected.
fn notice(world: &mut World) {
    for node in (0..).take(world.up.len()) {
        world.queue.after(NOTICE, Event::Links { node });
    }
}
