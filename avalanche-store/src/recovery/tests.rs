//! Every small world: what the plan says is carried out on plain numbers, and compared with a
//! search.

use std::collections::BTreeSet;

use super::*;

const TOP: u64 = 6;

fn h(height: u64) -> Height {
    Height::new(height)
}

/// Every log, state and set of checkpoints below a height.
fn worlds() -> impl Iterator<Item = Found> {
    let logs = (1..=TOP).flat_map(|first| (first..=TOP).map(move |last| Some(h(first)..=h(last))));
    let logs: Vec<_> = logs.chain([None]).collect();
    let at = |height| {
        (0..=height).map(move |oldest| StateFound::At { height: h(height), oldest: h(oldest) })
    };
    let states: Vec<_> = (0..=TOP).flat_map(at).chain([StateFound::Unusable]).collect();
    logs.into_iter().flat_map(move |log| {
        states.clone().into_iter().flat_map(move |state| {
            let log = log.clone();
            (0_u64..1 << TOP).map(move |set| Found {
                log: log.clone(),
                state,
                checkpoints: (1..=TOP).filter(|at| set >> (at - 1) & 1 == 1).map(h).collect(),
            })
        })
    })
}

/// Every height that something on disk can begin from.
fn bases(found: &Found) -> BTreeSet<u64> {
    let mut bases: BTreeSet<u64> = found.checkpoints.iter().map(|at| at.get()).chain([0]).collect();
    if let StateFound::At { height, oldest } = found.state {
        bases.extend(oldest.get()..=height.get());
    }
    bases
}

/// Carries a plan out: where the state stands at the end.
fn carry_out(found: &Found, plan: &Plan) -> u64 {
    let mut stands = match (plan.base, found.state) {
        (Base::State, StateFound::At { height, .. }) => height.get(),
        (Base::RollBack(to), StateFound::At { height, oldest }) => {
            assert!(oldest <= to && to < height, "{found:?}: {plan:?}");
            to.get()
        }
        (Base::Checkpoint(at), _) => {
            assert!(found.checkpoints.contains(&at), "{found:?}: {plan:?}");
            at.get()
        }
        (Base::Genesis, _) => 0,
        (Base::State | Base::RollBack(_), StateFound::Unusable) => panic!("{found:?}: {plan:?}"),
    };
    if let Some(replay) = &plan.replay {
        for height in replay.start().get()..=replay.end().get() {
            assert_eq!(height, stands + 1, "{found:?}: {plan:?}");
            assert!(found.log.as_ref().expect("a log").contains(&h(height)), "{found:?}: {plan:?}");
            stands = height;
        }
    }
    stands
}

#[test]
fn every_plan_ends_where_the_log_ends_and_nothing_is_given_up_too_early() {
    let (mut as_is, mut back, mut restored, mut rebuilt, mut stuck, mut lost) = (0, 0, 0, 0, 0, 0);
    for found in worlds() {
        let Some(log) = &found.log else { continue };
        let (first, last) = (log.start().get(), log.end().get());
        let usable: BTreeSet<u64> =
            bases(&found).into_iter().filter(|from| *from <= last && first <= from + 1).collect();
        match plan(&found) {
            Ok(plan) => {
                assert_eq!(carry_out(&found, &plan), last, "{found:?}: {plan:?}");
                match plan.base {
                    Base::State => as_is += 1,
                    Base::RollBack(_) => back += 1,
                    Base::Checkpoint(_) => restored += 1,
                    Base::Genesis => rebuilt += 1,
                }
                if let StateFound::At { height, oldest } = found.state {
                    // What can be kept is kept.
                    let keeps = height.get() <= last && first <= height.get() + 1;
                    assert_eq!(plan.base == Base::State, keeps, "{found:?}: {plan:?}");
                    if height.get() > last && oldest.get() <= last {
                        assert_eq!(plan.base, Base::RollBack(h(last)), "{found:?}");
                    }
                    let above = height.get() > last;
                    let expected = above.then(|| h(last + 1)..=height);
                    assert_eq!(plan.lost, expected, "{found:?}");
                    lost += u32::from(above);
                }
                if plan.base == Base::Genesis {
                    let none =
                        found.checkpoints.iter().all(|at| at.get() > last || first > at.get() + 1);
                    assert!(none, "{found:?}: a checkpoint is nearer than genesis");
                }
            }
            Err(Stuck::Gap { first: named, best }) => {
                stuck += 1;
                assert_eq!(named.get(), first);
                assert!(best.is_none_or(|best| bases(&found).contains(&best.get())));
                // A state that stands below the log could still be rolled back; that helps nobody.
                assert!(usable.is_empty(), "{found:?}: {usable:?}");
            }
            Err(other) => panic!("{found:?}: {other}"),
        }
    }
    for count in [as_is, back, restored, rebuilt, stuck, lost] {
        assert!(count > 100, "{as_is} {back} {restored} {rebuilt} {stuck} {lost}");
    }
}

#[test]
fn the_newest_checkpoint_that_leads_to_the_end_is_taken() {
    let found = Found {
        log: Some(h(10)..=h(30)),
        state: StateFound::Unusable,
        checkpoints: [9, 31, 25, 5, 12].map(h).to_vec(),
    };
    let plan = plan(&found).expect("a plan");
    assert_eq!(plan.base, Base::Checkpoint(h(25)));
    assert_eq!(plan.replay, Some(h(26)..=h(30)));
}

#[test]
fn an_empty_log_is_a_beginning_only_at_genesis() {
    let at = |height| Found {
        log: None,
        state: StateFound::At { height: h(height), oldest: h(0) },
        checkpoints: vec![],
    };
    assert_eq!(plan(&at(0)), Ok(Plan { base: Base::State, replay: None, lost: None }));
    assert_eq!(plan(&at(3)), Err(Stuck::LogLost { reached: h(3) }));
    let lost = Found { log: None, state: StateFound::Unusable, checkpoints: vec![h(4)] };
    assert_eq!(plan(&lost), Err(Stuck::LogLost { reached: h(4) }));
    let nothing = Found { checkpoints: vec![], ..lost };
    assert_eq!(plan(&nothing), Ok(Plan { base: Base::Genesis, replay: None, lost: None }));
}

#[test]
fn a_person_is_told_what_to_do() {
    let text = Stuck::Gap { first: h(7), best: Some(h(3)) }.to_string();
    assert!(text.contains("height 7") && text.contains("at 3") && text.contains("fetch"), "{text}");
    let text = Stuck::LogLost { reached: h(9) }.to_string();
    assert!(text.contains("height 9") && text.contains("restore"), "{text}");
}
