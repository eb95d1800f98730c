//! Everything at once.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use avalanche_net::identity::Identity;
use avalanche_net::network::NetworkConfig;
use avalanche_net::transport::{TcpTransport, Transport};
use avalanche_net::wire::{MAX_MESSAGE_BYTES, build, p2p};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::child::{PEERS, Victim, limits};
use crate::peer::{Peer, compressed, field, frame, framed, identity};
use crate::victim::{CHAIN, Node, config};

const MIB: usize = 1 << 20;

/// A line on the real standard error: the test harness holds back what `eprintln!` prints.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What the documented limits add up to.
///
/// - The buffer for all peers' messages. A message counts there with the memory that it takes, but
///   no more than 2 MiB; with lists it takes up to three times as much and 512 KiB.
/// - The queues to peers.
/// - Of each connection: what was read and is not a message yet, up to twice the longest frame;
///   what is being decoded, decompressed and with its lists; and TLS in both directions.
/// - Of each connection in TLS: its buffers.
fn bound() -> usize {
    let message = 3 * MAX_MESSAGE_BYTES + MIB / 2;
    let NetworkConfig { limits, .. } = limits();
    let inbound = usize::try_from(limits.inbound_pool.at_large).expect("small");
    let outbound = limits.outbound_pool.at_large + limits.outbound_pool.validators;
    let in_work = inbound / MAX_MESSAGE_BYTES * message;
    let connection = 2 * MAX_MESSAGE_BYTES + message + MIB / 4;
    let in_tls = limits.pending_upgrades * MIB / 8;
    in_work + usize::try_from(outbound).expect("small") + PEERS * connection + in_tls
}

/// One way to be a nuisance: what it sends over and over, and whether it reads what comes back.
#[derive(Clone)]
struct Flood {
    name: &'static str,
    bytes: Bytes,
    reads: bool,
}

/// A message of one kind with a list of the shortest entries, as long as a message can be.
fn list_bomb(kind: u64, entry: &[u8]) -> Vec<u8> {
    let list = entry.repeat((MAX_MESSAGE_BYTES - 16) / entry.len());
    compressed(&field(kind, &list))
}

