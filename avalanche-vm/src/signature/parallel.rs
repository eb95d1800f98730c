//! One batch on several threads.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::thread;

use super::{BadSignatures, Item, Verifier};

/// Checks `items` on up to `threads` threads, that of the caller among them, each with an equal
/// share. The verdict is that of [`Verifier::verify_batch`], whatever the number of threads.
///
/// The threads end before this returns. If the system gives fewer, the caller does their share.
///
/// # Errors
///
/// [`BadSignatures`] names every item that is not valid by its index.
pub fn verify_chunks(
    verifier: &dyn Verifier,
    items: &[Item<'_>],
    threads: NonZeroUsize,
) -> Result<(), BadSignatures> {
    let share = items.len().div_ceil(threads.get()).max(1);
    let mut chunks = items.chunks(share);
    let own = chunks.next().unwrap_or_default();
    let verdicts = thread::scope(|scope| {
        let spawned: Vec<_> = chunks
            .map(|chunk| {
                let work = move || verifier.verify_batch(chunk);
                (chunk, thread::Builder::new().spawn_scoped(scope, work))
            })
            .collect();
        let mut verdicts = vec![verifier.verify_batch(own)];
        for (chunk, thread) in spawned {
            verdicts.push(match thread {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                Err(_) => verifier.verify_batch(chunk),
            });
        }
        verdicts
    });
    let starts = (0..).step_by(share);
    let bad = starts.zip(verdicts).flat_map(|(start, verdict)| {
        let indices = verdict.err().map(BadSignatures::into_indices).unwrap_or_default();
        indices.into_iter().map(move |index| start + index)
    });
    BadSignatures::verdict(bad.collect(), items.len())
}
