//! Runs a script on the library's Snowman and on the eager one, and compares after each operation.

use std::collections::BTreeMap;

use super::ballot::nth;
use super::call_log::CallLog;
use super::tree_duel::count_added;
use super::{Call, Candidates, Coverage, Difference, EagerSnowman, Factory, SnowmanPoll};
use super::{Parent, SnowmanOperation, SnowmanScript, check_order, compare, demand, same_print};
use crate::snowball::{Rule, Snowball, Snowflake};
use crate::snowman::{AcceptorCall, Block, PollOutcome, RecordPollError, Stats, Topological};
use crate::{Bag, Error, HashKey, Height, Id, Timestamp};

/// The situations that [`SnowmanScript::run`] counts.
pub const SNOWMAN_SITUATIONS: &[&str] = &[
    "block added",
    "block added beside a sibling",
    "block added outside decided bits",
    "decided id added again",
    "duplicate refused",
    "unknown parent refused",
    "wrong height refused",
    "too many votes refused",
    "choice added",
    "split of a single bit",
    "split at the first bit",
    "split at the last bit",
    "split in the interior",
    "split at bit 255",
    "poll that is too short",
    "successful poll",
    "failed poll",
    "idle poll",
    "poll through four trees or more",
    "preference changed",
    "preference moved to another branch",
    "confidence lost in a polled tree",
    "tree off the voted path reset",
    "three trees off the voted path reset at once",
    "two levels or more finalised at once",
    "snowball finalised against its preference",
    "tree finalised below an undecided block",
    "accepted",
    "several accepted in one poll",
    "sibling rejected",
    "descendant rejected",
];

/// The situations that [`SnowmanScript::run`] counts besides when the acceptor refuses a call.
pub const REFUSAL_SITUATIONS: &[&str] = &["notify refused", "accept refused", "reject refused"];

/// The whole run of a script, for comparing runs with each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnowmanRun {
    /// Every call on the acceptor, in order.
    pub calls: Vec<Call>,
    /// Preference after each operation.
    pub preferences: Vec<Id>,
    /// State at the end: every block with its pending falter flag and its printed tree.
    pub end: Vec<(Id, bool, Option<String>)>,
}

impl SnowmanScript {
    /// Runs the script on both and returns what the library did.
    ///
    /// A script whose acceptor refuses a call ends there, after checking that the instance is
    /// poisoned.
    ///
    /// # Errors
    ///
    /// The first difference between the two, or the first law that is broken.
    pub fn run(&self, key: HashKey, coverage: &mut Coverage) -> Result<SnowmanRun, Difference> {
        match self.factory {
            Factory::Snowflake => Duel::<Snowflake>::new(self, key, coverage).run(),
            Factory::Snowball => Duel::<Snowball>::new(self, key, coverage).run(),
        }
    }
}

struct Duel<'a, R: Rule> {
    script: &'a SnowmanScript,
    coverage: &'a mut Coverage,
    snowman: Topological<R>,
    model: EagerSnowman,
    log: CallLog,
    /// Every block that was ever added, once each.
    seen: Vec<Id>,
    /// Undecided blocks with their heights.
    undecided: BTreeMap<Id, Height>,
    target: Id,
    aim: u16,
    /// Polls in a row with nothing undecided.
    idle: u32,
    /// What the library should have counted.
    stats: Stats,
    /// Polls before each undecided block was added.
    issued: BTreeMap<Id, u64>,
    /// An outcome was not specified, so the counters of outcomes are not either.
    unspecified: bool,
}

impl<'a, R: Rule> Duel<'a, R> {
    fn new(script: &'a SnowmanScript, key: HashKey, coverage: &'a mut Coverage) -> Self {
        let (genesis, height) = (Id::hash(b"last accepted"), Height::new(7));
        Self {
            script,
            coverage,
            snowman: Topological::new(script.parameters, genesis, height, key),
            model: EagerSnowman::new(script.factory, script.parameters, genesis, height),
            log: CallLog::refusing(script.refuse),
            seen: vec![genesis],
            undecided: BTreeMap::new(),
            target: genesis,
            aim: 0,
            idle: 0,
            stats: Stats { max_verified_height: height, ..Stats::default() },
            issued: BTreeMap::new(),
            unspecified: false,
        }
    }

