//! Payments for tests: accounts, transfers, clusters in folders that go when the test ends.
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use avalanche_chain::testing::ClusterOptions;
use avalanche_consensus::Id;
use avalanche_vm::VmRegistry;
use avalanche_vm::payments::{Address, Genesis, PaymentsFactory, Transfer};
use ed25519_dalek::{Signer, SigningKey};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// What each account has at the beginning.
pub(crate) const BALANCE: u64 = 1_000_000_000;

/// A folder that is removed when it is dropped.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = format!("avalanche-chain-{name}-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(dir);
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

pub(crate) fn registry() -> VmRegistry {
    let mut registry = VmRegistry::new();
    registry.register(Arc::new(PaymentsFactory::new()), &["payments"]).unwrap();
    registry
}

pub(crate) fn key(account: u16) -> SigningKey {
    let mut seed = [7; 32];
    seed[..2].copy_from_slice(&account.to_be_bytes());
    SigningKey::from_bytes(&seed)
}

pub(crate) fn address(account: u16) -> Address {
    Address::new(key(account).verifying_key().to_bytes())
}

pub(crate) fn options(accounts: u16) -> ClusterOptions {
    let funded = (0..accounts).map(|account| (address(account), BALANCE)).collect();
    let genesis = Genesis::new(1_700_000_000_000, 1, funded).unwrap();
    ClusterOptions::new("payments", genesis.encode())
}

/// A signed transfer of one unit, with the least fee.
pub(crate) fn transfer(chain: Id, from: u16, to: u16, nonce: u64) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let transfer = Transfer {
        chain,
        sender: address(from),
        recipient: address(to),
        amount: 1,
        fee: 1,
        nonce,
        expiry: now + 3_600,
    };
    let signature = key(from).sign(&transfer.signing_message()).to_bytes();
    transfer.with_signature(&signature).as_bytes().to_vec()
}
