//! Transactions, and what became of them.

use std::fmt;

use avalanche_consensus::Id;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{HexBytes, decimal};

/// The body of `POST chains/{id}/transactions` as JSON. As `application/octet-stream` it is the
/// signed octets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitBody {
    /// The signed octets.
    pub tx: HexBytes,
}

/// What became of a transaction, as far as the node knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    /// The transaction.
    pub id: Id,
    /// What became of it.
    pub status: TransactionStatus,
    /// The height of its block, if it is accepted.
    #[serde(with = "decimal::option", default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// Its place in the block, from 0, if it is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Its block, while it is processing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<Id>,
    /// The rule that it broke, if it is dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What was wrong, if it is dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The receipt as the VM writes it, if it is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<RawJson>,
}

impl Transaction {
    /// One of which no more is known than its status.
    #[must_use]
    pub const fn new(id: Id, status: TransactionStatus) -> Self {
        let (height, index, block) = (None, None, None);
        Self { id, status, height, index, block, code: None, reason: None, receipt: None }
    }

    /// Whether it is final: in an accepted block.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.status == TransactionStatus::Accepted
    }
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionStatus {
    /// The node has not heard of it, or has forgotten it.
    Unknown,
    /// It waits for a block.
    Pending,
    /// It is in a block that is not decided.
    Processing,
    /// It is in an accepted block, which is final.
    Accepted,
    /// It will not be in a block that this node builds.
    Dropped,
}

/// The answer of `GET chains/{id}/transactions/pending`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// How many wait.
    #[serde(with = "decimal")]
    pub count: u64,
    /// The first of them, at most `?limit=`.
    pub ids: Vec<Id>,
}

/// The answer of `GET chains/{id}/accounts/{address}/transactions`: newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressTransactions {
    /// Accepted transactions that touch the address.
    pub transactions: Vec<AddressTransaction>,
    /// What `?cursor=` takes for the next page, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An accepted transaction that touches an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressTransaction {
    /// The transaction.
    pub id: Id,
    /// The height of its block.
    #[serde(with = "decimal")]
    pub height: u64,
    /// Its place in the block, from 0.
    pub index: u32,
}

/// JSON as a VM wrote it, passed on without being taken apart. Equality is that of the text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawJson(Box<RawValue>);

impl RawJson {
    /// Checks that `text` is JSON.
    ///
    /// # Errors
    ///
    /// Where it is not.
    pub fn new(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(Self)
    }

    /// The text.
    #[must_use]
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// If it is not of this type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.get())
    }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl fmt::Display for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}
