//! A node: an engine, its shell and its VM.

use std::time::Duration;

use super::adversary::{Adversary, Said, View};
use super::block::BlockRef;
use super::invariants::{self, Invariant};
use super::queue::Event;
use super::random;
use super::vm::{Status, Vm};
use super::world::{World, node_id, node_index};
use crate::engine::{
    Answer, Call, CallId, Engine, Input, Message, Output, Phase, Setup, StoredRun,
};
use crate::{Height, Timestamp};

/// One node. While it is down it has no engine.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) index: u32,
    pub(super) engine: Option<Engine<BlockRef>>,
    pub(super) vm: Vm,
    pub(super) adversary: Option<Box<dyn Adversary>>,
    /// Polls of engines that are no more.
    past_polls: u64,
    /// When the next tick is scheduled.
    tick_at: Option<Timestamp>,
    /// Who it was told is connected.
    connected: Vec<bool>,
    /// Outputs that it still carries out before it crashes.
    crash_in: Option<u32>,
    honest: bool,
}

/// Outputs that one input can lead to in a network of honest size. More are a loop.
const OUTPUTS_MAX: u32 = 1 << 20;

impl Node {
    pub(super) fn new(
        index: u32,
        nodes: u32,
        vm: Vm,
        adversary: Option<Box<dyn Adversary>>,
    ) -> Self {
        Self {
            index,
            engine: None,
            vm,
            honest: adversary.is_none(),
            adversary,
            past_polls: 0,
            tick_at: None,
            connected: vec![false; nodes as usize],
            crash_in: None,
        }
    }

    pub(super) const fn honest(&self) -> bool {
        self.honest
    }

    /// Polls that were opened, over all its lives.
    pub(super) fn polls(&self) -> u64 {
        self.past_polls + self.engine.as_ref().map_or(0, |engine| engine.stats().polls)
    }

    /// Starts an engine from what is durable.
    pub(super) fn start(&mut self, world: &mut World, phase: Phase) {
        let life = world.life(self.index);
        let setup = Setup {
            own: node_id(self.index),
            validators: world.validators.clone(),
            beacons: None,
            tip: self.vm.tip_of(&world.blocks),
            phase,
            stored: self.stored_runs(world),
            seed: random::seed_of(world.seed, &format!("node {} life {life}", self.index)),
        };
        match Engine::new(world.config.clone(), setup, world.now()) {
            Ok(engine) => self.engine = Some(engine),
            Err(error) => {
                return world.broken(self.index, Invariant::NeverFatal, error.to_string());
            }
        }
        self.tick_at = None;
        self.connected.fill(false);
        self.set_up(world, true);
        self.drain(world);
    }

    /// Stops and forgets what is not durable.
    pub(super) fn crash(&mut self, world: &mut World) {
        let Some(engine) = self.engine.take() else { return };
        self.past_polls += engine.stats().polls;
        self.crash_in = None;
        self.vm.crash();
        world.counts.crashes += 1;
        if let Some(life) = world.lives.get_mut(self.index as usize) {
            *life += 1;
        }
        self.set_up(world, false);
        self.prefer(world, self.vm.tip());
    }

    /// Crashes after some more outputs.
    pub(super) fn crash_after(&mut self, world: &mut World, outputs: u32) {
        if outputs == 0 {
            self.crash(world);
        } else {
            self.crash_in = Some(outputs);
        }
    }

    /// Crashes no more.
    pub(super) const fn spare(&mut self) {
        self.crash_in = None;
    }

    /// Tells the engine who is connected by now.
    pub(super) fn check_links(&mut self, world: &mut World) {
        for peer in 0..self.connected.len() {
            let other = u32::try_from(peer).unwrap_or(u32::MAX);
            if other == self.index {
                continue;
            }
            let up = world.up.get(peer) == Some(&true) && world.network.connects(self.index, other);
            let told = self.connected.get_mut(peer).map(|told| std::mem::replace(told, up));
            if told != Some(up) {
                let id = node_id(other);
                let input = if up { Input::Connected(id) } else { Input::Disconnected(id) };
                self.take(world, input);
            }
        }
    }

    /// A message arrives.
    pub(super) fn hear(&mut self, world: &mut World, from: u32, message: Message<BlockRef>) {
        if let Some(adversary) = &mut self.adversary {
            let mut view = view(self.index, world);
            let hears = adversary.hears(&mut view, from, &message);
            let said = view.end();
            say(self.index, said, world);
            if !hears {
                return;
            }
        }
        self.take(world, Input::Message { from: node_id(from), message });
    }

