//! The loop of a chain: inputs into the engine, its outputs carried out in order.
//!
//! ```text
//!   messages --.                    .--> Send: to the network, one message for many peers
//!   answers ---+--> Engine.handle --+--> Accept: block log, one sync for a group, then the VM
//!   time ------+                    +--> Verify, Build, Reject, ..: the executor, in order
//!   commands --'                    '--> GetBlock, GetAncestors, ..: from memory or the log
//! ```
//!
//! What stands behind an accept is carried out only when the block is durable: no peer is told of a
//! last accepted block that a crash could take back.

mod commands;
mod held;
mod outputs;
mod reads;
mod seen;
mod transactions;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use avalanche_consensus::engine::{Answer, CallId, Engine, Input, Output, Verdict};
use avalanche_consensus::{HashKey, Height, Id, NodeId, Timestamp};
use avalanche_net::network::{Delivery, Inbox, Network};
use avalanche_net::wire::Body;
use avalanche_vm::InstanceStatus;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep};

pub(crate) use self::commands::Command;
use self::seen::Seen;
use crate::app::ForVm;
use crate::builder::Builder;
use crate::executor::{Done, Work, tip_of};
use crate::fetched::Fetched;
use crate::log::LogWriter;
use crate::shared::{Shared, Snapshot};
use crate::wire;
use crate::{ChainBlock, ChainEvent, TransactionGossip};

/// Messages that are handled in one turn, at most.
const BATCH: usize = 64;
/// Accepted blocks that are kept in memory for peers that ask: of at most 2 MiB each.
const RECENT_MAX: usize = 16;
/// Commands that wait, at most; whoever has one waits for room.
pub(crate) const COMMANDS_MAX: usize = 1_024;

/// What the driver is made of.
pub(crate) struct Parts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) engine: Engine<ChainBlock>,
    pub(crate) network: Network,
    pub(crate) log: Arc<LogWriter>,
    pub(crate) fetched: Fetched,
    pub(crate) work: mpsc::Sender<Work>,
    pub(crate) done: mpsc::UnboundedReceiver<Done>,
    /// For reads of the log, which answer later.
    pub(crate) answers: mpsc::UnboundedSender<Done>,
    pub(crate) builder: Builder,
    pub(crate) gossip: TransactionGossip,
    pub(crate) to_vm: mpsc::Sender<ForVm>,
    /// The last accepted block.
    pub(crate) last: ChainBlock,
    pub(crate) hash_key: HashKey,
}

/// Runs one engine.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    engine: Engine<ChainBlock>,
    network: Network,
    log: Arc<LogWriter>,
    fetched: Fetched,
    work: mpsc::Sender<Work>,
    done: mpsc::UnboundedReceiver<Done>,
    answers: mpsc::UnboundedSender<Done>,
    builder: Builder,
    gossip: TransactionGossip,
    /// When to look at gossip again.
    gossip_at: Timestamp,
    to_vm: mpsc::Sender<ForVm>,
    /// Blocks that were given to the VM to verify, or built by it, and are not decided.
    processing: HashMap<Id, Seen, HashKey>,
    /// The last accepted blocks, newest at the end; never empty.
    recent: VecDeque<ChainBlock>,
    last: ChainBlock,
    /// The last height that is in the log, synced.
    durable: Height,
    /// Answers that are known at once, for the next turn of the engine.
    ready: VecDeque<(CallId, Answer<ChainBlock>)>,
    /// Turns to read the log.
    reads: Arc<Semaphore>,
    benched: BTreeSet<NodeId>,
    preferred: Id,
    /// Transactions of peers that the VM is asked to admit.
    admission: transactions::Admission,
    held: held::Held,
}

/// Why a driver ended.
pub(crate) type Stop = String;

