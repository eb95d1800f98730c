//! Step tables of the control: what happens, and what is done about it.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use avalanche_consensus::{Id, NodeId, Timestamp};
use bytes::Bytes;

use super::*;
use crate::CloseReason;
use crate::identity::{Certificate, Identity, SignedIp, UnsignedIp};
use crate::peers::{AddressBook, HelloConfig};
use crate::wire::{Body, build, p2p};

const UNIX: u64 = 1_800_000_000;
const NETWORK: u32 = 12345;

/// Keys take a while to make: this node's first, then those of peers.
static IDENTITIES: LazyLock<Vec<Identity>> =
    LazyLock::new(|| (0..4).map(|_| Identity::generate().unwrap()).collect());

fn identity(at: usize) -> &'static Identity {
    &IDENTITIES[at]
}

fn certificate(at: usize) -> Certificate {
    identity(at).certificate().clone()
}

fn node(at: usize) -> NodeId {
    identity(at).node_id()
}

fn address(at: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9_000 + u16::try_from(at).unwrap()))
}

fn signed_ip(at: usize, timestamp: u64) -> SignedIp {
    UnsignedIp { addr: address(at), timestamp }.sign(identity(at)).unwrap()
}

fn seconds(seconds: u64) -> Moment {
    Moment { now: Timestamp::from_millis(seconds * 1_000), unix: UNIX + seconds }
}

fn config() -> ControlConfig {
    let mut config = ControlConfig::new(HelloConfig::new(NETWORK, 0));
    config.dialer.allow_private_ips = true;
    config
}

fn control_with(config: ControlConfig) -> Control {
    Control::new(
        config,
        certificate(0),
        signed_ip(0, UNIX),
        AddressBook::new(),
        [7; 32],
        seconds(0),
    )
}

fn control() -> Control {
    control_with(config())
}

/// The handshake of a peer that does everything right.
fn hello(at: usize, moment: Moment) -> p2p::Handshake {
    let config = HelloConfig::new(NETWORK, 0);
    let ip = signed_ip(at, UNIX);
    crate::peers::make_hello(&config, moment.unix, &ip, &Default::default(), false, None)
}

/// What a control does, in words that a table can hold.
fn outputs(control: &mut Control) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(output) = control.poll_output() {
        all.push(match output {
            Output::Serve { connection } => format!("serve {}", connection.0),
            Output::Send { connection, body } => {
                let op = crate::wire::Op::of(&body).unwrap();
                format!("{} to {}", op.as_str(), connection.0)
            }
            Output::Connected { connection, .. } => format!("connected {}", connection.0),
            Output::Ended { connection, reason, was_connected, .. } => {
                let was = if was_connected { "connected " } else { "" };
                format!("ended {was}{}: {reason}", connection.0)
            }
            Output::Dial { address } => format!("dial {}", address.port()),
        });
    }
    all
}

fn opened(connection: u64, at: usize) -> Event {
    Event::Opened {
        connection: ConnectionId(connection),
        direction: Direction::Inbound,
        certificate: certificate(at),
        remote: address(at),
    }
}

fn dialled(connection: u64, at: usize, to: SocketAddr) -> Event {
    Event::Opened {
        connection: ConnectionId(connection),
        direction: Direction::Outbound { address: to },
        certificate: certificate(at),
        remote: to,
    }
}

fn received(connection: u64, body: Body) -> Event {
    Event::Received { connection: ConnectionId(connection), body }
}

/// A peer whose handshake is complete.
fn connect(control: &mut Control, connection: u64, at: usize, moment: Moment) {
    control.handle(moment, opened(connection, at));
    control.handle(moment, received(connection, Body::Handshake(Box::new(hello(at, moment)))));
    control.handle(moment, received(connection, build::peer_list(Vec::new())));
    let done = outputs(control);
    assert!(done.contains(&format!("connected {connection}")), "{done:?}");
}

fn validators(at: &[usize]) -> Event {
    let validator = |at: &usize| PeerValidator {
        node_id: node(*at),
        weight: 100,
        bls_key: Some(*identity(*at).bls().public_key()),
    };
    Event::Validators { subnet: Id::EMPTY, validators: at.iter().map(validator).collect() }
}

