//! The simulated network does to bytes what its links say, and the same for the same seed.
#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::time::Duration;

use avalanche_net::CloseReason;
use avalanche_net::identity::Identity;
use avalanche_net::testing::{Link, Simulated, SimulatedTransport};
use avalanche_net::transport::{Connection, Stream, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{self, Instant};

fn ip(number: u8) -> IpAddr {
    IpAddr::from(Ipv4Addr::new(10, 0, 0, number))
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn node(network: &Simulated, number: u8) -> SimulatedTransport {
    let identity = Identity::generate().expect("an identity");
    network.transport(identity.certificate().clone(), ip(number))
}

/// A connection from one number to another.
async fn connect(network: &Simulated, from: u8, to: u8) -> (Connection, Connection) {
    let (from, to_node) = (node(network, from), node(network, to));
    let mut listener = to_node.listen(SocketAddr::new(ip(to), 0)).await.expect("listens");
    let addr = listener.local_addr();
    let accept = async { listener.accept().await?.upgrade().await };
    tokio::try_join!(from.dial(addr), accept).expect("connected")
}

async fn send(stream: &mut Box<dyn Stream>, byte: u8) {
    stream.write_u8(byte).await.expect("sent");
    stream.flush().await.expect("flushed");
}

/// Whether nothing comes for a long time.
async fn silent(stream: &mut Box<dyn Stream>) -> bool {
    time::timeout(Duration::from_secs(600), stream.read(&mut [0])).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn bytes_take_as_long_as_the_link_says() {
    let link = Link { delay: millis(30), jitter: millis(20), ..Link::default() };
    let network = Simulated::new(1, link);
    let (mut near, mut far) = connect(&network, 1, 2).await;
    let mut took = Vec::new();
    for number in 0..200 {
        let start = Instant::now();
        send(&mut near.stream, number).await;
        assert_eq!(far.stream.read_u8().await.expect("came"), number);
        took.push(start.elapsed());
    }
    took.sort();
    let (first, last) = (took[0], took[took.len() - 1]);
    // A timer fires up to a millisecond late.
    assert!(first >= millis(30) && last <= millis(51), "{first:?} to {last:?}");
    assert!(last - first > millis(15), "{first:?} to {last:?}");

    // One direction may be slower than the other.
    network.set_link(ip(2), ip(1), Link { delay: millis(500), ..Link::default() });
    let start = Instant::now();
    send(&mut far.stream, 1).await;
    near.stream.read_u8().await.expect("came");
    assert_eq!(start.elapsed(), millis(500));
}

#[tokio::test(start_paused = true)]
async fn connections_share_the_bandwidth_of_a_link() {
    let bandwidth = NonZeroU64::new(100_000);
    let network = Simulated::new(1, Link { bandwidth, ..Link::default() });
    let start = Instant::now();
    let mut transfers = JoinSet::new();
    for _ in 0..2 {
        let (mut near, mut far) = connect(&network, 1, 2).await;
        transfers.spawn(async move {
            near.stream.write_all(&[7; 500_000]).await.expect("sent");
            near.stream.shutdown().await.expect("ended");
            near
        });
        transfers.spawn(async move {
            let mut bytes = Vec::new();
            far.stream.read_to_end(&mut bytes).await.expect("came");
            assert_eq!(bytes.len(), 500_000);
            far
        });
    }
    let ends = transfers.join_all().await;
    assert_eq!(ends.len(), 4);
    let took = start.elapsed().as_millis();
    assert!((10_000..10_200).contains(&took), "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn a_blocked_direction_holds_bytes_back_until_it_is_healed() {
    let network = Simulated::new(1, Link::default());
    let (mut near, mut far) = connect(&network, 1, 2).await;
    let (mut other, mut others_end) = connect(&network, 1, 3).await;
    // On its way when the link is blocked.
    send(&mut near.stream, 1).await;
    network.block(ip(1), ip(2));
    send(&mut near.stream, 2).await;
    assert!(silent(&mut far.stream).await);
    // Back, and to others, all is as before.
    send(&mut far.stream, 3).await;
    assert_eq!(near.stream.read_u8().await.expect("came"), 3);
    send(&mut other.stream, 4).await;
    assert_eq!(others_end.stream.read_u8().await.expect("came"), 4);

    network.unblock(ip(1), ip(2));
    let start = Instant::now();
    let mut came = [0; 2];
    far.stream.read_exact(&mut came).await.expect("came");
    assert_eq!((came, start.elapsed()), ([1, 2], millis(10)));
}

#[tokio::test(start_paused = true)]
async fn what_has_arrived_can_be_read_behind_a_block() {
    let network = Simulated::new(1, Link::default());
    let (mut near, mut far) = connect(&network, 1, 2).await;
    send(&mut near.stream, 1).await;
    time::sleep(millis(20)).await;
    network.block(ip(1), ip(2));
    assert_eq!(far.stream.read_u8().await.expect("came"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_partition_lets_nobody_know_of_anything() {
    let network = Simulated::new(1, Link::default());
    let (near, mut far) = connect(&network, 1, 2).await;
    let (mut here, mut also_here) = connect(&network, 1, 4).await;
    let listening = node(&network, 2);
    let mut listener = listening.listen(SocketAddr::new(ip(2), 9651)).await.expect("listens");
    network.partition(&[ip(1), ip(4)], &[ip(2), ip(3)]);

    // Neither that a connection was closed, nor that somebody listens, nor that nobody does.
    drop(near);
    assert!(silent(&mut far.stream).await);
    far.stream.write_all(&[0; 1000]).await.expect("taken");
    let dialling = node(&network, 1);
    for port in [9651, 9652] {
        let dial = dialling.dial(SocketAddr::new(ip(2), port));
        assert!(time::timeout(Duration::from_secs(600), dial).await.is_err());
    }
    // On one side of it, nothing has changed.
    send(&mut here.stream, 1).await;
    assert_eq!(also_here.stream.read_u8().await.expect("came"), 1);

    // A dial that waits goes on once it can.
    let dial = tokio::spawn(async move { dialling.dial(SocketAddr::new(ip(2), 9651)).await });
    let accept = async { listener.accept().await?.upgrade().await };
    let heal = async {
        time::sleep(Duration::from_secs(60)).await;
        network.heal();
    };
    let (accepted, ()) = tokio::join!(accept, heal);
    accepted.expect("accepted");
    dial.await.expect("a task").expect("dialled");
    // And the news of the closed connection have come.
    assert_eq!(far.stream.read(&mut [0]).await.expect("the end"), 0);
    assert!(far.stream.write_all(&[0; 1000]).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn broken_connections_are_an_error_at_both_ends_and_no_other_breaks() {
    let network = Simulated::new(1, Link::default());
    let (mut near, mut far) = connect(&network, 1, 2).await;
    let (mut back_near, _back_far) = connect(&network, 2, 1).await;
    let (mut other, mut others_end) = connect(&network, 1, 3).await;
    let waits = tokio::spawn(async move { far.stream.read(&mut [0]).await.is_err() });
    tokio::task::yield_now().await;
    assert_eq!(network.break_connections(ip(1), ip(2)), 2);
    assert_eq!(network.break_connections(ip(1), ip(2)), 0);
    assert!(waits.await.expect("a task"));
    assert!(near.stream.write_all(&[0]).await.is_err());
    assert!(back_near.stream.read(&mut [0]).await.is_err());
    send(&mut other.stream, 4).await;
    assert_eq!(others_end.stream.read_u8().await.expect("came"), 4);
}

#[tokio::test(start_paused = true)]
async fn writes_break_connections_as_often_as_the_link_says() {
    let network = Simulated::new(1, Link { breaks: 100_000, ..Link::default() });
    let (mut writes, mut broken) = (0, 0);
    while broken < 100 {
        let (mut near, _far) = connect(&network, 1, 2).await;
        while near.stream.write_all(&[0]).await.is_ok() {
            writes += 1;
        }
        broken += 1;
    }
    // One in ten; ten writes for each break.
    assert!((600..1500).contains(&writes), "{writes} writes for {broken} breaks");
}

#[tokio::test(start_paused = true)]
async fn nobody_at_an_address_takes_a_round_trip_to_find_out() {
    let network = Simulated::new(1, Link { delay: millis(40), ..Link::default() });
    let start = Instant::now();
    let error = node(&network, 1).dial(SocketAddr::new(ip(2), 1)).await.expect_err("nobody");
    assert_eq!((error.reason(), start.elapsed()), (CloseReason::RemoteClosed, millis(80)));
}

/// When which bytes came to whom, in a run with all that a network can do.
async fn trace(seed: u64) -> Vec<(Duration, u8, usize)> {
    let bandwidth = NonZeroU64::new(1_000_000);
    let link = Link { delay: millis(20), jitter: millis(30), bandwidth, breaks: 2_000 };
    let network = Simulated::new(seed, link);
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    let mut ends = Vec::new();
    for number in 1..6 {
        for other in 1..6 {
            ends.push((number, connect(&network, number, other).await));
        }
    }
    for (number, (mut near, mut far)) in ends {
        tasks.spawn(async move {
            for _ in 0..50 {
                let chunk = vec![number; 100 * usize::from(number)];
                if near.stream.write_all(&chunk).await.is_err() {
                    break;
                }
                time::sleep(millis(7)).await;
            }
            Vec::new()
        });
        tasks.spawn(async move {
            let mut trace = Vec::new();
            while let Ok(len @ 1..) = far.stream.read(&mut [0; 300]).await {
                trace.push((start.elapsed(), number, len));
            }
            trace
        });
    }
    time::sleep(millis(100)).await;
    network.partition(&[ip(1), ip(2)], &[ip(3), ip(4), ip(5)]);
    time::sleep(millis(100)).await;
    network.heal();
    let mut trace = Vec::new();
    while let Some(part) = tasks.join_next().await {
        trace.extend(part.expect("a task"));
    }
    trace
}

#[tokio::test(start_paused = true)]
async fn one_seed_is_one_run() {
    let first = trace(1).await;
    assert!(first.len() > 1000, "{}", first.len());
    assert_eq!(first, trace(1).await);
    assert_ne!(first, trace(2).await);
}
