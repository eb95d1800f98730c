//! One chain's VM behind a handle that any task may use.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::job::{Command, Job, Work};
use super::worker::{self, late_text};
use super::{CallKind, CallStats, InstanceState, InstanceStatus, ManagerConfig, ManagerError};
use crate::{Error, VmContext, VmFactory};

/// A VM that executes one chain. A clone is the same instance.
///
/// Calls are those of [`Vm`](crate::Vm), one after another in the order in which they were made,
/// each with a [deadline](super::Deadlines). All of them answer [`Error::NotReady`] while the
/// instance is not [answering](InstanceState::answers), and [`Error::Fatal`] if it failed during
/// the call: then the chain stops, waits until the instance is made anew, and goes on from its last
/// accepted block.
#[derive(Clone, Debug)]
pub struct Instance(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    /// To the thread, while there is one.
    commands: Mutex<Option<mpsc::Sender<Command>>>,
}

/// What handle and thread have in common.
pub(super) struct Shared {
    pub(super) factory: Arc<dyn VmFactory>,
    pub(super) context: VmContext,
    pub(super) config: ManagerConfig,
    status: watch::Sender<InstanceStatus>,
    /// Whether a thread is there: `Stopped` and some failures are told before it has gone.
    alive: watch::Sender<bool>,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    running: Option<(CallKind, Instant)>,
    stats: BTreeMap<CallKind, CallStats>,
}

impl Instance {
    pub(super) fn new(
        name: String,
        factory: Arc<dyn VmFactory>,
        context: VmContext,
        config: ManagerConfig,
    ) -> Self {
        let status = InstanceStatus {
            chain: context.chain_id,
            name,
            vm: factory.id(),
            version: factory.version(),
            state: InstanceState::Created,
            generation: 0,
            restarts: 0,
            replayed: 0,
            last_accepted: None,
            last_failure: None,
        };
        let (status, alive) = (watch::Sender::new(status), watch::Sender::new(false));
        let shared =
            Arc::new(Shared { factory, context, config, status, alive, calls: Mutex::default() });
        Self(Arc::new(Handle { shared, commands: Mutex::default() }))
    }

    /// What it is at. A call that has run beyond its deadline shows here as a failure.
    #[must_use]
    pub fn status(&self) -> InstanceStatus {
        self.0.shared.fail_if_late();
        self.0.shared.status()
    }

    /// Follows what it is at.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<InstanceStatus> {
        self.0.shared.status.subscribe()
    }

    /// What calls took since it was created, by kind.
    #[must_use]
    pub fn stats(&self) -> BTreeMap<CallKind, CallStats> {
        self.0.shared.calls().stats.clone()
    }

    /// Makes the VM, hands it the logged blocks above the one that it stands at, and returns when
    /// it answers or has failed for the first time. A failed instance goes on trying.
    ///
    /// # Errors
    ///
    /// [`Error::NotReady`] if it is started already or its thread has not ended;
    /// [`Error::Fatal`] with the reason if it failed.
    pub async fn start(&self) -> Result<(), Error> {
        let mut status = self.watch();
        self.spawn()?;
        let state = status.wait_for(|status| {
            status.state.answers()
                || matches!(status.state, InstanceState::Failed { .. } | InstanceState::Stopped)
        });
        match state.await.map(|status| status.state.clone()) {
            Ok(state) if state.answers() => Ok(()),
            Ok(state) => Err(Error::fatal(state.to_string())),
            Err(_closed) => Err(Error::fatal("the instance has gone")),
        }
    }

    fn spawn(&self) -> Result<(), Error> {
        let mut place = lock(&self.0.commands);
        if self.has_thread() {
            let state = self.status().state;
            return Err(Error::not_ready(format!("its instance is {}", state.name())));
        }
        let (commands, received) = mpsc::channel(self.0.shared.config.calls_max);
        let shared = Arc::clone(&self.0.shared);
        shared.alive.send_replace(true);
        shared.update(|status| status.state = InstanceState::Initialising);
        let name = format!("vm-{}", shared.name());
        let spawned = thread::Builder::new().name(name).spawn(move || {
            worker::work(&shared, received);
        });
        if let Err(error) = spawned {
            let reason = format!("its thread could not be made: {error}");
            self.0.shared.end(InstanceState::Failed { reason: reason.clone(), retry_in: None });
            return Err(Error::fatal(reason));
        }
        *place = Some(commands);
        Ok(())
    }

    /// Stops it: what was asked before is carried out, then the VM has its last call. Does nothing
    /// if it does not run.
    ///
    /// # Errors
    ///
    /// [`ManagerError::StopLate`] if that takes longer than `patience`. It stops as soon as the
    /// call that it is in returns.
    pub async fn stop(&self, patience: Duration) -> Result<(), ManagerError> {
        self.ask_to_stop();
        let ended = tokio::time::timeout(patience, self.ended()).await;
        ended.map_err(|_elapsed| ManagerError::StopLate {
            chain: self.0.shared.context.chain_id,
            after: patience,
        })
    }

    /// Closes the way in. The thread ends when it has come to the end of the queue.
    pub(super) fn ask_to_stop(&self) {
        if let Some(commands) = lock(&self.0.commands).take() {
            // With a full queue the closed way in says the same.
            let _ = commands.try_send(Command::Stop);
        }
    }

    pub(super) async fn ended(&self) {
        let _ = self.0.shared.alive.subscribe().wait_for(|alive| !alive).await;
    }

    pub(super) fn has_thread(&self) -> bool {
        *self.0.shared.alive.borrow()
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    pub(super) async fn call<T: Send + 'static>(
        &self,
        kind: CallKind,
        deadline: Duration,
        work: Work<T>,
    ) -> Result<T, Error> {
        let shared = &self.0.shared;
        let commands = lock(&self.0.commands).clone();
        let state = shared.status().state;
        let Some(commands) = commands.filter(|_| state.answers()) else {
            return Err(Error::not_ready(format!("its instance is {state}")));
        };
        let (job, answer) = Job::new(kind, deadline, work);
        // A little longer than the call may run, so that one that began at once is late by then.
        let answered = tokio::time::timeout(deadline + deadline / 8, async {
            // Either fails only if the thread has gone on without this call.
            commands.send(Command::Call(job)).await.ok()?;
            answer.await.ok()
        });
        match answered.await {
            Ok(Some(result)) => result,
            Ok(None) => Err(Error::fatal(shared.failure())),
            Err(_elapsed) => match shared.fail_if_late() {
                Some(reason) => Err(Error::fatal(reason)),
                None => Err(Error::not_ready(format!(
                    "{} waited {deadline:?} for the calls before it",
                    kind.name()
                ))),
            },
        }
    }
}