#[test]
fn a_handshake_is_sent_at_once_answered_by_a_list_and_finished_by_one() {
    let mut control = control();
    let at = seconds(1);
    control.handle(at, opened(1, 1));
    assert_eq!(outputs(&mut control), ["serve 1", "handshake to 1"]);
    // AvalancheGo ignores a list that comes first.
    control.handle(at, received(1, build::peer_list(Vec::new())));
    assert_eq!(outputs(&mut control), [""; 0]);
    control.handle(at, received(1, Body::Handshake(Box::new(hello(1, at)))));
    assert_eq!(outputs(&mut control), ["peer_list to 1"]);
    control.handle(at, received(1, build::peer_list(Vec::new())));
    assert_eq!(outputs(&mut control), ["connected 1"]);
    control.handle(at, received(1, build::peer_list(Vec::new())));
    assert_eq!(outputs(&mut control), [""; 0], "only once");
    control.handle(at, received(1, build::ping(100)));
    assert_eq!(outputs(&mut control), ["pong to 1"]);
    control.handle(
        at,
        Event::Closed { connection: ConnectionId(1), reason: CloseReason::RemoteClosed },
    );
    assert_eq!(outputs(&mut control), ["ended connected 1: remote_closed"]);
    // What was under way when it closed.
    control.handle(at, received(1, build::ping(100)));
    assert_eq!(outputs(&mut control), [""; 0]);
}

#[test]
fn each_wrong_of_a_peer_ends_its_connection_for_its_own_reason() {
    let at = seconds(1);
    let with = |change: fn(&mut p2p::Handshake)| {
        let mut hello = hello(1, at);
        change(&mut hello);
        Body::Handshake(Box::new(hello))
    };
    let filter = |filter: &'static [u8]| p2p::BloomFilter {
        filter: Bytes::from_static(filter),
        salt: Bytes::new(),
    };
    let table: Vec<(Body, CloseReason)> = vec![
        (with(|hello| hello.network_id = 1), CloseReason::WrongNetwork),
        (with(|hello| hello.my_time -= 61), CloseReason::ClockSkew),
        (with(|hello| hello.ip_signing_time += 1), CloseReason::InvalidSignature),
        (with(|hello| hello.ip_addr = Bytes::from_static(&[1; 5])), CloseReason::InvalidIp),
        (with(|hello| hello.client = None), CloseReason::MalformedHandshake),
    ];
    for (body, reason) in table {
        let mut control = control();
        control.handle(at, opened(1, 1));
        outputs(&mut control);
        control.handle(at, received(1, body));
        assert_eq!(outputs(&mut control), [format!("ended 1: {reason}")]);
    }
    let connected: Vec<(Body, CloseReason)> = vec![
        (Body::Handshake(Box::new(hello(1, at))), CloseReason::DuplicateHandshake),
        (build::ping(101), CloseReason::MalformedPing),
        (build::pong(), CloseReason::UnexpectedPong),
        (Body::GetPeerList(p2p::GetPeerList::default()), CloseReason::InvalidBloomFilter),
        (
            Body::GetPeerList(p2p::GetPeerList {
                known_peers: Some(filter(&[0])),
                all_subnets: true,
            }),
            CloseReason::InvalidBloomFilter,
        ),
        (build::peer_list(vec![p2p::ClaimedIpPort::default()]), CloseReason::MalformedPeerList),
    ];
    for (body, reason) in connected {
        let mut control = control();
        connect(&mut control, 1, 1, at);
        control.handle(at, received(1, body));
        assert_eq!(outputs(&mut control), [format!("ended connected 1: {reason}")]);
        assert!(control.bans().is_empty(), "once is not enough to be banned");
    }
}

#[test]
fn of_two_connections_with_a_node_the_first_stays_and_none_is_with_oneself() {
    let mut control = control();
    let at = seconds(1);
    control.handle(at, opened(1, 1));
    outputs(&mut control);
    control.handle(at, opened(2, 1));
    assert_eq!(outputs(&mut control), ["ended 2: already_connected"]);
    control.handle(at, dialled(3, 0, address(9)));
    assert_eq!(outputs(&mut control), ["ended 3: self_connection"]);
    control.handle(
        at,
        Event::Closed { connection: ConnectionId(1), reason: CloseReason::RemoteClosed },
    );
    control.handle(at, opened(4, 1));
    assert_eq!(
        outputs(&mut control),
        ["ended 1: remote_closed", "serve 4", "handshake to 4"],
        "its place is free again"
    );
}

