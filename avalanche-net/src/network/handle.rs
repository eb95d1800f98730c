//! What users hold of a running network.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use avalanche_consensus::{Id, NodeId};
use bytes::Bytes;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::driver::{Clock, Driver, Query, Waiting};
use super::inbound::Inbound;
use super::requester::Requester;
use super::shared::Shared;
use super::stats::Counters;
use super::{
    Error, Inbox, InboxConfig, NetworkConfig, NetworkEvent, NetworkStats, RequestFailed, acceptor,
    requester,
};
use crate::control::{Control, Event, PeerValidator};
use crate::identity::{Identity, UnsignedIp};
use crate::peers::{AddressBook, Bans, PeerInfo, Score};
use crate::requests::{Request, RequestStats};
use crate::transport::{TcpTransport, Transport};
use crate::wire::{Body, EncodeError, Op, build};

/// Questions that wait for the driver at most; more wait to be asked.
const QUERIES: usize = 64;

/// What became of a message for several peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a request that was not queued will not be answered"]
pub struct Sent {
    /// Peers that it was queued for.
    pub queued: Vec<NodeId>,
    /// Peers whose queue had no room.
    pub full: Vec<NodeId>,
    /// Nodes that are not connected.
    pub not_connected: Vec<NodeId>,
}

/// A running network.
///
/// Clones are the same network. Dropping the last one without [`Network::shutdown`] ends the
/// network, too, though nothing waits for its end.
#[derive(Clone, Debug)]
pub struct Network {
    shared: Arc<Shared>,
    running: Arc<Running>,
    queries: mpsc::Sender<Query>,
    local_addr: SocketAddr,
}

/// Ends the tasks when the last user is gone.
#[derive(Debug)]
struct Running {
    stop: Mutex<Option<oneshot::Sender<()>>>,
    driver: Mutex<Option<JoinHandle<()>>>,
    acceptor: JoinHandle<()>,
    requests: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.acceptor.abort();
        self.requests.abort();
    }
}

impl Network {
    /// Starts a network over TCP and TLS 1.3.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the configuration breaks a rule, [`Error::Listen`] if the address
    /// cannot be listened on, [`Error::Identity`] if the keys cannot be used,
    /// [`Error::AddressBook`] if it can neither be read nor set aside.
    pub async fn start(config: NetworkConfig, identity: Arc<Identity>) -> Result<Self, Error> {
        let transport = TcpTransport::new(&identity).map_err(Error::Transport)?;
        Self::start_on(config, identity, Arc::new(transport)).await
    }

    /// Starts a network over any transport.
    ///
    /// # Errors
    ///
    /// As [`Network::start`].
    pub async fn start_on(
        config: NetworkConfig,
        identity: Arc<Identity>,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, Error> {
        config.verify()?;
        let listener = transport
            .listen(config.listen)
            .await
            .map_err(|source| Error::Listen { address: config.listen, source })?;
        let local_addr = listener.local_addr();
        let seed = seed()?;
        let clock = Clock::new();
        let ip = UnsignedIp {
            addr: config.public.unwrap_or(local_addr),
            timestamp: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        };
        let signed_ip = ip.sign(&identity).map_err(Error::Identity)?;
        let book = match config.address_book.clone() {
            Some(path) => load(path).await?,
            None => AddressBook::new(),
        };
        let control = Control::new(
            config.control.clone(),
            identity.certificate().clone(),
            signed_ip,
            book,
            seed,
            clock.moment(),
        );
        let (to_control, events) = mpsc::channel(config.limits.control_queue);
        let (to_driver, queries) = mpsc::channel(QUERIES);
        let shared = Arc::new(Shared {
            limits: config.limits,
            clock,
            counters: Counters::default(),
            inbound: Arc::new(Inbound::new(&config.limits, clock)),
            requests: Requester::new(&config.limits, identity.node_id(), clock)
                .map_err(Error::Limits)?,
            waiting: Waiting::default(),
            events: broadcast::channel(config.limits.event_queue).0,
            control: to_control,
            inboxes: RwLock::default(),
            established: RwLock::new(BTreeMap::new()),
            encoders: Mutex::default(),
        });
        let driver = Driver {
            shared: Arc::clone(&shared),
            control,
            events,
            queries,
            book: config.address_book,
            transport,
            links: BTreeMap::new(),
            tasks: JoinSet::new(),
            dials: Arc::new(Semaphore::new(config.limits.pending_dials)),
            saving: Arc::default(),
            done: Vec::new(),
        };
        let (stop, stopped) = oneshot::channel();
        let running = Running {
            stop: Mutex::new(Some(stop)),
            driver: Mutex::new(Some(tokio::spawn(driver.run(stopped)))),
            acceptor: tokio::spawn(acceptor::run(Arc::clone(&shared), listener)),
            requests: tokio::spawn(requester::run(Arc::clone(&shared))),
        };
        Ok(Self { shared, running: Arc::new(running), queries: to_driver, local_addr })
    }

    /// The address that is listened on.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Events from now on. Whoever is slow misses the oldest ones, and is told how many.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<NetworkEvent> {
        self.shared.events.subscribe()
    }

