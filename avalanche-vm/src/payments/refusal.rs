//! Every way to break a rule of payments, with a stable code.

mod message;

use std::error;

use avalanche_consensus::{Height, Id};

use super::Address;
use crate::InvalidKind;

/// A broken rule. Nothing has changed where one is answered.
///
/// Amounts and fees are in the smallest unit. Codes, which [`code`](Self::code) returns and which
/// stay, are the names of the variants in `snake_case`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// `malformed`: bytes cannot be read.
    Malformed {
        /// What they should be.
        what: &'static str,
        /// Which part is wrong.
        reason: &'static str,
        /// Where that part begins, in bytes from the front.
        at: usize,
        /// The value that it should have, or at least have.
        expected: usize,
        /// The value that it has.
        found: usize,
    },
    /// `wrong_version`: the first byte is not the version of the format.
    WrongVersion {
        /// What the bytes should be.
        what: &'static str,
        /// The version that they have.
        found: u8,
        /// The version that is read.
        expected: u8,
    },
    /// `not_sorted`: addresses of a genesis do not rise.
    NotSorted {
        /// The allocation, from 0.
        index: usize,
        /// Its address, which is not above the one before.
        address: Address,
    },
    /// `genesis_too_large`.
    GenesisTooLarge {
        /// Its length in bytes.
        bytes: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// `supply_overflow`: the balances of a genesis do not fit into 64 bits.
    SupplyOverflow {
        /// The sum of balances before.
        before: u64,
        /// The balance that is too much.
        more: u64,
        /// Its allocation, from 0.
        index: usize,
    },
    /// `block_too_large`.
    BlockTooLarge {
        /// Its length in bytes.
        bytes: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// `transfer_too_large`.
    TransferTooLarge {
        /// Its length in bytes.
        bytes: usize,
        /// The length that every transfer has.
        max: usize,
    },
    /// `too_many_transfers` in a block.
    TooManyTransfers {
        /// How many.
        count: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// `unknown_parent`: the block's parent is neither the last accepted block nor processing, or
    /// not the one that it is checked against.
    UnknownParent {
        /// The parent that the block names.
        found: Id,
        /// The last accepted block, or the parent that was given.
        expected: Id,
    },
    /// `wrong_height`: not one more than the parent's.
    WrongHeight {
        /// The block's.
        found: Height,
        /// The parent's.
        parent: Height,
    },
    /// `before_parent`: the block's timestamp is before its parent's.
    BeforeParent {
        /// The block's, in milliseconds since the Unix epoch.
        timestamp: u64,
        /// The parent's.
        parent: u64,
    },
    /// `too_new`: the block's timestamp is too far in the future.
    TooNew {
        /// The block's, in milliseconds since the Unix epoch.
        timestamp: u64,
        /// The latest that is allowed now.
        latest: u64,
    },
    /// `wrong_state_root`: the header names another root of the parent's state.
    WrongStateRoot {
        /// The root that the header names.
        found: Id,
        /// The root of the parent's state.
        expected: Id,
    },
    /// `wrong_chain`: the transfer is for another chain.
    WrongChain {
        /// Who pays.
        sender: Address,
        /// The transfer's place among the sender's.
        nonce: u64,
        /// The chain that it is for.
        found: Id,
        /// This chain.
        expected: Id,
    },
    /// `bad_signature`: it does not fit the sender's key and the transfer.
    BadSignature {
        /// Who would pay.
        sender: Address,
        /// The transfer's place among the sender's.
        nonce: u64,
    },
    /// `zero_amount`: the recipient would get nothing.
    ZeroAmount {
        /// Who pays.
        sender: Address,
        /// The transfer's place among the sender's.
        nonce: u64,
    },
    /// `fee_too_low`: below the chain's least.
    FeeTooLow {
        /// Who pays.
        sender: Address,
        /// The transfer's place among the sender's.
        nonce: u64,
        /// What it offers.
        fee: u64,
        /// The least of the chain.
        min: u64,
    },
    /// `amount_overflow`: amount and fee together do not fit into 64 bits.
    AmountOverflow {
        /// Who pays.
        sender: Address,
        /// The transfer's place among the sender's.
        nonce: u64,
        /// What the recipient would get.
        amount: u64,
        /// What would be burned.
        fee: u64,
    },
    /// `expired`: the block is later than the last second of the transfer.
    Expired {
        /// Who pays.
        sender: Address,
        /// The transfer's place among the sender's.
        nonce: u64,
        /// Its last second, since the Unix epoch.
        expiry: u64,
        /// The block's second; in a mempool, the present one.
        now: u64,
    },
    /// `unknown_account`: the sender never got anything.
    UnknownAccount {
        /// Who would pay.
        sender: Address,
        /// The transfer's place among the sender's.
        nonce: u64,
    },
    /// `nonce_too_low`: used by an accepted or earlier transfer.
    NonceTooLow {
        /// Who pays.
        sender: Address,
        /// The transfer's nonce.
        nonce: u64,
        /// The next one of the sender.
        expected: u64,
    },
    /// `nonce_too_high`: in a block, not the sender's next; in a mempool, too far above it.
    NonceTooHigh {
        /// Who pays.
        sender: Address,
        /// The transfer's nonce.
        nonce: u64,
        /// The highest that is allowed.
        max: u64,
    },
    /// `duplicate_in_block`: an earlier transfer of the same block has used the nonce.
    DuplicateInBlock {
        /// Who pays.
        sender: Address,
        /// The transfer's nonce.
        nonce: u64,
        /// The sender's next one at that place of the block.
        expected: u64,
    },
    /// `insufficient_funds`: in a mempool, for all that waits of the sender.
    InsufficientFunds {
        /// Who pays.
        sender: Address,
        /// The transfer's place among the sender's.
        nonce: u64,
        /// What is needed, fees included.
        needed: u128,
        /// What the sender has.
        balance: u64,
    },
    /// `balance_overflow`: the recipient's balance would not fit into 64 bits. Cannot happen while
    /// the supply fits.
    BalanceOverflow {
        /// Who is paid.
        recipient: Address,
        /// What it has.
        balance: u64,
        /// What it would get.
        amount: u64,
    },
    /// `burned_overflow`: the sum of burned fees would not fit into 64 bits. Cannot happen while
    /// the supply fits.
    BurnedOverflow {
        /// What was burned.
        burned: u64,
        /// What would be.
        fee: u64,
    },
    /// `already_pending`: the mempool has this transfer.
    AlreadyPending {
        /// Its name.
        id: Id,
    },
    /// `replacement_fee_too_low`: the mempool has another transfer of this sender and nonce, and
    /// the fee is not so much higher that it takes its place.
    ReplacementFeeTooLow {
        /// Who pays.
        sender: Address,
        /// The nonce of both.
        nonce: u64,
        /// What it offers.
        fee: u64,
        /// The least that would do.
        min: u64,
    },
    /// `mempool_full`, and what waits there offers as much.
    MempoolFull {
        /// The least fee on the way to this transfer, or 0 if a nonce before it is missing.
        fee: u64,
        /// The same of what would go first. More than this is needed.
        lowest: u64,
        /// How many transfers there are.
        count: usize,
    },
    /// `replaced` in the mempool, by one with a higher fee.
    Replaced {
        /// The one that took its place.
        by: Id,
        /// What it had offered.
        fee: u64,
        /// What the other offers.
        higher: u64,
    },
    /// `evicted` from a full mempool.
    Evicted {
        /// The least fee on the way to it, or 0 if a nonce before it was missing.
        fee: u64,
        /// How many transfers there were.
        count: usize,
    },
}

impl Refusal {
    /// The rule's name, for programs. It stays the same in all releases.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::WrongVersion { .. } => "wrong_version",
            Self::NotSorted { .. } => "not_sorted",
            Self::GenesisTooLarge { .. } => "genesis_too_large",
            Self::SupplyOverflow { .. } => "supply_overflow",
            Self::BlockTooLarge { .. } => "block_too_large",
            Self::TransferTooLarge { .. } => "transfer_too_large",
            Self::TooManyTransfers { .. } => "too_many_transfers",
            Self::UnknownParent { .. } => "unknown_parent",
            Self::WrongHeight { .. } => "wrong_height",
            Self::BeforeParent { .. } => "before_parent",
            Self::TooNew { .. } => "too_new",
            Self::WrongStateRoot { .. } => "wrong_state_root",
            Self::WrongChain { .. } => "wrong_chain",
            Self::BadSignature { .. } => "bad_signature",
            Self::ZeroAmount { .. } => "zero_amount",
            Self::FeeTooLow { .. } => "fee_too_low",
            Self::AmountOverflow { .. } => "amount_overflow",
            Self::Expired { .. } => "expired",
            Self::UnknownAccount { .. } => "unknown_account",
            Self::NonceTooLow { .. } => "nonce_too_low",
            Self::NonceTooHigh { .. } => "nonce_too_high",
            Self::DuplicateInBlock { .. } => "duplicate_in_block",
            Self::InsufficientFunds { .. } => "insufficient_funds",
            Self::BalanceOverflow { .. } => "balance_overflow",
            Self::BurnedOverflow { .. } => "burned_overflow",
            Self::AlreadyPending { .. } => "already_pending",
            Self::ReplacementFeeTooLow { .. } => "replacement_fee_too_low",
            Self::MempoolFull { .. } => "mempool_full",
            Self::Replaced { .. } => "replaced",
            Self::Evicted { .. } => "evicted",
        }
    }

    /// What kind of rule it is.
    #[must_use]
    pub const fn kind(&self) -> InvalidKind {
        match self {
            Self::Malformed { .. }
            | Self::WrongVersion { .. }
            | Self::NotSorted { .. }
            | Self::SupplyOverflow { .. }
            | Self::WrongChain { .. }
            | Self::ZeroAmount { .. }
            | Self::FeeTooLow { .. }
            | Self::AmountOverflow { .. } => InvalidKind::Malformed,
            Self::GenesisTooLarge { .. }
            | Self::BlockTooLarge { .. }
            | Self::TransferTooLarge { .. }
            | Self::TooManyTransfers { .. } => InvalidKind::TooLarge,
            Self::BadSignature { .. } => InvalidKind::Signature,
            Self::UnknownParent { .. }
            | Self::WrongHeight { .. }
            | Self::BeforeParent { .. }
            | Self::TooNew { .. }
            | Self::WrongStateRoot { .. }
            | Self::Expired { .. }
            | Self::UnknownAccount { .. }
            | Self::NonceTooLow { .. }
            | Self::NonceTooHigh { .. }
            | Self::InsufficientFunds { .. }
            | Self::BalanceOverflow { .. }
            | Self::BurnedOverflow { .. } => InvalidKind::State,
            Self::DuplicateInBlock { .. }
            | Self::AlreadyPending { .. }
            | Self::ReplacementFeeTooLow { .. }
            | Self::Replaced { .. } => InvalidKind::Duplicate,
            Self::MempoolFull { .. } | Self::Evicted { .. } => InvalidKind::Full,
        }
    }
}

impl error::Error for Refusal {}

impl From<Refusal> for crate::Error {
    fn from(refusal: Refusal) -> Self {
        Self::invalid(refusal.kind(), refusal.code(), refusal.to_string())
    }
}
