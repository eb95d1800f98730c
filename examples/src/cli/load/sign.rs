//! Payments, signed ahead of time on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use avalanche_consensus::Id;
use avalanche_vm::payments::{Address, SignedTransfer, Transfer};
use ed25519_dalek::{Signer, SigningKey};
use tokio::sync::mpsc;

use super::draw::{Draw, Zipf};
use crate::cli::CliError;

/// Payments that are handed over at once.
const CHUNK: usize = 256;

/// A signed payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Payment {
    /// Its name.
    pub(super) id: Id,
    /// The number of the account that pays.
    pub(super) sender: u32,
    /// Its bytes.
    pub(super) transfer: SignedTransfer,
}

/// What is paid: everything follows from it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) chain: Id,
    /// The nonce that each account begins with; there are as many accounts.
    pub(super) nonces: Vec<u64>,
    pub(super) skew: f64,
    pub(super) seed: u64,
    pub(super) amount: u64,
    pub(super) fee: u64,
    /// The last second, since the Unix epoch, at which a payment may be in a block.
    pub(super) expiry: u64,
    /// How many; `None` for no end.
    pub(super) total: Option<u64>,
}

/// Draws and signs the payments of a plan, one after another.
pub(super) struct Payments {
    plan: Plan,
    keys: Vec<(SigningKey, Address)>,
    zipf: Zipf,
    draw: Draw,
    made: u64,
}

impl Payments {
    /// `key` gives the key of an account.
    pub(super) fn new(plan: Plan, key: impl Fn(u32) -> SigningKey) -> Self {
        let accounts = u32::try_from(plan.nonces.len()).unwrap_or(u32::MAX);
        let keys = (0..accounts).map(key).map(|key| {
            let address = Address::new(key.verifying_key().to_bytes());
            (key, address)
        });
        let keys = keys.collect();
        let (zipf, draw) = (Zipf::new(accounts, plan.skew), Draw::new(plan.seed));
        Self { plan, keys, zipf, draw, made: 0 }
    }
}

impl Iterator for Payments {
    type Item = Payment;

    fn next(&mut self) -> Option<Payment> {
        if self.plan.total.is_some_and(|total| self.made >= total) {
            return None;
        }
        self.made += 1;
        let accounts = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        let sender = self.zipf.draw(&mut self.draw);
        // Anybody but the sender.
        let step = 1 + self.draw.below(accounts.saturating_sub(1));
        let recipient = (u64::from(sender) + u64::from(step)) % u64::from(accounts.max(1));
        let at = usize::try_from(sender).unwrap_or(usize::MAX);
        let (key, address) = self.keys.get(at)?;
        let (_, recipient) = self.keys.get(usize::try_from(recipient).unwrap_or(usize::MAX))?;
        let nonce = self.plan.nonces.get_mut(at)?;
        let transfer = Transfer {
            chain: self.plan.chain,
            sender: *address,
            recipient: *recipient,
            amount: self.plan.amount,
            fee: self.plan.fee,
            nonce: *nonce,
            expiry: self.plan.expiry,
        };
        *nonce = nonce.checked_add(1)?;
        let signature = key.sign(&transfer.signing_message()).to_bytes();
        let transfer = transfer.with_signature(&signature);
        Some(Payment { id: transfer.id(), sender, transfer })
    }
}

/// Payments that come from the signing thread. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Stock {
    chunks: mpsc::Receiver<Vec<Payment>>,
    at_hand: Vec<Payment>,
    signed: Arc<AtomicU64>,
}

/// What [`Stock::next`] has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A payment.
    Payment(Payment),
    /// None at the moment.
    Later,
    /// There will be no more.
    End,
}

impl Stock {
    /// Begins to sign. At most `ahead` payments, rounded up to chunks of 256, and two chunks, are
    /// signed and not taken.
    pub(super) fn begin(
        payments: impl FnOnce() -> Payments + Send + 'static,
        ahead: u32,
    ) -> Result<Self, CliError> {
        let capacity = usize::try_from(ahead).unwrap_or(usize::MAX).div_ceil(CHUNK).max(1);
        let (sender, chunks) = mpsc::channel(capacity);
        let signed = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&signed);
        let work = move || {
            let mut payments = payments();
            loop {
                let mut chunk = Vec::with_capacity(CHUNK);
                for payment in payments.by_ref().take(CHUNK) {
                    chunk.push(payment);
                    count.fetch_add(1, Ordering::Relaxed);
                }
                if chunk.is_empty() || sender.blocking_send(chunk).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("sign".to_owned()).spawn(work).map_err(|error| {
            CliError::failed("thread", format!("no thread for signing could be started: {error}"))
        })?;
        Ok(Self { chunks, at_hand: Vec::new(), signed })
    }

    /// How many have been signed.
    pub(super) fn signed(&self) -> u64 {
        self.signed.load(Ordering::Relaxed)
    }

    /// The next payment, in order.
    pub(super) fn next(&mut self) -> Next {
        if self.at_hand.is_empty() {
            match self.chunks.try_recv() {
                Ok(chunk) => {
                    self.at_hand = chunk;
                    self.at_hand.reverse();
                }
                Err(mpsc::error::TryRecvError::Empty) => return Next::Later,
                Err(mpsc::error::TryRecvError::Disconnected) => return Next::End,
            }
        }
        self.at_hand.pop().map_or(Next::Later, Next::Payment)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ed25519_dalek::{Signature, VerifyingKey};

    use super::*;
    use crate::demo;

    fn plan(total: u64) -> Plan {
        Plan {
            chain: Id::new([9; 32]),
            nonces: vec![5, 0, 7],
            skew: 1.0,
            seed: 3,
            amount: 2,
            fee: 1,
            expiry: 99,
            total: Some(total),
        }
    }

    #[test]
    fn payments_are_valid_and_follow_from_the_plan() {
        let all: Vec<_> = Payments::new(plan(60), demo::key).collect();
        assert_eq!(all.len(), 60);
        assert_eq!(all, Payments::new(plan(60), demo::key).collect::<Vec<_>>());
        let mut next = BTreeMap::from([(0, 5), (1, 0), (2, 7)]);
        for Payment { id, sender, transfer } in &all {
            let view = transfer.view();
            assert_eq!(*id, transfer.id());
            assert_eq!(view.sender(), demo::address(*sender));
            assert_ne!(view.sender(), view.recipient());
            let nonce = next.get_mut(sender).unwrap();
            assert_eq!(view.nonce(), *nonce);
            *nonce += 1;
            let key = VerifyingKey::from_bytes(view.sender().as_bytes()).unwrap();
            let signature = Signature::from_bytes(view.signature());
            key.verify_strict(&view.signing_message(), &signature).unwrap();
        }
        let other = Payments::new(Plan { seed: 4, ..plan(60) }, demo::key).collect::<Vec<_>>();
        assert_ne!(all, other);
    }

    #[test]
    fn the_thread_hands_over_the_same_payments_and_stays_in_its_bound() {
        let expected: Vec<_> = Payments::new(plan(1_000), demo::key).collect();
        let mut stock = Stock::begin(|| Payments::new(plan(1_000), demo::key), 300).unwrap();
        let mut taken = Vec::new();
        loop {
            // Two chunks in the channel, one in hand on each side.
            let ahead = stock.signed() - taken.len() as u64;
            assert!(ahead <= 4 * CHUNK as u64, "{ahead}");
            match stock.next() {
                Next::Payment(payment) => taken.push(payment),
                Next::Later => thread::yield_now(),
                Next::End => break,
            }
        }
        assert_eq!(taken, expected);
        assert_eq!(stock.next(), Next::End);
    }
}
