//! Messages at the wrong time: before the handshake is complete, and answers that are none.

use std::sync::atomic::Ordering;

use avalanche_net::network::{Network, RequestFailed};
use avalanche_net::requests::RequestStats;
use avalanche_net::wire::{Body, build, p2p};
use bytes::Bytes;

use crate::peer::{PATIENCE, Peer, frame, hello};
use crate::victim::{CHAIN, Node, config, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_before_the_handshake_is_complete_is_counted_and_not_delivered() {
    let victim = Node::start(config()).await;
    let mut peer = Peer::dial(victim.addr()).await;
    let rumour = || build::app_gossip(CHAIN, Bytes::from_static(b"too early"));
    assert!(peer.send(rumour()).await && peer.is_served().await);
    let seen = |victim: &Node| {
        (victim.network.stats().undeliverable, victim.gossip.load(Ordering::Relaxed))
    };
    until("the count of one", || seen(&victim) == (1, 0)).await;
    // A list before the handshake completes nothing.
    assert!(peer.send(build::peer_list(Vec::new())).await && peer.is_served().await);
    assert!(!victim.network.is_connected(&peer.node_id()));
    let hello = hello(&peer.identity);
    assert!(peer.send(Body::Handshake(Box::new(hello))).await);
    assert!(peer.wait_for(|body| matches!(body, Body::PeerList(_))).await.is_some());
    // The other end has said all, this one has not.
    assert!(peer.send(rumour()).await && peer.is_served().await);
    until("the count of two", || seen(&victim) == (2, 0)).await;
    // A question is answered with silence until then.
    let filter = Bytes::from_static(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert!(peer.send(build::get_peer_list(filter, Bytes::new(), true)).await);
    assert!(peer.send(build::peer_list(Vec::new())).await && peer.is_served().await);
    until("a connection", || victim.network.is_connected(&peer.node_id())).await;
    assert!(peer.send(rumour()).await && peer.is_served().await);
    until("a delivery", || seen(&victim) == (2, 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_in_one_breath_with_the_end_of_the_handshake_is_answered() {
    let victim = Node::start(config()).await;
    for number in 0..20 {
        let mut peer = Peer::dial(victim.addr()).await;
        let hello = hello(&peer.identity);
        assert!(peer.send(Body::Handshake(Box::new(hello))).await);
        assert!(peer.wait_for(|body| matches!(body, Body::PeerList(_))).await.is_some());
        let end = frame(build::peer_list(Vec::new()));
        let question = Bytes::from_static(b"at once");
        let question = frame(build::app_request(CHAIN, number, PATIENCE, question));
        assert!(peer.write(&[end, question].concat()).await);
        let answer = peer.wait_for(|body| matches!(body, Body::AppResponse(_))).await;
        assert!(answer.is_some(), "{number}");
    }
    assert_eq!(victim.network.stats().undeliverable, 0);
}

/// The victim asks; what the peer was asked.
async fn asked(
    network: &Network,
    peer: &mut Peer,
) -> (tokio::task::JoinHandle<Result<Bytes, RequestFailed>>, p2p::AppRequest) {
    let (network, node_id) = (network.clone(), peer.node_id());
    let question = Bytes::from_static(b"?");
    let asks = tokio::spawn(async move { network.app_request(node_id, CHAIN, question).await });
    let request = peer.wait_for(|body| matches!(body, Body::AppRequest(_))).await;
    let Some(Body::AppRequest(request)) = request else { panic!("no request came") };
    (asks, request)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_late_twice_or_of_another_kind_reach_nobody() {
    let victim = Node::start(config()).await;
    let (mut peer, mut other) = (Peer::dial(victim.addr()).await, Peer::dial(victim.addr()).await);
    assert!(peer.shake().await && peer.is_served().await);
    assert!(other.shake().await && other.is_served().await);
    let network = &victim.network;
    until("connections", || network.peers().len() == 2).await;
    let is = |expected: RequestStats, unmatched: u64| {
        let (requests, stats) = (network.request_stats(), network.stats());
        requests == expected && stats.unmatched_answers == unmatched
    };
    let answer =
        |id, bytes: &'static [u8]| build::app_response(CHAIN, id, Bytes::from_static(bytes));
    let mut expected = RequestStats::default();

    // Another node's answer to the same number, then an answer of another kind, then the true one.
    let (asks, request) = asked(network, &mut peer).await;
    assert!(other.send(answer(request.request_id, b"forged")).await && other.is_served().await);
    let chits = build::Chits {
        preferred: CHAIN,
        preferred_at_height: CHAIN,
        accepted: CHAIN,
        accepted_height: 0,
    };
    assert!(peer.send(build::chits(CHAIN, request.request_id, chits)).await);
    assert!(peer.send(answer(request.request_id + 2, b"another number")).await);
    assert!(peer.send(answer(request.request_id, b"true")).await);
    assert!(peer.send(answer(request.request_id, b"again")).await && peer.is_served().await);
    assert_eq!(asks.await.expect("asked"), Ok(Bytes::from_static(b"true")));
    expected.registered += 1;
    expected.matched += 1;
    expected.duplicate += 1;
    // The other's, and the other number. The vote may be of an engine that counts its own: it is
    // delivered, and no unmatched answer.
    expected.unsolicited += 2;
    expected.wrong_op += 1;
    until(&format!("{expected:?}, now {:?}", network.request_stats()), || is(expected, 3)).await;
    until("the vote", || victim.gossip.load(Ordering::Relaxed) == 1).await;

    // Silence until the deadline, and an answer after it.
    let (asks, request) = asked(network, &mut peer).await;
    assert_eq!(asks.await.expect("asked"), Err(RequestFailed::TimedOut));
    assert!(peer.write(&frame(answer(request.request_id, b"late"))).await);
    assert!(peer.is_served().await);
    expected.registered += 1;
    expected.timed_out += 1;
    expected.late += 1;
    until("counts", || is(expected, 4)).await;

    // Who goes away fails what was asked.
    let (asks, _) = asked(network, &mut peer).await;
    drop(peer);
    assert_eq!(asks.await.expect("asked"), Err(RequestFailed::Disconnected));
}
