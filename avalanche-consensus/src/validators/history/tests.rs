//! A history against a model that keeps every set whole.

use std::cell::Cell;

use super::*;
use crate::validators::Validator;
use proptest::prelude::*;

fn node(byte: u8) -> NodeId {
    NodeId::new([byte; 20])
}

fn size(number: u64) -> usize {
    usize::try_from(number).expect("small")
}

fn subnet(byte: u8) -> Id {
    Id::new([byte; 32])
}

fn add(byte: u8, weight: u64) -> ValidatorChange {
    ValidatorChange::Add(Validator { node_id: node(byte), weight })
}

fn limits(window: u64, changes_max: usize) -> HistoryLimits {
    HistoryLimits { window, changes_max, subnets_max: 3 }
}

#[test]
fn a_refusal_says_what_is_available() {
    let mut history = ValidatorHistory::new(limits(10, 100));
    let unknown = Error::UnknownSubnet { subnet: subnet(1) };
    assert_eq!(history.at(&subnet(1), Height::new(3)).err(), Some(unknown.clone()));
    assert_eq!(history.current(&subnet(1)).err(), Some(unknown.clone()));
    assert_eq!(history.heights(&subnet(1)).err(), Some(unknown));

    history.apply(subnet(1), Height::new(20), &[add(1, 1)]).expect("valid");
    history.apply(subnet(1), Height::new(25), &[]).expect("nothing changed");
    let (first, last) = (Height::new(20), Height::new(25));
    for height in [0, 19, 26, u64::MAX].map(Height::new) {
        let error = Error::UnknownHeight { subnet: subnet(1), height, first, last };
        assert_eq!(history.at(&subnet(1), height).err(), Some(error.clone()));
        assert!(error.to_string().contains("20 to 25"), "{error}");
    }
    assert_eq!(history.heights(&subnet(1)), Ok(first..=last));

    let back = history.apply(subnet(1), Height::new(24), &[]);
    let error = Error::HeightDecreased { subnet: subnet(1), height: Height::new(24), last };
    assert_eq!(back, Err(error));
}

#[test]
fn subnets_are_bounded_and_can_be_forgotten() {
    let mut history = ValidatorHistory::new(limits(10, 100));
    // A refused first change begins nothing.
    let error = history.apply(subnet(0), Height::GENESIS, &[add(1, 0)]);
    assert_eq!(error, Err(Error::ZeroWeight { node: node(1) }));
    assert_eq!(history.subnets().len(), 0);
    for byte in 1..=3 {
        history.apply(subnet(byte), Height::GENESIS, &[]).expect("room");
    }
    let full = Err(Error::SubnetsFull { max: 3 });
    assert_eq!(history.apply(subnet(4), Height::GENESIS, &[]), full);
    assert!(history.remove_subnet(&subnet(2)));
    assert!(!history.remove_subnet(&subnet(2)));
    history.apply(subnet(4), Height::GENESIS, &[]).expect("room again");
    assert!(history.subnets().eq([1, 3, 4].map(subnet)));
}

#[test]
fn a_height_comes_for_all_subnets_at_once() {
    let mut history = ValidatorHistory::new(limits(10, 100));
    history.apply(subnet(1), Height::new(3), &[add(1, 1)]).expect("valid");
    history.apply(subnet(2), Height::new(30), &[add(1, 1)]).expect("valid");
    history.advance(Height::new(20));
    assert_eq!(history.heights(&subnet(1)), Ok(Height::new(10)..=Height::new(20)));
    assert_eq!(history.heights(&subnet(2)), Ok(Height::new(30)..=Height::new(30)));
    assert_eq!(history.at(&subnet(1), Height::new(20)).map(|set| set.len()), Ok(1));
}

#[test]
fn sets_that_did_not_change_are_borrowed() {
    let mut history = ValidatorHistory::default();
    history.apply(subnet(1), Height::new(1), &[add(1, 1)]).expect("valid");
    history.apply(subnet(1), Height::new(5), &[add(2, 1)]).expect("valid");
    history.apply(subnet(1), Height::new(9), &[]).expect("valid");
    for (height, borrowed) in [(1, false), (4, false), (5, true), (9, true)] {
        let found = history.at(&subnet(1), Height::new(height)).expect("known");
        assert_eq!(matches!(found, Cow::Borrowed(_)), borrowed, "height {height}");
        assert_eq!(found.len(), if borrowed { 2 } else { 1 });
    }
}