impl Shared {
    pub(super) fn status(&self) -> InstanceStatus {
        self.status.borrow().clone()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut InstanceStatus)) {
        self.status.send_if_modified(|status| {
            let before = status.clone();
            change(status);
            *status != before
        });
    }

    pub(super) fn fail(&self, reason: &str, retry_in: Option<Duration>) {
        self.update(|status| {
            status.state = InstanceState::Failed { reason: reason.to_owned(), retry_in };
            status.last_failure = Some(reason.to_owned());
        });
    }

    /// The thread ends, in this state.
    pub(super) fn end(&self, state: InstanceState) {
        match state {
            InstanceState::Failed { reason, retry_in } => self.fail(&reason, retry_in),
            state => self.update(|status| status.state = state),
        }
        self.alive.send_replace(false);
    }

    pub(super) fn begin(&self, kind: CallKind, now: Instant) {
        self.calls().running = Some((kind, now));
    }

    pub(super) fn ended_call(&self, kind: CallKind, took: Duration, failed: bool) {
        let mut calls = self.calls();
        calls.running = None;
        let stats = calls.stats.entry(kind).or_default();
        stats.calls += 1;
        stats.errors += u64::from(failed);
        stats.total += took;
        stats.longest = stats.longest.max(took);
    }

    /// Marks the instance as failed if its running call is late, and says why.
    fn fail_if_late(&self) -> Option<String> {
        let (kind, began) = self.calls().running?;
        let (took, deadline) = (began.elapsed(), self.deadline(kind));
        if took <= deadline {
            return None;
        }
        let reason = format!("{}; it has not returned", late_text(kind.name(), took, deadline));
        if self.status.borrow().state.answers() {
            self.fail(&reason, None);
        }
        Some(reason)
    }

    fn deadline(&self, kind: CallKind) -> Duration {
        let deadlines = self.config.deadlines;
        match kind {
            CallKind::Parse => deadlines.parse,
            CallKind::Build => deadlines.build,
            CallKind::Verify => deadlines.verify,
            CallKind::Accept | CallKind::Reject | CallKind::EnterPhase => deadlines.decide,
            CallKind::SetPreference
            | CallKind::AppMessage
            | CallKind::Transactions
            | CallKind::StateSync
            | CallKind::Handlers => deadlines.other,
        }
    }

    /// Why a call had no answer.
    fn failure(&self) -> String {
        let last = self.status.borrow().last_failure.clone();
        last.unwrap_or_else(|| "its instance stopped during the call".to_owned())
    }

    pub(super) fn name(&self) -> String {
        self.status.borrow().name.clone()
    }

    /// What log lines call it.
    pub(super) fn label(&self) -> String {
        format!("{} of chain {}", self.name(), self.context.chain_id)
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        lock(&self.calls)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("status", &*self.status.borrow()).finish_non_exhaustive()
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
