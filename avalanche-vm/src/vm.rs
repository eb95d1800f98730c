//! The trait that a user's own program implements.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use avalanche_consensus::engine::{Phase, Tip};
use avalanche_consensus::{Id, NodeId, Timestamp};

use crate::{Block, Error, HttpHandler, StateSync, Transactions};

/// A replicated state machine whose steps are blocks.
///
/// Blocks are values, and the VM acts on them; the chain keeps the accepted ones. Seven calls are
/// the whole of it, the rest has defaults that do nothing.
///
/// ```text
///   bytes --parse--> Block --verify--> processing --+--accept--> accepted
///            build ----^                            +--reject--> gone
/// ```
///
/// # Contract
///
/// What the caller promises:
///
/// - **One call at a time.** Calls never overlap, so a VM needs no locks of its own.
/// - **Parents first.** A block is verified only when its parent is the last accepted block or was
///   verified and not yet decided. It is accepted only as the child of the last accepted block.
/// - **Each verified block is decided once**, by accept or by reject, except those that are
///   undecided when the instance stops. When a block is accepted, its rivals and all that was
///   built on them are rejected, parents before children, after the accept.
/// - **Durable before accept.** A block is in the chain's log, synced, before it is accepted here.
/// - **Catching up.** After a start, each logged block above [`last_accepted`](Self::last_accepted)
///   comes to `accept` in the order of heights, without having been verified.
/// - **No cancellation.** A call is never dropped half way. One that exceeds its deadline is
///   waited for, and then the instance is made anew.
///
/// What a VM promises:
///
/// - **Determinism.** What `verify` answers, and what state `accept` leads to, depends on the
///   block, its ancestors and genesis alone; `now` may only decide whether a block is too new.
/// - **No trace of refusal.** A call that answers [`Error::Invalid`] or [`Error::NotReady`] has
///   changed nothing that a later answer could show.
/// - **Idempotence.** Verifying a block that is processing, and accepting one at or below the last
///   accepted height, answer `Ok` and change nothing.
/// - **Restart.** Its state can stop at any instant. It is then found at the height of some block
///   that was accepted, whole, and [`last_accepted`](Self::last_accepted) says which.
/// - **No panic on input.** A panic ends the instance, not the process, and is a defect. That the
///   caller promises parents first is no excuse: a block whose parent is not there is refused.
///
/// A VM is [`Any`], so that whoever embeds one can see his own type again:
///
/// ```
/// # use avalanche_vm::Vm;
/// fn mine<T: Vm>(vm: &dyn Vm) -> Option<&T> {
///     (vm as &dyn std::any::Any).downcast_ref()
/// }
/// ```
#[async_trait]
pub trait Vm: Any + Send {
    /// Reads a block, of any chain and any age. It says nothing about validity, and does not
    /// depend on state. The chain caches nothing for the VM: equal bytes give equal blocks.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if these are not the bytes of a block.
    fn parse(&self, bytes: &[u8]) -> Result<Block, Error>;

    /// Makes a block on the preferred one, from what is waiting. `None` if there is nothing to
    /// build, or if only an empty block could be and [`BuildRequest::allow_empty`] is false.
    /// The block is not processing until it is verified.
    ///
    /// # Errors
    ///
    /// [`Error::NotReady`], [`Error::Fatal`].
    async fn build(&mut self, request: BuildRequest) -> Result<Option<Block>, Error>;

    /// Executes a block on its parent's state. After `Ok` the block is processing.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the block breaks a rule: the same on every node, now and later,
    /// except for a timestamp in the future. [`Error::NotReady`] if this node cannot say. One of
    /// the two if the parent is neither the last accepted block nor processing.
    async fn verify(&mut self, block: &Block, now: Timestamp) -> Result<(), Error>;

    /// Makes a block's state the accepted one. It need not be durable when the call returns.
    ///
    /// # Errors
    ///
    /// Anything but `Ok` is fatal.
    async fn accept(&mut self, block: &Block) -> Result<(), Error>;

    /// Forgets a processing block.
    ///
    /// # Errors
    ///
    /// Anything but `Ok` is fatal.
    async fn reject(&mut self, block: &Block) -> Result<(), Error>;

    /// Says on which block to build: the last accepted or a processing one.
    fn set_preference(&mut self, block: Id);

    /// The block that the VM's state stands at: genesis at first.
    fn last_accepted(&self) -> Tip;

    /// The chain enters a phase. Before the first call the VM only catches up.
    ///
    /// # Errors
    ///
    /// Anything but `Ok` is fatal.
    async fn enter_phase(&mut self, phase: Phase) -> Result<(), Error> {
        let _ = phase;
        Ok(())
    }

    /// A message of the same VM on another node. What is returned answers an
    /// [`AppMessage::Request`]; it is dropped for other messages.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the message breaks a rule: the peer did wrong, and the VM goes on.
    async fn app_message(&mut self, message: AppMessage) -> Result<Option<Vec<u8>>, Error> {
        let _ = message;
        Ok(None)
    }

    /// Where transactions come in; `None` for a VM that has none.
    fn transactions(&mut self) -> Option<&mut dyn Transactions> {
        None
    }

    /// Starting from a summary of the state instead of from all blocks; `None` for a VM that
    /// cannot.
    fn state_sync(&mut self) -> Option<&mut dyn StateSync> {
        None
    }

    /// What the VM serves to clients below its chain's route, by path. Asked once after start.
    fn handlers(&self) -> Vec<(String, Arc<dyn HttpHandler>)> {
        Vec::new()
    }

    /// The last call: writes out what should be kept. Nothing may depend on it.
    ///
    /// # Errors
    ///
    /// Are reported and change nothing.
    async fn shutdown(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// What a block is to be made under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildRequest {
    /// The time. A block's timestamp is not later, unless its parent's is.
    pub now: Timestamp,
    /// The most bytes of the block.
    pub bytes_max: usize,
    /// Whether a block with nothing in it may be made.
    pub allow_empty: bool,
}

/// A message between instances of one VM on different nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppMessage {
    /// A peer asks; the call's result is the answer.
    Request {
        /// The peer.
        from: NodeId,
        /// When it stops waiting.
        deadline: Timestamp,
        /// What it asks.
        bytes: Vec<u8>,
    },
    /// The answer to a request of this VM's.
    Response {
        /// The peer.
        from: NodeId,
        /// The number that the VM gave the request.
        request: u64,
        /// The answer.
        bytes: Vec<u8>,
    },
    /// A request of this VM's will not be answered.
    Failed {
        /// The peer.
        from: NodeId,
        /// The number that the VM gave the request.
        request: u64,
    },
    /// A peer tells something.
    Gossip {
        /// The peer.
        from: NodeId,
        /// What it tells.
        bytes: Vec<u8>,
    },
}
