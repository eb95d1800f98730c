//! What a VM is given: who it runs for, where it keeps its state, and whom it may call.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use avalanche_consensus::{HashKey, Height, Id, NodeId};
use avalanche_store::KeyValue;

use crate::Error;

/// Everything that an instance of a VM may touch. Cheap to clone.
#[derive(Clone)]
pub struct VmContext {
    /// The network.
    pub network_id: u32,
    /// The chain that this instance executes.
    pub chain_id: Id,
    /// This node.
    pub node_id: NodeId,
    /// What the chain began with. The same on every node.
    pub genesis: Arc<[u8]>,
    /// This node's settings for the VM, in a form of the VM's choice; empty for none.
    pub config: Arc<[u8]>,
    /// This instance's own store: nobody else writes to it. What a VM keeps here carries the
    /// height that it stands at.
    pub store: Arc<dyn KeyValue>,
    /// The accepted blocks, kept by the chain.
    pub blocks: Arc<dyn BlockReader>,
    /// Whom to tell that there is something to build.
    pub to_engine: Arc<dyn ToEngine>,
    /// How to speak to the same VM on other nodes.
    pub app_sender: Arc<dyn AppSender>,
    /// The key of hash tables whose keys come from outside.
    pub hash_key: HashKey,
    /// How many threads a call may keep busy.
    pub threads: NonZeroUsize,
}

impl fmt::Debug for VmContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VmContext")
            .field("network_id", &self.network_id)
            .field("chain_id", &self.chain_id)
            .field("node_id", &self.node_id)
            .finish_non_exhaustive()
    }
}

/// The accepted blocks of one chain, as the bytes of the VM's own blocks.
///
/// # Contract
///
/// - From the lowest kept height to the last there is no gap, and what was once returned for a
///   height never changes.
/// - A block is here before [`Vm::accept`](crate::Vm::accept) is called for it.
pub trait BlockReader: Send + Sync {
    /// The height of the last accepted block; `None` before genesis was written.
    fn last_height(&self) -> Option<Height>;

    /// The block at a height; `None` above the last, and where it was pruned.
    ///
    /// # Errors
    ///
    /// [`Error::Fatal`] if the store below failed.
    fn at(&self, height: Height) -> Result<Option<Vec<u8>>, Error>;

    /// The accepted block of that name.
    ///
    /// # Errors
    ///
    /// [`Error::Fatal`] if the store below failed.
    fn by_id(&self, id: &Id) -> Result<Option<Vec<u8>>, Error>;
}

/// What a VM tells the engine without being asked.
///
/// # Contract
///
/// A call returns at once, whatever the engine does; calls that come faster than the engine builds
/// may be merged.
pub trait ToEngine: Send + Sync {
    /// A block could be built now (AvalancheGo's `PendingTxs`). A VM says so when it has gone from
    /// nothing to something, and after each accept that left something.
    fn pending_transactions(&self);

    /// The sync that [`StateSync::accept_summary`](crate::StateSync::accept_summary) began has
    /// ended, and the VM stands at the summary's block (AvalancheGo's `StateSyncDone`). It may be
    /// said before that call returns.
    fn state_sync_done(&self);
}

/// Messages to the same VM on other nodes.
///
/// # Contract
///
/// A call returns at once and promises nothing: what cannot be queued is dropped, and each request
/// is followed by exactly one [`AppMessage::Response`](crate::AppMessage::Response) or
/// [`AppMessage::Failed`](crate::AppMessage::Failed), unless the instance stops before.
pub trait AppSender: Send + Sync {
    /// Asks a peer. The number is the VM's own, and comes back with the answer.
    fn request(&self, to: NodeId, request: u64, deadline: Duration, bytes: Vec<u8>);

    /// Tells some peers, chosen by the sender.
    fn gossip(&self, bytes: Vec<u8>);
}
