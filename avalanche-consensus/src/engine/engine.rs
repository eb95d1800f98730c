//! The engine: one chain, in whatever phase it is.

use super::context::{Context, Internal};
use super::getter::Serving;
use super::normal::{Normal, Parked};
use super::{
    Answer, CallId, EngineConfig, Fatal, Fault, Health, Input, Message, MessageKind, Output,
    ParsedBlock, Phase, Setup, Stats, Tip,
};
use crate::{Error, Id, NodeId, Timestamp};

/// Follows one chain of blocks together with other nodes: asks, answers, fetches, verifies, decides
/// and catches up, without doing any of it by itself.
///
/// See the [module page](super) for the contract and an example.
#[derive(Debug)]
pub struct Engine<H> {
    pub(super) cx: Context<H, Purpose<H>>,
    pub(super) stage: Stage<H>,
    phase: Phase,
    stopped: bool,
}

/// What a call to the VM is for.
#[derive(Debug)]
pub(super) enum Purpose<H> {
    /// A peer asked.
    Serve(Serving),
    /// A phase begins with the answer.
    Enter,
    /// A step of normal operation waits for the answer.
    Resume(Parked<H>),
}

/// The state of a phase.
#[derive(Debug)]
pub(super) enum Stage<H> {
    /// The VM was told of the phase and has not answered.
    Entering,
    /// [`Phase::NormalOperation`].
    Normal(Box<Normal<H>>),
}

/// Messages to itself and failures at once that one input can lead to; the rest is due at once by
/// [`Engine::poll_timeout`].
const INTERNAL_MAX: usize = 1_024;

impl<H: Clone> Engine<H> {
    /// An engine at its beginning. Its first output tells the VM of the phase.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration: [`Error::Timeouts`], [`Error::Bench`], or an error of
    /// the validators.
    pub fn new(config: EngineConfig, setup: Setup, now: Timestamp) -> Result<Self, Error> {
        let phase = setup.phase;
        let cx = Context::new(config, setup, now)?;
        let mut engine = Self { cx, stage: Stage::Entering, phase, stopped: false };
        engine.enter(phase);
        Ok(engine)
    }

    /// Takes in one thing that happened. Drain [`Engine::poll_output`] afterwards.
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
        let outcome = self
            .cx
            .check_drained()
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
        let gossip = match &self.stage {
            Stage::Normal(normal) => normal.next_gossip(),
            Stage::Entering => None,
        };
        [gossip, self.cx.requests.next_deadline(), self.cx.next_bench_expiry()]
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

