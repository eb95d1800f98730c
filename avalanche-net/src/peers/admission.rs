//! Who may connect when not all can.

use std::collections::BTreeMap;

use avalanche_consensus::{NodeId, Timestamp};

use super::{Bans, Scores};
use crate::CloseReason;

/// What a peer is to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerKind {
    /// Nothing special: it may go when a more important one comes.
    Other,
    /// The operator asked for it, or it is a bootstrap beacon: it stays.
    Manual,
    /// A validator of the primary network or of a tracked subnet: it stays.
    Validator,
}

/// What becomes of a node that wants to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Admit,
    /// It may, and this peer has to go: close it with [`CloseReason::TooManyPeers`].
    Replace(NodeId),
    /// It may not.
    Refuse(CloseReason),
}

/// The connected peers, of which there are not more than `MAX_PEERS`.
///
/// Who is banned is refused, a validator too. While there is room everyone else is admitted. When
/// there is none, a validator or a manual peer takes the place of the [`PeerKind::Other`] with the
/// worst score, and whoever is neither is refused: were a peer of a better score let in, peers
/// could be pushed out by whoever makes identities. AvalancheGo has no such limit.
///
/// # Limits
///
/// As many peers as [`Admissions::new`] is told. A decision that replaces costs O(n log s) with
/// `s` scores, the others O(log n).
#[derive(Clone, Debug)]
pub struct Admissions {
    max_peers: usize,
    peers: BTreeMap<NodeId, PeerKind>,
}

impl Admissions {
    /// Peers that are admitted unless the caller says otherwise: 4,096.
    pub const MAX_PEERS_DEFAULT: usize = 1 << 12;

    /// Nobody is connected. At most `max_peers` will be.
    #[must_use]
    pub const fn new(max_peers: usize) -> Self {
        Self { max_peers, peers: BTreeMap::new() }
    }

    /// Decides on a node whose identity is known, and takes the decision in: whoever is admitted
    /// holds a place until [`Admissions::leave`], and whoever is replaced holds none any more.
    pub fn enter(
        &mut self,
        node: NodeId,
        kind: PeerKind,
        scores: &Scores,
        bans: &Bans,
        now: Timestamp,
        unix: u64,
    ) -> Admission {
        if bans.get(&node, unix).is_some() {
            return Admission::Refuse(CloseReason::Banned);
        }
        if self.peers.contains_key(&node) {
            return Admission::Refuse(CloseReason::AlreadyConnected);
        }
        if self.peers.len() < self.max_peers {
            self.peers.insert(node, kind);
            return Admission::Admit;
        }
        let others = self.peers.iter().filter(|(_, kind)| **kind == PeerKind::Other);
        match scores.worst_of(others.map(|(node, _)| *node), now) {
            Some(worst) if kind != PeerKind::Other => {
                self.peers.remove(&worst.node);
                self.peers.insert(node, kind);
                Admission::Replace(worst.node)
            }
            _ => Admission::Refuse(CloseReason::TooManyPeers),
        }
    }

    /// Frees the place of a node. Returns whether it held one.
    pub fn leave(&mut self, node: &NodeId) -> bool {
        self.peers.remove(node).is_some()
    }

    /// Changes what a connected node is, when the validators change.
    pub fn set_kind(&mut self, node: &NodeId, kind: PeerKind) {
        if let Some(known) = self.peers.get_mut(node) {
            *known = kind;
        }
    }

    /// What a connected node is.
    #[must_use]
    pub fn kind(&self, node: &NodeId) -> Option<PeerKind> {
        self.peers.get(node).copied()
    }

