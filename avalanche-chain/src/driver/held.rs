//! Queries that wait for a verdict: pure.

use std::collections::VecDeque;
use std::time::Duration;

use avalanche_consensus::engine::Message;
use avalanche_consensus::{NodeId, Timestamp};

use crate::ChainBlock;

/// How long a query waits at most.
const HOLD_MAX: Duration = Duration::from_millis(10);
/// Queries that wait, at most: those of some rounds of polls of many validators.
const QUERIES_MAX: usize = 256;

/// Pull queries that came while a block was being verified.
///
/// In AvalancheGo nothing else is handled while a block is verified, so the answer to what comes
/// meanwhile knows the verdict. Here a VM verifies in a thread of its own; whoever were answered
/// before it is done would be told the old preference, and would ask again. They wait for the
/// verdict, but not for long: a block that takes its time must not make its verifiers look dead.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Oldest first, with the time at which each came.
    queries: VecDeque<(Timestamp, NodeId, Message<ChainBlock>)>,
    /// Blocks that are being verified.
    verifying: usize,
}

impl Held {
    /// A block is being verified.
    pub(super) const fn begin(&mut self) {
        self.verifying += 1;
    }

    /// It has its verdict.
    pub(super) const fn end(&mut self) {
        self.verifying = self.verifying.saturating_sub(1);
    }

    /// Keeps a message if it is one that waits; gives it back otherwise.
    pub(super) fn hold(
        &mut self,
        now: Timestamp,
        from: NodeId,
        message: Message<ChainBlock>,
    ) -> Option<Message<ChainBlock>> {
        let is_query = matches!(message, Message::PullQuery { .. });
        if !is_query || self.verifying == 0 || self.queries.len() >= QUERIES_MAX {
            return Some(message);
        }
        self.queries.push_back((now, from, message));
        None
    }

    /// When the next one has waited long enough; `None` if none waits.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let (came, ..) = self.queries.front()?;
        Some(if self.verifying == 0 { Timestamp::ZERO } else { came.after(HOLD_MAX) })
    }

    /// The next one whose time has come.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<(NodeId, Message<ChainBlock>)> {
        self.due().filter(|due| *due <= now)?;
        self.queries.pop_front().map(|(_, from, message)| (from, message))
    }
}

#[cfg(test)]
mod tests {
    use avalanche_consensus::{Height, Id};

    use super::*;

    fn query(request_id: u32) -> Message<ChainBlock> {
        let (id, requested_height) = (Id::EMPTY, Height::new(1));
        Message::PullQuery { request_id, id, requested_height }
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    const PEER: NodeId = NodeId::new([1; 20]);

    #[test]
    fn queries_wait_for_the_verdict_in_their_order_and_nothing_else_waits() {
        let mut held = Held::default();
        assert_eq!(held.hold(at(0), PEER, query(1)), Some(query(1)), "nothing is verified");
        held.begin();
        held.begin();
        let other = Message::GetAcceptedFrontier { request_id: 9 };
        assert_eq!(held.hold(at(0), PEER, other.clone()), Some(other));
        assert_eq!(held.hold(at(0), PEER, query(2)), None);
        assert_eq!(held.hold(at(1), PEER, query(3)), None);
        assert_eq!((held.due(), held.next(at(9))), (Some(at(10)), None));
        held.end();
        assert_eq!(held.next(at(9)), None, "another block is being verified");
        held.end();
        assert_eq!(held.next(at(9)), Some((PEER, query(2))));
        assert_eq!(held.next(at(9)), Some((PEER, query(3))));
        assert_eq!((held.due(), held.next(at(9))), (None, None));
    }

    #[test]
    fn none_waits_longer_than_the_bound_and_no_more_than_the_bound_wait() {
        let mut held = Held::default();
        held.begin();
        for number in 0..300 {
            let kept = held.hold(at(u64::from(number)), PEER, query(number)).is_none();
            assert_eq!(kept, number < 256, "{number}");
        }
        assert_eq!(held.next(at(9)), None);
        for number in 0..256 {
            assert_eq!(held.next(at(u64::from(number) + 9)), None);
            assert_eq!(held.next(at(u64::from(number) + 10)), Some((PEER, query(number))));
        }
    }
}
