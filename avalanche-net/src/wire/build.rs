//! Bodies of messages from typed parts, so that ids have their length and deadlines their unit.
//!
//! Handshakes and peer lists are made where their parts are, in `peers`.

use std::time::Duration;

use avalanche_consensus::Id;
use bytes::Bytes;

use super::{Body, p2p};

/// Says that the sender saw the receiver for `uptime` percent of the time, at most 100.
#[must_use]
pub const fn ping(uptime: u32) -> Body {
    Body::Ping(p2p::Ping { uptime })
}

/// Answers a ping.
#[must_use]
pub const fn pong() -> Body {
    Body::Pong(p2p::Pong {})
}

/// Asks for peers that are not in the filter.
#[must_use]
pub fn get_peer_list(filter: Bytes, salt: Bytes, all_subnets: bool) -> Body {
    let known_peers = Some(p2p::BloomFilter { filter, salt });
    Body::GetPeerList(p2p::GetPeerList { known_peers, all_subnets })
}

/// Validators and their addresses.
#[must_use]
pub const fn peer_list(claimed_ip_ports: Vec<p2p::ClaimedIpPort>) -> Body {
    Body::PeerList(p2p::PeerList { claimed_ip_ports })
}

/// Asks for the newest state summary.
#[must_use]
pub fn get_state_summary_frontier(chain: Id, request_id: u32, deadline: Duration) -> Body {
    let (chain_id, deadline) = (bytes(chain), nanoseconds(deadline));
    Body::GetStateSummaryFrontier(p2p::GetStateSummaryFrontier { chain_id, request_id, deadline })
}

/// The newest state summary.
#[must_use]
pub fn state_summary_frontier(chain: Id, request_id: u32, summary: Bytes) -> Body {
    let chain_id = bytes(chain);
    Body::StateSummaryFrontier(p2p::StateSummaryFrontier { chain_id, request_id, summary })
}

/// Asks which summaries at these heights are accepted.
#[must_use]
pub fn get_accepted_state_summary(
    chain: Id,
    request_id: u32,
    deadline: Duration,
    heights: Vec<u64>,
) -> Body {
    let (chain_id, deadline) = (bytes(chain), nanoseconds(deadline));
    let message = p2p::GetAcceptedStateSummary { chain_id, request_id, deadline, heights };
    Body::GetAcceptedStateSummary(message)
}

/// The summaries that are accepted.
#[must_use]
pub fn accepted_state_summary(
    chain: Id,
    request_id: u32,
    summaries: impl IntoIterator<Item = Id>,
) -> Body {
    let (chain_id, summary_ids) = (bytes(chain), list(summaries));
    Body::AcceptedStateSummary(p2p::AcceptedStateSummary { chain_id, request_id, summary_ids })
}

/// Asks for the last accepted block.
#[must_use]
pub fn get_accepted_frontier(chain: Id, request_id: u32, deadline: Duration) -> Body {
    let (chain_id, deadline) = (bytes(chain), nanoseconds(deadline));
    Body::GetAcceptedFrontier(p2p::GetAcceptedFrontier { chain_id, request_id, deadline })
}

/// The last accepted block.
#[must_use]
pub fn accepted_frontier(chain: Id, request_id: u32, container: Id) -> Body {
    let (chain_id, container_id) = (bytes(chain), bytes(container));
    Body::AcceptedFrontier(p2p::AcceptedFrontier { chain_id, request_id, container_id })
}

/// Asks which of these blocks are accepted.
#[must_use]
pub fn get_accepted(
    chain: Id,
    request_id: u32,
    deadline: Duration,
    containers: impl IntoIterator<Item = Id>,
) -> Body {
    let (chain_id, deadline) = (bytes(chain), nanoseconds(deadline));
    let container_ids = list(containers);
    Body::GetAccepted(p2p::GetAccepted { chain_id, request_id, deadline, container_ids })
}

/// Those that are accepted.
#[must_use]
pub fn accepted(chain: Id, request_id: u32, containers: impl IntoIterator<Item = Id>) -> Body {
    let (chain_id, container_ids) = (bytes(chain), list(containers));
    Body::Accepted(p2p::Accepted { chain_id, request_id, container_ids })
}

