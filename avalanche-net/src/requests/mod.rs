//! Requests to peers: each has exactly one outcome.
//!
//! A request is registered before it is sent, under its peer, chain, number and the kind of message
//! that answers it. It ends with the first matching answer, at its deadline, when the peer
//! disconnects, or when it could not be sent; whichever comes first, and once. Everything else that
//! a peer sends as an answer is told apart, counted and not delivered.
//!
//! ```text
//!   register --> open ---- answer -------> Matched         a matched or failed request is
//!                 |  \---- expire -------> Failed          remembered for a while, so that
//!                 |  \---- disconnected -> Failed          what comes after it is Late or
//!                 |   \--- not_sent -----> Failed          Duplicate, not Unsolicited
//!                 |
//!                 +-- benched: fails at once; sent all the same, and its answer is Late
//! ```
//!
//! Deadlines follow from the latencies of the peers
//! ([`AdaptiveTimeouts`]), and peers that fail too
//! often are benched by chain ([`Benchlist`]).
//! AvalancheGo:
//! `snow/networking/{sender,router,timeout}`.
//!
//! # Limits
//!
//! | What | At most | Beyond it |
//! |---|---|---|
//! | open requests | [`RequestsConfig::outstanding_max`] = 65,536 | [`Refused::TooMany`] |
//! | open requests to a peer | [`RequestsConfig::node_outstanding_max`] = 1,024 | [`Refused::TooManyOfNode`] |
//! | requests that are remembered | [`RequestsConfig::remembered_max`] = 16,384 | the oldest is forgotten |
//! | chains with a bench list | [`Requests::CHAINS_MAX`] = 1,024 | not added |
//! | peers without open requests that are kept | 1,024 | one more is forgotten |
//! | bench events not taken | [`Requests::EVENTS_MAX`] = 4,096 | the oldest is lost |
//!
//! An open request is found by its number, in as many steps as there are open ones of that number;
//! one that is remembered, in as many as are remembered.

mod memory;
mod open;
mod outcome;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use avalanche_consensus::network::{AdaptiveTimeouts, BenchEvent, Benchlist, TimeoutConfig};
use avalanche_consensus::validators::ValidatorSet;
use avalanche_consensus::{Error, Id, NodeId, Timestamp};

use crate::wire::Op;
use memory::{Memory, Remembered};
use open::{Open, OpenRequests};
pub use outcome::{Answer, Failed, FailureCause, Refused, RequestStats};

/// Bounds and deadlines of [`Requests`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RequestsConfig {
    /// How deadlines follow from latencies.
    pub timeouts: TimeoutConfig,
    /// Open requests in all. Default: 65,536.
    pub outstanding_max: usize,
    /// Open requests to one peer. Default: 1,024, as many as AvalancheGo has in work for a peer.
    pub node_outstanding_max: usize,
    /// Requests that have ended and are remembered. Default: 16,384.
    pub remembered_max: usize,
}

impl Default for RequestsConfig {
    fn default() -> Self {
        Self {
            timeouts: TimeoutConfig::default(),
            outstanding_max: 1 << 16,
            node_outstanding_max: 1_024,
            remembered_max: 1 << 14,
        }
    }
}

/// A request that is about to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who is asked.
    pub node: NodeId,
    /// The chain that asks.
    pub chain: Id,
    /// The kind of the request.
    pub op: Op,
    /// The number, if the asking engine chose one. Who asks many peers at once uses one number for
    /// all of them. `None` takes a number that is free.
    pub request_id: Option<u32>,
}

/// A request that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The number to send it with.
    pub request_id: u32,
    /// What the message says how long the answer is of use.
    pub timeout: Duration,
    /// When it fails.
    pub deadline: Timestamp,
    /// The peer is benched, so the request has failed already. It should be sent all the same: an
    /// answer is not delivered, but lets the peer off earlier.
    pub benched: bool,
    /// Its place among those that are open: no other has it until this one ends.
    pub(crate) place: u32,
}

