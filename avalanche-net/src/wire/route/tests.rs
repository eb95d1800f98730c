//! Ids of another length are found in every field that has one.

use std::time::Duration;

use super::*;
use crate::wire::{Compression, DecodeError, Decoder, Encoder, build};

const ID: Id = Id::new([7; 32]);
const DEADLINE: Duration = Duration::from_nanos(12);

/// One message for each field with ids, with the field's name, and a way to break it.
fn cases() -> Vec<(Body, &'static str)> {
    let short = || Bytes::from_static(&[7; 31]);
    let list = || vec![Bytes::from_static(&[7; 32]), short()];
    let mut cases = Vec::new();
    macro_rules! broken {
        ($make:expr, $kind:ident, $field:ident, $value:expr) => {
            let mut body = $make;
            if let Body::$kind(message) = &mut body {
                message.$field = $value;
            }
            cases.push((body, stringify!($field)));
        };
    }
    broken!(build::app_gossip(ID, short()), AppGossip, chain_id, short());
    broken!(build::get(ID, 1, DEADLINE, ID), Get, chain_id, short());
    broken!(build::get(ID, 1, DEADLINE, ID), Get, container_id, short());
    broken!(build::get_ancestors(ID, 1, DEADLINE, ID), GetAncestors, container_id, short());
    broken!(build::pull_query(ID, 1, DEADLINE, ID, 0), PullQuery, container_id, short());
    broken!(build::accepted_frontier(ID, 1, ID), AcceptedFrontier, container_id, short());
    broken!(build::get_accepted(ID, 1, DEADLINE, [ID]), GetAccepted, container_ids, list());
    broken!(build::accepted(ID, 1, [ID]), Accepted, container_ids, list());
    broken!(build::accepted_state_summary(ID, 1, [ID]), AcceptedStateSummary, summary_ids, list());
    let vote =
        build::Chits { preferred: ID, preferred_at_height: ID, accepted: ID, accepted_height: 0 };
    broken!(build::chits(ID, 1, vote), Chits, preferred_id, short());
    broken!(build::chits(ID, 1, vote), Chits, accepted_id, short());
    broken!(build::chits(ID, 1, vote), Chits, preferred_id_at_height, short());
    cases
}

#[test]
fn an_id_of_another_length_is_found_and_named() {
    let cases = cases();
    assert_eq!(cases.len(), 12);
    for (body, field) in cases {
        let frame = Encoder::new(Compression::None).encode(&body).expect("short");
        let refused = Decoder::new().decode(frame.bytes().slice(4..));
        let bad = BadId { op: frame.op(), field, len: 31 };
        assert_eq!(refused, Err(DecodeError::BadId(bad)), "{field} of {}", frame.op());
        assert_eq!(route(&body).is_err(), field == "chain_id");
    }
}

#[test]
fn requests_have_a_deadline_and_answers_a_request() {
    let routed = |body: Body| route(&body).expect("good").map(|r| (r.request_id, r.deadline));
    assert_eq!(routed(build::ping(1)), None);
    assert_eq!(routed(build::app_gossip(ID, Bytes::new())), Some((None, None)));
    assert_eq!(routed(build::put(ID, 5, Bytes::new())), Some((Some(5), None)));
    let request = |deadline| routed(build::get(ID, 5, deadline, ID));
    assert_eq!(request(DEADLINE), Some((Some(5), Some(DEADLINE))));
    assert_eq!(request(Duration::ZERO), Some((Some(5), Some(Duration::ZERO))));
    let longest = Duration::from_nanos(u64::MAX);
    assert_eq!(request(Duration::MAX), Some((Some(5), Some(longest))));
}
