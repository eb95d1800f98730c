//! Which parents are wanted, and what becomes of blocks that came together.

use super::*;
use crate::bootstrap::Interval;

fn height(height: u64) -> Height {
    Height::new(height)
}

fn id(number: u64) -> Id {
    Id::hash(&number.to_be_bytes())
}

/// The block at a height of the only chain there is.
fn block(number: u64) -> Block {
    Block { id: id(number), parent: id(number - 1), height: height(number) }
}

fn intervals(ends: &[(u64, u64)]) -> Intervals {
    let ends = ends.iter().map(|(low, high)| Interval { low: height(*low), high: height(*high) });
    Intervals::from_intervals(ends).expect("in order")
}

fn ends(set: &Intervals) -> Vec<(u64, u64)> {
    set.iter().map(|interval| (interval.low.get(), interval.high.get())).collect()
}

/// AvalancheGo's `TestAdd` of `interval/blocks_test.go`.
#[test]
fn a_block_wants_its_parent_unless_that_is_executed_or_stored() {
    let yes = |wants_parent| Added::Yes { wants_parent };
    let table = [
        ("stored already", vec![(5, 5)], 0, 5, Added::No),
        ("executed", vec![], 5, 5, Added::No),
        ("far below", vec![], 5, 2, Added::No),
        ("on the last accepted block", vec![], 5, 6, yes(false)),
        ("on a stored block", vec![(3, 4)], 0, 5, yes(false)),
        ("on nothing", vec![], 0, 5, yes(true)),
        ("below a stored block", vec![(6, 6)], 0, 5, yes(true)),
        ("filling the last gap", vec![(3, 4), (6, 6)], 2, 5, yes(false)),
        ("genesis", vec![], 0, 0, Added::No),
        ("the last height", vec![], 0, u64::MAX, yes(true)),
    ];
    for (name, stored, last, at, expected) in table {
        let mut set = intervals(&stored);
        let before = set.len();
        assert_eq!(add_block(&mut set, height(last), height(at)), Ok(expected), "{name}");
        assert_eq!(set.len() - before, u64::from(expected != Added::No), "{name}");
        assert_eq!(expected.wants_parent(), expected == yes(true));
    }
}

/// AvalancheGo's `TestGetMissingBlockIDs`.
#[test]
fn parents_are_missing_below_every_interval_but_the_one_that_begins_above_the_last_accepted() {
    type Ends = Vec<(u64, u64)>;
    let table: [(Ends, u64, Vec<u64>); 8] = [
        (vec![], 0, vec![]),
        (vec![(1, 1)], 0, vec![]),
        (vec![(1, 3)], 0, vec![]),
        (vec![(2, 3)], 0, vec![2]),
        (vec![(1, 1), (4, 5), (9, 9)], 0, vec![4, 9]),
        (vec![(4, 5), (9, 9)], 3, vec![9]),
        (vec![(2, 5), (9, 9)], 8, vec![]),
        (vec![(0, 1), (u64::MAX, u64::MAX)], u64::MAX, vec![]),
    ];
    for (stored, last, expected) in table {
        let lows: Vec<u64> =
            missing_parents(&intervals(&stored), height(last)).map(Height::get).collect();
        assert_eq!(lows, expected, "{stored:?} above {last}");
    }
}

/// What one call of [`process`] did.
#[derive(Debug, PartialEq)]
struct Processed {
    result: Result<Option<Id>, Error>,
    stored: Vec<u64>,
    missing: BTreeSet<Id>,
    ends: Vec<(u64, u64)>,
}

fn processed(
    mut set: Intervals,
    last: u64,
    missing: &[u64],
    first: u64,
    ancestors: &[u64],
) -> Processed {
    let mut missing = missing.iter().copied().map(id).collect();
    let ancestors = ancestors.iter().map(|at| (id(*at), block(*at))).collect();
    let mut stored = Vec::new();
    let first = block(first);
    let result = process(&mut set, height(last), &mut missing, first, &ancestors, &mut stored);
    let stored = stored.iter().map(|block| block.height.get()).collect();
    Processed { result, stored, missing, ends: ends(&set) }
}

/// AvalancheGo's `TestProcess`.
#[test]
fn a_block_is_taken_in_with_all_ancestors_that_came_along() {
    let done = |newly: Option<u64>, stored: &[u64], ends: &[(u64, u64)]| Processed {
        result: Ok(newly.map(id)),
        stored: stored.to_vec(),
        missing: newly.into_iter().map(id).collect(),
        ends: ends.to_vec(),
    };
    let none = || intervals(&[]);
    // A single block on the last accepted one; one whose parent did not come; the whole way down.
    assert_eq!(processed(none(), 0, &[1], 1, &[]), done(None, &[1], &[(1, 1)]));
    assert_eq!(processed(none(), 0, &[7], 7, &[5]), done(Some(6), &[7], &[(7, 7)]));
    assert_eq!(processed(none(), 3, &[6], 6, &[3, 4, 5]), done(None, &[6, 5, 4], &[(4, 6)]));
    // The way ends at a stored block, although more ancestors came.
    let stored = || intervals(&[(1, 4)]);
    assert_eq!(processed(stored(), 0, &[6], 6, &[5, 4, 3]), done(None, &[6, 5], &[(1, 6)]));
    // Executed or stored already: no longer missing, and nothing is stored.
    assert_eq!(processed(none(), 9, &[6], 6, &[5]), done(None, &[], &[]));
    assert_eq!(processed(stored(), 0, &[3], 3, &[2]), done(None, &[], &[(1, 4)]));
}

#[test]
fn ancestors_that_came_along_are_no_longer_missing() {
    let taken = processed(intervals(&[]), 0, &[9, 8, 2], 9, &[8, 7]);
    assert_eq!(taken.missing, BTreeSet::from([id(6), id(2)]));
    assert_eq!(taken.result, Ok(Some(id(6))));
}

#[test]
fn ancestors_in_a_circle_end_the_walk() {
    let [a, b] = [(1, 2, 5), (2, 1, 9)].map(|(own, parent, at)| Block {
        id: id(own),
        parent: id(parent),
        height: height(at),
    });
    let (mut set, mut missing, mut stored) = (Intervals::new(), BTreeSet::new(), Vec::new());
    let ancestors = BTreeMap::from([(a.id, a), (b.id, b)]);
    let result = process(&mut set, height(0), &mut missing, a, &ancestors, &mut stored);
    assert_eq!((result, stored, missing), (Ok(None), vec![a, b], BTreeSet::new()));
}

#[test]
fn a_block_that_does_not_fit_stays_missing() {
    let full = intervals(&[(3, 3)]).with_intervals_max(1);
    let refused = processed(full, 0, &[8], 8, &[7]);
    let expected = Processed {
        result: Err(Error::IntervalsFull { max: 1 }),
        stored: Vec::new(),
        missing: BTreeSet::from([id(8)]),
        ends: vec![(3, 3)],
    };
    assert_eq!(refused, expected);
}
