//! Batches of signatures: those that are bad are named, on any number of threads.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use crate::support::{Signed, bad, items, verifiers};
use avalanche_vm::signature::{best, reason, verify_chunks};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Spoils what was signed in one of four ways.
fn spoil(signed: &mut Signed, way: usize) {
    match way % 4 {
        0 => signed.message.push(0),
        1 => signed.domain.push(0),
        2 => signed.key = crate::support::key(9_999_999).public_key(),
        _ => {
            let mut bytes = signed.signature.to_bytes();
            bytes[40] ^= 1;
            *signed = signed.clone().signed(bytes);
        }
    }
}

#[test]
fn bad_signatures_are_named_wherever_they_are() {
    let good: Vec<_> = (0..300).map(Signed::new).collect();
    let (clean, spoilt, many) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let few = prop::collection::btree_set((0..300_usize, 0..4_usize), 0..4);
    let some = prop::collection::btree_set((0..300_usize, 0..4_usize), 0..300);
    let cases = (prop_oneof![3 => few, 1 => some], 0..=300_usize);
    TestRunner::new(Config::with_cases(220))
        .run(&cases, |(places, len)| {
            let mut batch = good[..len].to_vec();
            let mut expected = BTreeSet::new();
            for (place, way) in places.into_iter().filter(|(place, _)| *place < len) {
                if expected.insert(place) {
                    spoil(&mut batch[place], way);
                }
            }
            let items = items(&batch);
            for verifier in verifiers() {
                let found = bad(verifier, &items);
                prop_assert!(found.iter().eq(&expected), "{}: {found:?}", verifier.name());
            }
            let count = [&clean, &spoilt, &many][(expected.len() + 8) / 10 % 3];
            count.set(count.get() + 1);
            Ok(())
        })
        .unwrap();
    assert!(clean.get() > 10 && spoilt.get() > 0 && many.get() > 0);
}

#[test]
fn a_batch_longer_than_an_equation_has_its_own_indices() {
    let mut batch: Vec<_> = (0..2_100).map(Signed::new).collect();
    let places = [0, 1_023, 1_024, 2_047, 2_048, 2_099];
    places.iter().for_each(|place| spoil(&mut batch[*place], *place));
    for verifier in verifiers() {
        assert_eq!(bad(verifier, &items(&batch)), places, "{}", verifier.name());
    }
}

#[test]
fn any_number_of_threads_gives_the_same_verdict() {
    let mut batch: Vec<_> = (0..101).map(Signed::new).collect();
    for spoilt in [[].as_slice(), &[0, 50, 51, 100]] {
        spoilt.iter().for_each(|place| spoil(&mut batch[*place], *place));
        for length in [0, 1, 2, 52, 101] {
            let items = &items(&batch)[..length];
            for verifier in verifiers() {
                let one = verifier.verify_batch(items);
                for threads in [1, 2, 3, 7, 64, 1_000] {
                    let threads = NonZeroUsize::new(threads).unwrap();
                    assert_eq!(verify_chunks(verifier, items, threads), one, "{threads}");
                }
            }
        }
    }
}

#[test]
fn the_best_verifier_is_one_of_this_build() {
    let name = best().name();
    assert!(verifiers().iter().any(|verifier| verifier.name() == name));
    assert!(reason().starts_with(name), "{name}: {}", reason());
}
