//! Rules that need several threads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::{Kept, Rule, Seen, did};
use crate::{Batch, KeyRange, KeyValue, Order};

pub(super) const RULES: &[Rule] = &[
    ("readers of other threads see a batch whole", whole_batches),
    ("commits of several threads are all made", many_writers),
];

/// Both ends of the batch, so that either order of writing it one by one is noticed.
const FIRST: &[u8] = b"a first";
const LAST: &[u8] = b"z last";

fn number(value: Option<Vec<u8>>) -> u64 {
    value.and_then(|value| value.try_into().ok()).map_or(0, u64::from_be_bytes)
}

/// Once one row of a batch is seen, the other is too: numbers only rise.
fn whole_batches(store: &dyn KeyValue, seen: &mut Seen) -> Kept {
    const BATCHES: u64 = 300;
    let done = AtomicBool::new(false);
    let reads = AtomicU64::new(0);
    let torn = |a: u64, b: u64| format!("batch {a} is seen of one row, then batch {b} of another");
    let reader = |first: &[u8], then: &[u8]| -> Kept {
        while !done.load(Ordering::Acquire) {
            let earlier = number(did("get", store.get(first))?);
            let later = number(did("get", store.get(then))?);
            reads.fetch_add(1, Ordering::Relaxed);
            if later < earlier {
                return Err(torn(earlier, later));
            }
        }
        Ok(())
    };
    let writer = || -> Kept {
        for batch_number in 1..=BATCHES {
            let value = batch_number.to_be_bytes();
            let mut batch = Batch::new();
            batch.put(FIRST, value);
            for filler in 0..30_u8 {
                batch.put([b'm', filler], value);
            }
            batch.put(LAST, value);
            did("commit", store.commit(batch))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let readers = [
            scope.spawn(|| reader(FIRST, LAST)),
            scope.spawn(|| reader(LAST, FIRST)),
            scope.spawn(|| reader(FIRST, LAST)),
        ];
        let written = writer();
        // On a busy machine the readers may not have begun yet.
        while written.is_ok() && reads.load(Ordering::Relaxed) == 0 {
            if readers.iter().any(|reader| reader.is_finished()) {
                break;
            }
            thread::yield_now();
        }
        done.store(true, Ordering::Release);
        let mut results = vec![written];
        for reader in readers {
            results.push(reader.join().unwrap_or_else(|_panic| Err("a reader panics".to_owned())));
        }
        results.into_iter().collect::<Result<(), String>>()
    })?;
    seen.answers += reads.into_inner();
    Ok(())
}

fn many_writers(store: &dyn KeyValue, seen: &mut Seen) -> Kept {
    const WRITERS: u8 = 4;
    const BATCHES: u8 = 50;
    let write = |writer: u8| -> Kept {
        for number in 0..BATCHES {
            let mut batch = Batch::new();
            batch.put([writer, number], [writer]);
            batch.put([number, writer, 0], [number]);
            did("commit", store.commit(batch))?;
            if number % 10 == 0 {
                did("flush", store.flush())?;
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let writers: Vec<_> =
            (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
        writers.into_iter().try_for_each(|writer| {
            writer.join().unwrap_or_else(|_panic| Err("a writer panics".to_owned()))
        })
    })?;
    let mut model = Vec::new();
    for writer in 0..WRITERS {
        for number in 0..BATCHES {
            model.push((vec![writer, number], vec![writer]));
            model.push((vec![number, writer, 0], vec![number]));
        }
    }
    model.sort();
    seen.range(store, &KeyRange::all(), Order::Ascending, &model)
}
