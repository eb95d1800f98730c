//! Recording polls at several depths, and a block's life.
#![expect(clippy::expect_used, reason = "without its workload a bench has nothing to measure")]

use avalanche_benches::snowman::{DEPTHS, Shape, Steady, SteadyFloor, Stream, StreamFloor};
use criterion::{Criterion, criterion_group, criterion_main};

mod common;

fn record_poll(criterion: &mut Criterion) {
    for shape in Shape::ALL {
        for depth in DEPTHS {
            let name = format!("snowman::record_poll/shape={}/depth={depth}", shape.as_str());
            let mut group = criterion.benchmark_group(name);
            let mut ours = Steady::new(shape, depth).expect("the blocks can be added");
            group.bench_function("ours", |b| b.iter(|| ours.poll()));
            let mut floor = SteadyFloor::new(shape, depth);
            group.bench_function("floor", |b| b.iter(|| floor.poll()));
            group.finish();
        }
    }
}

fn twenty_answers(criterion: &mut Criterion) {
    for shape in [Shape::Chain, Shape::SiblingsSplit] {
        for depth in DEPTHS {
            let name = format!("snowman::20_answers/shape={}/depth={depth}", shape.as_str());
            let mut group = criterion.benchmark_group(name);
            let mut ours = Steady::new(shape, depth).expect("the blocks can be added");
            group.bench_function("ours", |b| b.iter(|| ours.poll_answers()));
            let mut floor = SteadyFloor::new(shape, depth);
            group.bench_function("floor", |b| b.iter(|| floor.poll_answers()));
            group.finish();
        }
    }
}

fn issue_to_accept(criterion: &mut Criterion) {
    for contested in [false, true] {
        let name = format!("snowman::issue_20_polls_accept/contested={contested}");
        let mut group = criterion.benchmark_group(name);
        let mut ours = Stream::new(contested).expect("the parameters are valid");
        group.bench_function("ours", |b| b.iter(|| assert!(ours.accept_one())));
        let mut floor = StreamFloor::new();
        group.bench_function("floor", |b| b.iter(|| floor.accept_one()));
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = common::config();
    targets = record_poll, twenty_answers, issue_to_accept
}
criterion_main!(benches);
