//! The store: durable appends, back-ends beside their bare engines, roots and proofs.
#![expect(clippy::expect_used, reason = "without its workload a bench has nothing to measure")]

use avalanche_benches::store::key_value::{Engine, Workload};
use avalanche_benches::store::log::{Append, AppendFloor, Group};
use avalanche_benches::store::state::{Made, Proofs, Root, hash_floor};
use criterion::{Criterion, criterion_group, criterion_main};

mod common;

fn append(criterion: &mut Criterion) {
    for (name, shape) in [("one_block_of_2MB", Group::LARGE), ("1000_blocks_of_1KiB", Group::SMALL)]
    {
        let mut group = criterion.benchmark_group(format!("store::append_synced/{name}"));
        let mut ours = Append::new(shape).expect("a folder");
        group.bench_function("ours", |b| b.iter(|| assert!(ours.append_one())));
        let mut floor = AppendFloor::new(shape).expect("a folder");
        group.bench_function("floor", |b| b.iter(|| assert!(floor.append_one())));
        group.finish();
    }
}

fn engines(criterion: &mut Criterion) {
    for engine in Engine::ALL {
        let mut ours = Workload::ours(Some(engine)).expect("a folder");
        let mut floor = Workload::bare(engine).expect("a folder");
        ours.fill();
        floor.fill();
        let mut group = criterion.benchmark_group(format!("store::{}/get", engine.as_str()));
        group.bench_function("ours", |b| b.iter(|| assert!(ours.read_one())));
        group.bench_function("floor", |b| b.iter(|| assert!(floor.read_one())));
        group.finish();
        let name = format!("store::{}/commit_1000_rows_synced", engine.as_str());
        let mut group = criterion.benchmark_group(name);
        group.bench_function("ours", |b| b.iter(|| assert!(ours.write_one())));
        group.bench_function("floor", |b| b.iter(|| assert!(floor.write_one())));
        group.finish();
    }
}

fn root(criterion: &mut Criterion) {
    let mut root = Root::new();
    let mut hashes = 0;
    let mut group = criterion.benchmark_group("store::root/1M_accounts/8192_dirty");
    for threads in [1, 2] {
        root.set_threads(threads);
        group.bench_function(format!("threads={threads}"), |b| {
            b.iter_custom(|blocks| {
                let mut taken = std::time::Duration::ZERO;
                for _ in 0..blocks {
                    root.prepare();
                    let start = std::time::Instant::now();
                    hashes = root.root_one();
                    taken += start.elapsed();
                }
                taken
            });
        });
    }
    group.bench_function("floor", |b| b.iter(|| hash_floor(hashes)));
    group.finish();
}

fn proofs(criterion: &mut Criterion) {
    let mut proofs = Proofs::new().expect("a state in memory");
    let mut group = criterion.benchmark_group("store::proof/accounts=100000");
    group.bench_function("make", |b| b.iter(|| proofs.prove_one().expect("kept")));
    let made = proofs.made(1).expect("kept");
    group.bench_function("verify", |b| b.iter(|| assert!(made.iter().all(Made::holds))));
    group.bench_function("range_of_1000", |b| b.iter(|| proofs.prove_range(1_000).expect("kept")));
    group.finish();
}

criterion_group! { name = benches; config = common::config(); targets = append, engines, root, proofs }
criterion_main!(benches);
