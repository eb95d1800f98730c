//! Laws of `Control` under random events: whatever happens, and in whatever order, what it says to
//! do can be done.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use avalanche_consensus::{Id, NodeId, Timestamp};
use avalanche_net::CloseReason;
use avalanche_net::control::{
    ConnectionId, Control, ControlConfig, Direction, Event, Moment, Output, PeerValidator,
};
use avalanche_net::identity::{Identity, SignedIp, UnsignedIp};
use avalanche_net::peers::{AddressBook, HelloConfig, make_hello};
use avalanche_net::wire::{Body, build, p2p};
use bytes::Bytes;

const UNIX: u64 = 1_800_000_000;
const NODES: usize = 12;
const MAX_PEERS: usize = 6;
const SUBNET: Id = Id::new([3; 32]);

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).expect("31 bits") % bound
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

/// Keys cost time: all runs have the same.
fn identities() -> &'static [Arc<Identity>] {
    static ALL: OnceLock<Vec<Arc<Identity>>> = OnceLock::new();
    ALL.get_or_init(|| {
        (0..NODES).map(|_| Arc::new(Identity::generate().expect("an identity"))).collect()
    })
}

/// Some claim the same.
fn addr_of(node: usize) -> SocketAddr {
    let port = 9_000 + u16::try_from(node % (NODES - 2)).expect("small");
    SocketAddr::from(([10, 0, 0, 1], port))
}

fn hello(node: usize, unix: u64) -> p2p::Handshake {
    static SIGNED: OnceLock<Vec<SignedIp>> = OnceLock::new();
    let signed = SIGNED.get_or_init(|| {
        let sign = |(node, identity): (usize, &Arc<Identity>)| {
            let ip = UnsignedIp { addr: addr_of(node), timestamp: UNIX - 100 };
            ip.sign(identity).expect("signed")
        };
        identities().iter().enumerate().map(sign).collect()
    });
    make_hello(
        &HelloConfig::new(7, 0),
        unix,
        &signed[node],
        &[SUBNET].into(),
        node.is_multiple_of(2),
        None,
    )
}

