//! A set against its rules and against a map that applies them one by one.

use std::cell::Cell;

use super::*;
use crate::validators::Validator;
use proptest::prelude::*;

fn node(byte: u8) -> NodeId {
    NodeId::new([byte; 20])
}

fn validator(byte: u8, weight: u64) -> Validator {
    Validator { node_id: node(byte), weight }
}

fn set(validators: &[(u8, u64)]) -> ValidatorSet {
    let validators: Vec<_> =
        validators.iter().map(|(byte, weight)| validator(*byte, *weight)).collect();
    validators.try_into().expect("a valid set")
}

#[test]
fn each_change_has_its_refusals_and_they_change_nothing() {
    let before = set(&[(1, 10), (3, 30)]);
    let check = |change: ValidatorChange, expected: Error| {
        let (mut single, mut batch) = (before.clone(), before.clone());
        assert_eq!(single.change(change), Err(expected.clone()));
        // As the last of a batch whose other changes are fine.
        let grow = ValidatorChange::AddWeight { node_id: node(1), weight: 1 };
        let shrink = ValidatorChange::RemoveWeight { node_id: node(1), weight: 1 };
        let error = batch.apply(&[ValidatorChange::Add(validator(9, 1)), grow, shrink, change]);
        assert_eq!(error, Err(expected.clone()));
        assert_eq!((&single, &batch), (&before, &before));
        let text = expected.to_string();
        assert!(text.contains(';') || text.contains(','), "says what to do: {text}");
    };
    let (known, unknown) = (node(3), node(2));
    check(ValidatorChange::Add(validator(2, 0)), Error::ZeroWeight { node: unknown });
    check(ValidatorChange::Add(validator(3, 1)), Error::DuplicateValidator { node: known });
    check(ValidatorChange::Add(validator(2, u64::MAX - 39)), Error::WeightOverflow);
    check(ValidatorChange::Remove(unknown), Error::UnknownValidator { node: unknown });
    let gain = |node_id, weight| ValidatorChange::AddWeight { node_id, weight };
    check(gain(known, 0), Error::ZeroWeight { node: known });
    check(gain(unknown, 1), Error::UnknownValidator { node: unknown });
    check(gain(known, u64::MAX - 39), Error::WeightOverflow);
    check(gain(known, u64::MAX), Error::WeightOverflow);
    let loss = |node_id, weight| ValidatorChange::RemoveWeight { node_id, weight };
    check(loss(known, 0), Error::ZeroWeight { node: known });
    check(loss(unknown, 1), Error::UnknownValidator { node: unknown });
    let underflow = Error::WeightUnderflow { node: known, weight: 30, removed: 31 };
    check(loss(known, 31), underflow);
}

#[test]
fn the_greatest_total_is_allowed() {
    let mut set = set(&[(1, 10)]);
    set.add(validator(2, u64::MAX - 10)).expect("exactly the greatest total");
    assert_eq!(set.total_weight(), u64::MAX);
    assert_eq!(set.add_weight(node(1), 1), Err(Error::WeightOverflow));
}

#[test]
fn losing_all_weight_is_leaving() {
    let mut set = set(&[(1, 10), (2, 5)]);
    let diff = set.remove_weight(node(1), 10).expect("it has ten");
    assert_eq!(diff, ValidatorDiff { node_id: node(1), before: 10, after: 0 });
    assert_eq!((set.len(), set.contains(&node(1)), set.total_weight()), (1, false, 5));
    assert_eq!(set.remove(node(1)), Err(Error::UnknownValidator { node: node(1) }));
}

#[test]
fn what_cancels_out_is_not_reported() {
    let mut set = set(&[(5, 10)]);
    let diffs = set.apply(&[
        ValidatorChange::Add(validator(9, 3)),
        ValidatorChange::Remove(node(5)),
        ValidatorChange::Add(validator(1, 3)),
        ValidatorChange::Remove(node(9)),
        ValidatorChange::Add(validator(5, 10)),
    ]);
    assert_eq!(diffs, Ok(vec![ValidatorDiff { node_id: node(1), before: 0, after: 3 }]));
}

#[test]
fn a_list_is_checked_as_a_whole() {
    let list = |validators: &[(u8, u64)]| {
        let validators: Vec<_> =
            validators.iter().map(|(byte, weight)| validator(*byte, *weight)).collect();
        ValidatorSet::try_from(validators)
    };
    let node_ids = list(&[(7, 1), (2, 4), (5, 2)]).expect("valid").node_ids().to_vec();
    assert_eq!(node_ids, [2, 5, 7].map(node));
    assert_eq!(list(&[(7, 1), (2, 4), (7, 2)]), Err(Error::DuplicateValidator { node: node(7) }));
    assert_eq!(list(&[(7, 1), (2, 0)]), Err(Error::ZeroWeight { node: node(2) }));
    assert_eq!(list(&[(7, 1), (2, u64::MAX)]), Err(Error::WeightOverflow));
}