    /// Counters since the engine was made.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.cx.stats
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
            Stage::Entering => None,
        }
    }

    /// Tells the VM of a phase, which begins with the answer.
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.stage = Stage::Entering;
        self.cx.enter(phase, Purpose::Enter);
    }

    fn dispatch(&mut self, input: Input<H>) -> Result<(), Fatal> {
        match input {
            Input::Message { from, message } => self.message(from, message),
            Input::RequestFailed { to, request_id } => {
                let now = self.cx.now;
                match self.cx.requests.remove(request_id, &to, now) {
                    Some(answer) => self.request_failed(to, request_id, answer),
                    None => Ok(()),
                }
            }
            Input::Connected(node) => {
                self.cx.connect(node);
                Ok(())
            }
            Input::Disconnected(node) => {
                self.cx.disconnect(&node);
                Ok(())
            }
            Input::Validators(changes) => {
                let diffs = self.cx.change_validators(&changes)?;
                if let Stage::Normal(normal) = &mut self.stage {
                    normal.validators_changed(&diffs);
                }
                Ok(())
            }
            Input::PendingTransactions => match &mut self.stage {
                Stage::Normal(normal) => normal.pending_transactions(&mut self.cx),
                Stage::Entering => Ok(()),
            },
            Input::StateSyncDone => {
                if let Stage::Normal(normal) = &mut self.stage {
                    normal.state_sync_done();
                }
                Ok(())
            }
            Input::SubnetBootstrapped => Ok(()),
            Input::Answer { call, answer } => self.answer(call, answer),
            Input::Tick => self.tick(),
            Input::Failed(reason) => Err(Fatal::Shell(reason)),
        }
    }

    /// Takes in the answer to a call.
    fn answer(&mut self, call: CallId, answer: Answer<H>) -> Result<(), Fatal> {
        match (self.cx.end_call(call), &mut self.stage) {
            (None, _) => self.cx.stats.stray_answers += 1,
            (Some(Purpose::Serve(serving)), _) => {
                if !serving.finish(&mut self.cx, answer) {
                    return Err(Fatal::WrongAnswer(call));
                }
            }
            (Some(Purpose::Enter), _) => {
                let Answer::LastAccepted { tip, options } = answer else {
                    return Err(Fatal::WrongAnswer(call));
                };
                self.begin(tip, options)?;
            }
            (Some(Purpose::Resume(parked)), Stage::Normal(normal)) => {
                normal.resume(&mut self.cx, call, parked, answer)?;
            }
            (Some(Purpose::Resume(_)), Stage::Entering) => {}
        }
        Ok(())
    }

    /// Begins the phase that the VM has entered.
    fn begin(&mut self, tip: Tip, options: Option<[ParsedBlock<H>; 2]>) -> Result<(), Fatal> {
        self.cx.tip = tip;
        let normal = Normal::start(&mut self.cx, tip, options, false)?;
        self.stage = Stage::Normal(Box::new(normal));
        Ok(())
    }

    /// Takes in a message, after the question whether anybody asked for it.
    fn message(&mut self, from: NodeId, message: Message<H>) -> Result<(), Fatal> {
        if Serving::begin(&mut self.cx, from, &message) {
            return Ok(());
        }
        let (request_id, kind) = (message.request_id(), message.kind());
        if kind.answer().is_none() {
            let now = self.cx.now;
            if !self.cx.requests.answered(request_id, &from, kind, now) {
                self.cx.fault(from, Fault::Unrequested(kind));
                return Ok(());
            }
            self.cx.observe_outcome(from, false);
        }
        let Stage::Normal(normal) = &mut self.stage else { return Ok(()) };
        let cx = &mut self.cx;
        match message {
            Message::PushQuery { block, requested_height, .. } => {
                normal.push_query(cx, from, request_id, block, requested_height)
            }
            Message::PullQuery { id, requested_height, .. } => {
                normal.pull_query(cx, from, request_id, id, requested_height)
            }
            Message::Put { block, .. } => normal.put(cx, from, request_id, block),
            Message::Chits {
                preferred, preferred_at_height, accepted, accepted_height, ..
            } => {
                let tip = Tip { id: accepted, height: accepted_height };
                normal.chits(cx, from, request_id, [preferred, preferred_at_height], tip)
            }
            _ => Ok(()),
        }
    }

    /// A request stays without an answer.
    fn request_failed(
        &mut self,
        node: NodeId,
        request_id: u32,
        answer: MessageKind,
    ) -> Result<(), Fatal> {
        self.cx.observe_outcome(node, true);
        let Stage::Normal(normal) = &mut self.stage else { return Ok(()) };
        match answer {
            MessageKind::Chits => normal.query_failed(&mut self.cx, node, request_id),
            MessageKind::Put => normal.get_failed(&mut self.cx, node, request_id),
            _ => Ok(()),
        }
    }

    /// Does what is due: deadlines of requests, the bench, gossip.
    fn tick(&mut self) -> Result<(), Fatal> {
        let now = self.cx.now;
        self.cx.expire_bench();
        while let Some((request_id, node, answer)) = self.cx.requests.expire(now) {
            self.request_failed(node, request_id, answer)?;
        }
        match &mut self.stage {
            Stage::Normal(normal) => normal.gossip(&mut self.cx),
            Stage::Entering => Ok(()),
        }
    }

    /// Takes in what this node told itself.
    fn work_off_inbox(&mut self) -> Result<(), Fatal> {
        for _ in 0..INTERNAL_MAX {
            match self.cx.inbox.pop_front() {
                None => break,
                Some(Internal::Message(message)) => self.message(self.cx.own, message)?,
                Some(Internal::Failed { to, request_id, answer }) => {
                    // It may have been answered or ended by its deadline meanwhile.
                    let now = self.cx.now;
                    if self.cx.requests.remove(request_id, &to, now).is_some() {
                        self.request_failed(to, request_id, answer)?;
                    }
                }
            }
        }
        Ok(())
    }
}
