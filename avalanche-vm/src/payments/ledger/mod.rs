//! The accounts of a chain: accepted ones in a table, undecided blocks as layers over it.
//!
//! ```text
//!        Layer C    Layer D       siblings over one parent
//!             \     /
//!             Layer B             processing, executed on A
//!                |
//!             Layer A
//!                |                 accept(A) writes A's accounts into the table
//!              Table               all accepted accounts
//! ```

mod execute;
mod index;
mod layer;
mod spare;
mod table;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use avalanche_consensus::engine::Tip;
use avalanche_consensus::{HashKey, Id};

use self::execute::{AHEAD, Execution};
pub use self::layer::Layer;
use self::layer::Touched;
use self::spare::Spare;
use self::table::Table;
use super::{Account, Address, BlockRef, Genesis, Refusal};
use crate::Error;

/// What holds for all transfers of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The chain.
    pub chain: Id,
    /// The least fee, in the smallest unit.
    pub fee_min: u64,
}

/// Accounts in memory, and what undecided blocks would make of them.
///
/// # Memory
///
/// An accepted account takes 48 bytes and its share of an index, 11 to 21 bytes; arrays double when
/// they are full. Measured over a million accounts that were loaded with room for them: 65 bytes.
/// Accounts are never removed, since their nonces must stay: every address that was ever paid is
/// one. A layer takes about 75 bytes for each account that its block touches. How many layers
/// there are is for the caller to bound: each block that [`hold`](Self::hold) was called for, until
/// it is accepted or rejected.
#[derive(Debug)]
pub struct Ledger {
    rules: Rules,
    table: Table,
    tip: Tip,
    burned: u64,
    supply: u128,
    processing: BTreeMap<Id, Arc<Layer>>,
    spare: Mutex<Spare>,
}

impl Ledger {
    /// The ledger after genesis, whose block has the name `id`.
    ///
    /// # Errors
    ///
    /// [`Error::Fatal`] if there are more than 2^32 - 2 accounts.
    pub fn from_genesis(key: HashKey, chain: Id, genesis: &Genesis, id: Id) -> Result<Self, Error> {
        let rules = Rules { chain, fee_min: genesis.fee_min() };
        let tip = Tip { id, height: genesis.header().height };
        let mut ledger = Self::restore(key, rules, tip, 0, genesis.len());
        for (address, account) in genesis.accounts() {
            ledger.load(address, account)?;
        }
        Ok(ledger)
    }

    /// A ledger that stands at `tip` after `burned` fees. Its accounts, of which there will be
    /// about `room`, come by [`load`](Self::load).
    #[must_use]
    pub fn restore(key: HashKey, rules: Rules, tip: Tip, burned: u64, room: usize) -> Self {
        let table = Table::new(key, room);
        let supply = u128::from(burned);
        Self {
            rules,
            table,
            tip,
            burned,
            supply,
            processing: BTreeMap::new(),
            spare: Mutex::default(),
        }
    }

    /// Sets an accepted account, as its state was saved. It is believed: compare
    /// [`supply`](Self::supply) with that of genesis when all are loaded.
    ///
    /// # Errors
    ///
    /// [`Error::Fatal`] if there are more than 2^32 - 2 accounts.
    pub fn load(&mut self, address: Address, account: Account) -> Result<(), Error> {
        let before = self.table.put(None, &address, account).map_err(|_full| self.full())?;
        self.supply = self.supply + u128::from(account.balance) - u128::from(before.balance);
        Ok(())
    }

    /// What holds for all transfers.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The last accepted block.
    #[must_use]
    pub const fn tip(&self) -> Tip {
        self.tip
    }

    /// Fees burned from genesis to the last accepted block.
    #[must_use]
    pub const fn burned(&self) -> u64 {
        self.burned
    }

    /// The sum of all that was loaded and of what had been burned by then. It never changes, since
    /// blocks move and burn what there is.
    #[must_use]
    pub const fn supply(&self) -> u128 {
        self.supply
    }

    /// How many accepted accounts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no account.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many layers are held.
    #[must_use]
    pub fn processing(&self) -> usize {
        self.processing.len()
    }

    /// What an address has in the accepted state; [`Account::ABSENT`] if it never got anything.
    #[must_use]
    pub fn account(&self, address: &Address) -> Account {
        self.table.get(address).unwrap_or_default()
    }

    /// What an address has after `block`, which is the last accepted one or held.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownParent`] for other blocks.
    pub fn account_at(&self, block: &Id, address: &Address) -> Result<Account, Refusal> {
        self.accounts_at(block).map(|account| account(address))
    }

