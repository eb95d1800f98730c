//! Family `engine`: the whole engine of normal operation, message by message.

use std::collections::BTreeSet;
use std::mem;
use std::time::Duration;

use avalanche_consensus::engine::{
    Engine, EngineConfig, Input, Limits, Message, Output, Phase, Setup,
};
use avalanche_consensus::network::TimeoutConfig;
use avalanche_consensus::snowball::{Parameters, ParametersConfig};
use avalanche_consensus::validators::{Validator, ValidatorChange, ValidatorSet};
use avalanche_consensus::{Height, Id, NodeId, Timestamp};
use serde_json::{Value, json};

use super::check::{Check, Level};
use super::engine_vm::Vm;
use super::family::{Event, Replay};
use super::json::{Fault, Object, hex, node, u64};

/// Traces end no request by time, so answers have as long as they want.
const TIMEOUT: Duration = Duration::from_hours(1_000);

struct Replayed {
    engine: Engine<()>,
    vm: Vm,
    own: NodeId,
    now: Timestamp,
    validators: ValidatorSet,
    connected: BTreeSet<NodeId>,
    log: Vec<Value>,
}

pub(crate) fn start(init: &Event<'_>, check: &mut Check) -> Result<Box<dyn Replay>, Fault> {
    let line = init.line;
    let vm = Vm::new(line)?;
    let own = line.node("own")?;
    let validators = line.pairs("validators")?.map(|pair| {
        let (name, node_id, weight) = pair?;
        Ok(Validator { node_id: node(node_id, &name)?, weight: u64(weight, &name)? })
    });
    let validators = validators.collect::<Result<Vec<_>, Fault>>()?;
    let validators = ValidatorSet::try_from(validators)
        .map_err(|error| Fault::new(format!("member `validators` is refused: {error}")))?;
    let setup = Setup {
        own,
        validators: validators.clone(),
        beacons: None,
        tip: vm.tip(),
        phase: Phase::NormalOperation,
        stored: Vec::new(),
        seed: *b"conformance replay conformance r",
    };
    let engine = Engine::new(config(line)?, setup, Timestamp::ZERO)
        .map_err(|error| Fault::new(format!("the engine refuses the trace: {error}")))?;
    let mut replayed = Replayed {
        engine,
        vm,
        own,
        now: Timestamp::ZERO,
        validators,
        connected: BTreeSet::new(),
        log: Vec::new(),
    };
    // Peers are there before the phase begins.
    let mut connections = Vec::new();
    for (at, peer) in line.list("connected")?.iter().enumerate() {
        connections.push(node(peer, format_args!("connected[{at}]"))?);
    }
    for peer in connections {
        replayed.connected.insert(peer);
        replayed.hand_in(Input::Connected(peer))?;
    }
    replayed.drain()?;
    replayed.compare(init, check)?;
    Ok(Box::new(replayed))
}

fn config(line: Object<'_>) -> Result<EngineConfig, Fault> {
    let params = line.object("params")?;
    let parameters = ParametersConfig {
        k: params.u32("k")?,
        alpha_preference: params.u32("ap")?,
        alpha_confidence: params.u32("ac")?,
        beta: params.u32("beta")?,
        concurrent_repolls: params.u32("repolls")?,
        optimal_processing: params.u32("optimal")?,
        ..ParametersConfig::default()
    };
    let parameters = Parameters::try_from(parameters)
        .map_err(|error| Fault::new(format!("member `params` is refused: {error}")))?;
    Ok(EngineConfig {
        parameters,
        timeouts: TimeoutConfig {
            initial: TIMEOUT,
            minimum: TIMEOUT,
            maximum: TIMEOUT,
            ..TimeoutConfig::default()
        },
        bench: None,
        partial_sync: line.truth("partial")?,
        limits: Limits { pending_bytes_max: u64::MAX, ..Limits::default() },
        ..EngineConfig::default()
    })
}

impl Replayed {
    fn hand_in(&mut self, input: Input<()>) -> Result<(), Fault> {
        let stopped = |fatal| Fault::new(format!("the engine stopped: {fatal}"));
        self.engine.handle(self.now, input).map_err(stopped)
    }

