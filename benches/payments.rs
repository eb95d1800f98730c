//! Payments: blocks applied to a million accounts, blocks decoded. Wall time, as in all of
//! Criterion; making blocks is left out.
#![expect(clippy::expect_used, reason = "without its workload a bench has nothing to measure")]

use std::time::Instant;

use avalanche_benches::measure::{Clock, Done};
use avalanche_benches::payments::apply::{Apply, ApplyFloor, Keyed};
use avalanche_benches::payments::decode::Decode;
use avalanche_benches::payments::{ACCOUNTS, TRANSFERS};
use avalanche_benches::store::{Step, steps};
use criterion::{Bencher, Criterion, criterion_group, criterion_main};

mod common;

/// Measures steps without their preparation.
fn iterate(bencher: &mut Bencher<'_>, step: &mut impl Step) {
    let mut work = steps(Clock::Wall, step);
    bencher.iter_custom(|count| {
        let start = Instant::now();
        let Done { apart, .. } = work(count);
        start.elapsed().saturating_sub(apart)
    });
}

fn apply(criterion: &mut Criterion) {
    let name = format!("payments::apply/accounts={ACCOUNTS}/block={TRANSFERS}");
    let mut group = criterion.benchmark_group(name);
    let mut ours = Apply::new(ACCOUNTS).expect("made");
    group.bench_function("ours", |b| iterate(b, &mut ours));
    drop(ours);
    let mut floor = ApplyFloor::new(ACCOUNTS, Keyed);
    group.bench_function("floor", |b| iterate(b, &mut floor));
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("payments::decode/10000_transfers");
    let block = Decode::default();
    group.bench_function("ours", |b| b.iter(|| block.ours()));
    group.bench_function("floor", |b| b.iter(|| block.floor()));
    group.finish();
}

criterion_group! {
    name = benches;
    config = common::config();
    targets = apply, decode
}
criterion_main!(benches);
