//! Transactions of other nodes: gossip, and their admission to the VM's mempool.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use avalanche_consensus::{Id, NodeId, Timestamp};
use avalanche_net::gossip::{GossipFault, GossipPeer};
use avalanche_net::wire::build;
use avalanche_vm::{AppMessage, Instance};
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::Driver;
use crate::app::{ForVm, nobody};
use crate::executor::Done;
use crate::{AppRoute, Tx};

/// Transactions that the VM is asked to admit at once, at most: some 10 ms of signatures, which is
/// what a vote can have to wait.
const ADMIT_MAX: usize = 1_024;
/// From one look at what is to be pushed to the next, while there is something.
const PUSH_EVERY: Duration = Duration::from_millis(2);
/// The same, while there is nothing.
const IDLE_EVERY: Duration = Duration::from_millis(250);

/// Asks the VM to admit transactions, one batch after another. As many wait as gossip lets be with
/// the VM.
pub(super) struct Admission {
    instance: Instance,
    waiting: VecDeque<Tx>,
    running: Option<JoinHandle<Admitted>>,
}

/// A batch that the VM was asked about.
pub(super) struct Admitted {
    transactions: Arc<Vec<Tx>>,
    /// `None` if the VM did not answer.
    results: Option<Vec<Result<Id, avalanche_vm::Error>>>,
}

impl Admission {
    pub(super) const fn new(instance: Instance) -> Self {
        Self { instance, waiting: VecDeque::new(), running: None }
    }

    fn begin(&mut self, now: Timestamp) {
        if self.running.is_some() || self.waiting.is_empty() {
            return;
        }
        let count = self.waiting.len().min(ADMIT_MAX);
        let transactions: Arc<Vec<Tx>> = Arc::new(self.waiting.drain(..count).collect());
        let instance = self.instance.clone();
        self.running = Some(tokio::spawn(async move {
            let results = instance.submit_named(Arc::clone(&transactions), Tx::id, now).await.ok();
            Admitted { transactions, results }
        }));
    }

    /// Returns when a batch is done; never if there is none. Cancel safe.
    pub(super) async fn finished(&mut self) -> Admitted {
        let Some(running) = &mut self.running else { return pending().await };
        let admitted = running.await;
        self.running = None;
        admitted.unwrap_or_else(|_| Admitted { transactions: Arc::default(), results: None })
    }
}

impl Driver {
    /// Gossip of a peer: of transactions, or of its VM.
    pub(super) fn pushed(&mut self, from: NodeId, bytes: &Bytes) {
        match AppRoute::of(bytes) {
            AppRoute::Gossip(rest) => {
                let new = self.gossip.received_push(from, rest);
                self.try_out(from, new);
            }
            AppRoute::Vm(rest) => {
                let message = AppMessage::Gossip { from, bytes: rest.to_vec() };
                // What finds no room is dropped, as gossip may be.
                let _ = self.to_vm.try_send(ForVm { message, answer: None });
            }
            AppRoute::Nobody => {}
        }
    }

    /// What a peer gave when it was asked; `None` if it did not answer.
    pub(super) fn pulled(&mut self, from: NodeId, bytes: Option<Bytes>) {
        match bytes {
            Some(bytes) => {
                let new = self.gossip.received_pull_answer(from, bytes);
                self.try_out(from, new);
            }
            None => self.gossip.pull_failed(from),
        }
    }

    fn try_out(&mut self, from: NodeId, new: Result<Vec<Tx>, GossipFault>) {
        match new {
            Ok(new) => {
                self.admission.waiting.extend(new);
                self.admission.begin(self.shared.clock.now());
            }
            Err(fault) => tracing::debug!(%from, %fault, "gossip of a peer is not used"),
        }
    }

    /// A request of a peer: for transactions that it does not have, or to the VM.
    pub(super) fn asked(&mut self, from: NodeId, request: u32, bytes: &Bytes, left: Duration) {
        let chain = self.shared.id;
        let answer = match AppRoute::of(bytes) {
            AppRoute::Gossip(rest) => {
                let now = self.shared.clock.now();
                match self.gossip.received_pull_request(from, rest, now) {
                    Ok(answer) => build::app_response(chain, request, answer),
                    Err(fault) => {
                        let code = fault.app_error_code();
                        build::app_error(chain, request, code, fault.to_string())
                    }
                }
            }
            AppRoute::Vm(rest) => {
                let deadline = self.shared.clock.now().after(left);
                let message = AppMessage::Request { from, deadline, bytes: rest.to_vec() };
                // What finds no room times out at the peer.
                let _ = self.to_vm.try_send(ForVm { message, answer: Some((from, request)) });
                return;
            }
            AppRoute::Nobody => nobody(chain, request),
        };
        // A full queue drops the answer, as the network would; the peer's timeout sees to it.
        let _ = self.network.send(&[from], answer);
    }

    /// The VM has answered a batch.
    pub(super) fn admitted(&mut self, batch: Admitted) {
        let now = self.shared.clock.now();
        match batch.results {
            Some(results) => {
                let transactions = Arc::unwrap_or_clone(batch.transactions);
                for (one, result) in transactions.into_iter().zip(results) {
                    match result {
                        Ok(_) => self.gossip.admitted(one, now),
                        Err(_) => self.gossip.refused(&one.id()),
                    }
                }
            }
            None => batch.transactions.iter().for_each(|one| self.gossip.refused(&one.id())),
        }
        self.admission.begin(now);
    }

    /// Clients gave this node transactions: they are pushed at once.
    pub(super) fn admitted_here(&mut self, transactions: Vec<Tx>) {
        let now = self.shared.clock.now();
        self.gossip.add_own(transactions, now);
        self.gossip_at = now;
    }

    /// Sends what is due to be pushed, and asks a peer for more now and then.
    pub(super) fn spread(&mut self, now: Timestamp) {
        if now < self.gossip_at {
            return;
        }
        let weight = |node: &NodeId| self.shared.validators.weight(node);
        let peers = self.network.peers();
        let peers = peers.iter().map(|peer| peer.node_id);
        let peers: Vec<GossipPeer> =
            peers.map(|node| GossipPeer { node, weight: weight(&node) }).collect();
        let pushes = self.gossip.poll(now, &peers);
        self.gossip_at = now.after(if pushes.is_empty() { IDLE_EVERY } else { PUSH_EVERY });
        for push in pushes {
            // What a full queue drops is offered again by pull.
            let message = build::app_gossip(self.shared.id, push.message);
            let _ = self.network.send(&push.nodes, message);
        }
        if let Some((from, bytes)) = self.gossip.pull(now, &peers) {
            let (network, chain) = (self.network.clone(), self.shared.id);
            let answers = self.answers.clone();
            // One at a time, and the network bounds how long it takes.
            tokio::spawn(async move {
                let bytes = network.app_request(from, chain, bytes).await.ok();
                // Nobody listens only when the chain is stopping.
                let _ = answers.send(Done::Pulled { from, bytes });
            });
        }
    }
}
