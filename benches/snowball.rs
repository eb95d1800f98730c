//! One tree's poll, and whole networks from a random split to the last decision.
#![expect(clippy::expect_used, reason = "without its workload a bench has nothing to measure")]

use avalanche_benches::floor::network::Flat;
use avalanche_benches::snowball::{COLOURS, K, SIZES, SteadyTree, network};
use avalanche_consensus::snowball::{Rule, Snowball, Snowflake};
use criterion::{BatchSize, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

mod common;

fn tree(criterion: &mut Criterion) {
    for colours in COLOURS {
        let name = format!("snowball::record_poll/colours={colours}");
        let mut group = criterion.benchmark_group(name);
        let mut snowball = SteadyTree::<Snowball>::new(colours).expect("the colours fit");
        group.bench_function("snowball", |b| b.iter(|| snowball.poll()));
        let mut snowflake = SteadyTree::<Snowflake>::new(colours).expect("the colours fit");
        group.bench_function("snowflake", |b| b.iter(|| snowflake.poll()));
        group.finish();
    }
}

/// Throughput is in polls, and the floor makes as many as Snowball needed.
fn networks(criterion: &mut Criterion) {
    for colours in COLOURS {
        for nodes in SIZES {
            let name = format!("snowball::network/colours={colours}/nodes={nodes}");
            let mut group = criterion.benchmark_group(name);
            // An iteration is a whole network, so few are enough.
            group.sampling_mode(SamplingMode::Flat).sample_size(10);
            let polls = whole::<Snowball>(&mut group, "snowball", nodes, colours);
            whole::<Snowflake>(&mut group, "snowflake", nodes, colours);
            group.throughput(Throughput::Elements(polls));
            let start = || Flat::new(nodes, colours, K, 15, 20, 1);
            group.bench_function("floor", |b| {
                b.iter_batched_ref(start, |flat| flat.run(polls), BatchSize::PerIteration);
            });
            group.finish();
        }
    }
}

/// A network until all have decided; returns the number of polls that it took.
fn whole<R: Rule>(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    rule: &str,
    nodes: u32,
    colours: u8,
) -> u64 {
    let start = network::<R>(nodes, colours, 1).expect("the colours fit");
    let polls = start.clone().run(u64::MAX);
    group.throughput(Throughput::Elements(polls));
    group.bench_function(rule, |b| {
        b.iter_batched_ref(
            || start.clone(),
            |network| network.run(u64::MAX),
            BatchSize::PerIteration,
        );
    });
    polls
}

criterion_group! { name = benches; config = common::config(); targets = tree, networks }
criterion_main!(benches);
