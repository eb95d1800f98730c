//! What the shell tells the engine.

use super::{CallId, Message, ParsedBlock, Summary, Tip};
use crate::validators::ValidatorChange;
use crate::{Id, NodeId};

/// Something that happened, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(bound(serialize = "", deserialize = "H: Default")))]
#[non_exhaustive]
pub enum Input<H> {
    /// A peer said something. Only the transport knows who it was, so it vouches for `from`.
    Message {
        /// The peer.
        from: NodeId,
        /// What it said.
        message: Message<H>,
    },
    /// A request could not be delivered, or is known to stay without an answer. Without this the
    /// engine finds out by its own deadline.
    RequestFailed {
        /// The peer that was asked.
        to: NodeId,
        /// The request.
        request_id: u32,
    },
    /// A peer is connected.
    Connected(NodeId),
    /// A peer is no longer connected.
    Disconnected(NodeId),
    /// The validators of the chain changed.
    Validators(Vec<ValidatorChange>),
    /// The VM has transactions to build a block of (AvalancheGo's `PendingTxs`). Each such input is
    /// one request to build.
    PendingTransactions,
    /// The VM's state sync, which it does by itself, is done.
    StateSyncDone,
    /// All chains of the subnet are bootstrapped.
    SubnetBootstrapped,
    /// The answer to an [`Output::Call`](super::Output::Call), once for each.
    Answer {
        /// The call.
        call: CallId,
        /// What the VM or the store said.
        answer: Answer<H>,
    },
    /// Nothing but time has passed: that which
    /// [`Engine::poll_timeout`](super::Engine::poll_timeout) named has come. Every other input does
    /// what is due as well, so a shell that is never idle needs no tick.
    Tick,
    /// An output could not be carried out, such as an accept that could not be made durable. The
    /// chain stops.
    Failed(String),
}

/// What the VM or the store says to a [`Call`](super::Call).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(bound(serialize = "", deserialize = "H: Default")))]
#[non_exhaustive]
pub enum Answer<H> {
    /// To [`Call::EnterPhase`](super::Call::EnterPhase): the last accepted block as it is in that
    /// phase.
    LastAccepted {
        /// The block.
        tip: Tip,
        /// If the block is an oracle, its two children in the order of the VM's preference.
        options: Option<[ParsedBlock<H>; 2]>,
    },
    /// To [`Call::Verify`](super::Call::Verify).
    Verdict(Verdict<H>),
    /// To [`Call::GetBlock`](super::Call::GetBlock) and
    /// [`Call::BuildBlock`](super::Call::BuildBlock): the block, or `None` if there is none.
    Block(Option<ParsedBlock<H>>),
    /// To [`Call::BlockIdAtHeight`](super::Call::BlockIdAtHeight): the accepted block, or `None` if
    /// it is not known any more.
    BlockId(Option<Id>),
    /// To [`Call::GetAncestors`](super::Call::GetAncestors): the blocks, newest first.
    Blocks(Vec<ParsedBlock<H>>),
    /// To [`Call::FilterAccepted`](super::Call::FilterAccepted) and
    /// [`Call::SummariesAt`](super::Call::SummariesAt).
    Ids(Vec<Id>),
    /// To [`Call::ExecuteStored`](super::Call::ExecuteStored): the last accepted block afterwards.
    Executed(Tip),
    /// To [`Call::OngoingSummary`](super::Call::OngoingSummary) and
    /// [`Call::LastSummary`](super::Call::LastSummary).
    Summary(Option<Summary<H>>),
    /// To [`Call::AcceptSummary`](super::Call::AcceptSummary).
    SyncMode(SyncMode),
}

/// What the VM makes of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(bound(serialize = "", deserialize = "H: Default")))]
pub enum Verdict<H> {
    /// The block is valid. The VM keeps it until it is accepted or rejected.
    Valid,
    /// The block is valid and an oracle: it has these two children and no others, in the order of
    /// the VM's preference. They are verified like other blocks.
    Oracle([ParsedBlock<H>; 2]),
    /// The block is not valid, here and now. It may become so later.
    Invalid,
}

/// What the VM does with a state summary that it was given (AvalancheGo's
/// `snow/engine/snowman/block/state_sync_mode.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum SyncMode {
    /// Nothing: it executes blocks instead.
    Skipped,
    /// It syncs now. Bootstrapping begins with [`Input::StateSyncDone`].
    Static,
    /// It syncs in the background, while the engine goes on.
    Dynamic,
}
