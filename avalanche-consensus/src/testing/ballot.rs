//! How generated polls spread their votes.

use crate::snowball::Parameters;
use crate::{Bag, Id};

/// The votes of one generated poll, in terms of a target and of the parameters.
///
/// Numbers are indices into whatever exists when the poll runs, modulo its length. So every script
/// can run from any state, and shrinking one keeps it valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// How many votes.
    pub size: Size,
    /// Who gets them.
    pub spread: Spread,
}

/// How many votes a poll has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// All `k`.
    Full,
    /// `alpha_confidence`: just enough to raise confidence.
    Confidence,
    /// `alpha_preference`: moves the preference, and raises confidence only if the thresholds
    /// agree.
    Preference,
    /// One less than `alpha_preference`.
    Short,
    /// Some number from 0 to `k`.
    Any(u8),
}

/// Who gets the votes of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// The target.
    Target,
    /// The target up to `alpha_preference`, another candidate the rest.
    Rest(u16),
    /// The target and another candidate, in halves.
    Half(u16),
    /// The target and its rivals in turn.
    Rivals,
    /// The grandchildren of the target in turn, where there are any.
    Grandchildren,
    /// The target but for two votes: one for anything ever seen, one for an unknown id.
    Noisy(u16),
}

/// The candidates that a [`Ballot`] can name.
#[derive(Clone, Debug)]
pub struct Candidates<'a> {
    /// The target.
    pub target: Id,
    /// Everything ever seen, the target included.
    pub seen: &'a [Id],
    /// The target and its rivals; never empty.
    pub rivals: Vec<Id>,
    /// Grandchildren of the target; may be empty.
    pub grandchildren: Vec<Id>,
    /// An id that was never added, where those are allowed.
    pub unknown: Option<Id>,
}

impl Ballot {
    /// The votes, never more than `k`.
    #[must_use]
    pub fn votes(&self, parameters: &Parameters, candidates: &Candidates<'_>) -> Bag {
        let (k, enough) = (parameters.k(), parameters.alpha_preference());
        let size = match self.size {
            Size::Full => k,
            Size::Confidence => parameters.alpha_confidence(),
            Size::Preference => enough,
            Size::Short => enough - 1,
            Size::Any(draw) => u32::from(draw) % (k + 1),
        };
        let target = candidates.target;
        let other = |draw| nth(candidates.seen, draw).unwrap_or(target);
        let mut votes = Bag::new();
        match self.spread {
            Spread::Target => votes.add_count(target, size),
            Spread::Rest(draw) => {
                votes.add_count(target, size.min(enough));
                votes.add_count(other(draw), size.saturating_sub(enough));
            }
            Spread::Half(draw) => {
                votes.add_count(target, size.div_ceil(2));
                votes.add_count(other(draw), size / 2);
            }
            Spread::Rivals => deal(&mut votes, &candidates.rivals, size),
            Spread::Grandchildren if candidates.grandchildren.is_empty() => {
                votes.add_count(target, size);
            }
            Spread::Grandchildren => deal(&mut votes, &candidates.grandchildren, size),
            Spread::Noisy(draw) => {
                votes.add_count(target, size.saturating_sub(2));
                votes.add_count(other(draw), u32::from(size > 0));
                votes.add_count(candidates.unknown.unwrap_or(target), u32::from(size > 1));
            }
        }
        votes
    }
}

/// Gives `size` votes to `candidates` in turn.
fn deal(votes: &mut Bag, candidates: &[Id], size: u32) {
    for (_, id) in (0..size).zip(candidates.iter().cycle()) {
        votes.add(*id);
    }
}

/// The entry that a draw names.
pub(crate) fn nth(ids: &[Id], draw: u16) -> Option<Id> {
    ids.get(usize::from(draw).checked_rem(ids.len())?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_follow_the_spread_and_never_exceed_k() {
        let parameters = Parameters::new(10, 6, 8, 1).unwrap();
        let [a, b, c] = [1, 2, 3].map(|byte| Id::new([byte; 32]));
        let candidates = Candidates {
            target: a,
            seen: &[a, b],
            rivals: vec![a, b],
            grandchildren: Vec::new(),
            unknown: Some(c),
        };
        let check = |size, spread, expected: &[(Id, u32)]| {
            let votes = Ballot { size, spread }.votes(&parameters, &candidates);
            assert_eq!(votes.as_slice(), expected, "{size:?} {spread:?}");
        };
        check(Size::Full, Spread::Target, &[(a, 10)]);
        check(Size::Full, Spread::Rest(1), &[(a, 6), (b, 4)]);
        check(Size::Confidence, Spread::Half(3), &[(a, 4), (b, 4)]);
        check(Size::Short, Spread::Rivals, &[(a, 3), (b, 2)]);
        check(Size::Preference, Spread::Noisy(1), &[(a, 4), (b, 1), (c, 1)]);
        check(Size::Any(12), Spread::Grandchildren, &[(a, 1)]);
        check(Size::Any(11), Spread::Noisy(0), &[]);
    }
}
