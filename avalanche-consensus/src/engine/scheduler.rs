//! Jobs that wait for blocks.

use std::collections::{BTreeMap, VecDeque};

use crate::vocabulary::IdMap;
use crate::{Error, HashKey, Id};

/// Holds jobs back until each block that they wait for is there or never will be (AvalancheGo's
/// `snow/engine/snowman/job/scheduler.go`).
///
/// A job becomes ready when everything that it waits for was fulfilled or abandoned. Ready jobs
/// come out of [`Scheduler::next_ready`], and the program runs them. What a job itself fulfils,
/// abandons or schedules is worked off in that order, with all that follows from it, before
/// anything that was due earlier goes on: the order of a recursion, on a stack of this type. So a
/// chain of blocks as long as a peer likes costs no program stack.
///
/// ```text
///   fulfill(a)        jobs of a: x, y      next_ready() = x
///     run x: fulfill(b), schedule(z, [])
///                     jobs of b: w         next_ready() = w, then z, then y
/// ```
///
/// Calls take effect in [`Scheduler::next_ready`], in the order in which they were made. A job that
/// has to go on after what it fulfilled is worked off schedules the rest of itself, with nothing to
/// wait for.
///
/// # Limits
///
/// Jobs, what they wait for and calls that have not taken effect are at most
/// [`Scheduler::ITEMS_MAX`] together, unless [`Scheduler::with_items_max`] says otherwise. An item
/// costs O(log n).
///
/// ```
/// use avalanche_consensus::engine::Scheduler;
/// use avalanche_consensus::{HashKey, Id};
///
/// let [parent, other] = [Id::hash(b"parent"), Id::hash(b"other")];
/// let mut scheduler = Scheduler::new(HashKey::from_seed([0; 32]));
/// scheduler.schedule("issue the child", vec![parent])?;
/// scheduler.schedule("count the vote", vec![parent, other])?;
/// assert!(scheduler.next_ready().is_none());
///
/// scheduler.fulfill(parent)?;
/// scheduler.abandon(other)?;
/// assert_eq!(scheduler.next_ready().map(|ready| ready.job), Some("issue the child"));
/// let vote = scheduler.next_ready().expect("both are settled");
/// assert_eq!((vote.fulfilled, vote.abandoned), (vec![parent], vec![other]));
/// # Ok::<(), avalanche_consensus::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scheduler<J> {
    /// Waiting jobs by their number.
    waiting: BTreeMap<u64, Waiting<J>>,
    /// Numbers of the jobs that wait for a block, in the order of registration, repeated if a job
    /// named the block more than once.
    dependents: IdMap<Id, VecDeque<u64>>,
    /// Calls since the last ready job, oldest first.
    calls: VecDeque<Call<J>>,
    /// Work that is due, the next on top.
    stack: Vec<Work<J>>,
    /// Jobs that ever had to wait.
    numbers: u64,
    /// Calls, waiting jobs and dependencies that are not settled.
    items: usize,
    items_max: usize,
}

/// A job that can run, with what became of the blocks that it waited for, in the order in which
/// they were settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready<J> {
    /// The job.
    pub job: J,
    /// Blocks that are there.
    pub fulfilled: Vec<Id>,
    /// Blocks that never will be.
    pub abandoned: Vec<Id>,
}

/// What was due when a [`Scheduler`] was suspended. It still counts as its items.
#[derive(Clone, Debug)]
#[must_use = "what is due is lost otherwise"]
pub struct Stack<J>(Vec<Work<J>>);

#[derive(Clone, Debug)]
struct Waiting<J> {
    ready: Ready<J>,
    unsettled: usize,
}

#[derive(Clone, Debug)]
enum Call<J> {
    Schedule(J, Vec<Id>),
    Settle(Id, Outcome),
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    Fulfilled,
    Abandoned,
}

#[derive(Clone, Debug)]
enum Work<J> {
    Call(Call<J>),
    /// The jobs of a settled block that were not told yet.
    Tell(Id, Outcome, VecDeque<u64>),
}

impl<J> Scheduler<J> {
    /// Items unless the caller says otherwise: 1,048,576.
    pub const ITEMS_MAX: usize = 1 << 20;

    /// A scheduler without jobs.
    #[must_use]
    pub fn new(key: HashKey) -> Self {
        Self {
            waiting: BTreeMap::new(),
            dependents: IdMap::new(key),
            calls: VecDeque::new(),
            stack: Vec::new(),
            numbers: 0,
            items: 0,
            items_max: Self::ITEMS_MAX,
        }
    }

    /// Sets the number of items. Items that are there stay.
    #[must_use]
    pub fn with_items_max(mut self, max: usize) -> Self {
        self.items_max = max;
        self
    }

