//! A node without HTTP: one process with a network, chains and their VMs.

mod config;
mod error;
#[expect(clippy::module_inception, reason = "the node is what the folder is named after")]
mod node;

pub use config::{BootstrapPeer, BuildConfig, ConfigError, NodeConfig, StoreKind, VARIABLES};
pub use error::NodeError;
pub use node::Node;
