//! Bootstrapping: downloading and executing what the network accepted (AvalancheGo's
//! `snow/engine/snowman/bootstrap/bootstrapper.go`).
//!
//! ```text
//!  enough weight connected --> ask some beacons what they accepted last
//!                     ^        --> ask all of them which of that they accepted
//!       many blocks   |        --> fetch those and their ancestors, and store them by height
//!       were executed +-----<  --> execute all that is stored, upwards
//!                              --> wait for the other chains of the subnet --> normal operation
//! ```
//!
//! A phase has at most one call to the VM open, and every wait ends by an answer, by the deadline
//! of a request or by a time of its own.
//!
//! Two rules are stricter than AvalancheGo's. A round of questions that finds no block is not
//! repeated before an answer could have come, since questions to nodes that are not connected fail
//! at once here. And a block that is not one below its child is not stored.
//!
//! # Limits
//!
//! Beacons name at most one block each, and count only for blocks that they were asked about. So at
//! most `k` blocks of a round are missing, besides the checkpoints and one for each run that was
//! stored before; each has one request and one interval. A delivery is at most
//! [`ancestors_max`](super::Limits::ancestors_max) blocks, which are handed out to be stored.

mod discovery;
mod download;

pub(super) use discovery::ask;
pub(super) use download::Download;

use std::collections::BTreeSet;
use std::time::Duration;

use discovery::Discovery;

use super::normal::Cx;
use super::{Answer, Call, CallId, Fatal, Message, MessageKind, Output, Purpose, StoredRun};
use crate::bootstrap::Interval;
use crate::{Id, NodeId, Timestamp};

/// The state of bootstrapping.
#[derive(Debug)]
pub(super) struct Bootstrapper<H> {
    step: Step,
    download: Download<H>,
    /// Blocks of the round before.
    executed_before: u64,
    /// The shell knows that the node has caught up.
    told: bool,
}

#[derive(Debug)]
enum Step {
    /// Too little weight is connected.
    Waiting,
    Discovering(Discovery),
    /// Nothing was found, and it is too early to ask again.
    Resting(Timestamp),
    Downloading,
    Executing {
        /// What the VM executes.
        run: Interval,
        /// Blocks of this round.
        blocks: u64,
    },
    /// Other chains are catching up until, at the latest, this one looks for more.
    AwaitingSubnet(Timestamp),
    Done,
}

/// How long the other chains of a subnet are waited for before this one catches up again.
const SUBNET_DELAY: Duration = Duration::from_secs(10);

impl<H: Clone> Bootstrapper<H> {
    /// Begins above the last accepted block, as it is once the VM has entered the phase.
    pub(super) fn start(
        cx: &mut Cx<H>,
        mut download: Download<H>,
        stored: &[StoredRun],
    ) -> Result<Self, Fatal> {
        cx.follow_deliverers();
        download.start(cx, stored);
        let executed_before = u64::MAX;
        let mut phase = Self { step: Step::Waiting, download, executed_before, told: false };
        phase.peers_changed(cx)?;
        Ok(phase)
    }

    pub(super) const fn is_done(&self) -> bool {
        matches!(self.step, Step::Done)
    }

    /// When to look again without an input.
    pub(super) const fn wakes_at(&self) -> Option<Timestamp> {
        match self.step {
            Step::Resting(at) | Step::AwaitingSubnet(at) => Some(at),
            _ => None,
        }
    }

    /// Requests for blocks, and stored blocks.
    pub(super) fn progress(&self) -> (usize, u64) {
        (self.download.fetching(), self.download.stored())
    }

    /// More weight may be connected.
    pub(super) fn peers_changed(&mut self, cx: &mut Cx<H>) -> Result<(), Fatal> {
        if matches!(self.step, Step::Waiting) && cx.can_start() { self.begin(cx) } else { Ok(()) }
    }

    /// Begins a round.
    fn begin(&mut self, cx: &mut Cx<H>) -> Result<(), Fatal> {
        self.download.forget_requests();
        match Discovery::begin(cx)? {
            Some(discovery) => {
                self.step = Step::Discovering(discovery);
                self.discover(cx)
            }
            None => self.bring(cx, BTreeSet::new()),
        }
    }

    /// Goes on asking, and with what was found.
    fn discover(&mut self, cx: &mut Cx<H>) -> Result<(), Fatal> {
        let Step::Discovering(discovery) = &mut self.step else { return Ok(()) };
        match discovery.step(cx)? {
            None => Ok(()),
            Some(ids) if ids.is_empty() => {
                self.step = Step::Resting(discovery.began.after(cx.requests.timeout()));
                self.wake(cx)
            }
            Some(ids) => self.bring(cx, ids),
        }
    }

    fn bring(&mut self, cx: &mut Cx<H>, ids: BTreeSet<Id>) -> Result<(), Fatal> {
        self.step = Step::Downloading;
        self.download.bring(cx, ids)?;
        self.try_execute(cx)
    }

