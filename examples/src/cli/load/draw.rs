//! Who pays whom: drawn from a seed, evenly or by Zipf's law.

/// Numbers that follow from a seed: SplitMix64. Not for secrets.
#[derive(Clone, Debug)]
pub(super) struct Draw(u64);

impl Draw {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `below` - 1; 0 for 0. Its bias is below 2^-32.
    pub(super) fn below(&mut self, below: u32) -> u32 {
        let wide = u128::from(self.next()) * u128::from(below);
        u32::try_from(wide >> 64).unwrap_or(0)
    }
}

/// Draws senders: account number n has a share of 1 / (n + 1)^s.
#[derive(Clone, Debug)]
pub(super) struct Zipf {
    /// The sum of the shares up to each account; 8 bytes an account.
    sums: Vec<f64>,
    accounts: u32,
}

impl Zipf {
    /// `skew` is s, from 0.
    pub(super) fn new(accounts: u32, skew: f64) -> Self {
        let mut sum = 0.0;
        let share = |rank: u32| f64::from(rank).powf(-skew);
        let sums = (1..=accounts).map(|rank| {
            sum += share(rank);
            sum
        });
        // All alike needs no table.
        let sums = if skew == 0.0 { Vec::new() } else { sums.collect() };
        Self { sums, accounts }
    }

    /// The number of an account.
    pub(super) fn draw(&self, draw: &mut Draw) -> u32 {
        let Some(total) = self.sums.last() else { return draw.below(self.accounts) };
        #[expect(clippy::cast_precision_loss, reason = "53 bits are a fraction's all")]
        let fraction = (draw.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let at = self.sums.partition_point(|sum| *sum <= fraction * total);
        u32::try_from(at).unwrap_or(0).min(self.accounts.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(skew: f64, draws: u32) -> Vec<u32> {
        let zipf = Zipf::new(10, skew);
        let mut draw = Draw::new(5);
        let mut counts = vec![0; 10];
        for _ in 0..draws {
            counts[zipf.draw(&mut draw) as usize] += 1;
        }
        counts
    }

    /// The first numbers of the generator's reference implementation for seed 1234567.
    #[test]
    fn the_generator_is_the_published_one() {
        let mut draw = Draw::new(1_234_567);
        let first = [draw.next(), draw.next(), draw.next()];
        let published =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(first, published);
    }

    #[test]
    fn shares_are_those_of_the_law() {
        for (skew, draws) in [(0.0, 100_000), (1.0, 100_000), (1.5, 100_000)] {
            let counts = counts(skew, draws);
            let total: f64 = (1..=10).map(|rank| f64::from(rank).powf(-skew)).sum();
            for (rank, count) in (1..).zip(&counts) {
                let expected = f64::from(draws) * f64::from(rank).powf(-skew) / total;
                let off = (f64::from(*count) - expected).abs();
                // Five standard deviations.
                assert!(off < 5.0 * expected.sqrt(), "skew {skew} rank {rank}: {count}");
            }
        }
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let draws = |seed| {
            let (zipf, mut draw) = (Zipf::new(1_000, 1.1), Draw::new(seed));
            (0..100).map(|_| zipf.draw(&mut draw)).collect::<Vec<_>>()
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
    }

    #[test]
    fn every_draw_is_an_account() {
        let mut draw = Draw::new(1);
        for accounts in [1, 2, 3, 1_000] {
            for skew in [0.0, 0.5, 10.0] {
                let zipf = Zipf::new(accounts, skew);
                assert!((0..1_000).all(|_| zipf.draw(&mut draw) < accounts));
            }
        }
        assert_eq!(draw.below(0), 0);
    }
}
