//! Requests of a client that are about transactions and accounts.

use std::time::Duration;

use avalanche_consensus::Id;
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{Client, ClientError, maybe};
use crate::api::{AddressTransactions, BatchAnswer, OCTETS, Pending, Transaction};

/// What an answer may take beyond the patience that the node was asked for.
const MARGIN: Duration = Duration::from_secs(10);

impl Client {
    /// Submits a signed transaction and waits until it is final, as long as the node does by
    /// itself. If [`Transaction::is_final`] says no, patience ended before: ask again.
    ///
    /// # Errors
    ///
    /// [`ClientError::Api`] with the rule that was broken if it was refused or dropped.
    pub async fn submit(&self, transaction: impl Into<Bytes>) -> Result<Transaction, ClientError> {
        let timeout = self.timeout.saturating_add(MARGIN);
        self.post(&self.path("/transactions"), OCTETS, transaction.into(), timeout).await
    }

    /// The same with a patience of one's own. The node bounds it.
    ///
    /// # Errors
    ///
    /// As of [`submit`](Self::submit).
    pub async fn submit_within(
        &self,
        transaction: impl Into<Bytes>,
        patience: Duration,
    ) -> Result<Transaction, ClientError> {
        let path = self.path(&format!("/transactions?timeout_ms={}", patience.as_millis()));
        let timeout = patience.saturating_add(MARGIN);
        self.post(&path, OCTETS, transaction.into(), timeout).await
    }

    /// Submits a signed transaction and does not wait: it is admitted, which promises nothing.
    ///
    /// # Errors
    ///
    /// [`ClientError::Api`] with the rule that was broken if it was refused.
    pub async fn submit_no_wait(&self, transaction: impl Into<Bytes>) -> Result<Id, ClientError> {
        let path = self.path("/transactions?wait=false");
        let answer: Transaction =
            self.post(&path, OCTETS, transaction.into(), self.timeout).await?;
        Ok(answer.id)
    }

    /// Submits many signed transactions and does not wait. `batch` is what
    /// [`frame`](crate::api::frame) made; with `ids` the answer has the name of each.
    ///
    /// # Errors
    ///
    /// [`ClientError::Api`] for the batch as a whole. Inside, why one was refused.
    pub async fn submit_batch(
        &self,
        batch: impl Into<Bytes>,
        ids: bool,
    ) -> Result<BatchAnswer, ClientError> {
        let path = self.path(&format!("/transactions/batch?ids={ids}"));
        self.post(&path, OCTETS, batch.into(), self.timeout).await
    }

    /// Transactions that wait for a block: how many, and the first names, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn pending(&self, limit: u32) -> Result<Pending, ClientError> {
        self.get(&self.path(&format!("/transactions/pending?limit={limit}"))).await
    }

    /// What became of a transaction; `None` if the node has not heard of it.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn transaction(&self, id: Id) -> Result<Option<Transaction>, ClientError> {
        let found = self.get(&self.path(&format!("/transactions/{id}"))).await;
        maybe(found, "unknown_transaction")
    }

    /// An account as the chain's VM writes it, with `proof` that the state has it if the VM can.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn account<T: DeserializeOwned>(
        &self,
        address: &str,
        proof: bool,
    ) -> Result<T, ClientError> {
        let proof = if proof { "?proof=true" } else { "" };
        self.get(&self.path(&format!("/accounts/{address}{proof}"))).await
    }

    /// The accepted transactions that touch an address, newest first, at most `limit`; `cursor` is
    /// the [`next`](AddressTransactions::next) of the page before.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn account_transactions(
        &self,
        address: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<AddressTransactions, ClientError> {
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let path = format!("/accounts/{address}/transactions?limit={limit}{cursor}");
        self.get(&self.path(&path)).await
    }
}
