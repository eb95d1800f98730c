//! Transactions of other nodes: gossip, and their admission to the VM's mempool.

use std::collections::VecDeque;
use std::future::pending;

use avalanche_consensus::{Id, NodeId, Timestamp};
use avalanche_net::gossip::GossipPeer;
use avalanche_net::wire::build;
use avalanche_vm::Instance;
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::Driver;
use crate::executor::Done;

/// Transactions of peers that wait to be admitted, at most. More are dropped: peers offer them
/// again.
const WAITING_MAX: usize = 1 << 15;
/// Transactions that the VM is asked to admit at once, at most: some 10 ms of signatures, which is
/// what a vote can have to wait.
const ADMIT_MAX: usize = 1_024;

/// Asks the VM to admit transactions, one batch after another.
pub(super) struct Admission {
    instance: Instance,
    waiting: VecDeque<Bytes>,
    running: Option<JoinHandle<Admitted>>,
}

/// A batch that the VM was asked about.
pub(super) struct Admitted {
    transactions: Vec<Bytes>,
    /// `None` if the VM did not answer.
    results: Option<Vec<Result<Id, avalanche_vm::Error>>>,
}

impl Admission {
    pub(super) const fn new(instance: Instance) -> Self {
        Self { instance, waiting: VecDeque::new(), running: None }
    }

    /// Adds transactions to those that wait.
    fn add(&mut self, transactions: Vec<Bytes>, now: Timestamp) {
        let room = WAITING_MAX.saturating_sub(self.waiting.len());
        self.waiting.extend(transactions.into_iter().take(room));
        self.begin(now);
    }

    fn begin(&mut self, now: Timestamp) {
        if self.running.is_some() || self.waiting.is_empty() {
            return;
        }
        let count = self.waiting.len().min(ADMIT_MAX);
        let transactions: Vec<Bytes> = self.waiting.drain(..count).collect();
        let instance = self.instance.clone();
        self.running = Some(tokio::spawn(async move {
            let copies = transactions.iter().map(|bytes| bytes.to_vec()).collect();
            let results = instance.submit(copies, now).await.ok();
            Admitted { transactions, results }
        }));
    }

    /// Returns when a batch is done; never if there is none. Cancel safe.
    pub(super) async fn finished(&mut self) -> Admitted {
        let Some(running) = &mut self.running else { return pending().await };
        let admitted = running.await;
        self.running = None;
        admitted.unwrap_or_else(|_| Admitted { transactions: Vec::new(), results: None })
    }
}

impl Driver {
    /// Transactions that a peer pushed, or gave when it was asked.
    pub(super) fn pushed(&mut self, from: NodeId, bytes: &Bytes) {
        match self.gossip.receive_push(from, bytes) {
            Ok(transactions) => self.admission.add(transactions, self.shared.clock.now()),
            Err(fault) => tracing::debug!(%from, %fault, "gossip of a peer is not used"),
        }
    }

    /// What a peer gave when it was asked.
    pub(super) fn pulled(&mut self, from: NodeId, bytes: &Bytes) {
        match self.gossip.receive_pull(from, bytes) {
            Ok(transactions) => self.admission.add(transactions, self.shared.clock.now()),
            Err(fault) => tracing::debug!(%from, %fault, "gossip of a peer is not used"),
        }
    }

    /// A peer asks for transactions that it does not have.
    pub(super) fn pull_asked(&mut self, from: NodeId, request_id: u32, bytes: &Bytes) {
        let answer = match self.gossip.answer_pull(from, bytes, self.shared.clock.now()) {
            Ok(answer) => build::app_response(self.shared.id, request_id, answer),
            Err(fault) => build::app_error(self.shared.id, request_id, -1, fault.to_string()),
        };
        // A full queue drops the answer, as the network would; the peer's timeout sees to it.
        let _ = self.network.send(&[from], answer);
    }

    /// The VM has answered a batch.
    pub(super) fn admitted(&mut self, batch: Admitted) {
        let now = self.shared.clock.now();
        if let Some(results) = batch.results {
            for (bytes, result) in batch.transactions.into_iter().zip(results) {
                match result {
                    Ok(id) => self.gossip.admitted(id, bytes),
                    Err(error) => self.gossip.refused(&bytes, &error),
                }
            }
        }
        self.admission.begin(now);
    }

    /// Sends what is due to be pushed, and asks a peer for more now and then.
    pub(super) fn gossip(&mut self, now: Timestamp) {
        if self.gossip.next_time(now).is_none_or(|at| at > now) {
            return;
        }
        let validators = &self.shared.validators;
        let peers: Vec<GossipPeer> = self
            .network
            .peers()
            .iter()
            .map(|peer| GossipPeer { node: peer.node_id, weight: validators.weight(&peer.node_id) })
            .collect();
        for push in self.gossip.poll(&peers, now) {
            // What a full queue drops is offered again by pull.
            let _ = self.network.send(&push.nodes, build::app_gossip(self.shared.id, push.bytes));
        }
        if let Some((node, bytes)) = self.gossip.pull(&peers, now) {
            let (network, chain) = (self.network.clone(), self.shared.id);
            let answers = self.answers.clone();
            // One at a time for each period, and the network bounds how long it takes.
            tokio::spawn(async move {
                if let Ok(bytes) = network.app_request(node, chain, bytes).await {
                    let _ = answers.send(Done::Pulled { from: node, bytes });
                }
            });
        }
    }
}
