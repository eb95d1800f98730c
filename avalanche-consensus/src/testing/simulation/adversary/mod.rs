//! Nodes that work against the others, one file each.
//!
//! An adversary is an honest node whose mouth and ears belong to somebody else: its engine follows
//! the chain, so that it knows what is worth lying about, and its messages are dropped, changed or
//! made up. It sees what every node prefers and reads every block, as an attacker who controls the
//! network might.

mod contrary;
mod delaying;
mod equivocating;
mod flooding;
mod outdated;
mod silent;
mod withholding;

use std::fmt;
use std::time::Duration;

use super::block::{BlockRef, BlockStore};
use super::random::Random;
use crate::Timestamp;
use crate::engine::Message;

/// How a node works against the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Behaviour {
    /// It never says anything.
    Silent,
    /// It votes against whatever its peer prefers.
    Contrary,
    /// It makes two blocks where it should make one, shows them to different peers, and tells each
    /// what it likes to hear.
    Equivocating,
    /// It answers as late as it can, or a little later.
    Delaying,
    /// It votes for what was preferred long ago.
    Outdated,
    /// It sends whatever costs others work.
    Flooding,
    /// It names its blocks but gives them to one peer only.
    Withholding,
}

impl Behaviour {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Silent,
        Self::Contrary,
        Self::Equivocating,
        Self::Delaying,
        Self::Outdated,
        Self::Flooding,
        Self::Withholding,
    ];

    /// Its name in scenarios.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Contrary => "contrary",
            Self::Equivocating => "equivocating",
            Self::Delaying => "delaying",
            Self::Outdated => "outdated",
            Self::Flooding => "flooding",
            Self::Withholding => "withholding",
        }
    }

    pub(super) fn adversary(self) -> Box<dyn Adversary> {
        match self {
            Self::Silent => Box::new(silent::Silent),
            Self::Contrary => Box::new(contrary::Contrary),
            Self::Equivocating => Box::new(equivocating::Equivocating::default()),
            Self::Delaying => Box::new(delaying::Delaying),
            Self::Outdated => Box::new(outdated::Outdated::default()),
            Self::Flooding => Box::new(flooding::Flooding::default()),
            Self::Withholding => Box::new(withholding::Withholding),
        }
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The mouth and ears of a node.
pub(super) trait Adversary: fmt::Debug {
    /// What its engine wants to say.
    fn says(&mut self, view: &mut View<'_>, to: u32, message: Message<BlockRef>);

    /// What a peer says; whether its engine hears it.
    fn hears(&mut self, _: &mut View<'_>, _: u32, _: &Message<BlockRef>) -> bool {
        true
    }

    /// How often it does something by itself.
    fn period(&self) -> Option<Duration> {
        None
    }

    /// What it does by itself.
    fn wakes(&mut self, _: &mut View<'_>) {}
}

/// What an adversary sees, and where its messages go.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) me: u32,
    pub(super) now: Timestamp,
    pub(super) blocks: &'a mut BlockStore,
    /// What each node prefers.
    pub(super) preferences: &'a [BlockRef],
    pub(super) random: &'a mut Random,
    pub(super) said: Said,
}

/// What an adversary did.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Messages with their addressee and how long they are held back.
    pub(super) messages: Vec<(u32, Duration, Message<BlockRef>)>,
    /// Times that it did what makes it an adversary.
    pub(super) deeds: u64,
}

impl View<'_> {
    /// Sends a message.
    fn send(&mut self, to: u32, message: Message<BlockRef>) {
        self.send_later(to, Duration::ZERO, message);
    }

    /// Sends a message after some time.
    fn send_later(&mut self, to: u32, held_back: Duration, message: Message<BlockRef>) {
        self.said.messages.push((to, held_back, message));
    }

    /// What was said and done.
    pub(super) fn end(self) -> Said {
        self.said
    }

    /// What a node prefers.
    fn preference(&self, node: u32) -> BlockRef {
        self.preferences.get(node as usize).copied().unwrap_or(BlockRef::GENESIS)
    }

    /// Notes that it did something against the others.
    const fn deed(&mut self) {
        self.said.deeds += 1;
    }
}
