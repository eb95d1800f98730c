//! Counts what a piece of code asks of the allocator.
//!
//! A program that wants the counts declares
//! `#[global_allocator] static COUNTING: Counting = Counting;` and calls [`counted`]. Without it
//! all counts are zero, which [`installed`] tells.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which counts for each thread.
#[derive(Debug)]
pub struct Counting;

/// What a thread asked of the allocator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocations {
    /// Calls that asked for memory, growing a piece included.
    pub calls: u64,
    /// Bytes taken and not given back; negative when more was given back.
    pub bytes: i64,
}

thread_local! {
    static COUNTS: Cell<Allocations> = const { Cell::new(Allocations { calls: 0, bytes: 0 }) };
}

/// Adds to the counts of this thread; a thread that is ending no longer counts.
fn count(calls: u64, taken: usize, given: usize) {
    let signed = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
    let _ = COUNTS.try_with(|counts| {
        let mut now = counts.get();
        now.calls += calls;
        now.bytes += signed(taken) - signed(given);
        counts.set(now);
    });
}

#[expect(unsafe_code, reason = "an allocator cannot be written without; it only forwards")]
// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), 0);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, 0, layout.size());
        // SAFETY: the caller keeps the contract of `dealloc`, and the memory came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size, layout.size());
        // SAFETY: the caller keeps the contract of `realloc`, and the memory came from `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Runs `work` and returns its result with what it asked of the allocator on this thread.
pub fn counted<T>(work: impl FnOnce() -> T) -> (T, Allocations) {
    let before = COUNTS.get();
    let result = work();
    let after = COUNTS.get();
    (result, Allocations { calls: after.calls - before.calls, bytes: after.bytes - before.bytes })
}

/// Whether this program's allocator is [`Counting`].
#[must_use]
pub fn installed() -> bool {
    counted(|| std::hint::black_box(Box::new(0_u8))).1.calls > 0
}