    fn message(&mut self, from: NodeId, message: Message<()>) -> Result<(), Fault> {
        self.hand_in(Input::Message { from, message })
    }

    /// Carries out what the engine wants; every call is answered at once.
    fn drain(&mut self) -> Result<(), Fault> {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Call { id, call } => {
                    let answer = self.vm.answer(&call, &mut self.log)?;
                    self.hand_in(Input::Answer { call: id, answer })?;
                }
                Output::Send { to, message } => self.sent(to, &message)?,
                Output::Accept(block) => {
                    self.vm.accept(&block.block)?;
                    self.log.push(json!(["accept", hex(block.id())]));
                }
                Output::Reject(block) => {
                    self.vm.reject(&block.block)?;
                    self.rejected(block.id());
                }
                Output::SetPreference(id) => self.log.push(json!(["prefer", hex(id)])),
                // AvalancheGo only logs what peers do wrong.
                Output::Fault { .. } => {}
                other => return Err(Fault::new(format!("unexpected output {other:?}"))),
            }
        }
        Ok(())
    }

    /// Rejections that follow one another are one entry, sorted.
    fn rejected(&mut self, id: Id) {
        if let Some(Value::Array(last)) = self.log.last_mut()
            && let [kind, Value::Array(ids)] = last.as_mut_slice()
            && kind == "reject"
        {
            ids.push(hex(id));
            ids.sort_unstable_by_key(ToString::to_string);
            return;
        }
        self.log.push(json!(["reject", [hex(id)]]));
    }

    fn sent(&mut self, to: NodeId, message: &Message<()>) -> Result<(), Fault> {
        let to = Value::from(format!("{to:x}"));
        let entry = match message {
            Message::Get { request_id, id } => json!(["get", to, request_id, hex(*id)]),
            Message::Chits {
                request_id,
                preferred,
                preferred_at_height,
                accepted,
                accepted_height,
            } => json!([
                "chits",
                to,
                request_id,
                hex(*preferred),
                hex(*preferred_at_height),
                hex(*accepted),
                accepted_height.get().to_string()
            ]),
            Message::PullQuery { request_id, id, requested_height } => {
                return self.queried("pull", to, *request_id, *id, *requested_height);
            }
            Message::PushQuery { request_id, block: Some(block), requested_height } => {
                return self.queried("push", to, *request_id, block.id(), *requested_height);
            }
            other => return Err(Fault::new(format!("unexpected message {other:?}"))),
        };
        self.log.push(entry);
        Ok(())
    }

    /// A query to several peers is one entry, with the peers sorted.
    fn queried(
        &mut self,
        kind: &str,
        to: Value,
        request_id: u32,
        id: Id,
        height: Height,
    ) -> Result<(), Fault> {
        let height = height.get().to_string();
        let same = json!([kind, request_id, hex(id), height]);
        if let Some(Value::Array(last)) = self.log.last_mut()
            && let [last_kind, Value::Array(nodes), last_request, last_id, last_height] =
                last.as_mut_slice()
            && same == json!([last_kind, last_request, last_id, last_height])
        {
            nodes.push(to);
            nodes.sort_unstable_by_key(ToString::to_string);
        } else {
            self.log.push(json!([kind, [to], request_id, hex(id), height]));
        }
        Ok(())
    }

    fn input(&mut self, event: &Event<'_>) -> Result<(), Fault> {
        let line = event.line;
        match event.op {
            "notify" => return self.hand_in(Input::PendingTransactions),
            "gossip" => {
                self.now = self.engine.poll_timeout().unwrap_or(self.now);
                return self.hand_in(Input::Tick);
            }
            _ => {}
        }
        let from = line.node("node")?;
        match event.op {
            "connected" => {
                self.connected.insert(from);
                return self.hand_in(Input::Connected(from));
            }
            "disconnected" => {
                self.connected.remove(&from);
                return self.hand_in(Input::Disconnected(from));
            }
            "weight" => return self.weigh(from, line.u64("weight")?),
            _ => {}
        }
        let request_id = line.u32("req")?;
        let message = match event.op {
            "get_failed" | "query_failed" => {
                return self.hand_in(Input::RequestFailed { to: from, request_id });
            }
            "put" => Message::Put { request_id, block: self.vm.parse(line)? },
            "push_query" => Message::PushQuery {
                request_id,
                block: self.vm.parse(line)?,
                requested_height: Height::new(line.u64("height")?),
            },
            "pull_query" => Message::PullQuery {
                request_id,
                id: line.id("id")?,
                requested_height: Height::new(line.u64("height")?),
            },
            "chits" => Message::Chits {
                request_id,
                preferred: line.id("pref")?,
                preferred_at_height: line.id("at")?,
                accepted: line.id("last")?,
                accepted_height: Height::new(line.u64("height")?),
            },
            _ => return Err(event.unknown_op("family `engine`")),
        };
        self.message(from, message)
    }

    /// Gives a validator another weight; 0 takes it out.
    fn weigh(&mut self, node_id: NodeId, weight: u64) -> Result<(), Fault> {
        let before = self.validators.weight(&node_id);
        let change = if before == 0 {
            ValidatorChange::Add(Validator { node_id, weight })
        } else if weight > before {
            ValidatorChange::AddWeight { node_id, weight: weight - before }
        } else {
            ValidatorChange::RemoveWeight { node_id, weight: before - weight }
        };
        self.validators
            .apply(&[change])
            .map_err(|error| Fault::new(format!("op `weight` is refused: {error}")))?;
        self.hand_in(Input::Validators(vec![change]))
    }

    fn compare(&mut self, event: &Event<'_>, check: &mut Check) -> Result<(), Fault> {
        let (out, level) = (event.out()?, Level::Decisions);
        // Whom gossip went to is drawn at random, from the same validators.
        let any = event.op == "gossip" && event.line.truth("any")?;
        out.get("log")?;
        let mut recorded = out.list("log")?.to_vec();
        let mut replayed = mem::take(&mut self.log);
        for entry in recorded.iter_mut().chain(&mut replayed).filter(|_| any) {
            if entry[0] == "pull" && self.is_one_validator(&entry[1]) {
                entry[1] = "any".into();
            }
        }
        let recorded = Value::from(recorded);
        check.compare(level, out.name("log"), Some(&recorded), replayed.into());

        let state = out.object("state")?;
        let tip = self.engine.last_accepted();
        let [gets, pending, jobs] = self.engine.waiting();
        check.member(state, level, "pref", hex(self.engine.preference()))?;
        check.member(state, level, "last", hex(tip.id))?;
        check.member(state, level, "height", tip.height.get())?;
        check.member(state, level, "n", self.engine.num_processing())?;
        check.member(state, level, "polls", self.engine.polls_open())?;
        check.member(state, level, "gets", gets)?;
        check.member(state, level, "pending", pending)?;
        check.member(state, level, "blocked", jobs > 0)
    }

    fn is_one_validator(&self, nodes: &Value) -> bool {
        let [only] = nodes.as_array().map_or(&[][..], Vec::as_slice) else { return false };
        node(only, "").is_ok_and(|node| {
            node != self.own && self.validators.contains(&node) && self.connected.contains(&node)
        })
    }
}

impl Replay for Replayed {
    fn event(&mut self, event: &Event<'_>, check: &mut Check) -> Result<(), Fault> {
        self.vm.declare(event.line)?;
        self.input(event)?;
        self.drain()?;
        self.compare(event, check)
    }

    fn state(&self) -> Value {
        let tip = self.engine.last_accepted();
        json!({
            "preference": hex(self.engine.preference()),
            "last accepted": hex(tip.id),
            "height": tip.height.get().to_string(),
            "processing": self.engine.num_processing(),
            "polls": self.engine.polls_open(),
            "waiting": self.engine.waiting(),
            "stats": format!("{:?}", self.engine.stats()),
        })
    }
}
