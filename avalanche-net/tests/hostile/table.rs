//! What a peer does, and what comes of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use avalanche_consensus::Id;
use avalanche_net::CloseReason::{self, *};
use avalanche_net::control::PeerValidator;
use avalanche_net::identity::Identity;
use avalanche_net::network::NetworkStats;
use avalanche_net::wire::{Body, build, p2p};
use bytes::Bytes;

use crate::peer::{Peer, compressed, field, frame, framed, hello, identity, sign, unix};
use crate::victim::{CHAIN, Node, closed, config, end_of, until};

/// An honest node, connected.
async fn honest(victim: &Node) -> Node {
    let honest = Node::start(config()).await;
    honest.network.connect(victim.addr());
    honest.asks(victim).await;
    honest
}

type Spoil = fn(&mut p2p::Handshake);

/// What is wrong with a handshake.
fn handshakes() -> Vec<(&'static str, CloseReason, Spoil)> {
    fn client(hello: &mut p2p::Handshake, major: u32, minor: u32) {
        if let Some(client) = &mut hello.client {
            (client.major, client.minor) = (major, minor);
        }
    }
    fn filter(hello: &mut p2p::Handshake, filter: Vec<u8>, salt: usize) {
        let (filter, salt) = (filter.into(), vec![0; salt].into());
        hello.known_peers = Some(p2p::BloomFilter { filter, salt });
    }
    vec![
        ("another network", WrongNetwork, |hello| hello.network_id += 1),
        ("a clock that is fast", ClockSkew, |hello| hello.my_time += 120),
        ("a clock that is slow", ClockSkew, |hello| hello.my_time -= 120),
        ("a clock before all time", ClockSkew, |hello| hello.my_time = 0),
        ("a clock at the end of time", ClockSkew, |hello| hello.my_time = u64::MAX),
        ("an old version", IncompatibleVersion, |hello| client(hello, 1, 12)),
        ("a version of the future", IncompatibleVersion, |hello| client(hello, 2, 0)),
        ("no version", MalformedHandshake, |hello| hello.client = None),
        ("a short subnet", MalformedHandshake, |hello| {
            hello.tracked_subnets = vec![vec![1; 31].into()];
        }),
        ("seventeen subnets", TooManySubnets, |hello| {
            hello.tracked_subnets = (0..17).map(|subnet| vec![subnet; 32].into()).collect();
        }),
        ("an address of five bytes", InvalidIp, |hello| hello.ip_addr = vec![1; 5].into()),
        ("no address", InvalidIp, |hello| hello.ip_addr.clear()),
        ("port zero", InvalidIp, |hello| hello.ip_port = 0),
        ("an empty filter", InvalidBloomFilter, |hello| filter(hello, vec![], 0)),
        ("a filter without bits", InvalidBloomFilter, |hello| filter(hello, vec![1; 9], 0)),
        ("seventeen hashes", InvalidBloomFilter, |hello| filter(hello, vec![17; 200], 0)),
        ("a salt of 33 bytes", InvalidBloomFilter, |hello| filter(hello, vec![1; 10], 33)),
        ("another port than was signed", InvalidSignature, |hello| hello.ip_port += 1),
        ("another time than was signed", InvalidSignature, |hello| hello.ip_signing_time -= 1),
        ("no signature", InvalidSignature, |hello| hello.ip_node_id_sig.clear()),
        ("no BLS signature", InvalidSignature, |hello| hello.ip_bls_sig.clear()),
        ("a BLS signature off the curve", InvalidSignature, |hello| {
            hello.ip_bls_sig = vec![0x9f; 96].into();
        }),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wrong_handshake_ends_its_connection_for_its_reason_and_no_other() {
    let victim = Node::start(config()).await;
    let honest = honest(&victim).await;
    let mut events = victim.network.events();
    for (name, reason, spoil) in handshakes() {
        let before = closed(&victim.network, reason);
        let mut peer = Peer::dial(victim.addr()).await;
        let mut wrong = hello(&peer.identity);
        spoil(&mut wrong);
        peer.send(Body::Handshake(Box::new(wrong))).await;
        assert_eq!(end_of(&mut events, Some(peer.node_id())).await, (reason, false), "{name}");
        assert_eq!(closed(&victim.network, reason), before + 1, "{name}");
        assert!(peer.wait_for(|body| matches!(body, Body::PeerList(_))).await.is_none(), "{name}");
        assert!(!victim.network.is_connected(&peer.node_id()), "{name}");
        honest.asks(&victim).await;
    }
}

/// A handshake with an address that somebody signed.
fn with_ip(own: &Identity, signer: &Identity, timestamp: u64) -> p2p::Handshake {
    let ip = sign(signer, timestamp);
    p2p::Handshake {
        ip_signing_time: timestamp,
        ip_node_id_sig: ip.tls_signature,
        ip_bls_sig: Bytes::copy_from_slice(&ip.bls_signature),
        ..hello(own)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_counts_only_with_the_signatures_of_the_node_that_is_connected() {
    let victim = Node::start(config()).await;
    let honest = honest(&victim).await;
    let mut events = victim.network.events();
    let (own, other) = (identity(), identity());
    let registered = identity();
    let validator = |identity: &Arc<Identity>, key: &Arc<Identity>| PeerValidator {
        node_id: identity.node_id(),
        weight: 1,
        bls_key: Some(*key.bls().public_key()),
    };
    // The second one is registered with a key that it does not have.
    let validators = vec![validator(&own, &own), validator(&registered, &other)];
    victim.network.set_validators(Id::EMPTY, validators);
    let wrong_bls = p2p::Handshake {
        ip_bls_sig: Bytes::copy_from_slice(&sign(&other, unix()).bls_signature),
        ..hello(&own)
    };
    let fault = Some(InvalidSignature);
    let cases = [
        ("signed with another key", &own, with_ip(&own, &other, unix()), fault),
        ("replayed from another node", &own, hello(&other), fault),
        ("signed in the future", &own, with_ip(&own, &own, unix() + 120), fault),
        ("a validator's key that another has", &registered, hello(&registered), fault),
        ("honest, signed long ago", &identity(), p2p::Handshake::default(), None),
        ("a BLS signature of another key", &identity(), p2p::Handshake::default(), None),
    ];
    for (name, node, hello, expected) in cases {
        let node = if expected.is_none() { identity() } else { Arc::clone(node) };
        let mut peer = Peer::dial_as(Arc::clone(&node), victim.addr()).await;
        match expected {
            Some(reason) => {
                peer.send(Body::Handshake(Box::new(hello))).await;
                assert_eq!(
                    end_of(&mut events, Some(node.node_id())).await,
                    (reason, false),
                    "{name}"
                );
            }
            // Of who is no validator, the signature of BLS is not verified.
            None => {
                let mut hello = with_ip(&node, &node, 1_600_000_000);
                if name.starts_with("a BLS") {
                    hello.ip_bls_sig = Bytes::copy_from_slice(&sign(&other, 0).bls_signature);
                }
                peer.send(Body::Handshake(Box::new(hello))).await;
                let answer = peer.wait_for(|body| matches!(body, Body::PeerList(_))).await;
                assert!(answer.is_some(), "{name}");
            }
        }
        honest.asks(&victim).await;
        victim.network.unban(node.node_id());
    }
    let mut peer = Peer::dial_as(Arc::clone(&own), victim.addr()).await;
    peer.send(Body::Handshake(Box::new(wrong_bls))).await;
    let end = end_of(&mut events, Some(own.node_id())).await;
    // Its fourth fault would be a ban; whichever it is, it did not get in.
    assert!(matches!(end, (InvalidSignature | Banned, false)), "{end:?}");
    honest.asks(&victim).await;
}

/// What comes of a message of a peer whose handshake is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Closed(CloseReason),
    /// The connection stays: undecodable, unknown fields, undeliverable, unmatched, delivered.
    Counted([u64; 5]),
}

const UNDECODABLE: Outcome = Outcome::Counted([1, 0, 0, 0, 0]);
const UNDELIVERABLE: Outcome = Outcome::Counted([0, 0, 1, 0, 0]);
const UNMATCHED: Outcome = Outcome::Counted([0, 0, 0, 1, 0]);

fn counts(stats: &NetworkStats, node: &Node) -> [u64; 5] {
    let delivered = node.gossip.load(Ordering::Relaxed);
    let NetworkStats { undecodable, unknown_fields, undeliverable, unmatched_answers, .. } = stats;
    [*undecodable, *unknown_fields, *undeliverable, *unmatched_answers, delivered]
}

/// zstd that does not say how much it holds.
fn undeclared(plain: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).expect("an encoder");
    std::io::copy(&mut &*plain, &mut encoder).expect("compressed");
    framed(&field(2, &encoder.finish().expect("compressed")))
}

fn entry() -> p2p::ClaimedIpPort {
    let (other, unix) = (identity(), unix());
    let ip = sign(&other, unix);
    p2p::ClaimedIpPort {
        x509_certificate: Bytes::copy_from_slice(other.certificate().der()),
        ip_addr: vec![127, 0, 0, 1].into(),
        ip_port: 9,
        timestamp: unix,
        signature: ip.tls_signature,
        tx_id: vec![0; 32].into(),
    }
}

/// A peer list with one entry, and what is done to it.
fn list(spoil: impl FnOnce(&mut p2p::ClaimedIpPort)) -> Vec<u8> {
    let mut entry = entry();
    spoil(&mut entry);
    frame(build::peer_list(vec![entry]))
}

fn ask(filter: &[u8], salt: usize) -> Vec<u8> {
    let filter = Bytes::copy_from_slice(filter);
    frame(build::get_peer_list(filter, vec![0; salt].into(), false))
}

fn messages() -> Vec<(&'static str, Outcome, Vec<u8>)> {
    use Outcome::{Closed, Counted};
    let gossip = || build::app_gossip(CHAIN, Bytes::from_static(b"rumour"));
    let plain = frame(gossip()).split_off(4);
    let unknown = [&plain[..], &field(200, b"of the future")].concat();
    let bomb = vec![0; 3 << 20];
    let short_id = p2p::AppGossip { chain_id: vec![7; 31].into(), app_bytes: Bytes::new() };
    let no_filter = p2p::GetPeerList { known_peers: None, all_subnets: false };
    let one_bit = [&[1_u8][..], &[0; 9]].concat();
    let answer = |id| frame(build::app_response(CHAIN, id, Bytes::new()));
    let huge = [&u32::MAX.to_be_bytes()[..], &[0; 1_000]].concat();
    let over = ((2 << 20) + 1_u32).to_be_bytes().to_vec();
    vec![
        ("a rumour", Counted([0, 0, 0, 0, 1]), frame(gossip())),
        ("a compressed rumour", Counted([0, 0, 0, 0, 1]), compressed(&plain)),
        ("a second handshake", Closed(DuplicateHandshake), Vec::new()),
        ("a frame of 4 GiB", Closed(OversizedFrame), huge),
        ("a frame of 2 MiB and a byte", Closed(OversizedFrame), over),
        ("no protobuf", UNDECODABLE, framed(&[0xff; 40])),
        ("nothing", UNDECODABLE, framed(&[])),
        ("a kind of message that is not known", UNDECODABLE, framed(&field(199, b"?"))),
        ("no zstd", UNDECODABLE, framed(&field(2, b"not zstd at all"))),
        ("a bomb", UNDECODABLE, compressed(&bomb)),
        ("a bomb that says nothing of it", UNDECODABLE, undeclared(&bomb)),
        ("zeros of 2 MiB that are no message", UNDECODABLE, compressed(&bomb[..2 << 20])),
        ("compressed twice", UNDECODABLE, compressed(&compressed(&plain)[4..])),
        ("a chain of 31 bytes", UNDECODABLE, frame(Body::AppGossip(short_id))),
        ("a field of the future", Counted([0, 1, 0, 0, 1]), framed(&unknown)),
        ("a pong to no ping", Closed(UnexpectedPong), frame(build::pong())),
        ("an uptime of 101", Closed(MalformedPing), frame(build::ping(101))),
        ("an uptime of 100", Counted([0; 5]), frame(build::ping(100))),
        (
            "a list with a certificate that is none",
            Closed(MalformedPeerList),
            list(|entry| {
                entry.x509_certificate = vec![0x30; 300].into();
            }),
        ),
        (
            "a list with a certificate of 4 KiB",
            Closed(MalformedPeerList),
            list(|entry| {
                entry.x509_certificate = vec![0x30; 4_096].into();
            }),
        ),
        ("a list with no address", Closed(MalformedPeerList), list(|entry| entry.ip_addr.clear())),
        ("a list with port zero", Closed(MalformedPeerList), list(|entry| entry.ip_port = 0)),
        ("a list of a node that nobody wants", Counted([0; 5]), list(|_| {})),
        ("its signature forged", Counted([0; 5]), list(|entry| entry.signature.clear())),
        (
            "a question without a filter",
            Closed(InvalidBloomFilter),
            frame(Body::GetPeerList(no_filter)),
        ),
        ("a question with an empty filter", Closed(InvalidBloomFilter), ask(&[], 32)),
        ("a question with too many hashes", Closed(InvalidBloomFilter), ask(&[17; 300], 32)),
        ("a question with a long salt", Closed(InvalidBloomFilter), ask(&one_bit, 33)),
        ("a question", Counted([0; 5]), ask(&one_bit, 32)),
        (
            "a rumour of no chain here",
            UNDELIVERABLE,
            frame(build::app_gossip(Id::new([9; 32]), Bytes::new())),
        ),
        ("an answer to nothing", UNMATCHED, answer(1)),
        ("an answer to request zero", UNMATCHED, answer(0)),
        (
            "a vote for nothing",
            Counted([0, 0, 0, 0, 1]),
            frame(build::chits(
                CHAIN,
                1,
                build::Chits {
                    preferred: CHAIN,
                    preferred_at_height: CHAIN,
                    accepted: CHAIN,
                    accepted_height: 0,
                },
            )),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wrong_message_is_counted_and_ends_its_own_connection_at_most() {
    let victim = Node::start(config()).await;
    let honest = honest(&victim).await;
    let mut events = victim.network.events();
    for (name, outcome, bytes) in messages() {
        let mut peer = Peer::dial(victim.addr()).await;
        assert!(peer.shake().await && peer.is_served().await, "{name}");
        let before = victim.network.stats();
        let bytes = if bytes.is_empty() {
            frame(Body::Handshake(Box::new(hello(&peer.identity))))
        } else {
            bytes
        };
        let expected = counts(&before, &victim);
        assert!(peer.write(&bytes).await, "{name}");
        match outcome {
            Outcome::Closed(reason) => {
                let end = end_of(&mut events, Some(peer.node_id())).await;
                assert_eq!(end, (reason, true), "{name}");
                let count = before.closed.get(reason.as_str()).copied().unwrap_or(0);
                assert_eq!(closed(&victim.network, reason), count + 1, "{name}");
                assert!(peer.wait_for(|_| false).await.is_none(), "{name}");
            }
            Outcome::Counted(added) => {
                assert!(peer.is_served().await, "{name}: the connection stays");
                let sum: Vec<_> = expected.iter().zip(added).map(|(a, b)| a + b).collect();
                let is = || counts(&victim.network.stats(), &victim).to_vec();
                until(name, || is() == sum).await;
                assert_eq!(victim.network.stats().closed, before.closed, "{name}");
                // It goes before the next one is counted.
                let node_id = peer.node_id();
                drop(peer);
                let end = end_of(&mut events, Some(node_id)).await;
                assert_eq!(end, (RemoteClosed, true), "{name}");
            }
        }
        honest.asks(&victim).await;
    }
}