/// Who asked whom for what, until there is an answer.
#[derive(Debug)]
pub struct Requests {
    own: NodeId,
    config: RequestsConfig,
    /// Only says how long; when each request is due is kept with those that are open.
    timeouts: AdaptiveTimeouts<()>,
    open: OpenRequests,
    benchlists: BTreeMap<Id, Benchlist>,
    memory: Memory,
    next_id: u32,
    /// No request had a higher number so far.
    highest_id: u32,
    events: VecDeque<(Id, BenchEvent)>,
    stats: RequestStats,
}

/// The name of a request. The number is first: nearly always it tells two of them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    request_id: u32,
    node: NodeId,
    chain: Id,
    /// The kind of its answer, never [`Op::AppError`].
    answer: Op,
}

impl Requests {
    /// Chains that can have a bench list.
    pub const CHAINS_MAX: usize = 1_024;
    /// Bench events that are kept until they are taken.
    pub const EVENTS_MAX: usize = 4_096;

    /// No requests yet. `own` is this node: requests to oneself are not measured.
    ///
    /// # Errors
    ///
    /// [`Error::Timeouts`] if the configuration of the timeouts breaks a rule.
    pub fn new(config: RequestsConfig, own: NodeId, now: Timestamp) -> Result<Self, Error> {
        let timeouts = AdaptiveTimeouts::new(config.timeouts, now)?;
        Ok(Self {
            own,
            config,
            timeouts,
            open: OpenRequests::default(),
            benchlists: BTreeMap::new(),
            memory: Memory::new(config.remembered_max),
            next_id: 1,
            highest_id: 0,
            events: VecDeque::new(),
            stats: RequestStats::default(),
        })
    }

    /// Benches peers that fail on a chain from now on. False if there are as many chains as
    /// allowed; then nobody is benched on this one.
    pub fn add_chain(&mut self, chain: Id, benchlist: Benchlist) -> bool {
        let room = self.benchlists.len() < Self::CHAINS_MAX || self.benchlists.contains_key(&chain);
        if room {
            self.benchlists.insert(chain, benchlist);
        }
        room
    }

    /// Forgets who failed on a chain. Its open requests stay.
    pub fn remove_chain(&mut self, chain: &Id) {
        self.benchlists.remove(chain);
    }

    /// Opens a request. The caller sends it next, and calls [`Requests::not_sent`] if it cannot.
    ///
    /// # Errors
    ///
    /// [`Refused`] says why it is not to be sent; then nothing has changed, and it has failed.
    pub fn register(&mut self, request: Request, now: Timestamp) -> Result<Registered, Refused> {
        let opened = self.open(request, now);
        if opened.is_err() {
            self.stats.refused += 1;
        }
        opened
    }

    /// Takes in what came as an answer, and says whether to deliver it: only if it matched.
    ///
    /// `validators` are those of the chain's subnet.
    pub fn answer(
        &mut self,
        node: NodeId,
        chain: Id,
        request_id: u32,
        op: Op,
        validators: &ValidatorSet,
        now: Timestamp,
    ) -> Answer {
        self.answer_at(node, chain, request_id, op, validators, now).0
    }

    /// As [`Requests::answer`]; says also at which place the request was that it ends.
    pub(crate) fn answer_at(
        &mut self,
        node: NodeId,
        chain: Id,
        request_id: u32,
        op: Op,
        validators: &ValidatorSet,
        now: Timestamp,
    ) -> (Answer, Option<u32>) {
        let key = Key { node, chain, request_id, answer: canonical(op) };
        let closed = self.close(&key, Remembered::Answered);
        let answer = match closed {
            Some((_, open)) => {
                let latency = now.since(open.sent_at);
                self.measure(&key, open.op, latency, now);
                self.observe(&key, false, validators, now);
                if open.benched {
                    Answer::Late
                } else {
                    Answer::Matched { request: open.op, latency }
                }
            }
            None => self.stray(&key),
        };
        self.stats.count_answer(answer);
        (answer, closed.map(|(place, _)| place))
    }

