//! Virtual machines: batches of signatures. Wall time, as in all of Criterion.

use avalanche_benches::vm::signature::{BATCH, Batch};
use criterion::{Criterion, criterion_group, criterion_main};

mod common;

fn signatures(criterion: &mut Criterion) {
    let good = Batch::new(BATCH);
    let bad = Batch::new(BATCH).with_bad_at(0);
    let mut group = criterion.benchmark_group(format!("vm::signature/batch={BATCH}"));
    group.bench_function("ours", |b| b.iter(|| good.verify()));
    group.bench_function("ours_one_bad", |b| b.iter(|| bad.verify()));
    group.bench_function("floor", |b| b.iter(|| good.verify_by_crate()));
    group.bench_function("strict_singles", |b| b.iter(|| good.verify_strictly()));
    group.finish();
}

criterion_group!(name = benches; config = common::config(); targets = signatures);
criterion_main!(benches);
