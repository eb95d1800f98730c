//! What a payments VM shows to others while it goes on: accounts with proofs, receipts, the supply.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use avalanche_consensus::engine::Tip;
use avalanche_consensus::{HashKey, Height, Id};
use avalanche_store::{Hash, Proof, ProofFault, View};

use super::receipts::Receipts;
use super::states::Store;
use crate::payments::{Account, Address, Receipt};
use crate::{Block, Error};

/// Reads the accepted state of a payments VM from any thread. A clone reads the same.
#[derive(Clone, Debug)]
pub struct PaymentsReader(Arc<RwLock<Published>>);

#[derive(Debug)]
struct Published {
    tip: Tip,
    supply: u64,
    burned: u64,
    view: View<Store>,
    receipts: Receipts,
}

/// What an address has at a height, and the proof of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    /// The address.
    pub address: Address,
    /// What it has: [`Account::ABSENT`] if it never got anything.
    pub account: Account,
    /// The height that it has it at.
    pub height: Height,
    /// The root of the state of that height. The block of the next height carries it, as
    /// [`Header::parent_state_root`](crate::payments::Header::parent_state_root).
    pub root: Hash,
    /// The way from the root to the account.
    pub proof: Proof,
}

/// The accepted state as a whole: all of one height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// The last accepted block.
    pub tip: Tip,
    /// The supply of genesis.
    pub supply: u64,
    /// What of it was burned as fees.
    pub burned: u64,
    /// The root of the state: equal on all nodes at the same height.
    pub root: Hash,
}

impl AccountProof {
    /// Checks it with nothing but a root that the caller trusts, because an accepted block carries
    /// it.
    ///
    /// # Errors
    ///
    /// [`ProofFault`] if it shows nothing.
    pub fn verify(&self, root: &Hash) -> Result<(), ProofFault> {
        let value = self.account.encode();
        let value = (!self.account.is_absent()).then_some(&value[..]);
        self.proof.verify(root, self.address.as_bytes(), value)
    }
}

impl PaymentsReader {
    pub(super) fn new(
        tip: Tip,
        supply: u64,
        burned: u64,
        view: View<Store>,
        key: HashKey,
        receipts_max: usize,
    ) -> Self {
        let receipts = Receipts::new(key, receipts_max);
        let published = Published { tip, supply, burned, view, receipts };
        Self(Arc::new(RwLock::new(published)))
    }

    /// The last accepted block.
    #[must_use]
    pub fn tip(&self) -> Tip {
        self.read().tip
    }

    /// The supply of genesis, and what of it was burned as fees.
    #[must_use]
    pub fn supply(&self) -> (u64, u64) {
        let published = self.read();
        (published.supply, published.burned)
    }

    /// The accepted state as a whole.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let published = self.read();
        let Published { tip, supply, burned, .. } = *published;
        Totals { tip, supply, burned, root: published.view.root() }
    }

    /// What an address has, and at which height.
    ///
    /// # Errors
    ///
    /// [`Error::Fatal`] if the store cannot be read.
    pub fn account(&self, address: &Address) -> Result<(Account, Height), Error> {
        let (tip, view) = self.latest();
        Ok((stored(&view, address)?, tip.height))
    }

    /// What an address has, with the proof.
    ///
    /// # Errors
    ///
    /// [`Error::Fatal`] if the store cannot be read.
    pub fn prove(&self, address: &Address) -> Result<AccountProof, Error> {
        let (tip, view) = self.latest();
        Ok(AccountProof {
            address: *address,
            account: stored(&view, address)?,
            height: tip.height,
            root: view.root(),
            proof: view.prove(address.as_bytes())?,
        })
    }

    /// The receipt of an accepted transfer, if it is among the
    /// [newest](super::PaymentsConfig::receipts). Older ones are in the chain's index.
    #[must_use]
    pub fn receipt(&self, transfer: &Id) -> Option<Receipt> {
        self.read().receipts.get(transfer)
    }

    /// Moves to a newer block, whose transfers have these names.
    pub(super) fn publish(&self, block: &Block, burned: u64, view: View<Store>, names: Arc<[Id]>) {
        let mut published = self.write();
        published.tip = Tip { id: block.id(), height: block.height() };
        published.burned = burned;
        published.view = view;
        published.receipts.add(block.clone(), names);
    }

    fn latest(&self) -> (Tip, View<Store>) {
        let published = self.read();
        (published.tip, published.view.clone())
    }

    fn read(&self) -> RwLockReadGuard<'_, Published> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Published> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stored(view: &View<Store>, address: &Address) -> Result<Account, Error> {
    let value = view.get(address.as_bytes())?;
    let Some(value) = value else { return Ok(Account::ABSENT) };
    Account::decode(&value).map_err(|refusal| Error::Fatal {
        reason: format!("the state holds no account for {address}"),
        source: Some(Box::new(refusal)),
    })
}
