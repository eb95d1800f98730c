//! Which nodes fail so often that asking them is a waste.

use std::collections::{BTreeMap, BTreeSet};

use super::{BenchConfig, ContinuousAverager};
use crate::snowball::Parameters;
use crate::validators::ValidatorSet;
use crate::{Error, NodeId, Timestamp};

/// Follows how many of each validator's requests fail, and benches those that fail too often
/// (AvalancheGo's `snow/networking/benchlist`, as it is since v1.14.2).
///
/// Requests to a benched node count as failed at once, so polls need not wait for their timeouts.
/// The weight that can be benched is limited: were it more, the polls of a healthy network would
/// fail as well. When there is no room, nodes that fail less often than the new one make place for
/// it.
///
/// ```text
///                 p > bench, room for the weight
///   +---------+ ---------------------------------> +--------+
///   | tracked |   p < unbench           recovered  | benched|
///   +---------+ <--------------------------------- +--------+
///        ^  ^     a worse one needs room  evicted    |   |
///        |  +----------------------------------------+   |
///        +--- average starts anew <----- duration over --+
/// ```
///
/// # Limits
///
/// At most [`Benchlist::NODES_MAX`] nodes are tracked unless [`Benchlist::with_nodes_max`] says
/// otherwise. Nodes that are no longer validators are forgotten when room is needed, those that are
/// benched only when their time is over. An outcome costs O(log n), and O(b log n) with b benched
/// nodes if it asks for room; an outcome of a new node O(n log n) if old ones have to be forgotten.
#[derive(Clone, Debug)]
pub struct Benchlist {
    config: BenchConfig,
    max_portion: f64,
    nodes_max: usize,
    nodes: BTreeMap<NodeId, Node>,
    /// The benched nodes by the time at which they are let off.
    expiries: BTreeSet<(Timestamp, NodeId)>,
}

/// What is known of one node.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// 1 for each failure, 0 for each success.
    failures: ContinuousAverager,
    benched_until: Option<Timestamp>,
}

/// What became of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchEvent {
    /// The node is not to be asked.
    Benched {
        /// The node.
        node: NodeId,
        /// The time at which it is let off at the latest.
        until: Timestamp,
    },
    /// The node can be asked again.
    Unbenched {
        /// The node.
        node: NodeId,
        /// Why.
        cause: UnbenchCause,
    },
}

/// Why a node can be asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnbenchCause {
    /// Late answers brought its failures below the threshold.
    Recovered,
    /// A node that fails more often needed the room.
    Evicted,
    /// Its time was over.
    Expired,
}

impl Benchlist {
    /// Nodes that are tracked unless the caller says otherwise: 65,536.
    pub const NODES_MAX: usize = 1 << 16;

    /// An empty list, which benches at most a third of the weight that polls can do without:
    /// `(1 - alpha_confidence / k) / 3`.
    ///
    /// # Errors
    ///
    /// [`Error::Bench`] if the configuration breaks a rule.
    pub fn new(config: BenchConfig, parameters: &Parameters) -> Result<Self, Error> {
        config.verify()?;
        let needed = f64::from(parameters.alpha_confidence()) / f64::from(parameters.k());
        Ok(Self {
            config,
            max_portion: (1.0 - needed) / 3.0,
            nodes_max: Self::NODES_MAX,
            nodes: BTreeMap::new(),
            expiries: BTreeSet::new(),
        })
    }

    /// Sets the part of the weight that can be benched. Zero, less or no number switches the list
    /// off.
    #[must_use]
    pub const fn with_max_portion(mut self, max_portion: f64) -> Self {
        self.max_portion = max_portion;
        self
    }

    /// Sets the number of nodes that are tracked. Nodes that are known stay.
    #[must_use]
    pub const fn with_nodes_max(mut self, max: usize) -> Self {
        self.nodes_max = max;
        self
    }

    /// Takes in that a request to `node` failed or was answered, and returns what follows from it,
    /// in order. Outcomes of nodes that are not among `validators` are ignored.
    ///
    /// # Errors
    ///
    /// [`Error::BenchlistFull`] if the node is new and as many as allowed are tracked. Then the
    /// outcome is not taken in.
    pub fn observe(
        &mut self,
        node: NodeId,
        failed: bool,
        validators: &ValidatorSet,
        now: Timestamp,
    ) -> Result<Vec<BenchEvent>, Error> {
        // Not a number is not above zero either.
        let enabled = self.max_portion > 0.0;
        if !enabled {
            return Ok(Vec::new());
        }
        if !validators.contains(&node) {
            if !self.is_benched(&node) {
                self.nodes.remove(&node);
            }
            return Ok(Vec::new());
        }
        self.reserve(&node, validators)?;
        let prior = self.prior(now);
        let entry = self.nodes.entry(node).or_insert(prior);
        entry.failures.observe(if failed { 1.0 } else { 0.0 }, now);
        let (probability, benched) = (entry.failures.read(), entry.benched_until.is_some());
        if benched && probability < self.config.unbench_probability {
            return Ok(self.unbench(&node, UnbenchCause::Recovered).into_iter().collect());
        }
        if benched || probability <= self.config.bench_probability {
            return Ok(Vec::new());
        }
        let Some(mut events) = self.make_room(&node, probability, validators) else {
            return Ok(Vec::new());
        };
        events.push(self.bench(node, now));
        Ok(events)
    }