    /// The connected nodes.
    #[must_use = "iterators are lazy"]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (NodeId, PeerKind)> + '_ {
        self.peers.iter().map(|(node, kind)| (*node, *kind))
    }

    /// Number of places that are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether nobody is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    use super::*;
    use crate::peers::{Ban, ScoreConfig};

    fn node(n: u8) -> NodeId {
        NodeId::new([n; 20])
    }

    #[test]
    fn validators_and_manual_peers_replace_the_worst_of_the_others() {
        let now = Timestamp::ZERO;
        let mut scores = Scores::new(ScoreConfig::default());
        scores.fault(node(2), 1.0, now);
        let mut bans = Bans::new();
        bans.ban(node(9), Ban::new("spam", 100), 0);
        let mut admissions = Admissions::new(3);
        let mut check = |n, kind, expected| {
            let found = admissions.enter(node(n), kind, &scores, &bans, now, 50);
            assert_eq!(found, expected, "{n} {kind:?}");
        };
        let full = Admission::Refuse(CloseReason::TooManyPeers);
        check(9, PeerKind::Validator, Admission::Refuse(CloseReason::Banned));
        check(1, PeerKind::Other, Admission::Admit);
        check(1, PeerKind::Other, Admission::Refuse(CloseReason::AlreadyConnected));
        check(2, PeerKind::Other, Admission::Admit);
        check(3, PeerKind::Other, Admission::Admit);
        check(4, PeerKind::Other, full);
        check(5, PeerKind::Validator, Admission::Replace(node(2)));
        check(6, PeerKind::Manual, Admission::Replace(node(3)));
        check(2, PeerKind::Other, full);
        check(7, PeerKind::Validator, Admission::Replace(node(1)));
        check(8, PeerKind::Validator, full);
        check(5, PeerKind::Validator, Admission::Refuse(CloseReason::AlreadyConnected));
        // A validator that is none any more can go.
        admissions.set_kind(&node(7), PeerKind::Other);
        let found = admissions.enter(node(8), PeerKind::Manual, &scores, &bans, now, 50);
        assert_eq!(found, Admission::Replace(node(7)));
        // The ban of 9 is over, and there is room.
        assert!(admissions.leave(&node(8)) && !admissions.leave(&node(8)));
        let found = admissions.enter(node(9), PeerKind::Other, &scores, &bans, now, 100);
        assert_eq!(found, Admission::Admit);
    }

    #[test]
    fn no_place_means_nobody() {
        let (scores, bans) = (Scores::new(ScoreConfig::default()), Bans::new());
        let kind = PeerKind::Validator;
        let found = Admissions::new(0).enter(node(1), kind, &scores, &bans, Timestamp::ZERO, 0);
        assert_eq!(found, Admission::Refuse(CloseReason::TooManyPeers));
    }

    #[test]
    fn random_histories_never_exceed_the_places_nor_push_out_validators() {
        let (replaced, refused) = (Cell::new(0), Cell::new(0));
        let kind = prop::sample::select(vec![
            PeerKind::Other,
            PeerKind::Other,
            PeerKind::Manual,
            PeerKind::Validator,
        ]);
        let steps = prop::collection::vec((0..20_u8, kind, any::<bool>(), 0..3_u8), 0..100);
        let mut runner = TestRunner::new(ProptestConfig::with_cases(200));
        let run = |steps: Vec<(u8, PeerKind, bool, u8)>| {
            let (now, bans) = (Timestamp::ZERO, Bans::new());
            let mut scores = Scores::new(ScoreConfig::default());
            let mut admissions = Admissions::new(5);
            let mut model: BTreeMap<NodeId, PeerKind> = BTreeMap::new();
            for (n, kind, leave, faults) in steps {
                scores.fault(node(n), f64::from(faults), now);
                if leave {
                    prop_assert_eq!(admissions.leave(&node(n)), model.remove(&node(n)).is_some());
                    continue;
                }
                match admissions.enter(node(n), kind, &scores, &bans, now, 0) {
                    Admission::Admit => {
                        prop_assert!(model.len() < 5);
                        prop_assert_eq!(model.insert(node(n), kind), None);
                    }
                    Admission::Replace(gone) => {
                        prop_assert!(kind != PeerKind::Other && model.len() == 5);
                        prop_assert_eq!(model.remove(&gone), Some(PeerKind::Other));
                        let gone = scores.score(&gone, now).score;
                        for (other, kind) in &model {
                            let better = scores.score(other, now).score >= gone;
                            prop_assert!(better || *kind != PeerKind::Other);
                        }
                        prop_assert_eq!(model.insert(node(n), kind), None);
                        replaced.set(replaced.get() + 1);
                    }
                    Admission::Refuse(reason) => {
                        let known = model.contains_key(&node(n));
                        prop_assert_eq!(reason == CloseReason::AlreadyConnected, known);
                        prop_assert!(known || model.len() == 5);
                        refused.set(refused.get() + 1);
                    }
                }
                prop_assert!(admissions.iter().eq(model.iter().map(|(n, kind)| (*n, *kind))));
            }
            Ok(())
        };
        runner.run(&steps, run).expect("the model agrees");
        assert!(replaced.get() > 100 && refused.get() > 100, "{replaced:?} {refused:?}");
    }
}
