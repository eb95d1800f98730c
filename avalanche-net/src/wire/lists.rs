//! What the lists of a message take in memory.
//!
//! An entry of a list may be two bytes on the wire and 144 in memory, so that a message of 2 MiB
//! could become 300 MiB. It is found out before anything is decoded.

use super::p2p;
use super::unknown::next_field;

/// A list grows by doubling: so many times its entries are in memory at most.
const GROWTH: usize = 2;
const BYTES: usize = size_of::<bytes::Bytes>();

/// Bytes that the lists of a message take besides the bytes of the message, at most. Bytes that are
/// no message have none.
pub(super) fn memory(mut bytes: &[u8]) -> usize {
    let mut sum = 0_usize;
    // Of several kinds in one message the last counts, but all are decoded.
    while !bytes.is_empty() {
        let Some((number, value)) = next_field(&mut bytes) else { return sum };
        let (list, numbers, entry) = match number {
            13 => (8, [10, 11], size_of::<u32>()),
            14 => (1, [0; 2], 0),
            17 => (0, [4, 4], size_of::<u64>()),
            18 | 22 | 24 => (3, [0; 2], 0),
            21 => (4, [0; 2], 0),
            _ => continue,
        };
        let of_list = if number == 14 { size_of::<p2p::ClaimedIpPort>() } else { BYTES };
        let mut fields = value.unwrap_or_default();
        while !fields.is_empty() {
            let Some((number, value)) = next_field(&mut fields) else { return sum };
            let added = if number == list {
                of_list
            } else if numbers.contains(&number) {
                // Packed, each takes a byte or more.
                value.map_or(1, <[u8]>::len).saturating_mul(entry)
            } else {
                0
            };
            sum = sum.saturating_add(added.saturating_mul(GROWTH));
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Body, Compression, DecodeError, Decoder, Encoder, MAX_MESSAGE_BYTES, build};
    use avalanche_consensus::Id;
    use bytes::Bytes;
    use std::time::Duration;

    const CHAIN: Id = Id::new([7; 32]);

    fn inner(body: Body) -> Bytes {
        Encoder::new(Compression::None).encode(body).unwrap().bytes().slice(4..)
    }

    /// A message of one kind, with a list of entries that are as short as they can be.
    fn junk(kind: u8, entry: &[u8], entries: usize) -> Vec<u8> {
        let list = entry.repeat(entries);
        let mut out = Vec::new();
        prost::encoding::encode_varint(u64::from(kind) << 3 | 2, &mut out);
        prost::encoding::encode_varint(list.len() as u64, &mut out);
        out.extend_from_slice(&list);
        out
    }

    #[test]
    fn lists_of_nothing_are_refused_before_they_take_memory() {
        let most = (MAX_MESSAGE_BYTES - 16) / 2;
        let kinds: [(u8, &[u8]); 8] = [
            (13, &[8 << 3 | 2, 0]),
            (13, &[10 << 3, 1]),
            (14, &[1 << 3 | 2, 0]),
            (17, &[4 << 3, 1]),
            (18, &[3 << 3 | 2, 0]),
            (21, &[4 << 3 | 2, 0]),
            (22, &[3 << 3 | 2, 0]),
            (24, &[3 << 3 | 2, 0]),
        ];
        for (kind, entry) in kinds {
            let plain = junk(kind, entry, most);
            assert!(memory(&plain) >= 4 * most, "{kind}");
            let zstd = zstd::bulk::compress(&plain, 1).unwrap();
            let mut wrapped = vec![2 << 3 | 2];
            prost::encoding::encode_varint(zstd.len() as u64, &mut wrapped);
            wrapped.extend(zstd);
            assert!(wrapped.len() < 1_000, "{kind}: {}", wrapped.len());
            for frame in [plain, wrapped] {
                let refused = Decoder::new().decode(frame.into()).unwrap_err();
                assert!(matches!(refused, DecodeError::Lists { .. }), "{kind}: {refused}");
            }
        }
    }

    #[test]
    fn the_longest_lists_that_honest_nodes_send_pass() {
        let ids = (MAX_MESSAGE_BYTES - 64) / 34;
        let bodies = [
            build::accepted(CHAIN, 1, std::iter::repeat_n(CHAIN, ids)),
            build::get_accepted(CHAIN, 1, Duration::ZERO, std::iter::repeat_n(CHAIN, ids)),
            build::ancestors(CHAIN, 1, vec![Bytes::from_static(&[1]); 2_000]),
            build::peer_list(vec![p2p::ClaimedIpPort::default(); 1_024]),
            build::get_accepted_state_summary(CHAIN, 1, Duration::ZERO, vec![1; 10_000]),
        ];
        for body in bodies {
            let frame = inner(body);
            let decoded = Decoder::new().decode(frame.clone()).unwrap();
            assert_eq!(decoded.memory, frame.len() + memory(&frame));
        }
    }
}
