//! The engine: one chain, in whatever phase it is.

use std::time::Duration;

use super::bootstrapper::{Bootstrapper, Download};
use super::context::Context;
use super::getter::Serving;
use super::normal::{Normal, Parked};
use super::syncer::Syncer;
use super::{EngineConfig, Fatal, Health, Input, Output, Phase, Setup, Stats, StoredRun, Tip};
use crate::{Error, Id, Timestamp};

/// Follows one chain of blocks together with other nodes: asks, answers, fetches, verifies, decides
/// and catches up, without doing any of it by itself.
///
/// See the [module page](super) for the contract and an example.
#[derive(Debug)]
pub struct Engine<H> {
    pub(super) cx: Context<H, Purpose<H>>,
    pub(super) stage: Stage<H>,
    pub(super) phase: Phase,
    /// Blocks that were stored before this engine was made, for bootstrapping.
    pub(super) stored: Option<(Download<H>, Vec<StoredRun>)>,
    /// Requests to build a block that came before normal operation.
    pub(super) builds: u32,
    stopped: bool,
}

/// What a call to the VM is for.
#[derive(Debug)]
pub(super) enum Purpose<H> {
    /// A peer asked.
    Serve(Serving),
    /// A phase begins with the answer.
    Enter,
    /// Bootstrapping or state sync waits for the answer.
    Phase,
    /// A step of normal operation waits for the answer.
    Resume(Parked<H>),
}

/// The state of a phase.
#[derive(Debug)]
pub(super) enum Stage<H> {
    /// The VM was told of the phase and has not answered.
    Entering,
    /// [`Phase::StateSyncing`].
    StateSyncing(Box<Syncer<H>>),
    /// [`Phase::Bootstrapping`].
    Bootstrapping(Box<Bootstrapper<H>>),
    /// [`Phase::NormalOperation`].
    Normal(Box<Normal<H>>),
}

impl<H: Clone> Engine<H> {
    /// An engine at its beginning. Its first output tells the VM of the phase.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration: [`Error::Timeouts`], [`Error::Bench`], an error of the
    /// validators, or one of [`Intervals::from_intervals`](crate::bootstrap::Intervals) about the
    /// stored runs.
    pub fn new(config: EngineConfig, setup: Setup, now: Timestamp) -> Result<Self, Error> {
        let phase = setup.phase;
        let stored = Some((Download::new(&setup.stored)?, setup.stored.clone()));
        let cx = Context::new(config, setup, now)?;
        let stage = Stage::Entering;
        let mut engine = Self { cx, stage, phase, stored, builds: 0, stopped: false };
        engine.enter(phase);
        Ok(engine)
    }

    /// Takes in one thing that happened, after what is due by `now`. Drain [`Engine::poll_output`]
    /// afterwards.
    ///
    /// `now` never decreases; an earlier one counts as the latest that was given.
    ///
    /// # Errors
    ///
    /// [`Fatal`] stops the chain: from then on every call fails. What a peer does wrong is never an
    /// error but an [`Output::Fault`].
    pub fn handle(&mut self, now: Timestamp, input: Input<H>) -> Result<(), Fatal> {
        if self.stopped {
            return Err(Fatal::Stopped);
        }
        self.cx.now = self.cx.now.max(now);
        self.cx.stats.inputs += 1;
        let due = self.poll_timeout().is_some_and(|at| at <= self.cx.now);
        let outcome = self
            .cx
            .check_drained()
            .and_then(|()| if due { self.tick() } else { Ok(()) })
            .and_then(|()| self.dispatch(input))
            .and_then(|()| self.work_off_inbox());
        self.stopped = outcome.is_err();
        outcome
    }

    /// The next thing to do. Call until `None` after [`Engine::new`] and after every
    /// [`Engine::handle`], and do each in order.
    pub fn poll_output(&mut self) -> Option<Output<H>> {
        self.cx.pop_output()
    }

    /// When to hand in [`Input::Tick`]; `None` if there is nothing to wait for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        if !self.cx.inbox.is_empty() {
            return Some(self.cx.now);
        }
        let stage = match &self.stage {
            Stage::Normal(normal) => normal.next_gossip(),
            Stage::Bootstrapping(phase) => phase.wakes_at(),
            Stage::StateSyncing(phase) => phase.wakes_at(),
            Stage::Entering => None,
        };
        [stage, self.cx.requests.next_deadline(), self.cx.next_bench_expiry()]
            .into_iter()
            .flatten()
            .min()
    }

    /// What the engine is at.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The last accepted block.
    #[must_use]
    pub const fn last_accepted(&self) -> Tip {
        self.cx.tip
    }

    /// The tip of the preferred branch; the last accepted block if nothing is processing.
    #[must_use]
    pub fn preference(&self) -> Id {
        self.normal().map_or(self.cx.tip.id, |normal| normal.consensus().preference())
    }

    /// Number of blocks that are issued and undecided.
    #[must_use]
    pub fn num_processing(&self) -> usize {
        self.normal().map_or(0, |normal| normal.consensus().num_processing())
    }

    /// Whether a block is issued and undecided.
    #[must_use]
    pub fn processing(&self, id: &Id) -> bool {
        self.normal().is_some_and(|normal| normal.consensus().processing(id))
    }

    /// Polls that are open.
    #[must_use]
    pub fn polls_open(&self) -> usize {
        self.normal().map_or(0, Normal::polls_open)
    }

    /// Requests to peers without an answer, each counted once for each peer that was asked.
    #[must_use]
    pub const fn requests_open(&self) -> usize {
        self.cx.requests.outstanding()
    }

    /// Calls to the VM without an answer.
    #[must_use]
    pub const fn calls_open(&self) -> usize {
        self.cx.open_calls()
    }

    /// Blocks that peers were asked for, blocks that wait for their parent or their verdict, and
    /// jobs that wait for blocks.
    #[must_use]
    pub fn waiting(&self) -> [usize; 3] {
        self.normal().map_or([0; 3], Normal::waiting)
    }

    /// While bootstrapping: runs of blocks that peers were asked for, and blocks that are stored
    /// and not executed.
    #[must_use]
    pub fn downloads(&self) -> (usize, u64) {
        match &self.stage {
            Stage::Bootstrapping(phase) => phase.progress(),
            _ => (0, 0),
        }
    }

    /// Counters since the engine was made.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.cx.stats
    }

    /// How long a request is waited for at present: the deadline to send with one.
    #[must_use]
    pub const fn request_timeout(&self) -> Duration {
        self.cx.requests.timeout()
    }

    /// How the engine is doing at the time `now`.
    #[must_use]
    pub fn health(&self, now: Timestamp) -> Health {
        Health {
            consensus: self.normal().map(|normal| normal.consensus().health(now)),
            connected: self.cx.connected.connected_percent(),
            connected_min: self.cx.config.parameters.min_percent_connected_healthy(),
            outstanding: self.cx.requests.outstanding(),
            timeout: self.cx.requests.timeout(),
            stopped: self.stopped,
        }
    }

    pub(super) const fn normal(&self) -> Option<&Normal<H>> {
        match &self.stage {
            Stage::Normal(normal) => Some(normal),
            _ => None,
        }
    }
}
