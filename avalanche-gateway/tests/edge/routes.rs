//! Every route, with what it answers and what it refuses, over real sockets.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::Served;
use crate::support::chain::first;
use crate::support::http::Request;
use avalanche_consensus::{Id, NodeId};
use avalanche_gateway::GatewayConfig;
use serde_json::{Value, json};

const CHAINS: &str = "/api/v1/chains";

/// A part of an answer, by a JSON pointer.
fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or_else(|| panic!("{pointer} in {value}"))
}

#[tokio::test]
async fn reads_answer_with_the_forms_that_are_promised() {
    let served = Served::new().await;
    let chain = Id::hash(b"payments");
    let last = served.node.payments.last();
    let one = NodeId::new([1; 20]);
    let table = [
        ("/api/v1/consensus/status", "/last_accepted/height", json!("3")),
        ("/api/v1/consensus/status", "/phase", json!("normal_operation")),
        ("/api/v1/consensus/status", "/mode", json!("snowman")),
        ("/api/v1/consensus/status", "/parameters/k", json!(20)),
        ("/api/v1/consensus/status", "/finality/transactions", json!("18446744073709551615")),
        ("/api/v1/consensus/status?chain=other", "/name", json!("other")),
        ("/api/v1/validators", "/total_weight", json!((u64::MAX / 4 * 3).to_string())),
        ("/api/v1/validators", "/connected_weight", json!((u64::MAX / 4 * 2).to_string())),
        (&format!("/api/v1/validators/{one}"), "/uptime", json!(0.5)),
        (CHAINS, "/chains/1/name", json!("other")),
        ("/api/v1/chains/payments", "/id", json!(chain.to_string())),
        ("/api/v1/chains/default", "/name", json!("payments")),
        (&format!("/api/v1/chains/{chain}"), "/vm", json!("fake")),
        (&format!("/api/v1/chains/{chain:x}"), "/name", json!("payments")),
        ("/api/v1/chains/payments/blocks?from=1&limit=2", "/blocks/0/height", json!("1")),
        ("/api/v1/chains/payments/blocks?from=1&limit=2", "/next", json!("3")),
        ("/api/v1/chains/payments/blocks?limit=1", "/blocks/0/height", json!("3")),
        ("/api/v1/chains/payments/blocks/3", "/id", json!(last.id.to_string())),
        ("/api/v1/chains/payments/blocks/last", "/transactions", json!(2)),
        (&format!("/api/v1/chains/payments/blocks/{}", last.id), "/status", json!("accepted")),
        (&format!("/api/v1/chains/payments/blocks/0x{:x}", last.id), "/height", json!("3")),
        ("/api/v1/chains/payments/transactions/pending", "/count", json!("0")),
        (
            &format!("/api/v1/chains/payments/transactions/{}", served.node.payments.ids(2)[1]),
            "/receipt/index",
            json!(1),
        ),
        (
            &format!("/api/v1/chains/payments/accounts/0x{:x}?proof=true", chain),
            "",
            json!({ "address": chain.to_string(), "query": "proof=true" }),
        ),
        (
            &format!("/api/v1/chains/payments/accounts/{chain}/transactions?limit=1"),
            "",
            json!({
                "transactions": [{ "id": chain.to_string(), "height": "2", "index": 1 }],
                "next": "2-1",
            }),
        ),
        (
            &format!("/api/v1/chains/payments/accounts/{chain}/transactions?cursor=2-1"),
            "/transactions/1/index",
            json!(1),
        ),
        (
            &format!("/api/v1/consensus/blocks/{chain}/explain"),
            "/cause",
            json!({ "kind": "polls_timing_out", "failed": 9, "of": 10 }),
        ),
        (&format!("/api/v1/consensus/blocks/{chain}/explain"), "/connected", json!(0.75)),
        (
            &format!("/api/v1/consensus/blocks/{chain}/explain"),
            "/polls/0/votes/0",
            json!({ "block": chain.to_string(), "count": 3 }),
        ),
        ("/api/v1/peers", "/peers/1/latency_us", json!("1500")),
        ("/api/v1/peers/best?limit=1", "/peers/0/version", json!("avalanchego/1.14.2")),
        ("/api/v1/health", "/parts/0/name", json!("disk")),
        ("/health", "/healthy", json!(true)),
        ("/ready", "/parts/1/name", json!("phase of payments")),
        ("/startup", "/healthy", json!(true)),
        ("/version", "/network_id", json!(12_345)),
    ];
    for (path, pointer, expected) in table {
        let response = served.get(path).await;
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        assert_eq!(*at(&response.json(), pointer), expected, "{path}");
        assert_eq!(response.header("x-trace-id").map(str::len), Some(32), "{path}");
    }
}

#[tokio::test]
async fn a_page_at_the_tip_has_no_next_one() {
    let served = Served::new().await;
    let page = served.get("/api/v1/chains/payments/blocks?from=2&limit=2").await.json();
    assert_eq!(page.get("next"), None);
    let page = served.get("/api/v1/chains/payments/blocks?from=9").await.json();
    assert_eq!(page, json!({ "blocks": [] }));
}

