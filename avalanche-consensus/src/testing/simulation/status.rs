//! The figures of a node at one moment.

use super::adversary::Behaviour;
use super::node::Node;
use super::scenario::Scenario;
use super::world::World;
use crate::Id;
use crate::engine::{Engine, Phase};

/// The figures of a node at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its weight.
    pub weight: u64,
    /// Whether it is up, and in which phase.
    pub phase: Option<Phase>,
    /// How it works against the others, if it does.
    pub adversary: Option<Behaviour>,
    /// Height of the last accepted block.
    pub height: u64,
    /// The preferred tip.
    pub preference: Id,
    /// Its height.
    pub preferred_height: u64,
    /// Blocks that are undecided.
    pub processing: usize,
    /// Polls that are open.
    pub polls_open: usize,
    /// Polls that it opened since the start, over all its lives.
    pub polls: u64,
    /// Blocks that it built.
    pub built: u64,
}

impl NodeStatus {
    pub(super) fn of(node: &Node, world: &World, scenario: &Scenario) -> Self {
        let engine = node.engine.as_ref();
        Self {
            weight: scenario.weights.get(node.index as usize).copied().unwrap_or(0),
            phase: engine.map(Engine::phase),
            adversary: scenario.plan.adversary(node.index),
            height: node.vm.height(),
            preference: world.blocks.id(node.vm.preference()),
            preferred_height: world.blocks.height(node.vm.preference()),
            processing: node.vm.undecided(),
            polls_open: engine.map_or(0, Engine::polls_open),
            polls: node.polls(),
            built: node.vm.built,
        }
    }
}
