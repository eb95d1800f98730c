//! The set of open polls.

use std::collections::VecDeque;

use super::Ancestry;
use super::early_termination::{Poll, Reason, Thresholds};
use super::outstanding::Outstanding;
use super::vote_graph::VoteGraph;
use crate::snowball::Parameters;
use crate::vocabulary::IdMap;
use crate::{Bag, Error, HashKey, Id, NodeId};

/// The polls that are open, oldest first, and the votes that came in for each.
///
/// See the [module page](super) for the rules and an example.
#[derive(Clone, Debug)]
pub struct Polls {
    thresholds: Thresholds,
    polls_max: u32,
    open: VecDeque<Poll>,
    /// Issue number of each open poll. They have no gap, since polls leave oldest first only.
    issued: IdMap<u32, u64>,
    /// Issue number of the next poll.
    next: u64,
    graph: VoteGraph,
    stats: Stats,
    /// What the last call handed out.
    results: Vec<Bag>,
    spare_votes: Vec<Bag>,
    spare_outstanding: Vec<Outstanding>,
}

impl Polls {
    /// At most this many polls are open at once, unless set otherwise.
    pub const POLLS_MAX: u32 = 4096;
    /// At most this many blocks are looked at to decide whether a poll is finished, unless set
    /// otherwise. Twice the number of blocks that consensus has undecided at once by default.
    pub const VERTICES_MAX: u32 = 131_072;

    /// A set without polls.
    ///
    /// Of the parameters, `k` and the two thresholds matter. `key` is for hash tables and changes
    /// no result.
    #[must_use]
    pub fn new(parameters: &Parameters, key: HashKey) -> Self {
        Self {
            thresholds: Thresholds::from(parameters),
            polls_max: Self::POLLS_MAX,
            open: VecDeque::new(),
            issued: IdMap::new(key),
            next: 0,
            graph: VoteGraph::new(key, Self::VERTICES_MAX),
            stats: Stats::default(),
            results: Vec::new(),
            spare_votes: Vec::new(),
            spare_outstanding: Vec::new(),
        }
    }

    /// Sets how many polls can be open at once. Those that are open already stay.
    #[must_use]
    pub const fn with_polls_max(mut self, polls_max: u32) -> Self {
        self.polls_max = polls_max;
        self
    }

    /// Sets how many blocks are looked at to decide whether a poll is finished. Raise it along with
    /// the number of blocks that consensus can have undecided: with fewer, a poll whose votes
    /// spread over a larger tree waits for its answers.
    #[must_use]
    pub const fn with_vertices_max(mut self, vertices_max: u32) -> Self {
        self.graph.vertices_max = vertices_max;
        self
    }

    /// Opens a poll of `validators`, each as often as it was sampled. It is the newest one.
    ///
    /// False if a poll with this request identifier is open; nothing changes then. A poll of nobody
    /// is finished, but like every poll leaves only when an answer arrives, for it or an older one.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyVotes`] if more than `k` were sampled, [`Error::PollsFull`] if no more polls
    /// can be open at once. Nothing changes on either.
    pub fn add(&mut self, request_id: u32, validators: &Bag<NodeId>) -> Result<bool, Error> {
        if self.contains(request_id) {
            return Ok(false);
        }
        let (votes, k) = (validators.len(), self.thresholds.k);
        if votes > k {
            return Err(Error::TooManyVotes { votes, k });
        }
        if self.len() >= usize::try_from(self.polls_max).unwrap_or(usize::MAX) {
            return Err(Error::PollsFull { max: self.polls_max });
        }
        let mut outstanding = self.spare_outstanding.pop().unwrap_or_default();
        outstanding.reset(validators);
        let distinct = validators.as_slice().len();
        let votes = self.spare_votes.pop().unwrap_or_else(|| Bag::with_capacity(distinct));
        self.issued.insert(request_id, self.next);
        self.next += 1;
        self.open.push_back(Poll::new(request_id, outstanding, votes));
        Ok(true)
    }

