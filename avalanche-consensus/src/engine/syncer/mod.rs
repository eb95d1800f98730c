//! State sync: looking for a state to start from (AvalancheGo's
//! `snow/engine/snowman/syncer/state_syncer.go`).
//!
//! ```text
//!  enough weight connected --> ask the VM which summary it was syncing to
//!            ^                 --> ask some nodes for their newest summaries
//!            +-- too few ----<     --> ask all nodes which of those they have
//!            +-- too few ----<         --> give the VM the best that most of the weight has
//!                                          --> wait for its state, or go on --> bootstrapping
//! ```
//!
//! # A deliberate difference
//!
//! Too few answers mean that state sync begins again. For the first question AvalancheGo takes the
//! stake of the silent nodes from the number of samples, two different measures, and lets the
//! difference wrap round. So with stakes above one, a single silent node makes the rest look
//! enormous, and it goes on with whatever it has. Here silent nodes lose as many samples as they
//! had: it goes on if more than half of the samples answered. With stakes of one, where each node
//! is sampled at most once, both rules are the same.
//!
//! As in bootstrapping, a round that found nothing is not repeated before an answer could have
//! come; and blocks that were stored before stay, since executing those that are below the new
//! state only deletes them.
//!
//! # Limits
//!
//! Each sampled node adds at most one summary; one list of names is at most as long as the
//! question. So there are at most `k` summaries and the VM's own.

mod candidates;

use std::collections::BTreeMap;

use candidates::Candidates;

use super::bootstrapper::ask;
use super::normal::Cx;
use super::{Answer, Call, CallId, Fatal, Fault, Message, MessageKind, Purpose, Summary, SyncMode};
use crate::bootstrap::{FrontierPoll, Majority, Minority};
use crate::sampler::WeightedWithoutReplacement;
use crate::validators::Validator;
use crate::{Id, NodeId, Timestamp};

/// The state of state sync.
#[derive(Debug)]
pub(super) struct Syncer<H> {
    step: Step,
    candidates: Candidates<H>,
    /// The nodes that are asked in this round.
    beacons: Vec<Validator>,
    request_id: u32,
    began: Timestamp,
}

#[derive(Debug)]
enum Step {
    /// Too little weight is connected.
    Waiting,
    /// The VM is asked for the summary that it was syncing to.
    Recalling,
    /// Some nodes are asked for their newest summaries.
    Seeding(Seeding),
    /// All nodes are asked which summaries they have.
    Voting {
        majority: Majority,
        /// Weight of the nodes that did not answer.
        silent: u64,
    },
    /// Too few answered, and it is too early to ask again.
    Resting(Timestamp),
    /// The VM was given a summary.
    Accepting,
    /// The VM syncs, and bootstrapping waits for it.
    Syncing,
    Done,
}

#[derive(Debug)]
struct Seeding {
    minority: Minority,
    /// How often each node was sampled.
    samples: BTreeMap<NodeId, u64>,
    /// Samples of nodes that did not answer.
    silent: u64,
}

impl Seeding {
    /// Whether the samples that answered are so many that the missing ones change nothing: as large
    /// a part as `alpha` is of the weight.
    fn suffices(&self, beacons: &[Validator]) -> bool {
        let weight = total(beacons);
        let samples: u64 = self.samples.values().sum();
        let answered = u128::from(samples.saturating_sub(self.silent));
        answered * u128::from(weight) >= u128::from(samples) * u128::from(alpha(weight))
    }
}

/// The weight that a summary needs.
const fn alpha(weight: u64) -> u64 {
    weight / 2 + 1
}

/// The sum fits: all are of one set of validators, or weigh one.
fn total(beacons: &[Validator]) -> u64 {
    beacons.iter().map(|beacon| beacon.weight).sum()
}

impl<H: Clone> Syncer<H> {
    pub(super) fn start(cx: &mut Cx<H>) -> Self {
        let mut phase = Self {
            step: Step::Waiting,
            candidates: Candidates::new(),
            beacons: Vec::new(),
            request_id: 0,
            began: cx.now,
        };
        phase.peers_changed(cx);
        phase
    }

    pub(super) const fn is_done(&self) -> bool {
        matches!(self.step, Step::Done)
    }

