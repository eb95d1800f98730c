//! Events: resumed anywhere without gap or repetition, slow readers, what ends a stream.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use avalanche_chain::ChainEvent;
use avalanche_consensus::engine::Phase;
use avalanche_consensus::{Height, Id};
use avalanche_gateway::GatewayConfig;
use avalanche_gateway::api::{ConsensusEvent, Event, EventCursor, Topic};
use avalanche_gateway::client::{Client, ClientError, Events, EventsQuery, Start};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{FakeChain, Served, peer, until};

async fn open(served: &Served, topics: &[Topic], start: Start) -> Events {
    let query = EventsQuery { topics: topics.to_vec(), start };
    Client::new(&served.url()).unwrap().events(&query).await.unwrap()
}

/// The next event, within a minute.
async fn next(events: &mut Events) -> Event {
    tokio::time::timeout(Duration::from_secs(60), events.recv()).await.unwrap().unwrap()
}

/// Why a stream ended.
async fn end(mut events: Events) -> String {
    let ended = async {
        loop {
            match events.recv().await {
                Ok(_) => {}
                Err(ClientError::Closed { reason }) => return reason,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap()
}

/// A block, or a transaction with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Block(u64, Id),
    Transaction(u64, u32, Id),
}

fn told(event: &Event) -> Vec<Told> {
    match event {
        Event::Blocks { block, .. } => vec![Told::Block(block.height, block.id)],
        Event::Transactions { height, first, ids, .. } => {
            (*first..).zip(ids).map(|(index, id)| Told::Transaction(*height, index, *id)).collect()
        }
        Event::Peers { .. } => Vec::new(),
        other => panic!("{other:?}"),
    }
}

/// What is told next of blocks and transactions.
async fn next_told(events: &mut Events, covered: &mut Covered) -> Vec<Told> {
    loop {
        let event = next(events).await;
        count_covered(&event, covered);
        let told = told(&event);
        if !told.is_empty() {
            return told;
        }
    }
}

/// All that a reader has to be told of a chain from a height on, in order.
fn expected(chain: &FakeChain, from: u64, topics: &[Topic]) -> Vec<Told> {
    let mut all = Vec::new();
    for height in from..=chain.last().height.get() {
        let block = chain.at(height);
        if topics.contains(&Topic::Blocks) {
            all.push(Told::Block(height, block.id));
        }
        if topics.contains(&Topic::Transactions) {
            let ids = chain.ids(height);
            all.extend((0..).zip(ids).map(|(index, id)| Told::Transaction(height, index, id)));
        }
    }
    all
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A block of so many transactions.
    Accept(usize),
    /// More blocks than a listener can be behind.
    Burst,
    /// The reader reads so many messages.
    Read(usize),
    /// The reader reads all, and the server finds that there is no more in the log.
    Rest,
    /// The reader goes, and comes again with its cursor.
    Resume,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop_oneof![Just(0), 1_usize..4, Just(1_025), Just(2_500)].prop_map(Step::Accept),
        1 => Just(Step::Burst),
        6 => (0_usize..8).prop_map(Step::Read),
        2 => Just(Step::Rest),
        4 => Just(Step::Resume),
    ]
}

/// What the cases covered.
#[derive(Debug, Default)]
struct Covered {
    bursts: usize,
    resumed: usize,
    resumed_within_a_block: usize,
    split: usize,
    live: usize,
}

async fn follow(
    steps: &[Step],
    topics: &[Topic],
    from: u64,
    covered: &mut Covered,
) -> (Vec<Told>, Vec<Told>) {
    // Looking at peers interrupts whatever the server does, again and again.
    let peers_interval = Duration::from_millis(1);
    let served = Served::with(GatewayConfig { peers_interval, ..GatewayConfig::default() }).await;
    let chain = Arc::clone(&served.node.payments);
    let asked = [topics, &[Topic::Peers]].concat();
    let mut events = open(&served, &asked, Start::From(from)).await;
    let (mut seen, mut made) = (Vec::new(), 0_u32);
    let mut transactions = |count: usize| -> Vec<Vec<u8>> {
        let mut one = || {
            made += 1;
            made.to_be_bytes().to_vec()
        };
        (0..count).map(|_| one()).collect()
    };
    let want = |chain: &FakeChain| expected(chain, from, topics);
    for step in steps {
        match *step {
            Step::Accept(count) => _ = chain.accept(&transactions(count)),
            Step::Burst => {
                covered.bursts += 1;
                for _ in 0..avalanche_chain::Events::CAPACITY + 100 {
                    chain.accept(&transactions(1));
                }
            }
            Step::Read(count) => {
                let want = want(&chain).len();
                for _ in 0..count {
                    if seen.len() < want {
                        seen.extend(next_told(&mut events, covered).await);
                    }
                }
            }
            Step::Rest => {
                let want = want(&chain).len();
                while seen.len() < want {
                    seen.extend(next_told(&mut events, covered).await);
                }
                // On one thread, whoever can go on does before this one.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Step::Resume => {
                let start = events.cursor().map_or(Start::From(from), Start::After);
                covered.resumed += 1;
                if matches!(start, Start::After(EventCursor { height, index: Some(index) })
                    if index as usize + 1 < chain.ids(height).len())
                {
                    covered.resumed_within_a_block += 1;
                }
                drop(events);
                events = open(&served, &asked, start).await;
            }
        }
    }
    let want = want(&chain);
    while seen.len() < want.len() {
        seen.extend(next_told(&mut events, covered).await);
    }
    // Nothing comes twice: what is told next is what happens next.
    served.node.payments.accept(&transactions(1));
    let after = next_told(&mut events, covered).await;
    let height = served.node.payments.last().height.get();
    assert!(after.iter().all(|told| matches!(told,
        Told::Block(at, _) | Told::Transaction(at, _, _) if *at == height)));
    (seen, want)
}

fn count_covered(event: &Event, covered: &mut Covered) {
    match event {
        Event::Blocks { finality_us: Some(_), .. } => covered.live += 1,
        Event::Transactions { first, .. } if *first > 0 => covered.split += 1,
        _ => {}
    }
}

/// Random interleavings of blocks, reading and coming again.
#[test]
fn whatever_happens_in_between_nothing_is_missing_and_nothing_comes_twice() {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) };
    let covered = std::sync::Mutex::new(Covered::default());
    let both = vec![Topic::Blocks, Topic::Transactions];
    let topics = prop::sample::select(vec![
        vec![Topic::Blocks],
        vec![Topic::Transactions],
        both.clone(),
        both,
    ]);
    let cases = (prop::collection::vec(step(), 8..32), topics, 0_u64..5);
    // Whether a block is told live or read from the log is a matter of moments, so what chance left
    // out is tried again: at most so often.
    let mut counts = [0; 5];
    for _ in 0..12 {
        // A runner that has had its cases runs no more of them.
        let mut runner = proptest::test_runner::TestRunner::new(config.clone());
        let outcome = runner.run(&cases, |(steps, topics, from)| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let covered = &mut *covered.lock().unwrap();
            let (seen, want) = runtime.block_on(follow(&steps, &topics, from, covered));
            prop_assert_eq!(seen, want);
            Ok(())
        });
        outcome.unwrap();
        let Covered { bursts, resumed, resumed_within_a_block, split, live } =
            &*covered.lock().unwrap();
        counts = [*bursts, *resumed, *resumed_within_a_block, *split, *live];
        if !counts.contains(&0) {
            break;
        }
    }
    println!("{counts:?}");
    assert!(!counts.contains(&0), "{counts:?}");
}

