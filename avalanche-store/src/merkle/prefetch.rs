//! Asking for memory before it is read.

/// Asks the processor to bring what is in a place into its cache, and does not wait for it. Where
/// the compiler has no such instruction for a target, nothing happens.
///
/// The nodes of a large tree are in no cache. Reading them ahead waits for the last ones of each
/// loop; this waits for none, which is a fourth of the time that a root of 8,192 changes takes.
pub(super) fn prefetch<T>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let place = std::ptr::from_ref(place).cast();
        #[expect(unsafe_code, reason = "measured, see above; std::hint::prefetch_read is unstable")]
        // SAFETY: it needs SSE, which every x86-64 has; it reads nothing, and no address makes it
        // fault.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(place);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
