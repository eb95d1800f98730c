//! One peer's flood is its own trouble. In memory and simulated time, where a time is what a limit
//! makes it; and once over sockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use avalanche_consensus::{Id, NodeId};
use avalanche_net::network::{Inbox, Network, NetworkConfig};
use avalanche_net::throttle::BandwidthConfig;
use avalanche_net::transport::MemoryNetwork;
use avalanche_net::wire::{Body, Class, Op, build};
use bytes::Bytes;
use tokio::time::{Instant, sleep};

use crate::peer::{NETWORK_ID, Peer, frame, identity};
use crate::victim::{CHAIN, Node, closed, config, until};

const OTHER_CHAIN: Id = Id::new([8; 32]);
const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 9_651);

struct World {
    memory: MemoryNetwork,
    victim: Network,
    victim_id: NodeId,
}

impl World {
    async fn new(change: impl FnOnce(&mut NetworkConfig)) -> Self {
        let memory = MemoryNetwork::new();
        let mut config = NetworkConfig::new(NETWORK_ID, HERE);
        change(&mut config);
        let identity = identity();
        let transport = memory.transport(identity.certificate().clone(), HERE.ip());
        let victim_id = identity.node_id();
        let victim = Network::start_on(config, identity, Arc::new(transport)).await;
        Self { memory, victim: victim.expect("a network"), victim_id }
    }

    /// A network that is connected with the victim.
    async fn honest(&self, last: u8) -> (Network, NodeId) {
        let addr = SocketAddr::from(([10, 0, 0, last], 9_651));
        let identity = identity();
        let node_id = identity.node_id();
        let transport = self.memory.transport(identity.certificate().clone(), addr.ip());
        let config = NetworkConfig::new(NETWORK_ID, addr);
        let network = Network::start_on(config, identity, Arc::new(transport)).await;
        let network = network.expect("a network");
        network.connect(HERE);
        until("a connection", || {
            network.is_connected(&self.victim_id) && self.victim.is_connected(&node_id)
        })
        .await;
        (network, node_id)
    }

    async fn raw(&self, last: u8) -> Peer {
        let identity = identity();
        let ip = Ipv4Addr::new(10, 0, 0, last).into();
        let transport = self.memory.transport(identity.certificate().clone(), ip);
        let mut peer = Peer::dial_on(&transport, identity, HERE).await.expect("connected");
        assert!(peer.shake().await);
        until("a connection", || self.victim.is_connected(&peer.node_id())).await;
        peer
    }
}

fn number(body: &Body) -> u32 {
    avalanche_net::wire::route(body).expect("an id").expect("a chain").request_id.expect("a number")
}

fn query(chain: Id, number: u32) -> Body {
    build::pull_query(chain, number, Duration::from_secs(3_600), chain, 1)
}

/// Sends numbered queries at a pace.
fn ask(from: &Network, to: NodeId, chain: Id, count: u32) -> tokio::task::JoinHandle<()> {
    let from = from.clone();
    tokio::spawn(async move {
        for number in 0..count {
            let sent = from.send(&[to], query(chain, number)).expect("short");
            assert_eq!(sent.queued, [to], "number {number}");
            sleep(Duration::from_millis(20)).await;
        }
    })
}

