//! Workloads of `avalanche-vm`, each beside what it is held against.

pub mod signature;
