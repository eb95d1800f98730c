//! Rules about closing and opening again.

use std::collections::BTreeMap;

use super::{Dice, Kept, Seen, did, rows};
use crate::{Batch, Error, KeyRange, KeyValue, Order, Pair};

type Open<'a, K> = &'a dyn Fn() -> Result<K, Error>;
type Rule<K> = (&'static str, fn(Open<'_, K>, &mut Seen) -> Kept);

pub(super) fn rules<K: KeyValue>() -> [Rule<K>; 4] {
    [
        ("what was flushed is there when the store is opened again", flushed),
        ("a folder that was only opened opens again", opened),
        ("batches that were not flushed are there in order and whole, or not at all", unflushed),
        ("a refused batch is not there when the store is opened again", refused),
    ]
}

fn flushed<K: KeyValue>(open: Open<'_, K>, seen: &mut Seen) -> Kept {
    let mut dice = Dice(2);
    let mut model = BTreeMap::new();
    for _ in 0..5 {
        let store = did("open", open())?;
        let sorted: Vec<Pair> = model.clone().into_iter().collect();
        for order in [Order::Ascending, Order::Descending] {
            seen.range(&store, &KeyRange::all(), order, &sorted)?;
        }
        for _ in 0..20 {
            let mut batch = Batch::new();
            for _ in 0..20 {
                let key = dice.below(500).to_be_bytes().to_vec();
                if dice.below(4) == 0 {
                    model.remove(&key);
                    batch.delete(key);
                } else {
                    let value = vec![1; usize::try_from(dice.below(300)).unwrap_or(0)];
                    model.insert(key.clone(), value.clone());
                    batch.put(key, value);
                }
            }
            did("commit", store.commit(batch))?;
        }
        did("flush", store.flush())?;
    }
    let store = did("open", open())?;
    seen.range(&store, &KeyRange::all(), Order::Ascending, &model.into_iter().collect::<Vec<_>>())
}

fn opened<K: KeyValue>(open: Open<'_, K>, seen: &mut Seen) -> Kept {
    for _ in 0..3 {
        seen.range(&did("open", open())?, &KeyRange::all(), Order::Ascending, &[])?;
    }
    Ok(())
}

fn unflushed<K: KeyValue>(open: Open<'_, K>, seen: &mut Seen) -> Kept {
    const FLUSHED: u8 = 5;
    const ALL: u8 = 12;
    let mut states = vec![Vec::new()];
    let store = did("open", open())?;
    for number in 0..ALL {
        let mut batch = Batch::new();
        for row in 0..10 {
            batch.put([row], [number; 20]);
            batch.put([100 + number, row], [number]);
        }
        did("commit", store.commit(batch))?;
        states.push(rows(&store, &KeyRange::all(), Order::Ascending)?);
        if number + 1 == FLUSHED {
            did("flush", store.flush())?;
        }
    }
    drop(store);
    let store = did("open", open())?;
    let found = rows(&store, &KeyRange::all(), Order::Ascending)?;
    let at = states.iter().position(|state| *state == found);
    seen.holds(at.is_some_and(|at| at >= usize::from(FLUSHED)), || {
        format!("{FLUSHED} of {ALL} batches were flushed, and the state found is after {at:?}")
    })
}

fn refused<K: KeyValue>(open: Open<'_, K>, seen: &mut Seen) -> Kept {
    let store = did("open", open())?;
    let mut batch = Batch::new();
    batch.put(*b"a", *b"1");
    did("commit", store.commit(batch))?;
    let limits = store.limits();
    if limits.key_bytes_max < super::TRIED_BYTES_MAX {
        let mut batch = Batch::new();
        batch.put(*b"b", *b"1");
        batch.put(vec![0; limits.key_bytes_max + 1], *b"1");
        seen.holds(store.commit(batch).is_err(), || "a long key is taken".to_owned())?;
    }
    did("flush", store.flush())?;
    drop(store);
    let store = did("open", open())?;
    let model = [(b"a".to_vec(), b"1".to_vec())];
    seen.range(&store, &KeyRange::all(), Order::Ascending, &model)
}