#[test]
fn pings_go_out_in_time_and_a_handshake_that_does_not_end_is_ended() {
    let mut control = control();
    connect(&mut control, 1, 1, seconds(0));
    control.handle(seconds(0), opened(2, 2));
    outputs(&mut control);
    let mut pings = Vec::new();
    for half in 1..120 {
        let now = Timestamp::from_millis(half * 500);
        control.handle_timeout(Moment { now, unix: UNIX + half / 2 });
        for output in outputs(&mut control) {
            pings.push((half * 500, output));
        }
    }
    let seen: Vec<_> = pings.iter().map(|(at, output)| (*at, output.as_str())).collect();
    assert_eq!(
        seen,
        [
            (22_500, "ping to 1"),
            (22_500, "ping to 2"),
            (30_000, "ended 2: timeout"),
            (45_000, "ping to 1"),
        ]
    );
    // One pong for both.
    control.handle(seconds(60), received(1, build::pong()));
    assert_eq!(outputs(&mut control), [""; 0]);
    control.handle(seconds(60), received(1, build::pong()));
    assert_eq!(outputs(&mut control), ["ended connected 1: unexpected_pong"]);
    assert!(control.best(9, seconds(60).now).is_empty());
}

#[test]
fn an_address_is_dialled_until_somebody_answers_and_again_when_he_leaves() {
    let mut control = control();
    let to = address(1);
    control.handle(seconds(1), Event::Connect { address: to });
    assert_eq!(outputs(&mut control), ["dial 9001"]);
    let mut dials = 0;
    for second in 2..200 {
        let at = seconds(second);
        let failed = Event::DialFailed { address: to, reason: CloseReason::RemoteClosed };
        control.handle(at, failed);
        control.handle_timeout(at);
        dials += outputs(&mut control).len();
    }
    assert!((5..40).contains(&dials), "{dials} dials in 200 s, with growing delays");
    let at = seconds(300);
    control.handle_timeout(at);
    control.handle(at, dialled(1, 1, to));
    control.handle(at, received(1, Body::Handshake(Box::new(hello(1, at)))));
    control.handle(at, received(1, build::peer_list(Vec::new())));
    let done = outputs(&mut control);
    assert_eq!(done.last().unwrap(), "connected 1");
    for second in 301..310 {
        control.handle_timeout(seconds(second));
    }
    assert_eq!(outputs(&mut control), [""; 0], "who is connected is not dialled");
    let closed = Event::Closed { connection: ConnectionId(1), reason: CloseReason::RemoteClosed };
    control.handle(seconds(310), closed);
    for second in 310..314 {
        control.handle_timeout(seconds(second));
    }
    assert_eq!(outputs(&mut control), ["ended connected 1: remote_closed", "dial 9001"]);
}

#[test]
fn a_tracked_node_is_dialled_and_somebody_else_at_its_address_is_not_taken() {
    let mut control = control();
    let track = Event::Track { node_id: node(1), address: address(1) };
    control.handle(seconds(1), track);
    assert_eq!(outputs(&mut control), ["dial 9001"]);
    control.handle(seconds(1), dialled(1, 2, address(1)));
    assert_eq!(outputs(&mut control), ["ended 1: unexpected_node"]);
    for second in 2..6 {
        control.handle_timeout(seconds(second));
    }
    assert_eq!(outputs(&mut control), ["dial 9001"]);
    let at = seconds(6);
    control.handle(at, dialled(2, 1, address(1)));
    control.handle(at, received(2, Body::Handshake(Box::new(hello(1, at)))));
    control.handle(at, received(2, build::peer_list(Vec::new())));
    assert_eq!(outputs(&mut control).last().unwrap(), "connected 2");
}