#[test]
fn memory_stays_within_the_limits() {
    let mut history = ValidatorHistory::new(limits(5, 8));
    let kept = |history: &ValidatorHistory| {
        let kept = &history.subnets[&subnet(1)];
        let changes = kept.undo.iter().map(|undo| undo.before.len()).sum::<usize>();
        assert_eq!(kept.changes, changes);
        (kept.first.get(), changes)
    };
    let swap = |height: u64| {
        let weight = 1 + height;
        if height.is_multiple_of(2) {
            [add(1, weight), add(2, weight)]
        } else {
            [1, 2].map(|byte| ValidatorChange::Remove(node(byte)))
        }
    };
    for height in 0..20 {
        history.apply(subnet(1), Height::new(height), &swap(height)).expect("valid");
        // Two changes each: four heights, which the bound on changes allows, are less than the
        // window.
        let (first, changes) = kept(&history);
        assert_eq!((first, changes), (height.saturating_sub(4), 2 * size(height.min(4))));
    }
    // Quiet heights: the window ends first.
    for height in 20..30 {
        history.apply(subnet(1), Height::new(height), &[]).expect("valid");
        let first = 15.max(height - 5);
        // The latest change was at 19; what was changed up to the first height is not undone again.
        assert_eq!(kept(&history), (first, 2 * size(19_u64.saturating_sub(first))));
    }
    assert_eq!(kept(&history), (24, 0));
    // More at one height than can be recorded: only the present remains.
    let many: Vec<_> = (10..19).map(|byte| add(byte, 1)).collect();
    history.apply(subnet(1), Height::new(30), &many).expect("valid");
    assert_eq!(kept(&history), (30, 0));
    assert_eq!(history.at(&subnet(1), Height::new(30)).map(|set| set.len()), Ok(9));
}

/// One step of the model test.
#[derive(Clone, Debug)]
enum Step {
    Apply { subnet: u8, up: u64, changes: Vec<ValidatorChange> },
    Ask { subnet: u8, back: u64 },
    GoBack { subnet: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    let change = (0_u8..6, 0_u8..24, 1_u64..6).prop_map(|(kind, byte, weight)| match kind {
        0..3 => add(byte, weight),
        3 => ValidatorChange::Remove(node(byte)),
        4 => ValidatorChange::AddWeight { node_id: node(byte), weight },
        _ => ValidatorChange::RemoveWeight { node_id: node(byte), weight },
    });
    let changes = prop_oneof![
        3 => prop::collection::vec(change.clone(), 0..3),
        1 => prop::collection::vec(change, 0..30),
    ];
    prop_oneof![
        4 => (0_u8..4, 0_u64..4, changes)
            .prop_map(|(subnet, up, changes)| Step::Apply { subnet, up, changes }),
        4 => (0_u8..4, 0_u64..30).prop_map(|(subnet, back)| Step::Ask { subnet, back }),
        1 => (0_u8..4).prop_map(|subnet| Step::GoBack { subnet }),
    ]
}

type Set = BTreeMap<NodeId, u64>;

/// Every set of a subnet since it began, one for each height.
struct Model {
    begin: u64,
    sets: Vec<Set>,
}

impl Model {
    fn last(&self) -> u64 {
        self.begin + self.sets.len() as u64 - 1
    }

    /// The changes of `changes` that the present set takes, made on a copy of it.
    fn take(&self, changes: &[ValidatorChange]) -> (Vec<ValidatorChange>, Set) {
        let mut set = self.sets.last().cloned().unwrap_or_default();
        let mut taken = Vec::new();
        for change in changes {
            let known = set.get(&change.node_id()).copied();
            let after = match (*change, known) {
                (ValidatorChange::Add(one), None) => one.weight,
                (ValidatorChange::Remove(_), Some(_)) => 0,
                (ValidatorChange::AddWeight { weight, .. }, Some(known)) => known + weight,
                (ValidatorChange::RemoveWeight { weight, .. }, Some(known)) if weight <= known => {
                    known - weight
                }
                _ => continue,
            };
            if after == 0 {
                set.remove(&change.node_id());
            } else {
                set.insert(change.node_id(), after);
            }
            taken.push(*change);
        }
        (taken, set)
    }
}

#[derive(Default)]
struct Coverage {
    joined: Cell<u32>,
    left: Cell<u32>,
    reweighed: Cell<u32>,
    same_height: Cell<u32>,
    present: Cell<u32>,
    earlier: Cell<u32>,
    different: Cell<u32>,
    pruned: Cell<u32>,
    future: Cell<u32>,
    before_begin: Cell<u32>,
    refused_changes: Cell<u32>,
    refused_heights: Cell<u32>,
    refused_subnets: Cell<u32>,
}

fn count(cell: &Cell<u32>) {
    cell.set(cell.get() + 1);
}

struct Run<'a> {
    history: ValidatorHistory,
    models: BTreeMap<u8, Model>,
    window: u64,
    seen: &'a Coverage,
}

