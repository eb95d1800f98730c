//! What becomes of an input: to the phase that it is for.

use super::bootstrapper::Bootstrapper;
use super::context::Internal;
use super::engine::Stage;
use super::getter::Serving;
use super::normal::Normal;
use super::requests::Ended;
use super::syncer::Syncer;
use super::{
    Answer, Call, CallId, Engine, Fatal, Fault, Input, Message, MessageKind, ParsedBlock, Phase,
    Purpose, Tip,
};
use crate::NodeId;

/// Messages to itself and failures at once that one input can lead to; the rest is due at once by
/// [`Engine::poll_timeout`].
const INTERNAL_MAX: usize = 1_024;

impl<H: Clone> Engine<H> {
    /// Tells the VM of a phase, which begins with the answer.
    pub(super) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.stage = Stage::Entering;
        self.cx.call_for_phase(Call::EnterPhase(phase), Purpose::Enter);
    }

    /// Begins the phase that the VM has entered.
    fn begin(&mut self, tip: Tip, options: Option<[ParsedBlock<H>; 2]>) -> Result<(), Fatal> {
        let cx = &mut self.cx;
        cx.tip = tip;
        self.stage = match self.phase {
            Phase::StateSyncing => Stage::StateSyncing(Box::new(Syncer::start(cx))),
            Phase::Bootstrapping => {
                let stored = self.stored.take();
                let (download, runs) = stored.ok_or(Fatal::Invariant("bootstrapping is once"))?;
                Stage::Bootstrapping(Box::new(Bootstrapper::start(cx, download, &runs)?))
            }
            Phase::NormalOperation => {
                cx.deliverers = None;
                let state_syncing = cx.state_syncing;
                let mut normal = Normal::start(cx, tip, options, state_syncing)?;
                for _ in 0..std::mem::take(&mut self.builds) {
                    normal.pending_transactions(cx)?;
                }
                Stage::Normal(Box::new(normal))
            }
        };
        self.leave_if_done();
        Ok(())
    }

    /// Goes on to the next phase once the present one is over.
    fn leave_if_done(&mut self) {
        match &self.stage {
            Stage::StateSyncing(phase) if phase.is_done() => self.enter(Phase::Bootstrapping),
            Stage::Bootstrapping(phase) if phase.is_done() => self.enter(Phase::NormalOperation),
            _ => {}
        }
    }

    pub(super) fn dispatch(&mut self, input: Input<H>) -> Result<(), Fatal> {
        match input {
            Input::Message { from, message } => self.message(from, message)?,
            Input::RequestFailed { to, request_id } => {
                let now = self.cx.now;
                if let Some(ended) = self.cx.requests.remove(request_id, &to, now) {
                    self.request_failed(to, request_id, ended)?;
                }
            }
            Input::Connected(node) => {
                self.cx.connect(node);
                self.peers_changed()?;
            }
            Input::Disconnected(node) => self.cx.disconnect(&node),
            Input::Validators(changes) => {
                let diffs = self.cx.change_validators(&changes)?;
                if let Stage::Normal(normal) = &mut self.stage {
                    normal.validators_changed(&diffs);
                }
                self.peers_changed()?;
            }
            Input::PendingTransactions => match &mut self.stage {
                Stage::Normal(normal) => normal.pending_transactions(&mut self.cx)?,
                _ => self.builds = (self.builds + 1).min(self.cx.config.limits.builds_max),
            },
            Input::StateSyncDone => {
                self.cx.state_syncing = false;
                match &mut self.stage {
                    Stage::Normal(normal) => normal.state_sync_done(),
                    Stage::StateSyncing(phase) => phase.state_sync_done(),
                    _ => {}
                }
            }
            Input::SubnetBootstrapped => {
                self.cx.subnet_done = true;
                if let Stage::Bootstrapping(phase) = &mut self.stage {
                    phase.subnet_bootstrapped();
                }
            }
            Input::Answer { call, answer } => self.answer(call, answer)?,
            // What is due was done before.
            Input::Tick => {}
            Input::Failed(reason) => return Err(Fatal::Shell(reason)),
        }
        self.leave_if_done();
        Ok(())
    }

    /// More weight may be connected, or less may be needed.
    fn peers_changed(&mut self) -> Result<(), Fatal> {
        match &mut self.stage {
            Stage::StateSyncing(phase) => phase.peers_changed(&mut self.cx),
            Stage::Bootstrapping(phase) => phase.peers_changed(&mut self.cx)?,
            Stage::Normal(_) | Stage::Entering => {}
        }
        Ok(())
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
            (Some(Purpose::Phase), Stage::StateSyncing(phase)) => {
                phase.answer(&mut self.cx, call, answer)?;
            }
            (Some(Purpose::Phase), Stage::Bootstrapping(phase)) => {
                phase.answer(&mut self.cx, call, answer)?;
            }
            (Some(Purpose::Resume(parked)), Stage::Normal(normal)) => {
                normal.resume(&mut self.cx, call, parked, answer)?;
            }
            // No phase ends while it waits for a call.
            (Some(Purpose::Phase | Purpose::Resume(_)), _) => {}
        }
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
            let Some(ended) = self.cx.requests.answered(request_id, &from, kind, now) else {
                self.cx.fault(from, Fault::Unrequested(kind));
                return Ok(());
            };
            self.cx.observe_outcome(from, false);
            if ended.given_up {
                return Ok(());
            }
        }
        let cx = &mut self.cx;
        let normal = match &mut self.stage {
            Stage::Normal(normal) => normal,
            Stage::StateSyncing(phase) => return phase.message(cx, from, message),
            Stage::Bootstrapping(phase) => return phase.message(cx, from, message),
            Stage::Entering => return Ok(()),
        };
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
    fn request_failed(&mut self, node: NodeId, request_id: u32, ended: Ended) -> Result<(), Fatal> {
        self.cx.observe_outcome(node, true);
        if ended.given_up {
            return Ok(());
        }
        self.unanswered(node, request_id, ended.answer)
    }

    /// Tells the phase that it waits in vain.
    fn unanswered(
        &mut self,
        node: NodeId,
        request_id: u32,
        answer: MessageKind,
    ) -> Result<(), Fatal> {
        let cx = &mut self.cx;
        match (answer, &mut self.stage) {
            (_, Stage::StateSyncing(phase)) => phase.request_failed(cx, node, request_id, answer),
            (_, Stage::Bootstrapping(phase)) => phase.request_failed(cx, node, request_id, answer),
            (MessageKind::Chits, Stage::Normal(normal)) => {
                normal.query_failed(cx, node, request_id)
            }
            (MessageKind::Put, Stage::Normal(normal)) => normal.get_failed(cx, node, request_id),
            (_, Stage::Normal(_) | Stage::Entering) => Ok(()),
        }
    }

    /// Does what is due: deadlines of requests, the bench, gossip.
    pub(super) fn tick(&mut self) -> Result<(), Fatal> {
        let now = self.cx.now;
        self.cx.expire_bench();
        // Requests that take the place of failed ones may have no time either.
        for _ in 0..self.cx.requests.outstanding() {
            let Some((request_id, node, ended)) = self.cx.requests.expire(now) else { break };
            self.request_failed(node, request_id, ended)?;
            self.leave_if_done();
        }
        match &mut self.stage {
            Stage::Normal(normal) => normal.gossip(&mut self.cx),
            Stage::StateSyncing(phase) => phase.wake(&mut self.cx),
            Stage::Bootstrapping(phase) => phase.wake(&mut self.cx),
            Stage::Entering => Ok(()),
        }?;
        self.leave_if_done();
        Ok(())
    }

    /// Takes in what this node told itself.
    pub(super) fn work_off_inbox(&mut self) -> Result<(), Fatal> {
        for _ in 0..INTERNAL_MAX {
            match self.cx.inbox.pop_front() {
                None => break,
                Some(Internal::Message(message)) => self.message(self.cx.own, message)?,
                // It may have been answered or ended by its deadline meanwhile.
                Some(Internal::Failed { to, request_id, sent: false }) => {
                    let now = self.cx.now;
                    if let Some(ended) = self.cx.requests.remove_unsent(request_id, &to, now) {
                        self.request_failed(to, request_id, ended)?;
                    }
                }
                Some(Internal::Failed { to, request_id, sent: true }) => {
                    if let Some(answer) = self.cx.requests.give_up(request_id, &to) {
                        self.unanswered(to, request_id, answer)?;
                    }
                }
            }
            self.leave_if_done();
        }
        Ok(())
    }
}