    /// An adversary does something by itself; when it does so again.
    pub(super) fn wake(&mut self, world: &mut World) -> Option<Duration> {
        let adversary = self.adversary.as_mut()?;
        if self.engine.is_some() {
            let mut view = view(self.index, world);
            adversary.wakes(&mut view);
            let said = view.end();
            say(self.index, said, world);
        }
        adversary.period()
    }

    /// The time that the engine named has come, or another time that it named before.
    pub(super) fn tick(&mut self, world: &mut World) {
        // Another time was named since.
        if self.tick_at != Some(world.now()) {
            return;
        }
        self.tick_at = None;
        let Some(engine) = &self.engine else { return };
        if engine.poll_timeout().is_some_and(|due| due <= world.now()) {
            self.take(world, Input::Tick);
        } else {
            self.schedule_tick(world);
        }
    }

    /// The VM answers a call.
    pub(super) fn answer(&mut self, world: &mut World, id: CallId, call: &Call<BlockRef>) {
        let input = self.answer_of(world, id, call);
        self.take(world, input);
    }

    /// Hands something to the engine, does what it wants done, and looks whether all is well.
    pub(super) fn take(&mut self, world: &mut World, input: Input<BlockRef>) {
        let Some(engine) = &mut self.engine else { return };
        if let Err(fatal) = engine.handle(world.now(), input) {
            return world.broken(self.index, Invariant::NeverFatal, fatal.to_string());
        }
        self.drain(world);
    }

    fn drain(&mut self, world: &mut World) {
        let mut outputs = 0;
        while let Some(output) = self.engine.as_mut().and_then(Engine::poll_output) {
            world.hash.output(&output);
            if let Err(fatal) = self.carry_out(world, output) {
                return world.broken(self.index, Invariant::NeverFatal, fatal);
            }
            outputs += 1;
            if outputs > OUTPUTS_MAX {
                return world.broken(self.index, Invariant::Bounded, "outputs".to_owned());
            }
            if let Some(left) = &mut self.crash_in {
                *left -= 1;
                if *left == 0 {
                    return self.crash(world);
                }
            }
        }
        self.check(world);
        self.schedule_tick(world);
    }

    pub(super) fn carry_out(
        &mut self,
        world: &mut World,
        output: Output<BlockRef>,
    ) -> Result<(), String> {
        match output {
            Output::Send { to, message } => self.send(world, node_index(&to), message),
            Output::Call { id, call } => return self.call(world, id, call),
            Output::Accept(block) => self.accept(world, block.handle),
            Output::Reject(block) => self.reject(world, block.handle),
            Output::SetPreference(id) => {
                let block = world.blocks.find(&id).unwrap_or(BlockRef::GENESIS);
                self.prefer(world, block);
            }
            Output::StoreBlocks(blocks) => {
                blocks.iter().for_each(|block| self.vm.store(block.height().get(), block.handle));
            }
            Output::Fault { node, fault } => {
                world.counts.reported += 1;
                let honest = world.honest(node_index(&node));
                if honest {
                    world.check(self.index, invariants::no_false_accusation(&fault));
                }
            }
            Output::Bootstrapped | Output::Benched(_) | Output::Unbenched(_) => {}
        }
        Ok(())
    }

    fn send(&mut self, world: &mut World, to: u32, message: Message<BlockRef>) {
        let Some(adversary) = &mut self.adversary else {
            return world.send(self.index, to, Duration::ZERO, message);
        };
        let mut view = view(self.index, world);
        adversary.says(&mut view, to, message);
        let said = view.end();
        say(self.index, said, world);
    }

    /// Asks the VM: at once, or later if it is slow.
    fn call(&mut self, world: &mut World, id: CallId, call: Call<BlockRef>) -> Result<(), String> {
        if let Call::Verify(block) = &call {
            world.check(self.index, self.vm.may_verify(&world.blocks, block.handle));
            world.counts.lies += u64::from(!world.blocks.get(block.handle).valid);
        }
        if let Some(delay) = self.vm.delay() {
            world.counts.slow_answers += 1;
            let (node, call) = (self.index, Box::new(call));
            let life = world.life(node);
            world.queue.after(delay, Event::Answer { node, life, id, call });
            return Ok(());
        }
        let input = self.answer_of(world, id, &call);
        let Some(engine) = &mut self.engine else { return Ok(()) };
        engine.handle(world.now(), input).map_err(|fatal| fatal.to_string())
    }

    fn answer_of(
        &mut self,
        world: &mut World,
        id: CallId,
        call: &Call<BlockRef>,
    ) -> Input<BlockRef> {
        if let Call::ExecuteStored { low, high } = call {
            self.execute(world, *low, *high);
        }
        if let Call::EnterPhase(_) = call {
            self.prefer(world, self.vm.tip());
        }
        let now = world.now();
        let answer: Answer<_> = self.vm.answer(&mut world.blocks, now, call);
        Input::Answer { call: id, answer }
    }

