//! Votes as it would have voted some time ago.

use std::collections::VecDeque;

use super::{Adversary, View};
use crate::Id;
use crate::engine::Message;
use crate::testing::simulation::BlockRef;

#[derive(Debug, Default)]
pub(super) struct Outdated {
    /// What it preferred at each of its last answers.
    past: VecDeque<[Id; 2]>,
}

/// Answers that it is behind.
const BEHIND: usize = 256;

impl Adversary for Outdated {
    fn says(&mut self, view: &mut View<'_>, to: u32, message: Message<BlockRef>) {
        let Message::Chits {
            request_id,
            preferred,
            preferred_at_height,
            accepted,
            accepted_height,
        } = message
        else {
            return view.send(to, message);
        };
        view.deed();
        self.past.push_back([preferred, preferred_at_height]);
        if self.past.len() > BEHIND {
            self.past.pop_front();
        }
        let [preferred, preferred_at_height] =
            self.past.front().copied().unwrap_or([preferred, preferred_at_height]);
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
}
