//! Says nothing, as a node that is off does, but stays connected.

use super::{Adversary, View};
use crate::engine::Message;
use crate::testing::simulation::BlockRef;

#[derive(Debug)]
pub(super) struct Silent;

impl Adversary for Silent {
    fn says(&mut self, view: &mut View<'_>, _: u32, _: Message<BlockRef>) {
        view.deed();
    }
}
