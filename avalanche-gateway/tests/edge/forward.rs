//! The forwarder: dead nodes are passed over, both directions and half-closed ones work.

use std::net::SocketAddr;
use std::time::Duration;

use avalanche_gateway::api::ErrorBody;
use avalanche_gateway::forward::{ForwardConfig, Forwarder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const LOCAL: &str = "127.0.0.1:0";

/// A node that reads to the end, then answers with its name, how much it read, and `extra` bytes.
async fn node(name: u8, extra: usize) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(LOCAL).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut read = Vec::new();
                stream.read_to_end(&mut read).await.unwrap();
                let mut answer = vec![name];
                answer.extend(read.len().to_be_bytes());
                answer.resize(answer.len() + extra, name);
                // A client may have gone.
                _ = stream.write_all(&answer).await;
            });
        }
    });
    (address, task)
}

/// An address where nobody listens.
async fn dead() -> SocketAddr {
    TcpListener::bind(LOCAL).await.unwrap().local_addr().unwrap()
}

async fn forwarder(backends: &[SocketAddr], connections_max: usize) -> (Forwarder, Backends) {
    let (sender, receiver) = watch::channel(backends.to_vec());
    let listener = TcpListener::bind(LOCAL).await.unwrap();
    let config = ForwardConfig { connections_max, ..ForwardConfig::default() };
    (Forwarder::start(listener, receiver, config).unwrap(), sender)
}

type Backends = watch::Sender<Vec<SocketAddr>>;

/// Sends so many bytes, ends its side, and reads the answer.
async fn ask(to: SocketAddr, bytes: usize) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(&vec![7; bytes]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

fn refusal(answer: &[u8]) -> ErrorBody {
    let text = std::str::from_utf8(answer).unwrap();
    assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn dead_nodes_are_passed_over_and_the_one_that_worked_comes_first() {
    let (a, a_task) = node(b'a', 0).await;
    let (b, _b_task) = node(b'b', 0).await;
    let (forwarder, backends) = forwarder(&[dead().await, a, b], 8).await;
    assert_eq!(ask(forwarder.address(), 3).await[0], b'a');
    // It worked last, so that it is first even behind others.
    backends.send_replace(vec![b, dead().await, a]);
    assert_eq!(ask(forwarder.address(), 3).await[0], b'a');
    a_task.abort();
    _ = a_task.await;
    for _ in 0..3 {
        assert_eq!(ask(forwarder.address(), 3).await[0], b'b');
    }
}

#[tokio::test]
async fn both_directions_carry_megabytes_and_an_end_of_one_leaves_the_other() {
    let extra = 5 << 20;
    let (a, _task) = node(b'a', extra).await;
    let (forwarder, _backends) = forwarder(&[a], 8).await;
    let answer = ask(forwarder.address(), 3 << 20).await;
    assert_eq!(answer.len(), 9 + extra);
    assert_eq!(answer[1..9], (3_usize << 20).to_be_bytes());
    assert!(answer[9..].iter().all(|byte| *byte == b'a'));
}

#[tokio::test]
async fn without_a_node_that_lives_the_answer_is_503_with_a_reason() {
    let (forwarder, backends) = forwarder(&[dead().await], 8).await;
    let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let body = refusal(&ask(forwarder.address(), request.len()).await);
    assert_eq!(body.code, "no_node");
    assert!(body.message.contains("127.0.0.1:"), "{}", body.message);
    assert_eq!(body.trace_id.len(), 32);
    backends.send_replace(Vec::new());
    let body = refusal(&ask(forwarder.address(), 100_000).await);
    assert!(body.message.contains("no node runs"), "{}", body.message);
}

#[tokio::test]
async fn connections_beyond_the_bound_are_refused_and_room_comes_back() {
    let (a, _task) = node(b'a', 0).await;
    let (forwarder, _backends) = forwarder(&[a], 2).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(forwarder.address()).await.unwrap();
        stream.write_all(b"x").await.unwrap();
        held.push(stream);
    }
    // Connections are taken in their order, so that these two have the room.
    assert_eq!(refusal(&ask(forwarder.address(), 1).await).code, "too_many_connections");
    let mut first = held.remove(0);
    first.shutdown().await.unwrap();
    let mut answer = Vec::new();
    first.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer[0], b'a');
    drop(first);
    loop {
        let answer = ask(forwarder.address(), 1).await;
        if answer[0] == b'a' {
            break;
        }
        assert_eq!(refusal(&answer).code, "too_many_connections");
    }
}

#[tokio::test]
async fn a_client_that_stays_after_its_node_has_gone_is_let_go() {
    let listener = TcpListener::bind(LOCAL).await.unwrap();
    let node = listener.local_addr().unwrap();
    let (forwarder, _backends) = forwarder(&[node], 1).await;
    let mut client = TcpStream::connect(forwarder.address()).await.unwrap();
    client.write_all(b"x").await.unwrap();
    let (backend, _) = listener.accept().await.unwrap();
    drop(backend);
    // The client never ends its side, and the only place is free again nevertheless.
    let answered = async {
        loop {
            let mut next = TcpStream::connect(forwarder.address()).await.unwrap();
            let mut first = [0; 1];
            let read = tokio::select! {
                accepted = listener.accept() => break accepted.unwrap(),
                read = next.read(&mut first) => read,
            };
            assert!(read.is_err() || read.is_ok_and(|read| read == 0 || first == *b"H"));
        }
    };
    tokio::time::timeout(Duration::from_secs(60), answered).await.unwrap();
    drop(client);
}

#[tokio::test]
async fn after_stop_the_address_is_free() {
    let (forwarder, _backends) = forwarder(&[], 1).await;
    let address = forwarder.address();
    forwarder.stop().await;
    TcpListener::bind(address).await.unwrap();
}
