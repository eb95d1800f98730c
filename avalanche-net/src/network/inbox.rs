//! What peers sent to a chain, in bounded lanes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use avalanche_consensus::{Id, NodeId};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::inbound::Inbound;
use super::ticket::Ticket;
use crate::wire::{Body, Class, Op};

/// Bounds of one chain's [`Inbox`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxConfig {
    /// Messages that wait in a lane at most; there is a lane each for consensus, synchronisation
    /// and applications.
    pub lane_messages: usize,
    /// Bytes that wait in a lane at most. One message is taken however large it is.
    pub lane_bytes: usize,
    /// The longest that a request waits to be handled, whatever its deadline (AvalancheGo's
    /// `network-maximum-inbound-timeout`).
    pub maximum_deadline: Duration,
}

/// AvalancheGo has no such lanes: its bounds are those of the throttles. 8,192 messages and 32 MiB
/// each are more than the throttles let through for one chain.
impl Default for InboxConfig {
    fn default() -> Self {
        Self {
            lane_messages: 8_192,
            lane_bytes: 32 * 1024 * 1024,
            maximum_deadline: Duration::from_secs(10),
        }
    }
}

/// A message from a peer, for a chain.
///
/// The room that it takes in the node's buffers, and the peer's share of them, are given back when
/// this is dropped. Keep it while the message is being handled, and drop it then: a peer whose
/// messages are not dropped is not read any more.
#[derive(Debug)]
pub struct Delivery {
    /// The peer that sent it.
    pub node_id: NodeId,
    /// What kind of message it is.
    pub op: Op,
    /// The message.
    pub body: Body,
    /// When the peer stops waiting for an answer; `None` if it wants none.
    pub(crate) expires: Option<Instant>,
    /// Its length on the wire, in bytes.
    pub(crate) len: usize,
    /// Gives back the room of this message.
    pub(crate) _ticket: Ticket,
}

impl Delivery {
    /// How much longer the peer waits for an answer; `None` if it wants none.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        self.expires.map(|at| at.saturating_duration_since(Instant::now()))
    }
}

/// The lanes of one chain.
#[derive(Debug)]
struct Lanes {
    lanes: [Lane; 3],
    /// Turns since a lane that is not the first was served.
    turns: u32,
    closed: bool,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Delivery>,
    bytes: usize,
}

/// Messages that were not delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InboxStats {
    /// Synchronisation messages that found their lane full.
    pub dropped_sync: u64,
    /// App messages that found their lane full.
    pub dropped_app: u64,
    /// Requests whose deadline had passed when their turn came.
    pub expired: u64,
}

#[derive(Debug)]
pub(crate) struct InboxShared {
    chain: Id,
    config: InboxConfig,
    lanes: Mutex<Lanes>,
    stats: Mutex<InboxStats>,
    /// A message came, or the inbox closed.
    arrived: Notify,
    /// The consensus lane has room again.
    room: Notify,
}

/// The receiving end of one chain's messages.
///
/// The time from one call of [`Inbox::recv`] or [`Inbox::recv_many`] to the next counts as the
/// processor time of the peers whose messages the first one returned: a peer that uses more than
/// its share is not read for a while. Whoever does other work between the calls calls
/// [`Inbox::handled`] before.
///
/// Consensus messages have a lane of their own and go first. A message of another lane goes first
/// once in [`Inbox::TURNS`] turns, so that neither starves.
///
/// # Limits
///
/// [`InboxConfig`]. Where the lane of consensus is full, peers that send more are not read until
/// there is room. Where another lane is full, its newest messages are dropped and counted: behind
/// them, in the same connection, are consensus messages.
#[derive(Debug)]
pub struct Inbox {
    pub(crate) shared: Arc<InboxShared>,
    inbound: Arc<Inbound>,
    /// Whose messages were returned last, how many, and when.
    handed: Vec<(NodeId, u32)>,
    handed_at: Instant,
    /// Room for the message that is returned next.
    one: Vec<Delivery>,
}

/// The lane of a class; control messages never come here.
const fn lane(class: Class) -> usize {
    match class {
        Class::Control | Class::Consensus => 0,
        Class::Sync => 1,
        Class::App => 2,
    }
}

