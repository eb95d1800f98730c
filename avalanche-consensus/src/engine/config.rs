//! What an engine is told once, when it is made.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{Phase, Tip};
use crate::network::{BenchConfig, TimeoutConfig};
use crate::snowball::Parameters;
use crate::validators::ValidatorSet;
use crate::{Height, Id, NodeId};

/// Parameters, times and bounds of an [`Engine`](super::Engine). The defaults are AvalancheGo's;
/// where it has no bound the default is far above what an honest network needs.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct EngineConfig {
    /// The parameters of consensus.
    pub parameters: Parameters,
    /// How often to ask somebody for their preference while nothing is processing, and to open
    /// polls that could not be opened before. Zero: never. Default: 100 ms.
    pub gossip_period: Duration,
    /// How long to wait for an answer.
    pub timeouts: TimeoutConfig,
    /// When to give up on a peer for a while; `None`: never.
    pub bench: Option<BenchConfig>,
    /// Whether the VM keeps only part of the chain, so that peers are told accepted blocks instead
    /// of preferences. Default: false.
    pub partial_sync: bool,
    /// Whether there are other chains in the subnet, so that after catching up the engine waits for
    /// [`Input::SubnetBootstrapped`](super::Input::SubnetBootstrapped), and catches up again while
    /// that does not come. Default: false.
    pub await_subnet: bool,
    /// Blocks that must be in the chain, whatever peers say. Catching up fetches them too.
    pub checkpoints: Vec<Id>,
    /// Whom to ask for state summaries, each with the same weight. Default: nobody in particular,
    /// so the beacons of [`Setup`] by their weight.
    pub state_sync_nodes: Vec<NodeId>,
    /// The bounds.
    pub limits: Limits,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            parameters: Parameters::default(),
            gossip_period: Duration::from_millis(100),
            timeouts: TimeoutConfig::default(),
            bench: Some(BenchConfig::default()),
            partial_sync: false,
            await_subnet: false,
            checkpoints: Vec::new(),
            state_sync_nodes: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// The bound on everything that an engine holds. What happens at a bound stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct Limits {
    /// Blocks that are processing. Beyond it blocks are dropped before they are verified. Default:
    /// 65,536.
    pub processing_max: u32,
    /// Blocks that wait for their parent or their verdict, and as many again that peers were asked
    /// for. Beyond it blocks are dropped, or not asked for, with a
    /// [`Fault::Flooding`](super::Fault::Flooding). Nodes that are no validators may use half of
    /// it. Default: 16,384.
    pub pending_max: usize,
    /// The bytes of those blocks. Default: 256 MiB.
    pub pending_bytes_max: u64,
    /// Those of them that one peer gave. Default: 1,024.
    pub pending_per_node_max: usize,
    /// Bytes of blocks without a verdict that are kept, the least recently used out first. Default:
    /// 64 MiB.
    pub unverified_bytes_max: usize,
    /// Blocks without a verdict whose parent is remembered. Beyond it votes for them count for
    /// nothing. Default: 65,536.
    pub unverified_max: usize,
    /// Polls that are open. Beyond it none is opened. Default: 4,096.
    pub polls_max: u32,
    /// Requests to peers without an answer, each counted once for each peer that was asked. Beyond
    /// it none is sent. Default: 65,536.
    pub requests_max: usize,
    /// Calls to the VM without an answer. Beyond it messages that need one are dropped. Default:
    /// 4,096.
    pub calls_max: usize,
    /// Those of them that one peer caused. Default: 64.
    pub calls_per_node_max: usize,
    /// Outputs that wait to be drained. Beyond it the chain stops:
    /// [`Fatal::Undrained`](super::Fatal::Undrained). Default: 1,048,576.
    pub outputs_max: usize,
    /// Requests to build a block that wait. More are forgotten. Default: 1,024.
    pub builds_max: u32,
    /// Frontier requests that are out at once while catching up. Default: 50.
    pub frontier_requests_max: NonZeroU32,
    /// Blocks or summaries that one list of a peer can name. Longer lists are dropped. Default:
    /// 2,048.
    pub ids_max: usize,
    /// Blocks that are taken from one `Ancestors`, and given in one. The rest is ignored. Default:
    /// 2,000.
    pub ancestors_max: usize,
    /// Bytes that are given in one `Ancestors`. Default: 4/5 of 2 MiB.
    pub ancestors_bytes_max: usize,
    /// Time that a VM may spend on one `Ancestors`. Default: 50 ms.
    pub ancestors_time_max: Duration,
    /// Stored blocks that are executed in one call. Default: 64.
    pub execute_batch_max: u64,
    /// Nodes that are followed as connected. Beyond it they count as not connected. Default:
    /// 65,536.
    pub connected_max: usize,
    /// Results of polls that are kept for [`Engine::explain`](super::Engine::explain). Default: 16.
    pub poll_history_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            processing_max: 1 << 16,
            pending_max: 1 << 14,
            pending_bytes_max: 256 << 20,
            pending_per_node_max: 1 << 10,
            unverified_bytes_max: 64 << 20,
            unverified_max: 1 << 16,
            polls_max: 1 << 12,
            requests_max: 1 << 16,
            calls_max: 1 << 12,
            calls_per_node_max: 64,
            outputs_max: 1 << 20,
            builds_max: 1 << 10,
            frontier_requests_max: NonZeroU32::MIN.saturating_add(49),
            ids_max: 1 << 11,
            ancestors_max: 2_000,
            ancestors_bytes_max: 4 * (2 << 20) / 5,
            ancestors_time_max: Duration::from_millis(50),
            execute_batch_max: 64,
            connected_max: 1 << 16,
            poll_history_max: 16,
        }
    }
}

/// Where an engine starts.
///
/// The default is normal operation at an empty genesis, alone and with a seed of zeros: for tests.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Setup {
    /// This node.
    pub own: NodeId,
    /// The validators of the chain. This node may be among them.
    pub validators: ValidatorSet,
    /// Whom to trust while catching up; `None`: the validators.
    pub beacons: Option<ValidatorSet>,
    /// The last accepted block.
    pub tip: Tip,
    /// The first phase.
    pub phase: Phase,
    /// Blocks that [`Output::StoreBlocks`](super::Output::StoreBlocks) stored before a restart and
    /// that were not executed, ascending.
    pub stored: Vec<StoredRun>,
    /// Fixes every sample that the engine will draw, and the keys of its tables. In a node it comes
    /// from the operating system.
    pub seed: [u8; 32],
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            own: NodeId::new([0; 20]),
            validators: ValidatorSet::new(),
            beacons: None,
            tip: Tip { id: Id::EMPTY, height: Height::GENESIS },
            phase: Phase::NormalOperation,
            stored: Vec::new(),
            seed: [0; 32],
        }
    }
}

/// Stored blocks of heights without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StoredRun {
    /// The lowest height.
    pub low: Height,
    /// The highest height.
    pub high: Height,
    /// The parent of the block at `low`.
    pub parent: Id,
}
