//! What both frontier polls have in common.

use std::collections::BTreeSet;

use super::Requests;
use crate::{Error, Id, NodeId};

/// A question to several nodes, each of which is asked once; final when all have answered or failed
/// to.
///
/// Call [`ask`](Self::ask) with nodes that [`Requests::choose`] drew, or with others of
/// [`Requests::unasked`], and send to them; report every answer with
/// [`record_opinion`](Self::record_opinion), and silence as an empty answer. Each answer makes room
/// for further requests. Do so until [`result`](Self::result) is there.
pub trait FrontierPoll {
    /// Who is still to be asked, and who has not answered.
    fn requests(&self) -> &Requests;

    /// Notes that `nodes` are asked now.
    ///
    /// # Errors
    ///
    /// [`Error::UnexpectedPeer`] if a node is not one of the poll or was asked before,
    /// [`Error::RequestsFull`] if there are more than [`Requests::wanted`]. Nothing changes on
    /// either.
    fn ask(&mut self, nodes: &[NodeId]) -> Result<(), Error>;

    /// Counts the answer of a node. An empty one says that it knows nothing or will not answer.
    ///
    /// A node is heard once, and only if it was asked; a block that it names twice counts once.
    ///
    /// # Errors
    ///
    /// [`Error::WeightOverflow`] if weights are added that do not fit in 64 bits, which only
    /// [`Majority`](super::Majority) does. The weights are the caller's, not the peer's; nothing
    /// changes, and the poll is of no further use.
    fn record_opinion(&mut self, node: &NodeId, ids: &[Id]) -> Result<Opinion, Error>;

    /// The blocks that the poll arrived at, in order; `None` until all nodes were heard.
    fn result(&self) -> Option<&BTreeSet<Id>>;
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what a peer did wrong is worth noting"]
pub enum Opinion {
    /// It was counted.
    Counted,
    /// The node was not asked, or was heard before: nothing changed.
    Unexpected,
    /// It names more blocks than any honest answer. The node was heard, with an empty answer.
    TooLong,
}
