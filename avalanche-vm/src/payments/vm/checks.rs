//! Checking signatures of many transfers, each of them once.

use std::collections::{HashSet, VecDeque};
use std::num::NonZeroUsize;

use avalanche_consensus::{HashKey, Id};

use crate::payments::{Refusal, TRANSFER_DOMAIN, TransferRef};
use crate::signature::{BadSignatures, Item, PublicKey, Signature, Verifier, verify_chunks};

/// Checks signatures, and remembers by name which transfers were found good: a name covers the
/// signature. Those that wait in the mempool were, and need no place here.
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

    /// Which of these have bad signatures, by their places in the list, ascending. Those of which
    /// `waits` is true, and those that are remembered, are not checked again.
    pub(super) fn check(
        &self,
        transfers: &[(Id, TransferRef<'_>)],
        waits: impl Fn(&Id) -> bool,
    ) -> Vec<usize> {
        let known = |id: &Id| waits(id) || self.names.contains(id);
        let all = transfers.iter().enumerate();
        let (places, items): (Vec<usize>, Vec<Item<'_>>) = all
            .filter(|(_, (id, _))| !known(id))
            .map(|(at, (_, transfer))| (at, item(*transfer)))
            .unzip();
        let verdict = verify_chunks(self.verifier, &items, self.threads);
        let bad = verdict.err().map(BadSignatures::into_indices).unwrap_or_default();
        bad.iter().filter_map(|at| places.get(*at)).copied().collect()
    }

    /// Remembers one that was found good and does not wait.
    pub(super) fn remember(&mut self, id: Id) {
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
