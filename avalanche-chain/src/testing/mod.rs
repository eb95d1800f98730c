//! Networks of nodes in one process, for tests and examples of what runs on chains.

mod cluster;

pub use cluster::{Cluster, ClusterOptions};
