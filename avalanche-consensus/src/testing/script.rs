//! Scripts: what generated cases do, independent of where they come from.

use super::{Ballot, Factory, PollsOperation, PollsScript, Size, Spread};
use crate::Id;
use crate::snowball::Parameters;

/// Operations on a [`Tree`](crate::snowball::Tree).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeScript {
    /// Which rule decides.
    pub factory: Factory,
    /// The parameters.
    pub parameters: Parameters,
    /// Where ids come from.
    pub ids: IdSpace,
    /// The first choice.
    pub first: u16,
    /// What to do.
    pub operations: Vec<TreeOperation>,
}

/// One operation on a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeOperation {
    /// Add the choice of that number; it may be known, or decided against.
    Add(u16),
    /// Make one of the added choices the target of later polls.
    Aim(u16),
    /// Record a poll.
    Poll(Ballot),
    /// Record an unsuccessful poll.
    Fail,
}

/// Operations on a [`Topological`](crate::snowman::Topological).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnowmanScript {
    /// Which rule decides.
    pub factory: Factory,
    /// The parameters.
    pub parameters: Parameters,
    /// Where ids come from.
    pub ids: IdSpace,
    /// What to do.
    pub operations: Vec<SnowmanOperation>,
    /// The acceptor refuses its call of this number, if it gets that far.
    pub refuse: Option<u16>,
}

/// One operation on Snowman.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnowmanOperation {
    /// Add a block. An id that is processing already makes this a duplicate.
    Add {
        /// Number of its id.
        id: u16,
        /// Where it goes.
        parent: Parent,
    },
    /// Make one of the undecided blocks the target of later polls, until it is decided.
    Aim(u16),
    /// Record a poll.
    Poll(Ballot),
    /// Record a poll with more than `k` votes, which is refused.
    TooMany,
}

/// The parent of a generated block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// The tip of the preferred branch.
    Tip,
    /// The last accepted block.
    LastAccepted,
    /// Some undecided block.
    Undecided(u16),
    /// The parent of some undecided block, so that the two conflict.
    OfUndecided(u16),
    /// Anything ever seen, so mostly a decided block.
    Seen(u16),
    /// An id that was never seen.
    Unknown,
    /// The tip, with a height that does not follow.
    WrongHeight,
}

/// A supply of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdSpace {
    /// Ids that differ in a few low bits and perhaps in bit 255, so that they share prefixes, split
    /// at every place, and come up again after they were decided.
    Tiny {
        /// Low bits that differ, at most 12.
        bits: u32,
        /// Whether bit 255 differs too.
        last: bool,
    },
    /// Ids as hashes make them, which hardly share anything.
    Wide,
}

impl IdSpace {
    /// The id of a number.
    #[must_use]
    pub fn id(self, number: u16) -> Id {
        match self {
            Self::Tiny { bits, last } => {
                // At most 12 low bits differ, so the top bit of the number is free for bit 255.
                let mask = (1_u32 << bits.min(12)) - 1;
                let [low, high, ..] = (u32::from(number) & mask).to_le_bytes();
                let mut bytes = [0; 32];
                let [first, second, .., end] = &mut bytes;
                (*first, *second) = (low, high);
                *end = if last && number >> 15 == 1 { 0x80 } else { 0 };
                Id::new(bytes)
            }
            Self::Wide => Id::hash(&number.to_le_bytes()),
        }
    }

    /// An id that [`id`](Self::id) never gives.
    #[must_use]
    pub fn unknown(self, number: u16) -> Id {
        let [low, high] = number.to_le_bytes();
        Id::hash(&[b'?', low, high])
    }
}

/// Valid parameters for any draw: `k` up to 20, `beta` up to 8, every threshold that goes with
/// them.
#[must_use]
pub fn parameters([k, preference, confidence, beta]: [u8; 4]) -> Parameters {
    let k = u32::from(k) % 20 + 1;
    let least = k / 2 + 1;
    let preference = least + u32::from(preference) % (k - least + 1);
    let confidence = preference + u32::from(confidence) % (k - preference + 1);
    let drawn = Parameters::new(k, preference, confidence, u32::from(beta) % 8 + 1);
    debug_assert!(drawn.is_ok());
    drawn.unwrap_or_default()
}

impl TreeScript {
    /// Reads a script from bytes of any content and length.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut bytes = Bytes(bytes);
        let (factory, parameters, ids) = bytes.head();
        let first = bytes.u16();
        let mut operations = Vec::new();
        while !bytes.0.is_empty() {
            operations.push(match bytes.u8() % 8 {
                0 | 1 => TreeOperation::Add(bytes.u16()),
                2 => TreeOperation::Aim(bytes.u16()),
                3 => TreeOperation::Fail,
                _ => TreeOperation::Poll(bytes.ballot()),
            });
        }
        Self { factory, parameters, ids, first, operations }
    }
}