/// Asks for a block and its ancestors, of the engine of linear chains.
#[must_use]
pub fn get_ancestors(chain: Id, request_id: u32, deadline: Duration, container: Id) -> Body {
    let (chain_id, deadline) = (bytes(chain), nanoseconds(deadline));
    Body::GetAncestors(p2p::GetAncestors {
        chain_id,
        request_id,
        deadline,
        container_id: bytes(container),
        engine_type: p2p::EngineType::Chain.into(),
    })
}

/// A block and its ancestors, children first.
#[must_use]
pub fn ancestors(chain: Id, request_id: u32, containers: Vec<Bytes>) -> Body {
    let chain_id = bytes(chain);
    Body::Ancestors(p2p::Ancestors { chain_id, request_id, containers })
}

/// Asks for a block.
#[must_use]
pub fn get(chain: Id, request_id: u32, deadline: Duration, container: Id) -> Body {
    let (chain_id, deadline) = (bytes(chain), nanoseconds(deadline));
    let container_id = bytes(container);
    Body::Get(p2p::Get { chain_id, request_id, deadline, container_id })
}

/// A block.
#[must_use]
pub fn put(chain: Id, request_id: u32, container: Bytes) -> Body {
    Body::Put(p2p::Put { chain_id: bytes(chain), request_id, container })
}

/// Asks for a vote, with the block. The height is what the sender asks the preference at.
#[must_use]
pub fn push_query(
    chain: Id,
    request_id: u32,
    deadline: Duration,
    container: Bytes,
    requested_height: u64,
) -> Body {
    let (chain_id, deadline) = (bytes(chain), nanoseconds(deadline));
    Body::PushQuery(p2p::PushQuery { chain_id, request_id, deadline, container, requested_height })
}

/// Asks for a vote, with the id of the block. The height is what the sender asks the preference at.
#[must_use]
pub fn pull_query(
    chain: Id,
    request_id: u32,
    deadline: Duration,
    container: Id,
    requested_height: u64,
) -> Body {
    let (chain_id, deadline) = (bytes(chain), nanoseconds(deadline));
    let container_id = bytes(container);
    Body::PullQuery(p2p::PullQuery {
        chain_id,
        request_id,
        deadline,
        container_id,
        requested_height,
    })
}

/// What a vote says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chits {
    /// The tip of the voter's preference.
    pub preferred: Id,
    /// The voter's preference at the height that was asked for.
    pub preferred_at_height: Id,
    /// The last block that the voter accepted.
    pub accepted: Id,
    /// Its height.
    pub accepted_height: u64,
}

/// A vote.
#[must_use]
pub fn chits(chain: Id, request_id: u32, chits: Chits) -> Body {
    Body::Chits(p2p::Chits {
        chain_id: bytes(chain),
        request_id,
        preferred_id: bytes(chits.preferred),
        accepted_id: bytes(chits.accepted),
        preferred_id_at_height: bytes(chits.preferred_at_height),
        accepted_height: chits.accepted_height,
    })
}

/// A request of an application.
#[must_use]
pub fn app_request(chain: Id, request_id: u32, deadline: Duration, app_bytes: Bytes) -> Body {
    let (chain_id, deadline) = (bytes(chain), nanoseconds(deadline));
    Body::AppRequest(p2p::AppRequest { chain_id, request_id, deadline, app_bytes })
}

/// The answer to a request of an application.
#[must_use]
pub fn app_response(chain: Id, request_id: u32, app_bytes: Bytes) -> Body {
    Body::AppResponse(p2p::AppResponse { chain_id: bytes(chain), request_id, app_bytes })
}

/// The failure of a request of an application.
#[must_use]
pub fn app_error(chain: Id, request_id: u32, error_code: i32, error_message: String) -> Body {
    let chain_id = bytes(chain);
    Body::AppError(p2p::AppError { chain_id, request_id, error_code, error_message })
}

/// What an application spreads.
#[must_use]
pub fn app_gossip(chain: Id, app_bytes: Bytes) -> Body {
    Body::AppGossip(p2p::AppGossip { chain_id: bytes(chain), app_bytes })
}

fn bytes(id: Id) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}

fn list(ids: impl IntoIterator<Item = Id>) -> Vec<Bytes> {
    ids.into_iter().map(bytes).collect()
}

/// As the wire has it: nanoseconds, at most 584 years.
fn nanoseconds(deadline: Duration) -> u64 {
    u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX)
}