    /// Takes the messages of one chain from now on, until the inbox is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::ChainTaken`] if the chain has an inbox already.
    pub fn register(&self, chain: Id) -> Result<Inbox, Error> {
        self.register_with(chain, self.shared.limits.inbox)
    }

    /// [`Network::register`] with bounds of its own.
    ///
    /// # Errors
    ///
    /// As [`Network::register`].
    pub fn register_with(&self, chain: Id, config: InboxConfig) -> Result<Inbox, Error> {
        let mut inboxes = self.shared.inboxes.write().unwrap_or_else(PoisonError::into_inner);
        if inboxes.get(&chain).is_some_and(|inbox| !inbox.is_closed()) {
            return Err(Error::ChainTaken { chain });
        }
        self.shared.requests.add_chain(chain).map_err(Error::Limits)?;
        let inbox = Inbox::new(chain, config, Arc::clone(&self.shared.inbound));
        inboxes.insert(chain, Arc::clone(&inbox.shared));
        Ok(inbox)
    }

    /// Queues a message for each of `nodes`; it is encoded once. Never waits.
    ///
    /// A request of this kind has a number that the caller chose; its answer comes through the
    /// inbox.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLarge`] if the message is over the limit of the protocol.
    pub fn send(&self, nodes: &[NodeId], body: Body) -> Result<Sent, EncodeError> {
        self.shared.send(nodes, body)
    }

    /// Asks the application of another node, and waits for its answer.
    ///
    /// # Errors
    ///
    /// [`RequestFailed`] says why there is none.
    pub async fn app_request(
        &self,
        node_id: NodeId,
        chain: Id,
        bytes: Bytes,
    ) -> Result<Bytes, RequestFailed> {
        let request = Request { node: node_id, chain, op: Op::AppRequest, request_id: None };
        let make = |id, deadline| build::app_request(chain, id, deadline, bytes);
        match requester::request(&self.shared, request, make).await? {
            Body::AppResponse(answer) => Ok(answer.app_bytes),
            Body::AppError(error) => {
                Err(RequestFailed::App { code: error.error_code, message: error.error_message })
            }
            _ => Err(RequestFailed::TimedOut),
        }
    }

    /// Asks another node, and waits for the answer, which does not come through the inbox. `make`
    /// is given the number and the deadline of the request, and returns a message of kind `op`.
    ///
    /// An engine that counts its own requests uses [`Network::send`] instead, with numbers of its
    /// own: do not use both for the same kind of message on the same chain.
    ///
    /// # Errors
    ///
    /// [`RequestFailed`] says why there is none.
    pub async fn request(
        &self,
        node_id: NodeId,
        chain: Id,
        op: Op,
        make: impl FnOnce(u32, Duration) -> Body,
    ) -> Result<Body, RequestFailed> {
        let request = Request { node: node_id, chain, op, request_id: None };
        requester::request(&self.shared, request, make).await
    }