    /// What any address has after `block`, for those who ask for many.
    pub(super) fn accounts_at(
        &self,
        block: &Id,
    ) -> Result<impl Fn(&Address) -> Account + use<'_>, Refusal> {
        let layers = self.ancestors(block)?;
        Ok(move |address: &Address| {
            let hash = self.table.hash(address);
            let newest = layers.iter().find_map(|layer| layer.get(hash, address));
            newest.or_else(|| self.table.get_hashed(hash, address)).unwrap_or_default()
        })
    }

    /// All accepted accounts, in the order in which they came.
    #[must_use]
    pub fn accounts(&self) -> impl ExactSizeIterator<Item = (Address, Account)> {
        self.table.iter()
    }

    /// Bytes of table, index and layers, and of what is kept of decided blocks for the next.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let layers = self.processing.values().map(|layer| layer.memory_bytes());
        self.table.memory_bytes() + layers.sum::<usize>() + self.spare().memory_bytes()
    }

    /// Executes a block of the name `id` on its parent, which is the last accepted block or held.
    /// The ledger stays as it is: [`hold`](Self::hold) the layer to build on it. Signatures,
    /// timestamps and the state root are not looked at: see
    /// [`Header::check`](super::Header::check).
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownParent`], [`Refusal::WrongHeight`]; then what the first transfer breaks of
    /// these, in this order: those of [`Rules::check`], [`Refusal::UnknownAccount`],
    /// [`Refusal::NonceTooLow`] or [`Refusal::DuplicateInBlock`], [`Refusal::NonceTooHigh`],
    /// [`Refusal::InsufficientFunds`], [`Refusal::BalanceOverflow`], [`Refusal::BurnedOverflow`].
    /// What breaks none of [`Rules::check`] before a transfer that does is executed first.
    pub fn execute(&self, id: Id, block: &BlockRef<'_>) -> Result<Arc<Layer>, Refusal> {
        let parent = block.header.parent;
        let ancestors = self.ancestors(&parent)?;
        let (below, burned) = ancestors
            .first()
            .map_or((self.tip.height, self.burned), |layer| (layer.height(), layer.burned()));
        block.header.check_place(parent, below)?;
        let execution = Execution {
            rules: &self.rules,
            table: &self.table,
            ancestors: &ancestors,
            second: block.header.second(),
            burned,
        };
        let (mut touched, mut moves) = self.spare().take(block.transfers.len() * 2);
        let after = match execution.run(block.transfers, &mut touched, &mut moves) {
            Ok(after) => after,
            Err(refusal) => {
                self.spare().give_back(Some(touched), moves);
                return Err(refusal);
            }
        };
        self.spare().give_back(None, moves);
        let tip = Tip { id, height: block.header.height };
        // Fees only add up.
        let burned_here = after.saturating_sub(burned);
        Ok(Arc::new(Layer { tip, parent, burned: after, burned_here, touched }))
    }

    /// Keeps a layer, so that children can be executed on it and it can be accepted.
    pub fn hold(&mut self, layer: Arc<Layer>) {
        self.processing.insert(layer.id(), layer);
    }

    /// The layer of a block that is held.
    #[must_use]
    pub fn layer(&self, block: &Id) -> Option<&Arc<Layer>> {
        self.processing.get(block)
    }

    /// Makes a held block the last accepted one. Its siblings stay until they are rejected, and
    /// nothing can be executed on them any more.
    ///
    /// # Errors
    ///
    /// [`Error::Fatal`] if it is not held, or is no child of the last accepted block, or there are
    /// more than 2^32 - 2 accounts: after the last, the ledger must not be used.
    pub fn accept(&mut self, block: &Id) -> Result<Arc<Layer>, Error> {
        let tip = self.tip;
        let Some(layer) = self.processing.get(block).filter(|layer| layer.parent() == tip.id)
        else {
            return Err(Error::fatal(format!(
                "block {block} was to be accepted on {} of height {}, and is not a child of it \
                 that was verified",
                tip.id, tip.height
            )));
        };
        let layer = Arc::clone(layer);
        let Touched { addresses, accounts, places, .. } = &layer.touched;
        let parts = addresses.chunks(AHEAD).zip(accounts.chunks(AHEAD)).zip(places.chunks(AHEAD));
        for ((addresses, accounts), places) in parts {
            self.table.read_rows_ahead(places);
            for ((address, account), place) in addresses.iter().zip(accounts).zip(places) {
                self.table.put(*place, address, *account).map_err(|_full| self.full())?;
            }
        }
        self.processing.remove(block);
        self.spare().retire(Arc::clone(&layer));
        self.tip = layer.tip;
        self.burned = layer.burned;
        Ok(layer)
    }

    /// Forgets a held block. `false` if it was not held.
    pub fn reject(&mut self, block: &Id) -> bool {
        let rejected = self.processing.remove(block);
        let held = rejected.is_some();
        rejected.into_iter().for_each(|layer| self.spare().retire(layer));
        held
    }

    fn spare(&self) -> MutexGuard<'_, Spare> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Layers from `block` down to the accepted state, the newest first.
    fn ancestors(&self, block: &Id) -> Result<Vec<&Layer>, Refusal> {
        let mut layers = Vec::new();
        let mut at = *block;
        while at != self.tip.id {
            let unknown = || Refusal::UnknownParent { found: *block, expected: self.tip.id };
            let layer = self.processing.get(&at).ok_or_else(unknown)?;
            layers.push(&**layer);
            at = layer.parent();
        }
        Ok(layers)
    }

    fn full(&self) -> Error {
        Error::fatal(format!("{} accounts, and there is no room for more", self.len()))
    }
}