    /// Ends every request whose deadline has come, in the order of the deadlines, and lets off who
    /// was benched long enough.
    ///
    /// `validators` gives those of a chain's subnet; where it has none, nobody is benched.
    pub fn expire<'v>(
        &mut self,
        validators: impl Fn(&Id) -> Option<&'v ValidatorSet>,
        now: Timestamp,
    ) -> Vec<Failed> {
        self.expire_at(validators, now).into_iter().map(|(_, failed)| failed).collect()
    }

    /// As [`Requests::expire`]; says also at which place each was.
    pub(crate) fn expire_at<'v>(
        &mut self,
        validators: impl Fn(&Id) -> Option<&'v ValidatorSet>,
        now: Timestamp,
    ) -> Vec<(u32, Failed)> {
        let mut failed = Vec::new();
        while let Some(key) = self.open.due(now) {
            let Some((place, open)) = self.close(&key, Remembered::Failed) else { break };
            // It took at least as long as it was given.
            self.measure(&key, open.op, now.since(open.sent_at), now);
            if open.op != Op::AppRequest
                && let Some(validators) = validators(&key.chain)
            {
                self.observe(&key, true, validators, now);
            }
            if !open.benched {
                self.stats.timed_out += 1;
                failed.push((place, key.failed(open.op, FailureCause::TimedOut)));
            }
        }
        for (chain, benchlist) in &mut self.benchlists {
            for event in benchlist.expire(now) {
                remember_event(&mut self.events, *chain, event);
            }
        }
        failed
    }

    /// Ends every request to a peer at once: its connection is gone. Neither latencies nor bench
    /// lists take that in.
    pub fn disconnected(&mut self, node: &NodeId) -> Vec<Failed> {
        self.disconnected_at(node).into_iter().map(|(_, failed)| failed).collect()
    }

    /// As [`Requests::disconnected`]; says also at which place each was.
    pub(crate) fn disconnected_at(&mut self, node: &NodeId) -> Vec<(u32, Failed)> {
        let mut failed = Vec::with_capacity(self.outstanding(node));
        for key in self.open.names_of_node(node) {
            let Some((place, open)) = self.close(&key, Remembered::Failed) else { continue };
            if !open.benched {
                self.stats.disconnected += 1;
                failed.push((place, key.failed(open.op, FailureCause::Disconnected)));
            }
        }
        failed
    }

    /// Ends a request that was registered and then not sent, because the peer is not connected or
    /// its queue is full. `None` if it has ended already.
    pub fn not_sent(&mut self, node: NodeId, chain: Id, request_id: u32, op: Op) -> Option<Failed> {
        let key = Key { node, chain, request_id, answer: op.answer()? };
        let (_, open) = self.close(&key, Remembered::Failed)?;
        if open.benched {
            return None;
        }
        self.stats.not_sent += 1;
        Some(key.failed(open.op, FailureCause::NotSent))
    }

    /// When to call [`Requests::expire`] next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let expiries = self.benchlists.values().filter_map(Benchlist::next_expiry);
        expiries.chain(self.open.next_deadline()).min()
    }

    /// Takes the next event of the bench lists, oldest first.
    pub fn next_bench_event(&mut self) -> Option<(Id, BenchEvent)> {
        self.events.pop_front()
    }

    /// Whether requests of a chain to a peer fail at once.
    #[must_use]
    pub fn is_benched(&self, chain: &Id, node: &NodeId) -> bool {
        self.benchlists.get(chain).is_some_and(|benchlist| benchlist.is_benched(node))
    }

    /// The timeout that the next request gets.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeouts.timeout()
    }

    /// The average latency of the peers.
    #[must_use]
    pub fn average_latency(&self) -> Duration {
        self.timeouts.average_latency()
    }

    /// Number of open requests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether no request is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.len() == 0
    }

    /// Number of open requests to a peer.
    #[must_use]
    pub fn outstanding(&self, node: &NodeId) -> usize {
        self.open.of_node(node)
    }

    /// What happened so far.
    #[must_use]
    pub const fn stats(&self) -> RequestStats {
        self.stats
    }

    fn open(&mut self, request: Request, now: Timestamp) -> Result<Registered, Refused> {
        let Request { node, chain, op, request_id } = request;
        let answer = op.answer().ok_or(Refused::NoRequest { op })?;
        if self.open.len() >= self.config.outstanding_max {
            return Err(Refused::TooMany { max: self.config.outstanding_max });
        }
        let max = self.config.node_outstanding_max;
        if self.outstanding(&node) >= max {
            return Err(Refused::TooManyOfNode { max });
        }
        let key = match request_id {
            Some(request_id) => {
                let key = Key { node, chain, request_id, answer };
                if self.open.contains(&key) {
                    return Err(Refused::IdInUse { request_id });
                }
                key
            }
            None => self.free_key(node, chain, answer),
        };
        let timeout = self.timeouts.timeout();
        let benched = self.is_benched(&chain, &node);
        let deadline = now.after(timeout);
        let place = self.open.insert(Open { key, op, sent_at: now, deadline, benched });
        if request_id.is_some() {
            self.memory.forget(&key);
        }
        self.highest_id = self.highest_id.max(key.request_id);
        self.stats.registered += 1;
        self.stats.benched += u64::from(benched);
        Ok(Registered { request_id: key.request_id, timeout, deadline, benched, place })
    }

    /// The next number that is neither open nor remembered. Zero is left out, and there is always
    /// one, because far fewer than all are kept.
    fn free_key(&mut self, node: NodeId, chain: Id, answer: Op) -> Key {
        loop {
            let key = Key { node, chain, request_id: self.next_id, answer };
            self.next_id = self.next_id.checked_add(1).unwrap_or(1);
            // Nearly always it is higher than all before.
            let is_new = key.request_id > self.highest_id;
            if is_new || !self.open.contains(&key) && !self.memory.contains(&key) {
                return key;
            }
        }
    }

    /// Takes out an open request, and remembers how it ended; returns its place, too.
    fn close(&mut self, key: &Key, outcome: Remembered) -> Option<(u32, Open)> {
        let (place, open) = self.open.remove(key)?;
        // One that failed when it was registered is late whenever its answer comes.
        let outcome = if open.benched { Remembered::Failed } else { outcome };
        self.memory.insert(*key, outcome);
        Some((place, open))
    }

    /// Takes a latency into the timeouts, unless a peer could choose it at will or it is our own.
    fn measure(&mut self, key: &Key, op: Op, latency: Duration, now: Timestamp) {
        if op != Op::Get && key.node != self.own {
            self.timeouts.observe_latency(latency, now);
        }
    }

    fn observe(&mut self, key: &Key, failed: bool, validators: &ValidatorSet, now: Timestamp) {
        let Some(benchlist) = self.benchlists.get_mut(&key.chain) else { return };
        match benchlist.observe(key.node, failed, validators, now) {
            Ok(events) => {
                for event in events {
                    remember_event(&mut self.events, key.chain, event);
                }
            }
            // More validators than the list follows: the others are not benched.
            Err(_) => self.stats.bench_full += 1,
        }
    }

    /// What an answer is that no open request waits for.
    fn stray(&self, key: &Key) -> Answer {
        match self.memory.get(key) {
            Some(Remembered::Failed) => return Answer::Late,
            Some(Remembered::Answered) => return Answer::Duplicate,
            None => {}
        }
        let other = self.open.of_any_kind(key);
        other.map_or(Answer::Unsolicited, |other| Answer::WrongOp { expected: other.answer })
    }
}

impl Key {
    /// Where to look for it among so many rows, a power of two. Only the number counts, which this
    /// node chooses: it has as many steps to make as it has requests of one number, whatever ids
    /// peers have, and hardly two of the numbers that are made here come to one row.
    const fn row(&self, rows: usize) -> usize {
        self.request_id as usize & rows.wrapping_sub(1)
    }

    const fn failed(&self, op: Op, cause: FailureCause) -> Failed {
        let Self { node, chain, request_id, .. } = *self;
        Failed { node, chain, request_id, op, cause }
    }
}

/// The kind under which a request waits: an error of an application answers like a response.
const fn canonical(op: Op) -> Op {
    match op {
        Op::AppError => Op::AppResponse,
        other => other,
    }
}

fn remember_event(events: &mut VecDeque<(Id, BenchEvent)>, chain: Id, event: BenchEvent) {
    if events.len() >= Requests::EVENTS_MAX {
        events.pop_front();
    }
    events.push_back((chain, event));
}

#[cfg(test)]
mod tests;
