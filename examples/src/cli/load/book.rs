//! The book of a load: which payments are under way, and what became of them.
//!
//! ```text
//!   add --> waiting: the sender has enough under way
//!      \      |
//!       `--> queued --take--> sending --answered--> pending --seen in a block--> accepted
//!              ^                 |                    |
//!              '--- again: full, no answer, not final after a while
//! ```
//!
//! It is pure: time is an argument, counted from the start. Memory is bounded by the window.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use avalanche_consensus::Id;

use super::histogram::Histogram;
use super::sign::Payment;
use super::verdict::{Refusal, Verdict};

/// What bounds a load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Payments that are taken in and not decided.
    pub(super) window: usize,
    /// Payments of one sender that are sent and not final. Mempools take 64, counted from the
    /// state of their node, which may be some blocks behind.
    pub(super) each_sender: usize,
    /// After what time without being final a payment is sent again. Each time doubles it.
    pub(super) resend_after: Duration,
}

/// The longest time between two sendings of a payment, unless the first one is longer.
const RESEND_MAX: Duration = Duration::from_secs(60);
/// When what was refused for want of room is sent again.
const PAUSE: Duration = Duration::from_millis(100);
/// When what a node had that went away is sent to another one.
const ORPHANED: Duration = Duration::from_secs(1);
/// Codes of refusals that are counted apart.
const CODES_MAX: usize = 32;

/// What happened so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Payments that were sent at least once.
    pub(super) submitted: u64,
    /// Those of them that are final.
    pub(super) accepted: u64,
    /// Those that were refused, or stand behind one that was.
    pub(super) rejected: u64,
    /// Those that are neither, at the end.
    pub(super) lost: u64,
    /// Sendings after the first of a payment that may have been taken.
    pub(super) resent: u64,
    /// Answers that there is no room.
    pub(super) pushed_back: u64,
    /// Payments that were never sent, since one before was refused.
    pub(super) skipped: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Queued,
    Sending,
    /// It is sent again at this time.
    Pending(Duration),
    /// There was no room; it is queued again at this time.
    Paused(Duration),
}

#[derive(Debug)]
struct Flight {
    payment: Payment,
    state: State,
    /// The API that it was sent to last.
    api: usize,
    /// When it was first sent.
    first: Option<Duration>,
    /// How often it was sent so that it may have been taken.
    sends: u32,
    /// Whether a node may have it.
    maybe_taken: bool,
}

#[derive(Debug, Default)]
struct Sender {
    /// Payments that are queued or sent, and not decided.
    under_way: usize,
    waiting: VecDeque<Payment>,
    /// The first nonce that was refused and left a gap.
    gap: Option<u64>,
}

/// The book.
#[derive(Debug)]
pub(super) struct Book {
    bounds: Bounds,
    flights: HashMap<Id, Flight>,
    senders: HashMap<u32, Sender>,
    waiting: usize,
    /// What is to be sent, for each API.
    queues: Vec<VecDeque<Id>>,
    alive: Vec<bool>,
    counts: Counts,
    /// Counts and first messages of refusals.
    refusals: BTreeMap<String, (u64, String)>,
    latency: Histogram,
    first_sent: Option<Duration>,
    last_seen: Option<Duration>,
}

impl Book {
    /// An empty book for so many APIs, all of them alive.
    pub(super) fn new(bounds: Bounds, apis: usize) -> Self {
        Self {
            bounds,
            flights: HashMap::new(),
            senders: HashMap::new(),
            waiting: 0,
            queues: (0..apis.max(1)).map(|_| VecDeque::new()).collect(),
            alive: vec![true; apis.max(1)],
            counts: Counts::default(),
            refusals: BTreeMap::new(),
            latency: Histogram::new(),
            first_sent: None,
            last_seen: None,
        }
    }

