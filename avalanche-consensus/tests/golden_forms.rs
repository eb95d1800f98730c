//! The text and binary forms of the vocabulary, byte by byte. A change here breaks what others have
//! stored.

use avalanche_consensus::snowball::ParametersConfig;
use avalanche_consensus::{Bag, HashKey, Height, Id, NodeId, Timestamp};
use bincode::config::standard;

fn id() -> Id {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(b"ava labs");
    Id::new(bytes)
}

/// Encodes and decodes, and returns the bytes. Every byte must be consumed.
#[expect(clippy::unwrap_used, reason = "a failed form fails the test")]
fn bincode_round_trip<T>(value: &T) -> Vec<u8>
where
    T: bincode::Encode + bincode::Decode<()> + PartialEq + std::fmt::Debug,
    T: for<'de> bincode::BorrowDecode<'de, ()>,
{
    let bytes = bincode::encode_to_vec(value, standard()).unwrap();
    let (decoded, consumed) = bincode::decode_from_slice::<T, _>(&bytes, standard()).unwrap();
    assert_eq!((&decoded, consumed), (value, bytes.len()));
    // The borrowing form is what the derive macro of a user's own type asks for.
    let (borrowed, _) = bincode::borrow_decode_from_slice::<T, _>(&bytes, standard()).unwrap();
    assert_eq!(&borrowed, value);
    bytes
}

#[test]
fn json_forms() {
    let check = |json: String, expected: &str| assert_eq!(json, expected);
    let text = "\"jvYi6Tn9idMi7BaymUVi9zWjg5tpmW7trfKG1AYJLKZJ2fsU7\"";
    check(serde_json::to_string(&id()).unwrap(), text);
    assert_eq!(serde_json::from_str::<Id>(text).unwrap(), id());
    let hex = format!("\"0x{:x}\"", id());
    assert_eq!(serde_json::from_str::<Id>(&hex).unwrap(), id());

    let node = "\"NodeID-111111111111111111116DBWJs\"";
    check(serde_json::to_string(&NodeId::EMPTY).unwrap(), node);
    assert_eq!(serde_json::from_str::<NodeId>(node).unwrap(), NodeId::EMPTY);

    check(serde_json::to_string(&Height::new(7)).unwrap(), "7");
    check(serde_json::to_string(&Timestamp::from_nanos(9)).unwrap(), "9");
    let bag = Bag::from(vec![(Height::new(5), 2), (Height::new(3), 1)]);
    check(serde_json::to_string(&bag).unwrap(), "[[3,1],[5,2]]");
    // Out of order and repeated values come out as one bag.
    let read: Bag<Height> = serde_json::from_str("[[5,1],[3,1],[5,1],[9,0]]").unwrap();
    assert_eq!(read, bag);
}

#[test]
fn a_wrong_text_is_refused_with_its_reason() {
    let error = serde_json::from_str::<Id>("\"0x12\"").unwrap_err().to_string();
    assert!(error.contains("1 bytes; exactly 32"), "{error}");
    let error = serde_json::from_str::<ParametersConfig>("{\"kk\":1}").unwrap_err().to_string();
    assert!(error.contains("unknown field `kk`"), "{error}");
}

#[test]
fn parameters_are_read_with_defaults() {
    let config: ParametersConfig =
        serde_json::from_str("{\"k\":5,\"alpha_preference\":4}").unwrap();
    let expected = ParametersConfig { k: 5, alpha_preference: 4, ..ParametersConfig::default() };
    assert_eq!(config, expected);
    assert_eq!(
        serde_json::to_string(&ParametersConfig::default()).unwrap(),
        "{\"k\":20,\"alpha_preference\":15,\"alpha_confidence\":15,\"beta\":20,\
         \"concurrent_repolls\":4,\"optimal_processing\":10,\"max_outstanding_items\":256,\
         \"max_item_processing_time\":{\"secs\":30,\"nanos\":0}}"
    );
}

#[test]
fn bincode_forms() {
    assert_eq!(bincode_round_trip(&id()), id().as_bytes());
    assert_eq!(bincode_round_trip(&NodeId::new([7; 20])), [7; 20]);
    assert_eq!(bincode_round_trip(&Height::new(250)), [250]);
    assert_eq!(bincode_round_trip(&Height::new(1_000)), [251, 0xe8, 3]);
    assert_eq!(bincode_round_trip(&Timestamp::from_nanos(1)), [1]);
    assert!(bincode::decode_from_slice::<Id, _>(&[0; 31], standard()).is_err());
}

#[test]
fn hashes() {
    // SHA-256 of the empty string, as AvalancheGo would name it.
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(format!("{:x}", Id::hash(b"")), empty);
    // The derivation of lookup keys is not stored anywhere, but equal seeds must stay equal runs.
    use std::hash::BuildHasher;
    assert_eq!(HashKey::from_seed([1; 32]).hash_one(id()), GOLDEN_HASH);
}

/// `avalanche/consensus/hash-key/v1`, seed of ones, the identifier above.
const GOLDEN_HASH: u64 = 18_334_717_844_997_983_682;
