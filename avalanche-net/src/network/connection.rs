//! The two loops of one connection: what is read, and what is written.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::inbound::Held;
use super::inbox::{Delivery, InboxShared};
use super::link::Link;
use super::shared::{Shared, Told};
use super::stats::{self, Tally};
use super::ticket::Ticket;
use crate::CloseReason;
use crate::control::Event;
use crate::throttle::BandwidthThrottle;
use crate::transport::Stream;
use crate::wire::{
    Body, Class, Decoded, Decoder, Frame, FrameReader, Frames, LENGTH_BYTES, Op, Route,
};

/// Frames are gathered into one write up to this many bytes; a larger frame is written by itself.
const WRITE_CHUNK: usize = 64 * 1024;
/// Whole frames of more bytes are used where they lie; fewer are copied, so that the memory that a
/// small message keeps is its own. Room for a longer one is taken before it is read.
const COPY_MAX: usize = 64 * 1024;
/// Messages that take their room together, at most.
const GROUP: usize = 256;
/// Less time than this is not worth accounting for.
const BUSY_MIN: Duration = Duration::from_micros(100);
/// Decoding of so long lets others have their turn.
const BUSY_MAX: Duration = Duration::from_millis(1);
/// The time that the end of a connection may take.
const FAREWELL: Duration = Duration::from_secs(1);

type BoxStream = Box<dyn Stream>;

/// Serves one connection until it ends; says why.
pub(crate) async fn run(shared: &Shared, link: &Arc<Link>, stream: BoxStream) -> CloseReason {
    // Both loops are in one task: the lock between the halves is never waited for.
    let (reader, mut writer) = tokio::io::split(stream);
    let mut incoming = Incoming::new(shared, link, reader);
    let reason = tokio::select! {
        reason = incoming.run() => reason,
        reason = write(shared, link, &mut writer) => reason,
        reason = link.closed() => reason,
    };
    let _ = timeout(FAREWELL, writer.shutdown()).await;
    reason
}

/// Writes what is queued: all that has gathered goes out in one write.
async fn write(shared: &Shared, link: &Link, writer: &mut WriteHalf<BoxStream>) -> CloseReason {
    let (mut frames, mut gathered) = (Vec::new(), BytesMut::new());
    let mut tally = Tally::default();
    loop {
        let bytes = link.drain(WRITE_CHUNK, &mut frames);
        if frames.is_empty() {
            // An idle connection keeps no buffers.
            (frames, gathered) = (Vec::new(), BytesMut::new());
            link.filled().await;
            continue;
        }
        frames.iter().for_each(|frame: &Frame| tally.add(frame.op(), frame.len()));
        let written = send(writer, &mut frames, bytes, &mut gathered);
        match timeout(shared.limits.write_timeout, written).await {
            Ok(Ok(())) => shared.counters.sent(&mut tally),
            Ok(Err(_)) => return CloseReason::RemoteClosed,
            Err(_) => return CloseReason::SlowWrite,
        }
    }
}

/// Writes frames that have so many bytes. A single one, as any that is long, is not copied.
async fn send(
    writer: &mut WriteHalf<BoxStream>,
    frames: &mut Vec<Frame>,
    bytes: usize,
    gathered: &mut BytesMut,
) -> std::io::Result<()> {
    if let [frame] = frames.as_slice() {
        writer.write_all(frame.bytes()).await?;
        frames.clear();
    } else {
        gathered.clear();
        gathered.reserve(bytes);
        frames.drain(..).for_each(|frame| gathered.extend_from_slice(frame.bytes()));
        writer.write_all(gathered).await?;
    }
    writer.flush().await
}

/// Waits for something until a deadline that is not before that of the last call.
///
/// The timer stays where it is until it fires, perhaps too early, and is moved then: nearly all
/// reads end long before their deadline, and a timer costs more to move than to leave.
async fn until<F: Future>(
    timer: &mut Pin<Box<Sleep>>,
    deadline: Instant,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    loop {
        tokio::select! {
            biased;
            output = &mut future => return Some(output),
            () = timer.as_mut() => {
                if Instant::now() >= deadline {
                    return None;
                }
                timer.as_mut().reset(deadline);
            }
        }
    }
}

/// What is to be done of a frame that takes time.
enum Next {
    /// Nothing.
    Go,
    /// The control has to know.
    Tell(Body),
    /// A message of another chain than the one before it.
    Turn(Route, Delivery),
}

