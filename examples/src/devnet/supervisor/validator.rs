//! One validator, as its supervisor sees it.

use avalanche_gateway::client::Client;
use tokio::time::Instant;

use crate::devnet::child::{Started, last_line};
use crate::devnet::folder::NodePlan;
use crate::devnet::policy::{Ask, Policy, State};
use crate::devnet::probe::{self, Rate};
use crate::devnet::report::{Seen, ValidatorStatus};
use crate::node::Ready;

/// One validator, as its supervisor sees it.
#[derive(Debug)]
pub(super) struct Validator {
    pub(super) plan: NodePlan,
    pub(super) policy: Policy,
    /// It, from its start to the news of its end.
    pub(super) started: Option<Started>,
    /// Whether it was ready, or ended, once.
    pub(super) settled: bool,
    /// What somebody asked for that ends it.
    asked: Option<Ask>,
    client: Option<Client>,
    /// Whether a question is on its way.
    asking: bool,
    rate: Rate,
    tps: Option<f64>,
    seen: Option<Seen>,
}

impl Validator {
    pub(super) fn new(plan: NodePlan) -> Self {
        Self {
            client: probe::client(plan.config.api).ok(),
            plan,
            policy: Policy::default(),
            started: None,
            settled: false,
            asked: None,
            asking: false,
            rate: Rate::default(),
            tps: None,
            seen: None,
        }
    }

    /// It is ready, as this process.
    pub(super) fn ready(&mut self, ready: Ready) -> u32 {
        self.settled = true;
        if ready.api != self.plan.config.api {
            self.plan.config.api = ready.api;
            self.client = probe::client(ready.api).ok();
        }
        self.started.as_ref().map_or(0, |started| started.pid)
    }

    /// Somebody asked for something.
    pub(super) fn asked(&mut self, ask: Ask) {
        self.asked = matches!(ask, Ask::Kill | Ask::Restart).then_some(ask);
    }

    /// It ended; why.
    pub(super) fn ended(&mut self, how: &str) -> String {
        self.settled = true;
        self.started = None;
        (self.seen, self.tps, self.rate) = (None, None, Rate::default());
        match self.asked.take() {
            Some(Ask::Kill) => "devnet kill".to_owned(),
            Some(_) => "devnet restart".to_owned(),
            None => {
                let log = &self.plan.log_path;
                let said = last_line(log).map(|line| format!(", and said last: {line}"));
                format!("{how}{} (log: {})", said.unwrap_or_default(), log.display())
            }
        }
    }

    /// The client to ask it with, unless it is not up or has not answered the last question.
    pub(super) fn ask(&mut self) -> Option<Client> {
        if self.policy.state() != State::Up || self.asking {
            return None;
        }
        let client = self.client.clone()?;
        self.asking = true;
        Some(client)
    }

    /// What it answered.
    pub(super) fn seen(&mut self, now: Instant, seen: Option<Seen>) {
        self.asking = false;
        if self.policy.state() != State::Up {
            return;
        }
        self.tps = seen.as_ref().and_then(|seen| self.rate.add(now, seen.transactions));
        self.seen = seen;
    }

    /// Whether it says that it takes part in decisions.
    pub(super) fn votes(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.voting)
    }

    pub(super) fn status(&self) -> ValidatorStatus {
        ValidatorStatus {
            number: self.plan.number,
            node_id: self.plan.node_id.to_string(),
            state: self.policy.state().to_string(),
            pid: self.started.as_ref().map(|started| started.pid),
            peer: self.plan.config.listen,
            api: self.plan.config.api,
            tps: self.tps,
            seen: self.seen.clone(),
        }
    }
}
