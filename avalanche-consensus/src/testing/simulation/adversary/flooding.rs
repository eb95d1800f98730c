//! Sends whatever costs others work or memory: blocks without a parent, questions, answers that
//! nobody asked for, lists that are too long.

use std::time::Duration;

use super::{Adversary, View};
use crate::engine::Message;
use crate::testing::simulation::BlockRef;
use crate::{Height, Id};

#[derive(Debug, Default)]
pub(super) struct Flooding {
    /// Blocks whose parents nobody has.
    strays: Vec<BlockRef>,
}

const PERIOD: Duration = Duration::from_millis(50);
/// Messages each time.
const BURST: usize = 8;
/// Blocks that it makes up; then it sends them again.
const STRAYS_MAX: usize = 400;

impl Adversary for Flooding {
    fn says(&mut self, view: &mut View<'_>, to: u32, message: Message<BlockRef>) {
        view.send(to, message);
    }

    fn period(&self) -> Option<Duration> {
        Some(PERIOD)
    }

    fn wakes(&mut self, view: &mut View<'_>) {
        for _ in 0..BURST {
            let to = view.random.index(view.preferences.len());
            let to = u32::try_from(to).unwrap_or(0);
            if to == view.me {
                continue;
            }
            view.deed();
            let message = self.rubbish(view);
            view.send(to, message);
        }
    }
}

impl Flooding {
    fn rubbish(&mut self, view: &mut View<'_>) -> Message<BlockRef> {
        let request_id = u32::try_from(view.random.below(1 << 20)).unwrap_or(0);
        let id = view.random.id();
        let requested_height = Height::new(view.random.number() >> view.random.below(64));
        match view.random.below(10) {
            0..3 => {
                let stray = self.stray(view);
                let block = Some(view.blocks.parsed(stray));
                Message::PushQuery { request_id, block, requested_height }
            }
            3 => {
                let stray = self.stray(view);
                let block = Some(view.blocks.parsed(stray));
                Message::Put { request_id, block }
            }
            4 => Message::PullQuery { request_id, id, requested_height },
            5 => Message::Get { request_id, id },
            6 => Message::GetAncestors { request_id, id },
            7 => Message::Chits {
                request_id,
                preferred: id,
                preferred_at_height: id,
                accepted: id,
                accepted_height: Height::MAX,
            },
            8 => Message::PushQuery { request_id, block: None, requested_height },
            _ => {
                let ids = vec![Id::EMPTY; view.random.index(3_000)];
                Message::GetAccepted { request_id, ids }
            }
        }
    }

    fn stray(&mut self, view: &mut View<'_>) -> BlockRef {
        if self.strays.len() < STRAYS_MAX {
            let height = view.random.below(100);
            self.strays.push(view.blocks.stray(view.me, view.random, height));
        }
        view.random.pick(&self.strays).unwrap_or(BlockRef::GENESIS)
    }
}
