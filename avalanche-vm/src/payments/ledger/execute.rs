//! Executing a block, in four loops.
//!
//! A million accounts do not fit into a processor's caches, so nearly all time would be spent
//! waiting for one account after another. Instead the first loop gives each address of the block a
//! small number, the second and third find the accounts of all of them, where no step waits for
//! the one before, and the fourth executes transfers on what is then a short array.

use super::Rules;
use super::layer::{Layer, Touched};
use super::table::Table;
use crate::payments::{Account, Refusal, TransferRef, Transfers};

/// A transfer, with numbers for its addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    from: u32,
    to: u32,
    amount: u64,
    fee: u64,
    nonce: u64,
}

/// What executing needs to know.
#[derive(Debug)]
pub(super) struct Execution<'a> {
    pub(super) rules: &'a Rules,
    pub(super) table: &'a Table,
    /// Layers between the block and the accepted state, the newest first.
    pub(super) ancestors: &'a [&'a Layer],
    /// The block's timestamp.
    pub(super) second: u64,
    /// Burned fees before the block.
    pub(super) burned: u64,
}

impl Execution<'_> {
    /// What the transfers change goes into `touched`, which is empty; returned are the burned fees
    /// after them. The refusal is that of the first transfer that breaks a rule. What `moves` holds
    /// is overwritten.
    pub(super) fn run(
        &self,
        transfers: Transfers<'_>,
        touched: &mut Touched,
        moves: &mut Vec<Move>,
    ) -> Result<u64, Refusal> {
        moves.clear();
        let refused = self.read(transfers, touched, moves);
        self.find(touched);
        let burned = self.apply(moves, touched)?;
        refused.map_or(Ok(burned), Err)
    }

    /// Reads the transfers up to the first that is wrong whatever the state, and says why that is.
    fn read(
        &self,
        transfers: Transfers<'_>,
        touched: &mut Touched,
        moves: &mut Vec<Move>,
    ) -> Option<Refusal> {
        moves.reserve(transfers.len());
        for transfer in transfers.iter() {
            if let Err(refusal) = self.rules.check(transfer, self.second) {
                return Some(refusal);
            }
            let (sender, recipient) = (transfer.sender(), transfer.recipient());
            moves.push(Move {
                from: touched.intern(self.table.hash(&sender), &sender),
                to: touched.intern(self.table.hash(&recipient), &recipient),
                amount: transfer.amount(),
                fee: transfer.fee(),
                nonce: transfer.nonce(),
            });
        }
        None
    }

    /// Finds what all touched accounts have before the block.
    fn find(&self, touched: &mut Touched) {
        let guesses = touched.hashes.iter().map(|hash| self.table.guess(*hash));
        touched.places.extend(guesses);
        touched.accounts.reserve(touched.addresses.len());
        let names = touched.addresses.iter().zip(&touched.hashes);
        for ((address, hash), place) in names.zip(&mut touched.places) {
            let account = match place.and_then(|place| self.table.at(place, address)) {
                Some(account) => account,
                // Unknown, or another address with the same hash.
                None => {
                    *place = place.and_then(|_guess| self.table.find(*hash, address));
                    let found = place.and_then(|place| self.table.at(place, address));
                    found.unwrap_or(Account::ABSENT)
                }
            };
            touched.accounts.push(account);
        }
        if self.ancestors.is_empty() {
            return;
        }
        let names = touched.addresses.iter().zip(&touched.hashes);
        for ((address, hash), account) in names.zip(&mut touched.accounts) {
            let newest = self.ancestors.iter().find_map(|layer| layer.get(*hash, address));
            if let Some(newer) = newest {
                *account = newer;
            }
        }
    }

    /// Executes, one after another. Returns the burned fees after them.
    fn apply(&self, moves: &[Move], touched: &mut Touched) -> Result<u64, Refusal> {
        let mut burned = self.burned;
        for step in moves {
            let Some(from) = touched.accounts.get_mut(as_usize(step.from)) else { continue };
            // The sum was checked, and so it cannot wrap.
            let cost = step.amount.wrapping_add(step.fee);
            let next = from.nonce.checked_add(1).filter(|_next| step.nonce == from.nonce);
            let (Some(next), false) = (next, from.balance < cost || from.is_absent()) else {
                return Err(self.refusal(step, touched));
            };
            *from = Account { balance: from.balance - cost, nonce: next };
            let Some(to) = touched.accounts.get_mut(as_usize(step.to)) else { continue };
            let Some(balance) = to.balance.checked_add(step.amount) else {
                let balance = to.balance;
                let recipient = touched.addresses.get(as_usize(step.to)).copied();
                let recipient = recipient.unwrap_or_default();
                return Err(Refusal::BalanceOverflow { recipient, balance, amount: step.amount });
            };
            to.balance = balance;
            burned = burned
                .checked_add(step.fee)
                .ok_or(Refusal::BurnedOverflow { burned, fee: step.fee })?;
        }
        Ok(burned)
    }

    /// Why a transfer cannot be applied.
    fn refusal(&self, step: &Move, touched: &Touched) -> Refusal {
        let Move { from, amount, fee, nonce, .. } = *step;
        let from = as_usize(from);
        let sender = touched.addresses.get(from).copied().unwrap_or_default();
        let account = touched.accounts.get(from).copied().unwrap_or_default();
        let expected = account.nonce;
        if account.is_absent() {
            Refusal::UnknownAccount { sender, nonce }
        } else if nonce < expected {
            let hash = touched.hashes.get(from).copied().unwrap_or_default();
            if nonce < self.before(hash, &sender).nonce {
                Refusal::NonceTooLow { sender, nonce, expected }
            } else {
                Refusal::DuplicateInBlock { sender, nonce, expected }
            }
        } else if nonce > expected || nonce == u64::MAX {
            // The greatest number is nobody's nonce: there is none after it.
            Refusal::NonceTooHigh { sender, nonce, max: expected.min(u64::MAX - 1) }
        } else {
            let needed = u128::from(amount) + u128::from(fee);
            Refusal::InsufficientFunds { sender, nonce, needed, balance: account.balance }
        }
    }

    /// What an address had before the block.
    fn before(&self, hash: u32, address: &crate::payments::Address) -> Account {
        let newest = self.ancestors.iter().find_map(|layer| layer.get(hash, address));
        newest.or_else(|| self.table.get(address)).unwrap_or_default()
    }
}

