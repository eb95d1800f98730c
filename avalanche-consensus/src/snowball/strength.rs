//! What Snowball counts and Snowflake does not: successful polls for each value, never reset.

use std::collections::BTreeMap;
use std::fmt;

use super::Bit;
use super::bit::Pair;
use super::rule::{BinaryCounter, NnaryCounter, UnaryCounter};

/// Successful polls of the only value.
///
/// Four bytes are enough here and below: an instance that is still undecided after 2^32 successful
/// polls has been asked for months. They keep a node of a tree within one cache line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnaryStrength(pub(super) u32);

impl UnaryCounter for UnaryStrength {
    type Binary = BinaryStrength;
    const NEW: Self = Self(0);

    fn record(&mut self, polls: u32) {
        self.0 = self.0.saturating_add(polls);
    }

    fn extend(&self, bit: Bit) -> BinaryStrength {
        BinaryStrength { preference: bit, polls: Pair::new(bit, self.0, 0) }
    }

    fn show(&self, flake: fmt::Arguments<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SB(PreferenceStrength = {}, {flake})", self.0)
    }
}

/// Successful polls of both values. The preference changes only when the other is strictly ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BinaryStrength {
    preference: Bit,
    pub(super) polls: Pair<u32>,
}

impl BinaryCounter for BinaryStrength {
    fn new(choice: Bit) -> Self {
        Self { preference: choice, polls: Pair::default() }
    }

    fn record(&mut self, choice: Bit, polls: u32) {
        let known = self.polls.get_mut(choice);
        *known = known.saturating_add(polls);
        if self.polls.get(choice) > self.polls.get(choice.other()) {
            self.preference = choice;
        }
    }

    fn preference(&self, _flake: Bit) -> Bit {
        self.preference
    }

    fn show(&self, flake: fmt::Arguments<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (zero, one) = (self.polls.get(Bit::Zero), self.polls.get(Bit::One));
        write!(
            f,
            "SB(Preference = {}, PreferenceStrength[0] = {zero}, PreferenceStrength[1] = {one}, \
             {flake})",
            self.preference
        )
    }
}

/// Successful polls of each value that ever had one.
#[derive(Clone, Debug)]
pub(crate) struct NnaryStrength<V> {
    preference: V,
    max: u64,
    pub(super) polls: BTreeMap<V, u64>,
}

impl<V: Ord + Clone + fmt::Debug> NnaryCounter<V> for NnaryStrength<V> {
    fn new(choice: &V) -> Self {
        Self { preference: choice.clone(), max: 0, polls: BTreeMap::new() }
    }

    fn record(&mut self, choice: &V) {
        let polls = match self.polls.get_mut(choice) {
            Some(polls) => polls,
            None => self.polls.entry(choice.clone()).or_insert(0),
        };
        *polls = polls.saturating_add(1);
        if *polls > self.max {
            self.max = *polls;
            if self.preference != *choice {
                self.preference = choice.clone();
            }
        }
    }

    fn preference<'a>(&'a self, _flake: &'a V) -> &'a V {
        &self.preference
    }

    fn show(&self, flake: fmt::Arguments<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (preference, max) = (&self.preference, self.max);
        write!(f, "SB(Preference = {preference:?}, PreferenceStrength = {max}, {flake})")
    }
}
