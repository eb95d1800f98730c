//! Wrong, oversized, slow and numerous clients: each has a clear answer, and others are served.

use std::time::Duration;

use crate::support::chain::first;
use crate::support::http::{Request, Response, ask, raw, rest};
use crate::support::{Served, until};
use avalanche_consensus::Id;
use avalanche_gateway::GatewayConfig;
use avalanche_gateway::api::frame;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const TX: &str = "/api/v1/chains/payments/transactions";
const BATCH: &str = "/api/v1/chains/payments/transactions/batch";

#[tokio::test]
async fn bad_input_is_refused_with_what_was_wrong_and_what_is_allowed() {
    let served = Served::new().await;
    let get = |path: &str| Request::get(&format!("/api/v1{path}"));
    let right = Id::hash(b"x").to_string();
    let id =
        format!("{}{}", &right[..right.len() - 1], if right.ends_with('z') { 'y' } else { 'z' });
    let table = [
        (Request::get("/"), 404, "no_route", "/api/v1"),
        (Request::get("/api/v1/nowhere"), 404, "no_route", "/api/v1/nowhere"),
        (Request::get("/api/v1/chains/"), 404, "no_route", "README"),
        (get("/chains/nothing"), 404, "unknown_chain", "payments, other"),
        (get("/chains/%00%ff"), 400, "bad_request", "UTF-8"),
        (get("/chains/%2e%2e%2f"), 404, "unknown_chain", "../"),
        (get("/consensus/status?chain=x"), 404, "unknown_chain", "default"),
        (get("/consensus/status?chian=x"), 400, "bad_query", "chain=NAME-OR-ID"),
        (get("/consensus/status?chain=a&chain=b"), 400, "bad_query", "duplicate"),
        (get("/consensus/blocks/0xabc/explain"), 400, "bad_request", "two are needed"),
        (get(&format!("/consensus/blocks/{id}/explain")), 400, "bad_request", "checksum"),
        (get("/consensus/blocks/0OIl/explain"), 400, "bad_request", "allowed are 1-9"),
        (get("/consensus/blocks/2JE/explain"), 400, "bad_request", "exactly 32"),
        (get(&format!("/validators/{id}")), 400, "bad_request", "NodeID-"),
        (get("/chains/payments/blocks?from=-1"), 400, "bad_query", "from=HEIGHT"),
        (get("/chains/payments/blocks?from=x"), 400, "bad_query", "invalid digit"),
        (get("/chains/payments/blocks?limit=0"), 400, "bad_query", "1 to 1000"),
        (get("/chains/payments/blocks?limit=1001"), 400, "bad_query", "1 to 1000"),
        (get("/chains/payments/blocks?to=1"), 400, "bad_query", "unknown field `to`"),
        (get("/chains/payments/blocks/4"), 404, "unknown_block", "block 4"),
        (get("/chains/payments/blocks/18446744073709551615"), 404, "unknown_block", "no accepted"),
        (get("/chains/payments/blocks/99999999999999999999"), 400, "bad_request", "too large"),
        (get("/chains/payments/blocks/latest"), 400, "bad_request", "latest"),
        (get("/chains/payments/blocks/3?form=json"), 400, "bad_query", "container"),
        (get(&format!("/chains/payments/transactions/{id}")), 400, "bad_request", "checksum"),
        (
            get(&format!("/chains/payments/transactions/0x{}", "7".repeat(64))),
            404,
            "unknown_transaction",
            "not heard",
        ),
        (get("/chains/payments/accounts/me"), 400, "bad_request", "address"),
        (
            get(&format!("/chains/payments/accounts/{}?proof=1", "1".repeat(64))),
            400,
            "bad_query",
            "proof=true",
        ),
        (
            get(&format!("/chains/payments/accounts/{}/transactions", "0".repeat(64))),
            400,
            "bad_request",
            "no addresses",
        ),
        (
            get(&format!("/chains/payments/accounts/{}/transactions?cursor=3", "1".repeat(64))),
            400,
            "bad_request",
            "17-3",
        ),
        (get("/peers/best?limit=many"), 400, "bad_query", "limit=COUNT"),
        (get("/ws"), 400, "no_websocket", "WebSocket"),
        (get("/ws?topics=blocks,all"), 400, "bad_query", "transactions, consensus and peers"),
        (get("/ws?from=1&after=2"), 400, "bad_query", "one of them"),
        (get("/ws?after=x"), 400, "bad_query", "17-3"),
        (Request::octets(TX, ""), 400, "bad_request", "empty"),
        (Request::post(TX, "text/plain", "x"), 415, "unsupported_media_type", "octet-stream"),
        (
            Request { headers: Vec::new(), ..Request::octets(TX, "x") },
            415,
            "unsupported_media_type",
            "application/json",
        ),
        (Request::json(TX, "{"), 400, "bad_json", "line 1 column 1"),
        (Request::json(TX, "{}"), 400, "bad_json", "missing field `tx`"),
        (Request::json(TX, r#"{"tx":"0x1"}"#), 400, "bad_json", "1 hexadecimal digits"),
        (Request::json(TX, r#"{"tx":"zz"}"#), 400, "bad_json", "'z' at byte 0"),
        (Request::json(TX, r#"{"tx":7}"#), 400, "bad_json", "{\"tx\":\"0x..\"}"),
        (Request::json(TX, r#"{"tx":"00","to":1}"#), 400, "bad_json", "unknown field `to`"),
        (Request::json(TX, vec![b'['; 100_000]), 400, "bad_json", "allowed is"),
        (Request::json(TX, [0xff, 0xfe]), 400, "bad_json", "allowed is"),
        (Request::octets(&format!("{TX}?wait=maybe"), "x"), 400, "bad_query", "wait=true"),
        (Request::octets(&format!("{TX}?timeout_ms=1.5"), "x"), 400, "bad_query", "timeout_ms"),
        (Request::octets("/api/v1/chains/x/transactions", "x"), 404, "unknown_chain", "payments"),
        (Request::octets(BATCH, ""), 400, "bad_request", "at least one"),
        (Request::octets(BATCH, "abc"), 400, "bad_request", "3 of 4 bytes of its length"),
        (Request::octets(BATCH, [0, 0, 0, 2, 1]), 400, "bad_request", "1 of 2 bytes of its octets"),
        (Request::octets(BATCH, [9; 8]), 413, "too_large", "at most 1048576"),
        (Request::json(BATCH, r#"{"txs":["0"]}"#), 400, "bad_json", "two are needed"),
        (Request::json(BATCH, r#"{"txs":[]}"#), 400, "bad_request", "at least one"),
        (
            Request::json("/api/v1/consensus/block", "{}"),
            415,
            "unsupported_media_type",
            "octet-stream",
        ),
    ];
    for (request, status, code, says) in table {
        let (method, path) = (request.method, request.path.clone());
        let response = served.ask(&request).await;
        let body = response.error();
        assert_eq!((response.status, &*body.code), (status, code), "{method} {path}: {body:?}");
        assert!(body.message.contains(says), "{method} {path}: {says:?} in {}", body.message);
    }
    let response = served.get("/api/v1/consensus/blocks/0x00/explain?chain=other").await;
    assert_eq!(response.status, 400);
    let path = format!("/api/v1/consensus/blocks/{}/explain?chain=other", "1".repeat(64));
    let response = served.get(&path).await;
    assert_eq!((response.status, &*response.error().code), (503, "not_ready"));
}

#[tokio::test]
async fn bodies_beyond_their_bounds_are_413_whether_or_not_they_say_so_first() {
    let config = GatewayConfig {
        transaction_bytes_max: 100,
        batch_bytes_max: 1_000,
        batch_count_max: 3,
        block_bytes_max: 500,
        vm_body_bytes_max: 50,
        ..GatewayConfig::default()
    };
    let served = Served::with(config).await;
    let hex = |bytes: usize| format!("{{\"tx\":\"0x{}\"}}", "00".repeat(bytes));
    let many = frame([[1_u8; 1]; 4]);
    for (request, says) in [
        (Request::octets(TX, vec![1; 101]), "at most 100"),
        (Request::json(TX, hex(101)), "101 bytes; at most 100"),
        (Request::json(TX, hex(1_000)), "at most 264"),
        (Request::octets(BATCH, vec![1; 1_001]), "at most 1000"),
        (Request::octets(BATCH, many), "more than 3"),
        (Request::octets(BATCH, frame([[1; 101]])), "101 bytes by its length; at most 100"),
        (Request::json(BATCH, r#"{"txs":["","","",""]}"#), "more than 3"),
        (Request::json(BATCH, format!("{{\"txs\":[\"{}\"]}}", "00".repeat(101))), "at most 100"),
        (Request::octets("/api/v1/consensus/block", vec![1; 501]), "at most 500"),
        (Request::octets("/api/v1/chains/payments/vm/echo", vec![1; 51]), "at most 50"),
    ] {
        let path = request.path.clone();
        let response = served.ask(&request).await;
        assert_eq!(response.status, 413, "{path}: {}", response.text());
        assert!(response.error().message.contains(says), "{says:?} in {}", response.text());
    }
    for (request, status) in [
        (Request::octets(TX, vec![1; 100]), 200),
        (Request::json(TX, hex(100)), 200),
        (Request::octets(BATCH, frame([[1; 100]; 3])), 202),
    ] {
        assert_eq!(served.ask(&request).await.status, status);
    }
    // Chunks say no length first.
    let mut chunks = b"POST /api/v1/chains/payments/transactions HTTP/1.1\r\nhost: x\r\n\
        content-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\
        connection: close\r\n\r\n"
        .to_vec();
    for _ in 0..10 {
        chunks.extend(b"20\r\n");
        chunks.extend([1; 32]);
        chunks.extend(b"\r\n");
    }
    chunks.extend(b"0\r\n\r\n");
    let response = Response::read(&raw(served.address, &chunks).await);
    assert_eq!((response.status, &*response.error().code), (413, "too_large"));
}

#[tokio::test]
async fn what_is_no_http_is_400_and_a_long_head_431() {
    let served = Served::new().await;
    for wrong in [&b"\0\0\0\0\r\n\r\n"[..], b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\r\n\r\n"]
    {
        let answer = raw(served.address, wrong).await;
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{:?}", String::from_utf8_lossy(&answer));
    }
    let long = Request::get("/health").header("x-long", &"x".repeat(20_000));
    assert_eq!(served.ask(&long).await.status, 431);
    let path = format!("/{}", "x".repeat(20_000));
    assert!(matches!(served.get(&path).await.status, 414 | 431));
    let mut many = Request::get("/health");
    many.headers = vec![("x-many", "1".to_owned()); 200];
    assert_eq!(served.ask(&many).await.status, 431);
    assert_eq!(served.get("/health").await.status, 200);
}

#[tokio::test]
async fn slow_heads_and_slow_bodies_are_408() {
    let short = Duration::from_millis(150);
    let config =
        GatewayConfig { header_timeout: short, body_timeout: short, ..GatewayConfig::default() };
    let served = Served::with(config).await;
    let slow_body = format!(
        "POST {TX} HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\n\
         content-length: 10\r\n\r\nabc"
    );
    for (sent, code) in [("GET /health HTT", "header_timeout"), (&*slow_body, "body_timeout")] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let response = Response::read(&rest(&mut stream).await);
        assert_eq!((response.status, &*response.error().code), (408, code));
    }
    // So is one that is kept after an answer, without a word more.
    let mut kept = TcpStream::connect(served.address).await.unwrap();
    kept.write_all(b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let response = Response::read(&rest(&mut kept).await);
    assert_eq!(response.status, 200);
    assert_eq!(response.json()["api"], "v1");
    // And one whose body came after the head.
    let mut kept = TcpStream::connect(served.address).await.unwrap();
    kept.write_all(slow_body.replace(": 10", ": 3").trim_end_matches("abc").as_bytes())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    kept.write_all(b"xyz").await.unwrap();
    let response = Response::read(&rest(&mut kept).await);
    assert_eq!((response.status, &response.json()["status"]), (200, &"accepted".into()));
    // Whoever says nothing is closed without a word.
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    assert_eq!(rest(&mut silent).await, b"");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_let_go() {
    let config =
        GatewayConfig { write_timeout: Duration::from_millis(200), ..GatewayConfig::default() };
    let served = Served::with(config).await;
    served.node.payments.accept(&[vec![7; 16 << 20]]);
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let request =
        "GET /api/v1/chains/payments/blocks/last?form=payload HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    // Only the one that asks for the metric is left.
    until(async || served.metric("http_connections").await == 1).await;
    let answer = {
        let mut bytes = Vec::new();
        // The end is a reset.
        _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut bytes).await;
        bytes
    };
    assert!(answer.len() < 16 << 20);
}

/// How many file descriptors this process may have.
fn descriptors() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    soft.unwrap_or(1_024)
}

#[tokio::test]
async fn thousands_of_idle_connections_make_room_for_whoever_asks() {
    let config = GatewayConfig { connections_max: 100, ..GatewayConfig::default() };
    let served = Served::with(config).await;
    let many = descriptors().saturating_sub(500).min(10_000);
    assert!(many >= 500, "too few file descriptors are allowed: raise ulimit -n");
    let mut idle = Vec::new();
    for number in 0..many {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        if number % 2 == 0 {
            // Half of them have begun to say something.
            _ = stream.write_all(b"GET /health HTTP/1.1\r\nx-slow: ").await;
        }
        idle.push(stream);
        if number % 1_000 == 0 {
            assert_eq!(served.get("/health").await.status, 200);
        }
    }
    until(async || served.metric("http_connections").await <= 101).await;
    assert!(served.metric("http_connections_closed_idle_total").await + 200 >= many);
    assert_eq!(served.metric("http_connections_refused_total").await, 0);
    assert_eq!(served.get("/health").await.status, 200);
}

#[tokio::test]
async fn when_all_connections_are_busy_new_ones_get_503() {
    let config = GatewayConfig { connections_max: 2, ..GatewayConfig::default() };
    let mut served = Served::with(config).await;
    let address = served.address;
    let wait = |number: u8| {
        tokio::spawn(
            async move { ask(address, &Request::octets(TX, [first::WAITS, number])).await },
        )
    };
    let busy = [wait(1), wait(2)];
    let waiters = &served.node.payments.waiters;
    until(async || waiters.load(std::sync::atomic::Ordering::SeqCst) == 2).await;
    let response = served.get("/health").await;
    assert_eq!((response.status, &*response.error().code), (503, "too_many_connections"));
    assert_eq!(response.header("retry-after"), Some("1"));
    served.node.payments.decide(&[vec![first::WAITS, 1], vec![first::WAITS, 2]]);
    for one in busy {
        assert_eq!(one.await.unwrap().status, 200);
    }
    until(async || served.get("/health").await.status == 200).await;
    served.shutdown();
}

#[tokio::test]
async fn requests_in_work_are_bounded_and_probes_are_not() {
    let config = GatewayConfig { requests_max: 1, ..GatewayConfig::default() };
    let served = Served::with(config).await;
    let address = served.address;
    let waiting =
        tokio::spawn(async move { ask(address, &Request::octets(TX, [first::WAITS])).await });
    let waiters = &served.node.payments.waiters;
    until(async || waiters.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    let response = served.get("/api/v1/chains").await;
    assert_eq!((response.status, &*response.error().code), (503, "busy"));
    assert_eq!(response.header("retry-after"), Some("1"));
    for probe in ["/health", "/ready", "/startup", "/version", "/metrics"] {
        assert_eq!(served.get(probe).await.status, 200);
    }
    served.node.payments.decide(&[vec![first::WAITS]]);
    assert_eq!(waiting.await.unwrap().status, 200);
    assert_eq!(served.get("/api/v1/chains").await.status, 200);
}

#[tokio::test]
async fn memory_of_bodies_is_bounded_and_given_back() {
    let config = GatewayConfig { memory_bytes_max: 100 << 10, ..GatewayConfig::default() };
    let served = Served::with(config).await;
    let mut holding = TcpStream::connect(served.address).await.unwrap();
    let head = format!(
        "POST {TX} HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\n\
         content-length: 90000\r\nconnection: close\r\n\r\n"
    );
    holding.write_all(head.as_bytes()).await.unwrap();
    let large = Request::octets(TX, vec![1; 50_000]);
    until(async || served.ask(&large).await.status == 503).await;
    assert_eq!(served.ask(&large).await.error().code, "busy");
    assert_eq!(served.ask(&Request::octets(TX, vec![1; 1_000])).await.status, 200);
    // Chunks say no length first.
    let mut chunks = b"POST /api/v1/chains/payments/transactions HTTP/1.1\r\nhost: x\r\n\
        content-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\
        connection: close\r\n\r\nc350\r\n"
        .to_vec();
    chunks.extend([1; 50_000]);
    chunks.extend(b"\r\n0\r\n\r\n");
    let response = Response::read(&raw(served.address, &chunks).await);
    assert_eq!((response.status, &*response.error().code), (503, "busy"));
    holding.write_all(&[1; 90_000]).await.unwrap();
    assert_eq!(Response::read(&rest(&mut holding).await).status, 200);
    assert_eq!(served.ask(&large).await.status, 200);
}

#[tokio::test]
async fn a_request_that_the_node_does_not_answer_ends() {
    let config =
        GatewayConfig { request_timeout: Duration::from_millis(50), ..GatewayConfig::default() };
    let served = Served::with(config).await;
    let response = served.get("/api/v1/chains/payments/vm/slow").await;
    assert_eq!((response.status, &*response.error().code), (503, "timeout"));
}

#[tokio::test]
async fn the_end_lets_requests_in_work_finish_and_closes_idle_connections() {
    let mut served = Served::new().await;
    let address = served.address;
    let mut idle = TcpStream::connect(address).await.unwrap();
    let waiting =
        tokio::spawn(async move { ask(address, &Request::octets(TX, [first::WAITS])).await });
    let waiters = &served.node.payments.waiters;
    until(async || waiters.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    served.shutdown();
    assert_eq!(rest(&mut idle).await, b"");
    assert!(TcpStream::connect(address).await.is_err());
    served.node.payments.decide(&[vec![first::WAITS]]);
    assert_eq!(waiting.await.unwrap().status, 200);
    served.stop().await;
}

#[tokio::test]
async fn the_end_cuts_off_what_does_not_finish() {
    let config = GatewayConfig { drain: Duration::from_millis(50), ..GatewayConfig::default() };
    let served = Served::with(config).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let request = "GET /api/v1/chains/payments/vm/slow HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    until(async || served.metric("http_connections").await == 2).await;
    served.stop().await;
    let mut answer = Vec::new();
    _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await;
    assert_eq!(answer, b"");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Random bytes, after beginnings that lead them deeper, never take the server down.
    #[test]
    fn whatever_bytes_come_the_server_lives(
        beginning in prop::sample::select(vec![
            "", "GET ", "GET /api/v1/chains/", "POST /api/v1/chains/payments/transactions HTTP/1.1\r\n",
            "GET /api/v1/ws HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n",
            "POST /api/v1/chains/payments/transactions/batch HTTP/1.1\r\ncontent-length: 20\r\n\
             content-type: application/octet-stream\r\n\r\n",
        ]),
        bytes in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let served = Served::new().await;
            let mut stream = TcpStream::connect(served.address).await.unwrap();
            let sent = [beginning.as_bytes(), &bytes].concat();
            _ = stream.write_all(&sent).await;
            _ = stream.shutdown().await;
            let mut answer = Vec::new();
            _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await;
            assert_eq!(served.get("/health").await.status, 200);
        });
    }
}
