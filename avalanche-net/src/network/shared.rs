//! What the tasks of a network share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use avalanche_consensus::{Id, NodeId};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::config::Limits;
use super::driver::{Clock, Waiting};
use super::events::NetworkEvent;
use super::handle::Sent;
use super::inbound::Inbound;
use super::inbox::InboxShared;
use super::link::Link;
use super::requester::{Outcome, Requester};
use super::stats::Counters;
use super::ticket::Ticket;
use crate::CloseReason;
use crate::control::{ConnectionId, Event};
use crate::peers::PeerInfo;
use crate::queue::Pushed;
use crate::wire::{self, Body, EncodeError, Encoder, Frame, Short};

/// A peer whose handshake is complete.
#[derive(Clone, Debug)]
pub(crate) struct Established {
    pub(crate) link: Arc<Link>,
    pub(crate) info: Arc<PeerInfo>,
}

/// What the control is told, and the room that it takes until then.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) event: Event,
    pub(crate) _ticket: Option<Ticket>,
    /// Dropped once all that follows from the event has been done.
    pub(crate) done: Option<oneshot::Sender<()>>,
}

impl From<Event> for Told {
    fn from(event: Event) -> Self {
        Self { event, _ticket: None, done: None }
    }
}

/// What the tasks of a network share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) counters: Counters,
    pub(crate) inbound: Arc<Inbound>,
    pub(crate) requests: Requester,
    pub(crate) waiting: Waiting,
    pub(crate) events: broadcast::Sender<NetworkEvent>,
    pub(crate) control: mpsc::Sender<Told>,
    pub(crate) inboxes: RwLock<BTreeMap<Id, Arc<InboxShared>>>,
    pub(crate) established: RwLock<BTreeMap<NodeId, Established>>,
    /// One for each that encodes at the same time: an encoder has memory of its own.
    pub(crate) encoders: Mutex<Vec<Encoder>>,
}

impl Shared {
    /// Tells the control; waits while it is busy.
    pub(crate) async fn tell(&self, told: impl Into<Told>) -> Result<(), CloseReason> {
        self.control.send(told.into()).await.map_err(|_| CloseReason::LocalShutdown)
    }

    /// Tells the user, if he listens.
    pub(crate) fn publish(&self, event: NetworkEvent) {
        let _ = self.events.send(event);
    }

    /// Tells the control how a request went that there was no room for, which has it take in the
    /// others. If it is so busy that its queue is full, this one is forgotten: it is a measure
    /// among many.
    pub(crate) fn tell_outcome(&self, (node_id, latency): Outcome) {
        let _ = self.control.try_send(Event::Outcome { node_id, latency }.into());
    }

    pub(crate) fn inbox(&self, chain: &Id) -> Option<Arc<InboxShared>> {
        self.inboxes.read().unwrap_or_else(PoisonError::into_inner).get(chain).cloned()
    }

    /// Whoever waits for messages learns that none will come.
    pub(crate) fn close_inboxes(&self) {
        let inboxes = self.inboxes.read().unwrap_or_else(PoisonError::into_inner);
        inboxes.values().for_each(|inbox| inbox.close());
    }

    pub(crate) fn is_established(&self, node_id: &NodeId) -> bool {
        self.established.read().unwrap_or_else(PoisonError::into_inner).contains_key(node_id)
    }

    /// The connection with a node.
    pub(crate) fn link_to(&self, node_id: &NodeId) -> Option<Arc<Link>> {
        let established = self.established.read().unwrap_or_else(PoisonError::into_inner);
        established.get(node_id).map(|peer| Arc::clone(&peer.link))
    }

    pub(crate) fn link(&self, id: ConnectionId, node_id: NodeId) -> Link {
        Link::new(id, node_id, &self.limits, Arc::clone(&self.inbound))
    }

    pub(crate) fn connected(&self, link: Arc<Link>, info: Arc<PeerInfo>) {
        let node_id = link.node_id;
        let mut established = self.established.write().unwrap_or_else(PoisonError::into_inner);
        established.insert(node_id, Established { link, info });
    }

