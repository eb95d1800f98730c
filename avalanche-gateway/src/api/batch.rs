//! Many transactions in one request.

use avalanche_consensus::Id;
use serde::{Deserialize, Serialize};

use super::HexBytes;

/// The body of `POST chains/{id}/transactions/batch` as JSON.
///
/// As `application/octet-stream` the body is the transactions one after the other, each with its
/// length before it, in 4 bytes, big-endian; see [`frame`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchBody {
    /// The signed octets of each.
    pub txs: Vec<HexBytes>,
}

/// What became of a batch: answered with 202 as soon as each was admitted or refused.
///
/// Admission promises nothing: ask for each transaction, or watch the events, until it is final.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchAnswer {
    /// How many were admitted.
    pub admitted: u32,
    /// Those that were not, in order.
    pub refused: Vec<Refused>,
    /// The name of each transaction in order, null where it was refused. Left out with
    /// `?ids=false`, for whoever knows the names and counts the time that they take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<Option<Id>>>,
}

/// A transaction that was not admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its place in the batch, from 0.
    pub index: u32,
    /// The HTTP status that it would have got alone: 429 and 503 are worth another try, after a
    /// pause.
    pub status: u16,
    /// The rule that it broke.
    pub code: String,
    /// What was wrong, and what is allowed.
    pub message: String,
}

/// The octets of a batch.
///
/// ```
/// assert_eq!(avalanche_gateway::api::frame([b"ab", b"cd"]), b"\0\0\0\x02ab\0\0\0\x02cd");
/// ```
#[must_use]
pub fn frame<T: AsRef<[u8]>>(transactions: impl IntoIterator<Item = T>) -> Vec<u8> {
    let mut body = Vec::new();
    for transaction in transactions {
        frame_into(&mut body, transaction.as_ref());
    }
    body
}

/// Adds one transaction to the octets of a batch. One of 4 GiB or more is cut, and the server
/// refuses it for its length.
pub fn frame_into(body: &mut Vec<u8>, transaction: &[u8]) {
    let length = u32::try_from(transaction.len()).unwrap_or(u32::MAX);
    body.extend_from_slice(&length.to_be_bytes());
    body.extend_from_slice(transaction);
}
