//! Starting from a summary of the state (AvalancheGo's `block.StateSyncableVM`).

use async_trait::async_trait;
use avalanche_consensus::engine::SyncMode;
use avalanche_consensus::{Height, Id};

use crate::Error;

/// A short description of a state, which validators vote on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSummary {
    /// The SHA-256 of its bytes.
    pub id: Id,
    /// The height of the state.
    pub height: Height,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// A VM that can start from a [`StateSummary`].
///
/// # Contract
///
/// Two nodes make the same summary for the same height, or none. A state that was synced has the
/// root that the summary names, or the sync fails.
#[async_trait]
pub trait StateSync: Send {
    /// Reads a summary.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`].
    fn parse_summary(&self, bytes: &[u8]) -> Result<StateSummary, Error>;

    /// The summary that a sync was under way to when the VM stopped.
    ///
    /// # Errors
    ///
    /// [`Error::Fatal`].
    async fn ongoing(&mut self) -> Result<Option<StateSummary>, Error>;

    /// The newest summary that this node can serve.
    ///
    /// # Errors
    ///
    /// [`Error::Fatal`].
    async fn last(&mut self) -> Result<Option<StateSummary>, Error>;

    /// The summary at a height.
    ///
    /// # Errors
    ///
    /// [`Error::Fatal`].
    async fn at(&mut self, height: Height) -> Result<Option<StateSummary>, Error>;

    /// Begins to sync to a summary that enough weight has voted for.
    ///
    /// # Errors
    ///
    /// [`Error::Fatal`].
    async fn accept_summary(&mut self, summary: &StateSummary) -> Result<SyncMode, Error>;
}
