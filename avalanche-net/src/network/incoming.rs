//! The reading part of a connection.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use avalanche_consensus::Timestamp;
use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::inbound::Held;
use super::inbox::{Delivery, InboxShared};
use super::io::Reader;
use super::link::Link;
use super::shared::{Shared, Told};
use super::stats::{self, Tally};
use super::ticket::{Room, Ticket};
use super::watch::Watch;
use crate::CloseReason;
use crate::control::Event;
use crate::throttle::BandwidthThrottle;
use crate::wire::{Class, Decoded, Decoder, FrameReader, Frames, LENGTH_BYTES, Route};

/// Whole frames of more bytes are used where they lie; fewer are copied, so that the memory that a
/// small message keeps is its own. Room for a longer one is taken before it is read.
const COPY_MAX: usize = 64 * 1024;
/// Messages that take their room together, at most.
const GROUP: usize = 256;
/// Decoding so few bytes of messages takes no time that is worth a look at the clock.
const SLIGHT: usize = 4 * 1024;
/// Less time than this is not worth accounting for.
const BUSY_MIN: Duration = Duration::from_micros(100);
/// Decoding of so long lets others have their turn.
const BUSY_MAX: Duration = Duration::from_millis(1);
/// How long a peer that used no more of the processor than it may is not looked at again. It can
/// use no more than this in the meantime, and a wait that is shorter is none.
const PACE: Duration = Duration::from_millis(1);
/// Room for messages that an idle connection keeps.
const IDLE_MESSAGES: usize = 4;

/// Messages that take their room together.
struct Group {
    /// Those that are not for an inbox, or not yet known to be, each with its length on the wire.
    others: Vec<(Decoded, usize)>,
    /// All messages are for inboxes, but for control.
    is_established: bool,
    /// What they take, once it is there and if there are several.
    room: Option<Arc<Room>>,
    /// How many there are.
    count: usize,
    /// What they take in memory.
    memory: usize,
    /// What they keep in memory, if that is more: all that was read with them.
    pinned: usize,
    /// Some of them were compressed.
    is_dear: bool,
    /// When decoding began: nothing is waited for until they are handled.
    began: Instant,
}

impl Group {
    fn new() -> Self {
        Self {
            others: Vec::new(),
            is_established: false,
            room: None,
            count: 0,
            memory: 0,
            pinned: 0,
            is_dear: false,
            began: Instant::now(),
        }
    }

    fn weigh(&mut self, decoded: &Decoded, pinned: usize) {
        self.count += 1;
        self.memory = self.memory.saturating_add(decoded.memory);
        self.is_dear |= decoded.compressed;
        self.pinned = self.pinned.max(pinned);
    }

    /// Begins anew, with the room that it has for messages.
    fn begin(&mut self, is_established: bool, now: Instant) {
        self.others.clear();
        (self.is_established, self.began) = (is_established, now);
        self.reset();
    }

    fn reset(&mut self) {
        (self.room, self.count, self.memory, self.pinned) = (None, 0, 0, 0);
        self.is_dear = false;
    }
}

/// The reading half of a connection.
pub(super) struct Incoming<'a> {
    shared: &'a Shared,
    link: &'a Arc<Link>,
    reader: Reader<'a>,
    frames: FrameReader,
    decoder: Decoder,
    bandwidth: BandwidthThrottle,
    watch: &'a Watch,
    /// When the messages that are being handled had come, and the same by the clock of the network.
    arrived: Instant,
    now: Timestamp,
    /// When the peer was last found to use no more of the processor than it may.
    paced: Option<Instant>,
    /// What was decoded and is not handled; empty between two reads.
    group: Group,
    /// For chains, in the order of arrival, and the inbox that they go to.
    pending: VecDeque<Delivery>,
    inbox: Option<Arc<InboxShared>>,
    tally: Tally,
    /// Messages of a group: none needs more places than there are.
    group_max: usize,
    /// Ends when the control has done what follows from the last message of the handshake so far.
    handshake: Option<oneshot::Receiver<()>>,
}

