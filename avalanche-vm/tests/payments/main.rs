//! The pure part of the payments VM against plain models and pinned bytes.
#![cfg(test)]

mod formats;
mod ledger;
mod mempool;
mod model;
