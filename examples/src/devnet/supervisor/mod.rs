//! Carries out what [`policy`](super::policy) says, and tells.

#[cfg(test)]
mod tests;
mod validator;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use avalanche_gateway::client::Client;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep};

use super::child::{News, Order, What};
use super::control::{Answer, Asked, Request};
use super::folder::Network;
use super::launcher::Launcher;
use super::payment::{self, First};
use super::policy::{Action, Ask, Event as Fact, Refusal, State};
use super::report::{Event, Reporter, Seen, Status};
use super::{DevnetError, probe};
use validator::Validator;

/// How often it is shown how validators are, and how often they are asked.
const FRAME: Duration = Duration::from_secs(1);
/// How often they are asked before the first payment, which waits for all to vote.
const FRAME_AT_START: Duration = Duration::from_millis(50);
/// How long the first payment waits for that.
const VOTES_PATIENCE: Duration = Duration::from_secs(15);
/// How long the start may wait for the slowest validator, before it is told without it.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// News that may wait, for each validator.
const NEWS_EACH: usize = 4;

/// What a devnet is made of.
#[derive(Debug)]
pub struct Setup {
    /// Its folder.
    pub folder: PathBuf,
    /// Its validators and its chain.
    pub network: Network,
    /// A client of its API, which is forwarded to a validator that lives.
    pub client: Client,
    /// The port of its API.
    pub api_port: u16,
    /// How validators are started.
    pub launcher: Box<dyn Launcher>,
    /// Whether a first payment is submitted.
    pub payment: bool,
    /// When the devnet was started.
    pub begun: Instant,
    /// Who wants something of it.
    pub asked: mpsc::Receiver<Asked>,
    /// Comes when it has to end, and again when that has to be at once.
    pub stop: mpsc::Receiver<()>,
    /// Told which validators live, by the addresses of their APIs.
    pub living: watch::Sender<Vec<SocketAddr>>,
}

/// A devnet that runs.
#[derive(Debug)]
pub struct Supervisor<W> {
    setup: Setup,
    validators: Vec<Validator>,
    reporter: Reporter<W>,
    /// Whether the start was told.
    started: bool,
    news: mpsc::Receiver<News>,
    news_sender: mpsc::Sender<News>,
    /// Those that rest, each once at most.
    rests: JoinSet<u16>,
    /// Questions on their way, one for each validator at most.
    looks: JoinSet<(u16, Option<Seen>)>,
    /// The first payment on its way.
    first: JoinSet<Result<(First, String), String>>,
    frames: Interval,
    asks: Interval,
    /// Until when the first payment waits for all to vote, before it is submitted.
    pays: Option<Instant>,
}

/// What a devnet reacts to.
enum Input {
    News(News),
    Asked(Asked),
    Rested(u16),
    Seen(u16, Option<Seen>),
    First(Result<(First, String), String>),
    Frame,
    Ask,
    StartIsSlow,
    Stop,
}

impl<W: Write> Supervisor<W> {
    /// A devnet of which nothing runs yet. Needs a runtime.
    pub fn new(setup: Setup, reporter: Reporter<W>) -> Self {
        let validators: Vec<_> = setup.network.nodes.iter().cloned().map(Validator::new).collect();
        let (news_sender, news) = mpsc::channel(NEWS_EACH * validators.len().max(1));
        let every = |time| {
            let mut interval = interval(time);
            interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
            interval
        };
        Self {
            setup,
            validators,
            reporter,
            started: false,
            news,
            news_sender,
            rests: JoinSet::new(),
            looks: JoinSet::new(),
            first: JoinSet::new(),
            frames: every(FRAME),
            asks: every(FRAME_AT_START),
            pays: None,
        }
    }

    /// Runs it until it has to end. Nothing of it runs any more when this returns.
    ///
    /// # Errors
    ///
    /// [`DevnetError::Output`] if nobody reads what it tells, which ends it, too.
    pub async fn run(mut self) -> Result<(), DevnetError> {
        for number in self.numbers() {
            self.spawn(number)?;
        }
        let mut outcome = self.supervise().await;
        if outcome.is_ok() {
            outcome = self.reporter.event(&Event::Stopping);
        }
        self.finish().await;
        outcome?;
        Ok(self.reporter.event(&Event::Stopped)?)
    }

    async fn supervise(&mut self) -> Result<(), io::Error> {
        loop {
            match self.next().await {
                Input::News(News { number, what }) => self.heard(number, what)?,
                Input::Asked((request, reply)) => {
                    let answer = self.answer(request)?;
                    // Whoever asked may have gone.
                    let _ = reply.send(answer);
                }
                Input::Rested(number) => _ = self.on(number, Fact::Rested)?,
                Input::Seen(number, seen) => self.seen(number, seen),
                Input::First(first) => self.first_payment(first)?,
                Input::Frame => self.frame()?,
                Input::Ask => self.ask(),
                Input::StartIsSlow => self.start_told()?,
                Input::Stop => return Ok(()),
            }
        }
    }

