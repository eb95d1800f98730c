//! Messages of the engine as messages of the network, and back.

use std::time::Duration;

use avalanche_consensus::engine::{Message, ParsedBlock};
use avalanche_consensus::{Height, Id};
use avalanche_net::wire::build::{self, Chits};
use avalanche_net::wire::{Body, id, p2p};
use bytes::Bytes;

use crate::ChainBlock;

/// A message as the engine reads it; `None` for one that is not for engines, or of a chain without
/// state summaries.
///
/// Blocks that cannot be decoded are left out: the engine then answers, or gives up, as it does for
/// a peer that sends none. The network has checked the length of identifiers.
pub(crate) fn from_network(body: &Body) -> Option<Message<ChainBlock>> {
    Some(match body {
        Body::GetStateSummaryFrontier(m) => {
            Message::GetStateSummaryFrontier { request_id: m.request_id }
        }
        Body::GetAcceptedStateSummary(m) => Message::GetAcceptedStateSummary {
            request_id: m.request_id,
            heights: m.heights.iter().copied().map(Height::new).collect(),
        },
        Body::GetAcceptedFrontier(m) => Message::GetAcceptedFrontier { request_id: m.request_id },
        Body::AcceptedFrontier(m) => {
            Message::AcceptedFrontier { request_id: m.request_id, id: id(&m.container_id)? }
        }
        Body::GetAccepted(m) => {
            Message::GetAccepted { request_id: m.request_id, ids: ids(&m.container_ids)? }
        }
        Body::Accepted(m) => {
            Message::Accepted { request_id: m.request_id, ids: ids(&m.container_ids)? }
        }
        Body::GetAncestors(m) => {
            Message::GetAncestors { request_id: m.request_id, id: id(&m.container_id)? }
        }
        Body::Ancestors(m) => ancestors(m),
        Body::Get(m) => Message::Get { request_id: m.request_id, id: id(&m.container_id)? },
        Body::Put(m) => Message::Put { request_id: m.request_id, block: parsed(&m.container) },
        Body::PushQuery(m) => Message::PushQuery {
            request_id: m.request_id,
            block: parsed(&m.container),
            requested_height: Height::new(m.requested_height),
        },
        Body::PullQuery(m) => Message::PullQuery {
            request_id: m.request_id,
            id: id(&m.container_id)?,
            requested_height: Height::new(m.requested_height),
        },
        Body::Chits(m) => Message::Chits {
            request_id: m.request_id,
            preferred: id(&m.preferred_id)?,
            preferred_at_height: id(&m.preferred_id_at_height)?,
            accepted: id(&m.accepted_id)?,
            accepted_height: Height::new(m.accepted_height),
        },
        _ => return None,
    })
}

/// A message as the network sends it; `None` for those about state summaries, of which chains have
/// none so far, and for a block that is missing where one has to be.
pub(crate) fn to_network(
    chain: Id,
    message: &Message<ChainBlock>,
    deadline: Duration,
) -> Option<Body> {
    Some(match message {
        Message::GetStateSummaryFrontier { request_id } => {
            build::get_state_summary_frontier(chain, *request_id, deadline)
        }
        Message::GetAcceptedStateSummary { request_id, heights } => {
            let heights = heights.iter().map(|height| height.get()).collect();
            build::get_accepted_state_summary(chain, *request_id, deadline, heights)
        }
        Message::AcceptedStateSummary { request_id, ids } => {
            build::accepted_state_summary(chain, *request_id, ids.iter().copied())
        }
        Message::GetAcceptedFrontier { request_id } => {
            build::get_accepted_frontier(chain, *request_id, deadline)
        }
        Message::AcceptedFrontier { request_id, id } => {
            build::accepted_frontier(chain, *request_id, *id)
        }
        Message::GetAccepted { request_id, ids } => {
            build::get_accepted(chain, *request_id, deadline, ids.iter().copied())
        }
        Message::Accepted { request_id, ids } => {
            build::accepted(chain, *request_id, ids.iter().copied())
        }
        Message::GetAncestors { request_id, id } => {
            build::get_ancestors(chain, *request_id, deadline, *id)
        }
        Message::Ancestors { request_id, blocks } => {
            let blocks = blocks.iter().flatten();
            let blocks = blocks.map(|block| block.handle.bytes().clone()).collect();
            build::ancestors(chain, *request_id, blocks)
        }
        Message::Get { request_id, id } => build::get(chain, *request_id, deadline, *id),
        Message::Put { request_id, block } => {
            build::put(chain, *request_id, block.as_ref()?.handle.bytes().clone())
        }
        Message::PushQuery { request_id, block, requested_height } => {
            let block = block.as_ref()?.handle.bytes().clone();
            build::push_query(chain, *request_id, deadline, block, requested_height.get())
        }
        Message::PullQuery { request_id, id, requested_height } => {
            build::pull_query(chain, *request_id, deadline, *id, requested_height.get())
        }
        Message::Chits {
            request_id,
            preferred,
            preferred_at_height,
            accepted,
            accepted_height,
        } => {
            let chits = Chits {
                preferred: *preferred,
                preferred_at_height: *preferred_at_height,
                accepted: *accepted,
                accepted_height: accepted_height.get(),
            };
            build::chits(chain, *request_id, chits)
        }
        _ => return None,
    })
}