    fn run(mut self) -> Result<SnowmanRun, Difference> {
        let mut preferences = Vec::with_capacity(self.script.operations.len());
        for (index, operation) in self.script.operations.iter().enumerate() {
            let before = self.snowman.preference();
            let result = self.apply(*operation).and_then(|()| {
                if self.log.refused().is_some() {
                    return self.check_poisoned();
                }
                self.compare()?;
                if index % 8 == 7 { self.compare_everything() } else { Ok(()) }
            });
            result.map_err(|difference| difference.at(index, operation))?;
            let preference = self.snowman.preference();
            self.coverage.hit_if("preference changed", before != preference);
            preferences.push(preference);
            if self.log.refused().is_some() {
                break;
            }
        }
        if self.log.refused().is_none() {
            self.compare_everything()?;
        }
        let end = inspect(&self.snowman);
        Ok(SnowmanRun { calls: self.log.calls().to_vec(), preferences, end })
    }

    fn apply(&mut self, operation: SnowmanOperation) -> Result<(), Difference> {
        match operation {
            SnowmanOperation::Add { id, parent } => self.add(id, parent),
            SnowmanOperation::Aim(draw) => {
                self.aim = draw;
                self.retarget(true);
                Ok(())
            }
            // Two polls show that nothing happens while nothing is undecided.
            SnowmanOperation::Poll(_) if self.idle > 1 => Ok(()),
            SnowmanOperation::Poll(ballot) => {
                self.retarget(false);
                let candidates = self.candidates();
                let votes = ballot.votes(&self.script.parameters, &candidates);
                self.poll(&votes)
            }
            SnowmanOperation::TooMany => {
                let k = self.script.parameters.k();
                let votes = Bag::from(vec![(self.target, k), (self.model.preference(), 1)]);
                let before = inspect(&self.snowman);
                let refused = self.snowman.record_poll(&votes, &mut self.log);
                self.coverage.hit("too many votes refused");
                let expected = Error::TooManyVotes { votes: k + 1, k };
                demand(
                    "refusal of too many votes",
                    matches!(&refused, Err(RecordPollError::Refused(error)) if *error == expected),
                    || format!("{refused:?}"),
                )?;
                compare("state after a refused poll", &before, &inspect(&self.snowman))
            }
        }
    }

    fn add(&mut self, number: u16, parent: Parent) -> Result<(), Difference> {
        let unknown = self.script.ids.unknown(number);
        let tip = self.model.preference();
        let undecided: Vec<Id> = self.model.undecided().collect();
        let parent_id = match parent {
            Parent::Tip | Parent::WrongHeight => tip,
            Parent::LastAccepted => self.model.last_accepted().0,
            Parent::Undecided(draw) => nth(&undecided, draw).unwrap_or(tip),
            Parent::OfUndecided(draw) => {
                nth(&undecided, draw).and_then(|id| self.model.parent(&id)).unwrap_or(tip)
            }
            Parent::Seen(draw) => nth(&self.seen, draw).unwrap_or(unknown),
            Parent::Unknown => unknown,
        };
        let below = self.model.height(&parent_id).unwrap_or_default().get() + 1;
        let height = Height::new(below + u64::from(parent == Parent::WrongHeight));
        let block = Block { id: self.script.ids.id(number), parent: parent_id, height };
        if block.id == self.model.last_accepted().0 {
            // The last accepted block under another parent would be a collision of hashes.
            return Ok(());
        }
        let before = self.snowman.preference();
        let again = self.seen.contains(&block.id);
        let state = inspect(&self.snowman);
        let expected = self.model.add(block);
        let actual = self.snowman.add(block, Timestamp::ZERO);
        compare("result of add", &expected.as_ref().err(), &actual.as_ref().err())?;
        match expected {
            Err(error) => {
                self.coverage.hit(match error {
                    Error::Duplicate { .. } => "duplicate refused",
                    Error::UnknownParent { .. } => "unknown parent refused",
                    _ => "wrong height refused",
                });
                return compare("state after a refused add", &state, &inspect(&self.snowman));
            }
            Ok(added) => {
                self.coverage.hit("block added");
                self.coverage.hit_if("decided id added again", again);
                self.coverage.hit_if("block added beside a sibling", added.is_some());
                if let Some(added) = added {
                    let ignored = added == super::Added::Ignored;
                    self.coverage.hit_if("block added outside decided bits", ignored);
                    if !ignored {
                        count_added(added, self.coverage);
                    }
                }
            }
        }
        let expected = if before == block.parent { block.id } else { before };
        compare("preference after an add", &expected, &self.snowman.preference())?;
        self.undecided.insert(block.id, height);
        self.issued.insert(block.id, self.stats.polls);
        self.stats.max_verified_height = self.stats.max_verified_height.max(height);
        self.idle = 0;
        if !again {
            self.seen.push(block.id);
        }
        Ok(())
    }

