//! What every phase of an engine shares: time, peers, requests, calls and the way out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::beacons::Beacons;
use super::requests::Requests;
use super::{
    Call, CallId, EngineConfig, Fatal, Fault, Message, MessageKind, Output, Setup, Stats, Tip,
};
use crate::network::{BenchEvent, Benchlist, PeerTracker};
use crate::sampler::{SeedStream, SeededSampler, Source};
use crate::validators::{ConnectedWeight, ValidatorChange, ValidatorDiff, ValidatorSet};
use crate::vocabulary::IdMap;
use crate::{Error, HashKey, NodeId, Timestamp};

/// The state that phases share. `P` is what a call is for.
#[derive(Debug)]
pub(super) struct Context<H, P> {
    pub(super) now: Timestamp,
    pub(super) config: EngineConfig,
    pub(super) own: NodeId,
    /// The last accepted block.
    pub(super) tip: Tip,
    pub(super) key: HashKey,
    pub(super) validators: ValidatorSet,
    /// Connected validators, without those that are benched.
    pub(super) connected: ConnectedWeight,
    /// Everybody who is connected, benched or not.
    pub(super) peers: BTreeSet<NodeId>,
    pub(super) sampler: SeededSampler,
    /// Whom to trust while catching up, if those are not the validators.
    beacons: Option<Beacons>,
    /// Enough weight of the beacons was connected once.
    started: bool,
    /// Who delivers how fast, while catching up.
    pub(super) deliverers: Option<PeerTracker>,
    /// The VM syncs its state in the background.
    pub(super) state_syncing: bool,
    /// All chains of the subnet have caught up.
    pub(super) subnet_done: bool,
    /// For choices that are not weighted.
    pub(super) random: SeedStream,
    pub(super) requests: Requests,
    pub(super) request_id: u32,
    pub(super) stats: Stats,
    /// What this node has to tell itself; worked off before `handle` returns.
    pub(super) inbox: VecDeque<Internal<H>>,
    bench: Option<Benchlist>,
    outputs: VecDeque<Output<H>>,
    calls: IdMap<u64, OpenCall<P>>,
    open_calls: usize,
    next_call: u64,
    /// Open calls of each peer that has any.
    calls_of: BTreeMap<NodeId, usize>,
}

/// Something that this node tells itself.
#[derive(Debug)]
pub(super) enum Internal<H> {
    /// A message to itself.
    Message(Message<H>),
    /// A request that failed at once.
    Failed { to: NodeId, request_id: u32, sent: bool },
}

#[derive(Debug)]
struct OpenCall<P> {
    node: Option<NodeId>,
    purpose: P,
}

impl<H, P> Context<H, P> {
    pub(super) fn new(config: EngineConfig, setup: Setup, now: Timestamp) -> Result<Self, Error> {
        let key = HashKey::from_seed(setup.seed);
        let derive = |purpose: &str| {
            blake3::derive_key(
                "avalanche/consensus/engine/v1",
                &[&setup.seed, purpose.as_bytes()].concat(),
            )
        };
        let limits = &config.limits;
        let mut connected = ConnectedWeight::new().with_connected_max(limits.connected_max);
        connected.connect(setup.own)?;
        let joined: Vec<_> = setup.validators.iter().map(ValidatorDiff::joined).collect();
        connected.follow(&joined)?;
        let beacons = setup.beacons.map(|set| Beacons::new(set, setup.own, limits.connected_max));
        let bench = config.bench.map(|bench| Benchlist::new(bench, &config.parameters));
        Ok(Self {
            now,
            own: setup.own,
            tip: setup.tip,
            key,
            sampler: setup.validators.sampler(derive("queries"))?,
            validators: setup.validators,
            peers: BTreeSet::new(),
            beacons: beacons.transpose()?,
            connected,
            started: false,
            deliverers: None,
            state_syncing: false,
            subnet_done: !config.await_subnet,
            random: SeedStream::new(&derive("choices")),
            requests: Requests::new(config.timeouts, limits.requests_max, setup.own, key, now)?,
            request_id: 0,
            stats: Stats::default(),
            inbox: VecDeque::new(),
            bench: bench.transpose()?,
            outputs: VecDeque::new(),
            calls: IdMap::new(key),
            open_calls: 0,
            next_call: 0,
            calls_of: BTreeMap::new(),
            config,
        })
    }

    /// Hands something out.
    pub(super) fn emit(&mut self, output: Output<H>) {
        self.outputs.push_back(output);
    }

    pub(super) fn pop_output(&mut self) -> Option<Output<H>> {
        self.outputs.pop_front()
    }

