//! Random histories against plain maps.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

const NODES_IN_PLAY: usize = 6;
const TIMES: u64 = 5;
const SUBNETS: [Id; 3] = [PRIMARY_NETWORK, TRACKED, OTHER];

/// Claims of each node at each time, right and forged.
static CLAIMS: LazyLock<Vec<[ClaimedIp; 2]>> = LazyLock::new(|| {
    let of = |n| (0..TIMES).map(move |time| [claim(n, time), forged(n, time)]);
    (0..NODES_IN_PLAY).flat_map(of).collect()
});

fn signed(n: usize, time: u64, right: bool) -> ClaimedIp {
    let place = n * usize::try_from(TIMES).expect("few") + usize::try_from(time).expect("few");
    CLAIMS[place][usize::from(!right)].clone()
}

#[derive(Clone, Debug)]
enum Step {
    Manual(usize),
    Unmanual(usize),
    Gossip(usize, usize),
    Add(usize, usize),
    Remove(usize, usize),
    Connect(usize, u64, u8),
    Disconnect(usize),
    List(Vec<(usize, u64, bool)>),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (node, subnet) = (0..NODES_IN_PLAY, 0..SUBNETS.len());
    let entry = (node.clone(), 0..TIMES, prop::bool::weighted(0.9));
    prop_oneof![
        1 => node.clone().prop_map(Step::Manual),
        1 => node.clone().prop_map(Step::Unmanual),
        1 => (subnet.clone(), node.clone()).prop_map(|(s, n)| Step::Gossip(s, n)),
        4 => (subnet.clone(), node.clone()).prop_map(|(s, n)| Step::Add(s, n)),
        3 => (subnet, node.clone()).prop_map(|(s, n)| Step::Remove(s, n)),
        4 => (node.clone(), 0..TIMES, 0..8_u8).prop_map(|(n, t, of)| Step::Connect(n, t, of)),
        2 => node.prop_map(Step::Disconnect),
        4 => prop::collection::vec(entry, 0..5).prop_map(Step::List),
        1 => (0..90_u64).prop_map(Step::Pass),
    ]
}

/// What the tracker should know, in the plainest form.
#[derive(Default)]
struct Model {
    manual: BTreeSet<usize>,
    members: BTreeSet<(usize, usize)>,
    gossiped: BTreeSet<(usize, usize)>,
    connected: BTreeMap<usize, (u64, BTreeSet<usize>)>,
    newest: BTreeMap<usize, u64>,
}

impl Model {
    fn is_tracked(&self, n: usize) -> bool {
        self.manual.contains(&n) || self.members.iter().any(|(_, member)| *member == n)
    }

    /// Subnets 0 and 1 are tracked, and node 0 is the own one.
    fn wants(&self, n: usize) -> bool {
        let validates = self.members.iter().any(|(subnet, member)| *member == n && *subnet < 2);
        n != 0 && (self.manual.contains(&n) || validates)
    }

    fn looks_after_all(&self) -> bool {
        self.members.contains(&(0, 0))
    }

    fn learn(&mut self, n: usize, time: u64) -> bool {
        let newer = self.is_tracked(n) && self.newest.get(&n).is_none_or(|known| *known < time);
        if newer {
            self.newest.insert(n, time);
        }
        newer
    }

    /// After every change of who is tracked.
    fn settle(&mut self, before: &BTreeSet<usize>) {
        for n in 0..NODES_IN_PLAY {
            if !self.is_tracked(n) {
                self.newest.remove(&n);
            } else if !before.contains(&n)
                && let Some(time) = self.connected.get(&n).map(|(time, _)| *time)
            {
                self.learn(n, time);
            }
        }
    }

    fn tracked(&self) -> BTreeSet<usize> {
        (0..NODES_IN_PLAY).filter(|n| self.is_tracked(*n)).collect()
    }

    fn list(&mut self, entries: &[(usize, u64, bool)]) -> Result<BTreeSet<usize>, CloseReason> {
        let all = self.looks_after_all();
        let news: Vec<_> = entries
            .iter()
            .filter(|(n, time, _)| {
                let newer = self.newest.get(n).is_none_or(|known| known < time);
                *n != 0 && newer && self.is_tracked(*n) && (all || self.wants(*n))
            })
            .collect();
        if news.iter().any(|(_, _, right)| !right) {
            return Err(CloseReason::InvalidSignature);
        }
        let learnt: Vec<_> = news.iter().filter(|(n, time, _)| self.learn(*n, *time)).collect();
        Ok(learnt.iter().map(|(n, _, _)| *n).filter(|n| self.wants(*n)).collect())
    }

    fn told(&self, requester: usize, tracked: &BTreeSet<usize>, all: bool) -> BTreeSet<NodeId> {
        let both = self.looks_after_all() && all;
        let allowed = |subnet: usize| {
            both || tracked.contains(&subnet) && (self.looks_after_all() || subnet < 2)
        };
        let present = |(subnet, n): &(usize, usize)| {
            let tracks = |(_, of): &(u64, BTreeSet<usize>)| of.contains(subnet);
            allowed(*subnet) && *n != requester && self.connected.get(n).is_some_and(tracks)
        };
        self.members.iter().filter(|member| present(member)).map(|(_, n)| id(*n)).collect()
    }
}

