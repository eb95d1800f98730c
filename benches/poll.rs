//! Votes of a poll: a whole one from opening to result, and one vote that settles nothing.
#![expect(clippy::expect_used, reason = "without its workload a bench has nothing to measure")]

use avalanche_benches::poll::{DEPTHS, Polling, PollingFloor};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

mod common;

fn drain(criterion: &mut Criterion) {
    for depth in DEPTHS {
        let mut group = criterion.benchmark_group(format!("poll::drain/depth={depth}"));
        let mut ours = Polling::new(depth).expect("a chain can be added");
        let votes = ours.drain_one();
        group.bench_function("ours", |b| b.iter(|| ours.drain_one()));
        let mut floor = PollingFloor::new(depth);
        group.bench_function("floor", |b| b.iter(|| floor.drain_one(votes)));
        group.finish();
    }
}

fn one_vote(criterion: &mut Criterion) {
    for depth in DEPTHS {
        let mut group = criterion.benchmark_group(format!("poll::vote/depth={depth}"));
        let mut polling = Polling::new(depth).expect("a chain can be added");
        assert!(polling.open(), "nothing is open yet");
        (0..5).for_each(|index| assert_eq!(polling.vote(index), 0));
        group.bench_function("ours", |b| {
            b.iter_batched_ref(
                || polling.clone(),
                |polling| polling.vote(5),
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

criterion_group! { name = benches; config = common::config(); targets = drain, one_vote }
criterion_main!(benches);
