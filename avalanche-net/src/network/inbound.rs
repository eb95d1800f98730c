//! What is held of peers' messages, and when a peer is not read.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use avalanche_consensus::{Id, NodeId, Timestamp};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::config::Limits;
use super::driver::Clock;
use crate::control::PeerValidator;
use crate::throttle::{
    self, Acquired, ByteThrottle, ConnectionThrottle, CpuThrottle, OutboundBudget, Stake, Upgrade,
};
use crate::wire::Class;

/// The throttles that all connections share.
#[derive(Debug)]
pub(crate) struct Inbound {
    clock: Clock,
    bytes: Mutex<Bytes>,
    cpu: Mutex<CpuThrottle>,
    connections: Mutex<ConnectionThrottle>,
    outbound: Mutex<OutboundBudget>,
    stakes: RwLock<Stakes>,
    /// Times that a peer had to wait.
    waits: AtomicU64,
}

#[derive(Debug)]
struct Bytes {
    throttle: ByteThrottle,
    /// Who waits for bytes.
    waiting: BTreeMap<NodeId, Arc<Notify>>,
}

/// Stake in the primary network.
#[derive(Debug, Default)]
struct Stakes {
    weights: BTreeMap<NodeId, u64>,
    total: u64,
}

/// The room of one connection for a few messages, for when there is none in the buffer for all.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    used: AtomicBool,
    /// It was used, and is not.
    freed: Notify,
}

/// Bytes in the buffer for what peers sent; given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    inbound: Arc<Inbound>,
    ticket: Option<throttle::Ticket>,
    /// Bytes that were asked for.
    bytes: usize,
    /// The room of one connection that is used instead.
    spare: Option<Arc<Spare>>,
}