#[tokio::test]
async fn blocks_come_as_bytes_too() {
    let served = Served::new().await;
    let last = served.node.payments.last();
    let path = "/api/v1/chains/payments/blocks/last";
    let response = served.get(&format!("{path}?form=container")).await;
    assert_eq!((response.status, &*response.body), (200, &*last.bytes));
    assert_eq!(response.header("content-type"), Some("application/octet-stream"));
    assert_eq!(served.get(&format!("{path}?form=payload")).await.body, &*last.payload);
    let accepting = Request::get(path).header("accept", "application/octet-stream");
    assert_eq!(served.ask(&accepting).await.body, &*last.payload);
}

#[tokio::test]
async fn a_transaction_is_answered_when_it_is_final() {
    let served = Served::new().await;
    let path = "/api/v1/chains/payments/transactions";
    let id = Id::hash(b"pay").to_string();
    for request in [Request::octets(path, "pay"), Request::json(path, r#"{"tx":"0x706179"}"#)] {
        let response = served.ask(&request).await;
        assert_eq!(response.status, 200, "{}", response.text());
        let body = response.json();
        assert_eq!((at(&body, "/id"), at(&body, "/status")), (&json!(id), &json!("accepted")));
        assert_eq!(at(&body, "/receipt/amount"), &json!("1"));
    }
}

#[tokio::test]
async fn what_is_not_final_yet_is_202() {
    let served = Served::new().await;
    let (id, path) = (Id::hash(b"w1"), "/api/v1/chains/payments/transactions");
    for query in ["wait=false", "timeout_ms=0", "wait=true&timeout_ms=1"] {
        let response = served.ask(&Request::octets(&format!("{path}?{query}"), "w1")).await;
        assert_eq!(response.status, 202, "{query}: {}", response.text());
        assert_eq!(response.json(), json!({ "id": id.to_string(), "status": "pending" }));
        let place = format!("/api/v1/chains/payments/transactions/{id}");
        assert_eq!(response.header("location"), Some(place.to_lowercase().as_str()));
    }
    let response = served.get(&format!("{path}/{id}")).await;
    assert_eq!((response.status, at(&response.json(), "/status")), (200, &json!("pending")));
    let response = served.get(&format!("{path}/pending?limit=1")).await.json();
    assert_eq!(response, json!({ "count": "3", "ids": [id.to_string()] }));
}

#[tokio::test]
async fn patience_is_bounded_by_the_configuration() {
    let config = GatewayConfig { wait_max: Duration::ZERO, ..GatewayConfig::default() };
    let served = Served::with(config).await;
    let path = "/api/v1/chains/payments/transactions?timeout_ms=18446744073709551615";
    assert_eq!(served.ask(&Request::octets(path, "w1")).await.status, 202);
}

#[tokio::test]
async fn refusals_of_the_chain_have_its_code_and_the_status_of_its_kind() {
    let served = Served::new().await;
    let path = "/api/v1/chains/payments/transactions";
    for (first, status, code) in [
        (first::POOR, 400, "funds"),
        (first::AGAIN, 409, "known"),
        (first::FULL, 429, "full"),
        (first::NOT_READY, 503, "not_ready"),
        (first::DROPPED, 400, "nonce"),
    ] {
        let response = served.ask(&Request::octets(path, [first, 1])).await;
        assert_eq!((response.status, &*response.error().code), (status, code));
        let rest = response.header("retry-after").is_some();
        assert_eq!(rest, matches!(status, 429 | 503), "{code}");
    }
    let dropped = served.ask(&Request::octets(path, [first::DROPPED, 1])).await.error();
    assert_eq!(at(&dropped.detail, "/id"), &json!(Id::hash(&[first::DROPPED, 1]).to_string()));
    let id = Id::hash(&[first::DROPPED, 1]);
    let known = served.get(&format!("{path}/{id}")).await.json();
    assert_eq!((at(&known, "/status"), at(&known, "/code")), (&json!("dropped"), &json!("nonce")));
}

#[tokio::test]
async fn a_batch_is_answered_one_by_one_in_order() {
    let served = Served::new().await;
    let path = "/api/v1/chains/payments/transactions/batch";
    let octets = avalanche_gateway::api::frame([&b"one"[..], b"!", b"two", b"f"]);
    let text = r#"{"txs":["0x6f6e65","0x21","0x74776f","66"]}"#;
    let refused = json!([
        {"index": 1, "status": 400, "code": "funds",
         "message": "1 is there, 2 are needed (funds)"},
        {"index": 3, "status": 429, "code": "full", "message": "the pool is full (full)"},
    ]);
    let [one, two] = [Id::hash(b"one").to_string(), Id::hash(b"two").to_string()];
    for request in [Request::octets(path, octets.clone()), Request::json(path, text)] {
        let response = served.ask(&request).await;
        assert_eq!(response.status, 202, "{}", response.text());
        let ids = json!([one, null, two, null]);
        assert_eq!(response.json(), json!({ "admitted": 2, "refused": refused, "ids": ids }));
    }
    let response = served.ask(&Request::octets(&format!("{path}?ids=false"), octets)).await;
    assert_eq!(response.json(), json!({ "admitted": 2, "refused": refused }));
}

#[tokio::test]
async fn blocks_are_taken_in() {
    let served = Served::new().await;
    let path = "/api/v1/consensus/block";
    let response = served.ask(&Request::octets(path, "block")).await;
    assert_eq!(response.json(), json!({ "id": Id::hash(b"block").to_string() }));
    let response = served.ask(&Request::octets(path, [0])).await;
    assert_eq!((response.status, &*response.error().message), (400, "its parent is not known"));
}

#[tokio::test]
async fn the_vm_is_asked_and_its_errors_have_the_common_form() {
    let served = Served::new().await;
    let path = "/api/v1/chains/payments/vm";
    let response = served.ask(&Request::octets(&format!("{path}/echo?x=%20"), "said")).await;
    assert_eq!((response.status, response.text().as_str()), (200, "said"));
    assert_eq!(response.header("content-type"), Some("text/plain"));
    let response = served.get(&format!("{path}/a/b")).await;
    assert_eq!((response.status, &*response.error().message), (404, "no GET /a/b"));
    assert_eq!(served.get(&format!("{path}/odd")).await.status, 500);
}

#[tokio::test]
async fn a_sick_node_names_the_part_and_answers_503() {
    let served = Served::new().await;
    *served.node.well.lock().unwrap() = false;
    for path in ["/health", "/ready", "/api/v1/health"] {
        let response = served.get(path).await;
        assert_eq!(response.status, 503, "{path}");
        let body = response.json();
        assert_eq!(at(&body, "/healthy"), &json!(false));
        assert_eq!(at(&body, "/parts/0/detail"), &json!("is full; make room"));
    }
    assert_eq!(served.get("/startup").await.status, 200);
}

#[tokio::test]
async fn the_trace_of_a_caller_is_taken_over() {
    let served = Served::new().await;
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let given = format!("00-{id}-00f067aa0ba902b7-01");
    let response = served.ask(&Request::get("/nowhere").header("traceparent", &given)).await;
    assert_eq!(response.error().trace_id, id);
    assert_eq!(response.header("x-trace-id"), Some(id));
}

#[tokio::test]
async fn metrics_count_what_was_asked_and_what_the_chains_say() {
    let served = Served::new().await;
    _ = served.get("/api/v1/chains/payments").await;
    _ = served.get("/api/v1/chains/nothing").await;
    let route = "http_requests_total{route=\"/api/v1/chains/{id}\"";
    assert_eq!(served.metric(&format!("{route},status=\"200\"}}")).await, 1);
    assert_eq!(served.metric(&format!("{route},status=\"404\"}}")).await, 1);
    for (name, value) in [
        ("consensus_blocks_processed_total{chain=\"payments\"}", 3),
        ("consensus_blocks_produced_total{chain=\"other\"}", 1),
        ("consensus_active_validators{chain=\"payments\"}", 1),
        ("consensus_queue_length{chain=\"payments\"}", 0),
        ("p2p_peers", 2),
        ("http_connections", 1),
    ] {
        assert_eq!(served.metric(name).await, value, "{name}");
    }
}

#[tokio::test]
async fn the_table_of_metrics_is_what_a_server_answers() {
    let table = include_str!("../../../METRICS.md");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let listed: Vec<[String; 3]> = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            [cells[0].replace('`', ""), cells[1].to_owned(), cells[3].to_owned()]
        })
        .collect();
    let served = Served::new().await;
    let text = served.get("/metrics").await.text();
    let told = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    let told: Vec<[String; 3]> = told
        .map(|(name, help)| {
            let kind = format!("# TYPE {name} ");
            let kind = text.lines().find_map(|line| line.strip_prefix(&kind)).unwrap();
            [name, kind, help].map(str::to_owned)
        })
        .collect();
    assert_eq!(listed, told);
}

#[tokio::test]
async fn the_readme_lists_every_route_and_every_route_refuses_other_methods() {
    let readme = include_str!("../../README.md");
    let listed: BTreeSet<String> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .filter_map(|(route, _)| route.split_once(' '))
        .filter(|(method, _)| matches!(*method, "GET" | "POST"))
        .map(|(_, path)| path.split('?').next().unwrap_or_default())
        .map(|path| if path.starts_with('/') { path.to_owned() } else { format!("/api/v1/{path}") })
        .collect();
    let known: BTreeSet<String> =
        avalanche_gateway::routes().into_iter().map(str::to_owned).collect();
    assert_eq!(listed, known);
    let served = Served::new().await;
    for path in &known {
        let concrete = path.replace("{*path}", "x").replace(['{', '}'], "");
        let request = Request { method: "PATCH", ..Request::get(&concrete) };
        let response = served.ask(&request).await;
        assert_eq!(response.status, 405, "{path}");
        assert!(response.header("allow").is_some(), "{path}");
        assert_eq!(response.error().code, "method_not_allowed");
    }
}