    /// Counts the answer of `validator` to a poll, and hands out the votes of the polls that leave.
    ///
    /// The results are in issue order; there is none while the poll that was answered or an older
    /// one is unfinished. They are lent until the next vote or drop, which uses their memory again.
    ///
    /// An answer to a poll that is not open is ignored. One of a validator that was not sampled, or
    /// was heard before, counts nothing, but the question whether the poll is finished is asked
    /// again.
    #[must_use = "the votes of a poll are handed out only once"]
    pub fn vote(
        &mut self,
        request_id: u32,
        validator: &NodeId,
        id: Id,
        ancestry: &impl Ancestry,
    ) -> &[Bag] {
        self.respond(request_id, ancestry, |poll| poll.vote(validator, id))
    }

    /// Notes that `validator` will not answer a poll, and hands out the votes of the polls that
    /// leave, as [`vote`](Self::vote) does.
    #[must_use = "the votes of a poll are handed out only once"]
    pub fn drop_validator(
        &mut self,
        request_id: u32,
        validator: &NodeId,
        ancestry: &impl Ancestry,
    ) -> &[Bag] {
        self.respond(request_id, ancestry, |poll| poll.drop_validator(validator))
    }

    /// Number of open polls, those included that are finished and wait for an older one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether no poll is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether the poll with this request identifier is open.
    #[must_use]
    pub fn contains(&self, request_id: u32) -> bool {
        self.issued.contains(&request_id)
    }

    /// How many polls finished so far, by the rule that finished them.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Whether each open poll is finished by the block tree of this moment, oldest first.
    ///
    /// For tools and traces. Looking changes nothing: a poll stays finished only once a vote or a
    /// drop found it so, and until then the answer can go back to false with a change of the tree.
    pub fn would_finish(&self, ancestry: &impl Ancestry) -> impl Iterator<Item = (u32, bool)> {
        let mut graph = self.graph.fresh();
        self.open.iter().map(move |poll| {
            (poll.request_id, poll.would_finish(self.thresholds, ancestry, &mut graph))
        })
    }

    /// Changes one poll by a response, and drains if that poll is finished.
    fn respond(
        &mut self,
        request_id: u32,
        ancestry: &impl Ancestry,
        change: impl FnOnce(&mut Poll),
    ) -> &[Bag] {
        self.recycle_results();
        if let Some(position) = self.position(request_id)
            && let Some(poll) = self.open.get_mut(position)
        {
            change(poll);
            if self.ask(position, ancestry) {
                self.drain(ancestry);
            }
        }
        &self.results
    }

    /// Removes finished polls from the oldest on, up to the first that is not.
    fn drain(&mut self, ancestry: &impl Ancestry) {
        while self.ask(0, ancestry)
            && let Some(poll) = self.open.pop_front()
        {
            self.issued.remove(&poll.request_id);
            self.results.push(poll.votes);
            self.spare_outstanding.push(poll.outstanding);
        }
    }

    /// Asks the poll at `position` whether it is finished; false if there is none.
    fn ask(&mut self, position: usize, ancestry: &impl Ancestry) -> bool {
        let (graph, stats) = (&mut self.graph, &mut self.stats);
        self.open.get_mut(position).is_some_and(|poll| {
            poll.finish(self.thresholds, ancestry, graph, |reason| stats.count(reason))
        })
    }

    /// Where the poll is among the open ones.
    fn position(&self, request_id: u32) -> Option<usize> {
        let issued = self.issued.get(&request_id)?;
        let newer = self.next.checked_sub(*issued)?;
        self.open.len().checked_sub(usize::try_from(newer).ok()?)
    }

    /// Takes back what the last call lent.
    fn recycle_results(&mut self) {
        self.spare_votes.extend(self.results.drain(..).map(|mut votes| {
            votes.clear();
            votes
        }));
    }
}

/// How many polls finished, by the rule that finished them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Everybody had answered or been dropped.
    pub exhausted: u64,
    /// The missing answers could not lift all votes together to `alpha_preference`.
    pub early_fail: u64,
    /// The missing answers could not change the outcome for any block or prefix.
    pub early_alpha: u64,
}

impl Stats {
    const fn count(&mut self, reason: Reason) {
        let counter = match reason {
            Reason::Exhausted => &mut self.exhausted,
            Reason::EarlyFail => &mut self.early_fail,
            Reason::EarlyAlpha => &mut self.early_alpha,
        };
        *counter = counter.saturating_add(1);
    }
}
