//! Runs a script on the library's polls and on the eager ones, and compares after each operation.

use std::collections::BTreeMap;

use super::{Coverage, Difference, EagerPolls, IdSpace, compare};
use crate::poll::Polls;
use crate::snowball::Parameters;
use crate::{Bag, HashKey, Id, NodeId};

/// The situations that [`PollsScript::run`] counts.
pub const POLLS_SITUATIONS: &[&str] = &[
    "poll opened",
    "request opened twice",
    "vote for an open poll",
    "response without effect",
    "poll left early",
    "result left",
    "several results left at once",
    "finished poll waits for an older one",
    "finished poll reopened by a change of the tree",
];

/// Operations on [`Polls`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollsScript {
    /// The parameters.
    pub parameters: Parameters,
    /// Where block ids come from.
    pub ids: IdSpace,
    /// What to do.
    pub operations: Vec<PollsOperation>,
}

/// One operation on polls. Blocks and validators are few, so that they meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollsOperation {
    /// Put a block below another, unless that would close a cycle.
    Link {
        /// The block.
        child: u8,
        /// Its parent.
        parent: u8,
    },
    /// Forget the parent of a block.
    Cut(u8),
    /// Open a poll of validators that this draw selects.
    Open {
        /// The request.
        request: u8,
        /// Whom to sample how often.
        sample: u32,
    },
    /// A validator answers one of the open polls.
    Vote {
        /// Which poll.
        poll: u8,
        /// Which validator.
        validator: u8,
        /// For which block.
        block: u8,
    },
    /// A validator will not answer one of the open polls.
    Drop {
        /// Which poll.
        poll: u8,
        /// Which validator.
        validator: u8,
    },
}

/// Number of validators.
const VALIDATORS: u8 = 16;
/// Number of blocks.
const BLOCKS: u8 = 24;

impl PollsScript {
    /// Runs the script on both and returns every result that left, in order.
    ///
    /// # Errors
    ///
    /// The first difference between the two.
    pub fn run(&self, key: HashKey, coverage: &mut Coverage) -> Result<Vec<Bag>, Difference> {
        let mut duel = Duel {
            ids: self.ids,
            k: self.parameters.k(),
            polls: Polls::new(&self.parameters, key),
            model: EagerPolls::new(self.parameters),
            parents: BTreeMap::new(),
            results: Vec::new(),
        };
        for (index, operation) in self.operations.iter().enumerate() {
            duel.apply(*operation, coverage)
                .and_then(|()| duel.compare())
                .map_err(|difference| difference.at(index, operation))?;
        }
        Ok(duel.results)
    }
}

struct Duel {
    ids: IdSpace,
    k: u32,
    polls: Polls,
    model: EagerPolls,
    parents: BTreeMap<Id, Id>,
    results: Vec<Bag>,
}

impl Duel {
    fn apply(
        &mut self,
        operation: PollsOperation,
        coverage: &mut Coverage,
    ) -> Result<(), Difference> {
        match operation {
            PollsOperation::Link { .. } | PollsOperation::Cut(_) => {
                let before = self.model.would_finish(&self.parents);
                self.change_tree(operation);
                let after = self.model.would_finish(&self.parents);
                let reopened =
                    before.iter().zip(&after).any(|(before, after)| before.1 && !after.1);
                coverage.hit_if("finished poll reopened by a change of the tree", reopened);
            }
            PollsOperation::Open { request, sample } => {
                let validators = self.sample(sample);
                let opened = self.model.add(u32::from(request % 8), &validators);
                coverage.hit(if opened { "poll opened" } else { "request opened twice" });
                let actual = self.polls.add(u32::from(request % 8), &validators);
                compare("result of add", &Ok(opened), &actual)?;
            }
            PollsOperation::Vote { poll, validator, block } => {
                let block = self.block(block);
                return self.respond(poll, validator, Some(block), coverage);
            }
            PollsOperation::Drop { poll, validator } => {
                return self.respond(poll, validator, None, coverage);
            }
        }
        Ok(())
    }

    fn change_tree(&mut self, operation: PollsOperation) {
        match operation {
            PollsOperation::Link { child, parent } => {
                let (child, parent) = (self.block(child), self.block(parent));
                if !self.descends(parent, child) {
                    self.parents.insert(child, parent);
                }
            }
            PollsOperation::Cut(block) => {
                self.parents.remove(&self.block(block));
            }
            _ => {}
        }
    }

    fn respond(
        &mut self,
        poll: u8,
        validator: u8,
        vote: Option<Id>,
        coverage: &mut Coverage,
    ) -> Result<(), Difference> {
        // One number in eight names a request that may not be open.
        let known = self.model.request(usize::from(poll)).filter(|_| poll % 8 != 7);
        let request = known.unwrap_or(u32::from(poll));
        let validator = NodeId::new([validator % VALIDATORS; 20]);
        let before = self.model.clone();
        let expected = self.model.respond(request, &validator, vote, &self.parents);
        let actual = match vote {
            Some(id) => self.polls.vote(request, &validator, id, &self.parents),
            None => self.polls.drop_validator(request, &validator, &self.parents),
        };
        compare("results", &expected.as_slice(), &actual)?;
        coverage.hit_if("vote for an open poll", vote.is_some() && known.is_some());
        coverage.hit_if("response without effect", before.same_votes(&self.model));
        coverage.add("result left", u64::try_from(expected.len()).unwrap_or(0));
        coverage.hit_if("several results left at once", expected.len() > 1);
        coverage.hit_if("poll left early", expected.iter().any(|votes| votes.len() < self.k / 2));
        coverage.hit_if("finished poll waits for an older one", self.model.waiting());
        self.results.extend(expected);
        Ok(())
    }

    fn compare(&self) -> Result<(), Difference> {
        compare("open polls", &self.model.len(), &self.polls.len())?;
        compare("no open poll", &self.model.is_empty(), &self.polls.is_empty())?;
        let actual: Vec<_> = self.polls.would_finish(&self.parents).collect();
        compare("would finish", &self.model.would_finish(&self.parents), &actual)
    }

    fn block(&self, number: u8) -> Id {
        // Bit 15 reaches bit 255 of the ids.
        let number = u16::from(number % BLOCKS);
        self.ids.id((number / 2) | ((number % 2) << 15))
    }

    /// Whether `id` is `ancestor` or below it.
    fn descends(&self, id: Id, ancestor: Id) -> bool {
        let mut at = Some(id);
        while let Some(id) = at {
            if id == ancestor {
                return true;
            }
            at = self.parents.get(&id).copied();
        }
        false
    }

    /// At most `k` votes over the validators, two bits of the draw for each.
    fn sample(&self, draw: u32) -> Bag<NodeId> {
        let mut validators = Bag::new();
        for node in 0..VALIDATORS {
            let times = draw >> (2 * node) & 3;
            validators.add_count(NodeId::new([node; 20]), times.min(self.k - validators.len()));
        }
        validators
    }
}
