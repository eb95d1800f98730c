//! What peers sent to a chain, in bounded lanes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
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
    /// Gives back the room of this message; none before there is room.
    pub(crate) _ticket: Option<Ticket>,
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
    /// Wakes the user who found nothing. In here, so that delivering has one lock to pass.
    reader: Option<Waker>,
    /// Somebody waits for room in the lane of consensus.
    waits_for_room: bool,
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
    /// Time that is not recorded yet, and its sum.
    busy: Vec<(NodeId, Duration)>,
    busy_sum: Duration,
    /// Room for the message that is returned next.
    one: Vec<Delivery>,
}

/// Time of the processor is recorded once it is as much, so that a short message costs no lock that
/// all share. Less is accounted for late, or not if nothing follows.
const BUSY_MIN: Duration = Duration::from_micros(100);
/// Peers whose time waits to be recorded, at most.
const BUSY_PEERS_MAX: usize = 64;

/// What became of messages that were to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// All are in their lanes, or dropped.
    All,
    /// The lane of consensus has no room.
    Full,
    /// The inbox is closed; nothing was taken.
    Closed,
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
        let lanes = Lanes {
            lanes: Default::default(),
            turns: 0,
            closed: false,
            reader: None,
            waits_for_room: false,
        };
        Self {
            chain,
            config,
            lanes: Mutex::new(lanes),
            stats: Mutex::default(),
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
    fn take(&self, messages: &mut VecDeque<Delivery>) -> Taken {
        let (mut dropped, mut taken) = (Vec::new(), Taken::All);
        let reader = {
            let mut lanes = self.lock();
            if lanes.closed {
                return Taken::Closed;
            }
            lanes.take_alike(messages, &self.config);
            while let Some(message) = messages.pop_front() {
                let class = message.op.class();
                let Some(lane) = lanes.lanes.get_mut(lane(class)) else { continue };
                if !lane.is_full(&self.config) {
                    lane.push(message);
                } else if matches!(class, Class::Control | Class::Consensus) {
                    messages.push_front(message);
                    lanes.waits_for_room = true;
                    taken = Taken::Full;
                    break;
                } else {
                    // Its ticket takes locks: it is dropped when this one is free.
                    dropped.push(message);
                }
            }
            // Nothing is taken out while a lane is full: who reads was woken, or is about to look.
            lanes.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
        if !dropped.is_empty() {
            let sync = dropped.iter().filter(|message| message.op.class() == Class::Sync).count();
            self.count(|stats| {
                stats.dropped_sync += sync as u64;
                stats.dropped_app += (dropped.len() - sync) as u64;
            });
        }
        taken
    }

    /// Delivers all `messages`, waiting for room in the lane of consensus. False, and some are
    /// left, if the inbox is closed.
    pub(crate) async fn deliver(&self, messages: &mut VecDeque<Delivery>) -> bool {
        let mut taken = self.take(messages);
        while taken == Taken::Full {
            // Before it looks again, so that no room is missed.
            let room = self.room.notified();
            taken = self.take(messages);
            if taken == Taken::Full {
                room.await;
            }
        }
        taken == Taken::All
    }

    /// Nothing is taken any more, and what waits is dropped.
    pub(crate) fn close(&self) {
        let (drained, reader) = {
            let mut lanes = self.lock();
            lanes.closed = true;
            (std::mem::take(&mut lanes.lanes), lanes.reader.take())
        };
        drop(drained);
        if let Some(reader) = reader {
            reader.wake();
        }
        self.room.notify_waiters();
    }
}

impl Lane {
    fn is_full(&self, config: &InboxConfig) -> bool {
        self.waiting.len() >= config.lane_messages || self.bytes >= config.lane_bytes
    }

    fn push(&mut self, message: Delivery) {
        self.bytes = self.bytes.saturating_add(message.len);
        self.waiting.push_back(message);
    }
}

impl Lanes {
    /// Messages that wait.
    fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.waiting.len()).sum()
    }

    /// Takes all of `messages` in one piece, if they belong to one lane that has room for them.
    fn take_alike(&mut self, messages: &mut VecDeque<Delivery>, config: &InboxConfig) {
        let Some(first) = messages.front().map(|message| lane(message.op.class())) else { return };
        let alike = messages.iter().all(|message| lane(message.op.class()) == first);
        let Some(lane) = self.lanes.get_mut(first).filter(|_| alike) else { return };
        let bytes = messages.iter().fold(lane.bytes, |sum, each| sum.saturating_add(each.len));
        if lane.waiting.len() + messages.len() > config.lane_messages || bytes > config.lane_bytes {
            return;
        }
        lane.bytes = bytes;
        if lane.waiting.is_empty() {
            std::mem::swap(&mut lane.waiting, messages);
        } else {
            lane.waiting.append(messages);
        }
    }

    /// Moves up to `most` messages that are of use to the end of `into`.
    fn drain(
        &mut self,
        most: usize,
        now: Instant,
        into: &mut Vec<Delivery>,
        expired: &mut Vec<Delivery>,
    ) {
        if into.is_empty() && self.pass_alike(most, now, into) {
            return;
        }
        let before = into.len();
        while into.len() - before < most {
            match self.next() {
                Some(message) if message.expires.is_some_and(|at| at <= now) => {
                    expired.push(message);
                }
                Some(message) => into.push(message),
                None => break,
            }
        }
    }

    /// Passes all that waits in one piece, if it is no more than `most` and in one lane, and all is
    /// of use. `into` is empty; what memory it has goes to the lane.
    fn pass_alike(&mut self, most: usize, now: Instant, into: &mut Vec<Delivery>) -> bool {
        let mut lanes = self.lanes.iter_mut().filter(|lane| !lane.waiting.is_empty());
        let (Some(lane), None) = (lanes.next(), lanes.next()) else { return false };
        let is_late = |message: &Delivery| message.expires.is_some_and(|at| at <= now);
        // One or two are moved faster than their memory is.
        let count = lane.waiting.len();
        if count > most || count < 4 || lane.waiting.iter().any(is_late) {
            return false;
        }
        // Turns count messages, also where only one lane has any.
        self.turns = self.turns.wrapping_add(u32::try_from(count).unwrap_or(u32::MAX));
        lane.bytes = 0;
        let emptied = VecDeque::from(std::mem::take(into));
        *into = std::mem::replace(&mut lane.waiting, emptied).into();
        true
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
            busy: Vec::new(),
            busy_sum: Duration::ZERO,
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
        let taken = poll_fn(|cx| self.take(into, most, Some(cx))).await;
        self.hand(into.get(into.len() - taken..).unwrap_or_default());
        taken
    }

    /// Moves up to `most` of the messages that are there to the end of `into`, without waiting;
    /// returns how many. They are handled together with those that were returned last.
    pub fn try_recv_many(&mut self, into: &mut Vec<Delivery>, most: usize) -> usize {
        let Poll::Ready(taken) = self.take(into, most, None) else { return 0 };
        self.hand(into.get(into.len() - taken..).unwrap_or_default());
        taken
    }

    /// Says that the messages that were returned last are handled.
    pub fn handled(&mut self) {
        if self.handed.is_empty() {
            return;
        }
        let busy = self.handed_at.elapsed();
        let messages: u32 = self.handed.iter().map(|(_, count)| *count).sum();
        for (node_id, count) in self.handed.drain(..) {
            let share = busy.saturating_mul(count).checked_div(messages).unwrap_or_default();
            match self.busy.last_mut() {
                Some((last, sum)) if *last == node_id => *sum = sum.saturating_add(share),
                _ => self.busy.push((node_id, share)),
            }
        }
        self.busy_sum = self.busy_sum.saturating_add(busy);
        if self.busy_sum >= BUSY_MIN || self.busy.len() >= BUSY_PEERS_MAX {
            self.inbound.record_cpu(self.busy.drain(..));
            self.busy_sum = Duration::ZERO;
        }
    }

    /// Remembers whose messages are being handled from now on.
    fn hand(&mut self, messages: &[Delivery]) {
        for message in messages {
            match self.handed.last_mut() {
                Some((node_id, count)) if *node_id == message.node_id => *count += 1,
                _ => self.handed.push((message.node_id, 1)),
            }
        }
    }

    /// Takes up to `most` messages. Pending if there are none, and then whoever asks is woken by
    /// the next one, if he wants to be.
    fn take(
        &mut self,
        into: &mut Vec<Delivery>,
        most: usize,
        cx: Option<&mut Context<'_>>,
    ) -> Poll<usize> {
        let (mut expired, before) = (Vec::new(), into.len());
        let (is_over, room) = {
            let mut lanes = self.shared.lock();
            if lanes.waiting() > 0 {
                // One look at the clock for all: a message can be late by the time that this takes.
                let now = Instant::now();
                if self.handed.is_empty() {
                    self.handed_at = now;
                }
                lanes.drain(most, now, into, &mut expired);
            }
            let is_over = into.len() > before || lanes.closed || most == 0;
            if let Some(cx) = cx
                && !is_over
            {
                lanes.reader = Some(cx.waker().clone());
            }
            (is_over, std::mem::take(&mut lanes.waits_for_room))
        };
        if !expired.is_empty() {
            self.shared.count(|stats| stats.expired += expired.len() as u64);
        }
        if room {
            // Those who wait for room register before they look, so that none misses this.
            self.shared.room.notify_waiters();
        }
        if is_over { Poll::Ready(into.len() - before) } else { Poll::Pending }
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
