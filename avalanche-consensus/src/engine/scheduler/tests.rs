//! The reference's cases as step tables, the bound, and a model that recurses as the reference
//! does.

use super::*;
use proptest::prelude::*;
use std::cell::Cell;

fn id(byte: u8) -> Id {
    Id::new([byte; 32])
}

fn ids(bytes: &[u8]) -> Vec<Id> {
    bytes.iter().map(|byte| id(*byte)).collect()
}

fn scheduler<J>() -> Scheduler<J> {
    Scheduler::new(HashKey::from_seed([0; 32]))
}

/// One call, from a table or made by a job.
#[derive(Clone, Debug)]
enum Op {
    Schedule(u8, Vec<u8>),
    Fulfill(u8),
    Abandon(u8),
}

use Op::{Abandon, Fulfill, Schedule};

/// A job that ran: its name, what was fulfilled, what was abandoned.
type Run = (u8, Vec<Id>, Vec<Id>);

fn run(job: u8, fulfilled: &[u8], abandoned: &[u8]) -> Run {
    (job, ids(fulfilled), ids(abandoned))
}

fn call(scheduler: &mut Scheduler<u8>, op: &Op) {
    match op {
        Schedule(job, on) => scheduler.schedule(*job, ids(on)),
        Fulfill(on) => scheduler.fulfill(id(*on)),
        Abandon(on) => scheduler.abandon(id(*on)),
    }
    .expect("room");
}

/// Makes calls one at a time, and lets each job make those of its script.
fn runs(ops: &[Op], script: impl Fn(u8) -> Vec<Op>) -> (Vec<Run>, Scheduler<u8>) {
    let (mut scheduler, mut log) = (scheduler(), Vec::new());
    for op in ops {
        call(&mut scheduler, op);
        while let Some(ready) = scheduler.next_ready() {
            log.push((ready.job, ready.fulfilled, ready.abandoned));
            if log.len() < FUEL {
                script(ready.job).iter().for_each(|op| call(&mut scheduler, op));
            }
        }
    }
    (log, scheduler)
}

/// Runs after which jobs do nothing more, so that every script ends.
const FUEL: usize = 100;

/// (name, calls, runs, blocks that are waited for, jobs that wait).
type Case<'a> = (&'a str, &'a [Op], &'a [Run], usize, usize);