impl InboxShared {
    fn new(chain: Id, config: InboxConfig) -> Self {
        let lanes = Lanes { lanes: Default::default(), turns: 0, closed: false };
        Self {
            chain,
            config,
            lanes: Mutex::new(lanes),
            stats: Mutex::default(),
            arrived: Notify::new(),
            room: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, change: impl FnOnce(&mut InboxStats)) {
        change(&mut self.stats.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) const fn chain(&self) -> Id {
        self.chain
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(crate) const fn maximum_deadline(&self) -> Duration {
        self.config.maximum_deadline
    }

    /// Takes what there is room for out of `messages`, in order; what is left are consensus
    /// messages and whatever comes behind them.
    fn take(&self, messages: &mut VecDeque<Delivery>) {
        let (mut dropped_sync, mut dropped_app, mut was_empty) = (0, 0, false);
        let mut dropped = Vec::new();
        {
            let mut lanes = self.lock();
            if lanes.closed {
                messages.clear();
                return;
            }
            was_empty |= lanes.is_empty();
            while let Some(message) = messages.pop_front() {
                let class = message.op.class();
                let Some(lane) = lanes.lanes.get_mut(lane(class)) else { continue };
                let full = lane.waiting.len() >= self.config.lane_messages
                    || lane.bytes >= self.config.lane_bytes;
                match class {
                    Class::Control | Class::Consensus if full => {
                        messages.push_front(message);
                        break;
                    }
                    Class::Sync if full => dropped_sync += 1,
                    Class::App if full => dropped_app += 1,
                    _ => {
                        lane.bytes = lane.bytes.saturating_add(message.len);
                        lane.waiting.push_back(message);
                        continue;
                    }
                }
                // Its ticket takes locks: it is dropped when this one is free.
                dropped.push(message);
            }
        }
        if was_empty {
            self.arrived.notify_one();
        }
        if dropped_sync + dropped_app > 0 {
            self.count(|stats| {
                stats.dropped_sync += dropped_sync;
                stats.dropped_app += dropped_app;
            });
        }
    }

    /// Delivers all `messages`, waiting for room in the lane of consensus.
    pub(crate) async fn deliver(&self, messages: &mut VecDeque<Delivery>) {
        loop {
            let room = self.room.notified();
            self.take(messages);
            if messages.is_empty() {
                return;
            }
            room.await;
        }
    }

    /// Nothing is taken any more, and what waits is dropped.
    pub(crate) fn close(&self) {
        let drained = {
            let mut lanes = self.lock();
            lanes.closed = true;
            std::mem::take(&mut lanes.lanes)
        };
        drop(drained);
        self.arrived.notify_waiters();
        self.room.notify_waiters();
    }
}

impl Lanes {
    fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.waiting.is_empty())
    }

    /// The next message: of consensus, but once in so many turns of another lane.
    fn next(&mut self) -> Option<Delivery> {
        self.turns = self.turns.wrapping_add(1);
        let order = match self.turns % (2 * Inbox::TURNS) {
            0 => [1, 2, 0],
            turn if turn == Inbox::TURNS => [2, 1, 0],
            _ => [0, 1, 2],
        };
        order.into_iter().find_map(|lane| {
            let lane = self.lanes.get_mut(lane)?;
            let message = lane.waiting.pop_front()?;
            lane.bytes = lane.bytes.saturating_sub(message.len);
            Some(message)
        })
    }
}

impl Inbox {
    /// A message of synchronisation or of applications goes first once in so many turns.
    pub const TURNS: u32 = 16;

    /// An inbox of `chain` by itself.
    pub(crate) fn new(chain: Id, config: InboxConfig, inbound: Arc<Inbound>) -> Self {
        Self {
            shared: Arc::new(InboxShared::new(chain, config)),
            inbound,
            handed: Vec::new(),
            handed_at: Instant::now(),
            one: Vec::new(),
        }
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> Id {
        self.shared.chain
    }

    /// What was not delivered so far.
    #[must_use]
    pub fn stats(&self) -> InboxStats {
        *self.shared.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next message; `None` when the network is shut down.
    ///
    /// Cancel safe: a message is taken only when it is returned.
    pub async fn recv(&mut self) -> Option<Delivery> {
        let mut one = std::mem::take(&mut self.one);
        self.recv_many(&mut one, 1).await;
        let delivery = one.pop();
        self.one = one;
        delivery
    }

    /// Waits for a message and moves up to `most` of those that are there to the end of `into`;
    /// returns how many. None only when the network is shut down, or `most` is zero.
    ///
    /// Cancel safe: messages are taken only when this returns.
    pub async fn recv_many(&mut self, into: &mut Vec<Delivery>, most: usize) -> usize {
        self.handled();
        let shared = Arc::clone(&self.shared);
        loop {
            let arrived = shared.arrived.notified();
            let (taken, closed) = self.take(into, most);
            if taken > 0 || closed || most == 0 {
                self.hand(into.get(into.len() - taken..).unwrap_or_default());
                return taken;
            }
            arrived.await;
        }
    }

    /// Moves up to `most` of the messages that are there to the end of `into`, without waiting;
    /// returns how many. They are handled together with those that were returned last.
    pub fn try_recv_many(&mut self, into: &mut Vec<Delivery>, most: usize) -> usize {
        let (taken, _closed) = self.take(into, most);
        self.hand(into.get(into.len() - taken..).unwrap_or_default());
        taken
    }

    /// Says that the messages that were returned last are handled.
    pub fn handled(&mut self) {
        if !self.handed.is_empty() {
            self.inbound.record_cpu(&self.handed, self.handed_at.elapsed());
            self.handed.clear();
        }
    }

    /// Remembers whose messages are being handled from now on.
    fn hand(&mut self, messages: &[Delivery]) {
        if self.handed.is_empty() {
            self.handed_at = Instant::now();
        }
        for message in messages {
            match self.handed.last_mut() {
                Some((node_id, count)) if *node_id == message.node_id => *count += 1,
                _ => self.handed.push((message.node_id, 1)),
            }
        }
    }

    fn take(&self, into: &mut Vec<Delivery>, most: usize) -> (usize, bool) {
        let mut expired = Vec::new();
        let (before, closed) = {
            let mut lanes = self.shared.lock();
            // One look at the clock for all: a message can be late by the time that this takes.
            let now = Instant::now();
            let before = into.len();
            while into.len() - before < most {
                match lanes.next() {
                    Some(message) if message.expires.is_some_and(|at| at <= now) => {
                        expired.push(message);
                    }
                    Some(message) => into.push(message),
                    None => break,
                }
            }
            (before, lanes.closed)
        };
        if !expired.is_empty() {
            self.shared.count(|stats| stats.expired += expired.len() as u64);
        }
        // Those who wait for room register before they look, so that none misses this.
        self.shared.room.notify_waiters();
        (into.len() - before, closed)
    }
}

/// Who drops its inbox is sent nothing any more.
impl Drop for Inbox {
    fn drop(&mut self) {
        self.shared.close();
    }
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
