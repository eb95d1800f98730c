//! What the engine wants done.

use std::time::Duration;

use super::{Fault, Message, ParsedBlock, Summary};
use crate::{Height, Id, NodeId};

/// Something to do, in the order in which it is to be done.
#[must_use = "what is not carried out is lost, and the engine counts on it"]
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(bound(serialize = "", deserialize = "H: Default")))]
#[non_exhaustive]
pub enum Output<H> {
    /// Send a message to a peer. Never to this node itself.
    Send {
        /// The peer.
        to: NodeId,
        /// The message.
        message: Message<H>,
    },
    /// Ask the VM or the store, and give the answer back in one
    /// [`Input::Answer`](super::Input::Answer).
    Call {
        /// Names the call.
        id: CallId,
        /// What to ask.
        call: Call<H>,
    },
    /// The block is final: carry it out durably before anything that follows. Blocks come in the
    /// order of their heights, without a gap.
    Accept(ParsedBlock<H>),
    /// The block was verified and can never become final: the VM forgets it.
    Reject(ParsedBlock<H>),
    /// Build on this block from now on.
    SetPreference(Id),
    /// Keep blocks that were downloaded until [`Call::ExecuteStored`]. They need no verification
    /// before.
    StoreBlocks(Vec<ParsedBlock<H>>),
    /// The node has caught up for the first time.
    Bootstrapped,
    /// A peer did something wrong. The engine has dealt with it; the shell may think less of the
    /// peer.
    Fault {
        /// The peer.
        node: NodeId,
        /// What it did.
        fault: Fault,
    },
    /// A peer does not answer, and is treated as if it was not connected until further notice.
    Benched(NodeId),
    /// A peer is no longer benched.
    Unbenched(NodeId),
}

/// Names an [`Output::Call`]. No two calls of an engine have the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CallId(pub u64);

/// A question to the VM or the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(bound(serialize = "", deserialize = "H: Default")))]
#[non_exhaustive]
pub enum Call<H> {
    /// Enter a phase, and say what is last accepted then: a VM may roll back when it enters one.
    /// Answer: [`Answer::LastAccepted`](super::Answer::LastAccepted).
    EnterPhase(Phase),
    /// Verify a block whose parent is last accepted or was verified. After a verdict of valid
    /// exactly one of accept and reject follows. Answer:
    /// [`Answer::Verdict`](super::Answer::Verdict).
    Verify(ParsedBlock<H>),
    /// Build a block on the preference. Answer: [`Answer::Block`](super::Answer::Block).
    BuildBlock,
    /// Look for a block. Answer: [`Answer::Block`](super::Answer::Block).
    GetBlock(Id),
    /// Look for the accepted block at a height. Answer:
    /// [`Answer::BlockId`](super::Answer::BlockId).
    BlockIdAtHeight(Height),
    /// Look for a block and its ancestors, newest first, until one of the bounds is reached or one
    /// is not known. The first counts whatever its size. Answer:
    /// [`Answer::Blocks`](super::Answer::Blocks).
    GetAncestors {
        /// The newest block.
        id: Id,
        /// The most blocks.
        blocks_max: usize,
        /// The most bytes, with 4 more for each block.
        bytes_max: usize,
        /// The most time that may be spent.
        time_max: Duration,
    },
    /// Which of these blocks are accepted? Answer: [`Answer::Ids`](super::Answer::Ids).
    FilterAccepted(Vec<Id>),
    /// Verify and accept the stored blocks of these heights, both included, in ascending order, and
    /// delete them from where they were stored. Blocks at or below the last accepted height are
    /// deleted only. If one fails, that is fatal: [`Input::Failed`](super::Input::Failed). Answer:
    /// [`Answer::Executed`](super::Answer::Executed).
    ExecuteStored {
        /// The lowest height.
        low: Height,
        /// The highest height.
        high: Height,
    },
    /// Is there a summary that the VM was syncing to when it stopped? Answer:
    /// [`Answer::Summary`](super::Answer::Summary).
    OngoingSummary,
    /// What is the newest summary? Answer: [`Answer::Summary`](super::Answer::Summary).
    LastSummary,
    /// Which summaries are there at these heights? Answer: [`Answer::Ids`](super::Answer::Ids).
    SummariesAt(Vec<Height>),
    /// Sync to this summary. Answer: [`Answer::SyncMode`](super::Answer::SyncMode).
    AcceptSummary(Summary<H>),
}

/// What the engine is at (AvalancheGo's `snow/engine/enginetype` and `snow.State`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Phase {
    /// Looking for a state to start from.
    StateSyncing,
    /// Downloading and executing what the network accepted.
    Bootstrapping,
    /// Deciding together with the others.
    NormalOperation,
}