/// Sends the same over and over until the connection ends.
fn flood(mut peer: Peer, bytes: Vec<u8>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move { while peer.write(&bytes).await {} })
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_sees_every_vote_of_honest_peers_in_order_under_a_flood_of_applications() {
    let world = World::new(|config| {
        config.limits.inbox.lane_messages = 256;
        config.limits.inbox.maximum_deadline = Duration::from_secs(3_600);
        config.limits.messages_in_work = 512;
    })
    .await;
    let mut inbox = world.victim.register(CHAIN).expect("a chain");
    let app = [
        frame(build::app_gossip(CHAIN, vec![1; 200].into())),
        frame(build::app_request(CHAIN, 1, Duration::from_secs(3_600), vec![2; 200].into())),
    ]
    .concat();
    let attacker = world.raw(99).await;
    let attacker_id = attacker.node_id();
    let flood = flood(attacker, app);
    let mut honest = Vec::new();
    for last in 2..5 {
        let (network, node_id) = world.honest(last).await;
        ask(&network, world.victim_id, CHAIN, 200);
        honest.push((network, node_id, Vec::new()));
    }
    let (mut of_attacker, mut of_app) = (0, 0);
    while honest.iter().any(|(_, _, seen)| seen.len() < 200) {
        let delivery = inbox.recv().await.expect("it runs");
        let from = honest.iter_mut().find(|(_, node_id, _)| *node_id == delivery.node_id);
        match from {
            Some((_, _, seen)) => seen.push(number(&delivery.body)),
            None => {
                assert_eq!(delivery.node_id, attacker_id);
                of_attacker += 1;
                of_app += u32::from(delivery.op.class() == Class::App);
            }
        }
        sleep(Duration::from_millis(5)).await;
    }
    for (_, node_id, seen) in &honest {
        assert!(seen.iter().copied().eq(0..200), "{node_id}: {seen:?}");
    }
    assert_eq!((of_attacker, inbox.stats().dropped_sync, inbox.stats().expired), (of_app, 0, 0));
    assert!(of_app > 0 && inbox.stats().dropped_app > 0, "{of_app} {:?}", inbox.stats());
    assert!(world.victim.stats().throttled > 0);
    flood.abort();
}

#[tokio::test(start_paused = true)]
async fn a_peer_whose_messages_nobody_handles_is_not_read_and_others_are() {
    const MOST: u32 = 10;
    let world = World::new(|config| config.limits.messages_in_work = MOST).await;
    // Nobody takes from the first one.
    let mut stuck = world.victim.register(CHAIN).expect("a chain");
    let mut busy = world.victim.register(OTHER_CHAIN).expect("a chain");
    let attacker = world.raw(99).await;
    let flood = flood(attacker, frame(query(CHAIN, 1)).repeat(100));
    let (honest, _) = world.honest(2).await;
    let asks = ask(&honest, world.victim_id, OTHER_CHAIN, 300);
    for expected in 0..300 {
        let delivery = busy.recv().await.expect("it runs");
        assert_eq!(number(&delivery.body), expected);
    }
    asks.await.expect("sent");
    let mut all = Vec::new();
    stuck.recv_many(&mut all, 1_000).await;
    assert_eq!(all.len(), MOST as usize, "and they are what is in work");
    // Those that are dropped make room for as many.
    all.truncate(4);
    sleep(Duration::from_secs(1)).await;
    drop(all);
    sleep(Duration::from_secs(1)).await;
    let mut more = Vec::new();
    stuck.recv_many(&mut more, 1_000).await;
    assert_eq!(more.len(), MOST as usize);
    flood.abort();
}

