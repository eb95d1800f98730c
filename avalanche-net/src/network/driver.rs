//! The task that owns the control of a network, and carries out what it decides.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use avalanche_consensus::Timestamp;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::connection;
use super::events::NetworkEvent;
use super::link::Link;
use super::shared::{Shared, Told};
use crate::CloseReason;
use crate::control::{ConnectionId, Control, Direction, Event, Moment, Output};
use crate::peers::{Bans, Score};
use crate::transport::{Connection, Stream, Transport};

type BoxStream = Box<dyn Stream>;

/// Events that are taken in before what follows from them is done.
const EVENTS_AT_ONCE: usize = 64;

/// Connections whose TLS is done and that the control has not seen yet.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<WaitingStreams>);

#[derive(Default)]
struct WaitingStreams {
    next: u64,
    streams: BTreeMap<ConnectionId, BoxStream>,
}

impl std::fmt::Debug for WaitingStreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WaitingStreams").field("next", &self.next).finish_non_exhaustive()
    }
}

impl Waiting {
    /// Keeps a stream, and makes the event that tells of it.
    pub(crate) fn open(&self, connection: Connection, direction: Direction) -> Event {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.next += 1;
        let id = ConnectionId(waiting.next);
        waiting.streams.insert(id, connection.stream);
        Event::Opened {
            connection: id,
            direction,
            certificate: connection.certificate,
            remote: connection.remote,
        }
    }

    fn take(&self, id: ConnectionId) -> Option<BoxStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).streams.remove(&id)
    }
}

/// The clocks, from one origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(self) -> Timestamp {
        Timestamp::ZERO.after(self.origin.elapsed())
    }

    pub(crate) fn moment(self) -> Moment {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Moment { now: self.now(), unix }
    }

    pub(crate) fn timestamp(self, at: Instant) -> Timestamp {
        Timestamp::ZERO.after(at.saturating_duration_since(self.origin))
    }

    pub(crate) fn instant(self, at: Timestamp) -> Instant {
        self.origin + at.since(Timestamp::ZERO)
    }
}

/// A question of the user's about the control.
#[derive(Debug)]
pub(crate) enum Query {
    Best(usize, oneshot::Sender<Vec<Score>>),
    Bans(oneshot::Sender<Bans>),
}

/// Everything that the task owns.
pub(crate) struct Driver {
    pub(crate) shared: Arc<Shared>,
    pub(crate) control: Control,
    pub(crate) events: mpsc::Receiver<Told>,
    pub(crate) queries: mpsc::Receiver<Query>,
    /// Where the address book is kept, if it is.
    pub(crate) book: Option<PathBuf>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) links: BTreeMap<ConnectionId, Arc<Link>>,
    pub(crate) tasks: JoinSet<()>,
    /// Dials in flight.
    pub(crate) dials: Arc<Semaphore>,
    /// Held by who writes the address book.
    pub(crate) saving: Arc<Mutex<()>>,
    /// Who waits for what follows from the events that were taken in.
    pub(crate) done: Vec<oneshot::Sender<()>>,
}

