//! Normal operation, step by step. Names are those of AvalancheGo's tests where they pin the same.

use super::harness::*;
use crate::engine::*;

/// Issues a block of a peer and answers every query for it until it is final.
#[test]
fn a_pushed_block_is_queried_and_becomes_final() {
    let mut harness = Harness::new(5, 4, 3);
    let block = child(&genesis(), "a");
    let out = harness.message(1, push(9, &block));
    assert!(
        matches!(&out[0], Output::Send { message: Message::Chits { request_id: 9, preferred, .. }, .. } if *preferred == genesis().id())
    );
    assert_eq!(out[1], Output::SetPreference(block.id()));
    // One poll for the block, and as many again as are to be open.
    let mut open: Vec<u32> = queries(&out).iter().map(|(_, id)| *id).collect();
    open.dedup();
    assert_eq!(open, [1, 2, 3]);
    let mut accepted = Vec::new();
    for request_id in open {
        for at in 1..=4 {
            let out = harness.chits(at, request_id, &block);
            accepted.extend(out.into_iter().filter(|out| matches!(out, Output::Accept(_))));
        }
    }
    assert_eq!(accepted, [Output::Accept(block)]);
    assert_eq!(harness.engine.last_accepted().id, block.id());
    assert_eq!(harness.engine.num_processing(), 0);
}
