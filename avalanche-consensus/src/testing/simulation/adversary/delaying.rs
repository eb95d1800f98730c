//! Answers so late that peers wait for it as long as possible, and often in vain.

use std::time::Duration;

use super::{Adversary, View};
use crate::engine::Message;
use crate::testing::simulation::BlockRef;

#[derive(Debug)]
pub(super) struct Delaying;

/// The timeouts of peers lie between.
const LEAST: Duration = Duration::from_millis(300);
const MOST: Duration = Duration::from_secs(3);

impl Adversary for Delaying {
    fn says(&mut self, view: &mut View<'_>, to: u32, message: Message<BlockRef>) {
        let held_back = if message.kind().answer().is_none() {
            view.deed();
            view.random.between(LEAST, MOST)
        } else {
            Duration::ZERO
        };
        view.send_later(to, held_back, message);
    }
}
