//! Blocks decided on one core, by committee size, sample size and concurrent polls; and what one
//! answer costs from receipt to recorded vote.
#![expect(clippy::expect_used, reason = "without its workload a bench has nothing to measure")]

use avalanche_benches::engine::{AnswerFloor, Committee, Network, endless};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

mod common;

fn decided(criterion: &mut Criterion) {
    for committee in Committee::ALL {
        let Committee { validators, k, concurrent } = committee;
        let name =
            format!("consensus_throughput/committee={validators}/k={k}/concurrent={concurrent}");
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(1));
        for in_flight in [1, 10] {
            let mut network = Network::new(committee, 20).expect("parameters keep the rules");
            group.bench_function(format!("in_flight={in_flight}"), |b| {
                b.iter(|| assert!(network.decide_one(in_flight)));
            });
        }
        group.finish();
    }
}

fn answers(criterion: &mut Criterion) {
    for validators in [20, 1_500] {
        let committee = Committee { validators, k: 20, concurrent: 4 };
        let mut group = criterion.benchmark_group(format!("engine::chits/committee={validators}"));
        let mut ours = endless(committee, 4).expect("parameters keep the rules");
        group.bench_function("ours", |b| b.iter(|| assert!(ours.answer_one())));
        let mut floor = AnswerFloor::new(committee, 4);
        group.bench_function("floor", |b| b.iter(|| floor.answer_one()));
        group.finish();
    }
}

criterion_group! { name = benches; config = common::config(); targets = decided, answers }
criterion_main!(benches);
