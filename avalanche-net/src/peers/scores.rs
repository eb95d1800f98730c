//! How good each peer is.

use std::collections::BTreeMap;
use std::time::Duration;

use avalanche_consensus::{NodeId, Timestamp};

/// What counts how much in a score.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreConfig {
    /// The time in which what was seen loses half of its weight: 10 min.
    pub half_life: Duration,
    /// The latency at which a score is halved: 250 ms.
    pub latency_half: Duration,
    /// Faults at which a score is halved: 1.
    pub faults_half: f64,
    /// Nodes that are followed: 4,096.
    pub nodes_max: usize,
}

impl Default for ScoreConfig {
    fn default() -> Self {
        Self {
            half_life: Duration::from_mins(10),
            latency_half: Duration::from_millis(250),
            faults_half: 1.0,
            nodes_max: 1 << 12,
        }
    }
}

/// Scores of nodes, from how fast and how often they answer and what they do wrong.
///
/// ```text
///            answered + 1        latency_half           faults_half
/// score  =  --------------  *  ----------------  *  --------------------
///             asked + 2        latency_half + l     faults_half + faults
/// ```
///
/// `l` is the mean latency. Everything seen loses half of its weight each
/// [`ScoreConfig::half_life`], so that an old fault is forgiven and an old merit forgotten. A node
/// of which nothing is known has the score 1/2, less than any that answers well.
///
/// # Limits
///
/// At most [`ScoreConfig::nodes_max`] nodes. One more takes the place of the node of which nothing
/// was seen for longest, found in O(n). The other calls cost O(log n), but for [`Scores::best`] and
/// [`Scores::worst_of`].
#[derive(Clone, Debug)]
pub struct Scores {
    config: ScoreConfig,
    nodes: BTreeMap<NodeId, Seen>,
}

/// Weights of what was seen of a node, as of a time.
#[derive(Clone, Copy, Debug)]
struct Seen {
    asked: f64,
    answered: f64,
    /// The sum of the latencies of the answered, in seconds.
    seconds: f64,
    faults: f64,
    updated: Timestamp,
}

/// One node and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// The node.
    pub node: NodeId,
    /// Between 0 and 1; more is better.
    pub score: f64,
    /// The mean latency of its answers; `None` if there were none.
    pub latency: Option<Duration>,
    /// The share of requests that it answered, between 0 and 1; `None` if it was not asked.
    pub answered: Option<f64>,
    /// What it did wrong, with weights that decay.
    pub faults: f64,
}

impl Scores {
    /// Nobody has been seen yet.
    #[must_use]
    pub const fn new(config: ScoreConfig) -> Self {
        Self { config, nodes: BTreeMap::new() }
    }

    /// Takes in an answer, a pong as well, that came after `latency`.
    pub fn answered(&mut self, node: NodeId, latency: Duration, now: Timestamp) {
        let seen = self.entry(node, now);
        seen.asked += 1.0;
        seen.answered += 1.0;
        seen.seconds += latency.as_secs_f64();
    }

    /// Takes in that a request was not answered in time.
    pub fn unanswered(&mut self, node: NodeId, now: Timestamp) {
        self.entry(node, now).asked += 1.0;
    }

    /// Takes in that the node did something wrong. `weight` is 1 for what ends a connection; less
    /// than zero and what is no number count as zero.
    pub fn fault(&mut self, node: NodeId, weight: f64, now: Timestamp) {
        self.entry(node, now).faults += if weight > 0.0 { weight.min(1e6) } else { 0.0 };
    }

