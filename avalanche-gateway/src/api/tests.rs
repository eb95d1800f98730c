//! The JSON of the wire, letter by letter: whoever changes it breaks clients.

use avalanche_consensus::{Id, NodeId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;

fn id() -> Id {
    Id::hash(b"one")
}

/// Checks the text, and that it is read again.
fn pinned<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, text: &str) {
    let text = text.replace("$ID", &id().to_string());
    assert_eq!(serde_json::to_string(value).unwrap(), text);
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), *value);
}

#[test]
fn transactions_are_as_they_always_were() {
    let new = |status| Transaction::new(id(), status);
    pinned(&new(TransactionStatus::Pending), r#"{"id":"$ID","status":"pending"}"#);
    pinned(
        &Transaction { block: Some(id()), ..new(TransactionStatus::Processing) },
        r#"{"id":"$ID","status":"processing","block":"$ID"}"#,
    );
    pinned(
        &Transaction {
            height: Some(7),
            index: Some(3),
            receipt: Some(RawJson::new(r#"{"b": 1,"a":[2]}"#.to_owned()).unwrap()),
            ..new(TransactionStatus::Accepted)
        },
        r#"{"id":"$ID","status":"accepted","height":"7","index":3,"receipt":{"b": 1,"a":[2]}}"#,
    );
    pinned(
        &Transaction {
            code: Some("nonce".to_owned()),
            reason: Some("r".to_owned()),
            ..new(TransactionStatus::Dropped)
        },
        r#"{"id":"$ID","status":"dropped","code":"nonce","reason":"r"}"#,
    );
    assert!(RawJson::new("{".to_owned()).is_err());
}

#[test]
fn batches_are_as_they_always_were() {
    let refused =
        Refused { index: 1, status: 400, code: "funds".to_owned(), message: "m".to_owned() };
    pinned(
        &BatchAnswer { admitted: 1, refused: vec![refused], ids: Some(vec![Some(id()), None]) },
        r#"{"admitted":1,"refused":[{"index":1,"status":400,"code":"funds","message":"m"}],"ids":["$ID",null]}"#,
    );
    pinned(&BatchBody { txs: vec![HexBytes(vec![1, 0xab])] }, r#"{"txs":["0x01ab"]}"#);
    pinned(&SubmitBody { tx: HexBytes(Vec::new()) }, r#"{"tx":"0x"}"#);
}

#[test]
fn events_are_as_they_always_were() {
    let block = Block {
        id: id(),
        parent: id(),
        height: u64::MAX,
        timestamp_ns: 1,
        proposer: None,
        status: BlockStatus::Accepted,
        vm_block: id(),
        transactions: Some(2),
        bytes: 3,
        payload_bytes: 1,
    };
    let cursor = EventCursor { height: 17, index: None };
    pinned(
        &Event::Blocks { cursor, block, finality_us: Some(5) },
        r#"{"topic":"blocks","cursor":"17","block":{"id":"$ID","parent":"$ID","height":"18446744073709551615","timestamp_ns":"1","status":"accepted","vm_block":"$ID","transactions":2,"bytes":3,"payload_bytes":1},"finality_us":"5"}"#,
    );
    let cursor = EventCursor { height: 17, index: Some(3) };
    pinned(
        &Event::Transactions { cursor, block: id(), height: 17, first: 3, ids: vec![id()] },
        r#"{"topic":"transactions","cursor":"17-3","block":"$ID","height":"17","first":3,"ids":["$ID"]}"#,
    );
    pinned(
        &Event::Consensus { event: ConsensusEvent::Rejected { id: id(), height: 9 } },
        r#"{"topic":"consensus","event":{"kind":"rejected","id":"$ID","height":"9"}}"#,
    );
    let gone = NodeId::new([7; 20]);
    pinned(
        &Event::Peers { connected: Vec::new(), disconnected: vec![gone] },
        &format!(r#"{{"topic":"peers","connected":[],"disconnected":["{gone}"]}}"#),
    );
}

#[test]
fn errors_are_as_they_always_were() {
    let body = ErrorBody {
        code: "c".to_owned(),
        message: "m".to_owned(),
        detail: serde_json::json!({ "allowed": ["GET"] }),
        trace_id: "t".to_owned(),
    };
    let text = r#"{"code":"c","message":"m","detail":{"allowed":["GET"]},"trace_id":"t"}"#;
    pinned(&body, text);
    let bare: ErrorBody = serde_json::from_str(r#"{"code":"c","message":"m"}"#).unwrap();
    assert_eq!((bare.detail, &*bare.trace_id), (serde_json::Value::Null, ""));
}

#[test]
fn what_a_later_node_says_can_be_read() {
    let cause: Cause = serde_json::from_str(r#"{"kind":"unheard_of","why":1}"#).unwrap();
    assert_eq!(cause, Cause::Other);
    let event = r#"{"topic":"consensus","event":{"kind":"unheard_of","why":1},"more":2}"#;
    let event: Event = serde_json::from_str(event).unwrap();
    assert_eq!(event, Event::Consensus { event: ConsensusEvent::Other });
}

#[test]
fn cursors_come_back_and_are_in_order() {
    let read = |text: &str| text.parse::<EventCursor>();
    for text in ["0", "17", "17-0", "18446744073709551615-4294967295"] {
        assert_eq!(read(text).unwrap().to_string(), text);
    }
    assert!(read("17").unwrap() < read("17-0").unwrap());
    assert!(read("17-9").unwrap() < read("18").unwrap());
    for wrong in ["", "-", "17-", "-3", "17-3-1", "x", "18446744073709551616", "1-4294967296"] {
        let error = read(wrong).unwrap_err().to_string();
        assert!(error.contains("17-3"), "{wrong}: {error}");
    }
}
