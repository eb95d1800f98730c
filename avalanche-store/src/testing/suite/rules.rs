//! Rules that one thread asks.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Dice, Kept, Rule, Seen, TRIED_BYTES_MAX, did, rows};
use crate::{Batch, Error, KeyRange, KeyValue, Order, Pair};

pub(super) const RULES: &[Rule] = &[
    ("an empty store holds nothing", empty),
    ("the last change of a key counts", last_change_counts),
    ("a deleted key is absent", delete),
    ("an empty value is a value", empty_value),
    ("the empty key is a key", empty_key),
    ("a key is found by all of its bytes", whole_key),
    ("keys are ordered by bytes, shorter first", ordered),
    ("a range holds what its bounds say", bounds),
    ("a prefix ends where it ends, at 0xFF too", prefixes),
    ("a key as long as the limit is taken, a longer one is refused and changes nothing", key_limit),
    (
        "a value as long as the limit is taken, a longer one is refused and changes nothing",
        value_limit,
    ),
    ("a large batch is made whole", large_batch),
    ("a flush changes nothing that is read", flush),
    ("a scan goes on while batches are committed", scan_while_committing),
    ("random batches lead where they lead a sorted map", random),
];

const ORDERS: [Order; 2] = [Order::Ascending, Order::Descending];

fn put(store: &dyn KeyValue, rows: &[(&[u8], &[u8])]) -> Kept {
    let mut batch = Batch::new();
    for (key, value) in rows {
        batch.put(*key, *value);
    }
    did("commit", store.commit(batch))
}

fn empty(store: &dyn KeyValue, seen: &mut Seen) -> Kept {
    seen.get(store, b"a", None)?;
    seen.get(store, b"", None)?;
    did("commit of nothing", store.commit(Batch::new()))?;
    did("flush of nothing", store.flush())?;
    for order in ORDERS {
        seen.range(store, &KeyRange::all(), order, &[])?;
    }
    Ok(())
}

fn last_change_counts(store: &dyn KeyValue, seen: &mut Seen) -> Kept {
    put(store, &[(b"old", b"1"), (b"gone", b"1")])?;
    let mut batch = Batch::new();
    batch.put(*b"twice", *b"1");
    batch.put(*b"twice", *b"2");
    batch.put(*b"gone", *b"2");
    batch.delete(*b"gone");
    batch.delete(*b"old");
    batch.put(*b"old", *b"2");
    did("commit", store.commit(batch))?;
    seen.get(store, b"twice", Some(b"2"))?;
    seen.get(store, b"gone", None)?;
    seen.get(store, b"old", Some(b"2"))?;
    put(store, &[(b"old", b"3")])?;
    seen.get(store, b"old", Some(b"3"))?;
    let model: [Pair; 2] = [(b"old".to_vec(), b"3".to_vec()), (b"twice".to_vec(), b"2".to_vec())];
    seen.range(store, &KeyRange::all(), Order::Ascending, &model)
}

fn delete(store: &dyn KeyValue, seen: &mut Seen) -> Kept {
    put(store, &[(b"a", b"1"), (b"b", b"2"), (b"c", b"3")])?;
    let mut batch = Batch::new();
    batch.delete(*b"b");
    batch.delete(*b"never there");
    did("commit", store.commit(batch))?;
    seen.get(store, b"b", None)?;
    let model = [(b"a".to_vec(), b"1".to_vec()), (b"c".to_vec(), b"3".to_vec())];
    for order in ORDERS {
        seen.range(store, &KeyRange::all(), order, &model)?;
    }
    Ok(())
}

fn empty_value(store: &dyn KeyValue, seen: &mut Seen) -> Kept {
    put(store, &[(b"a", b""), (b"b", b"1")])?;
    seen.get(store, b"a", Some(b""))?;
    seen.get(store, b"c", None)?;
    let model = [(b"a".to_vec(), Vec::new()), (b"b".to_vec(), b"1".to_vec())];
    for order in ORDERS {
        seen.range(store, &KeyRange::all(), order, &model)?;
    }
    put(store, &[(b"b", b"")])?;
    seen.get(store, b"b", Some(b""))
}

fn empty_key(store: &dyn KeyValue, seen: &mut Seen) -> Kept {
    put(store, &[(b"", b"1"), (b"\0", b"2")])?;
    seen.get(store, b"", Some(b"1"))?;
    let model = [(Vec::new(), b"1".to_vec()), (vec![0], b"2".to_vec())];
    for order in ORDERS {
        seen.range(store, &KeyRange::all(), order, &model)?;
        seen.range(store, &KeyRange::between([], [0]), order, &model)?;
        seen.range(store, &KeyRange::from([0]), order, &model)?;
    }
    let mut batch = Batch::new();
    batch.delete([]);
    did("commit", store.commit(batch))?;
    seen.get(store, b"", None)
}