impl SnowmanScript {
    /// Reads a script from bytes of any content and length.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut bytes = Bytes(bytes);
        let (factory, parameters, ids) = bytes.head();
        let refuse = Some(bytes.u16()).filter(|call| call % 4 == 3).map(|call| call / 4 % 64);
        let mut operations = Vec::new();
        while !bytes.0.is_empty() {
            operations.push(match bytes.u8() % 8 {
                0..=2 => SnowmanOperation::Add { id: bytes.u16(), parent: bytes.parent() },
                3 => SnowmanOperation::Aim(bytes.u16()),
                _ => SnowmanOperation::Poll(bytes.ballot()),
            });
        }
        Self { factory, parameters, ids, operations, refuse }
    }
}

impl PollsScript {
    /// Reads a script from bytes of any content and length.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut bytes = Bytes(bytes);
        let (_, parameters, ids) = bytes.head();
        let mut operations = Vec::new();
        while !bytes.0.is_empty() {
            operations.push(match bytes.u8() % 12 {
                0..=2 => PollsOperation::Link { child: bytes.u8(), parent: bytes.u8() },
                3 => PollsOperation::Cut(bytes.u8()),
                4 | 5 => PollsOperation::Open {
                    request: bytes.u8(),
                    sample: u32::from(bytes.u16()) << 16 | u32::from(bytes.u16()),
                },
                6 => PollsOperation::Drop { poll: bytes.u8(), validator: bytes.u8() },
                _ => PollsOperation::Vote {
                    poll: bytes.u8(),
                    validator: bytes.u8(),
                    block: bytes.u8(),
                },
            });
        }
        Self { parameters, ids, operations }
    }
}

/// Bytes to read draws from; zeros once they are used up.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Bytes<'_> {
    pub(super) fn u8(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }

    fn head(&mut self) -> (Factory, Parameters, IdSpace) {
        let kind = self.u8();
        let factory = if kind & 1 == 0 { Factory::Snowflake } else { Factory::Snowball };
        let ids = match kind >> 1 {
            0 => IdSpace::Wide,
            draw => IdSpace::Tiny { bits: u32::from(draw >> 1) % 11 + 2, last: draw & 1 == 1 },
        };
        (factory, parameters([self.u8(), self.u8(), self.u8(), self.u8()]), ids)
    }

    fn ballot(&mut self) -> Ballot {
        let draw = self.u8();
        let size = match draw % 6 {
            1 => Size::Confidence,
            2 => Size::Preference,
            3 => Size::Short,
            4 => Size::Any(self.u8()),
            _ => Size::Full,
        };
        let spread = match draw / 6 % 7 {
            0 => Spread::Rest(self.u16()),
            1 => Spread::Half(self.u16()),
            2 => Spread::Rivals,
            3 => Spread::Grandchildren,
            4 => Spread::Noisy(self.u16()),
            _ => Spread::Target,
        };
        Ballot { size, spread }
    }

    fn parent(&mut self) -> Parent {
        match self.u8() % 12 {
            0..=3 => Parent::Tip,
            4 => Parent::LastAccepted,
            5 | 6 => Parent::Undecided(self.u16()),
            7 | 8 => Parent::OfUndecided(self.u16()),
            9 => Parent::Seen(self.u16()),
            10 => Parent::Unknown,
            _ => Parent::WrongHeight,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiny_ids_use_low_bits_and_bit_255_only() {
        let ids = IdSpace::Tiny { bits: 12, last: true };
        let id = ids.id(0xffff);
        let ones: Vec<_> = (0..Id::BITS).filter(|bit| id.bit(*bit)).collect();
        assert_eq!(ones, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255]);
        assert_eq!(IdSpace::Tiny { bits: 2, last: false }.id(0xfff0), Id::EMPTY);
    }

    #[test]
    fn every_draw_gives_valid_parameters() {
        for draw in 0..=u8::MAX {
            let drawn = parameters([draw, draw / 3, draw / 5, draw / 7]);
            assert!(drawn.k() <= 20 && drawn.beta() <= 8, "{drawn:?}");
        }
        assert_eq!(parameters([19, 4, 255, 7]).k(), 20);
    }

    #[test]
    fn any_bytes_are_a_script() {
        assert!(TreeScript::from_bytes(&[]).operations.is_empty());
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        assert!(TreeScript::from_bytes(&bytes).operations.len() > 30);
        assert!(SnowmanScript::from_bytes(&bytes).operations.len() > 30);
        assert!(PollsScript::from_bytes(&bytes).operations.len() > 30);
    }
}
