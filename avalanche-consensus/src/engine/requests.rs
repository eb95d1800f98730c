//! What peers were asked and have not answered.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::Duration;

use super::MessageKind;
use crate::network::{AdaptiveTimeouts, TimeoutConfig};
use crate::vocabulary::IdMap;
use crate::{Error, HashKey, NodeId, Timestamp};

/// Requests without an answer, by number; one that went to many peers at once is one entry,
/// with one deadline.
///
/// The rules are those of `snow/networking/timeout` and `snow/networking/router` of AvalancheGo:
/// exactly one outcome for each peer that was asked, and a deadline from how long answers took
/// lately. A table of its own, since the requests of a poll come and go together: no entry a peer,
/// and no allocation once it has its size.
#[derive(Debug)]
pub(super) struct Requests {
    open: IdMap<u32, Open>,
    /// Deadlines, earliest first. Those of requests that were answered are passed over.
    deadlines: BinaryHeap<Reverse<(Timestamp, u32)>>,
    /// Peers that are waited for, over all requests; at most `outstanding_max`.
    outstanding: usize,
    outstanding_max: usize,
    /// Waves of open requests.
    waves: usize,
    latency: AdaptiveTimeouts<()>,
    /// Peers whose answers were sent for and given up at once. They are still measured.
    given_up: BTreeSet<(u32, NodeId)>,
    /// This node, whose answers to itself take no time and tell nothing.
    own: NodeId,
    spare: Vec<Vec<NodeId>>,
}

#[derive(Debug)]
struct Open {
    /// The kind of answer.
    answer: MessageKind,
    first: Wave,
    /// Peers that were asked under the same number later.
    later: Vec<Wave>,
}

/// Peers that were asked together.
#[derive(Debug)]
struct Wave {
    put_at: Timestamp,
    deadline: Timestamp,
    /// Peers that have not answered, in order. Never empty.
    peers: Vec<NodeId>,
}

/// One peer's part of a request that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// The kind of answer that was waited for.
    pub(super) answer: MessageKind,
    /// Whether it had been given up before, so that nobody waits for it any more.
    pub(super) given_up: bool,
}

impl Open {
    fn waves(&self) -> impl Iterator<Item = &Wave> {
        std::iter::once(&self.first).chain(&self.later)
    }

    fn wave_mut(&mut self, at: usize) -> Option<&mut Wave> {
        match at.checked_sub(1) {
            None => Some(&mut self.first),
            Some(at) => self.later.get_mut(at),
        }
    }

    fn waits_until(&self, deadline: Timestamp) -> bool {
        self.waves().any(|wave| wave.deadline == deadline)
    }
}

/// Entries of finished requests that the queue of deadlines may have beyond those of open ones.
const STALE_MAX: usize = 1_024;

impl Requests {
    /// No requests.
    ///
    /// # Errors
    ///
    /// [`Error::Timeouts`] if the configuration breaks a rule.
    pub(super) fn new(
        timeouts: TimeoutConfig,
        outstanding_max: usize,
        own: NodeId,
        key: HashKey,
        now: Timestamp,
    ) -> Result<Self, Error> {
        Ok(Self {
            open: IdMap::new(key),
            deadlines: BinaryHeap::new(),
            outstanding: 0,
            outstanding_max,
            waves: 0,
            latency: AdaptiveTimeouts::new(timeouts, now)?,
            given_up: BTreeSet::new(),
            own,
            spare: Vec::new(),
        })
    }

    /// Registers a request to some peers, which are distinct and in order. The number can be that
    /// of an open request for the same kind of answer, if none of the peers was asked. False, and
    /// nothing changes, if it is another's, if there is no room, or if there is no peer.
    pub(super) fn open(
        &mut self,
        id: u32,
        answer: MessageKind,
        peers: &[NodeId],
        now: Timestamp,
    ) -> bool {
        self.forget_given_up(id, answer);
        let asked = |wave: &Wave| peers.iter().any(|peer| wave.peers.binary_search(peer).is_ok());
        let in_use = |open: &Open| open.answer != answer || open.waves().any(asked);
        if peers.is_empty() || peers.len() > self.room() || self.open.get(&id).is_some_and(in_use) {
            return false;
        }
        let mut waiting = self.spare.pop().unwrap_or_default();
        waiting.extend_from_slice(peers);
        debug_assert!(waiting.is_sorted(), "peers are found by halving");
        let deadline = now.after(self.latency.timeout());
        self.outstanding += waiting.len();
        self.waves += 1;
        self.deadlines.push(Reverse((deadline, id)));
        let wave = Wave { put_at: now, deadline, peers: waiting };
        if let Some(open) = self.open.get_mut(&id) {
            open.later.push(wave);
        } else {
            self.open.insert(id, Open { answer, first: wave, later: Vec::new() });
        }
        true
    }

