//! Where transactions come in, for an edge that knows no VM.

use async_trait::async_trait;
use avalanche_consensus::{Height, Id, Timestamp};

use crate::{Block, Error};

/// The waiting transactions of a VM.
///
/// # Contract
///
/// - What was admitted is in a later block, or [`status`](Self::status) says why not.
/// - Admission promises nothing about durability: only an accepted block does.
/// - Memory is bounded, whatever comes in.
/// - The name of a transaction is the SHA-256 of its bytes, as in AvalancheGo: gossip, which knows
///   no VM, finds it by that.
#[async_trait]
pub trait Transactions: Send {
    /// Admits transactions, each for itself, in their order. The answers are in the same order:
    /// the name, or why it was refused.
    async fn submit(&mut self, transactions: &[&[u8]], now: Timestamp) -> Vec<Result<Id, Error>>;

    /// As [`submit`](Self::submit), by a caller that has worked out the names. They are believed:
    /// under the name of another one, a signature may pass unchecked.
    async fn submit_named(
        &mut self,
        transactions: &[(Id, &[u8])],
        now: Timestamp,
    ) -> Vec<Result<Id, Error>> {
        let bytes: Vec<&[u8]> = transactions.iter().map(|(_, bytes)| *bytes).collect();
        self.submit(&bytes, now).await
    }

    /// How many are waiting.
    fn pending(&self) -> usize;

    /// What became of a transaction, as far as this node remembers.
    fn status(&self, id: &Id) -> TransactionStatus;

    /// The names of the transactions of a block, in their order.
    ///
    /// # Errors
    ///
    /// [`Error::Fatal`] if the block is not of this VM.
    fn in_block(&self, block: &Block) -> Result<Vec<Id>, Error>;

    /// The names of some of those that [are waiting](Self::pending), at most `limit`, in an order
    /// of the VM's choice. None for a VM that does not show them.
    fn waiting(&self, limit: usize) -> Vec<Id> {
        let _ = limit;
        Vec::new()
    }
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransactionStatus {
    /// This node has not heard of it, or has forgotten it.
    Unknown,
    /// It waits for a block.
    Pending,
    /// It is in a block that is not decided.
    Processing {
        /// The block.
        block: Id,
    },
    /// It is in an accepted block.
    Accepted {
        /// The block's height.
        height: Height,
        /// Its place in the block, from 0.
        index: u32,
    },
    /// It will not be in a block that this node builds.
    Dropped {
        /// The rule that it broke.
        code: &'static str,
        /// What was wrong.
        reason: String,
    },
}