#[test]
fn a_validator_is_learnt_of_by_a_peer_list_and_dialled() {
    let mut control = control();
    control.handle(seconds(1), validators(&[1, 2]));
    assert_eq!(outputs(&mut control), [""; 0], "where they are is not known");
    connect(&mut control, 1, 1, seconds(1));
    let claim = |at: usize, timestamp| {
        let ip = signed_ip(at, timestamp);
        crate::peers::ClaimedIp::new(certificate(at), ip.ip, &ip.tls_signature).to_wire()
    };
    // The third is nobody's validator: not even looked at.
    let mut unwanted = claim(3, UNIX);
    unwanted.signature = Bytes::from_static(b"forged");
    let list = vec![unwanted, claim(2, UNIX)];
    control.handle(seconds(2), received(1, build::peer_list(list)));
    assert_eq!(outputs(&mut control), ["dial 9002"]);
    // A claim of the same time again says nothing new, and a forged newer one ends the connection.
    control.handle(seconds(2), received(1, build::peer_list(vec![claim(2, UNIX)])));
    assert_eq!(outputs(&mut control), [""; 0]);
    let mut forged = claim(2, UNIX);
    forged.timestamp += 1;
    control.handle(seconds(2), received(1, build::peer_list(vec![forged])));
    let done = outputs(&mut control);
    assert_eq!(done[0], "ended connected 1: invalid_signature");
}

#[test]
fn a_validator_must_have_signed_with_its_registered_key_now_and_later() {
    let wrong = |at: usize| {
        let Event::Validators { subnet, mut validators } = validators(&[at]) else {
            panic!("validators");
        };
        validators[0].bls_key = Some(*identity(3).bls().public_key());
        Event::Validators { subnet, validators }
    };
    let at = seconds(1);
    let mut strict = control();
    strict.handle(at, wrong(1));
    strict.handle(at, opened(1, 1));
    strict.handle(at, received(1, Body::Handshake(Box::new(hello(1, at)))));
    assert_eq!(outputs(&mut strict).last().unwrap(), "ended 1: invalid_signature");
    // It becomes one while it is connected: the next ping finds out.
    let mut later = control();
    connect(&mut later, 1, 1, at);
    later.handle(at, validators(&[1]));
    let tick = |control: &mut Control, second| {
        control.handle_timeout(seconds(second));
        outputs(control)
    };
    assert_eq!(tick(&mut later, 24)[0], "ping to 1");
    later.handle(seconds(25), wrong(1));
    let done = tick(&mut later, 47);
    assert!(done.contains(&"ended connected 1: invalid_signature".to_owned()), "{done:?}");
}

#[test]
fn peers_are_asked_for_others_every_two_seconds() {
    let mut control = control();
    control.handle(seconds(0), validators(&[1]));
    connect(&mut control, 1, 1, seconds(0));
    connect(&mut control, 2, 2, seconds(0));
    let mut asked = Vec::new();
    for second in 1..=10 {
        control.handle_timeout(seconds(second));
        asked.extend(outputs(&mut control));
    }
    assert_eq!(asked, ["get_peer_list to 1"; 5], "the validator, not the other");
}

#[test]
fn who_is_asked_tells_what_the_other_does_not_know() {
    let mut control = control();
    control.handle(seconds(0), validators(&[0, 1, 2]));
    connect(&mut control, 1, 1, seconds(0));
    connect(&mut control, 2, 2, seconds(0));
    let known = Event::Received {
        connection: ConnectionId(1),
        body: build::get_peer_list(
            Bytes::from_static(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            Bytes::new(),
            true,
        ),
    };
    control.handle(seconds(1), known);
    let mut told = Vec::new();
    while let Some(output) = control.poll_output() {
        if let Output::Send { connection, body: Body::PeerList(list) } = output {
            assert_eq!(connection, ConnectionId(1));
            told.extend(list.claimed_ip_ports);
        }
    }
    assert_eq!(told.len(), 1, "the other validator, and not the one that asks");
    assert_eq!(told[0].x509_certificate, *certificate(2).der());
    // A filter that has everything: nothing is answered.
    let all = Bytes::from_static(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 255]);
    control.handle(seconds(1), received(1, build::get_peer_list(all, Bytes::new(), true)));
    assert_eq!(outputs(&mut control), [""; 0]);
}

#[test]
fn who_breaks_the_protocol_again_and_again_is_banned_for_a_while() {
    let mut control = control();
    let mut reasons = Vec::new();
    for connection in 1..=5 {
        control.handle(seconds(connection), opened(connection, 1));
        control.handle(seconds(connection), received(connection, build::ping(101)));
        reasons.push(outputs(&mut control).pop().unwrap());
    }
    let expected = [
        "ended 1: malformed_ping",
        "ended 2: malformed_ping",
        "ended 3: malformed_ping",
        "ended 4: malformed_ping",
        "ended 5: banned",
    ];
    assert_eq!(reasons, expected, "old faults weigh less, so the fourth is the third whole one");
    assert_eq!(control.bans().len(), 1);
    control.handle_timeout(seconds(610));
    control.handle(seconds(610), opened(9, 1));
    assert_eq!(outputs(&mut control), ["serve 9", "handshake to 9"]);
    // The operator's word counts at once, and can be taken back.
    let ban = |duration| Event::Ban { node_id: node(1), duration };
    control.handle(seconds(611), ban(Some(Duration::from_secs(60))));
    control.handle(seconds(611), opened(10, 1));
    control.handle(seconds(611), ban(None));
    control.handle(seconds(611), opened(11, 1));
    assert_eq!(
        outputs(&mut control),
        ["ended 9: banned", "ended 10: banned", "serve 11", "handshake to 11"]
    );
}