    /// Waits for the next of what it reacts to.
    async fn next(&mut self) -> Input {
        let patience = START_PATIENCE.saturating_sub(self.setup.begun.elapsed());
        tokio::select! {
            Some(news) = self.news.recv() => Input::News(news),
            Some(asked) = self.setup.asked.recv() => Input::Asked(asked),
            Some(Ok(number)) = self.rests.join_next() => Input::Rested(number),
            Some(Ok((number, seen))) = self.looks.join_next() => Input::Seen(number, seen),
            Some(Ok(first)) = self.first.join_next() => Input::First(first),
            _ = self.frames.tick() => Input::Frame,
            _ = self.asks.tick() => Input::Ask,
            () = sleep(patience), if !self.started => Input::StartIsSlow,
            _ = self.setup.stop.recv() => Input::Stop,
        }
    }

    fn heard(&mut self, number: u16, what: What) -> Result<(), io::Error> {
        match what {
            What::Ready(ready) => {
                let Some(one) = self.validator(number) else { return Ok(()) };
                let pid = one.ready(ready);
                let was = one.policy.state();
                self.on(number, Fact::Ready)?;
                if self.started && was == State::Starting {
                    self.reporter.event(&Event::ValidatorUp { validator: number, pid })?;
                }
            }
            What::Ended { how, lived } => self.ended(number, &how, lived)?,
        }
        self.tell_living();
        if !self.started && self.validators.iter().all(|one| one.settled) {
            self.start_told()?;
        }
        Ok(())
    }

    fn ended(&mut self, number: u16, how: &str, lived: Duration) -> Result<(), io::Error> {
        let Some(one) = self.validator(number) else { return Ok(()) };
        let reason = one.ended(how);
        let action = self.on(number, Fact::Ended { lived })?;
        let again_in_ms = match action {
            Some(Action::Rest(rest)) => Some(milliseconds(rest)),
            Some(Action::Spawn) => Some(0),
            _ => None,
        };
        self.reporter.event(&Event::ValidatorDown { validator: number, reason, again_in_ms })
    }

    /// Takes what happened to a validator, and does what its policy says. A refusal does nothing.
    fn on(&mut self, number: u16, fact: Fact) -> Result<Option<Action>, io::Error> {
        let Some(one) = self.validator(number) else { return Ok(None) };
        let Ok(action) = one.policy.on(fact) else { return Ok(None) };
        self.act(number, action)?;
        Ok(action)
    }

    fn act(&mut self, number: u16, action: Option<Action>) -> Result<(), io::Error> {
        match action {
            Some(Action::Spawn) => self.spawn(number)?,
            Some(Action::Kill) => self.order(number, Order::Kill),
            Some(Action::Finish) => self.order(number, Order::Finish),
            Some(Action::Pause) => self.order(number, Order::Pause),
            Some(Action::Resume) => self.order(number, Order::Resume),
            Some(Action::Rest(rest)) => {
                self.rests.spawn(async move {
                    sleep(rest).await;
                    number
                });
            }
            None => {}
        }
        Ok(())
    }

    fn spawn(&mut self, number: u16) -> Result<(), io::Error> {
        let news = self.news_sender.clone();
        let Some(at) = self.position(number) else { return Ok(()) };
        let Some(one) = self.validators.get_mut(at) else { return Ok(()) };
        match self.setup.launcher.launch(&one.plan, news) {
            Ok(started) => {
                one.started = Some(started);
                Ok(())
            }
            // As if it had ended at once: it rests, so this comes to an end.
            Err(error) => {
                self.ended(number, &format!("it cannot be started: {error}"), Duration::ZERO)
            }
        }
    }

    fn order(&mut self, number: u16, order: Order) {
        if let Some(started) = self.validator(number).and_then(|one| one.started.as_ref()) {
            // Whoever takes no orders any more has ended, and the news of it is on its way.
            let _ = started.order(order);
        }
    }

    fn answer(&mut self, request: Request) -> Result<Answer, io::Error> {
        let Some((ask, number)) = request.ask() else {
            return Ok(Answer::Status { status: self.status() });
        };
        let refused = |reason: String| Ok(Answer::Refused { reason });
        if self.setup.launcher.in_process() {
            return refused(
                "all validators are in one process, which would end or stop with any of them; \
                 start the devnet without --in-process for that"
                    .to_owned(),
            );
        }
        let count = self.validators.len();
        let Some(one) = self.validator(number) else {
            return refused(format!("there is no validator {number}; there are 1 to {count}"));
        };
        let action = match one.policy.on(Fact::Asked(ask)) {
            Ok(action) => action,
            Err(Refusal(reason)) => return refused(format!("validator {number} {reason}")),
        };
        let message = match ask {
            Ask::Kill => "is killed, and stays down until restart",
            Ask::Restart => "starts again",
            Ask::Pause => "is paused, until resume",
            Ask::Resume => "goes on",
        };
        one.asked(ask);
        let ended_before = one.started.is_none();
        self.act(number, action)?;
        let validator = number;
        match ask {
            Ask::Pause => self.reporter.event(&Event::ValidatorPaused { validator })?,
            Ask::Resume => self.reporter.event(&Event::ValidatorResumed { validator })?,
            Ask::Kill if ended_before => {
                let reason = "it rested, and is not started again".to_owned();
                let event = Event::ValidatorDown { validator, reason, again_in_ms: None };
                self.reporter.event(&event)?;
            }
            Ask::Kill | Ask::Restart => {}
        }
        self.tell_living();
        Ok(Answer::Done { message: format!("validator {number} {message}") })
    }

