//! What is drained is what was queued, in the order of the lanes.

use super::*;
use crate::wire::{Body, Compression, Encoder, build};
use avalanche_consensus::Id;
use proptest::prelude::*;
use std::cell::Cell;
use std::time::Duration;

const CHAIN: Id = Id::new([7; 32]);

/// A message of one of the lanes.
fn message(lane: u8, number: u32, bytes: usize) -> Body {
    let wait = Duration::from_secs(1);
    match lane {
        0 => build::ping(number % 100),
        1 => build::put(CHAIN, number, vec![1; bytes].into()),
        2 => build::accepted_state_summary(CHAIN, number, vec![CHAIN; bytes / 32]),
        _ => build::app_request(CHAIN, number, wait, vec![3; bytes].into()),
    }
}

fn frame(body: &Body) -> Frame {
    Encoder::new(Compression::None).encode(body).unwrap()
}

/// Short, shared and long frames in any order give the bytes that a queue of frames gives.
#[test]
fn bytes_are_those_of_the_frames_in_the_order_of_the_queue() {
    let counts = [Cell::new(0_u32), Cell::new(0), Cell::new(0)];
    let bump = |at: usize| counts[at].set(counts[at].get() + 1);
    let push = (0_u8..5, any::<bool>(), prop_oneof![8 => 0_usize..300, 1 => 3_000_usize..70_000]);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    runner
        .run(&prop::collection::vec((push, any::<bool>()), 1..400), |steps| {
            let config = OutboundConfig::default();
            let (mut waiting, mut frames) = (Waiting::new(&config), Outbound::new(&config));
            let (mut out, mut number) = (Outgoing::default(), 0);
            let mut drained = Vec::new();
            let all = steps.into_iter().map(Some).chain(std::iter::repeat_n(None, 400));
            for step in all {
                let mut drain = step.is_none();
                if let Some(((lane, shared, bytes), then_drain)) = step {
                    number += 1;
                    // Mostly one lane, so that its pieces are whole.
                    let body = message(if then_drain { lane } else { 3 }, number, bytes);
                    let frame = frame(&body);
                    let pushed = match Short::of(&body).unwrap().filter(|_| !shared) {
                        Some(short) => {
                            assert_eq!((short.op(), short.len()), (frame.op(), frame.len()));
                            waiting.offer_short(&short, |_, _| true)
                        }
                        None => waiting.offer(frame.clone(), |_, _| true),
                    };
                    prop_assert_eq!(pushed, frames.push(frame));
                    drain = then_drain && number % 16 == 0;
                }
                if drain {
                    frames.drain(WRITE_CHUNK, &mut drained);
                    waiting.drain(&mut out);
                    let expected: Vec<u8> =
                        drained.drain(..).flat_map(|frame: Frame| frame.bytes().to_vec()).collect();
                    prop_assert!(out.bytes() == expected, "{} bytes", expected.len());
                    bump(if out.frame.is_some() { 0 } else { 1 });
                    bump(if expected.len() > WRITE_CHUNK / 2 { 2 } else { 1 });
                    out.clear();
                }
                prop_assert_eq!(waiting.bytes(), frames.bytes());
            }
            prop_assert!(waiting.is_empty());
            prop_assert!(waiting.short.iter().all(|chunks| chunks.chunks.is_empty()));
            waiting.rest(&mut out);
            prop_assert!(
                waiting.spare.capacity() <= IDLE_BYTES && out.bytes.capacity() <= IDLE_BYTES
            );
            Ok(())
        })
        .expect("the same bytes");
    let counts = counts.map(Cell::into_inner);
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
}

#[test]
fn what_gathered_in_one_lane_is_written_where_it_is() {
    let (mut waiting, mut out) = (Waiting::new(&OutboundConfig::default()), Outgoing::default());
    let body = message(3, 1, 200);
    let short = Short::of(&body).unwrap().unwrap();
    for _ in 0..3 {
        let _ = waiting.offer_short(&short, |_, _| true);
    }
    let at = waiting.short[Class::App as usize].chunks[0].as_ptr();
    waiting.drain(&mut out);
    assert_eq!((out.bytes().len(), out.bytes().as_ptr()), (3 * short.len(), at));
    // What is not taken does not write.
    assert!(matches!(waiting.offer_short(&short, |_, _| false), Pushed::Dropped(_)));
    assert!(waiting.is_empty() && waiting.short.iter().all(|chunks| chunks.chunks.is_empty()));
}

#[test]
fn a_piece_of_which_some_was_taken_is_not_passed_as_a_whole() {
    let (mut chunks, mut spare, mut out) = (Chunks::default(), Vec::new(), Vec::new());
    let body = message(3, 1, 200);
    let short = Short::of(&body).unwrap().unwrap();
    for _ in 0..3 {
        chunks.push(&short, &mut spare);
    }
    assert_eq!(chunks.whole(2 * short.len()), None);
    chunks.take(short.len(), &mut out);
    assert_eq!(chunks.whole(3 * short.len()), None);
    for _ in 0..2 {
        chunks.take(short.len(), &mut out);
    }
    assert!(out == frame(&body).bytes().repeat(3) && chunks.chunks.is_empty());
    chunks.push(&short, &mut spare);
    assert_eq!(chunks.whole(short.len()).as_deref(), Some(&frame(&body).bytes()[..]));
}

/// Two lanes of frames of one length: what goes out at once is as long as the first piece of one of
/// them, and has frames of both.
#[test]
fn a_piece_of_one_lane_is_not_taken_for_frames_of_two() {
    let config = OutboundConfig::default();
    let (mut waiting, mut frames) = (Waiting::new(&config), Outbound::new(&config));
    let fits = |lane, number| {
        let body = |bytes| message(lane, number, bytes);
        (150..256).map(body).find(|body| frame(body).len() == 256).expect("one is as long")
    };
    // Of one lane as many as fill a piece, and one more; of the other some that go between them.
    let lanes = std::iter::repeat_n(1, WRITE_CHUNK / 256 + 1).chain(std::iter::repeat_n(3, 40));
    for (lane, number) in lanes.zip(1_000..) {
        let body = fits(lane, number);
        let short = Short::of(&body).unwrap().unwrap();
        assert_eq!(waiting.offer_short(&short, |_, _| true), Pushed::Queued);
        assert_eq!(frames.push(frame(&body)), Pushed::Queued);
    }
    let (mut out, mut drained, mut mixed) = (Outgoing::default(), Vec::new(), 0);
    while frames.drain(WRITE_CHUNK, &mut drained) > 0 {
        waiting.drain(&mut out);
        let bytes: Vec<u8> = drained.iter().flat_map(|frame| frame.bytes().to_vec()).collect();
        assert!(out.bytes() == bytes, "other bytes than those of the frames");
        let of_first = drained.iter().filter(|frame| frame.op() == Op::Put).count();
        mixed +=
            usize::from(of_first > 0 && of_first < drained.len() && bytes.len() == WRITE_CHUNK);
        drained.clear();
        out.clear();
    }
    assert!(waiting.is_empty() && mixed > 0, "{mixed}");
}
