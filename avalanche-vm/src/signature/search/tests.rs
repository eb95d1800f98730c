//! What a search finds, and what it costs, counted.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::*;

/// What a search asked for.
#[derive(Debug)]
struct Cost {
    equations: usize,
    /// Items in all equations together.
    items: usize,
    /// Most equations that one item was in.
    deepest: usize,
    singles: usize,
}

/// Searches `len` items of which `bad` are bad; checks the answer.
fn search(len: usize, bad: &BTreeSet<usize>) -> Cost {
    let (equations, items) = (Cell::new(0), Cell::new(0));
    let each = vec![Cell::new(0); len];
    let singles = vec![Cell::new(0); len];
    let found = culprits(
        len,
        |range| {
            equations.set(equations.get() + 1);
            items.set(items.get() + range.len());
            range.clone().for_each(|at| each[at].set(each[at].get() + 1));
            !range.into_iter().any(|at| bad.contains(&at))
        },
        |at| {
            singles[at].set(singles[at].get() + 1);
            !bad.contains(&at)
        },
    );
    assert!(found.iter().eq(bad), "{len} items, {bad:?} are bad, found {found:?}");
    assert!(singles.iter().all(|count| count.get() <= 1), "an item was checked singly twice");
    Cost {
        equations: equations.get(),
        items: items.get(),
        deepest: each.iter().map(Cell::get).max().unwrap_or(0),
        singles: singles.iter().map(Cell::get).sum(),
    }
}

#[test]
fn a_good_batch_is_one_equation() {
    let cost = search(1_024, &BTreeSet::new());
    assert_eq!((cost.equations, cost.items, cost.singles), (1, 1_024, 0));
    assert_eq!(search(0, &BTreeSet::new()).equations, 0);
}

#[test]
fn one_bad_item_costs_a_second_pass_and_an_eighth() {
    let mut seen = BTreeSet::new();
    for at in 0..1_024 {
        let cost = search(1_024, &BTreeSet::from([at]));
        assert!(cost.items <= 1_024 + 1_024 + 128, "{at}: {cost:?}");
        assert!(cost.equations <= 17 && cost.singles <= LEAF, "{at}: {cost:?}");
        seen.insert(cost.equations);
    }
    assert!(seen.len() > 1, "the last part is never skipped");
}

#[test]
fn however_many_are_bad_the_cost_is_bounded() {
    for len in [1, 2, 15, 16, 17, 100, 512, 1_000, 1_024] {
        let mut most = 0;
        for step in 1..=len {
            for first in [0, step / 2, step - 1] {
                let bad: BTreeSet<_> = (first..len).step_by(step).collect();
                let cost = search(len, &bad);
                assert!(cost.items * 2 <= len * 5, "{len}, every {step}th: {cost:?}");
                assert!(cost.deepest <= 3 && cost.singles <= len, "{len}: {cost:?}");
                most = most.max(cost.items);
            }
        }
        assert!(most >= len, "{len}: nothing was bad");
    }
}

#[test]
fn all_bad_is_one_wasted_level() {
    let cost = search(1_024, &(0..1_024).collect());
    assert_eq!((cost.equations, cost.items, cost.singles), (9, 2_048, 1_024));
}

#[test]
fn every_small_pattern_is_found() {
    for len in 0..=10 {
        for pattern in 0..1_u32 << len {
            search(len, &(0..len).filter(|at| pattern >> at & 1 == 1).collect());
        }
    }
}