impl<'a> Incoming<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        link: &'a Arc<Link>,
        reader: Reader<'a>,
        watch: &'a Watch,
    ) -> Self {
        Self {
            shared,
            link,
            reader,
            frames: FrameReader::new(),
            decoder: Decoder::new(),
            bandwidth: BandwidthThrottle::new(shared.limits.bandwidth),
            watch,
            arrived: Instant::now(),
            now: shared.clock.now(),
            paced: None,
            group: Group::new(),
            pending: VecDeque::new(),
            inbox: None,
            tally: Tally::default(),
            group_max: usize::try_from(shared.limits.messages_in_work)
                .map_or(GROUP, |most| most.min(GROUP)),
            handshake: None,
        }
    }

    /// Looks at the clock.
    fn look(&mut self) {
        self.arrived = Instant::now();
        self.now = self.shared.clock.timestamp(self.arrived);
    }

    /// Reads until the connection ends; says why it does.
    pub(super) async fn run(&mut self) -> CloseReason {
        loop {
            let read = match self.read().await {
                Ok((frames, held)) => self.take_timed(frames, held).await,
                Err(reason) => Err(reason),
            };
            if let Err(reason) = read {
                return reason;
            }
        }
    }

    /// Reads until a frame is whole. For a long one, room is taken before it comes.
    async fn read(&mut self) -> Result<(Frames, Option<Held>), CloseReason> {
        let inbound = &self.shared.inbound;
        // A whole frame has so long, however slowly its bytes come.
        let (mut deadline, mut held) = (None, None);
        loop {
            match self.frames.take_whole(COPY_MAX) {
                Ok(Some(frames)) => return Ok((frames, held)),
                Ok(None) => {}
                Err(_) => return Err(CloseReason::OversizedFrame),
            }
            if let Some(coming) = self.frames.coming()
                && coming > COPY_MAX
                && held.is_none()
            {
                held = Some(inbound.hold(self.link.node_id, coming).await);
                // The wait was this node's.
                self.look();
                deadline = None;
            }
            let (watch, begun) = (self.watch, self.frames.waiting() > 0);
            // What was read last is handled, and took no time, or the clock was looked at after it.
            let deadline = *deadline.get_or_insert_with(|| watch.deadline(self.now));
            let mut read = pin!(self.reader.read_buf(self.frames.space()));
            let read = poll_fn(|cx| {
                let read = read.as_mut().poll(cx);
                if read.is_pending() {
                    watch.wait(deadline, begun);
                }
                read
            });
            let read = read.await;
            watch.rest();
            let Some(read) = read.ok().filter(|read| *read > 0) else {
                return Err(CloseReason::RemoteClosed);
            };
            self.look();
            let wait = self.bandwidth.acquire(read as u64, self.now);
            if !wait.is_zero() {
                inbound.wait(wait).await;
            }
        }
    }

    /// Waits until the peer uses no more of the processor than it may.
    async fn pace_cpu(&mut self) {
        if self.paced.is_none_or(|paced| self.arrived.duration_since(paced) >= PACE) {
            if self.shared.inbound.pace_cpu(&self.link.node_id).await {
                self.look();
            }
            self.paced = Some(self.arrived);
        }
    }

    /// As [`Incoming::take`]; looks at the clock after it, but only if it had to wait.
    async fn take_timed(&mut self, frames: Frames, held: Option<Held>) -> Result<(), CloseReason> {
        let mut waited = false;
        let taken = {
            let mut take = pin!(self.take(frames, held));
            poll_fn(|cx| {
                let taken = take.as_mut().poll(cx);
                waited |= taken.is_pending();
                taken
            })
            .await
        };
        if waited {
            self.look();
        }
        taken
    }

    /// Handles whole frames.
    ///
    /// Room is taken for what messages are when they are decompressed, and for their lists. None
    /// is waited for while this connection itself holds some: all that it read before is
    /// delivered.
    async fn take(&mut self, frames: Frames, mut held: Option<Held>) -> Result<(), CloseReason> {
        self.pace_cpu().await;
        let whole = frames.len();
        self.group.begin(self.link.is_established(), self.arrived);
        for frame in frames {
            let len = frame.len();
            // A short message would keep the long one beside it in memory.
            let alone = whole > COPY_MAX && len < COPY_MAX;
            let frame = if alone { Bytes::copy_from_slice(&frame) } else { frame };
            let mut is_dear = true;
            if let Some(decoded) = self.decode(frame) {
                is_dear = decoded.compressed;
                let pinned = if alone || is_dear { 0 } else { whole };
                let is_direct = self.group.is_established && decoded.op.class() != Class::Control;
                if is_direct && self.is_of_another_chain(&decoded) && self.group.count > 0 {
                    self.handle(held.take()).await?;
                    self.begin();
                }
                self.group.weigh(&decoded, pinned);
                if is_direct {
                    self.keep(decoded, len + LENGTH_BYTES);
                } else {
                    self.group.others.push((decoded, len + LENGTH_BYTES));
                }
            }
            // Looking at the clock costs as much as decoding a short message.
            let is_busy = is_dear && self.group.began.elapsed() >= BUSY_MAX;
            if is_busy || self.group.count >= self.group_max || self.group.memory >= COPY_MAX {
                self.handle(held.take()).await?;
                self.begin();
            }
            if is_busy {
                // Others have their turn, and this peer waits if it had too many.
                tokio::task::yield_now().await;
                self.look();
                self.pace_cpu().await;
                self.begin();
            }
        }
        self.handle(held).await?;
        if self.group.others.capacity() > IDLE_MESSAGES {
            self.group.others = Vec::new();
        }
        self.shared.counters.received(&mut self.tally);
        Ok(())
    }

    /// Begins a group behind another one.
    fn begin(&mut self) {
        self.look();
        self.group.begin(self.link.is_established(), self.arrived);
    }

    /// Takes room and places for messages, and passes them on: nothing is pending then.
    async fn handle(&mut self, held: Option<Held>) -> Result<(), CloseReason> {
        let (inbound, node_id) = (&self.shared.inbound, self.link.node_id);
        if self.group.is_dear || self.group.memory > SLIGHT || self.group.count == 0 {
            self.look();
            let busy = self.arrived.duration_since(self.group.began);
            if busy > BUSY_MIN {
                inbound.record_cpu([(node_id, busy)]);
            }
        }
        if !self.pending.is_empty() || !self.group.others.is_empty() {
            let bytes = self.group.memory.max(self.group.pinned);
            let held = match held.filter(|held| held.bytes() >= bytes) {
                Some(held) => held,
                None if bytes > COPY_MAX => inbound.hold(node_id, bytes).await,
                None => inbound.hold_little(node_id, bytes, &self.link.spare).await,
            };
            let places = u32::try_from(self.group.count).unwrap_or(u32::MAX);
            let places = self.link.places.take(places).await;
            self.admit(Room::new(held, &self.link.places, places));
            let mut others = std::mem::take(&mut self.group.others);
            for (decoded, len) in others.drain(..) {
                self.settle(decoded, len).await?;
            }
            self.group.others = others;
        }
        self.flush().await;
        self.group.reset();
        Ok(())
    }

    /// Gives the room of a group to its messages.
    fn admit(&mut self, room: Room) {
        if self.group.others.is_empty() && self.pending.len() == 1 {
            if let Some(delivery) = self.pending.front_mut() {
                delivery._ticket = Some(Ticket::Alone { _room: room });
            }
            return;
        }
        let room = Arc::new(room);
        for delivery in &mut self.pending {
            delivery._ticket = Some(Ticket::Shared { _room: Arc::clone(&room) });
        }
        self.group.room = Some(room);
    }

    /// For a message of a group that has its room.
    fn ticket(&self) -> Option<Ticket> {
        self.group.room.clone().map(|_room| Ticket::Shared { _room })
    }

    /// Passes on a message of a group that has its room.
    async fn settle(&mut self, decoded: Decoded, len: usize) -> Result<(), CloseReason> {
        if decoded.op.class() == Class::Control {
            let event = Event::Received { connection: self.link.id, body: decoded.body };
            let (_ticket, done) = (self.ticket(), self.begin_to_wait());
            return self.shared.tell(Told { event, _ticket, done }).await;
        }
        self.end_of_handshake().await;
        if self.link.is_established() {
            if self.is_of_another_chain(&decoded) {
                self.flush().await;
            }
            self.keep(decoded, len);
        } else {
            stats::add(&self.shared.counters.undeliverable, 1);
        }
        Ok(())
    }

    /// Until the handshake is complete, the control says when it has dealt with a message.
    fn begin_to_wait(&mut self) -> Option<oneshot::Sender<()>> {
        if self.link.is_established() {
            return None;
        }
        let (done, handshake) = oneshot::channel();
        self.handshake = Some(handshake);
        Some(done)
    }

    /// A peer may ask as soon as it has said all of its handshake. The control, another task, may
    /// not have seen the end of it yet.
    async fn end_of_handshake(&mut self) {
        if let Some(handshake) = self.handshake.take() {
            // It is dropped, and nothing is sent.
            let _ = handshake.await;
        }
    }

    fn decode(&mut self, frame: Bytes) -> Option<Decoded> {
        let len = frame.len() + LENGTH_BYTES;
        match self.decoder.decode(frame) {
            Ok(decoded) => {
                self.tally.add(decoded.op, len);
                stats::add(&self.shared.counters.unknown_fields, decoded.unknown_fields.into());
                Some(decoded)
            }
            Err(error) => {
                tracing::debug!(node = %self.link.node_id, %error, "frame skipped");
                stats::add(&self.shared.counters.undecodable, 1);
                None
            }
        }
    }

    /// Whether a message is not for the inbox that the last one was for.
    fn is_of_another_chain(&self, decoded: &Decoded) -> bool {
        let inbox = self.inbox.as_ref().map(|inbox| inbox.chain());
        decoded.route.is_some_and(|route| Some(route.chain) != inbox)
    }

    /// Keeps a message for the inbox of its chain. An answer goes to who waits for it.
    ///
    /// Nothing may be pending for another chain.
    fn keep(&mut self, decoded: Decoded, len: usize) {
        if self.is_of_another_chain(&decoded) {
            self.inbox = decoded.route.and_then(|route| self.shared.inbox(&route.chain));
        }
        let (node_id, op) = (self.link.node_id, decoded.op);
        let Some(route) = decoded.route else { return };
        let requests = &self.shared.requests;
        let body = match route.request_id {
            Some(_) if op.is_answer() && requests.expects(op) => {
                requests.answered(self.shared, node_id, route, op, decoded.body, self.now)
            }
            _ => Some(decoded.body),
        };
        let Some(body) = body else { return };
        let Some(inbox) = &self.inbox else {
            // Nobody here listens for it.
            stats::add(&self.shared.counters.undeliverable, 1);
            return;
        };
        let expires = self.expires(inbox, route);
        let _ticket = self.ticket();
        self.pending.push_back(Delivery { node_id, op, body, expires, len, _ticket });
    }

    /// When a request that came has no use any more.
    fn expires(&self, inbox: &InboxShared, route: Route) -> Option<Instant> {
        route.deadline.map(|left| self.arrived + left.min(inbox.maximum_deadline()))
    }

    /// Delivers what is pending for one chain.
    async fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let Some(inbox) = &self.inbox else { return };
        if inbox.deliver(&mut self.pending).await {
            return;
        }
        // The inbox of the last message is not looked up again for the next one of its chain: it
        // was closed since, and the chain may have another.
        let chain = inbox.chain();
        self.inbox = self.shared.inbox(&chain);
        if let Some(inbox) = &self.inbox {
            inbox.deliver(&mut self.pending).await;
        }
        self.pending.clear();
    }
}
