//! The thread of an instance: makes the VM, serves its calls, makes it anew after a failure.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::Receiver;

use super::instance::Shared;
use super::job::{Command, Job};
use super::{InstanceState, resume};
use crate::{Error, Vm};

/// Why a VM is gone.
enum End {
    /// It was told to stop, or nobody holds the instance any more.
    Stopped,
    /// It failed, and may be made anew.
    Failed(String),
    /// It could not be made, and never will from the same genesis and settings.
    Hopeless(String),
}

/// Runs until it is told to stop.
pub(super) fn work(shared: &Arc<Shared>, mut commands: Receiver<Command>) {
    let end = match Builder::new_current_thread().enable_time().build() {
        Ok(runtime) => Worker { shared, runtime }.live(&mut commands),
        Err(error) => InstanceState::Failed {
            reason: format!("its runtime could not be made: {error}"),
            retry_in: None,
        },
    };
    commands.close();
    while let Some(command) = commands.blocking_recv() {
        refuse(command, &end);
    }
    shared.end(end);
}

struct Worker<'a> {
    shared: &'a Arc<Shared>,
    runtime: Runtime,
}

impl Worker<'_> {
    /// Makes the VM and serves it, again and again. Returns the state to end in.
    fn live(&self, commands: &mut Receiver<Command>) -> InstanceState {
        let mut failures = 0_u32;
        loop {
            let began = Instant::now();
            let reason = match self.once(commands) {
                End::Stopped => return InstanceState::Stopped,
                End::Hopeless(reason) => {
                    tracing::error!(instance = %self.shared.label(), %reason, "a VM cannot be made");
                    return InstanceState::Failed { reason, retry_in: None };
                }
                End::Failed(reason) => reason,
            };
            let back_off = self.shared.config.back_off;
            failures = match began.elapsed() > back_off.forgiven_after {
                true => 1,
                false => failures.saturating_add(1),
            };
            let rest = back_off.rest(failures);
            tracing::error!(instance = %self.shared.label(), %reason, ?rest, "a VM failed");
            self.shared.fail(&reason, Some(rest));
            if self.rest(commands, rest) {
                return InstanceState::Stopped;
            }
            self.shared.update(|status| status.restarts += 1);
        }
    }

    /// One VM, from its making to its end.
    fn once(&self, commands: &mut Receiver<Command>) -> End {
        self.shared.update(|status| {
            status.state = InstanceState::Initialising;
            status.generation += 1;
            status.replayed = 0;
        });
        let mut vm = match self.guarded("create", || self.runtime.block_on(self.make())) {
            Ok(Ok(vm)) => vm,
            Ok(Err(error @ Error::Invalid(_))) => return End::Hopeless(error.to_string()),
            Ok(Err(error)) => return End::Failed(error.to_string()),
            Err(panic) => return End::Failed(panic),
        };
        let end = self.serve(&mut *vm, commands);
        if matches!(end, End::Stopped) {
            let last = self.guarded("shutdown", || self.runtime.block_on(vm.shutdown()));
            if let Err(reason) = last.and_then(|done| done.map_err(|error| error.to_string())) {
                tracing::warn!(instance = %self.shared.label(), %reason, "a VM's last call failed");
            }
        }
        // A VM that panicked once may panic again while it is dropped.
        if let Err(reason) = self.guarded("drop", || drop(vm)) {
            tracing::warn!(instance = %self.shared.label(), %reason, "a VM failed at its end");
        }
        end
    }

    async fn make(&self) -> Result<Box<dyn Vm>, Error> {
        let mut vm = self.shared.factory.create(self.shared.context.clone()).await?;
        let replayed = resume(&mut *vm, &*self.shared.context.blocks).await?;
        let tip = vm.last_accepted();
        self.shared.update(|status| {
            status.replayed = replayed;
            status.last_accepted = Some(tip);
        });
        Ok(vm)
    }

    fn serve(&self, vm: &mut dyn Vm, commands: &mut Receiver<Command>) -> End {
        self.shared.update(|status| status.state = InstanceState::Bootstrapping);
        loop {
            let job = match commands.blocking_recv() {
                Some(Command::Call(job)) => job,
                Some(Command::Stop) | None => {
                    self.shared.update(|status| status.state = InstanceState::Stopping);
                    return End::Stopped;
                }
            };
            if job.is_abandoned() {
                continue;
            }
            if let Some(reason) = self.serve_one(vm, job) {
                return End::Failed(reason);
            }
        }
    }

    /// Carries out one call. Returns why the VM cannot go on, if it cannot.
    fn serve_one(&self, vm: &mut dyn Vm, mut job: Job) -> Option<String> {
        let (kind, deadline) = (job.kind, job.deadline);
        let began = Instant::now();
        self.shared.begin(kind, began);
        let ran = self.guarded(kind.name(), || self.runtime.block_on(job.run(vm)));
        let took = began.elapsed();
        let failed = ran.as_ref().map_or(true, |ran| ran.failed);
        self.shared.ended_call(kind, took, failed);
        let fatal = ran.map_or_else(Some, |ran| ran.fatal);
        let late = (took > deadline).then(|| late_text(kind.name(), took, deadline));
        let end = fatal.or(late).or_else(|| {
            let tip = match self.guarded("last_accepted", || vm.last_accepted()) {
                Ok(tip) => tip,
                Err(panic) => return Some(panic),
            };
            self.shared.update(|status| status.last_accepted = Some(tip));
            None
        });
        if let Some(reason) = &end {
            self.shared.fail(reason, None);
        }
        // A call that panicked has no answer: whoever asked finds the reason in the status.
        job.answer();
        end
    }

    /// Refuses calls for a while. Returns whether the instance was told to stop meanwhile.
    fn rest(&self, commands: &mut Receiver<Command>, rest: Duration) -> bool {
        let until = tokio::time::Instant::now() + rest;
        self.runtime.block_on(async {
            loop {
                match tokio::time::timeout_at(until, commands.recv()).await {
                    Ok(Some(Command::Stop) | None) => return true,
                    Ok(Some(command)) => refuse(command, &self.shared.status().state),
                    Err(_elapsed) => return false,
                }
            }
        })
    }

    /// Turns a panic into its message.
    fn guarded<T>(&self, call: &str, act: impl FnOnce() -> T) -> Result<T, String> {
        catch_unwind(AssertUnwindSafe(act)).map_err(|panic| {
            format!("{} panicked in {call}: {}", self.shared.name(), message(&*panic))
        })
    }
}

/// What a late call is called.
pub(super) fn late_text(call: &str, took: Duration, deadline: Duration) -> String {
    format!("{call} took {took:.1?}, and its deadline is {deadline:?}")
}

fn refuse(command: Command, state: &InstanceState) {
    if let Command::Call(job) = command {
        job.refuse(Error::not_ready(format!("its instance is {state}")));
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
