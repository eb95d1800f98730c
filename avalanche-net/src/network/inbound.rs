//! What is held of peers' messages, and when a peer is not read.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use avalanche_consensus::{Id, NodeId};
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

/// The room of one connection for a few messages, besides the buffer for all.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    /// [`USED`] and [`WAITS`].
    state: AtomicU8,
    /// It was used, and is not, and is waited for.
    freed: Notify,
}

/// The room of a connection is in use.
const USED: u8 = 1;
/// Somebody waits for it.
const WAITS: u8 = 2;

/// Room for what peers sent; given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    room: Room,
    /// Bytes that were asked for.
    bytes: usize,
}

#[derive(Debug)]
enum Room {
    /// Of the buffer for all.
    Shared(Box<(Arc<Inbound>, Option<throttle::Ticket>)>),
    /// Of one connection.
    Spare(Arc<Spare>),
}

impl Held {
    /// Of the buffer for all; there is no ticket if somebody else gives it back.
    fn shared(inbound: &Arc<Inbound>, ticket: Option<throttle::Ticket>, bytes: usize) -> Self {
        // Seldom, and each message would have to carry it.
        Self { room: Room::Shared(Box::new((Arc::clone(inbound), ticket))), bytes }
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        match &mut self.room {
            Room::Shared(room) => {
                let (inbound, ticket) = &mut **room;
                if let Some(ticket) = ticket.take() {
                    inbound.release(ticket);
                }
            }
            Room::Spare(spare) => {
                if spare.state.fetch_and(!USED, Ordering::AcqRel) & WAITS != 0 {
                    spare.freed.notify_one();
                }
            }
        }
    }
}

impl Spare {
    /// Takes it if it is free.
    pub(super) fn try_hold(self: &Arc<Self>, bytes: usize) -> Option<Held> {
        let free = self.state.fetch_or(USED, Ordering::AcqRel) & USED == 0;
        free.then(|| Held { room: Room::Spare(Arc::clone(self)), bytes })
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

    /// Waits until a peer uses no more of the processor than it may; says whether it had to.
    pub(crate) async fn pace_cpu(&self, node_id: &NodeId) -> bool {
        let mut waited = false;
        loop {
            let wait = lock(&self.cpu).wait(node_id, self.stake(node_id), self.clock.now());
            if wait.is_zero() {
                return waited;
            }
            self.wait(wait).await;
            waited = true;
        }
    }

    /// Takes in that messages of these peers kept a core busy for so long.
    pub(crate) fn record_cpu(&self, busy: impl IntoIterator<Item = (NodeId, Duration)>) {
        let now = self.clock.now();
        let mut cpu = lock(&self.cpu);
        busy.into_iter().for_each(|(node_id, busy)| cpu.record(node_id, busy, now));
    }

    /// As [`Inbound::hold`], for little: the connection uses its own room, the buffer for all while
    /// its own is in use, and waits where neither has any. So peers that fill the buffer with long
    /// messages, or only announce those, cannot keep others from shaking hands, answering pings and
    /// voting; and what is handled before more comes costs no lock that all share.
    pub(crate) async fn hold_little(
        self: &Arc<Self>,
        node_id: NodeId,
        bytes: usize,
        spare: &Arc<Spare>,
    ) -> Held {
        if let Some(held) = spare.try_hold(bytes) {
            return held;
        }
        let held = loop {
            // Before it looks again, so that nothing that is freed is missed.
            spare.state.fetch_or(WAITS, Ordering::AcqRel);
            if let Some(ticket) = self.try_acquire(node_id, bytes) {
                break Held::shared(self, Some(ticket), bytes);
            }
            if let Some(held) = spare.try_hold(bytes) {
                break held;
            }
            self.waits.fetch_add(1, Ordering::Relaxed);
            spare.freed.notified().await;
        };
        // There is one connection, so one that waits.
        spare.state.fetch_and(!WAITS, Ordering::AcqRel);
        held
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
        let held = Held::shared(self, ticket, bytes);
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

    /// Cores that a peer uses.
    #[cfg(test)]
    pub(crate) fn cpu_usage(&self, node_id: &NodeId) -> f64 {
        lock(&self.cpu).usage(node_id, self.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::throttle::PoolConfig;

    #[tokio::test(start_paused = true)]
    async fn a_connection_has_room_for_one_group_whatever_others_hold() {
        let limits = Limits {
            inbound_pool: PoolConfig { at_large: 100, node_at_large_max: 100, validators: 0 },
            ..Limits::default()
        };
        let inbound = Arc::new(Inbound::new(&limits, Clock::new()));
        let [one, other] = [1, 2].map(|byte| NodeId::new([byte; 20]));
        let spares: [Arc<Spare>; 2] = Default::default();
        let left = || lock(&inbound.bytes).throttle.left().0;
        // Its own room first, then that of all.
        let first = inbound.hold_little(one, 60, &spares[0]).await;
        assert_eq!((left(), first.bytes()), (100, 60));
        let second = inbound.hold_little(one, 60, &spares[0]).await;
        assert_eq!(left(), 40);
        // There is no room for all any more: another peer has its own.
        let of_other = inbound.hold_little(other, 60, &spares[1]).await;
        assert_eq!((left(), inbound.waits()), (40, 0));
        let wait = Duration::from_secs(1);
        let third = tokio::time::timeout(wait, inbound.hold_little(one, 60, &spares[0]));
        assert!(third.await.is_err() && inbound.waits() > 0);
        drop(first);
        let third = inbound.hold_little(one, 60, &spares[0]).await;
        assert_eq!(left(), 40);
        drop((second, third, of_other));
        assert_eq!(left(), 100);
    }
}
