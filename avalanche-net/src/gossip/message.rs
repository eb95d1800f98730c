//! The messages of gossip, with bounds.

use bytes::Bytes;
use prost::Message;

use super::prefix::varint;
use super::{GossipConfig, GossipFault};
use crate::peers::Filter;
use crate::wire::MAX_MESSAGE_BYTES;
use crate::wire::sdk::{PullGossipRequest, PullGossipResponse, PushGossip};

pub(super) fn pull_request(filter: Bytes, salt: Bytes) -> Vec<u8> {
    PullGossipRequest { salt, filter }.encode_to_vec()
}

/// The filter that a peer asks with.
pub(super) fn parse_pull_request(message: Bytes) -> Result<Filter, GossipFault> {
    let request = PullGossipRequest::decode(message).map_err(|_| GossipFault::Protobuf)?;
    if request.salt.len() != SALT_BYTES {
        return Err(GossipFault::Salt);
    }
    Filter::parse(&request.filter, &request.salt).map_err(|_| GossipFault::Filter)
}

pub(super) fn pull_response(gossip: Vec<Bytes>) -> Vec<u8> {
    PullGossipResponse { gossip }.encode_to_vec()
}

pub(super) fn parse_pull_response(message: Bytes, max: usize) -> Result<Vec<Bytes>, GossipFault> {
    check_items(&message, max)?;
    PullGossipResponse::decode(message)
        .map(|response| response.gossip)
        .map_err(|_| GossipFault::Protobuf)
}

pub(super) fn push(gossip: Vec<Bytes>) -> Vec<u8> {
    PushGossip { gossip }.encode_to_vec()
}

pub(super) fn parse_push(message: Bytes, max: usize) -> Result<Vec<Bytes>, GossipFault> {
    check_items(&message, max)?;
    PushGossip::decode(message).map(|push| push.gossip).map_err(|_| GossipFault::Protobuf)
}

/// Counts the items before they are decoded: an empty item takes two bytes of a message and many
/// more in memory.
fn check_items(message: &[u8], max: usize) -> Result<(), GossipFault> {
    let (mut rest, mut items) = (message, 0_usize);
    while !rest.is_empty() {
        let (key, length) = varint(rest).ok_or(GossipFault::Protobuf)?;
        rest = rest.get(length..).unwrap_or_default();
        let skipped = match key & 7 {
            0 => varint(rest).map(|(_, length)| length),
            1 => Some(8),
            2 => varint(rest)
                .and_then(|(bytes, length)| usize::try_from(bytes).ok()?.checked_add(length)),
            5 => Some(4),
            _ => None,
        };
        rest = skipped.and_then(|skipped| rest.get(skipped..)).ok_or(GossipFault::Protobuf)?;
        items += usize::from(key == ITEM_KEY);
        if items > max {
            return Err(GossipFault::TooManyItems);
        }
    }
    Ok(())
}

/// How long a message of items is, while it is put together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MessageSize {
    bytes: usize,
    items: usize,
}

impl MessageSize {
    /// Counts one more item, if the message has room for it. It has none once it has the target
    /// bytes or as many items as one's like take, and never for more than fits into a frame; the
    /// first item always fits.
    pub(super) const fn add(&mut self, item: &Bytes, config: &GossipConfig) -> bool {
        let sum = self.bytes.saturating_add(item.len()).saturating_add(ITEM_OVERHEAD_BYTES);
        let room = self.bytes <= config.target_bytes
            && self.items < config.message_items_max
            && sum <= ITEM_BYTES_MAX;
        if room || self.items == 0 {
            (self.bytes, self.items) = (sum, self.items + 1);
            return true;
        }
        false
    }
}

