//! Names its blocks to everybody and gives them to one peer only.

use super::{Adversary, View};
use crate::engine::Message;
use crate::testing::simulation::BlockRef;

#[derive(Debug)]
pub(super) struct Withholding;

impl Withholding {
    /// The only peer that is given blocks.
    fn friend(view: &View<'_>) -> u32 {
        u32::from(view.me == 0)
    }
}

impl Adversary for Withholding {
    fn says(&mut self, view: &mut View<'_>, to: u32, message: Message<BlockRef>) {
        match message {
            Message::PushQuery { request_id, block: Some(block), requested_height }
                if to != Self::friend(view) =>
            {
                view.deed();
                let id = block.id();
                view.send(to, Message::PullQuery { request_id, id, requested_height });
            }
            Message::Put { .. } if to != Self::friend(view) => view.deed(),
            other => view.send(to, other),
        }
    }
}