impl Driver {
    /// Runs until told to stop; then ends every connection.
    pub(crate) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let mut save = interval(self.shared.limits.address_book_interval);
        save.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.carry_out();
            // No deadline: look again in a while.
            let deadline = self.control.next_deadline().map_or_else(
                || Instant::now() + self.shared.limits.read_timeout,
                |at| self.shared.clock.instant(at),
            );
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(told) => self.handle(told),
                    None => break,
                },
                () = sleep_until(deadline) => {
                    self.control.handle_timeout(self.shared.clock.moment());
                }
                Some(_) = self.tasks.join_next() => {}
                Some(query) = self.queries.recv() => self.answer(query),
                _ = save.tick() => {
                    // What goes wrong is logged; the next one may go right.
                    self.save();
                }
                _ = &mut stop => break,
            }
        }
        self.stop().await;
    }

    /// Takes in an event, and those that wait behind it.
    fn handle(&mut self, told: Told) {
        let at = self.shared.clock.moment();
        for (node_id, latency) in self.shared.requests.take_outcomes() {
            self.control.handle(at, Event::Outcome { node_id, latency });
        }
        self.control.handle(at, told.event);
        self.done.extend(told.done);
        for _ in 1..EVENTS_AT_ONCE {
            let Ok(told) = self.events.try_recv() else { return };
            self.control.handle(at, told.event);
            self.done.extend(told.done);
        }
    }

    /// Ends all connections, and waits for their tasks a bounded time.
    async fn stop(mut self) {
        self.control.shut_down(self.shared.clock.moment());
        self.carry_out();
        self.shared.close_inboxes();
        // Tasks tell of their end: nobody listens any more.
        self.events.close();
        let saved = self.save();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(self.shared.limits.shutdown_timeout, all).await.is_err() {
            self.tasks.abort_all();
        }
        if let Some(saved) = saved {
            let _ = saved.await;
        }
    }

    /// Writes the address book, if it is kept and nothing writes it yet.
    fn save(&mut self) -> Option<JoinHandle<()>> {
        let path = self.book.clone()?;
        let (book, one) = (self.control.book().clone(), Arc::clone(&self.saving));
        Some(tokio::task::spawn_blocking(move || {
            let _one = one.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = book.save(&path) {
                tracing::warn!(%error, "the address book was not saved");
            }
        }))
    }

    fn answer(&self, query: Query) {
        // Who asked may have gone.
        match query {
            Query::Best(count, to) => {
                let _ = to.send(self.control.best(count, self.shared.clock.now()));
            }
            Query::Bans(to) => {
                let _ = to.send(self.control.bans().clone());
            }
        }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.control.poll_output() {
            match output {
                Output::Serve { connection } => self.serve(connection),
                Output::Send { connection, body } => {
                    if let Some(link) = self.links.get(&connection) {
                        self.shared.push(link, body);
                    }
                }
                Output::Connected { connection, peer, remote } => {
                    if let Some(link) = self.links.get(&connection) {
                        link.establish();
                        self.shared.connected(Arc::clone(link), Arc::clone(&peer));
                        self.shared.publish(NetworkEvent::Connected { peer, remote });
                    }
                }
                Output::Ended { connection, node_id, remote, was_connected, reason } => {
                    if let Some(link) = self.links.remove(&connection) {
                        link.close(reason);
                        self.shared.disconnected(&link);
                    }
                    // Refused ones were never served.
                    drop(self.shared.waiting.take(connection));
                    self.shared.counters.closed(reason);
                    self.shared.publish(NetworkEvent::Disconnected {
                        node_id: Some(node_id),
                        remote,
                        was_connected,
                        reason,
                    });
                }
                Output::Dial { address } => self.dial(address),
            }
        }
        self.done.clear();
    }

    fn serve(&mut self, id: ConnectionId) {
        let Some((node_id, _)) = self.control.peer(id) else { return };
        let Some(stream) = self.shared.waiting.take(id) else { return };
        let link = Arc::new(self.shared.link(id, node_id));
        self.links.insert(id, Arc::clone(&link));
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            let reason = connection::run(&shared, &link, stream).await;
            // An error here is the end of the network.
            let _ = shared.tell(Event::Closed { connection: id, reason }).await;
        });
    }

    fn dial(&mut self, address: std::net::SocketAddr) {
        let (shared, transport) = (Arc::clone(&self.shared), Arc::clone(&self.transport));
        let dials = Arc::clone(&self.dials);
        self.tasks.spawn(async move {
            let Ok(_permit) = dials.acquire().await else { return };
            let limit = shared.limits.dial_timeout;
            let event = match timeout(limit, transport.dial(address)).await {
                Ok(Ok(connection)) => {
                    shared.waiting.open(connection, Direction::Outbound { address })
                }
                Ok(Err(error)) => {
                    tracing::debug!(%address, %error, "dial failed");
                    failed(&shared, address, error.reason())
                }
                Err(_) => failed(&shared, address, CloseReason::Timeout),
            };
            let _ = shared.tell(event).await;
        });
    }
}

fn failed(shared: &Shared, address: std::net::SocketAddr, reason: CloseReason) -> Event {
    shared.publish(NetworkEvent::DialFailed { address, reason });
    Event::DialFailed { address, reason }
}
