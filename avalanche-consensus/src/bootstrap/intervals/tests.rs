//! Tables of single changes, the bounds, and a set against a plain model.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

fn interval(low: u64, high: u64) -> Interval {
    Interval { low: Height::new(low), high: Height::new(high) }
}

/// A set with these intervals.
fn set(intervals: &[(u64, u64)]) -> Intervals {
    Intervals::from_intervals(intervals.iter().map(|(low, high)| interval(*low, *high)))
        .expect("in order")
}

fn ends(set: &Intervals) -> Vec<(u64, u64)> {
    set.iter().map(|interval| (interval.low.get(), interval.high.get())).collect()
}

const MAX: u64 = u64::MAX;

/// AvalancheGo's `TestTreeAdd`, and the ends of the heights.
#[test]
fn adding_joins_what_it_touches() {
    type Ends<'a> = &'a [(u64, u64)];
    let table: [(Ends<'_>, u64, Ends<'_>); 10] = [
        (&[], 5, &[(5, 5)]),
        (&[(5, 5)], 5, &[(5, 5)]),
        (&[(5, 5)], 6, &[(5, 6)]),
        (&[(5, 5)], 4, &[(4, 5)]),
        (&[(3, 4), (6, 9)], 5, &[(3, 9)]),
        (&[(3, 4), (8, 9)], 6, &[(3, 4), (6, 6), (8, 9)]),
        (&[(1, 2)], 0, &[(0, 2)]),
        (&[(MAX, MAX)], 0, &[(0, 0), (MAX, MAX)]),
        (&[(0, 0)], MAX, &[(0, 0), (MAX, MAX)]),
        (&[(7, MAX - 1)], MAX, &[(7, MAX)]),
    ];
    for (before, height, after) in table {
        let mut set = set(before);
        let changed = set.add(Height::new(height));
        assert_eq!((changed, ends(&set)), (Ok(before != after), after.to_vec()), "{height}");
    }
}

/// AvalancheGo's `TestTreeRemove`, and the ends of the heights.
#[test]
fn removing_shrinks_deletes_or_splits() {
    type Ends<'a> = &'a [(u64, u64)];
    let table: [(Ends<'_>, u64, Ends<'_>); 10] = [
        (&[], 5, &[]),
        (&[(5, 5)], 5, &[]),
        (&[(5, 6)], 6, &[(5, 5)]),
        (&[(5, 6)], 5, &[(6, 6)]),
        (&[(5, 9)], 7, &[(5, 6), (8, 9)]),
        (&[(5, 6), (9, 9)], 8, &[(5, 6), (9, 9)]),
        (&[(0, 2)], 0, &[(1, 2)]),
        (&[(0, 0)], 0, &[]),
        (&[(7, MAX)], MAX, &[(7, MAX - 1)]),
        (&[(MAX, MAX)], MAX, &[]),
    ];
    for (before, height, after) in table {
        let mut set = set(before);
        let changed = set.remove(Height::new(height));
        assert_eq!((changed, ends(&set)), (Ok(before != after), after.to_vec()), "{height}");
    }
}

/// AvalancheGo's `TestTreeLenOverflow`.
#[test]
fn the_number_of_all_heights_is_zero_and_the_set_is_not_empty() {
    let mut set = set(&[(0, MAX - 1)]);
    assert_eq!((set.len(), set.is_empty()), (MAX, false));
    assert_eq!(set.add(Height::MAX), Ok(true));
    assert_eq!((set.len(), set.is_empty(), ends(&set)), (0, false, vec![(0, MAX)]));
    assert!(set.contains(Height::GENESIS) && set.contains(Height::MAX));
    assert_eq!(set.remove(Height::new(5)), Ok(true));
    assert_eq!((set.len(), ends(&set)), (MAX, vec![(0, 4), (6, MAX)]));
    assert_eq!((Intervals::default().len(), Intervals::default().is_empty()), (0, true));
}

#[test]
fn what_was_not_written_by_a_set_is_refused() {
    let wrong = [
        vec![interval(2, 1)],
        vec![interval(1, 5), interval(5, 6)],
        vec![interval(1, 5), interval(6, 7)],
        vec![interval(8, 9), interval(1, 2)],
        vec![interval(3, MAX), interval(0, 1)],
    ];
    for intervals in wrong {
        let Interval { low, high } = *intervals.last().expect("one at least");
        let read = Intervals::from_intervals(intervals);
        assert_eq!(read, Err(Error::InvalidInterval { low, high }));
    }
    let many = |count: u64| (0..count).map(|at| interval(at * 2, at * 2));
    let max = Intervals::INTERVALS_MAX;
    let most = u64::try_from(max).expect("small");
    assert_eq!(Intervals::from_intervals(many(most)).map(|set| set.len()), Ok(most));
    assert_eq!(Intervals::from_intervals(many(most + 1)), Err(Error::IntervalsFull { max }));
}