    /// When to look again without an input.
    pub(super) const fn wakes_at(&self) -> Option<Timestamp> {
        match self.step {
            Step::Resting(at) => Some(at),
            _ => None,
        }
    }

    /// More weight may be connected.
    pub(super) fn peers_changed(&mut self, cx: &mut Cx<H>) {
        if matches!(self.step, Step::Waiting) && cx.can_start() {
            self.begin(cx);
        }
    }

    /// Begins a round.
    fn begin(&mut self, cx: &mut Cx<H>) {
        self.candidates = Candidates::new();
        self.beacons = beacons(cx);
        self.began = cx.now;
        self.step = Step::Recalling;
        cx.call_for_phase(Call::OngoingSummary, Purpose::Phase);
    }

    /// Asks some nodes for their newest summaries.
    fn seed(&mut self, cx: &mut Cx<H>) -> Result<(), Fatal> {
        if self.beacons.is_empty() {
            self.step = Step::Done;
            return Ok(());
        }
        let weights: Vec<u64> = self.beacons.iter().map(|beacon| beacon.weight).collect();
        let mut sampler = WeightedWithoutReplacement::new(&weights)?;
        let units = u64::from(cx.config.parameters.k()).min(total(&self.beacons));
        let units = usize::try_from(units).unwrap_or(usize::MAX);
        let mut samples = BTreeMap::new();
        for at in sampler.sample(units, &mut cx.random).unwrap_or_default() {
            if let Some(beacon) = self.beacons.get(at) {
                *samples.entry(beacon.node_id).or_insert(0) += 1;
            }
        }
        let minority = Minority::new(samples.keys().copied().collect())?
            .with_outstanding_max(cx.config.limits.frontier_requests_max);
        self.request_id = cx.next_request_id();
        self.step = Step::Seeding(Seeding { minority, samples, silent: 0 });
        self.go_on(cx)
    }

    /// Asks whoever can be asked now, and goes on once everybody was heard.
    fn go_on(&mut self, cx: &mut Cx<H>) -> Result<(), Fatal> {
        let request_id = self.request_id;
        if let Step::Seeding(seeding) = &mut self.step {
            ask(cx, &mut seeding.minority, &Message::GetStateSummaryFrontier { request_id })?;
            if seeding.minority.result().is_none() {
                return Ok(());
            }
            if !seeding.suffices(&self.beacons) {
                return self.rest(cx);
            }
            let majority = Majority::new(self.beacons.iter().copied())?
                .with_outstanding_max(cx.config.limits.frontier_requests_max)
                .with_ids_max(self.candidates.len());
            self.request_id = cx.next_request_id();
            self.step = Step::Voting { majority, silent: 0 };
        }
        let request_id = self.request_id;
        let Step::Voting { majority, silent } = &mut self.step else { return Ok(()) };
        let heights = self.candidates.heights().to_vec();
        ask(cx, majority, &Message::GetAcceptedStateSummary { request_id, heights })?;
        let Some(backed) = majority.result() else { return Ok(()) };
        if let Some(summary) = self.candidates.best(backed) {
            self.step = Step::Accepting;
            // The VM may be done before it answers.
            cx.state_syncing = true;
            cx.call_for_phase(Call::AcceptSummary(summary), Purpose::Phase);
            return Ok(());
        }
        let weight = total(&self.beacons);
        if weight.saturating_sub(*silent) < alpha(weight) {
            return self.rest(cx);
        }
        self.step = Step::Done;
        Ok(())
    }

    /// Begins again, but not before an answer could have come.
    fn rest(&mut self, cx: &mut Cx<H>) -> Result<(), Fatal> {
        self.step = Step::Resting(self.began.after(cx.requests.timeout()));
        self.wake(cx)
    }

    /// Takes in an answer to a request of this phase. Those to requests of earlier rounds count for
    /// nothing.
    pub(super) fn message(
        &mut self,
        cx: &mut Cx<H>,
        from: NodeId,
        message: Message<H>,
    ) -> Result<(), Fatal> {
        if message.request_id() != self.request_id {
            return Ok(());
        }
        match message {
            Message::StateSummaryFrontier { summary, .. } => {
                self.summary(cx, from, summary)?;
            }
            Message::AcceptedStateSummary { ids, .. } => self.vote(cx, from, ids)?,
            _ => {}
        }
        self.go_on(cx)
    }

