//! Events for an observer: what was decided and what went wrong. Without the feature `tracing` they
//! are nothing. No event carries a time; the observer has a clock.

use crate::{Height, Id};

/// A block became final.
pub(crate) fn accepted(id: &Id, height: Height, polls: u64) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "avalanche::snowman", %id, %height, polls, "block accepted");
    #[cfg(not(feature = "tracing"))]
    let _ = (id, height, polls);
}

/// A block can no longer become final.
pub(crate) fn rejected(id: &Id, height: Height, polls: u64) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "avalanche::snowman", %id, %height, polls, "block rejected");
    #[cfg(not(feature = "tracing"))]
    let _ = (id, height, polls);
}

/// An instance can no longer be used.
pub(crate) fn poisoned(last_accepted: &Id, height: Height) {
    #[cfg(feature = "tracing")]
    tracing::error!(target: "avalanche::snowman", %last_accepted, %height, "instance poisoned");
    #[cfg(not(feature = "tracing"))]
    let _ = (last_accepted, height);
}
