//! A key-value store of one's own, checked by the suite: here a sorted map behind a lock.

use std::collections::BTreeMap;
use std::error;
use std::sync::{Mutex, MutexGuard, PoisonError};

use avalanche_store::testing::suite;
use avalanche_store::{Batch, Error, KeyRange, KeyValue, Limits, Order, Pairs};

#[derive(Debug, Default)]
struct Map(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Map {
    fn rows(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyValue for Map {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.rows().get(key).cloned())
    }

    fn range(&self, range: KeyRange, order: Order) -> Pairs<'_> {
        // A copy: the lock must not be held between two rows.
        let inside = self.rows().clone().into_iter().filter(move |row| range.contains(&row.0));
        match order {
            Order::Ascending => Box::new(inside.map(Ok)),
            Order::Descending => Box::new(inside.rev().map(Ok)),
        }
    }

    fn commit(&self, batch: Batch) -> Result<(), Error> {
        self.limits().check(&batch)?;
        let mut rows = self.rows();
        for change in batch.into_changes() {
            match change.value {
                Some(value) => _ = rows.insert(change.key, value),
                None => _ = rows.remove(&change.key),
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Error> {
        Ok(())
    }

    fn limits(&self) -> Limits {
        Limits::COMMON
    }
}

#[expect(clippy::print_stdout, reason = "an example")]
fn main() -> Result<(), Box<dyn error::Error>> {
    let report = suite::check(Map::default)?;
    println!("{} rules kept, {} answers compared", report.rules, report.answers);
    Ok(())
}