#[test]
fn a_full_set_refuses_to_add_and_to_split_and_changes_nothing() {
    let mut set = set(&[(1, 3), (7, 7)]).with_intervals_max(2);
    let before = set.clone();
    assert_eq!(set.add(Height::new(5)), Err(Error::IntervalsFull { max: 2 }));
    assert_eq!(set.remove(Height::new(2)), Err(Error::IntervalsFull { max: 2 }));
    assert_eq!(set, before);
    for height in [4, 5, 6] {
        assert_eq!(set.add(Height::new(height)), Ok(true));
    }
    assert_eq!(ends(&set), [(1, 7)]);
    assert_eq!(set.remove(Height::new(4)), Ok(true));
}

/// Every way in which a set can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Case {
    AddNothing,
    Insert,
    JoinAbove,
    JoinBelow,
    JoinBoth,
    RemoveNothing,
    ShrinkBelow,
    ShrinkAbove,
    Delete,
    Split,
}

/// The case of an operation, from the neighbours of the height in the model.
fn case(model: &BTreeSet<u64>, add: bool, height: u64) -> Case {
    let is_there = |neighbour: Option<u64>| neighbour.is_some_and(|at| model.contains(&at));
    let below = is_there(height.checked_sub(1));
    let above = is_there(height.checked_add(1));
    match (add, model.contains(&height), below, above) {
        (true, true, ..) => Case::AddNothing,
        (true, false, false, false) => Case::Insert,
        (true, false, false, true) => Case::JoinAbove,
        (true, false, true, false) => Case::JoinBelow,
        (true, false, true, true) => Case::JoinBoth,
        (false, false, ..) => Case::RemoveNothing,
        (false, true, false, false) => Case::Delete,
        (false, true, false, true) => Case::ShrinkBelow,
        (false, true, true, false) => Case::ShrinkAbove,
        (false, true, true, true) => Case::Split,
    }
}

/// The runs of a model.
fn runs(model: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for height in model {
        match runs.last_mut() {
            Some((_, high)) if height.checked_sub(1) == Some(*high) => *high = *height,
            _ => runs.push((*height, *height)),
        }
    }
    runs
}

#[test]
fn a_set_is_its_model_after_any_changes() {
    let mut counts = BTreeMap::<(Case, bool), u32>::new();
    // Few heights, at both ends.
    let height = prop_oneof![0_u64..12, (0_u64..12).prop_map(|down| MAX - down)];
    let strategy = prop::collection::vec((prop::bool::weighted(0.6), height), 1..80);
    let counts_cell = std::cell::RefCell::new(&mut counts);
    TestRunner::deterministic()
        .run(&strategy, |operations| {
            let (mut set, mut model) = (Intervals::new(), BTreeSet::new());
            for (add, at) in operations {
                let (case, height) = (case(&model, add, at), Height::new(at));
                let at_an_end = at == 0 || at == MAX;
                *counts_cell.borrow_mut().entry((case, at_an_end)).or_default() += 1;
                let (changed, expected) = if add {
                    (set.add(height), model.insert(at))
                } else {
                    (set.remove(height), model.remove(&at))
                };
                prop_assert_eq!(changed, Ok(expected));
                prop_assert_eq!(ends(&set), runs(&model));
                prop_assert_eq!(set.len(), model.len() as u64);
                prop_assert_eq!(set.is_empty(), model.is_empty());
                for at in (0..14).chain(MAX - 14..=MAX) {
                    prop_assert_eq!(set.contains(Height::new(at)), model.contains(&at));
                }
                prop_assert_eq!(Intervals::from_intervals(set.iter()), Ok(set.clone()));
            }
            Ok(())
        })
        .expect("the set equals its model");
    let inside = counts.keys().filter(|(_, at_an_end)| !at_an_end).count();
    // Nothing lies on both sides of an end, so two cases are missing there.
    let at_ends = counts.keys().filter(|(_, at_an_end)| *at_an_end).count();
    assert_eq!((inside, at_ends), (10, 8), "{counts:?}");
    assert!(counts.values().all(|count| *count > 10), "{counts:?}");
}
