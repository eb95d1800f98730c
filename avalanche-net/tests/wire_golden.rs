//! Every kind of message against the bytes that AvalancheGo makes of it.
//!
//! `data/wire_golden.txt` was made by a Go program that filled the structs of AvalancheGo v1.14.2's
//! `proto/pb/p2p` with the values below and marshalled them with its version of
//! `google.golang.org/protobuf`; its `utils/compression` made the compressed frames. Here the same
//! values are encoded to the same bytes, and the bytes are decoded to the same values.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use avalanche_consensus::Id;
use avalanche_net::wire::{
    Body, Compression, DecodeError, Decoder, Encoder, FrameReader, Op, build, p2p, route,
};
use bytes::Bytes;

const CHAIN: Id = Id::new([17; 32]);
const ONE: Id = Id::new([1; 32]);
const TWO: Id = Id::new([2; 32]);
const THREE: Id = Id::new([3; 32]);
const REQUEST: u32 = 0x0102_0304;
const HEIGHT: u64 = 0x0102_0304_0506_0708;
const DEADLINE: Duration = Duration::from_secs(2);

fn id(id: Id) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}

fn bytes(bytes: &'static [u8]) -> Bytes {
    Bytes::from_static(bytes)
}

/// Each kind with all fields set, and all other cases but the empty ones.
fn full() -> Vec<(&'static str, Body)> {
    vec![
        ("full", build::ping(73)),
        ("full", handshake()),
        ("full", build::get_peer_list(bytes(&[1, 2, 3]), bytes(&[4, 5]), true)),
        ("full", build::peer_list(vec![claimed_ip_port(), p2p::ClaimedIpPort::default()])),
        ("full", build::get_state_summary_frontier(CHAIN, REQUEST, DEADLINE)),
        ("full", build::state_summary_frontier(CHAIN, REQUEST, bytes(b"summary"))),
        ("full", build::get_accepted_state_summary(CHAIN, REQUEST, DEADLINE, vec![0, 1, HEIGHT])),
        ("full", build::accepted_state_summary(CHAIN, REQUEST, [ONE, TWO])),
        ("full", build::get_accepted_frontier(CHAIN, REQUEST, DEADLINE)),
        ("full", build::accepted_frontier(CHAIN, REQUEST, ONE)),
        ("full", build::get_accepted(CHAIN, REQUEST, DEADLINE, [ONE, TWO])),
        ("full", build::accepted(CHAIN, REQUEST, [ONE, TWO])),
        ("full", build::get_ancestors(CHAIN, REQUEST, DEADLINE, ONE)),
        (
            "full",
            build::ancestors(CHAIN, REQUEST, vec![bytes(b"one"), bytes(b""), bytes(b"three")]),
        ),
        ("full", build::get(CHAIN, REQUEST, DEADLINE, ONE)),
        ("full", build::put(CHAIN, REQUEST, bytes(b"block"))),
        ("full", build::push_query(CHAIN, REQUEST, DEADLINE, bytes(b"block"), HEIGHT)),
        ("full", build::pull_query(CHAIN, REQUEST, DEADLINE, ONE, HEIGHT)),
        ("full", build::chits(CHAIN, REQUEST, vote())),
        (
            "full",
            build::app_request(CHAIN, 7, Duration::from_secs(1), bytes(&[0xde, 0xad, 0xbe, 0xef])),
        ),
        ("full", build::app_response(CHAIN, REQUEST, bytes(b"app"))),
        ("full", build::app_error(CHAIN, REQUEST, -2, "unregistered handler".to_owned())),
        ("full", build::app_gossip(CHAIN, bytes(b"app"))),
        ("full", Body::Simplex(p2p::Simplex { chain_id: id(CHAIN) })),
    ]
}

fn vote() -> build::Chits {
    build::Chits {
        preferred: ONE,
        accepted: TWO,
        preferred_at_height: THREE,
        accepted_height: HEIGHT,
    }
}

