//! Runs a script on the library's tree and on the eager one, and compares after each operation.

use super::ballot::nth;
use super::{Added, Candidates, Coverage, Difference, EagerTree, Factory, SplitCase, compare};
use super::{TreeOperation, TreeScript, same_print};
use crate::snowball::{Rule, Snowball, Snowflake, Tree};
use crate::{Bag, HashKey, Id};

/// The situations that [`TreeScript::run`] counts.
pub const TREE_SITUATIONS: &[&str] = &[
    "choice added",
    "choice known",
    "choice decided against",
    "split of a single bit",
    "split at the first bit",
    "split at the last bit",
    "split in the interior",
    "split at bit 255",
    "successful poll",
    "failed poll",
    "unsuccessful poll recorded",
    "preference changed",
    "confidence lost",
    "two levels or more finalised at once",
    "snowball finalised against its preference",
    "tree finalised",
    "poll of a finalised tree",
    "successful poll, then a failed one with the same votes",
];

impl TreeScript {
    /// Runs the script on both trees and returns the preference after each operation.
    ///
    /// # Errors
    ///
    /// The first difference between the trees, or the first law that is broken.
    pub fn run(&self, key: HashKey, coverage: &mut Coverage) -> Result<Vec<Id>, Difference> {
        match self.factory {
            Factory::Snowflake => Duel::<Snowflake>::new(self, key).run(self, coverage),
            Factory::Snowball => Duel::<Snowball>::new(self, key).run(self, coverage),
        }
    }
}

struct Duel<R: Rule> {
    tree: Tree<R>,
    model: EagerTree,
    added: Vec<Id>,
    target: Id,
    last: Option<(Bag, bool)>,
    /// Polls since the tree was finalised.
    late: u32,
    key: HashKey,
}

impl<R: Rule> Duel<R> {
    fn new(script: &TreeScript, key: HashKey) -> Self {
        Self::plant(script, script.ids.id(script.first), key)
    }

    fn plant(script: &TreeScript, first: Id, key: HashKey) -> Self {
        Self {
            tree: Tree::new(script.parameters, first, key),
            model: EagerTree::new(script.factory, script.parameters, first),
            added: vec![first],
            target: first,
            last: None,
            late: 0,
            key,
        }
    }

    fn run(mut self, script: &TreeScript, coverage: &mut Coverage) -> Result<Vec<Id>, Difference> {
        let mut preferences = Vec::with_capacity(script.operations.len());
        for (index, operation) in script.operations.iter().enumerate() {
            let preference = *self.tree.preference();
            self.apply(*operation, script, coverage)
                .and_then(|()| self.compare())
                .map_err(|difference| difference.at(index, operation))?;
            coverage.hit_if("preference changed", preference != *self.tree.preference());
            preferences.push(*self.tree.preference());
            // A finalised tree stays as it is. A few polls show that; then another decision starts.
            if self.late == 4 {
                coverage.hit("tree finalised");
                let number = u16::try_from(index).unwrap_or(0) ^ script.first;
                self = Self::plant(script, script.ids.id(number), self.key);
            }
        }
        Ok(preferences)
    }

    fn apply(
        &mut self,
        operation: TreeOperation,
        script: &TreeScript,
        coverage: &mut Coverage,
    ) -> Result<(), Difference> {
        match operation {
            TreeOperation::Add(number) => return self.add(script.ids.id(number), coverage),
            TreeOperation::Aim(draw) => self.target = nth(&self.added, draw).unwrap_or(self.target),
            TreeOperation::Poll(ballot) => {
                let candidates = Candidates {
                    target: self.target,
                    seen: &self.added,
                    rivals: self.added.clone(),
                    grandchildren: Vec::new(),
                    unknown: None,
                };
                let votes = ballot.votes(&script.parameters, &candidates);
                return self.poll(votes, coverage);
            }
            TreeOperation::Fail => {
                coverage.hit("unsuccessful poll recorded");
                let lost = self.model.record_unsuccessful_poll();
                coverage.hit_if("confidence lost", lost > 0);
                self.tree.record_unsuccessful_poll();
            }
        }
        Ok(())
    }

    fn add(&mut self, choice: Id, coverage: &mut Coverage) -> Result<(), Difference> {
        let before = *self.tree.preference();
        compare("result of add", &Ok(()), &self.tree.add(choice))?;
        compare("preference after an add", &before, self.tree.preference())?;
        let added = self.model.add(choice);
        count_added(added, coverage);
        if !self.added.contains(&choice) {
            self.added.push(choice);
        }
        Ok(())
    }

    fn poll(&mut self, votes: Bag, coverage: &mut Coverage) -> Result<(), Difference> {
        let success = self.tree.record_poll(&votes);
        let poll = self.model.record_poll(&votes);
        if let Some(expected) = poll.success {
            compare("success", &expected, &success)?;
            coverage.hit(if success { "successful poll" } else { "failed poll" });
            let split =
                self.last.as_ref().is_some_and(|(last, success)| *success && *last == votes);
            coverage.hit_if(
                "successful poll, then a failed one with the same votes",
                split && !success,
            );
            self.last = Some((votes, success));
        }
        coverage.hit_if("poll of a finalised tree", poll.success.is_none());
        self.late += u32::from(poll.success.is_none());
        coverage.hit_if("confidence lost", poll.resets > 0);
        coverage.hit_if("two levels or more finalised at once", poll.levels > 1);
        coverage.add("snowball finalised against its preference", u64::from(poll.contrary));
        Ok(())
    }

    fn compare(&self) -> Result<(), Difference> {
        compare("finalized", &self.model.finalized(), &self.tree.finalized())?;
        compare("preference", &self.model.preference(), self.tree.preference())?;
        self.model.render().map_or(Ok(()), |form| same_print(&form, &self.tree.to_string()))
    }
}

/// Counts what an added choice meant for the tree.
pub(crate) fn count_added(added: Added, coverage: &mut Coverage) {
    match added {
        Added::Ignored => coverage.hit("choice decided against"),
        Added::Known => coverage.hit("choice known"),
        Added::Split { case, last_bit } => {
            coverage.hit("choice added");
            coverage.hit(match case {
                SplitCase::Single => "split of a single bit",
                SplitCase::First => "split at the first bit",
                SplitCase::Last => "split at the last bit",
                SplitCase::Interior => "split in the interior",
            });
            coverage.hit_if("split at bit 255", last_bit);
        }
    }
}
