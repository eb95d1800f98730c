//! Parts of one task that are polled only when they were woken themselves.
//!
//! A connection reads, writes, and waits for its end and for a deadline, all in one task. Whatever
//! wakes the task would have it ask the socket, the queue, the timer and the end; each costs some
//! tens of nanoseconds, and the socket below TLS hundreds. With a waker for each part, a frame that
//! is queued polls the writing part and nothing else.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// The parts of one task, `N` of them, at most eight.
#[derive(Debug)]
pub(super) struct Parts<const N: usize> {
    /// Which are to be polled, and what sets that for each; none before the first poll.
    wakers: Option<(Arc<Woken>, [Waker; N])>,
    /// Those that are to be polled in this turn.
    turn: u8,
}

#[derive(Debug)]
struct Woken {
    /// A bit for each part.
    parts: AtomicU8,
    /// Of the task, as it was when the parts were polled.
    task: Waker,
}

/// Wakes one part.
#[derive(Debug)]
struct Part {
    woken: Arc<Woken>,
    bit: u8,
}

impl Wake for Part {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Whoever set the first bit wakes the task, which looks at all of them.
        if self.woken.parts.fetch_or(self.bit, Ordering::AcqRel) == 0 {
            self.woken.task.wake_by_ref();
        }
    }
}

impl<const N: usize> Parts<N> {
    pub(super) const fn new() -> Self {
        const { assert!(N <= 8, "a bit for each part") };
        Self { wakers: None, turn: 0 }
    }

    /// Begins a poll of the task: its parts that were woken since the last one are to be polled,
    /// and all of them at first or when the task has moved.
    pub(super) fn begin(&mut self, cx: &Context<'_>) {
        let moved = self.wakers.as_ref().is_none_or(|(woken, _)| !woken.task.will_wake(cx.waker()));
        if moved {
            let woken = Arc::new(Woken { parts: AtomicU8::new(0), task: cx.waker().clone() });
            let waker =
                |part| Waker::from(Arc::new(Part { woken: Arc::clone(&woken), bit: 1_u8 << part }));
            let wakers = std::array::from_fn(waker);
            (self.wakers, self.turn) = (Some((woken, wakers)), u8::MAX);
        } else if let Some((woken, _)) = &self.wakers {
            // Taken before the polls, so that what happens during them is not missed.
            self.turn = woken.parts.swap(0, Ordering::AcqRel);
        }
    }

    /// Polls the future of a part if it is to be polled.
    pub(super) fn poll<F: Future>(&mut self, part: usize, future: Pin<&mut F>) -> Poll<F::Output> {
        match &self.wakers {
            Some((_, wakers)) if self.turn & 1 << part != 0 => match wakers.get(part) {
                Some(waker) => future.poll(&mut Context::from_waker(waker)),
                None => Poll::Pending,
            },
            _ => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::atomic::AtomicU32;

    /// Counts the wakes of a task.
    #[derive(Debug, Default)]
    struct Task(AtomicU32);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_part_is_polled_once_for_all_that_woke_it_and_when_the_task_moved() {
        let tasks = [Arc::new(Task::default()), Arc::new(Task::default())];
        let wakes = || tasks.each_ref().map(|task| task.0.load(Ordering::Relaxed));
        let wakers = tasks.each_ref().map(|task| Waker::from(Arc::clone(task)));
        let (polls, seen) = (Cell::new(0), RefCell::new(Waker::noop().clone()));
        let mut future = pin!(poll_fn(|cx| {
            polls.set(polls.get() + 1);
            seen.replace(cx.waker().clone());
            // What happens while it is polled is not missed.
            if polls.get() == 3 {
                cx.waker().wake_by_ref();
            }
            if polls.get() == 5 { Poll::Ready(()) } else { Poll::Pending }
        }));
        let mut parts = Parts::<1>::new();
        let mut poll = |task: usize| {
            parts.begin(&Context::from_waker(&wakers[task]));
            parts.poll(0, future.as_mut()).is_ready()
        };
        assert!((0..3).all(|_| !poll(0)));
        assert_eq!((polls.get(), wakes()), (1, [0, 0]), "the first poll needs no wake");
        for _ in 0..3 {
            seen.borrow().wake_by_ref();
        }
        assert_eq!(wakes(), [1, 0], "the task is woken once");
        assert!((0..3).all(|_| !poll(0)));
        assert_eq!(polls.get(), 2);
        seen.borrow().wake_by_ref();
        assert!(!poll(0));
        assert_eq!((polls.get(), wakes()), (3, [3, 0]));
        assert!(!poll(0));
        assert_eq!(polls.get(), 4);
        // The task has another waker, which the part does not know.
        assert!(poll(1));
        seen.borrow().wake_by_ref();
        assert_eq!((polls.get(), wakes()), (5, [3, 1]));
    }

    #[test]
    fn a_part_is_not_polled_for_another_and_one_wake_of_the_task_is_for_all() {
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        let polls: [Cell<u32>; 3] = Default::default();
        let seen: [RefCell<Waker>; 3] = std::array::from_fn(|_| Waker::noop().clone().into());
        let mut parts = Parts::<3>::new();
        let mut poll = || {
            parts.begin(&Context::from_waker(&waker));
            for (at, (polls, seen)) in polls.iter().zip(&seen).enumerate() {
                let part = pin!(poll_fn(|cx| {
                    polls.set(polls.get() + 1);
                    seen.replace(cx.waker().clone());
                    Poll::<()>::Pending
                }));
                assert!(parts.poll(at, part).is_pending());
            }
            polls.each_ref().map(Cell::get)
        };
        let wake = |at: usize| seen[at].borrow().wake_by_ref();
        assert_eq!(poll(), [1, 1, 1]);
        wake(1);
        assert_eq!((poll(), task.0.load(Ordering::Relaxed)), ([1, 2, 1], 1));
        wake(2);
        wake(0);
        wake(2);
        assert_eq!((poll(), task.0.load(Ordering::Relaxed)), ([2, 2, 2], 2));
        assert_eq!(poll(), [2, 2, 2]);
        wake(0);
        assert_eq!((poll(), task.0.load(Ordering::Relaxed)), ([3, 2, 2], 3));
    }
}
