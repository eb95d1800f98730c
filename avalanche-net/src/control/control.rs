//! The state machine, and the life of connections.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use avalanche_consensus::{Id, NodeId, Timestamp};
use ripemd::Digest;

use super::peer::{Due, Peer};
use super::uptime::Uptimes;
use super::{ConnectionId, ControlConfig, Direction, Event, Moment, Output, PeerValidator};
use crate::CloseReason;
use crate::identity::{BlsPublicKey, Certificate, SignedIp};
use crate::peers::{
    AddressBook, Admission, Admissions, Ban, Bans, ClaimedIp, Dialer, IpTracker, KnownNode,
    PeerKind, Score, Scores, SeedStream, TrackerConfig,
};
use crate::wire::{Body, build};

/// Who is connected, and who shall be.
///
/// # Contract
///
/// - After calls of [`Control::handle`] and [`Control::handle_timeout`], and before it waits for
///   anything, the caller takes all outputs by [`Control::poll_output`] and carries them out in
///   order.
/// - [`Moment::now`] never decreases.
/// - Every [`Output::Dial`] is answered by [`Event::Opened`] or [`Event::DialFailed`].
///
/// # Limits
///
/// Connections: [`ControlConfig::max_peers`]. Nodes that are wanted, known and scored: the limits
/// of [`IpTracker`], [`Dialer`] and [`Scores`]. A call costs O(log n) with n peers, but a peer list
/// that is asked for costs O(n).
#[derive(Debug)]
pub struct Control {
    pub(super) config: ControlConfig,
    pub(super) certificate: Certificate,
    pub(super) signed_ip: SignedIp,
    pub(super) random: SeedStream,
    pub(super) tracker: IpTracker,
    pub(super) dialer: Dialer,
    pub(super) scores: Scores,
    uptimes: Uptimes,
    /// Who was connected, and who is banned.
    pub(super) book: AddressBook,
    pub(super) admissions: Admissions,
    pub(super) peers: BTreeMap<ConnectionId, Peer>,
    pub(super) nodes: BTreeMap<NodeId, ConnectionId>,
    /// Addresses that the user wants a connection with, whoever is there.
    addresses: BTreeMap<SocketAddr, Target>,
    /// Where the user says that nodes are. As many as the tracker has room for.
    manual: BTreeMap<NodeId, SocketAddr>,
    /// Nodes that are dialled, by the address of the dial, until its handshake is complete.
    /// Several may claim one address: it is dialled once, and those that are not there wait as
    /// after a failure.
    dialling: BTreeMap<SocketAddr, BTreeSet<NodeId>>,
    /// Registered BLS keys of validators of the primary network.
    pub(super) bls_keys: BTreeMap<NodeId, BlsPublicKey>,
    pub(super) next_list: Timestamp,
    outputs: VecDeque<Output>,
}

/// An address without a name.
#[derive(Debug, Default)]
struct Target {
    /// Who was found there, while connected.
    node_id: Option<NodeId>,
}

impl Control {
    /// Addresses of [`Event::Connect`] that are kept at most; more are ignored.
    pub const ADDRESSES_MAX: usize = 1_024;

