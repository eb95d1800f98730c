//! When waiting transfers expire.

use std::collections::BTreeMap;

use super::slots::Slot;

/// Which transfer: one of that slot and nonce that came then. It may have gone since, and another
/// sender may have the slot; no other came then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) slot: Slot,
    pub(super) nonce: u64,
    pub(super) arrival: u64,
}

/// Transfers by the second in which they expire. Those that go before are not looked for here,
/// which would cost as much as all else that a transfer needs: they are passed over later, and
/// removed together when there are many.
#[derive(Debug, Default)]
pub(super) struct Expiries {
    seconds: BTreeMap<u64, Vec<Entry>>,
    count: usize,
}

impl Expiries {
    pub(super) fn add(&mut self, expiry: u64, entry: Entry) {
        self.seconds.entry(expiry).or_default().push(entry);
        self.count += 1;
    }

    /// How many there are, those that have gone included.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Takes out the first that expire in a second before `now`, with that second.
    pub(super) fn pop_before(&mut self, now: u64) -> Option<(u64, Vec<Entry>)> {
        let first = self.seconds.first_entry().filter(|first| *first.key() < now)?;
        let (second, entries) = first.remove_entry();
        self.count -= entries.len();
        Some((second, entries))
    }

    /// Removes those that have gone.
    pub(super) fn retain(&mut self, waits: impl Fn(&Entry) -> bool) {
        self.seconds.retain(|_, entries| {
            entries.retain(&waits);
            entries.shrink_to_fit();
            !entries.is_empty()
        });
        self.count = self.seconds.values().map(Vec::len).sum();
    }

    /// What expires first is first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.seconds.values().flatten()
    }
}

#[cfg(test)]
mod tests {
    use avalanche_consensus::{HashKey, Id, Timestamp};

    use crate::payments::mempool::GONE_MAX;
    use crate::payments::{Account, Address, Mempool, MempoolConfig, Rules, Transfer};

    fn pool() -> Mempool {
        let rules = Rules { chain: Id::EMPTY, fee_min: 1 };
        let config = MempoolConfig { replacement_percent: 0, ..MempoolConfig::default() };
        Mempool::new(HashKey::from_seed([1; 32]), config, rules).unwrap()
    }

    /// Each takes the place of the one before.
    fn put(pool: &mut Mempool, fee: u64, expiry: u64) {
        let sender = Address::new([7; 32]);
        let transfer = Transfer { sender, amount: 1, fee, expiry, ..Transfer::default() };
        let account = Account { balance: u64::MAX, nonce: 0 };
        pool.insert(transfer.with_signature(&[0; 64]), account, Timestamp::ZERO).unwrap();
    }

    #[test]
    fn one_that_was_replaced_does_not_take_its_heir_along() {
        let mut pool = pool();
        put(&mut pool, 1, 100);
        put(&mut pool, 2, 200);
        let second = |second: u64| Timestamp::from_millis(second * 1_000);
        assert_eq!((pool.expire(second(101)), pool.len()), (0, 1));
        assert_eq!((pool.expire(second(200)), pool.len()), (0, 1));
        assert_eq!((pool.expire(second(201)), pool.len()), (1, 0));
        assert_eq!(pool.expiries.len(), 0);
    }

    #[test]
    fn what_has_gone_does_not_gather() {
        let mut pool = pool();
        let mut most = 0;
        for round in 1..5_000 {
            put(&mut pool, round, 10_000 + round % 7);
            most = most.max(pool.expiries.len());
            assert!(pool.expiries.len() <= 2 + GONE_MAX, "{round}");
            assert_eq!(pool.iter().count(), 1);
        }
        assert!(most > GONE_MAX, "some have to be passed over");
    }
}
