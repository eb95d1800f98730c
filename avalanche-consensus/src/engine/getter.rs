//! Serving what peers ask for (AvalancheGo's `snow/engine/snowman/getter`). In every phase.

use super::context::Context;
use super::{Answer, Call, Fault, Message, MessageKind};
use crate::NodeId;

/// A request of a peer whose answer is with the VM.
#[derive(Clone, Copy, Debug)]
pub(super) struct Serving {
    pub(super) from: NodeId,
    request_id: u32,
    kind: MessageKind,
}

impl Serving {
    /// Passes a request on to the VM. False if the message is none of those that are served.
    pub(super) fn begin<H, P: From<Self>>(
        cx: &mut Context<H, P>,
        from: NodeId,
        message: &Message<H>,
    ) -> bool {
        let (request_id, kind) = (message.request_id(), message.kind());
        let Some(call) = Self::call(cx, from, message) else {
            return Self::serves(kind);
        };
        let serving = Self { from, request_id, kind };
        if cx.call(call, Some(from), serving.into()).is_err() {
            cx.fault(from, Fault::Flooding(kind));
        }
        true
    }

    const fn serves(kind: MessageKind) -> bool {
        matches!(
            kind,
            MessageKind::GetStateSummaryFrontier
                | MessageKind::GetAcceptedStateSummary
                | MessageKind::GetAcceptedFrontier
                | MessageKind::GetAccepted
                | MessageKind::GetAncestors
                | MessageKind::Get
        )
    }

    /// What to ask the VM; `None` if the answer needs no VM and was sent, or the list was too long.
    fn call<H, P>(cx: &mut Context<H, P>, from: NodeId, message: &Message<H>) -> Option<Call<H>> {
        let limits = cx.config.limits;
        let (request_id, kind, max) = (message.request_id(), message.kind(), limits.ids_max);
        let found = match message {
            Message::GetAccepted { ids, .. } => ids.len(),
            Message::GetAcceptedStateSummary { heights, .. } => heights.len(),
            _ => 0,
        };
        if found > max {
            cx.fault(from, Fault::TooLong { kind, found, max });
            return None;
        }
        match message {
            Message::GetStateSummaryFrontier { .. } => Some(Call::LastSummary),
            Message::GetAcceptedStateSummary { heights, .. } if heights.is_empty() => {
                let ids = Vec::new();
                cx.send(from, Message::AcceptedStateSummary { request_id, ids });
                None
            }
            Message::GetAcceptedStateSummary { heights, .. } => {
                Some(Call::SummariesAt(heights.clone()))
            }
            Message::GetAcceptedFrontier { .. } => {
                let id = cx.tip.id;
                cx.send(from, Message::AcceptedFrontier { request_id, id });
                None
            }
            Message::GetAccepted { ids, .. } => Some(Call::FilterAccepted(ids.clone())),
            Message::GetAncestors { id, .. } => Some(Call::GetAncestors {
                id: *id,
                blocks_max: limits.ancestors_max,
                bytes_max: limits.ancestors_bytes_max,
                time_max: limits.ancestors_time_max,
            }),
            Message::Get { id, .. } => Some(Call::GetBlock(*id)),
            _ => None,
        }
    }

    /// Sends what the VM answered. False if that does not fit the question.
    pub(super) fn finish<H, P>(self, cx: &mut Context<H, P>, answer: Answer<H>) -> bool {
        let Self { from, request_id, kind } = self;
        let message = match (kind, answer) {
            (MessageKind::GetStateSummaryFrontier, Answer::Summary(Some(summary))) => {
                Message::StateSummaryFrontier { request_id, summary: Some(summary) }
            }
            // What is not there is not talked about: the peer's deadline ends it.
            (MessageKind::GetStateSummaryFrontier, Answer::Summary(None))
            | (MessageKind::Get, Answer::Block(None)) => return true,
            (MessageKind::GetAcceptedStateSummary, Answer::Ids(ids)) => {
                Message::AcceptedStateSummary { request_id, ids }
            }
            (MessageKind::GetAccepted, Answer::Ids(ids)) => Message::Accepted { request_id, ids },
            (MessageKind::GetAncestors, Answer::Blocks(blocks)) => {
                Message::Ancestors { request_id, blocks: Some(blocks) }
            }
            (MessageKind::Get, Answer::Block(Some(block))) => {
                Message::Put { request_id, block: Some(block) }
            }
            _ => return false,
        };
        cx.send(from, message);
        true
    }
}
