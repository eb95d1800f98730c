//! Finding out what the network accepted.

use std::collections::BTreeSet;

use crate::bootstrap::{FrontierPoll, Majority, Minority, sample};
use crate::engine::normal::Cx;
use crate::engine::{Fatal, Fault, Message, MessageKind};
use crate::validators::Validator;
use crate::{Id, NodeId, Timestamp};

/// One round of questions: some beacons for the block that they accepted last, then all of them for
/// which of those blocks they accepted. Both have one number.
#[derive(Debug)]
pub(super) struct Discovery {
    request_id: u32,
    pub(super) began: Timestamp,
    poll: Poll,
}

#[derive(Debug)]
enum Poll {
    Frontier { minority: Minority, beacons: Vec<Validator> },
    Accepted { majority: Majority, ids: Vec<Id> },
}

impl Discovery {
    /// A round that has asked nobody yet; `None` if there is nobody.
    pub(super) fn begin<H>(cx: &mut Cx<H>) -> Result<Option<Self>, Fatal> {
        let beacons: Vec<Validator> = cx.beacons().iter().collect();
        if beacons.is_empty() {
            return Ok(None);
        }
        let sampled = sample(&beacons, cx.config.parameters.k(), &mut cx.random)?;
        let max = cx.config.limits.frontier_requests_max;
        let minority = Minority::new(sampled)?.with_outstanding_max(max).with_ids_max(1);
        let request_id = cx.next_request_id();
        Ok(Some(Self { request_id, began: cx.now, poll: Poll::Frontier { minority, beacons } }))
    }

    /// Asks whoever can be asked now. The blocks that most of the weight accepted, once everybody
    /// was heard.
    pub(super) fn step<H: Clone>(&mut self, cx: &mut Cx<H>) -> Result<Option<BTreeSet<Id>>, Fatal> {
        let request_id = self.request_id;
        if let Poll::Frontier { minority, beacons } = &mut self.poll {
            ask(cx, minority, &Message::GetAcceptedFrontier { request_id })?;
            let Some(frontier) = minority.result() else { return Ok(None) };
            // Longer lists would not be answered.
            let ids: Vec<Id> = frontier.iter().copied().take(cx.config.limits.ids_max).collect();
            let majority = Majority::new(beacons.iter().copied())?
                .with_outstanding_max(cx.config.limits.frontier_requests_max)
                .with_ids_max(ids.len());
            self.poll = Poll::Accepted { majority, ids };
        }
        let Poll::Accepted { majority, ids } = &mut self.poll else { return Ok(None) };
        ask(cx, majority, &Message::GetAccepted { request_id, ids: ids.clone() })?;
        Ok(majority.result().cloned())
    }

    /// A beacon said which block it accepted last.
    pub(super) fn frontier(
        &mut self,
        node: &NodeId,
        request_id: u32,
        id: Option<Id>,
    ) -> Result<(), Fatal> {
        if let Poll::Frontier { minority, .. } = &mut self.poll
            && request_id == self.request_id
        {
            // Nobody else was asked, and one block is never too many.
            let _ = minority.record_opinion(node, id.as_slice())?;
        }
        Ok(())
    }

    /// A beacon said which of the blocks it accepted. Blocks that it was not asked about count for
    /// nothing, and a list that is longer than the question is dropped.
    pub(super) fn accepted<H>(
        &mut self,
        cx: &mut Cx<H>,
        node: &NodeId,
        request_id: u32,
        mut named: Vec<Id>,
    ) -> Result<(), Fatal> {
        if let Poll::Accepted { majority, ids } = &mut self.poll
            && request_id == self.request_id
        {
            let (kind, found, max) = (MessageKind::Accepted, named.len(), ids.len());
            if found > max {
                cx.fault(*node, Fault::TooLong { kind, found, max });
                named.clear();
            }
            named.retain(|id| ids.binary_search(id).is_ok());
            let _ = majority.record_opinion(node, &named)?;
        }
        Ok(())
    }
}

/// Asks as many nodes of a poll as it wants and as there is room for.
pub(in crate::engine) fn ask<H: Clone>(
    cx: &mut Cx<H>,
    poll: &mut impl FrontierPoll,
    message: &Message<H>,
) -> Result<(), Fatal> {
    let mut nodes = poll.requests().choose(&mut cx.random);
    nodes.truncate(cx.requests.room());
    nodes.sort_unstable();
    if !nodes.is_empty() && cx.request(&nodes, message) {
        poll.ask(&nodes)?;
    }
    Ok(())
}