    /// Whether the shell has left too much lying.
    pub(super) fn check_drained(&self) -> Result<(), Fatal> {
        let max = self.config.limits.outputs_max;
        if self.outputs.len() > max { Err(Fatal::Undrained { max }) } else { Ok(()) }
    }

    /// Sends a message that is no request, to a peer or to this node itself.
    pub(super) fn send(&mut self, to: NodeId, message: Message<H>) {
        if to == self.own {
            self.stats.sent_to_self += 1;
            self.inbox.push_back(Internal::Message(message));
        } else {
            self.stats.sent += 1;
            self.emit(Output::Send { to, message });
        }
    }

    /// The number of the next request.
    pub(super) const fn next_request_id(&mut self) -> u32 {
        self.request_id = self.request_id.wrapping_add(1);
        self.request_id
    }

    /// Sends a request to distinct peers under one number. False, and nothing is sent, if there is
    /// no room for it. A peer that is not connected is not sent to and fails at once; one that is
    /// benched is sent to and fails at once, as in AvalancheGo's sender.
    pub(super) fn request(&mut self, to: &[NodeId], message: &Message<H>) -> bool
    where
        H: Clone,
    {
        let request_id = message.request_id();
        let Some(answer) = message.kind().answer() else { return false };
        if !self.requests.open(request_id, answer, to, self.now) {
            return false;
        }
        for node in to.iter().copied() {
            if node == self.own {
                self.stats.sent_to_self += 1;
                self.inbox.push_back(Internal::Message(message.clone()));
                continue;
            }
            let connected = self.peers.contains(&node);
            if connected {
                self.stats.sent += 1;
                self.emit(Output::Send { to: node, message: message.clone() });
            }
            if !connected || self.is_benched(&node) {
                self.inbox.push_back(Internal::Failed { to: node, request_id, sent: connected });
            }
        }
        true
    }

    /// Notes a fault of a peer. What this node does to itself is none.
    pub(super) fn fault(&mut self, node: NodeId, fault: Fault) {
        if node == self.own {
            return;
        }
        self.stats.faults += 1;
        self.emit(Output::Fault { node, fault });
    }

    /// Calls the VM or the store on behalf of a peer, or of nobody. The purpose comes back if there
    /// are as many calls as allowed.
    pub(super) fn call(
        &mut self,
        call: Call<H>,
        node: Option<NodeId>,
        purpose: P,
    ) -> Result<(), P> {
        let limits = &self.config.limits;
        if self.open_calls >= limits.calls_max {
            return Err(purpose);
        }
        if let Some(node) = node {
            let calls = self.calls_of.entry(node).or_insert(0);
            if *calls >= limits.calls_per_node_max {
                return Err(purpose);
            }
            *calls += 1;
        }
        self.open_call(call, node, purpose);
        Ok(())
    }

    fn open_call(&mut self, call: Call<H>, node: Option<NodeId>, purpose: P) {
        let id = self.next_call;
        self.next_call += 1;
        self.open_calls += 1;
        self.calls.insert(id, OpenCall { node, purpose });
        self.emit(Output::Call { id: CallId(id), call });
    }

    /// Calls the VM or the store for a phase. This is beyond the bound on calls: a phase has one at
    /// a time, and cannot do without.
    pub(super) fn call_for_phase(&mut self, call: Call<H>, purpose: P) {
        self.open_call(call, None, purpose);
    }

    /// Takes out a call that was answered.
    pub(super) fn end_call(&mut self, id: CallId) -> Option<P> {
        let OpenCall { node, purpose } = self.calls.remove(&id.0)?;
        self.open_calls -= 1;
        if let Some(node) = node
            && let Some(calls) = self.calls_of.get_mut(&node)
        {
            *calls -= 1;
            if *calls == 0 {
                self.calls_of.remove(&node);
            }
        }
        Some(purpose)
    }

    /// Calls without an answer.
    pub(super) const fn open_calls(&self) -> usize {
        self.open_calls
    }

    /// Notes that a peer is connected. One that is beyond the bound counts as not connected.
    pub(super) fn connect(&mut self, node: NodeId) {
        if self.peers.len() >= self.config.limits.connected_max && !self.peers.contains(&node) {
            return;
        }
        self.peers.insert(node);
        if !self.is_benched(&node) {
            self.reach(node);
        }
    }

    /// Counts a peer as connected. The bound on peers is the same everywhere, so there is room.
    fn reach(&mut self, node: NodeId) {
        let _ = self.connected.connect(node);
        if let Some(beacons) = &mut self.beacons {
            let _ = beacons.connected.connect(node);
        }
        if let Some(deliverers) = &mut self.deliverers {
            let _ = deliverers.connect(node);
        }
    }

