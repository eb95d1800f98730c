//! What must always hold. One function each, all in constant time, so that they are asked after
//! every event.

use std::fmt;

use super::block::{BlockRef, BlockStore, ToyBlock};
use super::vm::{Status, Vm};
use crate::engine::{Engine, Fault, Limits};
use crate::snowman::Block;

/// What can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// All honest nodes accept the same block at a height.
    Agreement,
    /// No block is accepted by one honest node and rejected by another.
    OneDecision,
    /// A node accepts heights one after the other.
    ConsecutiveHeights,
    /// A node accepts blocks on what it accepted last.
    ParentAccepted,
    /// A node accepts what its VM found valid, and nothing else.
    VerifiedBeforeAccept,
    /// A node rejects what its VM found valid and is not decided, and nothing else.
    RejectedOnce,
    /// Every block that a VM found valid is processing until it is decided.
    NothingForgotten,
    /// A VM is asked for a verdict when the parent has one.
    VerifiedAfterParent,
    /// A VM is not asked again for a verdict while the block is undecided, or after.
    VerifiedOnce,
    /// A VM is told every change of the preference.
    PreferenceTold,
    /// The preferred tip is undecided, or nothing is.
    PreferenceUndecided,
    /// An engine and its VM have the same last accepted block.
    TipTold,
    /// Nothing in an engine is larger than its bound.
    Bounded,
    /// No honest node is accused of what only a broken one does.
    NoFalseAccusation,
    /// No engine stops.
    NeverFatal,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agreement => "two nodes accepted different blocks at one height",
            Self::OneDecision => "one node accepted what another rejected",
            Self::ConsecutiveHeights => "a height was accepted out of order",
            Self::ParentAccepted => "a block was accepted whose parent was not the last accepted",
            Self::VerifiedBeforeAccept => "a block was accepted that was not found valid here",
            Self::RejectedOnce => "a block was rejected that was not undecided here",
            Self::NothingForgotten => "a valid block is neither decided nor processing",
            Self::VerifiedAfterParent => "a block was to be verified before its parent",
            Self::VerifiedOnce => "a block was to be verified again",
            Self::PreferenceTold => "the VM was not told of the preference",
            Self::PreferenceUndecided => "the preference is neither undecided nor last accepted",
            Self::TipTold => "engine and VM have different last accepted blocks",
            Self::Bounded => "something grew beyond its bound",
            Self::NoFalseAccusation => "an honest node was accused",
            Self::NeverFatal => "an engine stopped",
        })
    }
}

/// What an invariant says.
pub(super) type Holds = Result<(), Invariant>;

fn demand(invariant: Invariant, holds: bool) -> Holds {
    if holds { Ok(()) } else { Err(invariant) }
}

/// See [`Invariant::Agreement`]. `chain` is what honest nodes accepted first at
/// each height: the engine of an adversary is told the truth, but is part of no promise.
pub(super) fn agreement(chain: &mut Vec<BlockRef>, height: u64, block: BlockRef) -> Holds {
    let Ok(at) = usize::try_from(height) else { return Err(Invariant::Agreement) };
    if at == chain.len() {
        chain.push(block);
    }
    demand(Invariant::Agreement, chain.get(at) == Some(&block))
}

/// See [`Invariant::OneDecision`].
pub(super) fn one_decision(block: &ToyBlock) -> Holds {
    demand(Invariant::OneDecision, !(block.accepted_honestly && block.rejected_honestly))
}

/// See [`Invariant::ConsecutiveHeights`].
pub(super) fn consecutive_heights(vm: &Vm, block: &Block) -> Holds {
    demand(Invariant::ConsecutiveHeights, block.height.get() == vm.height() + 1)
}

/// See [`Invariant::ParentAccepted`].
pub(super) fn parent_accepted(vm: &Vm, blocks: &BlockStore, block: &Block) -> Holds {
    demand(Invariant::ParentAccepted, block.parent == blocks.id(vm.tip()))
}

/// See [`Invariant::VerifiedBeforeAccept`].
pub(super) fn verified_before_accept(vm: &Vm, block: BlockRef) -> Holds {
    demand(Invariant::VerifiedBeforeAccept, vm.status(block) == Status::Verified)
}

/// See [`Invariant::RejectedOnce`].
pub(super) fn rejected_once(vm: &Vm, block: BlockRef) -> Holds {
    demand(Invariant::RejectedOnce, vm.status(block) == Status::Verified)
}

/// See [`Invariant::NothingForgotten`].
pub(super) fn nothing_forgotten(engine: &Engine<BlockRef>, vm: &Vm) -> Holds {
    demand(Invariant::NothingForgotten, engine.num_processing() == vm.undecided())
}

/// See [`Invariant::PreferenceTold`]. While a VM works on the options of an oracle, the oracle is
/// preferred already and the VM is told with the options.
pub(super) fn preference_told(engine: &Engine<BlockRef>, vm: &Vm, blocks: &BlockStore) -> Holds {
    let told = engine.preference() == blocks.id(vm.preference());
    demand(Invariant::PreferenceTold, told || engine.calls_open() > 0)
}

/// See [`Invariant::PreferenceUndecided`], and [`preference_told`] for open calls.
pub(super) fn preference_undecided(engine: &Engine<BlockRef>, vm: &Vm) -> Holds {
    let undecided = vm.status(vm.preference()) == Status::Verified;
    let nothing = vm.undecided() == 0 && vm.preference() == vm.tip();
    demand(Invariant::PreferenceUndecided, undecided || nothing || engine.calls_open() > 0)
}

/// See [`Invariant::TipTold`].
pub(super) fn tip_told(engine: &Engine<BlockRef>, vm: &Vm, blocks: &BlockStore) -> Holds {
    demand(Invariant::TipTold, engine.last_accepted() == vm.tip_of(blocks))
}

/// See [`Invariant::Bounded`].
pub(super) fn bounded(engine: &Engine<BlockRef>, limits: &Limits) -> Holds {
    let [asked, pending, _] = engine.waiting();
    let holds = engine.polls_open() <= limits.polls_max as usize
        && engine.requests_open() <= limits.requests_max
        // Entering a phase is beyond the bound.
        && engine.calls_open() <= limits.calls_max + 1
        && engine.num_processing() <= limits.processing_max as usize
        && asked <= limits.requests_max
        && pending <= limits.pending_max;
    demand(Invariant::Bounded, holds)
}

/// See [`Invariant::NoFalseAccusation`]. Answers can be late, and VMs can differ; but no honest
/// node sends another block than the one that was asked for, or what cannot be parsed.
pub(super) fn no_false_accusation(fault: &Fault) -> Holds {
    let broken = matches!(
        fault,
        Fault::WrongBlock { .. }
            | Fault::Malformed(_)
            | Fault::WrongHeight(_)
            | Fault::TooLong { .. }
    );
    demand(Invariant::NoFalseAccusation, !broken)
}
