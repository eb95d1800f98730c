//! The calls of an instance: each one goes to its thread, and has a deadline.

use std::sync::Arc;

use avalanche_consensus::engine::{Phase, SyncMode};
use avalanche_consensus::{Height, Id, Timestamp};

use super::job::Work;
use super::{CallKind, Deadlines, Instance, InstanceState};
use crate::{
    AppMessage, Block, BuildRequest, Error, HttpHandler, StateSummary, StateSync, TransactionStatus,
};

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
        let shared = Arc::clone(self.shared());
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
    /// each. They are believed, see [`Transactions::submit_named`](crate::Transactions).
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

    fn deadlines(&self) -> Deadlines {
        self.shared().config.deadlines
    }
}

fn lacks(what: &str) -> Error {
    Error::invalid(
        crate::InvalidKind::Malformed,
        "not_supported",
        format!("this kind of VM has no {what}"),
    )
}
