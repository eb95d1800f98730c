//! Votes for a rival of what the peer prefers, to take its confidence away.

use super::{Adversary, View};
use crate::engine::Message;
use crate::testing::simulation::BlockRef;

#[derive(Debug)]
pub(super) struct Contrary;

impl Adversary for Contrary {
    fn says(&mut self, view: &mut View<'_>, to: u32, message: Message<BlockRef>) {
        let Message::Chits { request_id, accepted, accepted_height, .. } = message else {
            return view.send(to, message);
        };
        view.deed();
        // Without a rival, a vote for what is decided counts for nothing.
        let rival = view.blocks.rival(view.preference(to));
        let vote = rival.map_or(accepted, |rival| view.blocks.id(rival));
        let (preferred, preferred_at_height) = (vote, vote);
        view.send(
            to,
            Message::Chits {
                request_id,
                preferred,
                preferred_at_height,
                accepted,
                accepted_height,
            },
        );
    }

    fn hears(&mut self, view: &mut View<'_>, from: u32, message: &Message<BlockRef>) -> bool {
        // The rival must be fetched to count.
        if let Message::Get { request_id, id } = message
            && let Some(block) = view.blocks.find(id)
        {
            let block = Some(view.blocks.parsed(block));
            view.send(from, Message::Put { request_id: *request_id, block });
            return false;
        }
        true
    }
}