    /// Hands in a job that waits for blocks. One named twice has to be settled only once, and is
    /// reported twice. With none, the job is ready as soon as earlier calls are worked off.
    ///
    /// # Errors
    ///
    /// [`Error::SchedulerFull`] if there is no room for the job and what it waits for. Then nothing
    /// has changed.
    pub fn schedule(&mut self, job: J, dependencies: Vec<Id>) -> Result<(), Error> {
        self.take(1 + dependencies.len())?;
        // With no call before it that could settle one of them, a job can begin to wait at once, so
        // that it is there for whoever settles them while this stack is suspended.
        if self.calls.is_empty() && !dependencies.is_empty() {
            let ready = Ready { job, fulfilled: Vec::new(), abandoned: Vec::new() };
            self.wait(ready, &dependencies);
            return Ok(());
        }
        self.calls.push_back(Call::Schedule(job, dependencies));
        Ok(())
    }

    /// Says that a block is there. Jobs that are handed in later and wait for it wait for the next
    /// time.
    ///
    /// # Errors
    ///
    /// [`Error::SchedulerFull`] if too many calls were made since the last ready job. Then nothing
    /// has changed.
    pub fn fulfill(&mut self, id: Id) -> Result<(), Error> {
        self.settle(id, Outcome::Fulfilled)
    }

    /// Says that a block never will be there.
    ///
    /// # Errors
    ///
    /// As [`Scheduler::fulfill`].
    pub fn abandon(&mut self, id: Id) -> Result<(), Error> {
        self.settle(id, Outcome::Abandoned)
    }

    /// The next job to run. Call until `None`, and run each before the next call.
    pub fn next_ready(&mut self) -> Option<Ready<J>> {
        self.stack.extend(self.calls.drain(..).rev().map(Work::Call));
        loop {
            match self.stack.pop()? {
                Work::Call(Call::Schedule(job, dependencies)) => {
                    let ready = Ready { job, fulfilled: Vec::new(), abandoned: Vec::new() };
                    if dependencies.is_empty() {
                        self.items -= 1;
                        return Some(ready);
                    }
                    self.wait(ready, &dependencies);
                }
                Work::Call(Call::Settle(id, outcome)) => {
                    self.items -= 1;
                    if let Some(numbers) = self.dependents.remove(&id) {
                        self.stack.push(Work::Tell(id, outcome, numbers));
                    }
                }
                Work::Tell(id, outcome, mut numbers) => {
                    let Some(number) = numbers.pop_front() else { continue };
                    // The last one leaves nothing behind, so a chain of blocks needs no deep stack.
                    if !numbers.is_empty() {
                        self.stack.push(Work::Tell(id, outcome, numbers));
                    }
                    if let Some(ready) = self.tell(number, id, outcome) {
                        return Some(ready);
                    }
                }
            }
        }
    }

    /// Takes along everything that is due, so that other work can begin with nothing due. Jobs that
    /// wait for blocks stay, and are told what happens to these meanwhile.
    pub fn suspend(&mut self) -> Stack<J> {
        let mut work = std::mem::take(&mut self.stack);
        work.extend(self.calls.drain(..).rev().map(Work::Call));
        Stack(work)
    }

    /// Puts back what was suspended. It is due after what has been scheduled since, as if the job
    /// that was suspended went on now.
    pub fn resume(&mut self, stack: Stack<J>) {
        if self.stack.is_empty() {
            self.stack = stack.0;
        } else {
            self.stack.extend(stack.0);
        }
    }

    /// Number of blocks that jobs wait for.
    #[must_use]
    pub fn dependencies(&self) -> usize {
        self.dependents.len()
    }

    /// Number of jobs that wait. Those that were handed in and not looked at yet do not count.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Jobs, what they wait for, and calls that have not taken effect.
    #[must_use]
    pub const fn items(&self) -> usize {
        self.items
    }

    fn settle(&mut self, id: Id, outcome: Outcome) -> Result<(), Error> {
        // Nobody waits, and no earlier call can change that.
        if self.calls.is_empty() && !self.dependents.contains(&id) {
            return Ok(());
        }
        self.take(1)?;
        self.calls.push_back(Call::Settle(id, outcome));
        Ok(())
    }

    fn take(&mut self, items: usize) -> Result<(), Error> {
        if items > self.items_max.saturating_sub(self.items) {
            return Err(Error::SchedulerFull { max: self.items_max });
        }
        self.items += items;
        Ok(())
    }

    fn wait(&mut self, ready: Ready<J>, dependencies: &[Id]) {
        let number = self.numbers;
        self.numbers += 1;
        self.waiting.insert(number, Waiting { ready, unsettled: dependencies.len() });
        for id in dependencies {
            if let Some(numbers) = self.dependents.get_mut(id) {
                numbers.push_back(number);
            } else {
                self.dependents.insert(*id, VecDeque::from([number]));
            }
        }
    }

    /// Tells one job about one block, and takes it out if that was the last one.
    fn tell(&mut self, number: u64, id: Id, outcome: Outcome) -> Option<Ready<J>> {
        self.items -= 1;
        let job = self.waiting.get_mut(&number)?;
        match outcome {
            Outcome::Fulfilled => job.ready.fulfilled.push(id),
            Outcome::Abandoned => job.ready.abandoned.push(id),
        }
        job.unsettled -= 1;
        if job.unsettled > 0 {
            return None;
        }
        self.items -= 1;
        self.waiting.remove(&number).map(|job| job.ready)
    }
}

#[cfg(test)]
mod tests;
