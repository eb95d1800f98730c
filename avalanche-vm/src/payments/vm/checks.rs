//! Checking signatures of many transfers, each of them once.

use std::collections::{HashSet, VecDeque};
use std::num::NonZeroUsize;

use avalanche_consensus::{HashKey, Id};

use crate::payments::{Refusal, TRANSFER_DOMAIN, TransferRef};
use crate::signature::{BadSignatures, Item, PublicKey, Signature, Verifier, verify_chunks};

/// Transfers whose signatures were found good, by name: a name covers the signature.
#[derive(Debug)]
pub(super) struct Checked {
    verifier: &'static dyn Verifier,
    threads: NonZeroUsize,
    names: HashSet<Id, HashKey>,
    order: VecDeque<Id>,
    max: usize,
}

impl Checked {
    /// Remembers the newest `max` names.
    pub(super) fn new(
        verifier: &'static dyn Verifier,
        threads: NonZeroUsize,
        key: HashKey,
        max: usize,
    ) -> Self {
        let (names, order) = (HashSet::with_hasher(key), VecDeque::new());
        Self { verifier, threads, names, order, max }
    }

    /// Which of these have bad signatures, by their places in the list. Those that were found good
    /// before are not checked again, and those that are good now are remembered.
    pub(super) fn check(&mut self, transfers: &[(Id, TransferRef<'_>)]) -> Vec<usize> {
        let new: Vec<_> =
            transfers.iter().enumerate().filter(|(_, (id, _))| !self.names.contains(id)).collect();
        let items: Vec<_> = new.iter().map(|(_, (_, transfer))| item(*transfer)).collect();
        let verdict = verify_chunks(self.verifier, &items, self.threads);
        let bad = verdict.err().map(BadSignatures::into_indices).unwrap_or_default();
        let bad: Vec<_> = bad.iter().filter_map(|at| new.get(*at)).map(|(at, _)| *at).collect();
        for (at, (id, _)) in new {
            if bad.binary_search(&at).is_err() {
                self.remember(*id);
            }
        }
        bad
    }

    fn remember(&mut self, id: Id) {
        if self.names.insert(id) {
            self.order.push_back(id);
        }
        while self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
    }
}

/// What a verifier is asked.
fn item<'a>(transfer: TransferRef<'a>) -> Item<'a> {
    Item {
        key: PublicKey::new(*transfer.sender().as_bytes()),
        domain: TRANSFER_DOMAIN.as_bytes(),
        message: transfer.signed_bytes(),
        signature: Signature::new(*transfer.signature()),
    }
}

/// What a bad signature is refused with.
pub(super) fn refusal(transfer: TransferRef<'_>) -> Refusal {
    Refusal::BadSignature { sender: transfer.sender(), nonce: transfer.nonce() }
}
