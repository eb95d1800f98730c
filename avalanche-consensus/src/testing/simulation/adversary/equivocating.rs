//! Makes twins of its blocks, and keeps both camps happy.

use std::collections::BTreeMap;

use super::{Adversary, View};
use crate::engine::Message;
use crate::testing::simulation::BlockRef;
use crate::testing::simulation::block::Kind;

#[derive(Debug, Default)]
pub(super) struct Equivocating {
    /// The twin of each of its blocks.
    twins: BTreeMap<BlockRef, BlockRef>,
}

impl Adversary for Equivocating {
    fn says(&mut self, view: &mut View<'_>, to: u32, message: Message<BlockRef>) {
        match message {
            Message::PushQuery { request_id, block: Some(block), requested_height }
                if view.blocks.get(block.handle).proposer == view.me && to % 2 == 1 =>
            {
                let twin = self.twin(view, block.handle);
                let block = Some(view.blocks.parsed(twin));
                view.send(to, Message::PushQuery { request_id, block, requested_height });
            }
            Message::Chits { request_id, accepted, accepted_height, .. } => {
                view.deed();
                let preferred = view.blocks.id(view.preference(to));
                let preferred_at_height = preferred;
                let message = Message::Chits {
                    request_id,
                    preferred,
                    preferred_at_height,
                    accepted,
                    accepted_height,
                };
                view.send(to, message);
            }
            other => view.send(to, other),
        }
    }

    fn hears(&mut self, view: &mut View<'_>, from: u32, message: &Message<BlockRef>) -> bool {
        // Its engine does not know the twins.
        if let Message::Get { request_id, id } = message
            && let Some(block) = view.blocks.find(id)
            && view.blocks.get(block).proposer == view.me
        {
            let block = Some(view.blocks.parsed(block));
            view.send(from, Message::Put { request_id: *request_id, block });
            return false;
        }
        true
    }
}

impl Equivocating {
    fn twin(&mut self, view: &mut View<'_>, of: BlockRef) -> BlockRef {
        if let Some(twin) = self.twins.get(&of) {
            return *twin;
        }
        view.deed();
        let (parent, salt) = (view.blocks.get(of).parent, view.random.number() | 1 << 63);
        let twin = view.blocks.build(parent, view.me, salt, Kind::Plain, view.now);
        self.twins.insert(of, twin);
        twin
    }
}
