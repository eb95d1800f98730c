//! Admission: transfers from outside are read, checked, and put into the mempool.

use std::io;

use avalanche_vm::payments::{PaymentsVm, SignedTransfer};
use avalanche_vm::{BuildRequest, Transactions, Vm};

use super::node::{NOW, Wallet, at_once, instance};
use crate::store::{Step, told};
use crate::vm::signature::BATCH;

/// Submits [`BATCH`] transfers of as many senders, all in one call.
#[derive(Debug)]
pub struct Admission {
    vm: PaymentsVm,
    wallet: Wallet,
    next: Vec<SignedTransfer>,
}

impl Admission {
    /// An instance with as many accounts as there are senders.
    ///
    /// # Errors
    ///
    /// None.
    pub fn new() -> io::Result<Self> {
        let wallet = Wallet::new(u32::try_from(BATCH).map_err(told)?);
        let vm = instance(&wallet.genesis()?)?;
        Ok(Self { vm, wallet, next: Vec::new() })
    }
}

impl Step for Admission {
    /// Signs the next transfers, and accepts a block of the last ones, so that none waits.
    fn prepare(&mut self) -> io::Result<()> {
        let request = BuildRequest { now: NOW, bytes_max: usize::MAX, allow_empty: false };
        if let Some(block) = at_once(self.vm.build(request))?.map_err(told)? {
            at_once(self.vm.verify(&block, NOW))?.map_err(told)?;
            at_once(self.vm.accept(&block))?.map_err(told)?;
            self.vm.set_preference(block.id());
        }
        let next = (0..BATCH).filter_map(|from| self.wallet.pay(from, (from + 1) % BATCH));
        self.next = next.collect();
        Ok(())
    }

    fn run(&mut self) -> io::Result<()> {
        let bytes: Vec<&[u8]> = self.next.iter().map(|one| &one.as_bytes()[..]).collect();
        let answers = at_once(self.vm.submit(&bytes, NOW))?;
        match answers.into_iter().find_map(Result::err) {
            Some(error) => Err(told(error)),
            None => Ok(()),
        }
    }
}