impl Rules {
    /// Checks what depends on the transfer and on the time alone, but for its signature: chain,
    /// amount, fee, their sum, expiry, in this order.
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongChain`], [`Refusal::ZeroAmount`], [`Refusal::FeeTooLow`],
    /// [`Refusal::AmountOverflow`], [`Refusal::Expired`].
    pub fn check(&self, transfer: TransferRef<'_>, second: u64) -> Result<(), Refusal> {
        let (amount, fee, expiry) = (transfer.amount(), transfer.fee(), transfer.expiry());
        let chain = transfer.chain();
        if chain == self.chain
            && amount > 0
            && fee >= self.fee_min
            && amount.checked_add(fee).is_some()
            && second <= expiry
        {
            return Ok(());
        }
        let (sender, nonce) = (transfer.sender(), transfer.nonce());
        Err(if chain != self.chain {
            Refusal::WrongChain { sender, nonce, found: chain, expected: self.chain }
        } else if amount == 0 {
            Refusal::ZeroAmount { sender, nonce }
        } else if fee < self.fee_min {
            Refusal::FeeTooLow { sender, nonce, fee, min: self.fee_min }
        } else if amount.checked_add(fee).is_none() {
            Refusal::AmountOverflow { sender, nonce, amount, fee }
        } else {
            Refusal::Expired { sender, nonce, expiry, now: second }
        })
    }
}

/// A place as an index.
fn as_usize(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}
