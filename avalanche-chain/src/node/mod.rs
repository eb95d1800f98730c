//! A node without HTTP: one process with a network, chains and their VMs.

mod config;

pub use config::{BootstrapPeer, BuildConfig, ConfigError, NodeConfig, StoreKind, VARIABLES};
