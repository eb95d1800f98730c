//! A sample of 20 validators by weight.
#![expect(clippy::expect_used, reason = "without its workload a bench has nothing to measure")]

use avalanche_benches::sampler::{Exact, Floor, Seeded, VALIDATORS};
use criterion::{Criterion, criterion_group, criterion_main};

mod common;

fn sample(criterion: &mut Criterion) {
    for count in VALIDATORS {
        let name = format!("sampler::sample/k=20/validators={count}");
        let mut group = criterion.benchmark_group(name);
        let mut seeded = Seeded::new(count).expect("the weights fit");
        group.bench_function("seeded", |b| b.iter(|| seeded.sample()));
        let mut exact = Exact::new(count).expect("the weights fit");
        group.bench_function("exact", |b| b.iter(|| exact.sample()));
        let mut floor = Floor::new(count);
        group.bench_function("floor", |b| b.iter(|| floor.sample()));
        group.finish();
    }
}

criterion_group! { name = benches; config = common::config(); targets = sample }
criterion_main!(benches);