/// Blocks are accepted by another thread as fast as it can, while readers come and go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_come_and_go_under_load_count_every_block_once() {
    const BLOCKS: u64 = 5_000;
    let served = Served::new().await;
    let chain = Arc::clone(&served.node.payments);
    let writer = std::thread::spawn(move || {
        for number in chain.last().height.get()..BLOCKS {
            chain.accept(&[number.to_be_bytes().to_vec()]);
        }
    });
    let topics = [Topic::Blocks, Topic::Transactions];
    let mut counts = BTreeMap::<u64, u32>::new();
    let mut start = Start::From(1);
    let mut height = 0;
    while height < BLOCKS {
        let mut events = open(&served, &topics, start).await;
        for _ in 0..701 {
            let event = next(&mut events).await;
            if let Event::Blocks { block, .. } = &event {
                height = block.height;
                *counts.entry(height).or_default() += 1;
            }
            if height == BLOCKS {
                break;
            }
        }
        start = Start::After(events.cursor().unwrap());
    }
    writer.join().unwrap();
    assert_eq!(counts.len() as u64, BLOCKS);
    assert!(counts.values().all(|count| *count == 1));
}

#[tokio::test]
async fn from_now_on_means_the_next_block() {
    let served = Served::new().await;
    let mut events = open(&served, &[], Start::Now).await;
    let block = served.node.payments.accept(&[b"x".to_vec()]);
    let Event::Blocks { block: told, finality_us, cursor } = next(&mut events).await else {
        panic!("no block")
    };
    assert_eq!((told.id, finality_us), (block.id, Some(7_000)));
    assert_eq!(cursor, EventCursor { height: 4, index: None });
    assert_eq!(served.node.payments.reads.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_reader_that_is_ahead_of_the_node_waits_for_it() {
    let served = Served::new().await;
    let start = Start::After(EventCursor { height: 5, index: None });
    let mut events = open(&served, &[Topic::Blocks], start).await;
    for _ in 4..=6 {
        served.node.payments.accept(&[]);
    }
    assert_eq!(told(&next(&mut events).await), [Told::Block(6, served.node.payments.last().id)]);
    let start = Start::After(EventCursor { height: u64::MAX, index: Some(u32::MAX) });
    _ = open(&served, &[Topic::Blocks, Topic::Transactions], start).await;
}

#[tokio::test]
async fn an_event_before_its_block_is_in_the_log_is_made_up_for() {
    let served = Served::new().await;
    let chain = &served.node.payments;
    let mut events = open(&served, &[Topic::Blocks], Start::From(4)).await;
    // The log was read to its end.
    until(async || chain.reads.load(Ordering::SeqCst) == 1).await;
    let [four, five] = [chain.accept_silently(&[]), chain.accept_silently(&[])];
    // The fourth is never told of.
    chain.tell(ChainEvent::Accepted(Arc::new(five.clone())));
    for block in [four.block, five.block] {
        assert_eq!(told(&next(&mut events).await), [Told::Block(block.height.get(), block.id)]);
    }
}

#[tokio::test]
async fn consensus_and_peers_are_told() {
    let served = Served::new().await;
    let chain = &served.node.payments;
    let mut events = open(&served, &[Topic::Consensus], Start::Now).await;
    let id = Id::hash(b"x");
    for (event, expected) in [
        (ChainEvent::Preferred { id }, ConsensusEvent::Preferred { id }),
        (
            ChainEvent::Rejected { id, height: Height::new(u64::MAX) },
            ConsensusEvent::Rejected { id, height: u64::MAX },
        ),
        (
            ChainEvent::Phase(Phase::Bootstrapping),
            ConsensusEvent::Phase { phase: avalanche_gateway::api::Phase::Bootstrapping },
        ),
        (
            ChainEvent::Stopped { reason: "full disk".into() },
            ConsensusEvent::Stopped { reason: "full disk".to_owned() },
        ),
    ] {
        chain.tell(event);
        assert_eq!(next(&mut events).await, Event::Consensus { event: expected });
    }
    // On one thread nothing is taken up in between.
    for _ in 0..avalanche_chain::Events::CAPACITY + 9 {
        chain.tell(ChainEvent::Preferred { id });
    }
    let missed = ConsensusEvent::Missed { count: 9 };
    assert_eq!(next(&mut events).await, Event::Consensus { event: missed });
}

#[tokio::test]
async fn peers_that_come_and_go_are_told_once() {
    let config =
        GatewayConfig { peers_interval: Duration::from_millis(5), ..GatewayConfig::default() };
    let served = Served::with(config).await;
    let mut events = open(&served, &[Topic::Peers], Start::Now).await;
    let Event::Peers { connected, disconnected } = next(&mut events).await else { panic!() };
    assert_eq!((connected.len(), disconnected.len()), (2, 0));
    *served.node.peers.lock().unwrap() = vec![peer(2), peer(3)];
    let Event::Peers { connected, disconnected } = next(&mut events).await else { panic!() };
    assert_eq!(connected[0].node_id, peer(3).node_id);
    assert_eq!(disconnected, [peer(1).node_id]);
    *served.node.peers.lock().unwrap() = vec![peer(2)];
    let Event::Peers { connected, disconnected } = next(&mut events).await else { panic!() };
    assert_eq!((connected.len(), disconnected), (0, vec![peer(3).node_id]));
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_dropped_and_others_are_not() {
    let config = GatewayConfig {
        websocket_write_timeout: Duration::from_millis(200),
        ..GatewayConfig::default()
    };
    let served = Served::with(config).await;
    let mut other = open(&served, &[Topic::Blocks], Start::Now).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let slow = handshake(socket.connect(served.address).await.unwrap()).await;
    let metric = async |name: &str| served.metric(name).await;
    until(async || metric("http_websockets").await == 2).await;
    // Until what the system keeps for the reader is full, at most 10 s.
    let block: Vec<Vec<u8>> = (0..20_000_u32).map(|number| number.to_be_bytes().to_vec()).collect();
    until(async || {
        served.node.payments.accept(&block);
        assert_eq!(told(&next(&mut other).await).len(), 1);
        metric("http_websockets_slow_total").await == 1
    })
    .await;
    until(async || metric("http_websockets").await == 1).await;
    drop(slow);
}

/// Opens a WebSocket by hand, for one who does not read.
async fn handshake(mut stream: TcpStream) -> TcpStream {
    let request = "GET /api/v1/ws?topics=blocks,transactions HTTP/1.1\r\nhost: x\r\n\
        upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 101");
    stream
}

#[tokio::test]
async fn who_is_silent_is_dropped_and_who_answers_pings_is_not() {
    let config =
        GatewayConfig { websocket_ping: Duration::from_millis(50), ..GatewayConfig::default() };
    let served = Served::with(config).await;
    let mut other = open(&served, &[Topic::Blocks], Start::Now).await;
    let reading = tokio::spawn(async move { next(&mut other).await });
    // It gets pings, and answers none.
    let mut silent = handshake(TcpStream::connect(served.address).await.unwrap()).await;
    let mut all = Vec::new();
    tokio::time::timeout(Duration::from_secs(60), silent.read_to_end(&mut all))
        .await
        .unwrap()
        .unwrap();
    assert!(String::from_utf8_lossy(&all).contains("nothing was heard"));
    served.node.payments.accept(&[]);
    assert_eq!(told(&reading.await.unwrap()).len(), 1);
}

#[tokio::test]
async fn whoever_sends_something_is_told_that_nothing_is_read() {
    let served = Served::new().await;
    for (frame, says) in [
        // Text "x", masked with zeros.
        (&b"\x81\x81\0\0\0\0x"[..], "nothing is read here"),
        // Five megabytes are announced.
        (b"\x81\xff\0\0\0\0\0\x50\0\0\0\0\0\0", "too long"),
        // No frame at all.
        (&[0xff; 20], ""),
    ] {
        let mut stream = handshake(TcpStream::connect(served.address).await.unwrap()).await;
        stream.write_all(frame).await.unwrap();
        let mut all = Vec::new();
        _ = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut all))
            .await
            .unwrap();
        assert!(
            String::from_utf8_lossy(&all).contains(says),
            "{:?}",
            String::from_utf8_lossy(&all)
        );
    }
    until(async || served.metric("http_websockets").await == 0).await;
}

#[tokio::test]
async fn streams_end_with_the_server_and_say_so() {
    let mut served = Served::new().await;
    let events = open(&served, &[Topic::Blocks], Start::From(0)).await;
    until(async || served.metric("http_websockets").await == 1).await;
    served.shutdown();
    assert_eq!(end(events).await, "the node is ending");
    served.stop().await;
}

#[tokio::test]
async fn websockets_are_bounded_and_room_comes_back() {
    let config = GatewayConfig { websockets_max: 1, ..GatewayConfig::default() };
    let served = Served::with(config).await;
    let events = open(&served, &[Topic::Blocks], Start::Now).await;
    let client = Client::new(&served.url()).unwrap();
    let refused = client.events(&EventsQuery::default()).await.unwrap_err();
    assert!(refused.may_retry() && refused.code() == Some("busy"), "{refused}");
    events.close().await;
    until(async || client.events(&EventsQuery::default()).await.is_ok()).await;
}
