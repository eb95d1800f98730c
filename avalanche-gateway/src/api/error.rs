//! The body of every answer that is an error.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Why a request was not done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// A stable name for programs, in `snake_case`; the crate's README has the table.
    pub code: String,
    /// What was wrong, and what is allowed or to be done: for people.
    pub message: String,
    /// More for programs, as `{"allowed":["GET"]}`; null if there is nothing more.
    #[serde(default)]
    pub detail: Value,
    /// The request, as the node's log names it: 32 hexadecimal digits.
    #[serde(default)]
    pub trace_id: String,
}