    /// Counts a peer as not connected, other than this node itself.
    fn lose(&mut self, node: &NodeId) {
        if *node == self.own {
            return;
        }
        self.connected.disconnect(node);
        if let Some(beacons) = &mut self.beacons {
            beacons.connected.disconnect(node);
        }
        if let Some(deliverers) = &mut self.deliverers {
            deliverers.disconnect(node);
        }
    }

    /// Begins to follow who delivers how fast.
    pub(super) fn follow_deliverers(&mut self) {
        let max = self.config.limits.connected_max;
        let mut deliverers = PeerTracker::new(self.own).with_peers_max(max);
        for node in self.peers.iter().filter(|node| !self.is_benched(node)) {
            let _ = deliverers.connect(*node);
        }
        self.deliverers = Some(deliverers);
    }

    /// Whom to trust while catching up.
    pub(super) fn beacons(&self) -> &ValidatorSet {
        self.beacons.as_ref().map_or(&self.validators, |beacons| &beacons.set)
    }

    /// Whether so much weight of the beacons is connected, or was once, that they can be asked:
    /// three quarters (AvalancheGo's `snow/engine/common/tracker/startup.go`).
    pub(super) fn can_start(&mut self) -> bool {
        let connected = self.beacons.as_ref().map_or(&self.connected, |beacons| &beacons.connected);
        let needed = (3 * u128::from(connected.total_weight())).div_ceil(4);
        self.started |= u128::from(connected.connected_weight()) >= needed;
        self.started
    }

    /// Registers a request that nobody gets and that ends by its deadline, as a timer. False if
    /// there is no room for it.
    pub(super) fn request_nobody(&mut self, request_id: u32, answer: MessageKind) -> bool {
        self.requests.open(request_id, answer, &[self.own], self.now)
    }

    /// Notes that a peer is not connected any more.
    pub(super) fn disconnect(&mut self, node: &NodeId) {
        self.peers.remove(node);
        self.lose(node);
    }

    /// Whether a node is neither a validator nor this node.
    pub(super) fn is_stranger(&self, node: &NodeId) -> bool {
        *node != self.own && !self.validators.contains(node)
    }

    /// Takes over changes of the validators.
    pub(super) fn change_validators(
        &mut self,
        changes: &[ValidatorChange],
    ) -> Result<Vec<ValidatorDiff>, Fatal> {
        let diffs = self.validators.apply(changes)?;
        self.connected.follow(&diffs)?;
        self.sampler.reweigh(self.validators.weights())?;
        Ok(diffs)
    }

    /// Takes in how a request ended, for the benchlist.
    pub(super) fn observe_outcome(&mut self, node: NodeId, failed: bool) {
        if failed {
            self.stats.failed_requests += 1;
        }
        let Some(bench) = &mut self.bench else { return };
        if node == self.own {
            return;
        }
        // A list that is full follows nobody new; that is its documented bound.
        let events = bench.observe(node, failed, &self.validators, self.now).unwrap_or_default();
        self.follow_bench(events);
    }

    /// Lets peers off whose time on the bench is over.
    pub(super) fn expire_bench(&mut self) {
        let now = self.now;
        let events = self.bench.as_mut().map(|bench| bench.expire(now));
        self.follow_bench(events.unwrap_or_default());
    }

    pub(super) fn next_bench_expiry(&self) -> Option<Timestamp> {
        self.bench.as_ref().and_then(Benchlist::next_expiry)
    }

    pub(super) fn is_benched(&self, node: &NodeId) -> bool {
        self.bench.as_ref().is_some_and(|bench| bench.is_benched(node))
    }

    /// A benched peer counts as not connected.
    fn follow_bench(&mut self, events: Vec<BenchEvent>) {
        for event in events {
            match event {
                BenchEvent::Benched { node, .. } => {
                    self.lose(&node);
                    self.emit(Output::Benched(node));
                }
                BenchEvent::Unbenched { node, .. } => {
                    if self.peers.contains(&node) {
                        self.reach(node);
                    }
                    self.emit(Output::Unbenched(node));
                }
            }
        }
    }

    /// Any connected validator but this node, each as likely as any other.
    pub(super) fn choose_validator(&mut self) -> Option<NodeId> {
        let own = self.own;
        let candidates = || self.connected.connected_validators().filter(move |node| *node != own);
        let last = u64::try_from(candidates().count()).ok()?.checked_sub(1)?;
        let at = self.random.inclusive(last);
        candidates().nth(usize::try_from(at).ok()?)
    }
}
