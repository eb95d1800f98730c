//! What refusals say to people: the subject, both values, and what is allowed.

use std::fmt;

use super::Refusal;
use crate::payments::Address;

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongChain { .. }
            | Self::BadSignature { .. }
            | Self::ZeroAmount { .. }
            | Self::FeeTooLow { .. }
            | Self::AmountOverflow { .. }
            | Self::Expired { .. }
            | Self::UnknownAccount { .. }
            | Self::NonceTooLow { .. }
            | Self::NonceTooHigh { .. }
            | Self::DuplicateInBlock { .. }
            | Self::InsufficientFunds { .. }
            | Self::BalanceOverflow { .. }
            | Self::BurnedOverflow { .. } => self.of_transfer(f),
            Self::AlreadyPending { .. }
            | Self::ReplacementFeeTooLow { .. }
            | Self::MempoolFull { .. }
            | Self::Replaced { .. }
            | Self::Evicted { .. } => self.of_mempool(f),
            _ => self.of_bytes_or_header(f),
        }
    }
}

impl Refusal {
    fn of_bytes_or_header(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { what, reason, at, expected, found } => write!(
                f,
                "{what}: {reason} is {found}, and should be {expected} (from byte {at} on)"
            ),
            Self::WrongVersion { what, found, expected } => {
                write!(f, "{what} has version {found}, and {expected} is read")
            }
            Self::NotSorted { index, address } => write!(
                f,
                "genesis: address {address} of allocation {index} is not above the one before; \
                 addresses have to rise"
            ),
            Self::GenesisTooLarge { bytes, max } => {
                write!(f, "genesis has {bytes} bytes, at most {max} are allowed")
            }
            Self::SupplyOverflow { before, more, index } => write!(
                f,
                "genesis: balance {more} of allocation {index} on top of {before} is above the \
                 greatest supply, {}",
                u64::MAX
            ),
            Self::BlockTooLarge { bytes, max } => {
                write!(f, "block has {bytes} bytes, at most {max} are allowed")
            }
            Self::TransferTooLarge { bytes, max } => {
                write!(f, "transfer has {bytes} bytes, every transfer has {max}")
            }
            Self::TooManyTransfers { count, max } => {
                write!(f, "block has {count} transfers, at most {max} are allowed")
            }
            Self::UnknownParent { found, expected } => {
                write!(f, "block's parent {found} is not known here; {expected} is")
            }
            Self::WrongHeight { found, parent } => write!(
                f,
                "block has height {found} on a parent of height {parent}, and should be one above"
            ),
            Self::BeforeParent { timestamp, parent } => write!(
                f,
                "block has timestamp {timestamp} ms, before its parent's, {parent} ms; it may be \
                 the same or later"
            ),
            Self::TooNew { timestamp, latest } => {
                write!(f, "block has timestamp {timestamp} ms, at most {latest} ms is allowed now")
            }
            Self::WrongStateRoot { found, expected } => {
                write!(f, "block names {found:x} as its parent's state root, which is {expected:x}")
            }
            _ => f.write_str(self.code()),
        }
    }

    fn of_transfer(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |f: &mut fmt::Formatter<'_>, sender: &Address, nonce: &u64| {
            write!(f, "transfer {nonce} of {sender} ")
        };
        match self {
            Self::WrongChain { sender, nonce, found, expected } => {
                name(f, sender, nonce)?;
                write!(f, "is for chain {found}, and this is {expected}")
            }
            Self::BadSignature { sender, nonce } => {
                name(f, sender, nonce)?;
                write!(f, "has a signature that does not fit; the sender's key has to sign it")
            }
            Self::ZeroAmount { sender, nonce } => {
                name(f, sender, nonce)?;
                write!(f, "has amount 0, at least 1 is asked for")
            }
            Self::FeeTooLow { sender, nonce, fee, min } => {
                name(f, sender, nonce)?;
                write!(f, "offers fee {fee}, at least {min} is asked for")
            }
            Self::AmountOverflow { sender, nonce, amount, fee } => {
                name(f, sender, nonce)?;
                write!(f, "has amount {amount} and fee {fee}, together at most {}", u64::MAX)
            }
            Self::Expired { sender, nonce, expiry, now } => {
                name(f, sender, nonce)?;
                write!(f, "expired after second {expiry}, and it is second {now}")
            }
            Self::UnknownAccount { sender, nonce } => {
                name(f, sender, nonce)?;
                write!(f, "has a sender that never got anything; only an account can send")
            }
            Self::NonceTooLow { sender, nonce, expected } => {
                name(f, sender, nonce)?;
                write!(f, "has a nonce that was used; the next is {expected}")
            }
            Self::NonceTooHigh { sender, nonce, max } => {
                name(f, sender, nonce)?;
                write!(f, "leaves out nonces; at most {max} is allowed now")
            }
            Self::DuplicateInBlock { sender, nonce, expected } => {
                name(f, sender, nonce)?;
                write!(f, "is the second of that nonce in its block; the next is {expected}")
            }
            Self::InsufficientFunds { sender, nonce, needed, balance } => {
                name(f, sender, nonce)?;
                write!(f, "needs {needed}, and the sender has {balance}")
            }
            Self::BalanceOverflow { recipient, balance, amount } => write!(
                f,
                "account {recipient} has {balance} and would get {amount}, together at most {}",
                u64::MAX
            ),
            Self::BurnedOverflow { burned, fee } => write!(
                f,
                "burned fees are {burned} and would grow by {fee}, together at most {}",
                u64::MAX
            ),
            _ => f.write_str(self.code()),
        }
    }

    fn of_mempool(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyPending { id } => write!(f, "transfer {id} is waiting already"),
            Self::ReplacementFeeTooLow { sender, nonce, fee, min } => write!(
                f,
                "transfer {nonce} of {sender} offers fee {fee}; to replace the one that waits, at \
                 least {min} is asked for"
            ),
            Self::MempoolFull { fee, lowest, count } => write!(
                f,
                "the mempool is full with {count} transfers: fee {fee} is not above the lowest, \
                 {lowest}"
            ),
            Self::Replaced { by, fee, higher } => write!(
                f,
                "transfer {by} with fee {higher} took the place of this one with fee {fee}"
            ),
            Self::Evicted { fee, count } => write!(
                f,
                "the mempool was full with {count} transfers, and fee {fee} was the lowest"
            ),
            _ => f.write_str(self.code()),
        }
    }
}