    /// Verifies and accepts stored blocks.
    fn execute(&mut self, world: &mut World, low: Height, high: Height) {
        for block in self.vm.take_stored(low.get(), high.get()) {
            if world.blocks.height(block) <= self.vm.height() {
                continue;
            }
            world.check(self.index, self.vm.may_verify(&world.blocks, block));
            self.vm.execute(&world.blocks, block);
            self.accept(world, block);
        }
        self.prefer(world, self.vm.tip());
    }

    fn accept(&mut self, world: &mut World, at: BlockRef) {
        let block = world.blocks.get(at).block;
        let height = block.height.get();
        world.check(self.index, invariants::consecutive_heights(&self.vm, &block));
        world.check(self.index, invariants::parent_accepted(&self.vm, &world.blocks, &block));
        world.check(self.index, invariants::verified_before_accept(&self.vm, at));
        if self.honest {
            let agreement = invariants::agreement(&mut world.chain, height, at);
            world.counts.disagreements += u64::from(agreement.is_err());
            world.check(self.index, agreement);
        }
        self.vm.accept(at);
        world.counts.accepted += 1;
        world.behind -= usize::from(self.honest && height == world.heights);
        let now = world.now();
        if let Some(block) = world.blocks.get_mut(at) {
            block.accepted = true;
            block.accepted_honestly |= self.honest;
            let took = now.since(block.built);
            let holds = invariants::one_decision(block);
            world.finality.iter_mut().for_each(|finality| finality.push(took));
            world.check(self.index, holds);
        }
    }

    fn reject(&mut self, world: &mut World, at: BlockRef) {
        world.check(self.index, invariants::rejected_once(&self.vm, at));
        if self.vm.status(at) != Status::Accepted {
            self.vm.reject(at);
        }
        world.counts.rejected += 1;
        if let Some(block) = world.blocks.get_mut(at) {
            block.rejected = true;
            block.rejected_honestly |= self.honest;
            let (height, holds) = (block.block.height, invariants::one_decision(block));
            world.check(self.index, holds);
            world.conflict(height.get());
        }
    }

    fn prefer(&mut self, world: &mut World, block: BlockRef) {
        self.vm.prefer(block);
        if let Some(preference) = world.preferences.get_mut(self.index as usize) {
            *preference = block;
        }
    }

    /// What must hold between two inputs.
    fn check(&self, world: &mut World) {
        let Some(engine) = &self.engine else { return };
        let (vm, blocks) = (&self.vm, &world.blocks);
        let holds = invariants::tip_told(engine, vm, blocks)
            .and_then(|()| invariants::nothing_forgotten(engine, vm))
            .and_then(|()| invariants::preference_told(engine, vm, blocks))
            .and_then(|()| invariants::preference_undecided(engine, vm))
            .and_then(|()| invariants::bounded(engine, &world.config.limits));
        world.check(self.index, holds);
    }

    fn schedule_tick(&mut self, world: &mut World) {
        let Some(due) = self.engine.as_ref().and_then(Engine::poll_timeout) else { return };
        if self.tick_at.is_none_or(|at| due < at) {
            self.tick_at = Some(due);
            let node = self.index;
            let life = world.life(node);
            world.queue.at(due, Event::Tick { node, life });
        }
    }

    fn set_up(&self, world: &mut World, now_up: bool) {
        if let Some(up) = world.up.get_mut(self.index as usize) {
            *up = now_up;
        }
    }

    /// The stored blocks, as runs of heights without a gap.
    fn stored_runs(&self, world: &World) -> Vec<StoredRun> {
        let mut runs: Vec<StoredRun> = Vec::new();
        for (height, block) in self.vm.stored() {
            let height = Height::new(height);
            match runs.last_mut() {
                Some(run) if run.high.next() == Some(height) => run.high = height,
                _ => {
                    let parent = world.blocks.get(block).block.parent;
                    runs.push(StoredRun { low: height, high: height, parent });
                }
            }
        }
        runs
    }
}

fn view(me: u32, world: &mut World) -> View<'_> {
    View {
        me,
        now: world.queue.now(),
        blocks: &mut world.blocks,
        preferences: &world.preferences,
        random: &mut world.adversary_random,
        said: Said::default(),
    }
}

/// Sends what an adversary said.
fn say(me: u32, said: Said, world: &mut World) {
    world.counts.misdeeds += said.deeds;
    for (to, held_back, message) in said.messages {
        world.send(me, to, held_back, message);
    }
}
