//! A sampler allocates nothing once it has its weights, and its list of units if it needs one.
//!
//! One test only: the counter belongs to the whole process.

mod counting;

use avalanche_consensus::sampler::SeededSampler;
use counting::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

#[test]
fn samples_allocate_nothing() {
    let weights: Vec<u64> = (1..=1_500).map(|rank| 3_000_000_000_000 / rank).collect();
    // Twenty of 1,500 validators by proposals, and twenty of twenty units by a shuffle.
    for (weights, first) in [(weights.as_slice(), 0), (&[4; 5], 1)] {
        let mut sampler = SeededSampler::new(weights, [3; 32]).expect("the weights fit");
        let mut out = Vec::with_capacity(20);
        let before = ALLOCATOR.allocations();
        sampler.sample_into(20, &mut out).expect("enough weight");
        let warm = ALLOCATOR.allocations();
        assert_eq!(warm - before > 0, first > 0, "only the first shuffle makes a list");
        for _ in 0..1_000 {
            sampler.sample_into(20, &mut out).expect("enough weight");
            assert_eq!(out.len(), 20);
        }
        assert_eq!(ALLOCATOR.allocations(), warm);
    }
}