    fn poll(&mut self, votes: &Bag) -> Result<(), Difference> {
        let done = self.log.calls().len();
        let tip = self.model.preferred();
        let poll = self.model.record_poll(votes);
        let outcome = self.snowman.record_poll(votes, &mut self.log);
        let calls = self.log.calls().get(done..).unwrap_or(&[]).to_vec();
        let short = votes.len() < self.script.parameters.alpha_preference();
        self.coverage.hit_if("poll that is too short", short);
        demand("no decision from a short poll", !short || calls.is_empty(), || {
            format!("{calls:?}")
        })?;
        let refused = self.log.refused().copied();
        check_order(&calls, &poll.acceptances, refused.is_some())?;
        self.stats.polls += 1;
        for (call, id, height) in calls.iter().filter(|(call, ..)| *call != AcceptorCall::Notify) {
            let known = self.undecided.remove(id);
            compare("height of a block decided once", &Some(*height), &known)?;
            let polls = self.stats.polls - self.issued.remove(id).unwrap_or_default();
            if *call == AcceptorCall::Accept {
                self.stats.accepted += 1;
                self.stats.accepted_polls += polls;
            } else {
                self.stats.rejected += 1;
                self.stats.rejected_polls += polls;
            }
        }
        if let Some((call, id, _)) = refused {
            return self.check_refusal(&poll, (call, id), &outcome);
        }
        self.count_poll(&poll, &tip);
        self.unspecified |= poll.unspecified;
        self.idle = if poll.idle { self.idle + 1 } else { 0 };
        let expected = if poll.idle {
            PollOutcome::Idle
        } else if poll.success {
            self.stats.polls_successful += 1;
            PollOutcome::Successful
        } else {
            self.stats.polls_failed += 1;
            PollOutcome::Failed
        };
        match outcome {
            Ok(actual) if poll.unspecified => {
                demand("outcome", actual != PollOutcome::Idle, || format!("{actual:?}"))
            }
            Ok(actual) => compare("outcome", &expected, &actual),
            Err(error) => {
                Err(Difference::new("poll", format!("{expected:?}"), format!("{error:?}")))
            }
        }
    }

    fn check_refusal<E: std::fmt::Debug>(
        &mut self,
        poll: &SnowmanPoll,
        refused: (AcceptorCall, Id),
        outcome: &Result<PollOutcome, RecordPollError<E>>,
    ) -> Result<(), Difference> {
        self.coverage.hit(match refused.0 {
            AcceptorCall::Notify => "notify refused",
            AcceptorCall::Accept => "accept refused",
            AcceptorCall::Reject => "reject refused",
        });
        let named = match outcome {
            Err(RecordPollError::Acceptor { call, id, .. }) => Some((*call, *id)),
            _ => None,
        };
        compare("refused call in the error", &Some(refused), &named)?;
        // The last accepted block moves when its accept succeeds, and not before.
        let calls = self.log.calls();
        let accepted = calls
            .iter()
            .rev()
            .find(|(call, id, _)| *call == AcceptorCall::Accept && (*call, *id) != refused);
        let expected = accepted.map_or_else(
            || (Id::hash(b"last accepted"), Height::new(7)),
            |(_, id, height)| (*id, *height),
        );
        demand("acceptance in the model", !poll.acceptances.is_empty(), || format!("{poll:?}"))?;
        compare("last accepted after a refusal", &expected, &self.snowman.last_accepted())
    }

    /// Every further call must be refused and change nothing.
    fn check_poisoned(&mut self) -> Result<(), Difference> {
        demand("poisoned", self.snowman.is_poisoned(), || "not poisoned".to_owned())?;
        let (before, calls) = (inspect(&self.snowman), self.log.calls().len());
        let (parent, height) = self.snowman.last_accepted();
        let block =
            Block { id: self.script.ids.unknown(0), parent, height: Height::new(height.get() + 1) };
        let added = self.snowman.add(block, Timestamp::ZERO);
        compare("add on a poisoned instance", &Err(Error::Poisoned), &added)?;
        let votes = Bag::from([self.target]);
        let polled = self.snowman.record_poll(&votes, &mut self.log);
        demand(
            "poll on a poisoned instance",
            matches!(polled, Err(RecordPollError::Refused(Error::Poisoned))),
            || format!("{polled:?}"),
        )?;
        compare("calls after poisoning", &calls, &self.log.calls().len())?;
        compare("state after poisoning", &before, &inspect(&self.snowman))
    }

