//! What authors of VMs test with: a chain in memory, and the conformance suite.

mod chain;
mod dice;
mod log;
mod report;
pub mod suite;

use std::future::Future;

pub use chain::{Chain, ChainOptions, Stop};
pub use log::{MemoryLog, Sent};
pub use report::Report;
pub use suite::{Fixture, Violation, suite};

/// Runs a future to its end on this thread, so that a test needs no runtime of its own.
///
/// # Panics
///
/// If the operating system gives no runtime, or this thread is inside of one.
#[expect(clippy::expect_used, reason = "a test's way to fail")]
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime of one thread").block_on(future)
}