    /// Lets off every node whose time is over, earliest first, with an average that starts anew.
    pub fn expire(&mut self, now: Timestamp) -> Vec<BenchEvent> {
        let mut events = Vec::new();
        while let Some((until, node)) = self.expiries.first().copied()
            && until <= now
        {
            events.extend(self.unbench(&node, UnbenchCause::Expired));
            self.nodes.insert(node, self.prior(now));
        }
        events
    }

    /// When to call [`Benchlist::expire`] next; `None` if nobody is benched.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.expiries.first().map(|(until, _)| *until)
    }

    /// Whether a node is benched.
    #[must_use]
    pub fn is_benched(&self, node: &NodeId) -> bool {
        self.nodes.get(node).is_some_and(|entry| entry.benched_until.is_some())
    }

    /// The benched nodes, by the time at which they are let off.
    #[must_use = "iterators are lazy"]
    pub fn benched(&self) -> impl Iterator<Item = NodeId> {
        self.expiries.iter().map(|(_, node)| *node)
    }

    /// The part of a node's requests that failed lately; `None` if it is not tracked.
    #[must_use]
    pub fn failure_probability(&self, node: &NodeId) -> Option<f64> {
        self.nodes.get(node).map(|entry| entry.failures.read())
    }

    /// The part of the weight that can be benched.
    #[must_use]
    pub const fn max_portion(&self) -> f64 {
        self.max_portion
    }

    /// Number of nodes that are tracked, benched or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no node is tracked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A node of which nothing is known.
    fn prior(&self, now: Timestamp) -> Node {
        let failures = ContinuousAverager::new(0.0, self.config.half_life, now);
        Node { failures, benched_until: None }
    }

    /// Makes sure that `node` can be tracked, and forgets nodes that left if that is needed.
    fn reserve(&mut self, node: &NodeId, validators: &ValidatorSet) -> Result<(), Error> {
        // With as many entries as validators, one at least is of a node that left.
        let enough = self.nodes_max.min(validators.len());
        if self.nodes.contains_key(node) || self.nodes.len() < enough {
            return Ok(());
        }
        self.nodes.retain(|node, entry| entry.benched_until.is_some() || validators.contains(node));
        if self.nodes.len() >= self.nodes_max {
            return Err(Error::BenchlistFull { max: self.nodes_max });
        }
        Ok(())
    }

    /// Lets off nodes that fail less often than `probability` until the weight of `node` fits,
    /// lowest first and no more than needed. `None`, and nobody is let off, if that is not enough.
    fn make_room(
        &mut self,
        node: &NodeId,
        probability: f64,
        validators: &ValidatorSet,
    ) -> Option<Vec<BenchEvent>> {
        let weight = |node: &NodeId| u128::from(validators.weight(node));
        let wanted = self.benched().map(|node| weight(&node)).sum::<u128>() + weight(node);
        let limit = part_of(validators.total_weight(), self.max_portion);
        if wanted <= limit {
            return Some(Vec::new());
        }
        let mut better: Vec<_> = self
            .benched()
            .filter_map(|node| Some((self.failure_probability(&node)?, node)))
            .filter(|(failing, _)| *failing < probability)
            .collect();
        better.sort_unstable_by(|(a, one), (b, other)| a.total_cmp(b).then_with(|| one.cmp(other)));
        let mut freed = 0;
        let mut evicted = Vec::new();
        for (_, node) in better {
            freed += weight(&node);
            evicted.push(node);
            if freed >= wanted - limit {
                let cause = UnbenchCause::Evicted;
                return Some(evicted.iter().filter_map(|node| self.unbench(node, cause)).collect());
            }
        }
        None
    }

    fn bench(&mut self, node: NodeId, now: Timestamp) -> BenchEvent {
        let until = now.after(self.config.duration);
        if let Some(entry) = self.nodes.get_mut(&node) {
            entry.benched_until = Some(until);
            self.expiries.insert((until, node));
        }
        BenchEvent::Benched { node, until }
    }

    /// Lets a node off and keeps its average; `None` if it was not benched.
    fn unbench(&mut self, node: &NodeId, cause: UnbenchCause) -> Option<BenchEvent> {
        let until = self.nodes.get_mut(node)?.benched_until.take()?;
        self.expiries.remove(&(until, *node));
        Some(BenchEvent::Unbenched { node: *node, cause })
    }
}

/// A part of a weight, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the part is above zero, and a cast from floating point saturates and rounds down"
)]
fn part_of(total: u64, portion: f64) -> u128 {
    u128::from((total as f64 * portion) as u64)
}

#[cfg(test)]
mod tests;
