//! Runs the engine of a chain, and again after its VM was made anew.

use std::sync::Arc;

use avalanche_consensus::engine::{Engine, EngineConfig, Phase, Setup};
use avalanche_consensus::{HashKey, Height, Id};
use avalanche_net::network::Inbox;
use avalanche_vm::InstanceStatus;
use tokio::sync::{mpsc, watch};

use super::disk::{block_at, last_block, no_blocks};
use super::{ChainConfig, ChainParts, StartError, seed};
use crate::app::ForVm;
use crate::builder::Builder;
use crate::driver::{Command, Driver, Parts};
use crate::executor::{Done, Executor, WORK_MAX, blocking, tip_of};
use crate::fetched::Fetched;
use crate::log::LogWriter;
use crate::shared::Shared;
use crate::teller::Tell;
use crate::{ChainBlock, Proposers, TransactionGossip};

/// Runs the engine of a chain, and again after its VM was made anew.
pub(super) struct Supervisor {
    pub(super) shared: Arc<Shared>,
    pub(super) parts: ChainParts,
    pub(super) proposers: Proposers,
    pub(super) config: ChainConfig,
    pub(super) log: Arc<LogWriter>,
    pub(super) fetched: Fetched,
    pub(super) tell: mpsc::Sender<Tell>,
    pub(super) to_vm: mpsc::Sender<ForVm>,
    pub(super) key: HashKey,
    pub(super) stopped: watch::Receiver<bool>,
}

impl Supervisor {
    pub(super) async fn run(self, mut inbox: Inbox, mut commands: mpsc::Receiver<Command>) {
        let mut stopped = self.stopped.clone();
        tokio::select! {
            // Ends only with the chain.
            () = self.again_and_again(&mut inbox, &mut commands) => {}
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    }

    async fn again_and_again(&self, inbox: &mut Inbox, commands: &mut mpsc::Receiver<Command>) {
        let mut status = self.shared.instance.watch();
        loop {
            let generation = status.borrow().generation;
            let reason = match self.once(generation, inbox, commands).await {
                Ok(reason) => reason,
                Err(error) => error.to_string(),
            };
            tracing::error!(chain = %self.shared.name, %reason, "the chain has stopped");
            self.shared.set_stopped(Some(reason));
            let same =
                |status: &InstanceStatus| status.generation == generation && status.state.answers();
            if same(&self.shared.instance.status()) {
                // Not the VM: what failed stays failed until the node is started again.
                return;
            }
            if status.wait_for(|status| status.state.answers()).await.is_err() {
                return;
            }
            self.shared.set_stopped(None);
            // What was accepted and not told is told now.
            let _ = self.tell.send(Tell::CatchUp).await;
        }
    }

    /// One engine, until it cannot go on. It belongs to one making of the VM.
    async fn once(
        &self,
        generation: u64,
        inbox: &mut Inbox,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Result<String, StartError> {
        let log = self.shared.log.clone();
        let last = blocking(move || last_block(&log)).await??;
        let last = last.ok_or_else(|| no_blocks(&self.config))?;
        self.bring_vm_to(&last).await?;
        let engine = self.engine(&last)?;
        let (work, waiting) = mpsc::channel(WORK_MAX);
        // As many as the engine has calls open, which its limits bound.
        let (answers, done) = mpsc::unbounded_channel::<Done>();
        let executor = Executor {
            instance: self.shared.instance.clone(),
            log: Arc::clone(&self.log),
            fetched: self.fetched.clone(),
            proposers: self.proposers.clone(),
            identity: Arc::clone(&self.parts.identity),
            clock: Arc::clone(&self.shared.clock),
            build: self.config.build,
            last: last.clone(),
            last_vm: Id::hash(&last.payload()),
            tell: self.tell.clone(),
            done: answers.clone(),
            built: None,
        };
        let builder = Builder::new(
            self.parts.identity.node_id(),
            self.proposers.clone(),
            self.config.build,
            (last.height(), last.timestamp()),
        );
        let driver = Driver::new(Parts {
            shared: Arc::clone(&self.shared),
            engine,
            network: self.parts.network.clone(),
            log: Arc::clone(&self.log),
            fetched: self.fetched.clone(),
            work,
            done,
            answers,
            builder,
            gossip: TransactionGossip::new(&seed()?),
            to_vm: self.to_vm.clone(),
            last,
            hash_key: self.key,
        });
        // The executor ends with the driver, after what it is at.
        let executor = tokio::spawn(executor.run(waiting));
        let reason = driver.run(generation, inbox, commands).await;
        let _ = executor.await;
        Ok(reason)
    }

    /// Hands the VM what the log has above it: a block that became durable while the VM was made
    /// anew.
    async fn bring_vm_to(&self, last: &ChainBlock) -> Result<(), StartError> {
        let instance = &self.shared.instance;
        let stands = instance.status().last_accepted.map(|tip| tip.height);
        let mut above = stands.map_or(Some(Height::GENESIS), Height::next);
        while let Some(height) = above.filter(|height| *height <= last.height()) {
            let log = self.shared.log.clone();
            let block = blocking(move || block_at(&log, height)).await??;
            let block = block.ok_or_else(|| no_blocks(&self.config))?;
            let inner = instance.parse(block.payload().to_vec()).await?;
            instance.accept(inner).await?;
            above = height.next();
        }
        Ok(())
    }

    pub(super) fn engine(&self, last: &ChainBlock) -> Result<Engine<ChainBlock>, StartError> {
        let validators = self.shared.validators.clone();
        let alone = validators.node_ids() == [self.shared.own];
        let setup = Setup {
            own: self.shared.own,
            validators,
            beacons: None,
            tip: tip_of(last),
            phase: if alone { Phase::NormalOperation } else { Phase::Bootstrapping },
            stored: self.fetched.runs_above(last.height())?,
            seed: seed()?,
        };
        let config =
            EngineConfig { parameters: self.shared.parameters, ..self.config.engine.clone() };
        Engine::new(config, setup, self.shared.clock.now()).map_err(StartError::Engine)
    }
}