    fn count_poll(&mut self, poll: &SnowmanPoll, before: &[(Height, Id)]) {
        let coverage = &mut *self.coverage;
        coverage.hit(match (poll.idle, poll.success) {
            (true, _) => "idle poll",
            (false, true) => "successful poll",
            (false, false) => "failed poll",
        });
        coverage.hit_if("poll through four trees or more", poll.depth > 3);
        coverage.hit_if("confidence lost in a polled tree", poll.resets > 0);
        coverage.hit_if("tree off the voted path reset", poll.falters > 0);
        coverage.hit_if("three trees off the voted path reset at once", poll.falters > 2);
        coverage.hit_if("two levels or more finalised at once", poll.levels_most > 1);
        coverage.add("snowball finalised against its preference", u64::from(poll.contrary));
        coverage.add("tree finalised below an undecided block", u64::from(poll.unaccepted));
        coverage.add("accepted", count(poll.acceptances.len()));
        coverage.hit_if("several accepted in one poll", poll.acceptances.len() > 1);
        for acceptance in &poll.acceptances {
            coverage.add("sibling rejected", count(acceptance.siblings.len()));
            coverage.add("descendant rejected", count(acceptance.descendants.len()));
        }
        let after = self.model.preferred();
        let moved =
            after.iter().any(|(height, id)| before.iter().any(|(h, i)| h == height && i != id));
        coverage.hit_if("preference moved to another branch", moved);
    }

    /// Keeps the target while it is undecided, and otherwise takes the block that the aim names.
    fn retarget(&mut self, force: bool) {
        if force || !self.model.processing(&self.target) {
            let undecided: Vec<Id> = self.model.undecided().collect();
            self.target = nth(&undecided, self.aim).unwrap_or(self.model.last_accepted().0);
        }
    }

    fn candidates(&self) -> Candidates<'_> {
        let target = self.target;
        let siblings =
            self.model.parent(&target).map(|parent| self.model.children(&parent).to_vec());
        let grandchildren = self
            .model
            .children(&target)
            .iter()
            .flat_map(|child| self.model.children(child).iter().copied())
            .collect();
        Candidates {
            target,
            seen: &self.seen,
            rivals: siblings.filter(|ids| !ids.is_empty()).unwrap_or_else(|| vec![target]),
            grandchildren,
            unknown: Some(self.script.ids.unknown(self.aim)),
        }
    }

    fn compare(&self) -> Result<(), Difference> {
        compare("last accepted", &self.model.last_accepted(), &self.snowman.last_accepted())?;
        compare("num_processing", &self.model.num_processing(), &self.snowman.num_processing())?;
        compare("preference", &self.model.preference(), &self.snowman.preference())?;
        let branch: Vec<_> = self.snowman.preferred().collect();
        compare("preferred branch", &self.model.preferred(), &branch)?;
        compare("poisoned", &false, &self.snowman.is_poisoned())
    }

    /// Every query about every block ever seen, the printed trees and the invariants.
    fn compare_everything(&self) -> Result<(), Difference> {
        let (last, height) = self.model.last_accepted();
        let preferred: BTreeMap<Height, Id> = self.model.preferred().into_iter().collect();
        let unknown = self.script.ids.unknown(self.aim);
        for id in self.seen.iter().chain([&unknown]) {
            compare("processing", &self.model.processing(id), &self.snowman.processing(id))?;
            compare(
                "undecided once",
                &self.undecided.contains_key(id),
                &self.snowman.processing(id),
            )?;
            let is_preferred = *id == last || preferred.values().any(|block| block == id);
            compare("is_preferred", &is_preferred, &self.snowman.is_preferred(id))?;
            compare("parent", &self.model.parent(id), &self.snowman.parent(id))?;
        }
        for at in height.get() - 2..=height.get() + count(preferred.len()) + 2 {
            let at = Height::new(at);
            let expected = if at == height { Some(last) } else { preferred.get(&at).copied() };
            compare("preference_at_height", &expected, &self.snowman.preference_at_height(at))?;
        }
        let mut stats = self.snowman.stats();
        if self.unspecified {
            stats.polls_successful = self.stats.polls_successful;
            stats.polls_failed = self.stats.polls_failed;
        }
        compare("stats", &self.stats, &stats)?;
        let blocks = inspect(&self.snowman);
        let mut ids: Vec<Id> = self.model.undecided().chain([last]).collect();
        ids.sort_unstable();
        compare("blocks", &ids, &blocks.iter().map(|(id, ..)| *id).collect())?;
        for (id, _, printed) in blocks {
            let tree = self.model.tree(&id);
            compare("block with a tree", &tree.is_some(), &printed.is_some())?;
            if let (Some(expected), Some(actual)) = (tree.and_then(|tree| tree.render()), printed) {
                same_print(&expected, &actual)?;
            }
        }
        Ok(())
    }
}

fn inspect<R: Rule>(snowman: &Topological<R>) -> Vec<(Id, bool, Option<String>)> {
    let blocks = snowman.inspect().into_iter();
    blocks.map(|block| (block.id, block.should_falter, block.tree)).collect()
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
