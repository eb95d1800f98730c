//! One chain's VM behind a handle that any task may use.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use avalanche_consensus::engine::{Phase, SyncMode};
use avalanche_consensus::{Height, Id, Timestamp};
use tokio::sync::{mpsc, watch};

use super::job::{Command, Job, Work};
use super::worker::{self, late_text};
use super::{CallKind, CallStats, InstanceState, InstanceStatus, ManagerConfig, ManagerError};
use crate::{
    AppMessage, Block, BuildRequest, Error, HttpHandler, StateSummary, StateSync,
    TransactionStatus, VmContext, VmFactory,
};

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

    async fn call<T: Send + 'static>(
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

/// The calls of a [`Vm`](crate::Vm); what they mean and promise stands there.
impl Instance {
    /// Reads a block.
    ///
    /// # Errors
    ///
    /// As [`Vm::parse`](crate::Vm::parse).
    pub async fn parse(&self, bytes: Vec<u8>) -> Result<Block, Error> {
        let work: Work<Block> = Box::new(move |vm| Box::pin(async move { vm.parse(&bytes) }));
        self.call(CallKind::Parse, self.deadlines().parse, work).await
    }

    /// Reads a block and, if `check` has nothing against it, verifies it: one call of the thread
    /// for both.
    ///
    /// # Errors
    ///
    /// As [`Vm::parse`](crate::Vm::parse) and [`Vm::verify`](crate::Vm::verify), and what `check`
    /// says.
    pub async fn parse_and_verify(
        &self,
        bytes: impl AsRef<[u8]> + Send + 'static,
        check: impl FnOnce(&Block) -> Result<(), Error> + Send + 'static,
        now: Timestamp,
    ) -> Result<Block, Error> {
        let work: Work<Block> = Box::new(move |vm| {
            Box::pin(async move {
                let block = vm.parse(bytes.as_ref())?;
                check(&block)?;
                vm.verify(&block, now).await?;
                Ok(block)
            })
        });
        self.call(CallKind::Verify, self.deadlines().verify, work).await
    }

    /// Makes a block on the preferred one.
    ///
    /// # Errors
    ///
    /// As [`Vm::build`](crate::Vm::build).
    pub async fn build(&self, request: BuildRequest) -> Result<Option<Block>, Error> {
        let work: Work<_> = Box::new(move |vm| vm.build(request));
        self.call(CallKind::Build, self.deadlines().build, work).await
    }

    /// Executes a block.
    ///
    /// # Errors
    ///
    /// As [`Vm::verify`](crate::Vm::verify).
    pub async fn verify(&self, block: Block, now: Timestamp) -> Result<(), Error> {
        let work: Work<_> =
            Box::new(move |vm| Box::pin(async move { vm.verify(&block, now).await }));
        self.call(CallKind::Verify, self.deadlines().verify, work).await
    }

    /// Makes a block's state the accepted one.
    ///
    /// # Errors
    ///
    /// As [`Vm::accept`](crate::Vm::accept): whatever it is, it is fatal.
    pub async fn accept(&self, block: Block) -> Result<(), Error> {
        let work: Work<_> = Box::new(move |vm| Box::pin(async move { vm.accept(&block).await }));
        self.call(CallKind::Accept, self.deadlines().decide, work).await
    }

    /// Forgets a processing block.
    ///
    /// # Errors
    ///
    /// As [`Vm::reject`](crate::Vm::reject): whatever it is, it is fatal.
    pub async fn reject(&self, block: Block) -> Result<(), Error> {
        let work: Work<_> = Box::new(move |vm| Box::pin(async move { vm.reject(&block).await }));
        self.call(CallKind::Reject, self.deadlines().decide, work).await
    }

    /// Says on which block to build.
    ///
    /// # Errors
    ///
    /// Those of every call.
    pub async fn set_preference(&self, block: Id) -> Result<(), Error> {
        let work: Work<()> = Box::new(move |vm| {
            vm.set_preference(block);
            Box::pin(async { Ok(()) })
        });
        self.call(CallKind::SetPreference, self.deadlines().other, work).await
    }

    /// The chain enters a phase: `Running` begins with [`Phase::NormalOperation`].
    ///
    /// # Errors
    ///
    /// As [`Vm::enter_phase`](crate::Vm::enter_phase): whatever it is, it is fatal.
    pub async fn enter_phase(&self, phase: Phase) -> Result<(), Error> {
        let shared = Arc::clone(&self.0.shared);
        let work: Work<()> = Box::new(move |vm| {
            Box::pin(async move {
                vm.enter_phase(phase).await?;
                shared.update(|status| {
                    status.state = match phase {
                        Phase::NormalOperation => InstanceState::Running,
                        Phase::StateSyncing | Phase::Bootstrapping => InstanceState::Bootstrapping,
                    };
                });
                Ok(())
            })
        });
        self.call(CallKind::EnterPhase, self.deadlines().decide, work).await
    }

    /// Hands over a message of another node's VM; the answer to a request comes back.
    ///
    /// # Errors
    ///
    /// As [`Vm::app_message`](crate::Vm::app_message).
    pub async fn app_message(&self, message: AppMessage) -> Result<Option<Vec<u8>>, Error> {
        let work: Work<_> = Box::new(move |vm| vm.app_message(message));
        self.call(CallKind::AppMessage, self.deadlines().other, work).await
    }

