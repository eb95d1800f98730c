//! Stored forms of validator sets: what is read is checked like what is built.

#![cfg(all(feature = "serde", feature = "bincode"))]

use avalanche_consensus::validators::{HistoryLimits, Validator, ValidatorSet};
use avalanche_consensus::{Error, NodeId};

fn validators() -> Vec<Validator> {
    let validator = |byte, weight| Validator { node_id: NodeId::new([byte; 20]), weight };
    vec![validator(1, 10), validator(2, 5)]
}

fn set() -> Result<ValidatorSet, Error> {
    validators().try_into()
}

#[test]
fn text_forms_are_checked_when_they_are_read() {
    let set = set().expect("a valid set");
    let text = serde_json::to_string(&set).expect("writable");
    assert!(text.starts_with(r#"[{"node_id":"NodeID-"#), "{text}");
    assert_eq!(serde_json::from_str::<ValidatorSet>(&text).expect("readable"), set);
    let zero = text.replace(":10", ":0");
    let error = serde_json::from_str::<ValidatorSet>(&zero).expect_err("zero weight").to_string();
    assert!(error.contains("at least one unit"), "{error}");
}

#[test]
fn limits_are_read_over_their_defaults() {
    let limits: HistoryLimits = serde_json::from_str(r#"{"window": 7}"#).expect("readable");
    assert_eq!(limits, HistoryLimits { window: 7, ..HistoryLimits::default() });
    assert!(serde_json::from_str::<HistoryLimits>(r#"{"windows": 7}"#).is_err());
}

#[test]
fn local_bytes_are_checked_when_they_are_read() {
    let set = set().expect("a valid set");
    let config = bincode::config::standard();
    let bytes = bincode::encode_to_vec(set.clone(), config).expect("writable");
    assert_eq!(bincode::encode_to_vec(validators(), config).expect("writable"), bytes);
    let read = bincode::decode_from_slice::<ValidatorSet, _>(&bytes, config).expect("readable");
    assert_eq!(read, (set.clone(), bytes.len()));
    let read = bincode::borrow_decode_from_slice::<ValidatorSet, _>(&bytes, config);
    assert_eq!(read.expect("readable"), (set.clone(), bytes.len()));
    let twice = [validators(), validators()].concat();
    let bytes = bincode::encode_to_vec(twice, config).expect("writable");
    let error = bincode::decode_from_slice::<ValidatorSet, _>(&bytes, config).expect_err("twice");
    assert!(error.to_string().contains("is a validator already"), "{error}");
}
