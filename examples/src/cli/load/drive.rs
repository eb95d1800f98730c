//! The run itself: payments are sent, blocks are read, what has died is sent again.

use std::collections::HashMap;
use std::time::Duration;

use avalanche_consensus::Id;
use avalanche_gateway::api::{BatchAnswer, Refused, frame};
use avalanche_gateway::client::{Client, ClientError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::LoadArgs;
use super::apis::Api;
use super::book::{Book, Bounds};
use super::follow::{Seen, follow};
use super::pace::Pace;
use super::show::Show;
use super::sign::{Next, Stock};
use super::verdict::Refusal;
use crate::cli::CliError;

/// Payments of one sender under way; see [`Bounds::each_sender`].
const EACH_SENDER: usize = 48;
/// How long an answer to a batch is waited for. A paused node takes connections and is silent.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked what is due.
const TICK: Duration = Duration::from_millis(5);
/// Ticks between two looks at all that is under way.
const LOOK_EVERY: u64 = 50;
/// Blocks that were read and not booked.
const BLOCKS: usize = 64;
/// How long to wait without progress once the run was interrupted.
const INTERRUPTED: Duration = Duration::from_secs(3);

/// What a request came to.
enum Reply {
    Batch { api: usize, ids: Vec<Id>, outcome: Result<BatchAnswer, ClientError> },
    Probe { api: usize, alive: bool },
}

/// A run.
pub(super) struct Run {
    pub(super) book: Book,
    pub(super) disconnects: u64,
    pub(super) interrupted: bool,
    apis: Vec<Api>,
    requests: JoinSet<Reply>,
    stock: Stock,
    stock_ended: bool,
    pace: Pace,
    /// Payments that were taken from the stock.
    begun: u64,
    batch: usize,
    connections: u16,
    settle: Duration,
    started: Instant,
    /// When something last became final or was taken in.
    progress: Duration,
}

impl Run {
    /// A run on these APIs with what was signed for it.
    pub(super) fn new(args: &LoadArgs, clients: &[Client], stock: Stock) -> Self {
        let bounds = Bounds {
            window: usize::try_from(args.window).unwrap_or(usize::MAX),
            each_sender: EACH_SENDER,
            resend_after: Duration::from_secs(args.resend_after),
        };
        let apis = clients.iter().map(|client| Api::new(client.clone().with_timeout(PATIENCE)));
        Self {
            book: Book::new(bounds, clients.len()),
            disconnects: 0,
            interrupted: false,
            apis: apis.collect(),
            requests: JoinSet::new(),
            stock,
            stock_ended: false,
            pace: Pace::new(args.rate, args.total(), args.time()),
            begun: 0,
            batch: usize::from(args.batch),
            connections: args.connections,
            settle: Duration::from_secs(args.settle),
            started: Instant::now(),
            progress: Duration::ZERO,
        }
    }

    /// Sends and reads until all is final, or nothing moves any more, or somebody interrupts.
    pub(super) async fn drive(
        &mut self,
        next: u64,
        show: &mut Show<'_, '_>,
    ) -> Result<(), CliError> {
        let clients = self.apis.iter().map(|api| api.client.clone()).collect();
        let (to, mut blocks) = mpsc::channel(BLOCKS);
        let mut following = JoinSet::new();
        following.spawn(follow(clients, next, to));
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut interrupt = Box::pin(tokio::signal::ctrl_c());
        self.started = Instant::now();
        let mut count = 0_u64;
        loop {
            self.refill();
            self.send();
            if self.is_done() {
                return Ok(());
            }
            tokio::select! {
                Some(seen) = blocks.recv() => self.seen(&seen),
                Some(Ok(reply)) = self.requests.join_next() => self.replied(reply),
                _ = ticks.tick() => {
                    count += 1;
                    if count.is_multiple_of(LOOK_EVERY) {
                        self.look();
                        show.progress(self.now(), &self.book)?;
                    }
                }
                _ = &mut interrupt => {
                    if self.interrupted {
                        return Ok(());
                    }
                    self.interrupted = true;
                    self.progress = self.now();
                    interrupt = Box::pin(tokio::signal::ctrl_c());
                }
            }
        }
    }

    /// Books receipts that were found at the end.
    pub(super) fn found(&mut self, ids: &[Id]) {
        let now = self.now();
        self.book.seen(ids, now);
    }

    /// Ends the requests that are still under way.
    pub(super) async fn stop(&mut self) {
        self.requests.shutdown().await;
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether no further payment is begun.
    fn is_over(&self) -> bool {
        self.interrupted || self.stock_ended || self.pace.is_over(self.now(), self.begun)
    }

    fn is_done(&self) -> bool {
        let over = self.is_over();
        if over && self.book.open() == 0 {
            return true;
        }
        let patience = match (self.interrupted, over) {
            (true, _) => self.settle.min(INTERRUPTED),
            (false, true) => self.settle,
            (false, false) => self.settle.saturating_mul(4),
        };
        self.now().saturating_sub(self.progress) > patience
    }

    /// Takes what is due and has room.
    fn refill(&mut self) {
        if self.is_over() {
            return;
        }
        let due = self.pace.due(self.now(), self.begun);
        let room = u64::try_from(self.book.room()).unwrap_or(u64::MAX);
        for _ in 0..due.min(room) {
            match self.stock.next() {
                Next::Payment(payment) => {
                    self.book.add(payment);
                    self.begun += 1;
                }
                Next::Later => return,
                Next::End => {
                    self.stock_ended = true;
                    return;
                }
            }
        }
    }

    /// Sends what is queued, as far as connections go.
    fn send(&mut self) {
        let now = self.now();
        for (number, api) in self.apis.iter_mut().enumerate() {
            while api.busy < self.connections && api.is_open(now) {
                let payments = self.book.take(number, self.batch, now);
                if payments.is_empty() {
                    break;
                }
                api.busy += 1;
                let body = frame(payments.iter().map(|payment| payment.transfer.as_bytes()));
                let ids = payments.into_iter().map(|payment| payment.id).collect();
                let client = api.client.clone();
                self.requests.spawn(async move {
                    let outcome = client.submit_batch(body, false).await;
                    Reply::Batch { api: number, ids, outcome }
                });
            }
        }
    }

    fn seen(&mut self, seen: &Seen) {
        let before = self.book.counts().accepted;
        let at = seen.at.saturating_duration_since(self.started);
        self.book.seen(&seen.ids, at);
        if self.book.counts().accepted > before {
            self.progress = self.now();
        }
    }

    fn replied(&mut self, reply: Reply) {
        let now = self.now();
        match reply {
            Reply::Batch { api, ids, outcome } => {
                if let Some(api) = self.apis.get_mut(api) {
                    api.busy = api.busy.saturating_sub(1);
                }
                self.answered(api, &ids, outcome, now);
            }
            Reply::Probe { api, alive } => {
                let Some(one) = self.apis.get_mut(api) else { return };
                if alive {
                    one.answered();
                    self.book.set_alive(api, true, now);
                } else {
                    one.failed(now);
                }
            }
        }
    }

    fn answered(
        &mut self,
        number: usize,
        ids: &[Id],
        outcome: Result<BatchAnswer, ClientError>,
        now: Duration,
    ) {
        let Some(api) = self.apis.get_mut(number) else { return };
        match outcome {
            Ok(answer) => {
                api.answered();
                if answer.admitted > 0 {
                    self.progress = now;
                }
                let refused = refusals(answer.refused);
                for (at, id) in (0..).zip(ids) {
                    self.book.answered(id, refused.get(&at), now);
                }
            }
            // The node said that it did not take the batch.
            Err(ClientError::Api { status, body, retry_after })
                if status < 500 || status == 503 =>
            {
                if matches!(status, 408 | 429 | 503) {
                    api.rest(retry_after, now);
                }
                let refusal = Refusal { status, code: body.code, message: body.message };
                ids.iter().for_each(|id| self.book.answered(id, Some(&refusal), now));
            }
            Err(_) => {
                if api.failed(now) {
                    self.disconnects += 1;
                    self.book.set_alive(number, false, now);
                }
                ids.iter().for_each(|id| self.book.unanswered(id));
            }
        }
    }

    /// Looks at all that is under way, and tries APIs that were down.
    fn look(&mut self) {
        let now = self.now();
        self.book.tick(now);
        for (number, api) in self.apis.iter_mut().enumerate() {
            if api.probe(now) {
                let client = api.client.clone();
                self.requests.spawn(async move {
                    Reply::Probe { api: number, alive: client.chain().await.is_ok() }
                });
            }
        }
    }
}

/// By their place in the batch.
fn refusals(refused: Vec<Refused>) -> HashMap<u32, Refusal> {
    let refusal = |one: Refused| {
        let Refused { index, status, code, message } = one;
        (index, Refusal { status, code, message })
    };
    refused.into_iter().map(refusal).collect()
}
