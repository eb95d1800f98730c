//! The plainest payments there can be: a map, one transfer at a time.

use std::collections::BTreeMap;

use avalanche_consensus::Id;
use avalanche_vm::payments::{Account, Address, Refusal, Rules, SignedTransfer, Transfer};

/// The state after some block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) accounts: BTreeMap<Address, Account>,
    pub(crate) burned: u64,
}

impl State {
    pub(crate) fn get(&self, address: &Address) -> Account {
        self.accounts.get(address).copied().unwrap_or_default()
    }

    pub(crate) fn sum(&self) -> u128 {
        let balances = self.accounts.values().map(|account| u128::from(account.balance));
        balances.sum::<u128>() + u128::from(self.burned)
    }

    /// Applies a whole block, or says which rule its first wrong transfer breaks.
    pub(crate) fn block(
        &self,
        rules: &Rules,
        second: u64,
        transfers: &[SignedTransfer],
    ) -> Result<Self, Refusal> {
        let mut after = self.clone();
        for transfer in transfers {
            after.apply(self, rules, second, &transfer.transfer())?;
        }
        Ok(after)
    }

    fn apply(
        &mut self,
        before_block: &Self,
        rules: &Rules,
        second: u64,
        transfer: &Transfer,
    ) -> Result<(), Refusal> {
        stateless(rules, second, transfer)?;
        let Transfer { sender, recipient, amount, fee, nonce, .. } = *transfer;
        let mut from = self.get(&sender);
        let expected = from.nonce;
        if from == Account::default() {
            return Err(Refusal::UnknownAccount { sender, nonce });
        }
        if nonce < before_block.get(&sender).nonce {
            return Err(Refusal::NonceTooLow { sender, nonce, expected });
        }
        if nonce < expected {
            return Err(Refusal::DuplicateInBlock { sender, nonce, expected });
        }
        if nonce > expected {
            return Err(Refusal::NonceTooHigh { sender, nonce, max: expected });
        }
        let needed = u128::from(amount) + u128::from(fee);
        let balance = from.balance;
        if needed > u128::from(balance) {
            return Err(Refusal::InsufficientFunds { sender, nonce, needed, balance });
        }
        from.balance -= amount + fee;
        from.nonce += 1;
        self.accounts.insert(sender, from);
        let mut to = self.get(&recipient);
        let balance = to.balance;
        to.balance = balance.checked_add(amount).ok_or(Refusal::BalanceOverflow {
            recipient,
            balance,
            amount,
        })?;
        self.accounts.insert(recipient, to);
        let burned = self.burned;
        self.burned = burned.checked_add(fee).ok_or(Refusal::BurnedOverflow { burned, fee })?;
        Ok(())
    }
}

/// The rules that depend on the transfer and the time alone.
pub(crate) fn stateless(rules: &Rules, second: u64, transfer: &Transfer) -> Result<(), Refusal> {
    let Transfer { chain, sender, amount, fee, nonce, expiry, .. } = *transfer;
    if chain != rules.chain {
        return Err(Refusal::WrongChain { sender, nonce, found: chain, expected: rules.chain });
    }
    if amount == 0 {
        return Err(Refusal::ZeroAmount { sender, nonce });
    }
    if fee < rules.fee_min {
        return Err(Refusal::FeeTooLow { sender, nonce, fee, min: rules.fee_min });
    }
    if u128::from(amount) + u128::from(fee) > u128::from(u64::MAX) {
        return Err(Refusal::AmountOverflow { sender, nonce, amount, fee });
    }
    if expiry < second {
        return Err(Refusal::Expired { sender, nonce, expiry, now: second });
    }
    Ok(())
}

/// The `n`-th address.
pub(crate) fn address(n: u64) -> Address {
    Address::new(*Id::hash(&n.to_le_bytes()).as_bytes())
}

/// A transfer with a signature that tells it apart.
pub(crate) fn signed(transfer: Transfer, mark: u8) -> SignedTransfer {
    transfer.with_signature(&[mark; 64])
}