fn whole_key(store: &dyn KeyValue, seen: &mut Seen) -> Kept {
    put(store, &[(b"abc", b"1"), (b"ab\0", b"2")])?;
    for absent in [&b"ab"[..], b"abcd", b"abd", b"ab\0\0", b"bc", b"ABC"] {
        seen.get(store, absent, None)?;
    }
    seen.get(store, b"abc", Some(b"1"))?;
    seen.get(store, b"ab\0", Some(b"2"))
}

/// Keys whose order a wrong comparison gets wrong, not sorted.
const KEYS: [&[u8]; 14] = [
    b"b",
    b"\xff\xff",
    b"a",
    b"\x80",
    b"",
    b"aa",
    b"\xff",
    b"\0\0",
    b"a\xff",
    b"\0",
    b"\x7f",
    b"ab",
    b"a\0",
    b"\xff\xff\xff",
];

/// Commits [`KEYS`]; the model, sorted.
fn put_keys(store: &dyn KeyValue) -> Result<Vec<Pair>, String> {
    let mut model = Vec::new();
    for (number, key) in KEYS.iter().enumerate() {
        let value = number.to_string().into_bytes();
        put(store, &[(key, &value)])?;
        model.push((key.to_vec(), value));
    }
    model.sort();
    Ok(model)
}

fn ordered(store: &dyn KeyValue, seen: &mut Seen) -> Kept {
    let model = put_keys(store)?;
    for order in ORDERS {
        seen.range(store, &KeyRange::all(), order, &model)?;
    }
    Ok(())
}

fn bounds(store: &dyn KeyValue, seen: &mut Seen) -> Kept {
    let model = put_keys(store)?;
    // Some are keys, some lie between, before and after.
    let points: [&[u8]; 9] =
        [b"", b"\0", b"\0\0\0", b"a", b"a\0\0", b"ab", b"c", b"\xff", b"\xff\xff\xff\xff"];
    let mut ends = vec![Bound::Unbounded];
    for point in points {
        ends.extend([Bound::Included(point.to_vec()), Bound::Excluded(point.to_vec())]);
    }
    for start in &ends {
        for end in &ends {
            let range = KeyRange { start: start.clone(), end: end.clone() };
            for order in ORDERS {
                seen.range(store, &range, order, &model)?;
            }
        }
    }
    Ok(())
}

fn prefixes(store: &dyn KeyValue, seen: &mut Seen) -> Kept {
    let model = put_keys(store)?;
    for prefix in [&b""[..], b"\0", b"a", b"a\xff", b"\xff", b"\xff\xff", b"b", b"nothing"] {
        let wanted: Vec<Pair> =
            model.iter().filter(|(key, _)| key.starts_with(prefix)).cloned().collect();
        let found = rows(store, &KeyRange::prefix(prefix), Order::Ascending)?;
        seen.equal(&format!("prefix {prefix:?}"), &found, &wanted)?;
        let mut found = rows(store, &KeyRange::prefix(prefix), Order::Descending)?;
        found.reverse();
        seen.equal(&format!("prefix {prefix:?}, descending"), &found, &wanted)?;
    }
    Ok(())
}

fn key_limit(store: &dyn KeyValue, seen: &mut Seen) -> Kept {
    let max = store.limits().key_bytes_max;
    limit(
        store,
        seen,
        max,
        |bytes| (vec![b'k'; bytes], b"v".to_vec()),
        |refusal, bytes| matches!(refusal, Error::KeyTooLarge { bytes: b, max: m } if *b == bytes && *m == max),
    )
}

fn value_limit(store: &dyn KeyValue, seen: &mut Seen) -> Kept {
    let max = store.limits().value_bytes_max;
    limit(
        store,
        seen,
        max,
        |bytes| (b"k".to_vec(), vec![b'v'; bytes]),
        |refusal, bytes| matches!(refusal, Error::ValueTooLarge { bytes: b, max: m } if *b == bytes && *m == max),
    )
}

fn limit(
    store: &dyn KeyValue,
    seen: &mut Seen,
    max: usize,
    row: impl Fn(usize) -> Pair,
    refused: impl Fn(&Error, usize) -> bool,
) -> Kept {
    if max > TRIED_BYTES_MAX {
        seen.limits_not_tried += 1;
        return Ok(());
    }
    let (key, value) = row(max);
    put(store, &[(&key, &value), (b"a", b"1")])?;
    let mut model = [(key, value), (b"a".to_vec(), b"1".to_vec())];
    model.sort();
    for above in [max + 1, max + 1000] {
        let (key, value) = row(above);
        for last in [false, true] {
            let mut batch = Batch::new();
            if last {
                batch.put(*b"a", *b"2");
                batch.put(*b"b", *b"2");
                batch.put(key.clone(), value.clone());
            } else {
                batch.put(key.clone(), value.clone());
                batch.delete(*b"a");
            }
            let Err(refusal) = store.commit(batch) else {
                return Err(format!("{above} bytes are taken, and the limit is {max}"));
            };
            seen.holds(refused(&refusal, above), || {
                format!("{above} bytes are refused with: {refusal}")
            })?;
            seen.range(store, &KeyRange::all(), Order::Ascending, &model)?;
        }
    }
    // A refusal poisons nothing.
    put(store, &[(b"a", b"3")])?;
    did("flush", store.flush())?;
    seen.get(store, b"a", Some(b"3"))
}