/// Messages that take their room together.
struct Group {
    /// Each with its length on the wire.
    messages: Vec<(Decoded, usize)>,
    /// What they take in memory.
    memory: usize,
    /// What they keep in memory, if that is more: all that was read with them.
    pinned: usize,
    /// When decoding began: nothing is waited for until they are handled.
    began: Instant,
}

impl Group {
    fn new() -> Self {
        Self { messages: Vec::new(), memory: 0, pinned: 0, began: Instant::now() }
    }

    fn add(&mut self, decoded: Decoded, len: usize, pinned: usize) {
        self.memory = self.memory.saturating_add(decoded.memory);
        self.pinned = self.pinned.max(pinned);
        self.messages.push((decoded, len));
    }

    /// Begins anew, with the room that it has for messages.
    fn clear(&mut self) {
        self.messages.clear();
        (self.memory, self.pinned, self.began) = (0, 0, Instant::now());
    }
}

/// The reading half of a connection.
struct Incoming<'a> {
    shared: &'a Shared,
    link: &'a Arc<Link>,
    reader: ReadHalf<BoxStream>,
    frames: FrameReader,
    decoder: Decoder,
    bandwidth: BandwidthThrottle,
    /// See [`until`].
    timer: Pin<Box<Sleep>>,
    /// When the messages that are being handled had come.
    arrived: Instant,
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
    fn new(shared: &'a Shared, link: &'a Arc<Link>, reader: ReadHalf<BoxStream>) -> Self {
        Self {
            shared,
            link,
            reader,
            frames: FrameReader::new(),
            decoder: Decoder::new(),
            bandwidth: BandwidthThrottle::new(shared.limits.bandwidth),
            timer: Box::pin(sleep(shared.limits.read_timeout)),
            arrived: Instant::now(),
            pending: VecDeque::new(),
            inbox: None,
            tally: Tally::default(),
            group_max: usize::try_from(shared.limits.messages_in_work)
                .map_or(GROUP, |most| most.min(GROUP)),
            handshake: None,
        }
    }

    async fn run(&mut self) -> CloseReason {
        loop {
            let read = match self.read().await {
                Ok((frames, held)) => self.take(frames, held).await,
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
        let mut deadline = Instant::now() + self.shared.limits.read_timeout;
        let mut held = None;
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
                deadline = Instant::now() + self.shared.limits.read_timeout;
            }
            let waiting = self.frames.waiting();
            let read = self.reader.read_buf(self.frames.space());
            match until(&mut self.timer, deadline, read).await {
                Some(Ok(0) | Err(_)) => return Err(CloseReason::RemoteClosed),
                Some(Ok(read)) => {
                    let wait = self.bandwidth.acquire(read as u64, inbound.now());
                    inbound.wait(wait).await;
                }
                None if waiting == 0 => return Err(CloseReason::Timeout),
                None => return Err(CloseReason::SlowRead),
            }
        }
    }

    /// Handles whole frames.
    ///
    /// Room is taken for what messages are when they are decompressed, and for their lists. None
    /// is waited for while this connection itself holds some: all that it read before is
    /// delivered.
    async fn take(&mut self, frames: Frames, mut held: Option<Held>) -> Result<(), CloseReason> {
        self.shared.inbound.pace_cpu(&self.link.node_id).await;
        self.inbox = None;
        let whole = frames.len();
        let mut group = Group::new();
        for frame in frames {
            let len = frame.len();
            // A short message would keep the long one beside it in memory.
            let alone = whole > COPY_MAX && len < COPY_MAX;
            let frame = if alone { Bytes::copy_from_slice(&frame) } else { frame };
            let mut is_dear = true;
            if let Some(decoded) = self.decode(frame) {
                is_dear = decoded.compressed;
                let pinned = if alone || is_dear { 0 } else { whole };
                group.add(decoded, len + LENGTH_BYTES, pinned);
            }
            // Looking at the clock costs as much as decoding a short message.
            let is_busy = is_dear && group.began.elapsed() >= BUSY_MAX;
            if is_busy || group.messages.len() >= self.group_max || group.memory >= COPY_MAX {
                self.handle(&mut group, held.take()).await?;
            }
            if is_busy {
                // Others have their turn, and this peer waits if it had too many.
                tokio::task::yield_now().await;
                self.shared.inbound.pace_cpu(&self.link.node_id).await;
                group.clear();
            }
        }
        self.handle(&mut group, held).await?;
        self.shared.counters.received(&mut self.tally);
        Ok(())
    }

    /// Takes room and places for messages, and passes them on.
    async fn handle(&mut self, group: &mut Group, held: Option<Held>) -> Result<(), CloseReason> {
        let (inbound, node_id) = (&self.shared.inbound, self.link.node_id);
        self.arrived = Instant::now();
        let busy = self.arrived.duration_since(group.began);
        if busy > BUSY_MIN {
            inbound.record_cpu(&[(node_id, 1)], busy);
        }
        if group.messages.is_empty() {
            return Ok(());
        }
        let bytes = group.memory.max(group.pinned);
        let held = match held.filter(|held| held.bytes() >= bytes) {
            Some(held) => held,
            None if bytes > COPY_MAX => inbound.hold(node_id, bytes).await,
            None => inbound.hold_little(node_id, bytes, &self.link.spare).await,
        };
        let places = u32::try_from(group.messages.len()).unwrap_or(u32::MAX);
        let places = self.link.places.take(places).await;
        let ticket = Ticket::new(held, Arc::clone(&self.link.places), places);
        for (decoded, len) in group.messages.drain(..) {
            if decoded.op.class() != Class::Control {
                self.end_of_handshake().await;
            }
            match self.route(decoded, len, &ticket) {
                Next::Go => {}
                Next::Tell(body) => {
                    let event = Event::Received { connection: self.link.id, body };
                    let (_ticket, done) = (Some(ticket.clone()), self.begin_to_wait());
                    self.shared.tell(Told { event, _ticket, done }).await?;
                }
                Next::Turn(route, delivery) => self.turn(route, delivery).await,
            }
        }
        self.flush().await;
        group.clear();
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

    fn route(&mut self, decoded: Decoded, len: usize, ticket: &Ticket) -> Next {
        let Decoded { op, body, route, .. } = decoded;
        if op.class() == Class::Control {
            return Next::Tell(body);
        }
        let node_id = self.link.node_id;
        let Some(route) = route.filter(|_| self.link.is_established()) else {
            stats::add(&self.shared.counters.undeliverable, 1);
            return Next::Go;
        };
        match route.request_id.filter(|_| op.is_answer()) {
            None => self.keep(route, op, body, len, ticket),
            Some(id) => {
                let requests = &self.shared.requests;
                match requests.answered(self.shared, node_id, route, id, op, body) {
                    Some(body) => self.keep(route, op, body, len, ticket),
                    None => Next::Go,
                }
            }
        }
    }

    /// Keeps a message for the inbox, if that is the one of its chain.
    #[inline]
    fn keep(&mut self, route: Route, op: Op, body: Body, len: usize, ticket: &Ticket) -> Next {
        let (node_id, _ticket) = (self.link.node_id, ticket.clone());
        let Some(inbox) = self.inbox.as_ref().filter(|inbox| inbox.chain() == route.chain) else {
            let delivery = Delivery { node_id, op, body, expires: None, len, _ticket };
            return Next::Turn(route, delivery);
        };
        let expires = self.expires(inbox, route);
        self.pending.push_back(Delivery { node_id, op, body, expires, len, _ticket });
        Next::Go
    }

    /// When a request that came has no use any more.
    fn expires(&self, inbox: &InboxShared, route: Route) -> Option<Instant> {
        route.deadline.map(|left| self.arrived + left.min(inbox.maximum_deadline()))
    }

    /// Turns to the inbox of another chain; without one, the message is not delivered.
    async fn turn(&mut self, route: Route, mut delivery: Delivery) {
        self.flush().await;
        self.inbox = self.shared.inbox(&route.chain);
        match &self.inbox {
            Some(inbox) => {
                delivery.expires = self.expires(inbox, route);
                self.pending.push_back(delivery);
            }
            None => stats::add(&self.shared.counters.undeliverable, 1),
        }
    }

    /// Delivers what is pending for one chain.
    async fn flush(&mut self) {
        if let Some(inbox) = &self.inbox
            && !self.pending.is_empty()
        {
            inbox.deliver(&mut self.pending).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_early_is_moved_and_every_deadline_is_kept() {
        let start = Instant::now();
        let mut timer = Box::pin(sleep(Duration::from_secs(30)));
        for seconds in [30, 45, 45, 70, 300] {
            let deadline = start + Duration::from_secs(seconds);
            assert_eq!(until(&mut timer, deadline, ready(7)).await, Some(7), "{seconds}");
            assert_eq!(until(&mut timer, deadline, pending::<()>()).await, None, "{seconds}");
            assert_eq!(Instant::now().duration_since(deadline).as_millis(), 0, "{seconds}");
        }
    }
}