    /// Forgets a request that nobody waits for any more if its number is wanted for another
    /// question: a late answer is not measured then.
    fn forget_given_up(&mut self, id: u32, answer: MessageKind) {
        let given_up = |open: &Open| {
            let mut peers = open.waves().flat_map(|wave| &wave.peers);
            open.answer != answer && peers.all(|peer| self.given_up.contains(&(id, *peer)))
        };
        if !self.open.get(&id).is_some_and(given_up) {
            return;
        }
        while let Some(peers) = self.open.get(&id).map(|open| open.first.peers.clone()) {
            self.outstanding -= peers.len();
            peers.iter().for_each(|peer| {
                self.given_up.remove(&(id, *peer));
            });
            self.finish(id, 0);
        }
    }

    /// Peers that can be asked before the bound is reached.
    pub(super) const fn room(&self) -> usize {
        self.outstanding_max.saturating_sub(self.outstanding)
    }

    /// Takes out one peer's part of a request if an answer of this kind is waited for. The latency
    /// counts, except of what a peer can delay at will.
    pub(super) fn answered(
        &mut self,
        id: u32,
        node: &NodeId,
        answer: MessageKind,
        now: Timestamp,
    ) -> Option<Ended> {
        if self.open.get(&id)?.answer != answer {
            return None;
        }
        self.take(id, node, now, |wave| now.since(wave.put_at))
    }

    /// Takes out one peer's part of a request.
    pub(super) fn remove(&mut self, id: u32, node: &NodeId, now: Timestamp) -> Option<Ended> {
        self.take(id, node, now, |wave| now.since(wave.put_at))
    }

    /// Takes out one peer's part of a request that was never sent. It is measured as if the peer
    /// had let the deadline pass, or else peers that are gone would make the others seem fast.
    pub(super) fn remove_unsent(
        &mut self,
        id: u32,
        node: &NodeId,
        now: Timestamp,
    ) -> Option<Ended> {
        self.take(id, node, now, |wave| wave.deadline.since(wave.put_at))
    }

    /// Waits no longer for one peer's answer, which still ends the request when it comes. Says what
    /// it would have been; nothing if nobody waited.
    pub(super) fn give_up(&mut self, id: u32, node: &NodeId) -> Option<MessageKind> {
        let open = self.open.get(&id)?;
        let waits = open.waves().any(|wave| wave.peers.binary_search(node).is_ok());
        (waits && self.given_up.insert((id, *node))).then_some(open.answer)
    }

    fn take(
        &mut self,
        id: u32,
        node: &NodeId,
        now: Timestamp,
        latency: impl Fn(&Wave) -> Duration,
    ) -> Option<Ended> {
        let open = self.open.get_mut(&id)?;
        let find = |(at, wave): (usize, &Wave)| Some((at, wave.peers.binary_search(node).ok()?));
        let (at, place) = open.waves().enumerate().find_map(find)?;
        let answer = open.answer;
        let wave = open.wave_mut(at)?;
        wave.peers.remove(place);
        let (latency, done) = (latency(wave), wave.peers.is_empty());
        self.outstanding -= 1;
        if done {
            self.finish(id, at);
        }
        if answer != MessageKind::Put && *node != self.own {
            self.latency.observe_latency(latency, now);
        }
        // Nobody is on the bench, as a rule.
        let given_up = !self.given_up.is_empty() && self.given_up.remove(&(id, *node));
        Some(Ended { answer, given_up })
    }

    /// Takes out the next part of a request whose deadline is not after `now`, earliest first. Call
    /// until `None`.
    pub(super) fn expire(&mut self, now: Timestamp) -> Option<(u32, NodeId, Ended)> {
        let Reverse((deadline, id)) = *self.deadlines.peek()?;
        if deadline > now {
            return None;
        }
        let wave = self.open.get(&id)?.waves().find(|wave| wave.deadline == deadline)?;
        let node = *wave.peers.first()?;
        let ended = self.remove(id, &node, now)?;
        Some((id, node, ended))
    }