impl Run<'_> {
    fn apply(&mut self, at: u8, up: u64, changes: &[ValidatorChange]) {
        let Self { history, models, seen, .. } = self;
        if models.len() == 3 && !models.contains_key(&at) {
            let error = history.apply(subnet(at), Height::new(up), &[]);
            assert_eq!(error, Err(Error::SubnetsFull { max: 3 }));
            count(&seen.refused_subnets);
            return;
        }
        let begin = 100 + up;
        let model = models.entry(at).or_insert(Model { begin, sets: Vec::new() });
        let height = if model.sets.is_empty() { begin } else { model.last() + up };
        let (taken, set) = model.take(changes);
        if taken.len() < changes.len() {
            // One of them is refused, so none is made.
            let refused = history.apply(subnet(at), Height::new(height), changes);
            assert!(refused.is_err());
            count(&seen.refused_changes);
        }
        let diffs =
            history.apply(subnet(at), Height::new(height), &taken).expect("model took them");
        for diff in &diffs {
            count(match (diff.before, diff.after) {
                (0, _) => &seen.joined,
                (_, 0) => &seen.left,
                _ => &seen.reweighed,
            });
        }
        let before = model.sets.last().cloned();
        if let Some(before) = before {
            if up == 0 {
                model.sets.pop();
                count(&seen.same_height);
            }
            // Heights between two changes have the set of the earlier one.
            model.sets.extend(std::iter::repeat_n(before, size(up.saturating_sub(1))));
        }
        model.sets.push(set);
    }

    fn ask(&self, at: u8, height: u64) {
        let Self { history, models, window, seen } = self;
        let found = history.at(&subnet(at), Height::new(height));
        let Some(model) = models.get(&at) else {
            assert_eq!(found, Err(Error::UnknownSubnet { subnet: subnet(at) }));
            return;
        };
        let last = model.last();
        let first = model.begin.max(last.saturating_sub(*window));
        if (first..=last).contains(&height) {
            let set = found.expect("within the range");
            let model_set = &model.sets[size(height - model.begin)];
            assert!(set.iter().map(|one| (one.node_id, one.weight)).eq(model_set.clone()));
            assert_eq!(set.total_weight(), model_set.values().sum::<u64>());
            count(if height == last { &seen.present } else { &seen.earlier });
            if Some(model_set) != model.sets.last() {
                count(&seen.different);
            }
        } else {
            let (first, last) = (Height::new(first), Height::new(last));
            let height = Height::new(height);
            let error = Error::UnknownHeight { subnet: subnet(at), height, first, last };
            assert_eq!(found, Err(error));
            count(if height > last {
                &seen.future
            } else if height.get() < model.begin {
                &seen.before_begin
            } else {
                &seen.pruned
            });
        }
    }

    fn go_back(&mut self, at: u8) {
        let Some(model) = self.models.get(&at) else { return };
        let (last, height) = (Height::new(model.last()), Height::new(model.last() - 1));
        let refused = self.history.apply(subnet(at), height, &[]);
        assert_eq!(refused, Err(Error::HeightDecreased { subnet: subnet(at), height, last }));
        count(&self.seen.refused_heights);
    }
}

#[test]
fn every_set_within_the_window_is_exact() {
    let seen = Coverage::default();
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) },
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    runner
        .run(&(0_u64..15, prop::collection::vec(step(), 1..80)), |(window, steps)| {
            let history = ValidatorHistory::new(limits(window, 1 << 20));
            let mut run = Run { history, models: BTreeMap::new(), window, seen: &seen };
            for step in steps {
                match step {
                    Step::Apply { subnet, up, changes } => run.apply(subnet, up, &changes),
                    Step::Ask { subnet, back } => {
                        let last = run.models.get(&subnet).map_or(100, Model::last);
                        run.ask(subnet, (last + 2).saturating_sub(back));
                    }
                    Step::GoBack { subnet } => run.go_back(subnet),
                }
            }
            // At the end every height that is left, and its neighbours.
            for (at, model) in &run.models {
                (model.begin - 1..=model.last() + 1).for_each(|height| run.ask(*at, height));
            }
            Ok(())
        })
        .expect("the history equals its model");
    for (what, cell) in [
        ("joined", &seen.joined),
        ("left", &seen.left),
        ("reweighed", &seen.reweighed),
        ("changed the present height again", &seen.same_height),
        ("asked for the present", &seen.present),
        ("asked for an earlier height", &seen.earlier),
        ("found another set than the present one", &seen.different),
        ("asked for a pruned height", &seen.pruned),
        ("asked for the future", &seen.future),
        ("asked for a height before the subnet", &seen.before_begin),
        ("refused changes", &seen.refused_changes),
        ("refused a height", &seen.refused_heights),
        ("refused a subnet", &seen.refused_subnets),
    ] {
        assert!(cell.get() > 100, "{what}: {} times", cell.get());
    }
}
