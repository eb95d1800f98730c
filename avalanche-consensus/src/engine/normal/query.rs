//! Asking others.

use super::{Cx, Normal};
use crate::engine::{Fatal, Message, ParsedBlock};
use crate::{Id, Timestamp};

impl<H: Clone> Normal<H> {
    /// Opens a poll: asks `k` validators, sampled by stake, and gives them the block, or only its
    /// name.
    pub(super) fn send_query(
        &mut self,
        cx: &mut Cx<H>,
        id: Id,
        push: Option<&ParsedBlock<H>>,
    ) -> Result<(), Fatal> {
        let (k, alpha) = (cx.config.parameters.k(), cx.config.parameters.alpha_confidence());
        let needed = f64::from(alpha) / f64::from(k);
        let height = self.consensus.last_accepted().1.next();
        let (Some(requested_height), false) = (height, cx.connected.connected_percent() < needed)
        else {
            cx.stats.queries_dropped += 1;
            return Ok(());
        };
        if self.polls.len() >= cx.config.limits.polls_max as usize
            || cx.sampler.sample_into(k, &mut self.draws).is_err()
        {
            cx.stats.queries_dropped += 1;
            return Ok(());
        }
        self.sampled.clear();
        for at in &self.draws {
            if let Some(node) = cx.validators.node_ids().get(*at as usize) {
                self.sampled.add(*node);
            }
        }
        let request_id = cx.next_request_id();
        let message = match push {
            Some(block) => {
                Message::PushQuery { request_id, block: Some(block.clone()), requested_height }
            }
            None => Message::PullQuery { request_id, id, requested_height },
        };
        self.asked.clear();
        self.asked.extend(self.sampled.iter().map(|(node, _)| *node));
        // A request that cannot be sent has no answer that could end a poll.
        if self.polls.contains(request_id) || !cx.request(&self.asked, &message) {
            cx.stats.queries_dropped += 1;
            return Ok(());
        }
        self.polls.add(request_id, &self.sampled)?;
        self.history.open(request_id, id, cx.now);
        cx.stats.polls += 1;
        Ok(())
    }

    /// Opens as many polls about the preference as are to be open and are not.
    pub(super) fn repoll(&mut self, cx: &mut Cx<H>) -> Result<(), Fatal> {
        let preference = self.consensus.preference();
        let open = u32::try_from(self.polls.len()).unwrap_or(u32::MAX);
        for _ in open..cx.config.parameters.concurrent_repolls() {
            self.send_query(cx, preference, None)?;
        }
        Ok(())
    }

    /// What happens every gossip period: polls that could not be opened before, or a question to
    /// anybody, so that a node that missed a block hears of it.
    pub(in crate::engine) fn gossip(&mut self, cx: &mut Cx<H>) -> Result<(), Fatal> {
        if self.next_gossip.is_none_or(|next| next > cx.now) {
            return Ok(());
        }
        self.schedule_gossip(cx);
        if self.consensus.num_processing() > 0 {
            return self.repoll(cx);
        }
        let Some(requested_height) = self.consensus.last_accepted().1.next() else { return Ok(()) };
        let Some(node) = cx.choose_validator() else { return Ok(()) };
        let (request_id, id) = (cx.next_request_id(), self.consensus.preference());
        let message = Message::PullQuery { request_id, id, requested_height };
        cx.request(&[node], &message);
        Ok(())
    }

    /// When to gossip next.
    pub(in crate::engine) const fn next_gossip(&self) -> Option<Timestamp> {
        self.next_gossip
    }

    pub(super) fn schedule_gossip(&mut self, cx: &Cx<H>) {
        let period = cx.config.gossip_period;
        self.next_gossip = (!period.is_zero()).then(|| cx.now.after(period));
    }
}