/// Counts what each of two peers gets through, and answers nothing, for a time.
async fn take_for(inbox: &mut Inbox, time: Duration, work: Duration) -> Vec<(NodeId, usize)> {
    let end = Instant::now() + time;
    let mut seen = Vec::new();
    while let Ok(Some(delivery)) = tokio::time::timeout_at(end, inbox.recv()).await {
        seen.push((delivery.node_id, delivery.op as usize));
        sleep(work).await;
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_fast_is_read_at_its_rate_and_others_at_once() {
    let rate = 100 << 10;
    let world = World::new(|config| {
        config.limits.bandwidth = BandwidthConfig { refill_rate: rate, burst: 2 << 20 };
    })
    .await;
    let mut inbox = world.victim.register(CHAIN).expect("a chain");
    let attacker = world.raw(99).await;
    let attacker_id = attacker.node_id();
    let flood = flood(attacker, frame(build::app_gossip(CHAIN, vec![0; 60_000].into())));
    let (honest, honest_id) = world.honest(2).await;
    let asks = ask(&honest, world.victim_id, CHAIN, 1_000);
    let seen = take_for(&mut inbox, Duration::from_secs(30), Duration::ZERO).await;
    let of = |node_id| seen.iter().filter(|(from, _)| *from == node_id).count();
    assert_eq!(of(honest_id), 1_000, "none of them waited");
    let read = of(attacker_id) * 60_000;
    let allowed = usize::try_from((2 << 20) + 30 * rate).expect("small");
    assert!(read <= allowed + (128 << 10) && read > allowed / 2, "{read} of {allowed}");
    asks.await.expect("sent");
    flood.abort();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_keeps_the_processor_busy_is_not_read_for_a_while_and_others_are() {
    let world = World::new(|config| {
        config.limits.cpu = avalanche_net::throttle::CpuConfig::with_cores(1);
        config.limits.messages_in_work = 4;
    })
    .await;
    let mut inbox = world.victim.register(CHAIN).expect("a chain");
    let attacker = world.raw(99).await;
    let attacker_id = attacker.node_id();
    let flood = flood(attacker, frame(query(CHAIN, 1)));
    let (honest, honest_id) = world.honest(2).await;
    let asks = tokio::spawn({
        let (honest, to) = (honest.clone(), world.victim_id);
        async move {
            for number in 0..60 {
                let _ = honest.send(&[to], query(CHAIN, number));
                sleep(Duration::from_secs(1)).await;
            }
        }
    });
    // Each message takes 20 ms: all that the attacker has would be fifty a second.
    let seen = take_for(&mut inbox, Duration::from_secs(60), Duration::from_millis(20)).await;
    let of = |node_id| seen.iter().filter(|(from, _)| *from == node_id).count();
    assert!(of(honest_id) >= 55, "{} of 60", of(honest_id));
    // An eighth of a core is its part.
    let (part, all) = (60 * 50 / 8, of(attacker_id));
    assert!(all > part / 2 && all < part * 2, "{all} of about {part}");
    assert!(world.victim.stats().throttled > 0);
    asks.await.expect("sent");
    flood.abort();
}

#[tokio::test(start_paused = true)]
async fn a_queue_full_of_rumours_delays_votes_by_no_more_than_was_under_way() {
    const RUMOUR: usize = 16 << 10;
    let world = World::new(|config| {
        config.limits.write_timeout = Duration::from_secs(3_600);
        config.limits.compression = avalanche_net::wire::Compression::None;
    })
    .await;
    let mut peer = world.raw(2).await;
    let node_id = peer.node_id();
    let gossip = build::app_gossip(CHAIN, Bytes::from(vec![0; RUMOUR]));
    // All that fits into the stream, then into the queue.
    let mut full = 0;
    while full < 10 {
        let sent = world.victim.send(&[node_id], gossip.clone()).expect("short");
        full += sent.full.len();
        tokio::task::yield_now().await;
    }
    for number in 0..1_000 {
        let sent = world.victim.send(&[node_id], query(CHAIN, number)).expect("short");
        assert_eq!(sent.queued, [node_id], "rumours take no room of votes");
    }
    // The stream of the transport holds 256 KiB, a write 64 KiB; one rumour may go first.
    let mut before = 0;
    let (mut votes, mut rumours_between) = (0, 0);
    while votes < 1_000 {
        let body = peer.next().await.expect("connected");
        match Op::of(&body) {
            Some(Op::PullQuery) => {
                assert_eq!(number(&body), votes, "in order");
                votes += 1;
            }
            Some(Op::AppGossip) if votes == 0 => before += RUMOUR,
            Some(Op::AppGossip) => rumours_between += 1,
            _ => {}
        }
    }
    assert!(before <= (256 << 10) + 2 * (64 << 10) + RUMOUR, "{before}");
    // An eighth of the bytes of the votes, and one frame: of 1,000 times 90 bytes.
    assert!(rumours_between <= 2, "{rumours_between}");
    assert!(world.victim.stats().dropped.get("app").is_some_and(|dropped| *dropped >= 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_announces_long_frames_and_sends_none_keeps_no_other_peer_out() {
    let victim = Node::start(config()).await;
    let mut announcers = Vec::new();
    // Three of 2 MiB take all of the buffer that is for everybody.
    for _ in 0..4 {
        let mut peer = Peer::dial(victim.addr()).await;
        assert!(peer.shake().await && peer.is_served().await);
        assert!(peer.write(&(2_u32 << 20).to_be_bytes()).await);
        announcers.push(peer);
    }
    until("a full buffer", || victim.network.stats().throttled > 0).await;
    // One that comes, shakes hands, and asks: nobody but those four is in the way.
    let honest = Node::start(config()).await;
    honest.network.connect(victim.addr());
    honest.asks(&victim).await;
    assert_eq!(
        closed(&victim.network, avalanche_net::CloseReason::SlowRead),
        0,
        "they still hold it"
    );
}
