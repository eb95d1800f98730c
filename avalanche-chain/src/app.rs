//! Messages of a VM to the same VM on other nodes, and back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use avalanche_consensus::{Id, NodeId};
use avalanche_net::gossip::prefix::ERROR_UNREGISTERED_HANDLER;
use avalanche_net::network::Network;
use avalanche_net::wire::build;
use avalanche_vm::{AppMessage, AppSender, Instance};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use crate::AppRoute;

/// Messages that wait for the VM, at most. More are dropped; a request of a peer then times out
/// there.
const WAITING_MAX: usize = 256;
/// Requests of the VM without an answer, at most. More fail at once.
const REQUESTS_MAX: usize = 1_024;
/// Peers that a message is told, at most.
const GOSSIP_PEERS_MAX: usize = 32;

/// A message for the VM, and the request that it answers.
#[derive(Debug)]
pub(crate) struct ForVm {
    pub(crate) message: AppMessage,
    pub(crate) answer: Option<(NodeId, u32)>,
}

/// How a VM speaks to the same VM on other nodes.
#[derive(Clone)]
pub(crate) struct ChainSender {
    chain: Id,
    network: Network,
    /// VMs call from threads of their own.
    runtime: Handle,
    to_vm: mpsc::Sender<ForVm>,
    requests: Arc<Semaphore>,
}

impl ChainSender {
    /// What a VM is given, and what comes to it. Called on the runtime.
    pub(crate) fn new(chain: Id, network: Network) -> (Self, mpsc::Receiver<ForVm>) {
        let (to_vm, received) = mpsc::channel(WAITING_MAX);
        let requests = Arc::new(Semaphore::new(REQUESTS_MAX));
        let runtime = Handle::current();
        (Self { chain, network, runtime, to_vm, requests }, received)
    }

    /// Where messages of peers for the VM go.
    pub(crate) const fn to_vm(&self) -> &mpsc::Sender<ForVm> {
        &self.to_vm
    }
}

impl fmt::Debug for ChainSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainSender").field("chain", &self.chain).finish_non_exhaustive()
    }
}

impl AppSender for ChainSender {
    fn request(&self, to: NodeId, request: u64, deadline: Duration, bytes: Vec<u8>) {
        let sender = self.clone();
        let permit = Arc::clone(&self.requests).try_acquire_owned().ok();
        self.runtime.spawn(async move {
            let failed = AppMessage::Failed { from: to, request };
            let message = if permit.is_some() {
                let body = AppRoute::from_vm(&bytes);
                let asked = sender.network.app_request(to, sender.chain, body);
                match tokio::time::timeout(deadline, asked).await {
                    Ok(Ok(bytes)) => {
                        AppMessage::Response { from: to, request, bytes: bytes.to_vec() }
                    }
                    _ => failed,
                }
            } else {
                failed
            };
            // The VM is owed an end of each request: this waits for room.
            let _ = sender.to_vm.send(ForVm { message, answer: None }).await;
        });
    }

    fn gossip(&self, bytes: Vec<u8>) {
        let peers = self.network.peers();
        let nodes: Vec<_> = peers.iter().take(GOSSIP_PEERS_MAX).map(|peer| peer.node_id).collect();
        // What finds no room is dropped, as gossip may be.
        let _ = self.network.send(&nodes, build::app_gossip(self.chain, AppRoute::from_vm(&bytes)));
    }
}

/// Hands messages to the VM, one after another, and sends its answers. Ends with the chain.
pub(crate) async fn serve(
    chain: Id,
    network: Network,
    instance: Instance,
    mut messages: mpsc::Receiver<ForVm>,
) {
    while let Some(ForVm { message, answer }) = messages.recv().await {
        let result = instance.app_message(message).await;
        let Some((node, request)) = answer else {
            if let Err(error) = result {
                tracing::debug!(%error, "the VM refuses a message");
            }
            continue;
        };
        let body = match result {
            Ok(Some(bytes)) => build::app_response(chain, request, Bytes::from(bytes)),
            Ok(None) => build::app_error(chain, request, -1, "no answer".to_owned()),
            Err(error) => build::app_error(chain, request, -1, error.to_string()),
        };
        // A full queue drops the answer, as the network would.
        let _ = network.send(&[node], body);
    }
}

/// The answer to a request that is for nobody here.
pub(crate) fn nobody(chain: Id, request: u32) -> avalanche_net::wire::Body {
    build::app_error(chain, request, ERROR_UNREGISTERED_HANDLER, "no such handler".to_owned())
}