    /// A control without connections. `book` is what an earlier run left. `seed` decides all that
    /// is drawn: in a node it comes from the operating system, since who can predict it can fill
    /// the bloom filter of known peers.
    #[must_use]
    pub fn new(
        config: ControlConfig,
        certificate: Certificate,
        signed_ip: SignedIp,
        book: AddressBook,
        seed: [u8; 32],
        at: Moment,
    ) -> Self {
        let mut random = SeedStream::new(&seed);
        let dialer = Dialer::new(config.dialer.clone(), &random.bytes());
        let tracker = TrackerConfig {
            tracked_subnets: config.tracked_subnets.clone(),
            connect_to_all_validators: config.connect_to_all_validators,
            max_clock_difference: config.hello.max_clock_difference,
            ..TrackerConfig::new(certificate.node_id())
        };
        let tracker = IpTracker::new(tracker, &random.bytes(), at.now);
        Self {
            tracker,
            dialer,
            scores: Scores::new(config.scores.clone()),
            uptimes: Uptimes::default(),
            book,
            admissions: Admissions::new(config.max_peers),
            peers: BTreeMap::new(),
            nodes: BTreeMap::new(),
            addresses: BTreeMap::new(),
            manual: BTreeMap::new(),
            dialling: BTreeMap::new(),
            bls_keys: BTreeMap::new(),
            next_list: at.now.after(config.peer_list_interval),
            outputs: VecDeque::new(),
            config,
            certificate,
            signed_ip,
            random,
        }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, at: Moment, event: Event) {
        match event {
            Event::Opened { connection, direction, certificate, remote } => {
                self.opened(at, connection, direction, certificate, remote);
            }
            Event::Received { connection, body } => {
                if let Err(reason) = self.received(at, connection, body) {
                    self.end(at, connection, reason);
                }
            }
            Event::Closed { connection, reason } => self.end(at, connection, reason),
            Event::DialFailed { address, .. } => {
                self.not_there(at, address);
            }
            Event::Connect { address } => self.connect(at, address),
            Event::Track { node_id, address } => {
                if self.tracker.track_manually(node_id) {
                    self.manual.insert(node_id, address);
                    self.recall(at, &node_id);
                    let claimed = self.wanted_at(&node_id).unwrap_or(address);
                    self.want(at, node_id, claimed);
                }
            }
            Event::Validators { subnet, validators } => self.validators(at, subnet, &validators),
            Event::Outcome { node_id, latency: Some(latency) } => {
                self.scores.answered(node_id, latency, at.now);
            }
            Event::Outcome { node_id, latency: None } => self.scores.unanswered(node_id, at.now),
            Event::Ban { node_id, duration: Some(duration) } => {
                self.ban(at, node_id, "by the operator", duration);
            }
            Event::Ban { node_id, duration: None } => {
                self.book.bans.lift(&node_id);
            }
        }
        self.dial(at);
    }

    /// Does what is due: pings, ends of handshakes that took too long, dials, questions for peers.
    pub fn handle_timeout(&mut self, at: Moment) {
        let (interval, timeout) = (self.config.ping_interval, self.config.handshake_timeout);
        let due: Vec<_> = self
            .peers
            .iter_mut()
            .filter_map(|(id, peer)| Some((*id, peer.due(at.now, interval, timeout)?)))
            .collect();
        for (connection, due) in due {
            match due {
                Due::Close(reason) => self.end(at, connection, reason),
                Due::Ping => match self.still_welcome(at, connection) {
                    Ok(()) => self.ping(at, connection),
                    Err(reason) => self.end(at, connection, reason),
                },
            }
        }
        self.ask_for_peers(at);
        self.book.bans.expire(at.unix);
        self.dial(at);
    }

    fn ping(&mut self, at: Moment, connection: ConnectionId) {
        if let Some(peer) = self.peers.get(&connection) {
            let uptime = self.uptimes.percent(&peer.certificate.node_id(), at.now);
            self.send(connection, build::ping(uptime));
        }
    }

    /// When to call [`Control::handle_timeout`] next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let timeout = self.config.handshake_timeout;
        let peers = self.peers.values().map(|peer| peer.deadline(timeout)).min();
        let always = self.next_list.min(self.tracker.next_deadline());
        [peers, self.dialer.next_deadline(), Some(always)].into_iter().flatten().min()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Who is at the other end of a connection, and where.
    #[must_use]
    pub fn peer(&self, connection: ConnectionId) -> Option<(NodeId, SocketAddr)> {
        let peer = self.peers.get(&connection)?;
        Some((peer.certificate.node_id(), peer.remote))
    }

    /// The best `count` of the connected peers, best first.
    #[must_use]
    pub fn best(&self, count: usize, now: Timestamp) -> Vec<Score> {
        let finished = self.peers.values().filter(|peer| peer.finished);
        self.scores.best(count, finished.map(|peer| peer.certificate.node_id()), now)
    }

    /// Who is banned.
    #[must_use]
    pub const fn bans(&self) -> &Bans {
        &self.book.bans
    }

    /// What is worth keeping until the next run.
    #[must_use]
    pub const fn book(&self) -> &AddressBook {
        &self.book
    }

    /// Ends every connection.
    pub fn shut_down(&mut self, at: Moment) {
        for connection in self.peers.keys().copied().collect::<Vec<_>>() {
            self.end(at, connection, CloseReason::LocalShutdown);
        }
    }

    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn send(&mut self, connection: ConnectionId, body: Body) {
        self.output(Output::Send { connection, body });
    }

    fn kind(&self, node_id: &NodeId) -> PeerKind {
        if self.is_validator(node_id) {
            PeerKind::Validator
        } else if self.manual.contains_key(node_id)
            || self.addresses.values().any(|target| target.node_id == Some(*node_id))
        {
            PeerKind::Manual
        } else {
            PeerKind::Other
        }
    }