fn handshake() -> Body {
    Body::Handshake(Box::new(p2p::Handshake {
        network_id: 12345,
        my_time: 1_700_000_000,
        ip_addr: bytes(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4]),
        ip_port: 9651,
        upgrade_time: 1_607_144_400,
        ip_signing_time: 1_600_000_000,
        ip_node_id_sig: bytes(&[1, 2, 3]),
        tracked_subnets: vec![id(ONE), id(TWO)],
        client: Some(p2p::Client { name: "avalanchego".to_owned(), major: 1, minor: 14, patch: 2 }),
        supported_acps: vec![23, 24, 300],
        objected_acps: vec![181],
        known_peers: Some(p2p::BloomFilter { filter: bytes(&[1, 2, 3]), salt: bytes(&[4, 5]) }),
        ip_bls_sig: bytes(&[9; 96]),
        all_subnets: true,
    }))
}

fn claimed_ip_port() -> p2p::ClaimedIpPort {
    p2p::ClaimedIpPort {
        x509_certificate: bytes(&[1, 2, 3, 4]),
        ip_addr: bytes(&[10, 0, 0, 1]),
        ip_port: 65535,
        timestamp: 1_600_000_001,
        signature: bytes(&[7, 8]),
        tx_id: bytes(&[0; 32]),
    }
}

/// Each kind with no field set.
fn empty() -> Vec<Body> {
    vec![
        build::ping(0),
        build::pong(),
        Body::Handshake(Box::default()),
        Body::GetPeerList(p2p::GetPeerList::default()),
        Body::PeerList(p2p::PeerList::default()),
        Body::GetStateSummaryFrontier(p2p::GetStateSummaryFrontier::default()),
        Body::StateSummaryFrontier(p2p::StateSummaryFrontier::default()),
        Body::GetAcceptedStateSummary(p2p::GetAcceptedStateSummary::default()),
        Body::AcceptedStateSummary(p2p::AcceptedStateSummary::default()),
        Body::GetAcceptedFrontier(p2p::GetAcceptedFrontier::default()),
        Body::AcceptedFrontier(p2p::AcceptedFrontier::default()),
        Body::GetAccepted(p2p::GetAccepted::default()),
        Body::Accepted(p2p::Accepted::default()),
        Body::GetAncestors(p2p::GetAncestors::default()),
        Body::Ancestors(p2p::Ancestors::default()),
        Body::Get(p2p::Get::default()),
        Body::Put(p2p::Put::default()),
        Body::PushQuery(p2p::PushQuery::default()),
        Body::PullQuery(p2p::PullQuery::default()),
        Body::Chits(p2p::Chits::default()),
        Body::AppRequest(p2p::AppRequest::default()),
        Body::AppResponse(p2p::AppResponse::default()),
        Body::AppError(p2p::AppError::default()),
        Body::AppGossip(p2p::AppGossip::default()),
        Body::Simplex(p2p::Simplex::default()),
    ]
}

/// The frames of the file by kind and case.
fn golden() -> BTreeMap<(String, String), Vec<u8>> {
    let lines = include_str!("data/wire_golden.txt").lines().filter(|line| !line.starts_with('#'));
    let frames = lines.map(|line| {
        let [kind, case, hex] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("three words: {line}")
        };
        ((kind.to_owned(), case.to_owned()), unhex(hex))
    });
    frames.collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "{hex}");
    let digits = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
    digits.collect::<Result<_, _>>().expect("hex digits")
}

/// The one message of a stream that is one frame.
fn frame(stream: &[u8]) -> Bytes {
    let mut reader = FrameReader::new();
    reader.space().extend_from_slice(stream);
    let frame = reader.next_frame().expect("short").expect("whole");
    assert_eq!(reader.waiting(), 0);
    frame
}

#[test]
fn every_kind_is_encoded_as_avalanchego_does_and_decoded_again() {
    let golden = golden();
    let mut encoder = Encoder::new(Compression::None);
    let mut seen = BTreeSet::new();
    for (case, body) in full() {
        let op = Op::of(&body).expect("a kind");
        let stream = &golden[&(op.to_string(), case.to_owned())];
        let made = encoder.encode(&body).expect("short");
        assert_eq!(&made.bytes()[..], stream, "{op} {case}");
        assert_eq!((made.len(), made.op(), made.saved()), (stream.len(), op, 0));
        let decoded = Decoder::new().decode(frame(stream)).expect("good");
        assert_eq!(decoded.body, body, "{op} {case}");
        assert_eq!((decoded.op, decoded.unknown_fields, decoded.compressed), (op, 0, false));
        assert_eq!(Ok(decoded.route), route(&body));
        seen.insert(op);
    }
    let missing: Vec<_> = Op::ALL.iter().filter(|op| !seen.contains(op)).collect();
    assert_eq!(missing, [&Op::Pong], "a pong has no fields");
}

