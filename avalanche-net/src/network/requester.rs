//! Requests of which the network itself waits for the answers.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use avalanche_consensus::network::{BenchConfig, Benchlist};
use avalanche_consensus::snowball::Parameters;
use avalanche_consensus::validators::{Validator, ValidatorSet};
use avalanche_consensus::{Error, Id, NodeId, Timestamp};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until};

use super::config::Limits;
use super::driver::Clock;
use super::shared::Shared;
use super::stats;
use crate::control::PeerValidator;
use crate::requests::{
    Answer, Failed, FailureCause, Refused, Registered, Request, RequestStats, Requests,
    RequestsConfig,
};
use crate::wire::{Body, Class, EncodeError, Op, Route};

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestFailed {
    /// The node is not connected. Ask another.
    NotConnected,
    /// The queue to the node is full. Ask another, or later.
    QueueFull,
    /// No answer came in time.
    TimedOut,
    /// The connection ended before the answer came.
    Disconnected,
    /// The node failed so often lately that it is not waited for.
    Benched,
    /// The application of the node answered that it failed.
    App {
        /// What failed; AvalancheGo's own codes are negative.
        code: i32,
        /// In words of the node.
        message: String,
    },
    /// Too much is asked at once.
    Refused(Refused),
    /// The request cannot be sent.
    Encode(EncodeError),
    /// The network is shut down.
    ShutDown,
}

/// Whom a request was sent, and how long the answer took if there was one.
pub(crate) type Outcome = (NodeId, Option<Duration>);

/// Outcomes that are kept for the control.
const OUTCOMES_MAX: usize = 1_024;

type Waiter = oneshot::Sender<Result<Body, RequestFailed>>;

/// Open requests, and who waits for each.
#[derive(Debug)]
pub(crate) struct Requester {
    clock: Clock,
    state: Mutex<State>,
    /// Open requests: most answers are of requests that somebody else counts.
    open: AtomicUsize,
    /// A request was opened that is due earlier than those before it.
    earlier: Notify,
}

#[derive(Debug)]
struct State {
    requests: Requests,
    /// By the place of the request.
    waiting: Vec<Option<Waiter>>,
    /// How requests went, until the control has something to do anyway.
    outcomes: Vec<Outcome>,
    /// When what is due is looked for next; `None` while nothing is open.
    looks_at: Option<Timestamp>,
    /// Of the primary network.
    validators: ValidatorSet,
}