fn apply(step: Step, tracker: &mut IpTracker, model: &mut Model, now: &mut Timestamp) {
    let before = model.tracked();
    match step {
        Step::Manual(n) => {
            assert!(tracker.track_manually(id(n)));
            model.manual.insert(n);
        }
        Step::Unmanual(n) => {
            tracker.untrack_manually(&id(n));
            model.manual.remove(&n);
        }
        Step::Gossip(subnet, n) => {
            assert!(tracker.gossip_manually(SUBNETS[subnet], id(n)));
            model.gossiped.insert((subnet, n));
            model.members.insert((subnet, n));
            if subnet < 2 {
                model.manual.insert(n);
            }
        }
        Step::Add(subnet, n) => {
            assert!(tracker.validator_added(SUBNETS[subnet], id(n)));
            model.members.insert((subnet, n));
        }
        Step::Remove(subnet, n) => {
            tracker.validator_removed(SUBNETS[subnet], &id(n));
            if !model.gossiped.contains(&(subnet, n)) {
                model.members.remove(&(subnet, n));
            }
        }
        Step::Connect(n, time, of) => {
            let tracked: BTreeSet<usize> = (0..3).filter(|bit| of >> bit & 1 == 1).collect();
            let subnets = tracked.iter().map(|subnet| SUBNETS[*subnet]).collect();
            tracker.connected(&signed(n, time, true), &subnets);
            model.connected.insert(n, (time, tracked));
            model.learn(n, time);
        }
        Step::Disconnect(n) => {
            let known = model.connected.remove(&n).and_then(|_| model.newest.get(&n));
            let expected = known.filter(|_| model.wants(n)).map(|time| addr(n, *time));
            assert_eq!(tracker.disconnected(&id(n)), expected);
        }
        Step::List(entries) => {
            let claims: Vec<_> =
                entries.iter().map(|(n, t, right)| signed(*n, *t, *right)).collect();
            let found = tracker.claimed(NOW, &list(&claims));
            let expected = model.list(&entries);
            match (found, expected) {
                (Ok(found), Ok(expected)) => {
                    let nodes = found.iter().map(|(node, _)| *node).collect::<BTreeSet<_>>();
                    assert_eq!(nodes, expected.iter().map(|n| id(*n)).collect());
                    assert_eq!(nodes.len(), found.len(), "each once");
                    for (node, addr) in found {
                        assert_eq!(tracker.claim(&node).map(ClaimedIp::addr), Some(addr));
                    }
                }
                (found, expected) => assert_eq!(found.err(), expected.err()),
            }
        }
        Step::Pass(seconds) => {
            *now = now.after(Duration::from_secs(seconds));
            tracker.tick(*now);
        }
    }
    model.settle(&before);
}

#[test]
fn random_histories_agree_with_plain_maps() {
    let counts = [const { Cell::new(0_u32) }; 4];
    let count = |which: usize, is: bool| counts[which].set(counts[which].get() + u32::from(is));
    let steps = prop::collection::vec(step(), 0..120);
    let inputs = (any::<[u8; 32]>(), steps, 0..NODES_IN_PLAY, 0..8_u8, any::<bool>());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(300));
    let run = |(seed, steps, requester, of, all): ([u8; 32], Vec<Step>, usize, u8, bool)| {
        let (mut tracker, mut model) =
            (IpTracker::new(config(), &seed, Timestamp::ZERO), Model::default());
        let (mut now, mut source) = (Timestamp::ZERO, SeedStream::new(&seed));
        let asked: BTreeSet<usize> = (0..3).filter(|bit| of >> bit & 1 == 1).collect();
        let subnets = asked.iter().map(|subnet| SUBNETS[*subnet]).collect();
        for step in steps {
            apply(step, &mut tracker, &mut model, &mut now);
            prop_assert_eq!(tracker.len(), model.tracked().len());
            for n in 0..NODES_IN_PLAY {
                prop_assert_eq!(tracker.wants(&id(n)), model.wants(n), "{}", n);
                let newest = tracker.claim(&id(n)).map(ClaimedIp::timestamp);
                prop_assert_eq!(newest, model.newest.get(&n).copied(), "{}", n);
                count(0, newest.is_some());
            }
            let mut request = PeerListRequest {
                requester: id(requester),
                tracked_subnets: &subnets,
                all_subnets: all,
                known_peers: None,
            };
            let nodes = |claims: &[ClaimedIp]| -> BTreeSet<NodeId> {
                claims.iter().map(ClaimedIp::node_id).collect()
            };
            let claims = tracker.peer_list(request, &mut source);
            let told = model.told(requester, &asked, all);
            prop_assert_eq!(nodes(&claims), told.clone());
            prop_assert_eq!(claims.len(), told.len(), "each once");
            for claim in &claims {
                prop_assert_eq!(Some(claim), tracker.claim(&claim.node_id()));
                prop_assert_eq!(claim.verify(NOW, Duration::ZERO), Ok(()));
            }
            count(1, !claims.is_empty());
            // Nodes whose newest claim is in the own filter are not told.
            let filter = own_filter(&tracker);
            request.known_peers = Some(&filter);
            let unknown = tracker.peer_list(request, &mut source);
            let unfiltered = claims.iter().filter(|claim| !filter.contains(&claim.gossip_id()));
            let unfiltered: BTreeSet<_> = unfiltered.map(ClaimedIp::node_id).collect();
            prop_assert_eq!(nodes(&unknown), unfiltered);
            count(2, unknown.is_empty() && !claims.is_empty());
            for (node, tracked) in &tracker.tracked {
                let added = tracker.additions.get(node).copied().unwrap_or_default();
                prop_assert!(added <= ADDITIONS_PER_NODE);
                let inside = |claim: &ClaimedIp| filter.contains(&claim.gossip_id());
                let missing = tracked.claim.as_ref().is_some_and(|claim| !inside(claim));
                prop_assert!(!missing || added == ADDITIONS_PER_NODE);
                count(3, missing);
            }
        }
        Ok(())
    };
    runner.run(&inputs, run).expect("the model agrees");
    assert!(counts.iter().all(|count| count.get() > 100), "{counts:?}");
}
