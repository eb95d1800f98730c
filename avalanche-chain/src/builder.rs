//! When this node asks for a block to be built: pure.

use std::time::Duration;

use avalanche_consensus::{Height, NodeId, Timestamp};

use crate::Proposers;
use crate::node::BuildConfig;

/// Decides when to build on the preferred block.
///
/// | Situation | A block is built |
/// |---|---|
/// | this node is drawn for a slot | in that slot |
/// | any validator may propose, and clients gave this node transactions | at once |
/// | any validator may propose, and only others did | after a while, each node another one |
/// | nothing waits, and empty blocks are not asked for | never |
#[derive(Debug)]
pub(crate) struct Builder {
    own: NodeId,
    proposers: Proposers,
    config: BuildConfig,
    /// The preferred block: what would be built on.
    tip: (Height, Timestamp),
    /// Since when transactions wait, as far as the VM said.
    pending: Option<Timestamp>,
    /// Clients gave this node transactions since the last block that it built.
    local: bool,
    /// The engine was asked, and has not answered.
    asked: bool,
    /// When to ask, as far as it was worked out: a draw for each slot is not to be repeated in each
    /// turn of the driver.
    plan: Option<Timestamp>,
}

impl Builder {
    pub(crate) fn new(
        own: NodeId,
        proposers: Proposers,
        config: BuildConfig,
        tip: (Height, Timestamp),
    ) -> Self {
        Self { own, proposers, config, tip, pending: None, local: false, asked: false, plan: None }
    }

    /// Transactions wait; `local` if clients of this node gave some.
    pub(crate) fn pending(&mut self, now: Timestamp, local: bool) {
        if self.pending.is_none() || (local && !self.local) {
            self.plan = None;
        }
        self.pending.get_or_insert(now);
        self.local |= local;
    }

    /// Another block is preferred.
    pub(crate) const fn prefer(&mut self, height: Height, timestamp: Timestamp) {
        self.tip = (height, timestamp);
        self.plan = None;
    }

    /// The engine was asked to build.
    pub(crate) const fn ask(&mut self) {
        self.asked = true;
    }

    /// It did: `built` is whether there was something to build, `None` if it was not this node's
    /// turn after all.
    pub(crate) const fn answered(&mut self, built: Option<bool>) {
        self.asked = false;
        self.plan = None;
        if built.is_some() {
            // The VM says again if something is left, after the next accept.
            self.pending = None;
            self.local = false;
        }
    }

    /// When to ask the engine; `None` if there is no reason to.
    pub(crate) fn due(&mut self, now: Timestamp) -> Option<Timestamp> {
        if self.asked {
            return None;
        }
        if self.plan.is_none() {
            self.plan = self.work_out(now);
        }
        self.plan
    }

    fn work_out(&self, now: Timestamp) -> Option<Timestamp> {
        let since = match self.pending {
            Some(since) => since,
            None if self.config.empty => now,
            None => return None,
        };
        let (parent, parent_time) = self.tip;
        let height = parent.next()?;
        let interval = Duration::from_millis(self.config.interval_ms);
        let earliest = parent_time.after(interval).max(since).max(now);
        let at = self.proposers.next_time(self.own, height, parent_time, earliest)?;
        let anyone = self.proposers.slot_at(parent_time, at).is_none();
        if !anyone || self.local {
            return Some(at);
        }
        let turn = self.proposers.turn(self.own, height).unwrap_or_default();
        let others = Duration::from_millis(self.config.others_ms);
        Some(at.max(since.after(others.saturating_mul(turn + 1))))
    }
}

#[cfg(test)]
mod tests {
    use avalanche_consensus::Id;
    use avalanche_consensus::validators::{Validator, ValidatorSet};

    use super::*;
    use crate::ProposerRules;

    const SLOTS: u32 = 10;
    const NODES: u8 = 5;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn node(number: u8) -> NodeId {
        NodeId::new([number; 20])
    }

    fn proposers() -> Proposers {
        let all = (1..=NODES).map(|number| Validator { node_id: node(number), weight: 5 });
        let set = ValidatorSet::try_from(all.collect::<Vec<_>>()).unwrap();
        let rules = ProposerRules { slot_ms: 100, slots: SLOTS };
        Proposers::new(Id::new([3; 32]), rules, &set).unwrap()
    }

    /// On a block of height 7 that was made at 1,000 ms.
    fn builder(number: u8, config: BuildConfig) -> Builder {
        Builder::new(node(number), proposers(), config, (Height::new(7), at(1_000)))
    }

    #[test]
    fn nothing_is_built_of_nothing_unless_that_is_wanted() {
        let mut idle = builder(1, BuildConfig::default());
        assert_eq!(idle.due(at(5_000)), None);
        let mut eager = builder(1, BuildConfig { empty: true, ..BuildConfig::default() });
        assert!(eager.due(at(5_000)).is_some());
    }

    #[test]
    fn each_slot_has_one_builder_which_waits_for_it() {
        let mut first_slots = 0;
        for number in 1..=NODES {
            let mut one = builder(number, BuildConfig::default());
            one.pending(at(1_000), true);
            let due = one.due(at(1_000)).unwrap();
            let slot = proposers().slot_at(at(1_000), due);
            match slot {
                Some(slot) => {
                    let drawn = proposers().expected(Height::new(8), slot);
                    assert_eq!(drawn, Some(node(number)));
                    first_slots += u32::from(slot == 0);
                }
                None => assert_eq!(due, at(1_000 + u64::from(SLOTS) * 100)),
            }
        }
        assert_eq!(first_slots, 1, "somebody, and nobody else, builds at once");
    }

    #[test]
    fn after_the_slots_whoever_has_clients_builds_at_once_and_the_others_one_by_one() {
        let now = at(60_000);
        let mut times = Vec::new();
        for number in 1..=NODES {
            let mut taker = builder(number, BuildConfig::default());
            taker.pending(now, true);
            assert_eq!(taker.due(now), Some(now));
            let mut other = builder(number, BuildConfig::default());
            other.pending(now, false);
            times.push(other.due(now).unwrap().since(now).as_millis());
            // Its own client comes while it waits.
            other.pending(now, true);
            assert_eq!(other.due(now), Some(now));
        }
        times.sort_unstable();
        assert_eq!(times, [50, 100, 150, 200, 250]);
    }

    #[test]
    fn one_question_at_a_time_and_an_answer_ends_what_was_pending() {
        let now = at(60_000);
        let mut one = builder(1, BuildConfig::default());
        one.pending(now, true);
        one.ask();
        assert_eq!(one.due(now), None);
        // It was not this node's turn: it still wants to.
        one.answered(None);
        assert_eq!(one.due(now), Some(now));
        one.ask();
        one.answered(Some(true));
        assert_eq!(one.due(now), None);
        one.pending(at(61_000), false);
        assert!(one.due(at(61_000)) > Some(at(61_000)));
    }

    #[test]
    fn another_tip_is_another_plan_and_an_interval_is_kept() {
        let config = BuildConfig { interval_ms: 2_000, ..BuildConfig::default() };
        let mut one = builder(1, config);
        let now = at(60_000);
        one.pending(now, true);
        assert_eq!(one.due(now), Some(now));
        one.prefer(Height::new(8), now);
        assert!(one.due(now).unwrap() >= at(62_000));
    }
}