    /// Takes in an answer to a request of this phase. Those to requests of earlier rounds count for
    /// nothing.
    pub(super) fn message(
        &mut self,
        cx: &mut Cx<H>,
        from: NodeId,
        message: Message<H>,
    ) -> Result<(), Fatal> {
        match (message, &mut self.step) {
            (Message::AcceptedFrontier { request_id, id }, Step::Discovering(discovery)) => {
                discovery.frontier(&from, request_id, Some(id))?;
            }
            (Message::Accepted { request_id, ids }, Step::Discovering(discovery)) => {
                discovery.accepted(cx, &from, request_id, ids)?;
            }
            (Message::Ancestors { request_id, blocks }, _) => {
                self.download.delivered(cx, &from, request_id, blocks)?;
            }
            _ => return Ok(()),
        }
        self.go_on(cx)
    }

    /// A request of this phase, or of one before, stays without an answer.
    pub(super) fn request_failed(
        &mut self,
        cx: &mut Cx<H>,
        node: NodeId,
        request_id: u32,
        answer: MessageKind,
    ) -> Result<(), Fatal> {
        match (answer, &mut self.step) {
            (MessageKind::AcceptedFrontier, Step::Discovering(discovery)) => {
                discovery.frontier(&node, request_id, None)?;
            }
            (MessageKind::Accepted, Step::Discovering(discovery)) => {
                discovery.accepted(cx, &node, request_id, Vec::new())?;
            }
            (MessageKind::Ancestors, _) => self.download.failed(cx, &node, request_id),
            _ => {}
        }
        self.go_on(cx)
    }

    /// A request has ended, so there may be room for others.
    fn go_on(&mut self, cx: &mut Cx<H>) -> Result<(), Fatal> {
        self.download.resend(cx);
        self.discover(cx)?;
        self.try_execute(cx)
    }

    /// Executes what is stored once nothing is missing.
    fn try_execute(&mut self, cx: &mut Cx<H>) -> Result<(), Fatal> {
        if matches!(self.step, Step::Downloading) && self.download.is_complete() {
            self.execute(cx, self.download.stored())
        } else {
            Ok(())
        }
    }

    fn execute(&mut self, cx: &mut Cx<H>, blocks: u64) -> Result<(), Fatal> {
        match self.download.next_run(cx.config.limits.execute_batch_max) {
            Some(run) => {
                self.step = Step::Executing { run, blocks };
                let Interval { low, high } = run;
                cx.call_for_phase(Call::ExecuteStored { low, high }, Purpose::Phase);
                Ok(())
            }
            None => self.end_round(cx, blocks),
        }
    }

    /// Takes in the answer to the call of this phase.
    pub(super) fn answer(
        &mut self,
        cx: &mut Cx<H>,
        call: CallId,
        answer: Answer<H>,
    ) -> Result<(), Fatal> {
        match (answer, &self.step) {
            (Answer::Executed(tip), Step::Executing { run, blocks })
                if tip.height >= run.high.max(cx.tip.height) =>
            {
                let (run, blocks) = (*run, *blocks);
                cx.stats.accepted += tip.height.get() - cx.tip.height.get();
                cx.tip = tip;
                self.download.executed(run)?;
                self.execute(cx, blocks)
            }
            (Answer::Block(block), Step::Downloading) => {
                if !self.download.looked_for(cx, block)? {
                    return Err(Fatal::WrongAnswer(call));
                }
                self.try_execute(cx)
            }
            _ => Err(Fatal::WrongAnswer(call)),
        }
    }

    /// All that was stored is executed. A round that executed much took so long that there is more
    /// by now; that each has less than half the blocks of the one before it makes them end.
    fn end_round(&mut self, cx: &mut Cx<H>, blocks: u64) -> Result<(), Fatal> {
        let before = std::mem::replace(&mut self.executed_before, blocks);
        if blocks > 0 && blocks < before / 2 {
            return self.begin(cx);
        }
        if !self.told {
            self.told = true;
            cx.emit(Output::Bootstrapped);
        }
        self.step = if cx.subnet_done {
            Step::Done
        } else {
            Step::AwaitingSubnet(cx.now.after(SUBNET_DELAY))
        };
        Ok(())
    }

    /// All chains of the subnet have caught up.
    pub(super) fn subnet_bootstrapped(&mut self) {
        if matches!(self.step, Step::AwaitingSubnet(_)) {
            self.step = Step::Done;
        }
    }

    /// Does what is due.
    pub(super) fn wake(&mut self, cx: &mut Cx<H>) -> Result<(), Fatal> {
        if self.wakes_at().is_some_and(|at| at <= cx.now) {
            return self.begin(cx);
        }
        // A peer that was let off the bench counts again.
        self.peers_changed(cx)
    }
}
