//! A VM of keys and values: small, complete, and a pattern for VMs with an authenticated state.
//!
//! ```text
//!   Transaction (put, delete) --> pool --> block, with the root of its parent's state
//!                                            |  verify: Draft --> View
//!                                            v  accept: commit
//!                                          State of avalanche-store: values, names, root
//! ```
//!
//! Whoever sends a transaction may change any key: there are no owners, and no signatures. The
//! state remembers the names of all transactions, so that none counts twice. It grows with them.

mod format;
mod pool;
mod vm;

pub use format::{
    BLOCK_BYTES_MAX, Change, KEY_BYTES_MAX, TRANSACTIONS_MAX, Transaction, VALUE_BYTES_MAX,
};
pub use pool::POOL_MAX;
pub use vm::{KeyValueFactory, KeyValueVm, TOO_NEW};
