//! What a search finds, and what it costs, counted.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::*;

/// What a search asked for.
#[derive(Debug)]
struct Cost {
    sums: usize,
    /// Items in all sums together.
    items: usize,
    singles: usize,
}

/// Searches `len` items of which `bad` are bad, with the set of those as a sum; checks the answer.
fn search(len: usize, bad: &BTreeSet<usize>) -> Cost {
    let (sums, items) = (Cell::new(0), Cell::new(0));
    let singles = vec![Cell::new(0); len];
    let bad_in = |range| bad.range(range).copied();
    let equations = Equations {
        sum: |range: Range<usize>| {
            assert!(!range.is_empty());
            sums.set(sums.get() + 1);
            items.set(items.get() + range.len());
            bad_in(range).collect::<BTreeSet<_>>()
        },
        without: |sum: &BTreeSet<usize>, part: &BTreeSet<usize>| {
            assert!(part.is_subset(sum));
            sum - part
        },
        holds: BTreeSet::is_empty,
        singly: |range: Range<usize>| {
            range.clone().for_each(|at| singles[at].set(singles[at].get() + 1));
            bad_in(range).collect()
        },
    };
    let found = culprits(len, &equations);
    assert!(found.iter().eq(bad), "{len} items, {bad:?} are bad, found {found:?}");
    let singles = singles.iter().map(Cell::get);
    assert!(singles.clone().all(|count| count <= 1), "an item was checked singly twice");
    Cost { sums: sums.get(), items: items.get(), singles: singles.sum() }
}

#[test]
fn a_good_batch_is_one_sum() {
    let cost = search(1_024, &BTreeSet::new());
    assert_eq!((cost.sums, cost.items, cost.singles), (1, 1_024, 0));
    assert_eq!(search(0, &BTreeSet::new()).sums, 0);
}

#[test]
fn one_bad_item_costs_a_second_pass() {
    for at in 0..1_024 {
        let cost = search(1_024, &BTreeSet::from([at]));
        let halves = 512 + 256 + 128 + 64 + 32 + 16;
        assert_eq!((cost.sums, cost.items, cost.singles), (7, 1_024 + halves, 16), "{at}");
    }
}

#[test]
fn two_bad_items_are_still_searched_for_to_the_end() {
    for at in 1..1_024 {
        let cost = search(1_024, &BTreeSet::from([0, at]));
        assert!(cost.singles <= 2 * LEAF, "{at}: {cost:?}");
    }
}

#[test]
fn however_many_are_bad_the_cost_is_bounded() {
    for len in [1, 2, 15, 16, 17, 33, 100, 512, 1_000, 1_024] {
        let mut most = 0;
        for step in 1..=len {
            for first in [0, step / 2, step - 1] {
                let bad: BTreeSet<_> = (first..len).step_by(step).collect();
                let cost = search(len, &bad);
                assert!(cost.items * 2 <= len * 5, "{len}, every {step}th: {cost:?}");
                assert!(cost.singles <= len, "{len}: {cost:?}");
                most = most.max(cost.items);
            }
        }
        assert!(most >= len, "{len}: nothing was bad");
    }
}

#[test]
fn all_bad_is_three_wasted_levels() {
    let cost = search(1_024, &(0..1_024).collect());
    assert_eq!((cost.sums, cost.items, cost.singles), (8, 2_560, 1_024));
}

#[test]
fn every_small_pattern_is_found() {
    for len in 0..=10 {
        for pattern in 0..1_u32 << len {
            search(len, &(0..len).filter(|at| pattern >> at & 1 == 1).collect());
        }
    }
}
