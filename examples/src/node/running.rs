//! A node and the server in front of it.

use std::sync::Arc;

use avalanche_chain::NodeReader;
use avalanche_chain::node::{Node, NodeConfig};
use avalanche_gateway::{GatewayConfig, serve};
use avalanche_vm::VmRegistry;
use avalanche_vm::payments::PaymentsFactory;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{NodeFailure, Ready};

/// A node that runs, and serves HTTP.
#[derive(Debug)]
pub struct Running {
    ready: Ready,
    node: Node,
    server: JoinHandle<()>,
    /// Its end, or a word, asks the server to end.
    stop: oneshot::Sender<()>,
}

impl Running {
    /// Starts a node with the VMs of this project, as `payments`, and serves it where its
    /// configuration says.
    ///
    /// # Errors
    ///
    /// Why it does not start. Nothing runs then.
    pub async fn start(config: NodeConfig) -> Result<Self, NodeFailure> {
        let api = config.api;
        // First, since nothing has to be undone if it is taken.
        let listener = TcpListener::bind(api).await.map_err(|error| {
            NodeFailure(format!("HTTP cannot be served on {api}: {error}; set api to another"))
        })?;
        let failure = |error: &dyn ToString| NodeFailure(error.to_string());
        let api = listener.local_addr().map_err(|error| failure(&error))?;
        let mut registry = VmRegistry::new();
        registry
            .register(Arc::new(PaymentsFactory::new()), &["payments"])
            .map_err(|error| failure(&error))?;
        // One half for the requests in work, the other for the chains.
        let gateway = GatewayConfig { drain: config.drain() / 2, ..GatewayConfig::default() };
        let node = Node::start(config, registry).await.map_err(|error| failure(&error))?;
        let ready = Ready { node_id: node.node_id(), peer: node.network_addr(), api };
        let (stop, stopped) = oneshot::channel();
        let server = serve(listener, node.reader(), gateway, async {
            let _ = stopped.await;
        });
        Ok(Self { ready, node, server: tokio::spawn(server), stop })
    }

    /// Where it listens.
    #[must_use]
    pub const fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Waits until it ends by itself, and says why. Cancel safe.
    pub async fn ended(&mut self) -> String {
        match (&mut self.server).await {
            Ok(()) => "its server ended".to_owned(),
            Err(error) => format!("its server ended: {error}"),
        }
    }

    /// Ends the server, then the node: what was begun is finished within the `drain_ms` of its
    /// configuration for each part.
    pub async fn shutdown(self) {
        let _ = self.stop.send(());
        if !self.server.is_finished() {
            let _ = self.server.await;
        }
        if !self.node.shutdown().await {
            tracing::warn!("not all of the node ended in time");
        }
    }
}