/// The longest item: with everything around it, it fits into a frame.
pub(super) const ITEM_BYTES_MAX: usize = MAX_MESSAGE_BYTES - (64 << 10);
/// More than the key and the length of an item.
const ITEM_OVERHEAD_BYTES: usize = 8;
/// Field 1, as bytes.
const ITEM_KEY: u64 = 1 << 3 | 2;
const SALT_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;

    fn items(count: usize) -> Vec<Bytes> {
        vec![Bytes::new(); count]
    }

    #[test]
    fn the_bytes_are_those_of_the_protocol() {
        let (filter, salt) = (Bytes::from_static(&[9, 8]), Bytes::from_static(&[7]));
        assert_eq!(pull_request(filter, salt), [0x12, 1, 7, 0x1a, 2, 9, 8]);
        let gossip = vec![Bytes::from_static(&[1, 2]), Bytes::new()];
        assert_eq!(push(gossip.clone()), [0x0a, 2, 1, 2, 0x0a, 0]);
        assert_eq!(push(gossip.clone()), pull_response(gossip));
    }

    #[test]
    fn one_item_over_the_bound_is_refused_before_it_is_decoded() {
        for max in [0, 1, 7] {
            let (fits, over) = (Bytes::from(push(items(max))), Bytes::from(push(items(max + 1))));
            assert_eq!(parse_push(fits.clone(), max), Ok(items(max)));
            assert_eq!(parse_pull_response(fits, max), Ok(items(max)));
            assert_eq!(parse_push(over.clone(), max), Err(GossipFault::TooManyItems));
            assert_eq!(parse_pull_response(over, max), Err(GossipFault::TooManyItems));
        }
        // Fields that nobody knows are no items.
        let unknown = Bytes::from_static(&[0x10, 5, 0x0a, 1, 65, 0x1d, 1, 2, 3, 4, 0x22, 0]);
        assert_eq!(parse_push(unknown, 1), Ok(vec![Bytes::from_static(b"A")]));
    }

    #[test]
    fn a_pull_request_with_a_wrong_salt_or_filter_is_named() {
        let request = |filter: &'static [u8], salt: usize| {
            let message = pull_request(Bytes::from_static(filter), Bytes::from(vec![1; salt]));
            parse_pull_request(Bytes::from(message)).map(|_| ())
        };
        const FILTER: &[u8] = &[1, 0, 0, 0, 0, 0, 0, 0, 0, 255];
        let table = [
            (request(FILTER, 32), Ok(())),
            (request(FILTER, 31), Err(GossipFault::Salt)),
            (request(FILTER, 33), Err(GossipFault::Salt)),
            (request(FILTER, 0), Err(GossipFault::Salt)),
            (request(&[], 32), Err(GossipFault::Filter)),
            (request(&[17, 0], 32), Err(GossipFault::Filter)),
            (parse_pull_request(Bytes::from_static(&[1])).map(|_| ()), Err(GossipFault::Protobuf)),
        ];
        for (at, (got, expected)) in table.into_iter().enumerate() {
            assert_eq!(got, expected, "row {at}");
        }
    }

    /// Any bytes: no panic, never more items than allowed, and the count agrees with the decoder.
    #[test]
    fn any_bytes_are_items_within_the_bound_or_a_fault() {
        let counts: [Cell<u32>; 3] = Default::default();
        let part = prop_oneof![
            4 => Just(vec![0x0a, 0]),
            2 => Just(vec![0x0a, 1, 7]),
            1 => Just(vec![0x10, 5]),
            1 => prop::collection::vec(any::<u8>(), 1..3),
        ];
        let parts = prop::collection::vec(part, 0..8);
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        runner
            .run(&parts, |parts| {
                let bytes = Bytes::from(parts.concat());
                let all = PushGossip::decode(bytes.clone()).map(|push| push.gossip);
                let at = match parse_push(bytes, 3) {
                    Ok(items) => {
                        prop_assert!(items.len() <= 3);
                        prop_assert_eq!(all.ok(), Some(items));
                        0
                    }
                    Err(GossipFault::TooManyItems) => {
                        prop_assert!(all.is_err() || all.is_ok_and(|items| items.len() > 3));
                        1
                    }
                    Err(_) => 2,
                };
                counts[at].set(counts[at].get() + 1);
                Ok(())
            })
            .expect("bounded");
        assert!(counts.iter().all(|count| count.get() > 20), "{counts:?}");
    }
}
