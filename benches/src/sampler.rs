//! Drawing the 20 validators of a poll by weight.

use avalanche_consensus::Error;
use avalanche_consensus::sampler::{Mt19937x64, SeededSampler, WeightedWithoutReplacement};

use crate::floor::SplitMix;
use crate::floor::alias::Alias;

/// Numbers of validators that are measured: a network like Avalanche's, and a far larger one.
pub const VALIDATORS: [usize; 2] = [1_500, 100_000];
/// Validators in a sample.
pub const SAMPLE: u32 = 20;

/// Weights of `count` validators, from 2,000 to some millions, a few heavy and most light.
#[must_use]
pub fn weights(count: usize) -> Vec<u64> {
    let mut random = SplitMix::new(11);
    let heavy = |below: u32| 2_000 + 4_000_000 / u64::from(below + 1);
    (0..count).map(|_| heavy(random.below(4_000))).collect()
}

/// The production sampler.
#[derive(Debug)]
pub struct Seeded {
    sampler: SeededSampler,
    sample: Vec<u32>,
}

impl Seeded {
    /// A sampler over `count` validators.
    ///
    /// # Errors
    ///
    /// None: the weights fit.
    pub fn new(count: usize) -> Result<Self, Error> {
        let sampler = SeededSampler::new(&weights(count), [9; 32])?;
        Ok(Self { sampler, sample: Vec::with_capacity(SAMPLE as usize) })
    }

    /// Draws one sample; false if it cannot.
    pub fn sample(&mut self) -> bool {
        let drawn = self.sampler.sample_into(SAMPLE, &mut self.sample).is_ok();
        std::hint::black_box(&self.sample);
        drawn
    }
}

/// The sampler that finds the same validators as AvalancheGo.
#[derive(Debug)]
pub struct Exact {
    sampler: WeightedWithoutReplacement,
    source: Mt19937x64,
}

impl Exact {
    /// A sampler over `count` validators.
    ///
    /// # Errors
    ///
    /// None: the weights fit.
    pub fn new(count: usize) -> Result<Self, Error> {
        let sampler = WeightedWithoutReplacement::new(&weights(count))?;
        Ok(Self { sampler, source: Mt19937x64::new(9) })
    }

    /// Draws one sample; false if it cannot.
    pub fn sample(&mut self) -> bool {
        let sample = self.sampler.sample(SAMPLE as usize, &mut self.source);
        std::hint::black_box(&sample).is_some()
    }
}

/// The floor: an alias table, with replacement.
#[derive(Debug)]
pub struct Floor {
    table: Alias,
    sample: Vec<u32>,
}

impl Floor {
    /// A table over `count` validators.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let sample = Vec::with_capacity(SAMPLE as usize);
        Self { table: Alias::new(&weights(count), 9), sample }
    }

    /// Draws one sample.
    pub fn sample(&mut self) {
        self.table.sample_into(SAMPLE as usize, &mut self.sample);
        std::hint::black_box(&self.sample);
    }
}
