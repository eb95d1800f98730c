//! What a decision among any number of choices looks like from outside.

use crate::{Bag, Error};

/// One decision among choices: [`Tree`](super::Tree) by bit prefix, [`Flat`](super::Flat) as a
/// whole.
///
/// # Contract
///
/// A caller adds every choice before votes for it are recorded, records at most `k` votes in a
/// poll, and stops when the instance is finalized. The preference changes only in `record_poll`,
/// and never after finalization.
pub trait Consensus {
    /// What is chosen between.
    type Choice: Ord;

    /// Offers another choice. It is not an error to offer one again, or one that is decided
    /// against.
    ///
    /// # Errors
    ///
    /// [`Error::ChoicesFull`] if the instance holds as many choices as it may.
    fn add(&mut self, choice: Self::Choice) -> Result<(), Error>;

    /// Counts a poll, and returns whether it was successful: a choice, or what choices have in
    /// common, reached the preference threshold. Unspecified once finalized.
    fn record_poll(&mut self, votes: &Bag<Self::Choice>) -> bool;

    /// Counts a poll that failed: all confidence is lost.
    fn record_unsuccessful_poll(&mut self);

    /// The choice that is preferred, or decided.
    fn preference(&self) -> &Self::Choice;

    /// Whether the preference is decided.
    fn finalized(&self) -> bool;
}