#[test]
fn a_full_house_makes_room_for_a_validator_only() {
    let mut control = control_with(ControlConfig { max_peers: 1, ..config() });
    connect(&mut control, 1, 1, seconds(0));
    control.handle(seconds(1), opened(2, 2));
    assert_eq!(outputs(&mut control), ["ended 2: too_many_peers"]);
    control.handle(seconds(1), validators(&[2]));
    control.handle(seconds(1), opened(3, 2));
    assert_eq!(
        outputs(&mut control),
        ["ended connected 1: too_many_peers", "serve 3", "handshake to 3"]
    );
    control.handle(seconds(1), opened(4, 1));
    assert_eq!(outputs(&mut control), ["ended 4: too_many_peers"]);
    control.shut_down(seconds(2));
    assert_eq!(outputs(&mut control), ["ended 3: local_shutdown"]);
    assert_eq!(control.peer(ConnectionId(3)), None);
}

#[test]
fn what_a_node_claimed_in_an_earlier_run_is_where_it_is_dialled() {
    let mut earlier = control();
    connect(&mut earlier, 1, 1, seconds(0));
    earlier.handle(seconds(1), Event::Ban { node_id: node(2), duration: Some(Duration::MAX) });
    let book = earlier.book().clone();
    let new = |book| {
        Control::new(config(), certificate(0), signed_ip(0, UNIX), book, [8; 32], seconds(0))
    };
    let mut later = new(book);
    later.handle(seconds(0), validators(&[1, 2]));
    assert_eq!(outputs(&mut later), ["dial 9001"], "the other was never connected");
    later.handle(seconds(0), opened(1, 2));
    assert_eq!(outputs(&mut later), ["ended 1: banned"]);
    // The book can be forged by whoever writes the disk, a claim cannot.
    let mut forged = AddressBook::new();
    let mut ip = signed_ip(1, UNIX);
    ip.ip.timestamp += 1;
    forged.claimed(&crate::peers::ClaimedIp::new(certificate(1), ip.ip, &ip.tls_signature), UNIX);
    let mut later = new(forged);
    later.handle(seconds(0), validators(&[1, 2]));
    assert_eq!(outputs(&mut later), [""; 0]);
}

#[test]
fn questions_for_peers_that_come_too_fast_are_ignored_and_a_slow_one_is_answered_again() {
    let mut control = control();
    control.handle(seconds(0), validators(&[0, 1, 2]));
    connect(&mut control, 1, 1, seconds(0));
    connect(&mut control, 2, 2, seconds(0));
    let ask = || {
        let nothing = Bytes::from_static(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        received(1, build::get_peer_list(nothing, Bytes::new(), true))
    };
    for _ in 0..100 {
        control.handle(seconds(1), ask());
    }
    let first = outputs(&mut control);
    assert!((1..=16).contains(&first.len()), "{} answers to 100 questions at once", first.len());
    control.handle(seconds(5), ask());
    assert_eq!(outputs(&mut control), ["peer_list to 1"]);
}

#[test]
fn a_ping_says_how_much_of_the_time_the_peer_was_there() {
    let mut control = control();
    connect(&mut control, 1, 1, seconds(0));
    let closed = Event::Closed { connection: ConnectionId(1), reason: CloseReason::RemoteClosed };
    control.handle(seconds(10), closed);
    connect(&mut control, 2, 1, seconds(20));
    control.handle_timeout(seconds(43));
    let mut told = Vec::new();
    while let Some(output) = control.poll_output() {
        if let Output::Send { body: Body::Ping(ping), .. } = output {
            told.push(ping.uptime);
        }
    }
    assert_eq!(told, [76], "33 of 43 seconds");
}
