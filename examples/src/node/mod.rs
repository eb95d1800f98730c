//! A node that serves HTTP: what a process of one validator is, and a devnet in one process has
//! several of.

mod ready;

pub use ready::Ready;