fn check(cases: &[Case<'_>]) {
    for (name, ops, expected, dependencies, waiting) in cases {
        let (log, scheduler) = runs(ops, |_| Vec::new());
        assert_eq!(log, *expected, "{name}");
        assert_eq!(
            (scheduler.dependencies(), scheduler.waiting()),
            (*dependencies, *waiting),
            "{name}"
        );
        if *waiting == 0 {
            assert_eq!(scheduler.items(), 0, "{name}: nothing is kept");
        }
    }
}

/// `TestScheduler_Schedule` of AvalancheGo.
#[test]
fn jobs_wait_for_each_block_they_name() {
    check(&[
        ("none", &[Schedule(1, vec![])], &[run(1, &[], &[])], 0, 0),
        ("one", &[Schedule(1, vec![1])], &[], 1, 1),
        ("two", &[Schedule(1, vec![1, 2])], &[], 2, 1),
        ("one for two jobs", &[Schedule(1, vec![1]), Schedule(2, vec![1])], &[], 1, 2),
    ]);
}

/// `TestScheduler_Fulfill` of AvalancheGo.
#[test]
fn fulfilled_blocks_let_jobs_go() {
    let both = run(1, &[1, 2], &[]);
    let order = [run(1, &[1], &[]), run(2, &[1], &[])];
    check(&[
        ("nobody waits", &[Fulfill(1)], &[], 0, 0),
        ("the only one", &[Schedule(1, vec![1]), Fulfill(1)], &[run(1, &[1], &[])], 0, 0),
        ("one of two", &[Schedule(1, vec![1, 2]), Fulfill(1)], &[], 1, 1),
        ("both", &[Schedule(1, vec![2, 1]), Fulfill(1), Fulfill(2)], &[both], 0, 0),
        (
            "after one was abandoned",
            &[Schedule(1, vec![1, 2]), Abandon(1), Fulfill(2)],
            &[run(1, &[2], &[1])],
            0,
            0,
        ),
        (
            "in the order of registration",
            &[Schedule(1, vec![1]), Schedule(2, vec![1]), Fulfill(1), Fulfill(1)],
            &order,
            0,
            0,
        ),
    ]);
    // One that is named twice is settled at once.
    check(&[("twice", &[Schedule(1, vec![1, 1]), Fulfill(1)], &[run(1, &[1, 1], &[])], 0, 0)]);
}

/// `TestScheduler_Abandon` of AvalancheGo.
#[test]
fn abandoned_blocks_let_jobs_go_too() {
    let both = run(1, &[], &[1, 2]);
    let order = [run(1, &[], &[1]), run(2, &[], &[1])];
    check(&[
        ("nobody waits", &[Abandon(1)], &[], 0, 0),
        ("the only one", &[Schedule(1, vec![1]), Abandon(1)], &[run(1, &[], &[1])], 0, 0),
        ("one of two", &[Schedule(1, vec![1, 2]), Abandon(1)], &[], 1, 1),
        ("both", &[Schedule(1, vec![2, 1]), Abandon(1), Abandon(2)], &[both], 0, 0),
        (
            "after one was fulfilled",
            &[Schedule(1, vec![1, 2]), Fulfill(1), Abandon(2)],
            &[run(1, &[1], &[2])],
            0,
            0,
        ),
        (
            "in the order of registration",
            &[Schedule(1, vec![1]), Schedule(2, vec![1]), Abandon(1), Abandon(1)],
            &order,
            0,
            0,
        ),
    ]);
}

#[test]
fn what_a_job_starts_ends_before_what_was_due_earlier() {
    let ops = [Schedule(1, vec![1]), Schedule(2, vec![1]), Schedule(3, vec![2]), Fulfill(1)];
    let (log, scheduler) = runs(&ops, |job| match job {
        // 4 is handed in after 3 has run and 5 was abandoned, though 3 hands in 5 later.
        1 => vec![Fulfill(2), Abandon(5), Schedule(4, vec![]), Schedule(6, vec![1])],
        3 => vec![Schedule(5, vec![5])],
        _ => vec![],
    });
    let names: Vec<_> = log.iter().map(|(job, ..)| *job).collect();
    assert_eq!(names, [1, 3, 5, 4, 2]);
    // 6 was handed in while 1 was being told, and waits for the next time.
    assert_eq!((scheduler.waiting(), scheduler.dependencies()), (1, 1));
}

#[test]
fn a_long_chain_keeps_the_stack_flat() {
    let mut scheduler = scheduler();
    let name = |n: u32| Id::hash(&n.to_be_bytes());
    for n in 0..20_000_u32 {
        scheduler.schedule(n, vec![name(n)]).expect("room");
    }
    assert!(scheduler.next_ready().is_none());
    scheduler.fulfill(name(0)).expect("room");
    let (mut count, mut deepest) = (0, 0);
    while let Some(ready) = scheduler.next_ready() {
        assert_eq!(ready.job, count);
        count += 1;
        scheduler.fulfill(name(count)).expect("room");
        deepest = deepest.max(scheduler.stack.len());
    }
    assert_eq!((count, deepest, scheduler.items()), (20_000, 0, 0));
}

#[test]
fn the_bound_counts_jobs_dependencies_and_calls() {
    let full = Err(Error::SchedulerFull { max: 5 });
    let mut scheduler = scheduler().with_items_max(5);
    scheduler.schedule(1, ids(&[1, 2])).expect("three items");
    assert_eq!(scheduler.schedule(2, ids(&[1, 2])), full);
    scheduler.schedule(2, ids(&[1])).expect("five items");
    assert_eq!(scheduler.fulfill(id(1)), full);
    assert!(scheduler.next_ready().is_none());
    assert_eq!(scheduler.fulfill(id(9)), Ok(()), "nobody waits for it");
    assert_eq!((scheduler.fulfill(id(1)), scheduler.waiting()), (full, 2));
}

/// The reference's scheduler: one that calls itself.
struct Recursive<'a> {
    scripts: &'a [Vec<Op>],
    /// Name, what is left, fulfilled, abandoned.
    jobs: Vec<(u8, usize, Vec<Id>, Vec<Id>)>,
    waiting: BTreeMap<u8, Vec<usize>>,
    log: Vec<Run>,
    depth: usize,
    deepest: usize,
}