#[test]
fn empty_messages_are_encoded_as_avalanchego_does_and_refused_where_ids_are_missing() {
    let golden = golden();
    let mut encoder = Encoder::new(Compression::None);
    let bodies = empty();
    assert_eq!(bodies.iter().filter_map(Op::of).collect::<Vec<_>>(), Op::ALL);
    for body in bodies {
        let op = Op::of(&body).expect("a kind");
        let stream = &golden[&(op.to_string(), "empty".to_owned())];
        assert_eq!(&encoder.encode(&body).expect("short").bytes()[..], stream, "{op}");
        let decoded = Decoder::new().decode(frame(stream));
        if op.class() == avalanche_net::wire::Class::Control {
            assert_eq!(decoded.map(|decoded| decoded.body), Ok(body));
        } else {
            let Err(DecodeError::BadId(bad)) = decoded else { panic!("{op}: {decoded:?}") };
            assert_eq!((bad.op, bad.field, bad.len), (op, "chain_id", 0));
        }
    }
}

#[test]
fn every_golden_frame_is_used() {
    let golden = golden();
    let cases: BTreeSet<_> =
        golden.keys().map(|(kind, case)| (kind.as_str(), case.as_str())).collect();
    let full = full();
    let full = full.iter().map(|(case, body)| (Op::of(body).expect("a kind").as_str(), *case));
    let empty = Op::ALL.iter().map(|op| (op.as_str(), "empty"));
    let odd = [("simplex", "vote")].into_iter().chain(ZSTD.map(|case| ("zstd", case)));
    assert_eq!(cases, full.chain(empty).chain(odd).collect());
}

/// Compressed forms of one message. AvalancheGo's receiver takes the first two; the others it
/// refuses, and this one takes.
const ZSTD: [&str; 5] =
    ["app_gossip", "without_length", "two_frames", "skippable_first", "skippable_last"];

#[test]
fn what_avalanchego_compresses_is_decoded() {
    let golden = golden();
    let body = build::app_gossip(CHAIN, Bytes::from(b"gossip ".repeat(40)));
    let mut decoder = Decoder::new();
    for case in ZSTD {
        let stream = &golden[&("zstd".to_owned(), case.to_owned())];
        let decoded = decoder.decode(frame(stream)).expect(case);
        assert_eq!((decoded.op, &decoded.body), (Op::AppGossip, &body), "{case}");
        assert!(decoded.compressed && decoded.unknown_fields == 0, "{case}");
    }
}

#[test]
fn messages_of_the_experimental_engine_are_decoded_as_far_as_their_chain() {
    let stream = &golden()[&("simplex".to_owned(), "vote".to_owned())];
    let decoded = Decoder::new().decode(frame(stream)).expect("good");
    assert_eq!(decoded.body, Body::Simplex(p2p::Simplex { chain_id: id(CHAIN) }));
    assert_eq!((decoded.op, decoded.unknown_fields), (Op::Simplex, 0));
    assert_eq!(decoded.route.map(|route| route.chain), Some(CHAIN));
}

/// The table of the protocol's description, by hand.
#[test]
fn the_frames_of_the_description_are_these() {
    let chain = "11".repeat(32);
    for (body, hex) in [
        (build::ping(73), "000000045a020849".to_owned()),
        (build::ping(0), "000000025a00".to_owned()),
        (build::pong(), "000000026200".to_owned()),
        (
            build::get_peer_list(bytes(&[1, 2, 3]), bytes(&[4, 5]), true),
            "000000109a020d0a090a03010203120204051001".to_owned(),
        ),
        (
            build::app_request(CHAIN, 7, Duration::from_secs(1), bytes(&[0xde, 0xad, 0xbe, 0xef])),
            format!("00000033f201300a20{chain}1007188094ebdc032204deadbeef"),
        ),
    ] {
        let frame = Encoder::new(Compression::None).encode(body).expect("short");
        assert_eq!(frame.bytes()[..], unhex(&hex), "{}", frame.op());
    }
}