    /// The earliest deadline.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.peek().map(|Reverse((deadline, _))| *deadline)
    }

    /// Peers that are waited for, over all requests.
    pub(super) const fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// How long the next request is waited for.
    pub(super) const fn timeout(&self) -> Duration {
        self.latency.timeout()
    }

    /// Forgets a wave that has no peers left, and deadlines that nobody waits for.
    fn finish(&mut self, id: u32, at: usize) {
        if let Some(open) = self.open.get_mut(&id) {
            let wave = if at > 0 {
                Some(open.later.remove(at - 1))
            } else if open.later.is_empty() {
                self.open.remove(&id).map(|open| open.first)
            } else {
                Some(std::mem::replace(&mut open.first, open.later.remove(0)))
            };
            self.recycle(wave.map(|wave| wave.peers).unwrap_or_default());
            self.waves -= 1;
        }
        while let Some(Reverse((deadline, id))) = self.deadlines.peek()
            && self.open.get(id).is_none_or(|open| !open.waits_until(*deadline))
        {
            self.deadlines.pop();
        }
        if self.deadlines.len() > 2 * self.waves + STALE_MAX {
            let open = &self.open;
            self.deadlines.retain(|Reverse((deadline, id))| {
                open.get(id).is_some_and(|open| open.waits_until(*deadline))
            });
        }
    }

    fn recycle(&mut self, mut peers: Vec<NodeId>) {
        peers.clear();
        self.spare.push(peers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Peers that are asked under one number one after the other have deadlines of their own, and
    /// nobody is asked twice.
    #[test]
    fn peers_that_are_asked_later_are_waited_for_longer() {
        let [a, b, c] = [1, 2, 3].map(|byte| NodeId::new([byte; 20]));
        let (own, key) = (NodeId::new([0; 20]), HashKey::from_seed([0; 32]));
        let config = TimeoutConfig::default();
        let at = Timestamp::from_millis;
        let mut requests = Requests::new(config, 3, own, key, at(0)).expect("the default");
        let kind = MessageKind::Accepted;
        let ended = Ended { answer: kind, given_up: false };
        assert!(requests.open(7, kind, &[a], at(0)));
        assert!(requests.open(7, kind, &[b], at(1_000)));
        assert!(!requests.open(7, kind, &[b], at(2_000)), "it was asked");
        assert!(!requests.open(7, kind, &[a, c], at(2_000)), "one of them was");
        assert!(!requests.open(7, MessageKind::Ancestors, &[c], at(2_000)), "another question");
        assert!(requests.open(7, kind, &[c], at(2_000)));
        assert_eq!((requests.outstanding(), requests.room()), (3, 0));
        assert!(!requests.open(8, kind, &[a], at(2_000)), "no room");
        // The first answers; the second is silent; the third answers before its time.
        assert!(requests.answered(7, &a, kind, at(5_000)).is_some());
        assert_eq!(requests.next_deadline(), Some(at(6_000)));
        assert_eq!(requests.expire(at(5_999)), None);
        assert_eq!(requests.expire(at(6_500)), Some((7, b, ended)));
        assert_eq!(requests.expire(at(6_500)), None);
        assert_eq!(requests.next_deadline(), Some(at(7_000)));
        assert_eq!(requests.answered(7, &b, kind, at(6_500)), None, "too late");
        assert!(requests.answered(7, &c, kind, at(6_500)).is_some());
        assert_eq!((requests.outstanding(), requests.next_deadline()), (0, None));
        assert_eq!((requests.waves, requests.deadlines.len()), (0, 0));
    }

    /// A peer on the bench is given up at once; that must not keep a number from the next question.
    #[test]
    fn a_number_is_free_for_another_question_once_everybody_is_given_up() {
        let [a, b] = [1, 2].map(|byte| NodeId::new([byte; 20]));
        let (own, key) = (NodeId::new([0; 20]), HashKey::from_seed([0; 32]));
        let (at, config) = (Timestamp::from_millis, TimeoutConfig::default());
        let (first, second) = (MessageKind::AcceptedFrontier, MessageKind::Accepted);
        let mut requests = Requests::new(config, 9, own, key, at(0)).expect("the default");
        assert!(requests.open(7, first, &[a, b], at(0)));
        assert_eq!(requests.give_up(7, &a), Some(first));
        assert!(!requests.open(7, second, &[a], at(0)), "the other is waited for");
        assert!(requests.answered(7, &b, first, at(1)).is_some());
        assert!(requests.open(7, second, &[a, b], at(2)));
        assert_eq!((requests.outstanding(), requests.waves), (2, 1));
        let ended = Ended { answer: second, given_up: false };
        assert_eq!(requests.answered(7, &a, first, at(3)), None);
        assert_eq!(requests.answered(7, &a, second, at(3)), Some(ended));
        assert_eq!(requests.answered(7, &b, second, at(3)), Some(ended));
        assert_eq!((requests.outstanding(), requests.waves, requests.deadlines.len()), (0, 0, 0));
    }

    /// Answers that come faster make later deadlines earlier; none is lost.
    #[test]
    fn whoever_is_asked_later_may_have_less_time() {
        let [a, b, c] = [1, 2, 3].map(|byte| NodeId::new([byte; 20]));
        let (own, key) = (NodeId::new([0; 20]), HashKey::from_seed([0; 32]));
        let (at, kind) = (Timestamp::from_millis, MessageKind::Accepted);
        let ended = Ended { answer: kind, given_up: false };
        let mut requests =
            Requests::new(TimeoutConfig::default(), 9, own, key, at(0)).expect("the default");
        assert!(requests.open(7, kind, &[a], at(0)));
        for id in 100..120 {
            assert!(
                requests.open(id, kind, &[b], at(0))
                    && requests.answered(id, &b, kind, at(0)).is_some()
            );
        }
        let faster = at(0).after(requests.timeout());
        assert!(faster < at(5_000));
        assert!(requests.open(7, kind, &[b], at(0)));
        assert!(requests.open(7, kind, &[c], at(0)));
        assert!(requests.answered(7, &c, kind, at(0)).is_some());
        assert_eq!(requests.next_deadline(), Some(faster));
        assert_eq!(requests.expire(at(5_000)), Some((7, b, ended)));
        assert_eq!(requests.expire(at(5_000)), Some((7, a, ended)));
        assert_eq!(requests.expire(at(5_000)), None);
    }
}