    /// The score of a node.
    #[must_use]
    pub fn score(&self, node: &NodeId, now: Timestamp) -> Score {
        let seen = self.nodes.get(node).map_or(Seen::nothing(now), |seen| {
            let mut seen = *seen;
            seen.decay(self.config.half_life, now);
            seen
        });
        let latency = seen.seconds / seen.answered.max(f64::MIN_POSITIVE);
        let half = self.config.latency_half.as_secs_f64();
        let share = (seen.answered + 1.0) / (seen.asked + 2.0);
        let slow = part(half, latency);
        let wrong = part(self.config.faults_half, seen.faults);
        // What has all but decayed says nothing.
        let known = seen.answered > 1e-3;
        Score {
            node: *node,
            score: share * if known { slow } else { 1.0 } * wrong,
            latency: known.then(|| Duration::try_from_secs_f64(latency).unwrap_or(Duration::MAX)),
            answered: (seen.asked > 1e-3).then(|| seen.answered / seen.asked),
            faults: seen.faults,
        }
    }

    /// The best `count` of these nodes, best first; of equal ones the lesser identifier first.
    #[must_use]
    pub fn best(
        &self,
        count: usize,
        among: impl IntoIterator<Item = NodeId>,
        now: Timestamp,
    ) -> Vec<Score> {
        let mut scores: Vec<_> = among.into_iter().map(|node| self.score(&node, now)).collect();
        scores.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.node.cmp(&b.node)));
        scores.truncate(count);
        scores
    }

    /// The worst of these nodes; of equal ones the greatest identifier. `None` if there are none.
    #[must_use]
    pub fn worst_of(
        &self,
        among: impl IntoIterator<Item = NodeId>,
        now: Timestamp,
    ) -> Option<Score> {
        let scores = among.into_iter().map(|node| self.score(&node, now));
        scores.min_by(|a, b| a.score.total_cmp(&b.score).then(b.node.cmp(&a.node)))
    }

    /// Number of nodes of which something is known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing is known of anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// What was seen of a node, decayed up to now, in a place of its own.
    fn entry(&mut self, node: NodeId, now: Timestamp) -> &mut Seen {
        if !self.nodes.contains_key(&node) && self.nodes.len() >= self.config.nodes_max.max(1) {
            let oldest = self.nodes.iter().min_by_key(|(_, seen)| seen.updated);
            if let Some(oldest) = oldest.map(|(node, _)| *node) {
                self.nodes.remove(&oldest);
            }
        }
        let half_life = self.config.half_life;
        let seen = self.nodes.entry(node).or_insert(Seen::nothing(now));
        seen.decay(half_life, now);
        seen
    }
}

impl Seen {
    const fn nothing(now: Timestamp) -> Self {
        Self { asked: 0.0, answered: 0.0, seconds: 0.0, faults: 0.0, updated: now }
    }

    fn decay(&mut self, half_life: Duration, now: Timestamp) {
        let half_lives = now.since(self.updated).as_secs_f64() / half_life.as_secs_f64();
        // A half-life of zero forgets at once, all but what is of this moment.
        let factor = if half_lives.is_nan() { 1.0 } else { (-half_lives).exp2() };
        self.asked *= factor;
        self.answered *= factor;
        self.seconds *= factor;
        self.faults *= factor;
        self.updated = self.updated.max(now);
    }
}