impl Driver {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            shared,
            engine,
            network,
            log,
            fetched,
            work,
            done,
            answers,
            builder,
            gossip,
            to_vm,
            last,
            hash_key,
        } = parts;
        let admission = transactions::Admission::new(shared.instance.clone());
        let preferred = last.id();
        Self {
            shared,
            engine,
            network,
            log,
            fetched,
            work,
            done,
            answers,
            builder,
            gossip,
            gossip_at: Timestamp::ZERO,
            to_vm,
            processing: HashMap::with_hasher(hash_key),
            recent: VecDeque::from([last.clone()]),
            durable: last.height(),
            last,
            ready: VecDeque::new(),
            reads: Arc::new(Semaphore::new(reads::READS_MAX)),
            benched: BTreeSet::new(),
            preferred,
            admission,
            held: held::Held::default(),
        }
    }

    /// Runs until the chain cannot go on: that is also when its VM is not the one of this
    /// generation any more, which verified the blocks that are processing.
    pub(crate) async fn run(
        mut self,
        generation: u64,
        inbox: &mut Inbox,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Stop {
        match self.turn_until_stopped(generation, inbox, commands).await {
            Ok(never) => match never {},
            Err(stop) => stop,
        }
    }

    async fn turn_until_stopped(
        &mut self,
        generation: u64,
        inbox: &mut Inbox,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Result<std::convert::Infallible, Stop> {
        let mut vm = self.shared.instance.watch();
        let mut events = self.network.events();
        self.connect_all().await?;
        let mut messages = Vec::with_capacity(BATCH);
        let mut timer = Box::pin(sleep(Duration::ZERO));
        let shared = Arc::clone(&self.shared);
        loop {
            self.settle().await?;
            inbox.handled();
            let wait = self.wait();
            tokio::select! {
                count = inbox.recv_many(&mut messages, BATCH) => {
                    if count == 0 {
                        return Err("the network has been shut down".to_owned());
                    }
                    // Others that are being read now come along: what is said to a peer of all of
                    // them goes out in one write.
                    yield_now().await;
                    inbox.try_recv_many(&mut messages, BATCH - count);
                    for delivery in messages.drain(..) {
                        self.message(&delivery).await?;
                    }
                }
                done = self.done.recv() => match done {
                    Some(done) => self.done(done).await?,
                    None => return Err("the executor has ended".to_owned()),
                },
                command = commands.recv() => match command {
                    Some(command) => self.command(command).await?,
                    None => return Err("nobody holds the chain any more".to_owned()),
                },
                event = events.recv() => self.network_event(event).await?,
                () = gone(&mut vm, generation) => {
                    return Err(self.shared.instance_failure());
                }
                admitted = self.admission.finished() => self.admitted(admitted),
                () = shared.signal.pending() => self.builder.pending(self.shared.clock.now(), false),
                () = until(&mut timer, Instant::now() + wait) => self.handle(Input::Tick).await?,
            }
        }
    }

    /// What is due by now: queries that waited, blocks to build, gossip, what others look at.
    async fn settle(&mut self) -> Result<(), Stop> {
        let now = self.shared.clock.now();
        while let Some((from, message)) = self.held.next(now) {
            self.handle(Input::Message { from, message }).await?;
        }
        if self.build_at(now).is_some_and(|at| at <= now) {
            self.builder.ask();
            self.handle(Input::PendingTransactions).await?;
        }
        self.spread(now);
        self.shared.publish(Snapshot {
            phase: Some(self.engine.phase()),
            preference: self.engine.preference(),
            last_accepted: self.engine.last_accepted(),
            processing: self.engine.num_processing(),
            polls: self.engine.polls_open(),
            stats: self.engine.stats(),
        });
        Ok(())
    }

    /// When to build; `None` if there is no reason to, or if a block on the preferred one is being
    /// verified: what was built now would only contest it. It will be preferred, or be refused.
    fn build_at(&mut self, now: Timestamp) -> Option<Timestamp> {
        let at = self.builder.due(now)?;
        let rival = |seen: &Seen| seen.is_rival(&self.preferred, now);
        (!self.processing.values().any(rival)).then_some(at)
    }

    /// How long nothing but time can be due.
    fn wait(&mut self) -> Duration {
        let now = self.shared.clock.now();
        let engine = self.engine.poll_timeout();
        let times = [engine, self.build_at(now), Some(self.gossip_at), self.held.due()];
        let next = times.into_iter().flatten().min();
        // An hour stands for ever.
        next.map_or(Duration::from_secs(3_600), |at| at.since(now))
    }

    /// Gives the engine an input, and carries out what comes of it.
    async fn handle(&mut self, input: Input<ChainBlock>) -> Result<(), Stop> {
        self.engine.handle(self.shared.clock.now(), input).map_err(|fatal| fatal.to_string())?;
        loop {
            let mut outputs: VecDeque<Output<ChainBlock>> = VecDeque::new();
            while let Some(output) = self.engine.poll_output() {
                outputs.push_back(output);
            }
            if !outputs.is_empty() {
                self.carry_out(outputs).await?;
                continue;
            }
            let Some((call, answer)) = self.ready.pop_front() else { return Ok(()) };
            self.engine
                .handle(self.shared.clock.now(), Input::Answer { call, answer })
                .map_err(|fatal| fatal.to_string())?;
        }
    }

    async fn message(&mut self, delivery: &Delivery) -> Result<(), Stop> {
        let from = delivery.node_id;
        match &delivery.body {
            Body::AppGossip(gossip) => self.pushed(from, &gossip.app_bytes),
            Body::AppRequest(request) => {
                let left = delivery.time_left().unwrap_or_default();
                self.asked(from, request.request_id, &request.app_bytes, left);
            }
            Body::AppResponse(_) | Body::AppError(_) => {}
            body => {
                let now = self.shared.clock.now();
                let message = wire::from_network(body);
                if let Some(message) = message.and_then(|one| self.held.hold(now, from, one)) {
                    self.handle(Input::Message { from, message }).await?;
                }
            }
        }
        Ok(())
    }

    async fn done(&mut self, done: Done) -> Result<(), Stop> {
        let (call, answer) = match done {
            Done::Answer { call, answer } => (call, answer),
            Done::Verdict { call, block, verdict } => {
                self.held.end();
                if verdict == Verdict::Invalid {
                    self.processing.remove(&block);
                }
                (call, Answer::Verdict(verdict))
            }
            Done::Built { call, block, turn } => {
                self.builder.answered(turn.then_some(block.is_some()));
                (call, Answer::Block(block.map(wire::with_facts)))
            }
            Done::Executed { call, last } => {
                self.durable = last.height();
                self.accepted(last.clone());
                (call, Answer::Executed(tip_of(&last)))
            }
            Done::Pulled { from, bytes } => {
                self.pulled(from, bytes);
                return Ok(());
            }
            Done::Failed(reason) => {
                // The engine is told so that it is stopped, too.
                let _ = self.engine.handle(self.shared.clock.now(), Input::Failed(reason.clone()));
                return Err(reason);
            }
        };
        self.handle(Input::Answer { call, answer }).await
    }

    /// A block is the last accepted one.
    fn accepted(&mut self, block: ChainBlock) {
        self.recent.push_back(block.clone());
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
        self.last = block;
        self.prefer(self.engine.preference());
    }

    /// A block is preferred: blocks are built on it.
    fn prefer(&mut self, id: Id) {
        let block = self.processing.get(&id).map(|seen| &seen.block).unwrap_or(&self.last);
        self.builder.prefer(block.height(), block.timestamp());
        if self.preferred != id {
            self.preferred = id;
            self.shared.tell(ChainEvent::Preferred { id });
        }
    }
}

/// Returns at a time. Cancel safe.
///
/// The timer stays where it is if that is earlier, and is moved when it fires: nearly all turns end
/// long before their time, and a timer costs more to move than to leave.
async fn until(timer: &mut Pin<Box<Sleep>>, at: Instant) {
    if timer.deadline() > at {
        timer.as_mut().reset(at);
    }
    loop {
        timer.as_mut().await;
        if Instant::now() >= at {
            return;
        }
        timer.as_mut().reset(at);
    }
}

/// Returns when the VM of this generation is gone. Cancel safe.
async fn gone(vm: &mut watch::Receiver<InstanceStatus>, generation: u64) {
    let other = |vm: &InstanceStatus| vm.generation != generation || !vm.state.answers();
    // An instance that is not there any more is gone, too.
    let _ = vm.wait_for(other).await;
}
