//! Bytes in two pools: one for all, one by stake.

use std::collections::BTreeMap;

use avalanche_consensus::NodeId;

use super::Stake;

/// Sizes of the pools, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// What all peers share.
    pub at_large: u64,
    /// The most that one peer takes from that.
    pub node_at_large_max: u64,
    /// What validators have besides, each in proportion to its stake.
    pub validators: u64,
}

impl PoolConfig {
    /// Inbound: 6 MiB at large, 2 MiB a peer, 32 MiB for validators.
    pub const INBOUND: Self =
        Self { at_large: 6 << 20, node_at_large_max: 2 << 20, validators: 32 << 20 };
    /// Outbound: 32 MiB at large, 2 MiB a peer, 32 MiB for validators.
    pub const OUTBOUND: Self =
        Self { at_large: 32 << 20, node_at_large_max: 2 << 20, validators: 32 << 20 };
}

/// Who has taken how much. Peers that have nothing cost nothing.
#[derive(Clone, Debug)]
pub(super) struct Pools {
    config: PoolConfig,
    at_large_left: u64,
    validators_left: u64,
    nodes: BTreeMap<NodeId, Used>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Used {
    at_large: u64,
    validator: u64,
}

/// Bytes from each pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amounts {
    pub(super) at_large: u64,
    pub(super) validator: u64,
}

impl Amounts {
    pub(super) const fn sum(self) -> u64 {
        self.at_large.saturating_add(self.validator)
    }
}

impl Pools {
    pub(super) const fn new(config: PoolConfig) -> Self {
        Self {
            config,
            at_large_left: config.at_large,
            validators_left: config.validators,
            nodes: BTreeMap::new(),
        }
    }

    /// What `node` could take now of `bytes`: at large first, then by its stake. `extra` widens its
    /// part of the at-large pool.
    pub(super) fn available(&self, node: &NodeId, bytes: u64, stake: Stake, extra: u64) -> Amounts {
        let used = self.nodes.get(node).copied().unwrap_or_default();
        let node_left =
            self.config.node_at_large_max.saturating_add(extra).saturating_sub(used.at_large);
        let at_large = bytes.min(node_left).min(self.at_large_left);
        let part = stake.part_of(self.config.validators).saturating_sub(used.validator);
        let validator = (bytes - at_large).min(part).min(self.validators_left);
        Amounts { at_large, validator }
    }

    /// Takes what [`Pools::available`] said.
    pub(super) fn take(&mut self, node: NodeId, amounts: Amounts) {
        if amounts.sum() == 0 {
            return;
        }
        self.at_large_left = self.at_large_left.saturating_sub(amounts.at_large);
        self.validators_left = self.validators_left.saturating_sub(amounts.validator);
        let used = self.nodes.entry(node).or_default();
        used.at_large += amounts.at_large;
        used.validator += amounts.validator;
    }

    /// Gives `bytes` of a node back, to its validator part first, and says what went where. More
    /// than it has is not given back.
    pub(super) fn release(&mut self, node: &NodeId, bytes: u64) -> Amounts {
        let Some(used) = self.nodes.get_mut(node) else { return Amounts::default() };
        let validator = bytes.min(used.validator);
        let at_large = (bytes - validator).min(used.at_large);
        used.validator -= validator;
        used.at_large -= at_large;
        if used.validator == 0 && used.at_large == 0 {
            self.nodes.remove(node);
        }
        self.validators_left += validator;
        self.at_large_left += at_large;
        Amounts { at_large, validator }
    }

    /// The most that one message of a peer without stake can ever take.
    pub(super) fn message_max(&self) -> u64 {
        self.config.node_at_large_max.min(self.config.at_large)
    }

    pub(super) const fn left(&self) -> Amounts {
        Amounts { at_large: self.at_large_left, validator: self.validators_left }
    }

    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }
}