impl Requester {
    pub(crate) fn new(limits: &Limits, own: NodeId, clock: Clock) -> Result<Self, Error> {
        let config = RequestsConfig { outstanding_max: limits.requests, ..Default::default() };
        let state = State {
            requests: Requests::new(config, own, clock.now())?,
            waiting: Vec::new(),
            outcomes: Vec::new(),
            looks_at: None,
            validators: ValidatorSet::default(),
        };
        Ok(Self {
            clock,
            state: Mutex::new(state),
            open: AtomicUsize::new(0),
            earlier: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who fails on this chain is benched from now on.
    pub(crate) fn add_chain(&self, chain: Id) -> Result<(), Error> {
        let benchlist = Benchlist::new(BenchConfig::default(), &Parameters::default())?;
        self.state().requests.add_chain(chain, benchlist);
        Ok(())
    }

    pub(crate) fn set_validators(&self, subnet: Id, validators: &[PeerValidator]) {
        if subnet != Id::EMPTY {
            return;
        }
        let set: Vec<_> = validators
            .iter()
            .map(|validator| Validator { node_id: validator.node_id, weight: validator.weight })
            .collect();
        // A set with nodes twice, or more weight than fits, benches nobody.
        self.state().validators = ValidatorSet::try_from(set).unwrap_or_default();
    }

    pub(crate) fn stats(&self) -> RequestStats {
        self.state().requests.stats()
    }

    /// Opens a request and sends it; returns who waits.
    fn begin(
        &self,
        shared: &Shared,
        request: Request,
        make: impl FnOnce(u32, Duration) -> Body,
    ) -> Result<oneshot::Receiver<Result<Body, RequestFailed>>, RequestFailed> {
        let link = shared.link_to(&request.node).ok_or(RequestFailed::NotConnected)?;
        let (waiter, waits) = oneshot::channel();
        let now = self.clock.now();
        let registered = {
            let mut state = self.state();
            let registered = state.requests.register(request, now);
            let registered = registered.map_err(RequestFailed::Refused)?;
            if !registered.benched {
                state.wait(registered.place, waiter);
            }
            self.open.store(state.requests.len(), Ordering::Release);
            if state.looks_at.is_none_or(|at| registered.deadline < at) {
                state.looks_at = Some(registered.deadline);
                self.earlier.notify_one();
            }
            registered
        };
        let Registered { request_id, timeout, benched, place, .. } = registered;
        let failed = match shared.push_body(&link, make(request_id, timeout)) {
            Ok(queued) => (!queued).then_some(RequestFailed::QueueFull),
            Err(error) => Some(RequestFailed::Encode(error)),
        };
        if let Some(error) = failed {
            let mut state = self.state();
            let Request { node, chain, op, .. } = request;
            // If it has ended since, its place may be another's.
            if state.requests.not_sent(node, chain, request_id, op).is_some() {
                state.take(place);
            }
            self.open.store(state.requests.len(), Ordering::Release);
            return Err(error);
        }
        if benched { Err(RequestFailed::Benched) } else { Ok(waits) }
    }

    /// Whether an answer of this kind may be to a request of this: nearly always it is of an engine
    /// that counts its own.
    pub(crate) fn expects(&self, op: Op) -> bool {
        op.class() == Class::App || self.open.load(Ordering::Acquire) > 0
    }

    /// Takes an answer to a request of this, which came at that time; others come back.
    ///
    /// Answers of applications that match nothing are dropped: requests of applications are all of
    /// this. Other requests may be counted by an engine.
    pub(crate) fn answered(
        &self,
        shared: &Shared,
        node_id: NodeId,
        route: Route,
        op: Op,
        body: Body,
        arrived: Timestamp,
    ) -> Option<Body> {
        let Some(request_id) = route.request_id else { return Some(body) };
        let app = op.class() == Class::App;
        let (answer, waiter, left) = {
            let mut state = self.state();
            let State { requests, validators, .. } = &mut *state;
            let (answer, place) =
                requests.answer_at(node_id, route.chain, request_id, op, validators, arrived);
            let waiter = place.and_then(|place| state.take(place));
            let left = match answer {
                Answer::Matched { latency, .. } => state.keep((node_id, Some(latency))),
                _ => None,
            };
            self.open.store(state.requests.len(), Ordering::Release);
            (answer, waiter, left)
        };
        if let Some(outcome) = left {
            shared.tell_outcome(outcome);
        }
        match answer {
            Answer::Matched { .. } => {
                if let Some(waiter) = waiter {
                    // Who asked may have gone.
                    let _ = waiter.send(Ok(body));
                }
                None
            }
            _ if app => {
                stats::add(&shared.counters.unmatched_answers, 1);
                None
            }
            _ => Some(body),
        }
    }

    /// How requests went since the last call.
    pub(crate) fn take_outcomes(&self) -> Vec<Outcome> {
        std::mem::take(&mut self.state().outcomes)
    }

    /// What was asked of a node has failed.
    pub(crate) fn disconnected(&self, node_id: NodeId) {
        let mut state = self.state();
        let failed = state.requests.disconnected_at(&node_id);
        state.fail(&failed);
        self.open.store(state.requests.len(), Ordering::Release);
    }

    /// Ends what is due; says when to look again.
    fn expire(&self, shared: &Shared) -> Option<Instant> {
        let mut state = self.state();
        let State { requests, validators, .. } = &mut *state;
        let failed = requests.expire_at(|_| Some(&*validators), self.clock.now());
        for (_, failed) in &failed {
            if let Some(outcome) = state.keep((failed.node, None)) {
                shared.tell_outcome(outcome);
            }
        }
        state.fail(&failed);
        // Nobody asks for these events yet.
        while state.requests.next_bench_event().is_some() {}
        self.open.store(state.requests.len(), Ordering::Release);
        state.looks_at = state.requests.next_deadline();
        state.looks_at.map(|at| self.clock.instant(at))
    }

    /// Whoever waits learns that nothing will come.
    fn shut_down(&self) {
        for waiter in std::mem::take(&mut self.state().waiting).into_iter().flatten() {
            let _ = waiter.send(Err(RequestFailed::ShutDown));
        }
    }
}

impl State {
    /// Keeps who waits for the request at a place. There are no more places than requests that may
    /// be open.
    fn wait(&mut self, place: u32, waiter: Waiter) {
        let place = place as usize;
        if place >= self.waiting.len() {
            self.waiting.resize_with(place + 1, || None);
        }
        if let Some(entry) = self.waiting.get_mut(place) {
            *entry = Some(waiter);
        }
    }

    /// Who waits for the request that was at a place; nobody if it was benched.
    fn take(&mut self, place: u32) -> Option<Waiter> {
        self.waiting.get_mut(place as usize)?.take()
    }

    /// Keeps an outcome; it comes back if there is no room.
    fn keep(&mut self, outcome: Outcome) -> Option<Outcome> {
        if self.outcomes.len() >= OUTCOMES_MAX {
            return Some(outcome);
        }
        self.outcomes.push(outcome);
        None
    }

    fn fail(&mut self, failed: &[(u32, Failed)]) {
        for (place, failed) in failed {
            if let Some(waiter) = self.take(*place) {
                let _ = waiter.send(Err(match failed.cause {
                    FailureCause::TimedOut => RequestFailed::TimedOut,
                    FailureCause::Disconnected => RequestFailed::Disconnected,
                    FailureCause::NotSent => RequestFailed::QueueFull,
                }));
            }
        }
    }
}

/// Ends requests at their deadlines; runs until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let _end = ShutDown(&shared);
    loop {
        match shared.requests.expire(&shared) {
            Some(deadline) => tokio::select! {
                () = sleep_until(deadline) => {}
                () = shared.requests.earlier.notified() => {}
            },
            None => shared.requests.earlier.notified().await,
        }
    }
}

struct ShutDown<'a>(&'a Shared);

impl Drop for ShutDown<'_> {
    fn drop(&mut self) {
        self.0.requests.shut_down();
    }
}

/// Asks, and waits for the answer. Who stops waiting leaves the request open until its deadline.
pub(crate) async fn request(
    shared: &Shared,
    request: Request,
    make: impl FnOnce(u32, Duration) -> Body,
) -> Result<Body, RequestFailed> {
    let waits = shared.requests.begin(shared, request, make)?;
    waits.await.unwrap_or(Err(RequestFailed::ShutDown))
}

impl fmt::Display for RequestFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => f.write_str("the node is not connected; ask another"),
            Self::QueueFull => f.write_str("the queue to the node is full; ask another, or later"),
            Self::TimedOut => f.write_str("no answer came in time"),
            Self::Disconnected => f.write_str("the connection ended before the answer came"),
            Self::Benched => f.write_str("the node failed too often lately; ask another"),
            Self::App { code, message } => {
                write!(f, "the node's application failed with code {code}: {message}")
            }
            Self::Refused(refused) => refused.fmt(f),
            Self::Encode(error) => error.fmt(f),
            Self::ShutDown => f.write_str("the network is shut down"),
        }
    }
}

impl std::error::Error for RequestFailed {}
