//! Applying blocks of transfers between random accounts of a million.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::io;

use avalanche_consensus::engine::Tip;
use avalanche_consensus::{HashKey, Height, Id};
use avalanche_vm::payments::{Account, Address, BlockRef, Ledger, Rules};

use super::{CHAIN, TRANSFERS, address, block, transfer};
use crate::floor::SplitMix;
use crate::store::{Step, told};

/// What every account begins with.
const BALANCE: u64 = 1 << 40;

/// Executes and accepts blocks: one operation is a block of [`TRANSFERS`], all rules checked but
/// signatures.
#[derive(Debug)]
pub struct Apply {
    ledger: Ledger,
    addresses: Vec<Address>,
    nonces: Vec<u64>,
    random: SplitMix,
    next: (Id, Vec<u8>),
}

impl Apply {
    /// A ledger of `accounts`.
    ///
    /// # Errors
    ///
    /// None, with fewer than 2^32 - 2 accounts.
    pub fn new(accounts: u32) -> io::Result<Self> {
        let tip = Tip { id: Id::EMPTY, height: Height::GENESIS };
        let rules = Rules { chain: CHAIN, fee_min: 1 };
        let room = usize::try_from(accounts).map_err(told)?;
        let mut ledger = Ledger::restore(HashKey::from_seed([1; 32]), rules, tip, 0, room);
        let addresses: Vec<_> = (0..accounts).map(address).collect();
        for address in &addresses {
            ledger.load(*address, Account { balance: BALANCE, nonce: 0 }).map_err(told)?;
        }
        let nonces = vec![0; room];
        Ok(Self {
            ledger,
            addresses,
            nonces,
            random: SplitMix::new(5),
            next: (Id::EMPTY, Vec::new()),
        })
    }

    /// The ledger.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Bytes of a layer for each account that it touches.
    ///
    /// # Errors
    ///
    /// None.
    pub fn layer_bytes(&mut self) -> io::Result<(usize, usize)> {
        self.prepare()?;
        let block = BlockRef::decode(&self.next.1).map_err(told)?;
        let layer = self.ledger.execute(self.next.0, &block).map_err(told)?;
        self.nonces.fill(u64::MAX);
        Ok((layer.memory_bytes(), layer.accounts().len()))
    }
}

impl Step for Apply {
    fn prepare(&mut self) -> io::Result<()> {
        let count = u32::try_from(self.addresses.len()).map_err(told)?;
        let mut transfers = Vec::new();
        for _ in 0..TRANSFERS {
            let [from, to] = pair(&mut self.random, count);
            let (Some(sender), Some(recipient)) =
                (self.addresses.get(from), self.addresses.get(to))
            else {
                continue;
            };
            let Some(nonce) = self.nonces.get_mut(from) else { continue };
            transfers.push(transfer(*sender, *recipient, *nonce, 1));
            *nonce += 1;
        }
        let Tip { id: parent, height } = self.ledger.tip();
        let next = height.get() + 1;
        self.next = (crate::id("block", next), block(parent, next, &transfers));
        Ok(())
    }

    fn run(&mut self) -> io::Result<()> {
        let (id, bytes) = &self.next;
        let block = BlockRef::decode(bytes).map_err(told)?;
        let layer = self.ledger.execute(*id, &block).map_err(told)?;
        self.ledger.hold(layer);
        self.ledger.accept(id).map(drop).map_err(told)
    }
}

/// The floor of [`Apply`]: a map hashed by one keyed multiplication of eight bytes. For each
/// transfer the sender is found, checked and debited, the recipient is found and credited, in
/// place. Nothing can be refused or taken back, and there is no block.
#[derive(Debug)]
pub struct ApplyFloor<S = Keyed> {
    accounts: HashMap<[u8; 32], (u64, u64), S>,
    addresses: Vec<[u8; 32]>,
    random: SplitMix,
    next: Vec<([u8; 32], [u8; 32], u64)>,
}

impl<S: BuildHasher> ApplyFloor<S> {
    /// A map of `accounts`.
    #[must_use]
    pub fn new(accounts: u32, hasher: S) -> Self {
        let addresses: Vec<_> = (0..accounts).map(|index| *address(index).as_bytes()).collect();
        let mut map = HashMap::with_capacity_and_hasher(addresses.len(), hasher);
        map.extend(addresses.iter().map(|address| (*address, (BALANCE, 0))));
        Self { accounts: map, addresses, random: SplitMix::new(5), next: Vec::new() }
    }
}

impl<S: BuildHasher> Step for ApplyFloor<S> {
    fn prepare(&mut self) -> io::Result<()> {
        let count = u32::try_from(self.addresses.len()).map_err(told)?;
        self.next.clear();
        for _ in 0..TRANSFERS {
            let [from, to] = pair(&mut self.random, count);
            if let (Some(from), Some(to)) = (self.addresses.get(from), self.addresses.get(to)) {
                self.next.push((*from, *to, 1));
            }
        }
        Ok(())
    }

    fn run(&mut self) -> io::Result<()> {
        let mut refused = 0_u64;
        for (from, to, amount) in &self.next {
            match self.accounts.get_mut(from) {
                Some((balance, nonce)) if *balance > *amount => {
                    *balance -= amount + 1;
                    *nonce += 1;
                }
                _ => refused += 1,
            }
            if let Some((balance, _)) = self.accounts.get_mut(to) {
                *balance += amount;
            }
        }
        if refused == 0 { Ok(()) } else { Err(told("a sender of the floor has nothing left")) }
    }
}

/// Sender and recipient.
fn pair(random: &mut SplitMix, count: u32) -> [usize; 2] {
    [random.below(count), random.below(count)].map(|n| usize::try_from(n).unwrap_or(usize::MAX))
}

/// Hashes the first eight bytes of a key with one multiplication.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keyed;

/// The state of [`Keyed`].
#[derive(Debug)]
pub struct FirstEight(u64);

impl BuildHasher for Keyed {
    type Hasher = FirstEight;

    fn build_hasher(&self) -> FirstEight {
        FirstEight(std::hint::black_box(0x517c_c1b7_2722_0a95))
    }
}

impl Hasher for FirstEight {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = (u64::from_le_bytes(*first) ^ self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
