//! A node and the server in front of it.

use avalanche_chain::node::NodeConfig;

use super::{NodeFailure, Ready};

/// A node that runs, and serves HTTP.
#[derive(Debug)]
pub struct Running {
    ready: Ready,
}

impl Running {
    /// Starts a node.
    ///
    /// # Errors
    ///
    /// Why it does not start.
    #[expect(clippy::unused_async, reason = "until there is a node")]
    pub async fn start(config: NodeConfig) -> Result<Self, NodeFailure> {
        Err(NodeFailure(format!("{}: there is no node yet", config.data_dir.display())))
    }

    /// Where it listens.
    #[must_use]
    pub const fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Waits until it ends by itself, and says why. Cancel safe.
    pub async fn ended(&mut self) -> String {
        std::future::pending().await
    }

    /// Ends it.
    #[expect(clippy::unused_async, reason = "until there is a node")]
    pub async fn shutdown(self) {}
}
