//! What is under way between all pairs of nodes.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::{fmt, io};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

use super::link::{self, Link};

/// Bytes that are under way in each direction of a connection, at most: more have to wait. With a
/// delay it bounds what a connection carries, as the window of TCP does.
const WINDOW: usize = 1024 * 1024;

/// All links and connections, behind one lock.
#[derive(Clone)]
pub(super) struct Switchboard {
    state: Arc<Mutex<State>>,
    healed: Arc<Notify>,
}

struct State {
    seed: u64,
    default: Link,
    links: BTreeMap<(IpAddr, IpAddr), link::State>,
    connections: BTreeMap<u64, Connected>,
    next: u64,
}

/// A connection, of which at least one end is left.
struct Connected {
    /// From the end that dialled, and to it.
    there: Pipe,
    back: Pipe,
    broken: bool,
    ends: u8,
}

/// One direction.
struct Pipe {
    from: IpAddr,
    to: IpAddr,
    /// What is under way or waits to be read, and when it arrives: in order.
    chunks: VecDeque<(Instant, Bytes)>,
    len: usize,
    /// When the end of the stream arrives, if it was sent.
    end: Option<Instant>,
    /// When the writer hears that nobody reads any more.
    unread: Option<Instant>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// One end of a connection.
pub(super) struct End {
    switchboard: Switchboard,
    id: u64,
    dialled: bool,
    read_timer: Option<Pin<Box<Sleep>>>,
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl Switchboard {
    pub(super) fn new(seed: u64, default: Link) -> Self {
        let (links, connections) = (BTreeMap::new(), BTreeMap::new());
        let state = State { seed, default, links, connections, next: 0 };
        Self { state: Arc::new(Mutex::new(state)), healed: Arc::new(Notify::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_link(&self, from: IpAddr, to: IpAddr, link: Link) {
        self.lock().link(from, to).link = link;
    }

    pub(super) fn delay(&self, from: IpAddr, to: IpAddr) -> Duration {
        self.lock().link(from, to).delay()
    }

    pub(super) fn block(&self, from: IpAddr, to: IpAddr) {
        self.lock().link(from, to).blocked.get_or_insert_with(Instant::now);
    }

    pub(super) fn unblock(&self, from: IpAddr, to: IpAddr) {
        self.lock().unblock(from, to);
        self.healed.notify_waiters();
    }

    pub(super) fn heal(&self) {
        let mut state = self.lock();
        let links: Vec<_> = state.links.keys().copied().collect();
        links.into_iter().for_each(|(from, to)| state.unblock(from, to));
        self.healed.notify_waiters();
    }

    /// Waits while a link is blocked.
    pub(super) async fn unblocked(&self, from: IpAddr, to: IpAddr) {
        loop {
            let healed = self.healed.notified();
            if self.lock().link(from, to).blocked.is_none() {
                return;
            }
            healed.await;
        }
    }

    pub(super) fn break_connections(&self, one: IpAddr, other: IpAddr) -> usize {
        let mut state = self.lock();
        let between = |connected: &&mut Connected| {
            let Pipe { from, to, .. } = connected.there;
            !connected.broken && [(from, to), (to, from)].contains(&(one, other))
        };
        state.connections.values_mut().filter(between).map(Connected::break_both).count()
    }

    /// A new connection: the end that dialled, and the other.
    pub(super) fn connect(&self, from: IpAddr, to: IpAddr) -> (End, End) {
        let mut state = self.lock();
        let id = state.next;
        state.next += 1;
        let (there, back) = (Pipe::new(from, to), Pipe::new(to, from));
        state.connections.insert(id, Connected { there, back, broken: false, ends: 2 });
        let end = |dialled| End {
            switchboard: self.clone(),
            id,
            dialled,
            read_timer: None,
            write_timer: None,
        };
        (end(true), end(false))
    }
}

impl State {
    fn link(&mut self, from: IpAddr, to: IpAddr) -> &mut link::State {
        let (link, seed) = (self.default, self.seed);
        self.links.entry((from, to)).or_insert_with(|| link::State::new(link, seed, from, to))
    }

    fn unblock(&mut self, from: IpAddr, to: IpAddr) {
        let link = self.link(from, to);
        let Some(since) = link.blocked.take() else {
            return;
        };
        let arrival = Instant::now() + link.link.delay;
        for connected in self.connections.values_mut() {
            for dialled in [true, false] {
                let (other, pipe) = connected.pipes(dialled);
                if (pipe.from, pipe.to) != (from, to) {
                    continue;
                }
                let late = |at: &mut Instant| {
                    if *at > since {
                        *at = arrival.max(*at);
                    }
                };
                pipe.chunks.iter_mut().map(|(at, _)| at).for_each(late);
                pipe.end.iter_mut().for_each(late);
                // The news that this pipe's reader is gone travel on the other link.
                other.unread.iter_mut().for_each(late);
                pipe.wake();
                other.wake();
            }
        }
    }
}

impl Connected {
    /// The pipes that an end reads from and writes to.
    const fn pipes(&mut self, dialled: bool) -> (&mut Pipe, &mut Pipe) {
        if dialled { (&mut self.back, &mut self.there) } else { (&mut self.there, &mut self.back) }
    }

    fn break_both(&mut self) {
        self.broken = true;
        self.there.wake();
        self.back.wake();
    }
}

impl Pipe {
    const fn new(from: IpAddr, to: IpAddr) -> Self {
        let chunks = VecDeque::new();
        Self { from, to, chunks, len: 0, end: None, unread: None, reader: None, writer: None }
    }

    fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }

    /// When something sent now arrives: not before what was sent before.
    fn arrival(&self, link: &mut link::State, len: usize) -> Instant {
        let arrival = link.arrival(Instant::now(), len);
        self.chunks.back().map_or(arrival, |(before, _)| arrival.max(*before))
    }
}

/// What an end found: an answer, or when to look again.
enum Found {
    Answer(io::Result<usize>),
    Later(Option<Instant>),
}

impl State {
    fn read(
        &mut self,
        id: u64,
        dialled: bool,
        cx: &Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Found {
        let now = Instant::now();
        let Some(connected) = self.connections.get_mut(&id) else {
            return Found::Answer(Err(io::ErrorKind::NotConnected.into()));
        };
        if connected.broken {
            return Found::Answer(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let (pipe, _) = connected.pipes(dialled);
        let blocked = self.links.get(&(pipe.from, pipe.to)).and_then(|link| link.blocked);
        let horizon = blocked.unwrap_or(now).min(now);

        let mut taken = 0;
        while let Some((at, chunk)) = pipe.chunks.front_mut() {
            if *at > horizon || buffer.remaining() == 0 {
                break;
            }
            let part = chunk.split_to(chunk.len().min(buffer.remaining()));
            buffer.put_slice(&part);
            taken += part.len();
            if !chunk.has_remaining() {
                pipe.chunks.pop_front();
            }
        }
        let ended = pipe.chunks.is_empty() && pipe.end.is_some_and(|end| end <= horizon);
        if taken > 0 || ended || buffer.remaining() == 0 {
            pipe.len -= taken;
            pipe.writer.take().into_iter().for_each(Waker::wake);
            return Found::Answer(Ok(taken));
        }
        pipe.reader = Some(cx.waker().clone());
        let next = pipe.chunks.front().map(|(at, _)| *at).or(pipe.end);
        Found::Later(next.filter(|_| blocked.is_none()))
    }

    fn write(&mut self, id: u64, dialled: bool, cx: &Context<'_>, bytes: &[u8]) -> Found {
        let now = Instant::now();
        let Some(connected) = self.connections.get_mut(&id) else {
            return Found::Answer(Err(io::ErrorKind::NotConnected.into()));
        };
        if connected.broken {
            return Found::Answer(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let (default, seed) = (self.default, self.seed);
        let (_, pipe) = connected.pipes(dialled);
        let (from, to) = (pipe.from, pipe.to);
        let blocked = self.links.get(&(to, from)).and_then(|link| link.blocked);
        let horizon = blocked.unwrap_or(now).min(now);
        if pipe.end.is_some() || pipe.unread.is_some_and(|unread| unread <= horizon) {
            return Found::Answer(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if pipe.len >= WINDOW {
            pipe.writer = Some(cx.waker().clone());
            return Found::Later(pipe.unread.filter(|_| blocked.is_none()));
        }
        let link = self
            .links
            .entry((from, to))
            .or_insert_with(|| link::State::new(default, seed, from, to));
        if link.breaks() {
            connected.break_both();
            return Found::Answer(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let (taken, _) = bytes.split_at_checked(WINDOW - pipe.len).unwrap_or((bytes, &[]));
        let arrival = pipe.arrival(link, taken.len());
        if !taken.is_empty() {
            pipe.chunks.push_back((arrival, Bytes::copy_from_slice(taken)));
            pipe.len += taken.len();
            pipe.reader.take().into_iter().for_each(Waker::wake);
        }
        Found::Answer(Ok(taken.len()))
    }

    /// Sends the end of the stream, once.
    fn shutdown(&mut self, id: u64, dialled: bool) {
        let (default, seed) = (self.default, self.seed);
        let Some(connected) = self.connections.get_mut(&id) else {
            return;
        };
        let (_, pipe) = connected.pipes(dialled);
        let (from, to) = (pipe.from, pipe.to);
        let link = self
            .links
            .entry((from, to))
            .or_insert_with(|| link::State::new(default, seed, from, to));
        if pipe.end.is_none() {
            pipe.end = Some(pipe.arrival(link, 0));
            pipe.reader.take().into_iter().for_each(Waker::wake);
        }
    }

    fn close(&mut self, id: u64, dialled: bool) {
        self.shutdown(id, dialled);
        let Some(connected) = self.connections.get_mut(&id) else {
            return;
        };
        connected.ends -= 1;
        if connected.ends == 0 {
            self.connections.remove(&id);
            return;
        }
        let (read, written) = connected.pipes(dialled);
        // The other end hears of it when it hears of the end.
        read.unread = written.end;
        read.writer.take().into_iter().for_each(Waker::wake);
    }
}

/// Waits until a moment with a timer that is kept. Whether the moment has come.
fn wait(timer: &mut Option<Pin<Box<Sleep>>>, until: Option<Instant>, cx: &mut Context<'_>) -> bool {
    let Some(until) = until else {
        *timer = None;
        return false;
    };
    let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
    if timer.deadline() != until {
        timer.as_mut().reset(until);
    }
    timer.as_mut().poll(cx).is_ready()
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let end = self.get_mut();
        loop {
            let found = end.switchboard.lock().read(end.id, end.dialled, cx, buffer);
            match found {
                Found::Answer(answer) => return Poll::Ready(answer.map(drop)),
                Found::Later(until) if wait(&mut end.read_timer, until, cx) => {}
                Found::Later(_) => return Poll::Pending,
            }
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let end = self.get_mut();
        loop {
            let found = end.switchboard.lock().write(end.id, end.dialled, cx, bytes);
            match found {
                Found::Answer(answer) => return Poll::Ready(answer),
                Found::Later(until) if wait(&mut end.write_timer, until, cx) => {}
                Found::Later(_) => return Poll::Pending,
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.switchboard.lock().shutdown(self.id, self.dialled);
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.switchboard.lock().close(self.id, self.dialled);
    }
}

impl fmt::Debug for Switchboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Switchboard")
            .field("seed", &state.seed)
            .field("links", &state.links)
            .field("connections", &state.connections.len())
            .finish()
    }
}
