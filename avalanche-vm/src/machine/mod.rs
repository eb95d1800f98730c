//! A VM in sixty lines: an author writes what a transaction does to a state, and nothing else.
//!
//! ```text
//!   StateMachine                    MachineVm, written once
//!   genesis, apply   <-- calls ---  blocks, rivals, a queue of transactions, persistence, replay,
//!   encode, decode                  state sync, a route for clients
//! ```
//!
//! A machine has no I/O, no clock and no idea of blocks, so it can be tested with plain calls.
//! Whoever needs more than it offers implements [`Vm`](crate::Vm) by hand.

mod factory;
mod format;
mod queue;
mod record;
mod serve;
mod sync;
mod transactions;
mod vm;

use std::time::Duration;

use avalanche_consensus::{Height, Timestamp};

pub use factory::MachineFactory;
pub use vm::MachineVm;

use crate::{Invalid, VmId, VmVersion};

/// The longest block, in bytes.
pub const BLOCK_BYTES_MAX: usize = 1 << 20;
/// The most transactions of a block.
pub const TRANSACTIONS_MAX: usize = 1024;
/// The longest transaction, in bytes.
pub const TRANSACTION_BYTES_MAX: usize = 64 << 10;
/// The longest encoded state, in bytes. A block that leads to a longer one is invalid.
pub const STATE_BYTES_MAX: usize = 16 << 20;
/// The most transactions that wait.
pub const WAITING_MAX: usize = 10_000;
/// The most bytes of all transactions that wait.
pub const WAITING_BYTES_MAX: usize = 16 << 20;
/// Transactions that were accepted or dropped, of which this node remembers what became.
pub const FATES_MAX: usize = 10_000;
/// How far ahead of a node's time a block's timestamp may be.
pub const TOO_NEW: Duration = Duration::from_secs(10);
/// The longest encoded state that a summary carries, and that is stored after every block, in
/// bytes. A longer one has no summary, and is stored every [`FLUSH_BLOCKS`].
pub const SMALL_STATE_BYTES: usize = 64 << 10;
/// Accepted blocks after which the store is flushed. A crash costs their replay.
pub const FLUSH_BLOCKS: u64 = 16;
/// Heights that are multiples of this have a summary.
pub const SUMMARY_BLOCKS: u64 = 4;
/// How many summaries a node keeps, the newest ones, in memory.
pub const SUMMARIES_MAX: usize = 16;

/// The rules of a chain: a state, and what transactions do to it.
///
/// # Contract
///
/// - **Pure.** Results depend on the arguments alone: no clock, no random numbers, no order of hash
///   tables, no floats from libraries that differ between platforms.
/// - **Canonical.** Equal states have equal encodings, and `encode` of what `decode` read is what
///   was read. Blocks carry the hash of the encoding, so nodes that disagree notice.
/// - **No panic on input.** Clients and peers choose transactions, questions and summaries.
/// - **Cheap clones.** A state is cloned for each transaction that is tried and for each block.
///   What is big belongs behind an [`Arc`](std::sync::Arc), to be changed by `Arc::make_mut`.
///
/// Whether a transaction may be accepted twice is the machine's decision: where a repeat does harm,
/// transactions have a number that `apply` counts.
pub trait StateMachine: Send + Sync + 'static {
    /// All that the chain agrees on.
    type State: Clone + Send + Sync + 'static;

    /// The kind of VM that this makes.
    fn id(&self) -> VmId;

    /// The version of the rules. By default 1.0.0.
    fn version(&self) -> VmVersion {
        VmVersion { major: 1, minor: 0, patch: 0 }
    }

    /// The first state of a chain. By default genesis bytes are an encoded state.
    ///
    /// # Errors
    ///
    /// What is wrong with the bytes.
    fn genesis(&self, bytes: &[u8]) -> Result<Self::State, Invalid> {
        self.decode(bytes)
    }

    /// Makes a transaction's changes. The caller works on a copy, and forgets it after a refusal.
    ///
    /// # Errors
    ///
    /// The rule that the transaction breaks. Then no valid block has it at this place.
    fn apply(
        &self,
        state: &mut Self::State,
        transaction: &[u8],
        block: BlockFacts,
    ) -> Result<(), Invalid>;

    /// The state as bytes, of which there may be [`STATE_BYTES_MAX`].
    fn encode(&self, state: &Self::State) -> Vec<u8>;

    /// Reads what [`encode`](Self::encode) wrote, all of it, from a store or a peer's summary.
    ///
    /// # Errors
    ///
    /// What is wrong with the bytes.
    fn decode(&self, bytes: &[u8]) -> Result<Self::State, Invalid>;

    /// Answers a question about the accepted state, at the route `/state`. By default with the
    /// encoded state, whatever was asked.
    ///
    /// # Errors
    ///
    /// What is wrong with the question.
    fn query(&self, state: &Self::State, question: &[u8]) -> Result<Vec<u8>, Invalid> {
        let _ = question;
        Ok(self.encode(state))
    }
}

/// What a transaction may know of the block that it is in. Its admission sees the next height and
/// the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockFacts {
    /// The block's height, from 1.
    pub height: Height,
    /// The block's timestamp, in whole milliseconds: not before its parent's.
    pub timestamp: Timestamp,
}