impl Held {
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.inbound.release(ticket);
        }
        if let Some(spare) = &self.spare {
            spare.used.store(false, Ordering::Release);
            spare.freed.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inbound {
    pub(crate) fn new(limits: &Limits, clock: Clock) -> Self {
        let bytes =
            Bytes { throttle: ByteThrottle::new(limits.inbound_pool), waiting: BTreeMap::new() };
        Self {
            clock,
            bytes: Mutex::new(bytes),
            cpu: Mutex::new(CpuThrottle::new(limits.cpu)),
            connections: Mutex::new(ConnectionThrottle::new(limits.connections)),
            outbound: Mutex::new(OutboundBudget::new(limits.outbound_pool)),
            stakes: RwLock::default(),
            waits: AtomicU64::new(0),
        }
    }

    /// Stake counts in the primary network only.
    pub(crate) fn set_validators(&self, subnet: Id, validators: &[PeerValidator]) {
        if subnet != Id::EMPTY {
            return;
        }
        let weights: BTreeMap<_, _> =
            validators.iter().map(|validator| (validator.node_id, validator.weight)).collect();
        let total = weights.values().fold(0_u64, |sum, weight| sum.saturating_add(*weight));
        *self.stakes.write().unwrap_or_else(PoisonError::into_inner) = Stakes { weights, total };
    }

    pub(crate) fn stake(&self, node_id: &NodeId) -> Stake {
        let stakes = self.stakes.read().unwrap_or_else(PoisonError::into_inner);
        let weight = stakes.weights.get(node_id).copied().unwrap_or(0);
        if weight == 0 { Stake::NONE } else { Stake::new(weight, stakes.total) }
    }

    /// Times that a peer had to wait so far.
    pub(crate) fn waits(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }

    /// Waits before the next connection is accepted.
    pub(crate) async fn pace_accept(&self) {
        let wait = lock(&self.connections).accept(self.clock.now());
        self.wait(wait).await;
    }

    /// Whether a connection from there is worth a TLS handshake.
    pub(crate) fn may_upgrade(&self, remote: SocketAddr) -> bool {
        lock(&self.connections).upgrade(remote, self.clock.now()) == Upgrade::Allowed
    }

    /// Waits, and counts that.
    pub(crate) async fn wait(&self, wait: Duration) {
        if !wait.is_zero() {
            self.waits.fetch_add(1, Ordering::Relaxed);
            sleep(wait).await;
        }
    }

    /// Waits until a peer uses no more of the processor than it may.
    pub(crate) async fn pace_cpu(&self, node_id: &NodeId) {
        loop {
            let wait = lock(&self.cpu).wait(node_id, self.stake(node_id), self.clock.now());
            if wait.is_zero() {
                return;
            }
            self.wait(wait).await;
        }
    }

    /// Takes in that messages of these peers kept a core busy for so long.
    pub(crate) fn record_cpu(&self, messages: &[(NodeId, u32)], busy: Duration) {
        let total: u32 = messages.iter().map(|(_, count)| *count).sum();
        let now = self.clock.now();
        let mut cpu = lock(&self.cpu);
        for (node_id, count) in messages {
            let share = busy.saturating_mul(*count).checked_div(total).unwrap_or_default();
            cpu.record(*node_id, share, now);
        }
    }

    /// As [`Inbound::hold`], for little: where there is no room the connection uses its own, and
    /// waits at most for what it used that for before. So peers that fill the buffer with long
    /// messages, or only announce those, cannot keep others from shaking hands, answering pings and
    /// voting.
    pub(crate) async fn hold_little(
        self: &Arc<Self>,
        node_id: NodeId,
        bytes: usize,
        spare: &Arc<Spare>,
    ) -> Held {
        let mut held = Held { inbound: Arc::clone(self), ticket: None, bytes, spare: None };
        loop {
            let freed = spare.freed.notified();
            held.ticket = self.try_acquire(node_id, bytes);
            if held.ticket.is_some() {
                return held;
            }
            self.waits.fetch_add(1, Ordering::Relaxed);
            if !spare.used.swap(true, Ordering::AcqRel) {
                held.spare = Some(Arc::clone(spare));
                return held;
            }
            freed.await;
        }
    }

    /// Takes room if there is.
    fn try_acquire(&self, node_id: NodeId, bytes: usize) -> Option<throttle::Ticket> {
        let stake = self.stake(&node_id);
        let acquired = lock(&self.bytes).throttle.acquire(node_id, bytes as u64, stake);
        match acquired {
            Acquired::Granted(ticket) => return Some(ticket),
            Acquired::Waiting(ticket) => self.release(ticket),
            Acquired::AlreadyWaiting => {}
        }
        None
    }

    /// Takes room for so many bytes of a peer; waits until there is.
    pub(crate) async fn hold(self: &Arc<Self>, node_id: NodeId, bytes: usize) -> Held {
        let stake = self.stake(&node_id);
        let (ticket, waiting) = {
            let mut shared = lock(&self.bytes);
            match shared.throttle.acquire(node_id, bytes as u64, stake) {
                Acquired::Granted(ticket) => (Some(ticket), None),
                Acquired::Waiting(ticket) => {
                    let woken = Arc::new(Notify::new());
                    shared.waiting.insert(node_id, Arc::clone(&woken));
                    (Some(ticket), Some(woken))
                }
                // The connection before this one is about to end: its ticket is released with it.
                Acquired::AlreadyWaiting => (None, None),
            }
        };
        // From here on, dropping gives the bytes back.
        let held = Held { inbound: Arc::clone(self), ticket, bytes, spare: None };
        while let Some(woken) = &waiting {
            self.waits.fetch_add(1, Ordering::Relaxed);
            woken.notified().await;
            let shared = lock(&self.bytes);
            if shared.waiting.get(&node_id).is_none_or(|other| !Arc::ptr_eq(other, woken)) {
                break;
            }
        }
        held
    }

    fn release(&self, ticket: throttle::Ticket) {
        let mut shared = lock(&self.bytes);
        let node_id = ticket.node();
        for node_id in shared.throttle.release(ticket) {
            if let Some(waiting) = shared.waiting.remove(&node_id) {
                waiting.notify_one();
            }
        }
        // The connection ended while it waited.
        if !shared.throttle.is_waiting(&node_id) {
            shared.waiting.remove(&node_id);
        }
    }

    /// Takes room for frames of a class that wait to be sent to a peer.
    pub(crate) fn reserve(&self, node_id: NodeId, class: Class, bytes: usize) -> bool {
        let stake = self.stake(&node_id);
        lock(&self.outbound).acquire(node_id, class, bytes, stake)
    }

    /// Gives back what [`Inbound::reserve`] took.
    pub(crate) fn unreserve(&self, node_id: &NodeId, bytes: usize) {
        if bytes > 0 {
            lock(&self.outbound).release(node_id, bytes);
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