    /// A node says what its newest summary is. One that cannot be parsed is an answer all the same.
    fn summary(
        &mut self,
        cx: &mut Cx<H>,
        from: NodeId,
        summary: Option<Summary<H>>,
    ) -> Result<(), Fatal> {
        let Step::Seeding(seeding) = &mut self.step else { return Ok(()) };
        match summary {
            Some(summary) => {
                if self.candidates.len() < cx.config.limits.ids_max {
                    self.candidates.add(summary);
                }
            }
            None => cx.fault(from, Fault::Malformed(MessageKind::StateSummaryFrontier)),
        }
        // Nobody else was asked.
        let _ = seeding.minority.record_opinion(&from, &[])?;
        Ok(())
    }

    /// A node says which summaries it has.
    fn vote(&mut self, cx: &mut Cx<H>, from: NodeId, mut ids: Vec<Id>) -> Result<(), Fatal> {
        let Step::Voting { majority, .. } = &mut self.step else { return Ok(()) };
        let (kind, max) = (MessageKind::AcceptedStateSummary, self.candidates.heights().len());
        let found = ids.len();
        if found > max {
            cx.fault(from, Fault::TooLong { kind, found, max });
            ids.clear();
        }
        ids.retain(|id| self.candidates.contains(id));
        let _ = majority.record_opinion(&from, &ids)?;
        Ok(())
    }

    /// A request of this phase stays without an answer.
    pub(super) fn request_failed(
        &mut self,
        cx: &mut Cx<H>,
        node: NodeId,
        request_id: u32,
        answer: MessageKind,
    ) -> Result<(), Fatal> {
        if request_id == self.request_id {
            match (answer, &mut self.step) {
                (MessageKind::StateSummaryFrontier, Step::Seeding(seeding)) => {
                    seeding.silent += seeding.samples.get(&node).copied().unwrap_or(0);
                    let _ = seeding.minority.record_opinion(&node, &[])?;
                }
                (MessageKind::AcceptedStateSummary, Step::Voting { majority, silent }) => {
                    let asked = self.beacons.iter().find(|beacon| beacon.node_id == node);
                    *silent += asked.map_or(0, |beacon| beacon.weight);
                    let _ = majority.record_opinion(&node, &[])?;
                }
                _ => {}
            }
        }
        // There may be room for other requests.
        self.go_on(cx)
    }

    /// Takes in the answer to the call of this phase.
    pub(super) fn answer(
        &mut self,
        cx: &mut Cx<H>,
        call: CallId,
        answer: Answer<H>,
    ) -> Result<(), Fatal> {
        match (answer, &self.step) {
            (Answer::Summary(ongoing), Step::Recalling) => {
                if let Some(summary) = ongoing {
                    self.candidates.add_own(summary);
                }
                self.seed(cx)
            }
            (Answer::SyncMode(mode), Step::Accepting) => {
                cx.state_syncing &= mode != SyncMode::Skipped;
                let wait = mode == SyncMode::Static && cx.state_syncing;
                self.step = if wait { Step::Syncing } else { Step::Done };
                Ok(())
            }
            _ => Err(Fatal::WrongAnswer(call)),
        }
    }

    /// The VM has synced its state.
    pub(super) fn state_sync_done(&mut self) {
        if matches!(self.step, Step::Syncing) {
            self.step = Step::Done;
        }
    }

    /// Does what is due.
    pub(super) fn wake(&mut self, cx: &mut Cx<H>) -> Result<(), Fatal> {
        if self.wakes_at().is_some_and(|at| at <= cx.now) {
            self.begin(cx);
        }
        // A peer that was let off the bench counts again.
        self.peers_changed(cx);
        Ok(())
    }
}

/// Whom to ask for summaries.
fn beacons<H>(cx: &Cx<H>) -> Vec<Validator> {
    let mut chosen = cx.config.state_sync_nodes.clone();
    if chosen.is_empty() {
        return cx.beacons().iter().collect();
    }
    chosen.sort_unstable();
    chosen.dedup();
    chosen.into_iter().map(|node_id| Validator { node_id, weight: 1 }).collect()
}
