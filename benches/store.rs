//! The store: appends, commits, reads, roots and proofs. Wall time, as in all of Criterion; what
//! has to be made before an operation is left out.
#![expect(clippy::expect_used, reason = "without its workload a bench has nothing to measure")]

use std::time::{Duration, Instant};

use avalanche_benches::measure::{Clock, Done};
use avalanche_benches::store::key_value::{
    Backend, BareRedb, BareSled, Commits, Find, Put, READ_ROWS, Reads,
};
use avalanche_benches::store::log::{Append, AppendFloor, Shape, Written};
use avalanche_benches::store::state::{ACCOUNTS, Accounts, DIRTY, Hashes, Proofs, RANGE, Roots};
use avalanche_benches::store::{Step, steps};
use avalanche_store::MemoryStore;
use criterion::{BatchSize, Bencher, Criterion, criterion_group, criterion_main};

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

fn append(criterion: &mut Criterion) {
    for shape in [Shape::BIG, Shape::SHORT] {
        let mut group = criterion.benchmark_group(format!("store::append/{}", shape.name));
        let mut ours = Append::new(shape).expect("the disk works");
        group.bench_function("ours", |b| iterate(b, &mut ours));
        let mut floor = AppendFloor::new(shape).expect("the disk works");
        group.bench_function("floor", |b| iterate(b, &mut floor));
        group.finish();
    }
}

fn commit(criterion: &mut Criterion) {
    fn pair(criterion: &mut Criterion, engine: &str, ours: impl Put, floor: impl Put) {
        let mut group = criterion.benchmark_group(format!("store::{engine}/commit_1000_rows"));
        let (mut ours, mut floor) = (Commits::new(ours), Commits::new(floor));
        group.bench_function("ours", |b| iterate(b, &mut ours));
        group.bench_function("floor", |b| iterate(b, &mut floor));
        group.finish();
    }
    let sled = (Backend::sled().expect("made"), BareSled::new().expect("made"));
    pair(criterion, "sled", sled.0, sled.1);
    let redb = (Backend::redb().expect("made"), BareRedb::new().expect("made"));
    pair(criterion, "redb", redb.0, redb.1);
}

fn get(criterion: &mut Criterion) {
    fn pair<A: Find, B: Find>(
        criterion: &mut Criterion,
        engine: &str,
        mut ours: Reads<A>,
        mut floor: Reads<B>,
    ) {
        let mut group = criterion.benchmark_group(format!("store::{engine}/get"));
        group.bench_function("ours", |b| b.iter(|| assert!(ours.get_one())));
        group.bench_function("floor", |b| b.iter(|| assert!(floor.get_one())));
        group.finish();
    }
    let ours = Reads::new(Backend::memory(), READ_ROWS).expect("put");
    pair(criterion, "memory", ours, Reads::bare_map(READ_ROWS));
    let ours = Backend::sled().and_then(|at| Reads::new(at, READ_ROWS)).expect("put");
    let floor = BareSled::new().and_then(|at| Reads::new(at, READ_ROWS)).expect("put");
    pair(criterion, "sled", ours, floor);
    let ours = Backend::redb().and_then(|at| Reads::new(at, READ_ROWS)).expect("put");
    pair(criterion, "redb", ours, Reads::bare_redb(READ_ROWS).expect("put"));
}

fn state(criterion: &mut Criterion) {
    for threads in [2, 1] {
        let mut accounts =
            Accounts::new(MemoryStore::new(), ACCOUNTS, threads).expect("the values fit");
        let name = format!("store::state_root/accounts={ACCOUNTS}/dirty={DIRTY}/threads={threads}");
        let mut group = criterion.benchmark_group(name);
        let mut roots = Roots::new(&mut accounts);
        let mut floor = Hashes::new(roots.hashes().expect("all nodes are in memory"));
        group.bench_function("ours", |b| iterate(b, &mut roots));
        group.bench_function("floor", |b| iterate(b, &mut floor));
        group.finish();
        if threads == 1 {
            proofs(criterion, &accounts);
        }
    }
}

fn proofs(criterion: &mut Criterion, accounts: &Accounts<MemoryStore>) {
    let mut proofs = Proofs::new(accounts);
    let mut group = criterion.benchmark_group(format!("store::proof/accounts={ACCOUNTS}"));
    group.bench_function("make", |b| b.iter(|| proofs.prove_one()));
    let proved = proofs.prove(1_000).expect("all accounts are there");
    let mut next = proved.iter().cycle();
    group.bench_function("verify", |b| {
        b.iter(|| assert!(next.next().is_some_and(|one| proofs.verify(one))));
    });
    group.finish();
    let name = format!("store::range_proof/accounts={ACCOUNTS}/entries={RANGE}");
    let mut group = criterion.benchmark_group(name);
    group.bench_function("make", |b| b.iter(|| proofs.prove_range()));
    let proved = proofs.prove_range().expect("all accounts are there");
    group.bench_function("verify", |b| {
        let proved = || proved.clone();
        b.iter_batched(proved, |one| assert!(proofs.verify_range(one)), BatchSize::SmallInput);
    });
    group.finish();
}

fn log(criterion: &mut Criterion) {
    let written = Written::new(32_000, 256 << 20).expect("the disk works");
    let mut group = criterion.benchmark_group("store::log/segments=1/blocks=32000");
    let sum = |count, run: &dyn Fn() -> Duration| (0..count).map(|_| run()).sum();
    let open = || written.time_to_open().expect("it is there");
    group.bench_function("open", |b| b.iter_custom(|count| sum(count, &open)));
    let log = written.open().expect("it is there");
    let replay = || written.time_to_replay(log.reader()).expect("it is there");
    group.bench_function("replay", |b| b.iter_custom(|count| sum(count, &replay)));
    group.finish();
}

criterion_group! {
    name = benches;
    config = common::config();
    targets = get, append, commit, state, log
}
criterion_main!(benches);