    /// The link is over: nothing is sent to it any more, and what was asked of it has failed.
    pub(crate) fn disconnected(&self, link: &Link) {
        {
            let mut established = self.established.write().unwrap_or_else(PoisonError::into_inner);
            if established.get(&link.node_id).is_none_or(|peer| peer.link.id != link.id) {
                return;
            }
            established.remove(&link.node_id);
        }
        self.requests.disconnected(link.node_id);
    }

    fn encoders(&self) -> MutexGuard<'_, Vec<Encoder>> {
        self.encoders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn encode(&self, body: Body) -> Result<Frame, EncodeError> {
        // Most messages need no compressor, so no lock.
        if let Some(frame) = wire::encode_short(&body)? {
            return Ok(frame);
        }
        let mut encoder =
            self.encoders().pop().unwrap_or_else(|| Encoder::new(self.limits.compression));
        let encoded = encoder.encode(body);
        self.encoders().push(encoder);
        encoded
    }

    /// Queues a message for each of these nodes.
    pub(crate) fn send(&self, nodes: &[NodeId], body: Body) -> Result<Sent, EncodeError> {
        let [node_id] = nodes else {
            let frame = self.encode(body)?;
            return Ok(self.push_to_each(nodes, frame));
        };
        let short = Short::of(&body)?;
        let mut sent = Sent::default();
        let established = self.established.read().unwrap_or_else(PoisonError::into_inner);
        let to = match (established.get(node_id), &short) {
            (None, _) => &mut sent.not_connected,
            (Some(peer), Some(short)) => {
                if self.push_short(&peer.link, short) {
                    &mut sent.queued
                } else {
                    &mut sent.full
                }
            }
            (Some(_), None) => {
                // What takes long to encode keeps nobody from connecting.
                drop(established);
                let frame = self.encode(body)?;
                return Ok(self.push_to_each(nodes, frame));
            }
        };
        to.push(*node_id);
        Ok(sent)
    }

    /// Queues a frame for each of these nodes.
    fn push_to_each(&self, nodes: &[NodeId], frame: Frame) -> Sent {
        let mut sent = Sent { queued: Vec::with_capacity(nodes.len()), ..Sent::default() };
        let established = self.established.read().unwrap_or_else(PoisonError::into_inner);
        let mut push = |node_id: &NodeId, frame| {
            let to = match established.get(node_id) {
                None => &mut sent.not_connected,
                Some(peer) if self.push_frame(&peer.link, frame) => &mut sent.queued,
                Some(_) => &mut sent.full,
            };
            to.push(*node_id);
        };
        // The last one needs no copy of its own.
        if let Some((last, others)) = nodes.split_last() {
            others.iter().for_each(|node_id| push(node_id, frame.clone()));
            push(last, frame);
        }
        sent
    }

    /// Queues a message of the network itself.
    pub(crate) fn push(&self, link: &Link, body: Body) {
        if let Err(error) = self.push_body(link, body) {
            tracing::error!(%error, "a message of this node was not sent");
        }
    }

    /// Queues a message for one peer; says whether there was room.
    pub(crate) fn push_body(&self, link: &Link, body: Body) -> Result<bool, EncodeError> {
        if let Some(short) = Short::of(&body)? {
            return Ok(self.push_short(link, &short));
        }
        let frame = self.encode(body)?;
        Ok(self.push_frame(link, frame))
    }

    fn push_short(&self, link: &Link, short: &Short<'_>) -> bool {
        let queued = link.push_short(short) == Pushed::Queued;
        if !queued {
            self.counters.dropped(short.op().class(), 1);
        }
        queued
    }

    /// Queues a frame; says whether there was room.
    fn push_frame(&self, link: &Link, frame: Frame) -> bool {
        let class = frame.op().class();
        let queued = link.push(frame) == Pushed::Queued;
        if !queued {
            self.counters.dropped(class, 1);
        }
        queued
    }
}