    /// Admits transactions, each for itself.
    ///
    /// # Errors
    ///
    /// Those of every call; one that is [`Invalid`](Error::Invalid) if the VM has no transactions.
    pub async fn submit<T: AsRef<[u8]> + Send + Sync + 'static>(
        &self,
        transactions: Vec<T>,
        now: Timestamp,
    ) -> Result<Vec<Result<Id, Error>>, Error> {
        self.submit_shared(Arc::new(transactions), now).await
    }

    /// As [`submit`](Self::submit), for those who need the transactions afterwards.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    pub async fn submit_shared<T: AsRef<[u8]> + Send + Sync + 'static>(
        &self,
        transactions: Arc<Vec<T>>,
        now: Timestamp,
    ) -> Result<Vec<Result<Id, Error>>, Error> {
        let work: Work<_> = Box::new(move |vm| {
            Box::pin(async move {
                let slices: Vec<&[u8]> = transactions.iter().map(T::as_ref).collect();
                match vm.transactions() {
                    Some(pool) => Ok(pool.submit(&slices, now).await),
                    None => Err(lacks("transactions")),
                }
            })
        });
        self.call(CallKind::Transactions, self.deadlines().other, work).await
    }

    /// As [`submit_shared`](Self::submit_shared), for those who know the names: the SHA-256 of
    /// each.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    pub async fn submit_named<T: AsRef<[u8]> + Send + Sync + 'static>(
        &self,
        transactions: Arc<Vec<T>>,
        name: fn(&T) -> Id,
        now: Timestamp,
    ) -> Result<Vec<Result<Id, Error>>, Error> {
        let work: Work<_> = Box::new(move |vm| {
            Box::pin(async move {
                let named: Vec<_> =
                    transactions.iter().map(|one| (name(one), one.as_ref())).collect();
                match vm.transactions() {
                    Some(pool) => Ok(pool.submit_named(&named, now).await),
                    None => Err(lacks("transactions")),
                }
            })
        });
        self.call(CallKind::Transactions, self.deadlines().other, work).await
    }

    /// The names of some transactions that wait, at most `limit`, and how many wait.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    pub async fn waiting(&self, limit: usize) -> Result<(Vec<Id>, usize), Error> {
        let work: Work<_> = Box::new(move |vm| {
            Box::pin(async move {
                let pool = vm.transactions().ok_or_else(|| lacks("transactions"))?;
                Ok((pool.waiting(limit), pool.pending()))
            })
        });
        self.call(CallKind::Transactions, self.deadlines().other, work).await
    }

    /// What became of a transaction.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    pub async fn transaction_status(&self, id: Id) -> Result<TransactionStatus, Error> {
        let work: Work<_> = Box::new(move |vm| {
            Box::pin(async move {
                vm.transactions().map(|pool| pool.status(&id)).ok_or_else(|| lacks("transactions"))
            })
        });
        self.call(CallKind::Transactions, self.deadlines().other, work).await
    }

    /// What the VM serves to clients, by path.
    ///
    /// # Errors
    ///
    /// Those of every call.
    pub async fn handlers(&self) -> Result<Vec<(String, Arc<dyn HttpHandler>)>, Error> {
        let work: Work<_> = Box::new(|vm| {
            let handlers = vm.handlers();
            Box::pin(async move { Ok(handlers) })
        });
        self.call(CallKind::Handlers, self.deadlines().other, work).await
    }

    /// Reads a state summary.
    ///
    /// # Errors
    ///
    /// As [`StateSync::parse_summary`]; [`Error::Invalid`] if the VM cannot sync.
    pub async fn parse_summary(&self, bytes: Vec<u8>) -> Result<StateSummary, Error> {
        self.sync_call(move |sync| Box::pin(async move { sync.parse_summary(&bytes) })).await
    }

    /// The summary that a sync was under way to.
    ///
    /// # Errors
    ///
    /// As [`StateSync::ongoing`].
    pub async fn ongoing_summary(&self) -> Result<Option<StateSummary>, Error> {
        self.sync_call(|sync| Box::pin(async move { sync.ongoing().await })).await
    }

    /// The newest summary.
    ///
    /// # Errors
    ///
    /// As [`StateSync::last`].
    pub async fn last_summary(&self) -> Result<Option<StateSummary>, Error> {
        self.sync_call(|sync| Box::pin(async move { sync.last().await })).await
    }

    /// The summary at a height.
    ///
    /// # Errors
    ///
    /// As [`StateSync::at`].
    pub async fn summary_at(&self, height: Height) -> Result<Option<StateSummary>, Error> {
        self.sync_call(move |sync| Box::pin(async move { sync.at(height).await })).await
    }

    /// Begins to sync to a summary.
    ///
    /// # Errors
    ///
    /// As [`StateSync::accept_summary`].
    pub async fn accept_summary(&self, summary: StateSummary) -> Result<SyncMode, Error> {
        self.sync_call(move |sync| Box::pin(async move { sync.accept_summary(&summary).await }))
            .await
    }

    async fn sync_call<T: Send + 'static>(
        &self,
        work: impl for<'a> FnOnce(&'a mut dyn StateSync) -> super::job::WorkFuture<'a, T>
        + Send
        + 'static,
    ) -> Result<T, Error> {
        let work: Work<T> = Box::new(move |vm| match vm.state_sync() {
            Some(sync) => work(sync),
            None => Box::pin(async { Err(lacks("state sync")) }),
        });
        self.call(CallKind::StateSync, self.deadlines().other, work).await
    }

    fn deadlines(&self) -> super::Deadlines {
        self.0.shared.config.deadlines
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

fn lacks(what: &str) -> Error {
    Error::invalid(
        crate::InvalidKind::Malformed,
        "not_supported",
        format!("this kind of VM has no {what}"),
    )
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