    /// Whether a node validates the primary network or a subnet that this node tracks.
    pub(super) fn is_validator(&self, node_id: &NodeId) -> bool {
        let tracked = self.config.tracked_subnets.iter();
        [Id::EMPTY].iter().chain(tracked).any(|subnet| self.tracker.is_member(subnet, node_id))
    }

    /// Where a node is that is wanted: where it claims to be, or where the user says.
    fn wanted_at(&self, node_id: &NodeId) -> Option<SocketAddr> {
        let claimed = self.tracker.claim(node_id).map(ClaimedIp::addr);
        let manual = self.manual.get(node_id).copied();
        claimed.or(manual).filter(|_| self.tracker.wants(node_id))
    }

    /// What a node claimed in an earlier run, unless it has claimed something in this one.
    fn recall(&mut self, at: Moment, node_id: &NodeId) {
        if self.tracker.claim(node_id).is_some() {
            return;
        }
        if let Some(claim) = self.book.get(node_id).and_then(KnownNode::claim) {
            self.tracker.restore(at.unix, claim);
        }
    }

    fn opened(
        &mut self,
        at: Moment,
        connection: ConnectionId,
        direction: Direction,
        certificate: Certificate,
        remote: SocketAddr,
    ) {
        let node_id = certificate.node_id();
        let refused = self.admit(at, node_id, direction).err();
        if let Some(reason) = refused {
            if let Direction::Outbound { address } = direction {
                self.not_there(at, address);
            }
            return self.output(Output::Ended {
                connection,
                node_id,
                remote,
                was_connected: false,
                reason,
            });
        }
        self.dialer.connecting(&node_id);
        let interval = self.config.ping_interval;
        self.peers.insert(connection, Peer::new(direction, certificate, remote, at.now, interval));
        self.nodes.insert(node_id, connection);
        self.output(Output::Serve { connection });
        let hello = self.hello(at);
        self.send(connection, Body::Handshake(Box::new(hello)));
    }

    /// Whether a connection is taken. Of two with the same node, the first is.
    fn admit(
        &mut self,
        at: Moment,
        node_id: NodeId,
        direction: Direction,
    ) -> Result<(), CloseReason> {
        if node_id == self.certificate.node_id() {
            return Err(CloseReason::SelfConnection);
        }
        if let Direction::Outbound { address } = direction {
            match self.addresses.get_mut(&address) {
                Some(target) => target.node_id = Some(node_id),
                None => {
                    let expected = self.dialling.get(&address);
                    if expected.is_some_and(|expected| !expected.contains(&node_id)) {
                        return Err(CloseReason::UnexpectedNode);
                    }
                }
            }
        }
        let kind = self.kind(&node_id);
        let (scores, bans) = (&self.scores, &self.book.bans);
        match self.admissions.enter(node_id, kind, scores, bans, at.now, at.unix) {
            Admission::Admit => Ok(()),
            Admission::Refuse(reason) => Err(reason),
            Admission::Replace(worst) => {
                if let Some(connection) = self.nodes.get(&worst).copied() {
                    self.end(at, connection, CloseReason::TooManyPeers);
                }
                Ok(())
            }
        }
    }

    /// Ends a connection, for whatever reason.
    pub(super) fn end(&mut self, at: Moment, connection: ConnectionId, reason: CloseReason) {
        let Some(peer) = self.peers.remove(&connection) else { return };
        let node_id = peer.certificate.node_id();
        self.nodes.remove(&node_id);
        // Who was replaced has no place any more, and the place may be another connection's.
        self.admissions.leave(&node_id);
        self.tracker.disconnected(&node_id);
        self.uptimes.disconnected(&node_id, at.now);
        if reason.is_fault() {
            self.fault(at, node_id, reason);
        }
        self.output(Output::Ended {
            connection,
            node_id,
            remote: peer.remote,
            was_connected: peer.finished,
            reason,
        });
        if reason != CloseReason::LocalShutdown {
            self.dial_again(at, &peer, node_id);
        }
    }

    /// Whom to dial after a connection ended.
    fn dial_again(&mut self, at: Moment, peer: &Peer, node_id: NodeId) {
        let named = self.addresses.iter_mut().filter(|(_, target)| target.node_id == Some(node_id));
        let mut again = Vec::new();
        for (address, target) in named {
            target.node_id = None;
            again.push(*address);
        }
        for address in again {
            let name = name_of(address);
            self.dialer.want(name, address, at.now);
            self.dialer.failed(&name, at.now);
        }
        if let Direction::Outbound { address } = peer.direction
            && !peer.finished
        {
            self.not_there(at, address);
        }
        if self.dialer.wants(&node_id) {
            self.dialer.failed(&node_id, at.now);
        } else if let Some(address) = self.wanted_at(&node_id) {
            self.want(at, node_id, address);
        }
    }

