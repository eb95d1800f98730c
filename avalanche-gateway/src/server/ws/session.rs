//! One WebSocket, from its opening to its end.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{pending, ready};
use std::sync::Arc;
use std::time::Duration;

use avalanche_chain::{ChainEvent, Events};
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};

use super::feed::Feed;
use crate::api::{ConsensusEvent, Event, Peer};
use crate::server::convert;
use crate::server::edge::Edge;
use crate::server::extract::Caller;
use crate::server::listen::{Gauge, closed};

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// A reader of events.
pub(super) struct Session {
    edge: Arc<Edge>,
    feed: Feed,
    events: Events,
    peers: BTreeMap<avalanche_consensus::NodeId, Peer>,
    peers_told: bool,
    heard: Instant,
}

/// Why a session ends.
enum End {
    /// The client has gone.
    Gone,
    /// It is told why.
    Told(u16, Cow<'static, str>),
}

impl Session {
    pub(super) fn new(edge: Arc<Edge>, feed: Feed, events: Events) -> Self {
        let heard = Instant::now();
        Self { edge, feed, events, peers: BTreeMap::new(), peers_told: false, heard }
    }

    /// Tells until the client or the server has enough.
    pub(super) async fn run(mut self, mut socket: WebSocket, caller: Caller) {
        let edge = Arc::clone(&self.edge);
        let _open = Gauge::new(&edge.metrics.websockets);
        self.heard = Instant::now();
        let Err(end) = self.tell(&mut socket).await;
        match end {
            End::Gone => tracing::debug!(trace = %caller.trace, "the reader of events has gone"),
            End::Told(code, reason) => {
                tracing::debug!(trace = %caller.trace, code, %reason, "a stream of events ended");
                let frame = CloseFrame { code, reason: reason.as_ref().into() };
                // Whoever does not read misses it.
                _ = timeout(FAREWELL, socket.send(Message::Close(Some(frame)))).await;
                let rest = async { while let Some(Ok(_)) = socket.recv().await {} };
                _ = timeout(FAREWELL, rest).await;
            }
        }
    }

    async fn tell(&mut self, socket: &mut WebSocket) -> Result<Infallible, End> {
        let mut closing = self.edge.closing.subscribe();
        let every = self.edge.config.websocket_ping;
        let mut ping = ticks(every);
        let mut peers = self.feed.topics().peers.then(|| ticks(self.edge.config.peers_interval));
        // The first tick comes at once.
        ping.tick().await;
        loop {
            // The log is read while nothing else is there to be done.
            let behind = self.feed.is_behind();
            tokio::select! {
                biased;
                () = closed(&mut closing) => {
                    return Err(End::Told(close_code::AWAY, "the node is ending".into()));
                }
                message = socket.recv() => self.hear(message)?,
                _ = ping.tick() => {
                    if self.heard.elapsed() > every.saturating_mul(2) {
                        let reason = "nothing was heard for two pings";
                        return Err(End::Told(close_code::POLICY, reason.into()));
                    }
                    self.send(socket, Message::Ping(bytes::Bytes::new())).await?;
                }
                () = tick(&mut peers) => self.tell_peers(socket).await?,
                event = self.events.recv(), if !behind => self.happened(socket, event).await?,
                () = ready(()), if behind => self.catch_up(socket).await?,
            }
        }
    }

    /// Tells the next part of the log. Nothing interrupts it, so that a slow disk cannot make it
    /// begin again and again.
    async fn catch_up(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        let most = self.edge.config.request_timeout;
        match timeout(most, self.feed.catch_up()).await {
            Ok(Ok(events)) => self.send_all(socket, events).await,
            Ok(Err(error)) => Err(End::Told(close_code::ERROR, cut(&error.to_string()))),
            Err(_) => {
                let reason = format!("the log did not answer within {most:?}");
                Err(End::Told(close_code::ERROR, reason.into()))
            }
        }
    }

    /// A message of the client, or its end.
    fn hear(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.heard = Instant::now();
        match message {
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Text(_) | Message::Binary(_))) => {
                let reason = "nothing is read here; what is wanted stands in the query";
                Err(End::Told(close_code::UNSUPPORTED, reason.into()))
            }
            Some(Ok(Message::Close(_))) | None => Err(End::Gone),
            Some(Err(error)) => Err(End::Told(close_code::PROTOCOL, cut(&error.to_string()))),
        }
    }

    async fn happened(
        &mut self,
        socket: &mut WebSocket,
        event: Result<ChainEvent, RecvError>,
    ) -> Result<(), End> {
        let event = match event {
            Ok(ChainEvent::Accepted(accepted)) => {
                let events = self.feed.accepted(&accepted);
                return self.send_all(socket, events).await;
            }
            Ok(ChainEvent::Rejected { id, height }) => {
                ConsensusEvent::Rejected { id, height: height.get() }
            }
            Ok(ChainEvent::Preferred { id }) => ConsensusEvent::Preferred { id },
            Ok(ChainEvent::Phase(phase)) => ConsensusEvent::Phase { phase: convert::phase(phase) },
            Ok(ChainEvent::Stopped { reason }) => {
                ConsensusEvent::Stopped { reason: reason.to_string() }
            }
            Ok(_) => ConsensusEvent::Other,
            Err(RecvError::Lagged(count)) => {
                self.feed.fall_behind();
                ConsensusEvent::Missed { count }
            }
            Err(RecvError::Closed) => {
                return Err(End::Told(close_code::AWAY, "the chain has gone".into()));
            }
        };
        if self.feed.topics().consensus {
            self.send_all(socket, vec![Event::Consensus { event }]).await?;
        }
        Ok(())
    }

    async fn tell_peers(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        let now: BTreeMap<_, _> = self
            .edge
            .node
            .peers()
            .await
            .into_iter()
            .map(|view| (view.node_id, convert::peer(view)))
            .collect();
        let came = now.iter().filter(|(id, _)| !self.peers.contains_key(id));
        let connected: Vec<Peer> = came.map(|(_, peer)| peer.clone()).collect();
        let went = self.peers.keys().filter(|id| !now.contains_key(id));
        let disconnected: Vec<_> = went.copied().collect();
        let news = !self.peers_told || !connected.is_empty() || !disconnected.is_empty();
        (self.peers, self.peers_told) = (now, true);
        match news {
            true => self.send_all(socket, vec![Event::Peers { connected, disconnected }]).await,
            false => Ok(()),
        }
    }

    async fn send_all(&self, socket: &mut WebSocket, events: Vec<Event>) -> Result<(), End> {
        for event in events {
            let text = serde_json::to_string(&event)
                .map_err(|error| End::Told(close_code::ERROR, cut(&error.to_string())))?;
            self.send(socket, Message::Text(text.into())).await?;
        }
        Ok(())
    }

    /// Sends within the time that is allowed; until then, whatever happens waits in the log.
    async fn send(&self, socket: &mut WebSocket, message: Message) -> Result<(), End> {
        match timeout(self.edge.config.websocket_write_timeout, socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => {
                self.edge.count_slow();
                let reason = "too slow: a message was not taken in time; come again with the last \
                              cursor";
                Err(End::Told(close_code::AGAIN, reason.into()))
            }
        }
    }
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// The next tick, if there are any.
async fn tick(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => _ = ticks.tick().await,
        None => pending().await,
    }
}

/// A reason that a frame of a farewell has room for: 123 bytes.
fn cut(reason: &str) -> Cow<'static, str> {
    let end = (0..=reason.len().min(120)).rev().find(|end| reason.is_char_boundary(*end));
    reason.get(..end.unwrap_or(0)).unwrap_or_default().to_owned().into()
}