/// `half / (half + value)`: 1 at zero, 1/2 at `half`. A `half` of zero makes no difference.
fn part(half: f64, value: f64) -> f64 {
    if half > 0.0 { half / (half + value) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(n: u8) -> NodeId {
        NodeId::new([n; 20])
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    const FAST: Duration = Duration::from_millis(10);
    const SLOW: Duration = Duration::from_secs(1);

    #[test]
    fn better_peers_have_better_scores() {
        let mut scores = Scores::new(ScoreConfig::default());
        for _ in 0..20 {
            scores.answered(node(1), FAST, at(0));
            scores.answered(node(2), FAST, at(0));
            scores.answered(node(3), SLOW, at(0));
            scores.unanswered(node(4), at(0));
            scores.answered(node(5), FAST, at(0));
        }
        scores.unanswered(node(2), at(0));
        scores.fault(node(5), 100.0, at(0));
        let all = [6, 5, 4, 3, 2, 1].map(node);
        let best: Vec<_> = scores.best(9, all, at(0)).iter().map(|score| score.node).collect();
        assert_eq!(best, [1, 2, 6, 3, 4, 5].map(node), "6 is unknown");
        assert_eq!(scores.best(2, all, at(0)).len(), 2);
        assert_eq!(scores.worst_of(all, at(0)).map(|score| score.node), Some(node(5)));
        assert_eq!(scores.worst_of([], at(0)), None);
        let second = scores.score(&node(2), at(0));
        let latency = second.latency.expect("it answered");
        assert!(latency.abs_diff(FAST) < Duration::from_micros(1), "{latency:?}");
        assert!(second.answered.is_some_and(|share| (share - 20.0 / 21.0).abs() < 1e-9));
        let unknown = scores.score(&node(6), at(0));
        assert_eq!((unknown.latency, unknown.answered), (None, None));
        assert!((unknown.score - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_fault_halves_a_score_and_half_of_it_is_forgiven_in_a_half_life() {
        let mut scores = Scores::new(ScoreConfig::default());
        scores.fault(node(1), 1.0, at(0));
        let check = |seconds, faults: f64| {
            let score = scores.score(&node(1), at(seconds));
            assert!((score.faults - faults).abs() < 1e-9, "{score:?}");
            assert!((score.score - 0.5 / (1.0 + faults)).abs() < 1e-9, "{score:?}");
        };
        check(0, 1.0);
        check(600, 0.5);
        check(1_200, 0.25);
        check(6_000, 1.0 / 1_024.0);
    }

    #[test]
    fn time_that_runs_backwards_and_weights_that_are_none_do_no_harm() {
        let mut scores =
            Scores::new(ScoreConfig { half_life: Duration::ZERO, ..Default::default() });
        scores.answered(node(1), Duration::MAX, at(9));
        scores.answered(node(1), Duration::ZERO, at(3));
        for weight in [f64::NAN, f64::INFINITY, -1.0, f64::MAX] {
            scores.fault(node(1), weight, at(3));
        }
        let score = scores.score(&node(1), at(9));
        assert!((0.0..=1.0).contains(&score.score), "{score:?}");
        assert!((scores.score(&node(1), at(10)).score - 0.5).abs() < 1e-9, "forgotten at once");
    }

    #[test]
    fn the_node_seen_least_lately_makes_room() {
        let mut scores = Scores::new(ScoreConfig { nodes_max: 2, ..Default::default() });
        scores.fault(node(1), 1.0, at(0));
        scores.fault(node(2), 1.0, at(1));
        scores.fault(node(1), 1.0, at(2));
        scores.fault(node(3), 1.0, at(3));
        assert_eq!(scores.len(), 2);
        let faults = |n| scores.score(&node(n), at(3)).faults > 0.0;
        assert_eq!([1, 2, 3].map(faults), [true, false, true]);
    }

    proptest! {
        #[test]
        fn scores_stay_between_zero_and_one(
            steps in prop::collection::vec((0..4_u8, 0..3_u8, any::<u32>(), 0..900_u64), 1..100),
        ) {
            let mut scores = Scores::new(ScoreConfig { nodes_max: 3, ..Default::default() });
            let mut now = 0;
            for (n, kind, value, pass) in steps {
                now += pass;
                match kind {
                    0 => scores.answered(node(n), Duration::from_micros(value.into()), at(now)),
                    1 => scores.unanswered(node(n), at(now)),
                    _ => scores.fault(node(n), f64::from(value), at(now)),
                }
                prop_assert!(scores.len() <= 3);
                for score in scores.best(9, (0..4).map(node), at(now)) {
                    prop_assert!((0.0..=1.0).contains(&score.score), "{score:?}");
                    prop_assert!(score.answered.is_none_or(|share| (0.0..=1.0).contains(&share)));
                }
            }
        }
    }
}