#[test]
fn a_full_set_takes_no_more() {
    let max = ValidatorSet::VALIDATORS_MAX;
    let numbered = |at: usize| {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&(at as u64).to_be_bytes());
        Validator { node_id: NodeId::new(bytes), weight: 1 }
    };
    let mut all: Vec<_> = (0..max).map(numbered).collect();
    let mut set = ValidatorSet::try_from(all.clone()).expect("exactly full");
    let (extra, first) = (numbered(max), numbered(0).node_id);
    let error = Error::ValidatorsFull { max };
    assert_eq!(set.add(extra), Err(error.clone()));
    assert_eq!(set.apply(&[ValidatorChange::Add(extra)]), Err(error.clone()));
    let swap = [ValidatorChange::Remove(first), ValidatorChange::Add(extra)];
    assert_eq!(set.apply(&swap).map(|diffs| diffs.len()), Ok(2));
    set.add_weight(extra.node_id, 1).expect("no more validators than before");
    all.push(extra);
    assert_eq!(ValidatorSet::try_from(all), Err(error));
}

#[test]
fn places_weights_and_samples_belong_together() {
    let set = set(&[(1, 1), (4, 1_000_000), (8, 2)]);
    for (at, validator) in set.iter().enumerate() {
        assert_eq!(set.position(&validator.node_id), Some(at));
        assert_eq!(set.get(at), Some(validator));
        assert_eq!(set.weights()[at], validator.weight);
    }
    assert_eq!((set.get(3), set.weight(&node(2)), set.position(&node(2))), (None, 0, None));
    let (mut sampler, mut out) = (set.sampler([1; 32]).expect("valid"), Vec::new());
    assert_eq!(sampler.total(), set.total_weight());
    sampler.sample_into(1, &mut out).expect("enough weight");
    assert_eq!(set.get(out[0] as usize), Some(validator(4, 1_000_000)));
}

/// Batches against single changes on a map: equal sets, equal refusals, whichever way is taken
/// inside.
#[test]
fn batches_equal_single_changes() {
    let [merged, in_place, refused, left] = [const { Cell::new(0_u32) }; 4];
    let change = (0_u8..5, 0_u8..40, 0_u64..6).prop_map(|(kind, byte, weight)| match kind {
        0 | 1 => ValidatorChange::Add(validator(byte, weight + 1)),
        2 => ValidatorChange::Remove(node(byte)),
        3 => ValidatorChange::AddWeight { node_id: node(byte), weight },
        _ => ValidatorChange::RemoveWeight { node_id: node(byte), weight },
    });
    let batches = prop::collection::vec(prop::collection::vec(change, 0..30), 1..12);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    runner
        .run(&batches, |batches| {
            let (mut set, mut model) = (ValidatorSet::new(), BTreeMap::<NodeId, u64>::new());
            for batch in batches {
                // A batch of what the model takes, and the same with one refusal more.
                let (mut taken, before) = (Vec::new(), model.clone());
                for change in batch {
                    let node_id = change.node_id();
                    let weight = model.get(&node_id).copied().unwrap_or(0);
                    match change.after(weight) {
                        Ok(0) => {
                            model.remove(&node_id);
                        }
                        Ok(after) => {
                            model.insert(node_id, after);
                        }
                        Err(error) => {
                            let mut refusal = taken.clone();
                            refusal.push(change);
                            let mut copy = set.clone();
                            prop_assert_eq!(copy.apply(&refusal), Err(error));
                            prop_assert_eq!(&copy, &set);
                            refused.set(refused.get() + 1);
                            continue;
                        }
                    }
                    taken.push(change);
                }
                let diffs = set.apply(&taken).expect("the model took them");
                let moving =
                    diffs.iter().filter(|diff| diff.before == 0 || diff.after == 0).count();
                let way = if moving > MOVES_MAX { &merged } else { &in_place };
                way.set(way.get() + 1);
                for diff in &diffs {
                    left.set(left.get() + u32::from(diff.after == 0));
                    prop_assert_eq!(before.get(&diff.node_id).copied().unwrap_or(0), diff.before);
                    prop_assert_eq!(set.weight(&diff.node_id), diff.after);
                }
                prop_assert!(set.iter().map(|one| (one.node_id, one.weight)).eq(model.clone()));
                prop_assert_eq!(set.total_weight(), model.values().sum::<u64>());
                // Going back gives the set before.
                let back = set.before(diffs.iter().map(|diff| (diff.node_id, diff.before)));
                prop_assert!(back.iter().map(|one| (one.node_id, one.weight)).eq(before.clone()));
                prop_assert_eq!(back.total_weight(), before.values().sum::<u64>());
            }
            Ok(())
        })
        .expect("the set equals its model");
    for (what, count) in
        [("merged", merged), ("in place", in_place), ("refused", refused), ("left", left)]
    {
        assert!(count.get() > 0, "never {what}");
    }
}