fn entry(node: usize, unix: u64) -> p2p::ClaimedIpPort {
    let hello = hello(node, unix);
    p2p::ClaimedIpPort {
        x509_certificate: Bytes::copy_from_slice(identities()[node].certificate().der()),
        ip_addr: hello.ip_addr,
        ip_port: hello.ip_port,
        timestamp: hello.ip_signing_time,
        signature: hello.ip_node_id_sig,
        tx_id: Bytes::new(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Opened,
    Served,
    Connected,
}

/// What the shell knows, and what it was told to do.
struct Shell {
    control: Control,
    random: Random,
    at: Moment,
    next: u64,
    /// Connections that are not over, and whose they are.
    open: BTreeMap<ConnectionId, (usize, Stage)>,
    ended: BTreeSet<ConnectionId>,
    /// Dials that were asked for and are not answered: how many at an address.
    dials: BTreeMap<SocketAddr, usize>,
    seen: BTreeMap<&'static str, u64>,
}

impl Shell {
    fn new(seed: u64) -> Self {
        let mut config = ControlConfig::new(HelloConfig::new(7, 0));
        config.max_peers = MAX_PEERS;
        config.tracked_subnets = [SUBNET].into();
        config.dialer.allow_private_ips = true;
        config.ping_interval = Duration::from_secs(2);
        config.handshake_timeout = Duration::from_secs(6);
        let own = &identities()[0];
        let ip = UnsignedIp { addr: addr_of(0), timestamp: UNIX }.sign(own).expect("signed");
        let at = Moment { now: Timestamp::from_millis(1_000), unix: UNIX };
        let bytes: [u8; 32] = std::array::from_fn(|at| seed.to_le_bytes()[at % 8]);
        let control =
            Control::new(config, own.certificate().clone(), ip, AddressBook::new(), bytes, at);
        Self {
            control,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            at,
            next: 0,
            open: BTreeMap::new(),
            ended: BTreeSet::new(),
            dials: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    fn see(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn handle(&mut self, event: Event) {
        self.control.handle(self.at, event);
        self.outputs();
    }

    /// Carries out what is said, and checks that it can be.
    fn outputs(&mut self) {
        while let Some(output) = self.control.poll_output() {
            match output {
                Output::Serve { connection } => {
                    let (_, stage) = self.open.get_mut(&connection).expect("open");
                    assert_eq!(*stage, Stage::Opened, "{connection} is served once");
                    *stage = Stage::Served;
                    self.see("served");
                }
                Output::Send { connection, body } => {
                    let (_, stage) = self.open[&connection];
                    assert_ne!(stage, Stage::Opened, "{connection} is served before it is sent to");
                    match body {
                        Body::Handshake(_) => assert_eq!(stage, Stage::Served, "first of all"),
                        Body::PeerList(list) => {
                            assert!(list.claimed_ip_ports.len() <= 15);
                            self.see(if list.claimed_ip_ports.is_empty() {
                                "empty list"
                            } else {
                                "list"
                            });
                        }
                        Body::GetPeerList(_) => {
                            assert_eq!(stage, Stage::Connected);
                            self.see("question");
                        }
                        Body::Ping(_) => self.see("ping"),
                        Body::Pong(_) => self.see("pong"),
                        other => panic!("{other:?} is nothing that control says"),
                    }
                }
                Output::Connected { connection, peer, .. } => {
                    let (node, stage) = self.open.get_mut(&connection).expect("open");
                    assert_eq!(*stage, Stage::Served, "{connection} is connected once");
                    assert_eq!(peer.node_id, identities()[*node].node_id());
                    *stage = Stage::Connected;
                    self.see("connected");
                }
                Output::Ended { connection, node_id, was_connected, reason, .. } => {
                    let (node, stage) = self.open.remove(&connection).expect("open");
                    assert!(self.ended.insert(connection), "{connection} ends once");
                    assert_eq!(node_id, identities()[node].node_id());
                    assert_eq!(was_connected, stage == Stage::Connected, "{connection}: {reason}");
                    self.see(reason.as_str());
                }
                Output::Dial { address } => {
                    *self.dials.entry(address).or_default() += 1;
                    self.see("dial");
                }
                other => panic!("{other:?} is not known here"),
            }
        }
        let served = self.open.values().filter(|(_, stage)| *stage != Stage::Opened);
        let nodes: Vec<_> = served.map(|(node, _)| *node).collect();
        assert!(nodes.len() <= MAX_PEERS, "{nodes:?}");
        let distinct: BTreeSet<_> = nodes.iter().collect();
        assert_eq!(distinct.len(), nodes.len(), "one connection a node: {nodes:?}");
        assert_eq!(nodes.len(), self.open.len(), "who is not served has ended");
        for (connection, (node, _)) in &self.open {
            let found = self.control.peer(*connection).map(|(node_id, _)| node_id);
            assert_eq!(found, Some(identities()[*node].node_id()));
        }
        assert!(self.control.best(100, self.at.now).len() <= nodes.len());
    }

    fn opened(&mut self, node: usize, direction: Direction) {
        self.next += 1;
        let connection = ConnectionId(self.next);
        self.open.insert(connection, (node, Stage::Opened));
        let certificate = identities()[node].certificate().clone();
        self.handle(Event::Opened { connection, direction, certificate, remote: addr_of(node) });
    }

    /// Any connection, also one that is over or never was.
    fn some_connection(&mut self) -> (ConnectionId, usize) {
        if self.open.is_empty() || self.random.one_in(20) {
            let id = ConnectionId(
                self.random.below(usize::try_from(self.next).expect("small") + 2) as u64,
            );
            return (id, self.random.below(NODES));
        }
        let at = self.random.below(self.open.len());
        let (id, (node, _)) = self.open.iter().nth(at).expect("in range");
        (*id, *node)
    }

    fn body(&mut self, node: usize) -> Body {
        let unix = self.at.unix;
        match self.random.below(14) {
            0..=3 => {
                let mut hello = hello(node, unix);
                match self.random.below(16) {
                    0 => hello.network_id += 1,
                    1 => hello.my_time += 100,
                    2 => hello.ip_port += 1,
                    3 => hello.client = None,
                    _ => {}
                }
                Body::Handshake(Box::new(hello))
            }
            4..=7 => {
                let entries = self.random.below(3);
                let list = (0..entries).map(|_| {
                    let node = self.random.below(NODES);
                    let mut entry = entry(node, unix);
                    if self.random.one_in(10) {
                        entry.timestamp += 1;
                    }
                    if self.random.one_in(20) {
                        entry.ip_port = 0;
                    }
                    entry
                });
                build::peer_list(list.collect())
            }
            8 => {
                let filter: &'static [u8] =
                    if self.random.one_in(3) { &[] } else { &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0] };
                build::get_peer_list(Bytes::from_static(filter), Bytes::new(), true)
            }
            9 | 10 => build::ping(u32::try_from(self.random.below(103)).expect("small")),
            11 if self.random.one_in(4) => build::pong(),
            _ => build::app_gossip(SUBNET, Bytes::new()),
        }
    }

    fn validators(&mut self) -> Vec<PeerValidator> {
        let mut validators = Vec::new();
        for (node, identity) in identities().iter().enumerate() {
            if self.random.one_in(2) {
                let key =
                    &identities()[if self.random.one_in(6) { (node + 1) % NODES } else { node }];
                let bls_key = Some(*key.bls().public_key());
                validators.push(PeerValidator { node_id: identity.node_id(), weight: 1, bls_key });
            }
        }
        validators
    }

    fn node_id(&mut self) -> NodeId {
        identities()[self.random.below(NODES)].node_id()
    }

    /// Something happens, then all deadlines that have come are met.
    fn step(&mut self) {
        match self.random.below(24) {
            0..=2 => {
                let node = self.random.below(NODES);
                self.opened(node, Direction::Inbound);
            }
            3..=6 => {
                let Some(address) = self.dials.keys().copied().next() else { return };
                let left = self.dials.get_mut(&address).expect("there");
                *left -= 1;
                if *left == 0 {
                    self.dials.remove(&address);
                }
                if self.random.one_in(3) {
                    self.see("dial failed");
                    self.handle(Event::DialFailed { address, reason: CloseReason::Timeout });
                } else {
                    // Somebody is there, be it another.
                    let node = self.random.below(NODES);
                    let right = (0..NODES).find(|node| addr_of(*node) == address);
                    let node = if self.random.one_in(4) { node } else { right.unwrap_or(node) };
                    self.opened(node, Direction::Outbound { address });
                }
            }
            7..=16 => {
                let (connection, node) = self.some_connection();
                let body = self.body(node);
                self.handle(Event::Received { connection, body });
            }
            17 => {
                let (connection, _) = self.some_connection();
                self.handle(Event::Closed { connection, reason: CloseReason::RemoteClosed });
            }
            18 => {
                let address = addr_of(self.random.below(NODES));
                self.handle(Event::Connect { address });
            }
            19 => {
                let (node_id, node) = (self.node_id(), self.random.below(NODES));
                self.handle(Event::Track { node_id, address: addr_of(node) });
            }
            20 => {
                let subnet = if self.random.one_in(3) { SUBNET } else { Id::EMPTY };
                let validators = self.validators();
                self.handle(Event::Validators { subnet, validators });
            }
            21 => {
                let node_id = self.node_id();
                let latency = (!self.random.one_in(2)).then_some(Duration::from_millis(30));
                self.handle(Event::Outcome { node_id, latency });
            }
            22 if self.random.one_in(3) => {
                let node_id = self.node_id();
                let duration = self.random.one_in(3).then_some(Duration::from_secs(20));
                self.handle(Event::Ban { node_id, duration });
            }
            _ => {
                let millis = [1, 40, 700, 6_000][self.random.below(4)];
                self.pass(Duration::from_millis(millis));
            }
        }
    }

    /// Time passes; each deadline on the way is met, and the next one is later.
    fn pass(&mut self, time: Duration) {
        let end = self.at.now.after(time);
        let mut calls = 0;
        while let Some(deadline) = self.control.next_deadline().filter(|at| *at <= end) {
            let now = deadline.max(self.at.now);
            self.move_to(now);
            self.control.handle_timeout(self.at);
            self.outputs();
            let next = self.control.next_deadline().expect("there is always one");
            assert!(next > now, "what was due at {now:?} is due still");
            calls += 1;
            assert!(calls < 10_000, "deadlines come without end");
        }
        self.move_to(end);
        self.see("time");
    }

    fn move_to(&mut self, now: Timestamp) {
        let origin = Timestamp::from_millis(1_000);
        self.at = Moment { now, unix: UNIX + now.since(origin).as_secs() };
    }
}

#[test]
fn whatever_happens_the_outputs_are_well_formed_and_bounds_hold() {
    let mut seen = BTreeMap::new();
    for seed in 1..=60 {
        let mut shell = Shell::new(seed);
        for _ in 0..600 {
            shell.step();
        }
        let open = shell.open.len();
        shell.control.shut_down(shell.at);
        shell.outputs();
        assert!(shell.open.is_empty(), "of {open} some are left");
        for (what, count) in shell.seen {
            *seen.entry(what).or_insert(0) += count;
        }
    }
    for what in [
        "served",
        "connected",
        "dial",
        "dial failed",
        "time",
        "ping",
        "pong",
        "list",
        "empty list",
        "question",
        "already_connected",
        "self_connection",
        "too_many_peers",
        "unexpected_node",
        "banned",
        "duplicate_handshake",
        "malformed_handshake",
        "wrong_network",
        "clock_skew",
        "invalid_signature",
        "malformed_peer_list",
        "malformed_ping",
        "unexpected_pong",
        "invalid_bloom_filter",
        "timeout",
        "remote_closed",
        "local_shutdown",
    ] {
        assert!(seen.get(what).is_some_and(|count| *count >= 10), "{what}: {seen:#?}");
    }
}

/// Whoever is wanted is dialled again, however its dials end: also when two nodes claim one
/// address.
#[test]
fn whoever_is_wanted_and_not_connected_is_dialled_again() {
    let mut shell = Shell::new(99);
    for node in [2, 3] {
        let node_id = identities()[node].node_id();
        shell.handle(Event::Track { node_id, address: addr_of(1) });
    }
    let mut dials = 0;
    for _ in 0..2_000 {
        shell.pass(Duration::from_secs(1));
        while let Some((address, count)) = shell.dials.pop_first() {
            assert_eq!(address, addr_of(1));
            for _ in 0..count {
                dials += 1;
                shell.handle(Event::DialFailed { address, reason: CloseReason::Timeout });
            }
        }
    }
    // Delays grow to a minute at most: one of them alone would be dialled less than 50 times.
    assert!(dials >= 60, "{dials}");
}
