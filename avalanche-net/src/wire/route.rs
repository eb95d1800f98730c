//! Where a message belongs: its chain, its request, its deadline; and the lengths of ids.

use std::fmt;
use std::time::Duration;

use avalanche_consensus::Id;
use bytes::Bytes;

use super::Op;
use super::p2p::message::Message as Body;

/// Where a message belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The chain.
    pub chain: Id,
    /// The request, in requests and answers. None for gossip.
    pub request_id: Option<u32>,
    /// How long the sender waits, in requests. Relative, so zero is over already; a receiver bounds
    /// it.
    pub deadline: Option<Duration>,
}

/// An id that is not 32 bytes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadId {
    /// The kind of message.
    pub op: Op,
    /// The field, as the protocol spells it.
    pub field: &'static str,
    /// Its length in bytes.
    pub len: usize,
}

/// The chain, request and deadline of a message; none for one about the connection, and for the
/// compressed form of any.
///
/// # Errors
///
/// [`BadId`] when the chain's id is not 32 bytes long.
pub fn route(body: &Body) -> Result<Option<Route>, BadId> {
    macro_rules! request {
        ($message:expr) => {
            (&$message.chain_id, Some($message.request_id), Some($message.deadline))
        };
    }
    macro_rules! answer {
        ($message:expr) => {
            (&$message.chain_id, Some($message.request_id), None)
        };
    }
    let (chain, request_id, deadline) = match body {
        Body::CompressedZstd(_)
        | Body::Ping(_)
        | Body::Pong(_)
        | Body::Handshake(_)
        | Body::GetPeerList(_)
        | Body::PeerList(_) => return Ok(None),
        Body::GetStateSummaryFrontier(m) => request!(m),
        Body::StateSummaryFrontier(m) => answer!(m),
        Body::GetAcceptedStateSummary(m) => request!(m),
        Body::AcceptedStateSummary(m) => answer!(m),
        Body::GetAcceptedFrontier(m) => request!(m),
        Body::AcceptedFrontier(m) => answer!(m),
        Body::GetAccepted(m) => request!(m),
        Body::Accepted(m) => answer!(m),
        Body::GetAncestors(m) => request!(m),
        Body::Ancestors(m) => answer!(m),
        Body::Get(m) => request!(m),
        Body::Put(m) => answer!(m),
        Body::PushQuery(m) => request!(m),
        Body::PullQuery(m) => request!(m),
        Body::Chits(m) => answer!(m),
        Body::AppRequest(m) => request!(m),
        Body::AppResponse(m) => answer!(m),
        Body::AppError(m) => answer!(m),
        Body::AppGossip(m) => (&m.chain_id, None, None),
        Body::Simplex(m) => (&m.chain_id, None, None),
    };
    let chain = checked(body, "chain_id", chain)?;
    Ok(Some(Route { chain, request_id, deadline: deadline.map(Duration::from_nanos) }))
}

/// The id that these bytes are, if they are as many as an id has.
#[must_use]
pub fn id(bytes: &[u8]) -> Option<Id> {
    <[u8; 32]>::try_from(bytes).ok().map(Id::new)
}

/// Every id of a block or a summary has 32 bytes. Ids in messages about the connection are checked
/// where those are: a wrong one ends the connection.
pub(super) fn check_ids(body: &Body) -> Result<(), BadId> {
    let one = |field, bytes: &Bytes| checked(body, field, bytes).map(|_| ());
    let all = |field, list: &[Bytes]| list.iter().try_for_each(|bytes| one(field, bytes));
    match body {
        Body::AcceptedStateSummary(m) => all("summary_ids", &m.summary_ids),
        Body::AcceptedFrontier(m) => one("container_id", &m.container_id),
        Body::GetAccepted(m) => all("container_ids", &m.container_ids),
        Body::Accepted(m) => all("container_ids", &m.container_ids),
        Body::GetAncestors(m) => one("container_id", &m.container_id),
        Body::Get(m) => one("container_id", &m.container_id),
        Body::PullQuery(m) => one("container_id", &m.container_id),
        Body::Chits(m) => {
            one("preferred_id", &m.preferred_id)?;
            one("accepted_id", &m.accepted_id)?;
            one("preferred_id_at_height", &m.preferred_id_at_height)
        }
        _ => Ok(()),
    }
}

fn checked(body: &Body, field: &'static str, bytes: &Bytes) -> Result<Id, BadId> {
    match (id(bytes), Op::of(body)) {
        (Some(id), _) => Ok(id),
        (None, op) => Err(BadId { op: op.unwrap_or(Op::Simplex), field, len: bytes.len() }),
    }
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} has {} bytes, an id has 32", self.field, self.op, self.len)
    }
}

impl std::error::Error for BadId {}

#[cfg(test)]
mod tests;