fn floods() -> Vec<Flood> {
    let gossip = |len| build::app_gossip(CHAIN, vec![0; len].into());
    let junk = p2p::ClaimedIpPort { x509_certificate: vec![0x30; 64].into(), ..entry() };
    let one_bit = Bytes::from_static(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let plain = frame(gossip(MAX_MESSAGE_BYTES - 64)).split_off(4);
    // In one go, many of those that are short.
    let many = |frame: Vec<u8>, count: usize| frame.repeat(count);
    let floods = [
        ("the largest frames", frame(gossip(MAX_MESSAGE_BYTES - 64)), true),
        ("rumours of 2 MiB in 200 bytes", many(compressed(&plain), 200), true),
        ("lists of peers that are bombs", many(list_bomb(14, &[1 << 3 | 2, 0]), 50), true),
        ("lists of blocks that are bombs", many(list_bomb(24, &[3 << 3 | 2, 0]), 50), true),
        (
            "handshakes with a name of 2 MiB",
            many(
                compressed(&field(13, &field(9, &field(1, &plain[..MAX_MESSAGE_BYTES - 64])))),
                50,
            ),
            true,
        ),
        ("bombs", many(compressed(&vec![0; 3 * MIB]), 100), true),
        ("1,024 junk entries", frame(build::peer_list(vec![junk; 1_024])), true),
        (
            "1,024 empty entries",
            many(compressed(&field(14, &[1 << 3 | 2, 0].repeat(1_024))), 20),
            true,
        ),
        (
            "questions for peers",
            many(frame(build::get_peer_list(one_bit, Bytes::new(), true)), 500),
            true,
        ),
        (
            "questions with filters of 1 MiB",
            frame(build::get_peer_list(vec![1; MIB].into(), Bytes::new(), true)),
            true,
        ),
        ("pings", many(frame(build::ping(1)), 2_000), true),
        ("pings, and deaf", many(frame(build::ping(1)), 2_000), false),
        (
            "questions, and deaf",
            frame(build::app_request(CHAIN, 1, Duration::from_secs(9), vec![0; MIB].into())),
            false,
        ),
        ("empty frames", many(framed(&[]), 5_000), true),
    ];
    floods
        .into_iter()
        .map(|(name, bytes, reads)| Flood { name, bytes: bytes.into(), reads })
        .collect()
}

fn entry() -> p2p::ClaimedIpPort {
    p2p::ClaimedIpPort { ip_addr: vec![127, 0, 0, 1].into(), ip_port: 9, ..Default::default() }
}

/// What the attackers got done.
#[derive(Default)]
struct Done {
    handshakes: AtomicU64,
    floods: AtomicU64,
    cut: AtomicU64,
    half_open: AtomicU64,
    bytes_of_loris: AtomicU64,
    /// The kinds of floods that were sent.
    kinds: Mutex<BTreeSet<&'static str>>,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A peer of a new name, if there is place for one.
async fn peer(addr: SocketAddr, done: &Done) -> Option<Peer> {
    let identity: Arc<Identity> = identity();
    let transport = TcpTransport::new(&identity).expect("TLS");
    let mut peer = Peer::dial_on(&transport, identity, addr).await?;
    let shaken = timeout(Duration::from_secs(5), peer.shake()).await.unwrap_or(false);
    if shaken {
        count(&done.handshakes);
    }
    shaken.then_some(peer)
}

async fn flood(addr: SocketAddr, flood: Flood, done: Arc<Done>) {
    loop {
        let Some(mut peer) = peer(addr, &done).await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let rounds = async {
            loop {
                done.kinds.lock().expect("nobody panicked").insert(flood.name);
                if !peer.write(&flood.bytes).await {
                    return;
                }
                count(&done.floods);
                while flood.reads
                    && matches!(timeout(Duration::from_millis(1), peer.next()).await, Ok(Some(_)))
                {
                }
            }
        };
        // Then as somebody else.
        let _ = timeout(Duration::from_secs(3), rounds).await;
    }
}

/// Announces the longest frame, and sends a byte of it now and then.
async fn loris(addr: SocketAddr, done: Arc<Done>) {
    loop {
        let Some(mut peer) = peer(addr, &done).await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let mut bytes = (2_u32 << 20).to_be_bytes().to_vec();
        while peer.write(&bytes).await {
            bytes = vec![0];
            count(&done.bytes_of_loris);
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Begins TLS and goes away somewhere in the middle of it.
async fn cut(addr: SocketAddr, seed: u64, done: Arc<Done>) {
    let transport = TcpTransport::new(&identity()).expect("TLS");
    let mut at = seed;
    loop {
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let limit = Duration::from_micros(at >> 51);
        if timeout(limit, transport.dial(addr)).await.is_err() {
            count(&done.cut);
        }
        sleep(Duration::from_millis(80)).await;
    }
}

/// Connects, says little or nothing, and waits until it is sent away.
async fn half_open(addr: SocketAddr, seed: usize, done: Arc<Done>) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(addr).await {
            count(&done.half_open);
            let hello = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
            let _ = stream.write_all(&hello[..seed % hello.len()]).await;
            let _ = timeout(Duration::from_secs(2), stream.read(&mut [0; 16])).await;
        }
        sleep(Duration::from_millis(800)).await;
    }
}

#[test]
fn with_everything_at_once_memory_is_bounded_and_an_honest_peer_is_answered_after_it() {
    let slow = std::env::var("HOSTILE").is_ok_and(|profile| profile == "slow");
    let length = Duration::from_secs(if slow { 60 } else { 6 });
    let own = identity();
    let victim = Victim::start(own.node_id());
    let calm = victim.peak();
    let done = Arc::new(Done::default());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let addr = victim.addr;
        let mut attackers = JoinSet::new();
        let calm_peer = peer(addr, &done).await;
        assert!(calm_peer.is_some(), "it takes connections before the attack");
        for one in floods() {
            attackers.spawn(flood(addr, one, Arc::clone(&done)));
        }
        for seed in 0..200 {
            attackers.spawn(half_open(addr, seed, Arc::clone(&done)));
        }
        for seed in 0..8 {
            attackers.spawn(cut(addr, seed, Arc::clone(&done)));
            if seed < 4 {
                attackers.spawn(loris(addr, Arc::clone(&done)));
            }
        }
        let end = Instant::now() + length;
        while Instant::now() < end {
            sleep(Duration::from_millis(200)).await;
            let peak = victim.peak();
            assert!(peak < calm + bound(), "{} MiB", peak / MIB);
        }
        attackers.shutdown().await;
        // It has stake: when others have used what is for all, that is what counts.
        let honest = Node::start_as(own, config()).await;
        honest.network.connect(addr);
        honest.asks_of(victim.node_id).await;
    });
    let peak = victim.peak();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (handshakes, floods) = (count(&done.handshakes), count(&done.floods));
    let (cut, half_open) = (count(&done.cut), count(&done.half_open));
    let loris = count(&done.bytes_of_loris);
    let counts = victim.stop();
    say(&format!(
        "attack of {length:?}: {handshakes} handshakes, {floods} floods, {cut} handshakes of TLS cut, \
         {half_open} half open, {loris} bytes of loris; {} MiB at first, {} at most, {} allowed; {counts:?}",
        calm / MIB,
        peak / MIB,
        (calm + bound()) / MIB,
    ));
    for done in [handshakes, floods, cut, half_open, loris] {
        assert!(done > 10, "the attack did not get through");
    }
    let kinds = done.kinds.lock().expect("nobody panicked").len();
    assert!(kinds + 2 >= self::floods().len(), "only {kinds} kinds of floods got in");
    for reason in ["undecodable", "throttled", "timeout", "gossip"] {
        assert!(counts.get(reason).is_some_and(|count| *count > 0), "{reason}: {counts:?}");
    }
}
