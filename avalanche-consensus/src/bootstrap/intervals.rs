//! Heights that are there, as intervals.

use std::collections::BTreeMap;

use crate::{Error, Height};

/// All heights from `low` to `high`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The lowest height.
    pub low: Height,
    /// The highest height.
    pub high: Height,
}

/// A set of heights, kept as its closed intervals: disjoint, and never two that touch
/// (AvalancheGo's `snow/engine/snowman/bootstrap/interval/tree.go`).
///
/// Blocks that were downloaded lie in few runs, however many they are. Every change and question is
/// O(log n) in the intervals. To keep a set, write down its [`iter`](Self::iter); to have it back,
/// give that to [`from_intervals`](Self::from_intervals).
///
/// ```
/// use avalanche_consensus::Height;
/// use avalanche_consensus::bootstrap::{Interval, Intervals};
///
/// let mut heights = Intervals::new();
/// for height in [4, 6, 5] {
///     heights.add(Height::new(height))?;
/// }
/// let all = Interval { low: Height::new(4), high: Height::new(6) };
/// assert_eq!((heights.len(), heights.iter().collect::<Vec<_>>()), (3, vec![all]));
/// # Ok::<(), avalanche_consensus::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// From the highest height of each interval to its lowest; at most `intervals_max`.
    lows: BTreeMap<Height, Height>,
    /// Number of heights modulo 2^64.
    len: u64,
    intervals_max: usize,
}

impl Intervals {
    /// Intervals that a set has at most, unless set otherwise. A download has about one for each
    /// block that is being fetched.
    pub const INTERVALS_MAX: usize = 1 << 16;

    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { lows: BTreeMap::new(), len: 0, intervals_max: Self::INTERVALS_MAX }
    }

    /// Sets how many intervals there can be. Those that are there already stay.
    #[must_use]
    pub const fn with_intervals_max(mut self, max: usize) -> Self {
        self.intervals_max = max;
        self
    }

    /// The set that was written down as its intervals, ascending.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidInterval`] if an interval ends before it begins, or does not lie above the
    /// one before with a height between them; [`Error::IntervalsFull`] if there are more than
    /// [`Intervals::INTERVALS_MAX`].
    pub fn from_intervals(intervals: impl IntoIterator<Item = Interval>) -> Result<Self, Error> {
        let mut set = Self::new();
        for Interval { low, high } in intervals {
            let gap = set
                .lows
                .last_key_value()
                .is_none_or(|(below, _)| below.next().is_some_and(|touching| touching < low));
            if low > high || !gap {
                return Err(Error::InvalidInterval { low, high });
            }
            set.insert(low, high)?;
            set.len = set.len.wrapping_add(high.get() - low.get()).wrapping_add(1);
        }
        Ok(set)
    }

    /// Adds a height. False if it was there.
    ///
    /// # Errors
    ///
    /// [`Error::IntervalsFull`] if it touches no interval and there can be no more. Nothing changes
    /// then.
    pub fn add(&mut self, height: Height) -> Result<bool, Error> {
        let above = self.at_or_above(height);
        if above.is_some_and(|above| above.low <= height) {
            return Ok(false);
        }
        let above = above.filter(|above| above.low.previous() == Some(height));
        let below = height.previous().and_then(|end| Some((end, *self.lows.get(&end)?)));
        match (below, above) {
            (None, None) => self.insert(height, height)?,
            (None, Some(above)) => self.set(height, above.high),
            (Some((end, low)), None) => {
                self.lows.remove(&end);
                self.set(low, height);
            }
            (Some((end, low)), Some(above)) => {
                self.lows.remove(&end);
                self.set(low, above.high);
            }
        }
        self.len = self.len.wrapping_add(1);
        Ok(true)
    }

    /// Removes a height. False if it was not there.
    ///
    /// # Errors
    ///
    /// [`Error::IntervalsFull`] if it lies inside an interval and there can be no more. Nothing
    /// changes then. Removing from below upwards, as blocks are executed, never splits one.
    pub fn remove(&mut self, height: Height) -> Result<bool, Error> {
        let Some(Interval { low, high }) = self.at_or_above(height).filter(|at| at.low <= height)
        else {
            return Ok(false);
        };
        // What is left below and above; the ends of the heights have no neighbour.
        let below = height.previous().filter(|below| *below >= low);
        let above = height.next().filter(|above| *above <= high);
        if let (Some(below), Some(above)) = (below, above) {
            self.insert(low, below)?;
            self.set(above, high);
        } else if let Some(above) = above {
            self.set(above, high);
        } else {
            self.lows.remove(&high);
            if let Some(below) = below {
                self.set(low, below);
            }
        }
        self.len = self.len.wrapping_sub(1);
        Ok(true)
    }

    /// Whether a height is there.
    #[must_use]
    pub fn contains(&self, height: Height) -> bool {
        self.at_or_above(height).is_some_and(|at| at.low <= height)
    }

    /// Number of heights, modulo 2^64: zero if none is there, and if all are.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether no height is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lows.is_empty()
    }

    /// The intervals, ascending.
    #[must_use = "iterators are lazy"]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Interval> + DoubleEndedIterator {
        self.lows.iter().map(|(high, low)| Interval { low: *low, high: *high })
    }

    /// The interval that has `height`, or else the next above it.
    fn at_or_above(&self, height: Height) -> Option<Interval> {
        let (high, low) = self.lows.range(height..).next()?;
        Some(Interval { low: *low, high: *high })
    }

    /// One more interval, within the bound.
    fn insert(&mut self, low: Height, high: Height) -> Result<(), Error> {
        if self.lows.len() >= self.intervals_max {
            return Err(Error::IntervalsFull { max: self.intervals_max });
        }
        self.set(low, high);
        Ok(())
    }

    /// An interval in the place of one that was or will be removed.
    fn set(&mut self, low: Height, high: Height) {
        self.lows.insert(high, low);
    }
}

impl Default for Intervals {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
