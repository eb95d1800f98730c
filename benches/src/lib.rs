//! Workloads of the benches, the floors that they are held against, and the way of comparing the
//! two.
//!
//! A time alone says little: it depends on the machine and on who else uses it. So every workload
//! has a *floor*, a minimal loop that does only what no implementation can avoid, and both are
//! measured in the same run, in turns. What is reported is the ratio.
//!
//! - [`floor`]: the minimal loops.
//! - [`snowman`], [`snowball`], [`poll`], [`sampler`], [`mod@engine`], [`store`], [`vm`],
//!   [`payments`], [`net`]: the workloads, shared by the Criterion benches and by the `ratios`
//!   table. The floors of the last four are beside their workloads.
//! - `network`, with the feature of that name: devnets of real processes, seen from outside.
//! - [`measure`]: turns, medians, CPU time and wall time.
//! - [`memory`], [`allocations`]: bytes and calls to the allocator.

pub mod allocations;
pub mod engine;
pub mod floor;
pub mod measure;
pub mod memory;
pub mod net;
#[cfg(feature = "network")]
pub mod network;
pub mod payments;
pub mod poll;
pub mod report;
pub mod sampler;
pub mod snowball;
pub mod snowman;
pub mod store;
pub mod vm;

use avalanche_consensus::Id;

/// The `index`-th identifier of a workload: uniformly distributed, the same in every run.
#[must_use]
pub fn id(label: &str, index: u64) -> Id {
    let mut bytes = label.as_bytes().to_vec();
    bytes.extend(index.to_le_bytes());
    Id::hash(&bytes)
}
