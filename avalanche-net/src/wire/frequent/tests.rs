//! Both ways of reading and writing give the same.

use super::*;
use crate::wire::{DecodeError, Decoder};
use proptest::prelude::*;
use prost::Message as _;
use std::cell::Cell;

fn id_or_other() -> impl Strategy<Value = Bytes> {
    let id = any::<[u8; 32]>().prop_map(|id| Bytes::copy_from_slice(&id));
    let other = prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
    prop_oneof![12 => id, 1 => other]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0_u64..300, any::<u64>()]
}

/// A body of a frequent kind, with fields that are left out, short and long.
fn body() -> impl Strategy<Value = Body> {
    let bytes = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..20),
        1 => prop::collection::vec(any::<u8>(), 100..300),
    ];
    let numbers = (number(), any::<u32>(), any::<bool>(), number());
    let ids = [id_or_other(), id_or_other(), id_or_other(), id_or_other()];
    (0..8, numbers, ids, bytes).prop_map(|(kind, numbers, ids, bytes)| {
        let (deadline, id, no_id, height) = numbers;
        let request_id = if no_id { 0 } else { id };
        let ([chain_id, container_id, second, third], bytes) = (ids, Bytes::from(bytes));
        let requested_height = height;
        match kind {
            0 => Body::Get(p2p::Get { chain_id, request_id, deadline, container_id }),
            1 => Body::Put(p2p::Put { chain_id, request_id, container: bytes }),
            2 => Body::PushQuery(p2p::PushQuery {
                chain_id,
                request_id,
                deadline,
                container: bytes,
                requested_height,
            }),
            3 => Body::PullQuery(p2p::PullQuery {
                chain_id,
                request_id,
                deadline,
                container_id,
                requested_height,
            }),
            4 => Body::Chits(p2p::Chits {
                chain_id,
                request_id,
                preferred_id: container_id,
                accepted_id: second,
                preferred_id_at_height: third,
                accepted_height: height,
            }),
            5 => {
                let app_bytes = bytes;
                Body::AppRequest(p2p::AppRequest { chain_id, request_id, deadline, app_bytes })
            }
            6 => Body::AppResponse(p2p::AppResponse { chain_id, request_id, app_bytes: bytes }),
            _ => Body::AppGossip(p2p::AppGossip { chain_id, app_bytes: bytes }),
        }
    })
}

/// As the generated code writes it.
fn encoded(body: &Body) -> Vec<u8> {
    p2p::Message { message: Some(body.clone()) }.encode_to_vec()
}

/// What both ways make of a frame, and whether it is usual.
fn both(frame: Vec<u8>) -> (Result<Decoded, DecodeError>, Result<Decoded, DecodeError>, bool) {
    let (mut decoder, frame) = (Decoder::new(), Bytes::from(frame));
    let any = decoder.decode_any(&frame);
    let usual = find(&frame).is_some();
    (decoder.decode(frame), any, usual)
}

/// One change of a frame, somewhere.
fn distort(frame: &mut Vec<u8>, (at, byte, change): &(prop::sample::Index, u8, i32)) {
    let at = at.index(frame.len() + 1);
    match (change, frame.get_mut(at)) {
        (0, Some(there)) => *there = *byte,
        (1, Some(there)) => *there ^= 1 << (byte % 8),
        (2, _) => frame.truncate(at),
        // A field twice, perhaps, or one that is not known.
        (3, _) => frame.extend_from_within(at..),
        _ => frame.extend([byte & 0x7f, 0]),
    }
}

#[test]
fn what_is_written_is_what_the_generated_code_writes() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    runner
        .run(&body(), |body| {
            let (len, fields) = encoded_len(&body).expect("a frequent kind");
            let mut written = vec![9; 3];
            write(&body, fields, &mut written);
            prop_assert_eq!(&written[3..], encoded(&body));
            prop_assert_eq!(written.len(), 3 + len);
            Ok(())
        })
        .expect("the same bytes");
}

#[test]
fn what_is_read_is_what_the_generated_code_reads() {
    let counts = [Cell::new(0_u32), Cell::new(0), Cell::new(0)];
    let changes =
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..5_i32), 0..3);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let many = prop::collection::vec((body(), changes), 24);
    runner
        .run(&many, |many| {
            for (body, changes) in many {
                let is_whole = changes.is_empty();
                let mut frame = encoded(&body);
                changes.into_iter().for_each(|change| distort(&mut frame, &change));
                let (read, any, usual) = both(frame);
                let count = &counts[usize::from(usual) + usize::from(usual && is_whole)];
                count.set(count.get() + 1);
                prop_assert_eq!(read, any);
            }
            Ok(())
        })
        .expect("the same messages");
    let counts = counts.map(Cell::into_inner);
    assert!(counts.iter().all(|count| *count > 100), "unusual, changed, whole: {counts:?}");
}

#[test]
fn every_usual_message_is_read_without_the_generated_code() {
    let id = Bytes::from_static(&[7; 32]);
    let (chain_id, container_id) = (id.clone(), id.clone());
    let bodies = [
        Body::Get(p2p::Get { chain_id, request_id: 1, deadline: 2, container_id }),
        Body::Put(p2p::Put { chain_id: id.clone(), request_id: 1, container: id.clone() }),
        Body::AppGossip(p2p::AppGossip { chain_id: id.clone(), app_bytes: id.clone() }),
        Body::Chits(p2p::Chits {
            chain_id: id.clone(),
            request_id: 1,
            preferred_id: id.clone(),
            accepted_id: id.clone(),
            preferred_id_at_height: id.clone(),
            accepted_height: 3,
        }),
    ];
    for body in bodies {
        let (read, any, usual) = both(encoded(&body));
        assert!(usual, "{body:?}");
        assert_eq!(read.as_ref().unwrap().body, body);
        assert_eq!(read, any);
    }
}

#[test]
fn ids_of_a_chain_are_shared_and_frames_are_not_copied() {
    let (mut decoder, id) = (Decoder::new(), Bytes::from_static(&[7; 32]));
    let app_bytes = Bytes::from(vec![1; 100]);
    let body = Body::AppGossip(p2p::AppGossip { chain_id: id, app_bytes });
    let frames = [Bytes::from(encoded(&body)), Bytes::from(encoded(&body))];
    let ends = frames.each_ref().map(|frame| frame.as_ptr_range().end);
    let read = frames.map(|frame| match decoder.decode(frame).unwrap().body {
        Body::AppGossip(gossip) => gossip,
        other => panic!("{other:?}"),
    });
    assert_eq!(read[0].chain_id.as_ptr(), read[1].chain_id.as_ptr());
    assert_eq!(read.each_ref().map(|gossip| gossip.app_bytes.as_ptr_range().end), ends);
}