    /// Says that it started, once, and pays.
    fn start_told(&mut self) -> Result<(), io::Error> {
        self.started = true;
        let (status, took_ms) = (self.status(), milliseconds(self.setup.begun.elapsed()));
        self.reporter.event(&Event::Started { status: &status, took_ms })?;
        if self.setup.payment {
            self.pays = Some(Instant::now() + VOTES_PATIENCE);
        } else {
            self.asks_seldom();
        }
        Ok(())
    }

    fn asks_seldom(&mut self) {
        self.asks = interval(FRAME);
        self.asks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    }

    /// Submits the first payment once all vote. Were it there before, each validator would propose
    /// a block of it as soon as it votes, and to decide between those takes them longer.
    fn pay(&mut self) {
        let Some(until) = self.pays else { return };
        let up = || self.validators.iter().filter(|one| one.policy.state() == State::Up);
        let all_vote = up().next().is_some() && up().all(Validator::votes);
        if !all_vote && Instant::now() < until {
            return;
        }
        self.pays = None;
        let (client, chain) = (self.setup.client.clone(), self.setup.network.chain);
        let port = self.setup.api_port;
        self.first.spawn(async move {
            let first = payment::first(&client, chain).await?;
            let commands = payment::commands(&client, chain, port).await;
            Ok((first, commands.unwrap_or_default()))
        });
        self.asks_seldom();
    }

    fn first_payment(&mut self, first: Result<(First, String), String>) -> Result<(), io::Error> {
        let took_ms = milliseconds(self.setup.begun.elapsed());
        match first {
            Err(reason) => self.reporter.event(&Event::NoFirstPayment { reason }),
            Ok((First { transaction, height, took }, commands)) => {
                let (transaction, payment_ms) = (transaction.to_string(), milliseconds(took));
                let event = Event::FirstFinal { transaction, height, payment_ms, took_ms };
                self.reporter.event(&event)?;
                self.reporter.text(&commands)
            }
        }
    }

    /// Asks all that are up how they are.
    fn ask(&mut self) {
        for one in &mut self.validators {
            if let Some(client) = one.ask() {
                let number = one.plan.number;
                self.looks.spawn(async move { (number, probe::look(&client).await) });
            }
        }
        self.pay();
    }

    /// Shows what they said last.
    fn frame(&mut self) -> Result<(), io::Error> {
        if !self.started {
            return Ok(());
        }
        let status = self.status();
        self.reporter.frame(&status)
    }

    fn seen(&mut self, number: u16, seen: Option<Seen>) {
        if let Some(one) = self.validator(number) {
            one.seen(Instant::now(), seen);
        }
        self.pay();
    }

    fn status(&self) -> Status {
        Status {
            folder: self.setup.folder.clone(),
            api: self.setup.client.url().to_owned(),
            pid: std::process::id(),
            in_process: self.setup.launcher.in_process(),
            validators: self.validators.iter().map(Validator::status).collect(),
        }
    }

    fn tell_living(&self) {
        let up = self.validators.iter().filter(|one| one.policy.state() == State::Up);
        let living = up.map(|one| one.plan.config.api).collect();
        self.setup.living.send_if_modified(|before| {
            let changed = *before != living;
            *before = living;
            changed
        });
    }

    /// Ends all validators, by themselves if they do; at once if that is wanted a second time.
    async fn finish(&mut self) {
        self.setup.asked.close();
        self.first.abort_all();
        let orders = |one: &mut Validator| one.policy.on(Fact::Stop).ok().flatten();
        for number in self.numbers() {
            if self.validator(number).and_then(orders).is_some() {
                self.order(number, Order::Finish);
            }
        }
        self.tell_living();
        let mut at_once = false;
        while self.validators.iter().any(|one| one.started.is_some()) {
            tokio::select! {
                Some(News { number, what }) = self.news.recv() => {
                    if let (What::Ended { .. }, Some(one)) = (what, self.validator(number)) {
                        one.started = None;
                    }
                }
                _ = self.setup.stop.recv(), if !at_once => {
                    at_once = true;
                    self.numbers().into_iter().for_each(|number| self.order(number, Order::Kill));
                }
            }
        }
    }

    fn numbers(&self) -> Vec<u16> {
        self.validators.iter().map(|one| one.plan.number).collect()
    }

    fn position(&self, number: u16) -> Option<usize> {
        self.validators.iter().position(|one| one.plan.number == number)
    }

    fn validator(&mut self, number: u16) -> Option<&mut Validator> {
        self.validators.iter_mut().find(|one| one.plan.number == number)
    }
}

/// Whole milliseconds.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