/// A block as the engine wants it; `None` if the bytes are none.
pub(crate) fn parsed(bytes: &Bytes) -> Option<ParsedBlock<ChainBlock>> {
    let block = ChainBlock::decode(bytes.clone());
    let block = block.inspect_err(|error| tracing::debug!(%error, "a peer sent no block")).ok()?;
    Some(with_facts(block))
}

/// A block with what the engine needs to know of it.
pub(crate) fn with_facts(block: ChainBlock) -> ParsedBlock<ChainBlock> {
    let bytes = u32::try_from(block.bytes().len()).unwrap_or(u32::MAX);
    ParsedBlock { block: block.as_consensus_block(), bytes, handle: block }
}

/// Blocks up to the first that cannot be decoded, as AvalancheGo's bootstrapper takes them.
fn ancestors(message: &p2p::Ancestors) -> Message<ChainBlock> {
    let blocks: Vec<_> = message.containers.iter().map_while(parsed).collect();
    let request_id = message.request_id;
    Message::Ancestors { request_id, blocks: (!blocks.is_empty()).then_some(blocks) }
}

fn ids(list: &[Bytes]) -> Option<Vec<Id>> {
    list.iter().map(|bytes| id(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use avalanche_consensus::Timestamp;
    use avalanche_net::identity::Identity;

    use super::*;

    fn block() -> ParsedBlock<ChainBlock> {
        let identity = Identity::generate().unwrap();
        let time = Timestamp::from_millis(5);
        let parent = Id::new([1; 32]);
        with_facts(ChainBlock::build(parent, Height::new(9), time, b"vm", &identity).unwrap())
    }

    #[test]
    fn every_message_with_blocks_and_names_comes_back_as_it_went() {
        let [id, other] = [[4; 32], [5; 32]].map(Id::new);
        let (block, height) = (block(), Height::new(9));
        let blocks = vec![block.clone(), block.clone()];
        let messages = [
            Message::GetAcceptedStateSummary { request_id: 1, heights: vec![height] },
            Message::GetStateSummaryFrontier { request_id: 2 },
            Message::GetAcceptedFrontier { request_id: 3 },
            Message::AcceptedFrontier { request_id: 4, id },
            Message::GetAccepted { request_id: 5, ids: vec![id, other] },
            Message::Accepted { request_id: 6, ids: vec![] },
            Message::GetAncestors { request_id: 7, id },
            Message::Ancestors { request_id: 8, blocks: Some(blocks) },
            Message::Ancestors { request_id: 9, blocks: None },
            Message::Get { request_id: 10, id },
            Message::Put { request_id: 11, block: Some(block.clone()) },
            Message::PushQuery { request_id: 12, block: Some(block), requested_height: height },
            Message::PullQuery { request_id: 13, id, requested_height: height },
            Message::Chits {
                request_id: 14,
                preferred: id,
                preferred_at_height: other,
                accepted: Id::new([6; 32]),
                accepted_height: height,
            },
        ];
        for message in messages {
            let body = to_network(Id::new([2; 32]), &message, Duration::from_secs(1)).unwrap();
            assert_eq!(from_network(&body), Some(message));
        }
    }

    #[test]
    fn what_is_no_block_is_left_out() {
        let (chain, junk) = (Id::EMPTY, Bytes::from_static(b"junk"));
        let put = from_network(&build::put(chain, 1, junk.clone()));
        assert_eq!(put, Some(Message::Put { request_id: 1, block: None }));
        let good = block();
        let containers = vec![good.handle.bytes().clone(), junk, good.handle.bytes().clone()];
        let ancestors = from_network(&build::ancestors(chain, 2, containers));
        assert_eq!(ancestors, Some(Message::Ancestors { request_id: 2, blocks: Some(vec![good]) }));
        assert_eq!(from_network(&build::pong()), None);
    }
}
