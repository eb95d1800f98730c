//! Polls with nothing saved: the block graph is built again for every question.

use std::collections::{BTreeMap, BTreeSet};

use crate::snowball::Parameters;
use crate::{Bag, Id, NodeId};

/// The reference for [`Polls`](crate::poll::Polls): asks every instance that would see the votes.
///
/// Blocks relate by a map from child to parent, which must not have a cycle.
#[derive(Clone, Debug)]
pub struct EagerPolls {
    parameters: Parameters,
    open: Vec<Open>,
}

impl EagerPolls {
    /// No open polls.
    #[must_use]
    pub const fn new(parameters: Parameters) -> Self {
        Self { parameters, open: Vec::new() }
    }

    /// Opens a poll; false if the request is open already.
    pub fn add(&mut self, request: u32, validators: &Bag<NodeId>) -> bool {
        if self.open.iter().any(|poll| poll.request == request) {
            return false;
        }
        let validators = validators.clone();
        self.open.push(Open { request, validators, votes: Bag::new(), finished: false });
        true
    }

    /// Counts an answer, or with `vote` being `None` a drop, and returns the results that leave.
    pub fn respond(
        &mut self,
        request: u32,
        validator: &NodeId,
        vote: Option<Id>,
        parents: &BTreeMap<Id, Id>,
    ) -> Vec<Bag> {
        let parameters = self.parameters;
        let Some(poll) = self.open.iter_mut().find(|poll| poll.request == request) else {
            return Vec::new();
        };
        let sampled = poll.validators.remove(validator);
        if let Some(id) = vote {
            poll.votes.add_count(id, sampled);
        }
        poll.finished |= poll.is_finished(&parameters, parents);
        let mut results = Vec::new();
        if poll.finished {
            while let Some(oldest) = self.open.first_mut() {
                oldest.finished |= oldest.is_finished(&parameters, parents);
                if !oldest.finished {
                    break;
                }
                results.push(self.open.remove(0).votes);
            }
        }
        results
    }

    /// Number of open polls.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether no poll is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The request of the open poll of that number, modulo how many there are.
    #[must_use]
    pub fn request(&self, number: usize) -> Option<u32> {
        self.open.get(number.checked_rem(self.open.len())?).map(|poll| poll.request)
    }

    /// Whether a poll is known to be finished and waits for an older one.
    #[must_use]
    pub fn waiting(&self) -> bool {
        self.open.iter().any(|poll| poll.finished)
    }

    /// Whether the same polls are open with the same votes and the same validators to answer.
    #[must_use]
    pub fn same_votes(&self, other: &Self) -> bool {
        let votes = |poll: &Open| (poll.request, poll.votes.clone(), poll.validators.clone());
        self.open.iter().map(votes).eq(other.open.iter().map(votes))
    }

    /// Whether each open poll is finished now, oldest first.
    #[must_use]
    pub fn would_finish(&self, parents: &BTreeMap<Id, Id>) -> Vec<(u32, bool)> {
        let finished = |poll: &Open| poll.finished || poll.is_finished(&self.parameters, parents);
        self.open.iter().map(|poll| (poll.request, finished(poll))).collect()
    }
}

/// One poll.
#[derive(Clone, Debug)]
struct Open {
    request: u32,
    validators: Bag<NodeId>,
    votes: Bag,
    finished: bool,
}

impl Open {
    fn is_finished(&self, parameters: &Parameters, parents: &BTreeMap<Id, Id>) -> bool {
        let (preference, confidence) =
            (parameters.alpha_preference(), parameters.alpha_confidence());
        let missing = self.validators.len();
        if missing == 0 || self.votes.len() + missing < preference {
            return true;
        }
        // What no further answer can change for an instance that sees `count` votes.
        let settled = |count: &u32| {
            let most = count + missing;
            let moves_only = *count >= preference && most < confidence;
            most < preference || moves_only || *count >= confidence
        };
        !self.votes.is_empty() && self.counts(parents).iter().all(settled)
    }

    /// The votes that each instance would see: one for each block and each shared prefix.
    fn counts(&self, parents: &BTreeMap<Id, Id>) -> Vec<u32> {
        let mut totals: BTreeMap<Id, u32> = BTreeMap::new();
        let mut children: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
        for (voted, count) in self.votes.iter() {
            let mut at = *voted;
            *totals.entry(at).or_default() += count;
            while let Some(parent) = parents.get(&at) {
                *totals.entry(*parent).or_default() += count;
                children.entry(*parent).or_default().insert(at);
                at = *parent;
            }
        }
        let mut counts: Vec<u32> = totals.values().copied().collect();
        // Two siblings part at some bit. All that share the bits before it have an instance for
        // those.
        for siblings in children.values() {
            let mut sets: BTreeSet<BTreeSet<Id>> = BTreeSet::new();
            for one in siblings {
                for other in siblings {
                    if let Some(bits) =
                        one.first_difference(0..Id::BITS, other).filter(|bit| *bit > 0)
                    {
                        let alike = |id: &&Id| id.equal_subset(0..bits, one);
                        sets.insert(siblings.iter().filter(alike).copied().collect());
                    }
                }
            }
            counts.extend(
                sets.iter().map(|set| set.iter().filter_map(|id| totals.get(id)).sum::<u32>()),
            );
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_prefix_keeps_a_poll_open_that_its_blocks_would_end() {
        let parameters = Parameters::new(4, 3, 3, 1).unwrap();
        let [a, b, c, d] = [1, 2, 3, 4].map(|byte| NodeId::new([byte; 20]));
        let sampled = Bag::from([a, b, c, d]);
        let check = |one: u8, other: u8, expected: usize| {
            let [one, other] = [one, other].map(|byte| Id::new([byte; 32]));
            let mut polls = EagerPolls::new(parameters);
            assert!(polls.add(1, &sampled) && !polls.add(1, &sampled));
            let parents = BTreeMap::from([(one, Id::EMPTY), (other, Id::EMPTY)]);
            let votes = [(a, one), (b, other), (c, Id::EMPTY)];
            let results: usize = votes
                .iter()
                .map(|(node, id)| polls.respond(1, node, Some(*id), &parents).len())
                .sum();
            assert_eq!(results, expected);
        };
        // Two votes under a common bit 0, one answer missing: the bit could still reach three.
        check(0b01, 0b11, 0);
        check(0b01, 0b10, 1);
    }
}