    /// Connects with whoever is at this address, and again when the connection ends.
    pub fn connect(&self, address: SocketAddr) {
        self.command(Event::Connect { address });
    }

    /// Connects with this node, at this address until it claims another one.
    pub fn track(&self, node_id: NodeId, address: SocketAddr) {
        self.command(Event::Track { node_id, address });
    }

    /// Sets the validators of a subnet; [`Id::EMPTY`] is the primary network.
    pub fn set_validators(&self, subnet: Id, validators: Vec<PeerValidator>) {
        self.shared.requests.set_validators(subnet, &validators);
        self.shared.inbound.set_validators(subnet, &validators);
        self.command(Event::Validators { subnet, validators });
    }

    /// Ends the connection with a node, and takes no other for so long.
    pub fn ban(&self, node_id: NodeId, duration: Duration) {
        self.command(Event::Ban { node_id, duration: Some(duration) });
    }

    /// Lifts a ban.
    pub fn unban(&self, node_id: NodeId) {
        self.command(Event::Ban { node_id, duration: None });
    }

    /// The driver drains its queue all the time: a command waits at most for those before it.
    fn command(&self, event: Event) {
        let shared = Arc::clone(&self.shared);
        match shared.control.try_send(event.into()) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(told)) => {
                tokio::spawn(async move { shared.tell(told).await });
            }
        }
    }

    /// What each connected peer said of itself, by node.
    #[must_use]
    pub fn peers(&self) -> Vec<Arc<PeerInfo>> {
        let peers = self.shared.established.read().unwrap_or_else(PoisonError::into_inner);
        peers.values().map(|peer| Arc::clone(&peer.info)).collect()
    }

    /// Whether messages flow to and from this node.
    #[must_use]
    pub fn is_connected(&self, node_id: &NodeId) -> bool {
        self.shared.is_established(node_id)
    }

    /// The best `count` of the connected peers by latency, answers and faults, best first. None
    /// after the end of the network.
    pub async fn best(&self, count: usize) -> Vec<Score> {
        self.ask(|to| Query::Best(count, to)).await
    }

    /// Who is banned, why and until when. Nobody after the end of the network.
    pub async fn bans(&self) -> Bans {
        self.ask(Query::Bans).await
    }

    async fn ask<T: Default>(&self, query: impl FnOnce(oneshot::Sender<T>) -> Query) -> T {
        let (to, answer) = oneshot::channel();
        if self.queries.send(query(to)).await.is_err() {
            return T::default();
        }
        answer.await.unwrap_or_default()
    }

    /// What happened so far, in numbers.
    #[must_use]
    pub fn stats(&self) -> NetworkStats {
        let mut stats = self.shared.counters.snapshot();
        stats.throttled = self.shared.inbound.waits();
        stats
    }

    /// What became of requests so far.
    #[must_use]
    pub fn request_stats(&self) -> RequestStats {
        self.shared.requests.stats()
    }

    /// Ends all connections and tasks; waits for them, a bounded time. Further calls do nothing.
    pub async fn shutdown(&self) -> NetworkStats {
        self.running.acceptor.abort();
        if let Some(stop) = self.running.stop.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            let _ = stop.send(());
        }
        let driver = self.running.driver.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(driver) = driver {
            let _ = driver.await;
        }
        self.stats()
    }
}

/// The address book; one that is damaged is set aside.
async fn load(path: PathBuf) -> Result<AddressBook, Error> {
    let read = tokio::task::spawn_blocking(move || AddressBook::load_or_set_aside(&path));
    let Ok(read) = read.await else { return Ok(AddressBook::new()) };
    let (book, damaged) = read.map_err(Error::AddressBook)?;
    if let Some(error) = damaged {
        tracing::warn!(%error, "the address book is begun anew");
    }
    Ok(book)
}

/// A seed that nobody can predict.
fn seed() -> Result<[u8; 32], Error> {
    let mut seed = [0; 32];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut seed)
        .map_err(|_| Error::NoRandomness)?;
    Ok(seed)
}