    fn fault(&mut self, at: Moment, node_id: NodeId, reason: CloseReason) {
        self.scores.fault(node_id, 1.0, at.now);
        let faults = self.scores.score(&node_id, at.now).faults;
        if faults >= self.config.faults_allowed && !self.config.fault_ban.is_zero() {
            self.ban(at, node_id, reason.as_str(), self.config.fault_ban);
        }
    }

    fn ban(&mut self, at: Moment, node_id: NodeId, reason: &str, duration: Duration) {
        let ban = Ban::new(reason, at.unix.saturating_add(duration.as_secs()));
        self.book.bans.ban(node_id, ban, at.unix);
        if let Some(connection) = self.nodes.get(&node_id).copied() {
            self.end(at, connection, CloseReason::Banned);
        }
    }

    fn connect(&mut self, at: Moment, address: SocketAddr) {
        if self.addresses.contains_key(&address) || self.addresses.len() >= Self::ADDRESSES_MAX {
            return;
        }
        self.addresses.insert(address, Target::default());
        self.dialer.want(name_of(address), address, at.now);
    }

    /// Wants a connection with a node that is not connected.
    pub(super) fn want(&mut self, at: Moment, node_id: NodeId, address: SocketAddr) {
        if node_id == self.certificate.node_id() || self.nodes.contains_key(&node_id) {
            return;
        }
        self.dialer.want(node_id, address, at.now);
    }

    fn validators(&mut self, at: Moment, subnet: Id, validators: &[PeerValidator]) {
        if subnet == Id::EMPTY {
            let keys = validators
                .iter()
                .filter_map(|validator| Some((validator.node_id, validator.bls_key?)));
            self.bls_keys = keys.collect();
        }
        let nodes: BTreeSet<_> = validators.iter().map(|validator| validator.node_id).collect();
        // Those for which there is no room are counted by the tracker.
        self.tracker.set_validators(subnet, &nodes);
        for node_id in nodes {
            self.recall(at, &node_id);
            if let Some(address) = self.wanted_at(&node_id) {
                self.want(at, node_id, address);
            }
        }
        for node_id in self.nodes.keys().copied().collect::<Vec<_>>() {
            let kind = self.kind(&node_id);
            self.admissions.set_kind(&node_id, kind);
        }
        for node_id in self.dialer.nodes().collect::<Vec<_>>() {
            let named = self.addresses.keys().any(|address| name_of(*address) == node_id);
            if !named && !self.tracker.wants(&node_id) {
                self.dialer.forget(&node_id);
            }
        }
    }

    /// Begins the dials that are due.
    fn dial(&mut self, at: Moment) {
        while let Some(dial) = self.dialer.next(at.now) {
            let there = self.dialling.entry(dial.addr).or_default();
            let is_dialled = !there.is_empty();
            there.insert(dial.node);
            if !is_dialled {
                self.output(Output::Dial { address: dial.addr });
            }
        }
    }

    /// Those that were dialled at an address are not there, or not any more.
    fn not_there(&mut self, at: Moment, address: SocketAddr) {
        for node_id in self.dialling.remove(&address).unwrap_or_default() {
            self.dialer.failed(&node_id, at.now);
        }
    }

    /// Takes in that a handshake is complete.
    pub(super) fn finished(&mut self, at: Moment, connection: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        let Some(info) = peer.info.clone() else { return };
        peer.finished = true;
        let remote = peer.remote;
        self.book.claimed(&ClaimedIp::of_peer(&info), at.unix);
        self.uptimes.connected(info.node_id, at.now);
        self.dialer.connected(&info.node_id);
        if let Direction::Outbound { address } = peer.direction {
            self.dialer.connected(&name_of(address));
            self.not_there(at, address);
        }
        self.output(Output::Connected { connection, peer: Arc::clone(&info), remote });
    }
}

/// The name under which an address is dialled whose node is not known. No certificate has it: that
/// would be a preimage.
fn name_of(address: SocketAddr) -> NodeId {
    let hash = ripemd::Ripemd160::digest(address.to_string().as_bytes());
    NodeId::new(hash.into())
}
