//! Peers that take their time. The times are short, and nothing depends on how long it really took.

use std::sync::atomic::Ordering;
use std::time::Duration;

use avalanche_net::CloseReason;
use avalanche_net::network::NetworkConfig;
use avalanche_net::wire::{Body, build};
use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::peer::{Peer, hello};
use crate::victim::{CHAIN, Node, closed, config, end_of, until};

const SHORT: Duration = Duration::from_millis(400);

/// A victim, and what an honest node does after the peer is gone.
async fn victim(change: impl FnOnce(&mut NetworkConfig)) -> Node {
    let mut config = config();
    config.control.ping_interval = SHORT / 8;
    change(&mut config);
    Node::start(config).await
}

async fn is_there_for_others(victim: &Node) {
    let mut config = config();
    config.control.ping_interval = SHORT / 8;
    let honest = Node::start(config).await;
    honest.network.connect(victim.addr());
    honest.asks(victim).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_silent_after_tls_or_never_completes_its_handshake_is_let_go() {
    let victim = victim(|config| config.control.handshake_timeout = SHORT).await;
    let mut events = victim.network.events();
    let mut silent = Peer::dial(victim.addr()).await;
    let end = end_of(&mut events, Some(silent.node_id())).await;
    assert_eq!(end, (CloseReason::Timeout, false));
    assert!(silent.wait_for(|_| false).await.is_none());
    // Pings do not count, and neither does half of a handshake.
    let mut half = Peer::dial(victim.addr()).await;
    let hello = hello(&half.identity);
    assert!(half.send(Body::Handshake(Box::new(hello))).await);
    while half.send(build::ping(1)).await {
        sleep(SHORT / 20).await;
    }
    let end = end_of(&mut events, Some(half.node_id())).await;
    assert_eq!(end, (CloseReason::Timeout, false));
    is_there_for_others(&victim).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_silent_or_sends_a_byte_now_and_then_is_let_go() {
    let victim = victim(|config| config.limits.read_timeout = SHORT).await;
    let mut events = victim.network.events();
    let mut silent = Peer::dial(victim.addr()).await;
    assert!(silent.shake().await);
    let end = end_of(&mut events, Some(silent.node_id())).await;
    assert_eq!(end, (CloseReason::Timeout, true));
    for announced in [100_u32, 2 << 20] {
        let before = closed(&victim.network, CloseReason::SlowRead);
        let mut loris = Peer::dial(victim.addr()).await;
        assert!(loris.shake().await);
        assert!(loris.write(&announced.to_be_bytes()).await);
        while loris.write(&[0]).await {
            sleep(SHORT / 20).await;
        }
        let end = end_of(&mut events, Some(loris.node_id())).await;
        assert_eq!(end, (CloseReason::SlowRead, true), "{announced}");
        assert_eq!(closed(&victim.network, CloseReason::SlowRead), before + 1);
    }
    is_there_for_others(&victim).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_slow_in_tls_is_let_go_and_holds_a_place_no_longer() {
    let victim = victim(|config| {
        config.limits.upgrade_timeout = SHORT;
        config.limits.pending_upgrades = 4;
    })
    .await;
    let mut events = victim.network.events();
    // A record that promises a ClientHello of 512 bytes.
    let mut slow = TcpStream::connect(victim.addr()).await.expect("connected");
    slow.write_all(&[22, 3, 1, 2, 0, 1]).await.expect("sent");
    while slow.write_all(&[0]).await.is_ok() {
        sleep(SHORT / 20).await;
    }
    assert_eq!(end_of(&mut events, None).await, (CloseReason::Timeout, false));
    // As many as there are places for; those beyond are closed at once.
    let silent: Vec<_> = idle(12, victim.addr()).await;
    until("refusals", || closed(&victim.network, CloseReason::ConnectionRate) >= 8).await;
    until("ends", || closed(&victim.network, CloseReason::Timeout) >= 5).await;
    assert_eq!(closed(&victim.network, CloseReason::ConnectionRate), 8);
    drop(silent);
    is_there_for_others(&victim).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_only_connects_keeps_no_other_peer_out() {
    let victim = victim(|config| config.limits.pending_upgrades = 4).await;
    let silent = idle(12, victim.addr()).await;
    until("refusals", || closed(&victim.network, CloseReason::ConnectionRate) >= 8).await;
    is_there_for_others(&victim).await;
    // It took the place of the oldest one, long before their time was over.
    assert_eq!(closed(&victim.network, CloseReason::Timeout), 0);
    assert_eq!(closed(&victim.network, CloseReason::ConnectionRate), 9);
    drop(silent);
}

async fn idle(count: usize, addr: std::net::SocketAddr) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(TcpStream::connect(addr).await.expect("connected"));
    }
    streams
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_fills_its_own_queue_loses_the_newest_and_is_let_go() {
    let victim = victim(|config| config.limits.write_timeout = SHORT).await;
    let honest = Node::start(config()).await;
    honest.network.connect(victim.addr());
    honest.asks(&victim).await;
    let mut events = victim.network.events();
    let mut deaf = Peer::dial(victim.addr()).await;
    assert!(deaf.shake().await && deaf.is_served().await);
    let node_id = deaf.node_id();
    until("a connection", || victim.network.is_connected(&node_id)).await;
    let long: Bytes = (0_u32..16_384).flat_map(u32::to_le_bytes).collect();
    let rumour = |bytes: Bytes| build::app_gossip(CHAIN, bytes);
    let (mut full, mut sent) = (0, 0);
    // Until the connection has ended: then it is not there to be sent to.
    loop {
        let done = victim.network.send(&[node_id], rumour(long.clone())).expect("not too long");
        if !done.not_connected.is_empty() {
            break;
        }
        full += done.full.len() as u64;
        if full % 64 == 1 {
            let short = Bytes::from_static(b"rumour");
            let done = victim.network.send(&[honest.node_id], rumour(short)).expect("short");
            assert!(done.full.is_empty() && done.not_connected.is_empty(), "{done:?}");
            sent += 1;
            honest.asks(&victim).await;
        }
    }
    let end = end_of(&mut events, Some(node_id)).await;
    assert_eq!(end, (CloseReason::SlowWrite, true));
    assert!(full > 0, "a queue has an end");
    let dropped = victim.network.stats().dropped.get("app").copied().unwrap_or(0);
    assert_eq!(dropped, full, "what is dropped is counted");
    let heard = || honest.gossip.load(Ordering::Relaxed);
    until("every rumour at the honest node", || heard() == sent).await;
    assert!(sent > 0);
    honest.asks(&victim).await;
}
