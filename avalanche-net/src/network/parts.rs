//! Parts of one task that are polled only when they were woken themselves.
//!
//! A connection reads, writes, and waits for its end and for a deadline, all in one task. Whatever
//! wakes the task would have it ask the socket, the queue, the timer and the end; each costs some
//! tens of nanoseconds, and the socket below TLS hundreds. With a waker for each part, a frame that
//! is queued polls the writing part and nothing else.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// One part of a task.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Whether it is to be polled, and what sets that; none before the first poll.
    woken: Option<(Arc<Woken>, Waker)>,
}

#[derive(Debug)]
struct Woken {
    part: AtomicBool,
    /// Of the task, as it was when the part was polled.
    task: Waker,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A part that was woken and not polled yet has woken its task.
        if !self.part.swap(true, Ordering::AcqRel) {
            self.task.wake_by_ref();
        }
    }
}

impl Part {
    /// Polls a future if it has not been polled yet, was woken since, or the task has moved.
    pub(super) fn poll<F: Future>(
        &mut self,
        cx: &Context<'_>,
        future: Pin<&mut F>,
    ) -> Poll<F::Output> {
        let moved = self.woken.as_ref().is_none_or(|(woken, _)| !woken.task.will_wake(cx.waker()));
        if moved {
            self.woken = None;
        }
        let (woken, waker) = self.woken.get_or_insert_with(|| {
            let part = AtomicBool::new(true);
            let woken = Arc::new(Woken { part, task: cx.waker().clone() });
            let waker = Waker::from(Arc::clone(&woken));
            (woken, waker)
        });
        // Looking costs next to nothing, and mostly finds nothing. Cleared before the poll, so that
        // what happens during it is not missed.
        if !woken.part.load(Ordering::Acquire) || !woken.part.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        future.poll(&mut Context::from_waker(waker))
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
        let mut part = Part::default();
        let mut poll = |task: usize| {
            part.poll(&Context::from_waker(&wakers[task]), future.as_mut()).is_ready()
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
}
