//! The network, over TLS on the loopback. Wall time, as in all of Criterion.
#![expect(clippy::expect_used, reason = "without its workload a bench has nothing to measure")]

use std::time::{Duration, Instant};

use avalanche_benches::measure::Clock;
use avalanche_benches::net::PAYLOAD;
use avalanche_benches::net::codec::{Codec, Filters, KEYS, blocks, bodies};
use avalanche_benches::net::echo::{Kind, Requests, RequestsFloor};
use avalanche_benches::net::one_way::{OneWay, OneWayFloor};
use avalanche_benches::net::poll::{self, Polls, PollsFloor};
use avalanche_net::wire::{Compression, Op};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

mod common;

/// The time that `run` takes.
fn timed<T>(run: impl FnOnce() -> std::io::Result<T>) -> Duration {
    let start = Instant::now();
    run().expect("the loopback works");
    start.elapsed()
}

fn messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("net::one_way/bytes={PAYLOAD}"));
    group.throughput(Throughput::Elements(1));
    let mut ours = OneWay::new().expect("the loopback works");
    group.bench_function("ours", |b| b.iter_custom(|count| timed(|| ours.run(count))));
    let mut floor = OneWayFloor::new().expect("the loopback works");
    group.bench_function("floor", |b| b.iter_custom(|count| timed(|| floor.run(count))));
    group.finish();
}

fn requests(criterion: &mut Criterion) {
    let sum = |taken: std::io::Result<Vec<Duration>>| {
        taken.expect("the loopback works").into_iter().sum::<Duration>()
    };
    let many = |count: u64| usize::try_from(count).expect("few");
    let mut group = criterion.benchmark_group(format!("net::request/bytes={PAYLOAD}"));
    let ours = Requests::new().expect("the loopback works");
    group.bench_function("ours", |b| {
        b.iter_custom(|count| sum(ours.run(Clock::Wall, many(count))));
    });
    let mut floor = RequestsFloor::new(Kind::App).expect("the loopback works");
    group.bench_function("floor", |b| {
        b.iter_custom(|count| sum(floor.run(Clock::Wall, many(count))));
    });
    group.finish();
}

fn polls(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("net::poll/peers={}", poll::PEERS));
    let rounds = |count: u64| count * poll::CONCURRENT;
    let mut ours = Polls::new().expect("the loopback works");
    group.throughput(Throughput::Elements(poll::CONCURRENT));
    group.bench_function("ours", |b| b.iter_custom(|count| timed(|| ours.run(rounds(count)))));
    let mut floor = PollsFloor::new().expect("the loopback works");
    group.bench_function("floor", |b| b.iter_custom(|count| timed(|| floor.run(rounds(count)))));
    group.finish();
}

fn codecs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("net::codec");
    let plain = bodies().into_iter().map(|body| {
        let kind = Op::of(&body).map_or("?", Op::as_str);
        (kind.to_owned(), Codec::new(body, Compression::None))
    });
    let blocks = blocks().into_iter();
    for (kind, mut codec) in
        plain.chain(blocks.map(|(kind, codec)| (format!("1MiB_{kind}"), codec)))
    {
        group.bench_function(format!("encode/{kind}"), |b| b.iter(|| assert!(codec.encode())));
        group.bench_function(format!("decode/{kind}"), |b| b.iter(|| assert!(codec.decode())));
    }
    group.finish();
    let mut group = criterion.benchmark_group(format!("net::bloom/keys={KEYS}"));
    let mut filters = Filters::default();
    group.bench_function("contains", |b| b.iter(|| assert!(filters.contains())));
    group.bench_function("add", |b| b.iter(|| assert!(filters.add())));
    group.finish();
}

criterion_group! {
    name = benches;
    config = common::config();
    targets = messages, requests, polls, codecs
}
criterion_main!(benches);
