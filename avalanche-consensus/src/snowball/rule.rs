//! Snowflake and Snowball: what an instance remembers beside its confidence.

use std::fmt;

/// The rule by which an instance chooses its preference: [`Snowflake`] or [`Snowball`].
///
/// This trait is sealed: the two rules are the whole family.
#[expect(private_bounds, reason = "seals the trait and keeps the counters out of the API")]
pub trait Rule: Counters + fmt::Debug + Clone + Copy + Send + Sync + 'static {}

/// Prefer what the last successful poll voted for. Snowman chains run on it.
#[derive(Clone, Copy, Debug)]
pub enum Snowflake {}

/// Prefer what the most successful polls voted for.
#[derive(Clone, Copy, Debug)]
pub enum Snowball {}

impl Rule for Snowflake {}
impl Rule for Snowball {}

/// What a rule counts for an instance of each arity.
pub(super) trait Counters {
    type Unary: UnaryCounter<Binary = Self::Binary>;
    type Binary: BinaryCounter;
    type Nnary<V: Ord + Clone + fmt::Debug>: NnaryCounter<V>;
}

impl Counters for Snowflake {
    type Unary = ();
    type Binary = ();
    type Nnary<V: Ord + Clone + fmt::Debug> = ();
}

impl Counters for Snowball {
    type Unary = super::strength::UnaryStrength;
    type Binary = super::strength::BinaryStrength;
    type Nnary<V: Ord + Clone + fmt::Debug> = super::strength::NnaryStrength<V>;
}

/// Successful polls of a unary instance.
pub(super) trait UnaryCounter: Clone + Copy + fmt::Debug + Send + Sync {
    type Binary;
    const NEW: Self;
    fn record(&mut self, polls: u32);
    fn extend(&self, bit: super::Bit) -> Self::Binary;
    /// Writes the printed form around that of the Snowflake part.
    fn show(&self, flake: fmt::Arguments<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// Successful polls of a binary instance.
pub(super) trait BinaryCounter: Clone + Copy + fmt::Debug + Send + Sync {
    fn new(choice: super::Bit) -> Self;
    fn record(&mut self, choice: super::Bit, polls: u32);
    /// The preference of an undecided instance, given that of its Snowflake part.
    fn preference(&self, flake: super::Bit) -> super::Bit;
    fn show(&self, flake: fmt::Arguments<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// Successful polls of an n-ary instance.
pub(super) trait NnaryCounter<V>: Clone + fmt::Debug {
    fn new(choice: &V) -> Self;
    fn record(&mut self, choice: &V);
    fn preference<'a>(&'a self, flake: &'a V) -> &'a V;
    fn show(&self, flake: fmt::Arguments<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl UnaryCounter for () {
    type Binary = ();
    const NEW: Self = ();

    fn record(&mut self, _polls: u32) {}

    fn extend(&self, _bit: super::Bit) {}

    fn show(&self, flake: fmt::Arguments<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_fmt(flake)
    }
}

impl BinaryCounter for () {
    fn new(_choice: super::Bit) {}

    fn record(&mut self, _choice: super::Bit, _polls: u32) {}

    fn preference(&self, flake: super::Bit) -> super::Bit {
        flake
    }

    fn show(&self, flake: fmt::Arguments<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_fmt(flake)
    }
}

impl<V> NnaryCounter<V> for () {
    fn new(_choice: &V) {}

    fn record(&mut self, _choice: &V) {}

    fn preference<'a>(&'a self, flake: &'a V) -> &'a V {
        flake
    }

    fn show(&self, flake: fmt::Arguments<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_fmt(flake)
    }
}
