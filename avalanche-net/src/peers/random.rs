//! Random numbers from a seed.

use std::fmt;

use avalanche_consensus::sampler::Source;

/// The extendable output of BLAKE3 over a seed: what the parts of this module draw salts, samples
/// and delays from.
///
/// Equal seeds give equal numbers on every machine. In a node the seed comes from the operating
/// system; whoever knows it can choose addresses that collide in the node's bloom filter.
///
/// ```
/// use avalanche_consensus::sampler::Source;
/// use avalanche_net::peers::SeedStream;
///
/// assert_eq!(SeedStream::new(&[7; 32]).next_u64(), SeedStream::new(&[7; 32]).next_u64());
/// ```
#[derive(Clone)]
pub struct SeedStream(blake3::OutputReader);

impl SeedStream {
    /// The stream of `seed`.
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("avalanche/net/peers/v1");
        hasher.update(seed);
        Self(hasher.finalize_xof())
    }

    /// The next bytes.
    pub fn bytes<const LENGTH: usize>(&mut self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        self.0.fill(&mut bytes);
        bytes
    }
}

impl Source for SeedStream {
    fn next_u64(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }
}

impl fmt::Debug for SeedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeedStream(secret)")
    }
}

/// A uniform number in `[0, 1)`, a multiple of 2^-53.
pub(super) fn unit<S: Source + ?Sized>(source: &mut S) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    let mantissa = (source.next_u64() >> 11) as f64;
    mantissa / 9_007_199_254_740_992.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_lie_in_the_half_open_interval_and_fill_it() {
        let mut stream = SeedStream::new(&[1; 32]);
        let mut tenths = [0_u32; 10];
        for _ in 0..10_000 {
            let value = unit(&mut stream);
            assert!((0.0..1.0).contains(&value));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 9")]
            let tenth = (value * 10.0) as usize;
            tenths[tenth] += 1;
        }
        assert!(tenths.iter().all(|count| (800..1_200).contains(count)), "{tenths:?}");
        struct Greatest;
        impl Source for Greatest {
            fn next_u64(&mut self) -> u64 {
                u64::MAX
            }
        }
        assert!(unit(&mut Greatest) < 1.0);
    }

    #[test]
    fn a_stream_does_not_show_its_seed() {
        assert_eq!(format!("{:?}", SeedStream::new(&[9; 32])), "SeedStream(secret)");
        assert_ne!(
            SeedStream::new(&[1; 32]).bytes::<32>(),
            SeedStream::new(&[2; 32]).bytes::<32>()
        );
    }
}
