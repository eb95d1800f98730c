//! A sampler allocates nothing once it has its weights, and its list of units if it needs one.
//!
//! One test only: the counter belongs to the whole process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use avalanche_consensus::sampler::SeededSampler;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[expect(unsafe_code, reason = "an allocator is unsafe to write; this one only counts")]
// SAFETY: every call is passed on unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's contract is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is that of `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's contract is that of `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn samples_allocate_nothing() {
    let weights: Vec<u64> = (1..=1_500).map(|rank| 3_000_000_000_000 / rank).collect();
    // Twenty of 1,500 validators by proposals, and twenty of twenty units by a shuffle.
    for (weights, first) in [(weights.as_slice(), 0), (&[4; 5], 1)] {
        let mut sampler = SeededSampler::new(weights, [3; 32]).expect("the weights fit");
        let mut out = Vec::with_capacity(20);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        sampler.sample_into(20, &mut out).expect("enough weight");
        let warm = ALLOCATIONS.load(Ordering::Relaxed);
        assert_eq!(warm - before > 0, first > 0, "only the first shuffle makes a list");
        for _ in 0..1_000 {
            sampler.sample_into(20, &mut out).expect("enough weight");
            assert_eq!(out.len(), 20);
        }
        assert_eq!(ALLOCATIONS.load(Ordering::Relaxed), warm);
    }
}
