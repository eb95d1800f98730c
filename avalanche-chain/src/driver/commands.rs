//! What handles ask of a driver, and what the network tells it.

use std::collections::BTreeSet;
use std::sync::Arc;

use avalanche_consensus::engine::{Explanation, Input, Message};
use avalanche_consensus::{Height, Id, NodeId};
use avalanche_net::network::NetworkEvent;
use bytes::Bytes;
use tokio::sync::{broadcast, oneshot};

use super::{Driver, Stop};
use crate::wire;
use crate::{AcceptedBlock, ChainBlock, Tx};

/// What the handles of a chain ask of its driver.
#[derive(Debug)]
pub(crate) enum Command {
    Explain(Id, oneshot::Sender<Explanation>),
    /// A processing block.
    Block(Id, oneshot::Sender<Option<ChainBlock>>),
    /// A block as from a peer.
    Submit(Bytes),
    /// Transactions that the VM admitted from clients of this node.
    Admitted(Vec<Tx>),
    Benched(oneshot::Sender<BTreeSet<NodeId>>),
    /// A block was told: nobody needs its transactions any more.
    Final(Arc<AcceptedBlock>),
    /// A part of the chain failed.
    Fail(String),
}

impl Driver {
    pub(super) async fn command(&mut self, command: Command) -> Result<(), Stop> {
        // Whoever asked may have stopped waiting.
        match command {
            Command::Explain(id, answer) => {
                let _ = answer.send(self.engine.explain(&id));
            }
            Command::Block(id, answer) => {
                let seen = self.processing.get(&id).map(|seen| seen.block.clone());
                let _ = answer.send(seen);
            }
            Command::Submit(bytes) => {
                // As a peer that is no validator: its vote is asked by nobody, and the answer to it
                // has nowhere to go.
                let message = Message::PushQuery {
                    request_id: 0,
                    block: wire::parsed(&bytes),
                    requested_height: Height::GENESIS,
                };
                let from = NodeId::new([0; 20]);
                self.handle(Input::Message { from, message }).await?;
            }
            Command::Admitted(transactions) => {
                self.builder.pending(self.shared.clock.now(), true);
                self.admitted_here(transactions);
            }
            Command::Benched(answer) => {
                let _ = answer.send(self.benched.clone());
            }
            // One that proposes alone has only what peers without a say sent.
            Command::Final(_) if self.gossip.is_empty() && self.shared.is_alone() => {}
            Command::Final(block) => self.gossip.accepted(&block.transactions),
            Command::Fail(reason) => return Err(reason),
        }
        Ok(())
    }

    pub(super) async fn network_event(
        &mut self,
        event: Result<NetworkEvent, broadcast::error::RecvError>,
    ) -> Result<(), Stop> {
        match event {
            Ok(NetworkEvent::Connected { peer, .. }) => {
                self.handle(Input::Connected(peer.node_id)).await
            }
            Ok(NetworkEvent::Disconnected { node_id: Some(node), was_connected: true, .. }) => {
                if self.network.is_connected(&node) {
                    Ok(())
                } else {
                    self.disconnected(node).await
                }
            }
            Ok(_) => Ok(()),
            // Some were missed: what is true now is what counts.
            Err(broadcast::error::RecvError::Lagged(_)) => self.connect_all().await,
            Err(broadcast::error::RecvError::Closed) => {
                Err("the network has been shut down".to_owned())
            }
        }
    }

    async fn disconnected(&mut self, node: NodeId) -> Result<(), Stop> {
        self.handle(Input::Disconnected(node)).await
    }

    /// Says who is connected, this node included: it votes, too.
    pub(super) async fn connect_all(&mut self) -> Result<(), Stop> {
        self.handle(Input::Connected(self.shared.own)).await?;
        for peer in self.network.peers() {
            self.handle(Input::Connected(peer.node_id)).await?;
        }
        Ok(())
    }
}