impl Recursive<'_> {
    fn call(&mut self, op: &Op) {
        match op {
            Schedule(job, on) => {
                self.jobs.push((*job, on.len(), Vec::new(), Vec::new()));
                let number = self.jobs.len() - 1;
                on.iter().for_each(|on| self.waiting.entry(*on).or_default().push(number));
                if on.is_empty() {
                    self.execute(number);
                }
            }
            Fulfill(on) | Abandon(on) => {
                for number in self.waiting.remove(on).unwrap_or_default() {
                    let (_, left, fulfilled, abandoned) = &mut self.jobs[number];
                    *left -= 1;
                    if matches!(op, Fulfill(_)) { fulfilled } else { abandoned }.push(id(*on));
                    if *left == 0 {
                        self.execute(number);
                    }
                }
            }
        }
    }

    fn execute(&mut self, number: usize) {
        let (job, _, fulfilled, abandoned) = self.jobs[number].clone();
        self.log.push((job, fulfilled, abandoned));
        if self.log.len() < FUEL {
            self.depth += 1;
            self.deepest = self.deepest.max(self.depth);
            self.scripts[usize::from(job)].iter().for_each(|op| self.call(op));
            self.depth -= 1;
        }
    }
}

#[test]
fn any_scripts_run_in_the_order_of_a_recursion() {
    let [deep, mixed, twice] = [0; 3].map(Cell::new);
    let op = prop_oneof![
        2 => (0_u8..8, prop::collection::vec(0_u8..6, 0..4)).prop_map(|(job, on)| Schedule(job, on)),
        1 => (0_u8..6).prop_map(Fulfill),
        1 => (0_u8..6).prop_map(Abandon),
    ];
    let scripts = prop::collection::vec(prop::collection::vec(op.clone(), 0..4), 8);
    let strategy = (prop::collection::vec(op, 1..30), scripts);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    runner
        .run(&strategy, |(ops, scripts)| {
            let mut model = Recursive {
                scripts: &scripts,
                jobs: Vec::new(),
                waiting: BTreeMap::new(),
                log: Vec::new(),
                depth: 0,
                deepest: 0,
            };
            ops.iter().for_each(|op| model.call(op));
            let (log, scheduler) = runs(&ops, |job| scripts[usize::from(job)].clone());
            deep.set(deep.get() + u32::from(model.deepest > 2));
            for (_, fulfilled, abandoned) in &log {
                mixed.set(mixed.get() + u32::from(!fulfilled.is_empty() && !abandoned.is_empty()));
                twice
                    .set(twice.get() + u32::from(fulfilled.windows(2).any(|two| two[0] == two[1])));
            }
            prop_assert_eq!(&log, &model.log);
            prop_assert_eq!(scheduler.dependencies(), model.waiting.len());
            let left = model.jobs.iter().filter(|(_, left, ..)| *left > 0);
            let items = left.clone().map(|(_, left, ..)| 1 + left).sum::<usize>();
            prop_assert_eq!((scheduler.waiting(), scheduler.items()), (left.count(), items));
            Ok(())
        })
        .expect("the scheduler equals its model");
    for count in [&deep, &mixed, &twice] {
        assert!(count.get() > 50, "{deep:?} {mixed:?} {twice:?}");
    }
}