    pub(super) const fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) const fn latency(&self) -> &Histogram {
        &self.latency
    }

    /// Codes of refusals, how often each came, and its first message.
    pub(super) const fn refusals(&self) -> &BTreeMap<String, (u64, String)> {
        &self.refusals
    }

    /// How many payments can be taken in.
    pub(super) fn room(&self) -> usize {
        self.bounds.window.saturating_sub(self.open())
    }

    /// How many payments are in the book and not decided.
    pub(super) fn open(&self) -> usize {
        self.flights.len() + self.waiting
    }

    /// From the first sending to the last acceptance.
    pub(super) fn span(&self) -> Duration {
        let first = self.first_sent.unwrap_or_default();
        self.last_seen.unwrap_or_default().saturating_sub(first)
    }

    /// Takes a payment in. Payments of one sender come in the order of nonces.
    pub(super) fn add(&mut self, payment: Payment) {
        let each_sender = self.bounds.each_sender;
        let sender = self.senders.entry(payment.sender).or_default();
        if sender.gap.is_some() {
            self.counts.skipped += 1;
        } else if sender.under_way < each_sender {
            self.queue_new(payment);
        } else {
            sender.waiting.push_back(payment);
            self.waiting += 1;
        }
    }

    fn queue_new(&mut self, payment: Payment) {
        let (id, number) = (payment.id, payment.sender);
        self.senders.entry(number).or_default().under_way += 1;
        let api = self.home(number);
        let (state, first) = (State::Queued, None);
        let flight = Flight { payment, state, api, first, sends: 0, maybe_taken: false };
        self.flights.insert(id, flight);
        self.enqueue(api, id);
    }

    fn enqueue(&mut self, api: usize, id: Id) {
        if let Some(queue) = self.queues.get_mut(api) {
            queue.push_back(id);
        }
    }

    /// The API that a sender's payments go to: always the same one, so that a node has them in
    /// order, while it is alive.
    fn home(&self, sender: u32) -> usize {
        let sender = usize::try_from(sender).unwrap_or(0);
        let alive = || (0..self.alive.len()).filter(|api| self.alive.get(*api) == Some(&true));
        let home = sender % self.alive.len().max(1);
        if self.alive.get(home) == Some(&true) {
            return home;
        }
        alive().nth(sender % alive().count().max(1)).unwrap_or(home)
    }

    /// At most `max` payments for an API, which are sent now.
    pub(super) fn take(&mut self, api: usize, max: usize, now: Duration) -> Vec<Payment> {
        let mut batch = Vec::new();
        let Some(queue) = self.queues.get_mut(api) else { return batch };
        while batch.len() < max {
            let Some(id) = queue.pop_front() else { break };
            // It may have been seen in a block meanwhile.
            let Some(flight) = self.flights.get_mut(&id) else { continue };
            if flight.state != State::Queued {
                continue;
            }
            flight.state = State::Sending;
            flight.api = api;
            if flight.first.is_none() {
                flight.first = Some(now);
                self.counts.submitted += 1;
                self.first_sent.get_or_insert(now);
            } else if flight.maybe_taken {
                self.counts.resent += 1;
            }
            batch.push(flight.payment.clone());
        }
        batch
    }

    /// A node has answered about a payment that was sent to it; `None`: it was admitted.
    pub(super) fn answered(&mut self, id: &Id, refusal: Option<&Refusal>, now: Duration) {
        let Some(flight) = self.flights.get_mut(id) else { return };
        let verdict = refusal.map_or(Verdict::UnderWay, |refusal| refusal.verdict());
        match verdict {
            Verdict::NoRoom => {
                self.counts.pushed_back += 1;
                flight.state = State::Paused(now.saturating_add(PAUSE));
            }
            // A node that may have it, or had it, counts more than one that refuses it later: that
            // one may be behind, or ahead.
            Verdict::Refused { .. } if !flight.maybe_taken => {
                let leaves_gap = verdict == Verdict::Refused { leaves_gap: true };
                if let Some(refusal) = refusal {
                    self.note(refusal);
                }
                self.refuse(id, leaves_gap);
            }
            Verdict::UnderWay | Verdict::Refused { .. } => {
                flight.maybe_taken = true;
                flight.sends += 1;
                let rest = rest(self.bounds.resend_after, flight.sends);
                flight.state = State::Pending(now.saturating_add(rest));
            }
        }
    }

    /// There was no answer: nobody knows whether the payment was taken. It is sent again.
    pub(super) fn unanswered(&mut self, id: &Id) {
        let Some(flight) = self.flights.get_mut(id) else { return };
        flight.maybe_taken = true;
        flight.state = State::Queued;
        let (id, sender) = (*id, flight.payment.sender);
        let api = self.home(sender);
        self.enqueue(api, id);
    }

    fn note(&mut self, refusal: &Refusal) {
        let known = self.refusals.len() < CODES_MAX || self.refusals.contains_key(&refusal.code);
        let code = if known { refusal.code.as_str() } else { "other" };
        let entry = self.refusals.entry(code.to_owned());
        entry.or_insert_with(|| (0, refusal.message.clone())).0 += 1;
    }

    fn refuse(&mut self, id: &Id, leaves_gap: bool) {
        let Some(flight) = self.flights.remove(id) else { return };
        self.counts.rejected += 1;
        let Payment { sender: number, transfer, .. } = flight.payment;
        let sender = self.senders.entry(number).or_default();
        if !leaves_gap {
            self.left(number);
            return;
        }
        sender.under_way = sender.under_way.saturating_sub(1);
        let nonce = transfer.view().nonce();
        sender.gap = Some(sender.gap.map_or(nonce, |gap| gap.min(nonce)));
        let skipped = sender.waiting.len();
        sender.waiting.clear();
        self.waiting -= skipped;
        self.counts.skipped += u64::try_from(skipped).unwrap_or(0);
        // What was never sent need not be.
        let unsent = self
            .flights
            .extract_if(|_, flight| flight.payment.sender == number && flight.first.is_none());
        let unsent = unsent.count();
        sender.under_way = sender.under_way.saturating_sub(unsent);
        self.counts.skipped += u64::try_from(unsent).unwrap_or(0);
    }

    /// Payments that became final, at the time that their block was told.
    pub(super) fn seen<'a>(&mut self, ids: impl IntoIterator<Item = &'a Id>, at: Duration) {
        for id in ids {
            self.accept(id, at);
        }
    }

    fn accept(&mut self, id: &Id, at: Duration) {
        let Some(flight) = self.flights.remove(id) else { return };
        let first = flight.first.unwrap_or(at);
        if flight.first.is_none() {
            self.counts.submitted += 1;
        }
        self.counts.accepted += 1;
        self.latency.add(at.saturating_sub(first));
        self.last_seen = self.last_seen.max(Some(at));
        self.left(flight.payment.sender);
    }

    /// A payment of a sender was decided: the next one that waits goes.
    fn left(&mut self, number: u32) {
        let Some(sender) = self.senders.get_mut(&number) else { return };
        sender.under_way = sender.under_way.saturating_sub(1);
        if sender.under_way < self.bounds.each_sender
            && let Some(payment) = sender.waiting.pop_front()
        {
            self.waiting -= 1;
            self.queue_new(payment);
        }
    }

    /// Queues what is to be sent again by now. Looks at all that is under way: a few times a second
    /// is enough.
    pub(super) fn tick(&mut self, now: Duration) {
        let mut due: Vec<(u64, Id, u32)> = Vec::new();
        for (id, flight) in &mut self.flights {
            let at = match flight.state {
                State::Pending(at) | State::Paused(at) => at,
                State::Queued | State::Sending => continue,
            };
            if at <= now {
                flight.state = State::Queued;
                due.push((flight.payment.transfer.view().nonce(), *id, flight.payment.sender));
            }
        }
        // In the order of nonces, so that a node can admit each.
        due.sort_unstable();
        for (_, id, sender) in due {
            let api = self.home(sender);
            self.enqueue(api, id);
        }
    }

    /// An API is alive or not. What waits for one that is not goes to another, and what it had is
    /// sent again soon: its mempool may be gone.
    pub(super) fn set_alive(&mut self, api: usize, alive: bool, now: Duration) {
        match self.alive.get_mut(api) {
            Some(old) if *old != alive => *old = alive,
            _ => return,
        }
        if !alive {
            let soon = now.saturating_add(ORPHANED);
            for flight in self.flights.values_mut().filter(|flight| flight.api == api) {
                if let State::Pending(at) = &mut flight.state {
                    *at = soon.min(*at);
                }
            }
        }
        if !self.alive.contains(&true) {
            return;
        }
        let dead = self.queues.iter_mut().zip(&self.alive).filter(|(_, alive)| !**alive);
        let moved: Vec<Id> = dead.flat_map(|(queue, _)| queue.drain(..)).collect();
        for id in moved {
            let sender = self.flights.get(&id).map(|flight| flight.payment.sender);
            if let Some(sender) = sender {
                let api = self.home(sender);
                self.enqueue(api, id);
            }
        }
    }

    /// Forgets what was never sent, and returns the names of what was sent and is not decided.
    pub(super) fn undecided(&mut self) -> Vec<Id> {
        self.senders.values_mut().for_each(|sender| sender.waiting.clear());
        self.waiting = 0;
        self.flights.retain(|_, flight| flight.first.is_some());
        self.flights.keys().copied().collect()
    }

    /// How many have been sent and are not decided.
    pub(super) const fn sent_and_open(&self) -> u64 {
        let Counts { submitted, accepted, rejected, lost, .. } = self.counts;
        submitted.saturating_sub(accepted).saturating_sub(rejected).saturating_sub(lost)
    }

    /// Ends the book. What is still undecided is lost, unless a payment before it was refused: then
    /// it could not become final, and was rejected with that one.
    pub(super) fn close(&mut self) {
        for (_, flight) in self.flights.drain() {
            let gap = self.senders.get(&flight.payment.sender).and_then(|sender| sender.gap);
            if gap.is_some_and(|gap| gap < flight.payment.transfer.view().nonce()) {
                self.counts.rejected += 1;
            } else {
                self.counts.lost += 1;
            }
        }
    }
}

/// How long a payment rests that was sent so often: doubled each time.
fn rest(resend_after: Duration, sends: u32) -> Duration {
    let doubled = 1_u32.checked_shl(sends.saturating_sub(1)).unwrap_or(u32::MAX);
    resend_after.saturating_mul(doubled).min(RESEND_MAX.max(resend_after))
}

#[cfg(test)]
mod tests;