fn large_batch(store: &dyn KeyValue, seen: &mut Seen) -> Kept {
    const ROWS: u32 = 5_000;
    let mut batch = Batch::new();
    let mut model = Vec::new();
    for number in 0..ROWS {
        // Scattered, so that it is not sorted.
        let key = number.wrapping_mul(2_654_435_761).to_be_bytes().to_vec();
        let value = vec![number.to_be_bytes()[3]; 100];
        batch.put(key.clone(), value.clone());
        model.push((key, value));
    }
    did("commit", store.commit(batch))?;
    model.sort();
    for order in ORDERS {
        seen.range(store, &KeyRange::all(), order, &model)?;
    }
    let mut batch = Batch::new();
    for (key, _) in &model {
        batch.delete(key.clone());
    }
    did("commit", store.commit(batch))?;
    seen.range(store, &KeyRange::all(), Order::Ascending, &[])
}

fn flush(store: &dyn KeyValue, seen: &mut Seen) -> Kept {
    let model = put_keys(store)?;
    for _ in 0..2 {
        did("flush", store.flush())?;
        seen.range(store, &KeyRange::all(), Order::Ascending, &model)?;
    }
    put(store, &[(b"later", b"1")])?;
    seen.get(store, b"later", Some(b"1"))
}

/// Rows that are not touched are seen once and in order, whatever happens between two of them.
fn scan_while_committing(store: &dyn KeyValue, seen: &mut Seen) -> Kept {
    const ROWS: u16 = 600;
    let key = |number: u16| number.to_be_bytes().to_vec();
    let value = |number: u16| number.to_be_bytes().repeat(8);
    let mut batch = Batch::new();
    for number in 0..ROWS {
        batch.put(key(number), value(number));
    }
    did("commit", store.commit(batch))?;
    for order in ORDERS {
        let mut found = Vec::new();
        for (step, row) in (0_u16..).zip(store.range(KeyRange::all(), order)) {
            found.push(did("a scan during commits", row)?);
            // Every third row goes and comes back; new ones appear in between.
            let touched = step.wrapping_mul(7) % ROWS / 3 * 3;
            let mut batch = Batch::new();
            batch.delete(key(touched));
            batch.put([touched.to_be_bytes().as_slice(), &[1]].concat(), *b"new");
            did("a commit during a scan", store.commit(batch))?;
            let mut batch = Batch::new();
            batch.put(key(touched), value(touched));
            did("a commit during a scan", store.commit(batch))?;
        }
        let sorted = found.is_sorted_by(|a, b| match order {
            Order::Ascending => a.0 < b.0,
            Order::Descending => a.0 > b.0,
        });
        seen.holds(sorted, || format!("a scan during commits is not in {order:?} order"))?;
        let mut whole: Vec<Pair> =
            (0..ROWS).filter(|n| n % 3 != 0).map(|n| (key(n), value(n))).collect();
        if order == Order::Descending {
            whole.reverse();
        }
        found.retain(
            |(key, _)| matches!(key.as_slice(), [a, b] if u16::from_be_bytes([*a, *b]) % 3 != 0),
        );
        seen.equal("a scan during commits, without the rows touched", &found, &whole)?;
    }
    Ok(())
}

fn random(store: &dyn KeyValue, seen: &mut Seen) -> Kept {
    let mut dice = Dice(1);
    let mut model = BTreeMap::new();
    let any_key = |dice: &mut Dice| -> Vec<u8> {
        (0..dice.below(4)).filter_map(|_| dice.pick(&[0, 1, 0x61, 0xff]).copied()).collect()
    };
    for _ in 0..300 {
        let mut batch = Batch::new();
        for _ in 0..dice.below(6) {
            let key = any_key(&mut dice);
            if dice.below(3) == 0 {
                model.remove(&key);
                batch.delete(key);
            } else {
                let value = vec![7; usize::try_from(dice.below(40)).unwrap_or(0)];
                model.insert(key.clone(), value.clone());
                batch.put(key, value);
            }
        }
        did("commit", store.commit(batch))?;
        let key = any_key(&mut dice);
        seen.get(store, &key, model.get(&key).map(Vec::as_slice))?;
        let sorted: Vec<Pair> = model.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        let range = KeyRange::between(any_key(&mut dice), any_key(&mut dice));
        for order in ORDERS {
            seen.range(store, &range, order, &sorted)?;
            seen.range(store, &KeyRange::prefix(&any_key(&mut dice)), order, &sorted)?;
        }
    }
    Ok(())
}
