//! Random words from a seed.

use std::fmt;

use super::Source;

/// The extendable output of BLAKE3 over a seed, read as little-endian 32-bit words.
///
/// Output is made 1 KiB at a time: that is the most that BLAKE3 makes in one go on any machine.
#[derive(Clone)]
pub(crate) struct SeedStream {
    output: blake3::OutputReader,
    buffer: [u8; BUFFER],
    /// Words of the buffer that were read.
    read: usize,
}

impl SeedStream {
    /// The stream of `seed`. Its first bytes are made when the first word is read.
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("avalanche/consensus/sampler/v1");
        hasher.update(seed);
        Self { output: hasher.finalize_xof(), buffer: [0; BUFFER], read: BUFFER / WORD }
    }

    /// The next word.
    pub(super) fn next_u32(&mut self) -> u32 {
        let (words, _) = self.buffer.as_chunks::<WORD>();
        if let Some(word) = words.get(self.read) {
            self.read += 1;
            return u32::from_le_bytes(*word);
        }
        self.refill()
    }

    /// Makes the next 1 KiB and reads its first word.
    #[cold]
    fn refill(&mut self) -> u32 {
        self.output.fill(&mut self.buffer);
        self.read = 1;
        let [b0, b1, b2, b3, ..] = self.buffer;
        u32::from_le_bytes([b0, b1, b2, b3])
    }
}

impl Source for SeedStream {
    /// Two words, the high half first.
    fn next_u64(&mut self) -> u64 {
        let high = u64::from(self.next_u32());
        high << 32 | u64::from(self.next_u32())
    }
}

impl fmt::Debug for SeedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeedStream(secret)")
    }
}

/// Whether an event of probability `part / whole` happens, exactly. `part` is at most `whole`, and
/// `whole` is not zero.
///
/// A uniform number in `[0, 1)` is compared with the fraction, 32 bits at a time and only as far as
/// needed. All but one of 2^32 comparisons end with the first word.
pub(super) fn chance(mut part: u64, whole: u64, mut word: impl FnMut() -> u32) -> bool {
    loop {
        // The number lies in [word, word + 1) / 2^32; both sides are multiplied by 2^32 * whole.
        let limit = u128::from(part) << 32;
        let low = u128::from(word()) * u128::from(whole);
        let Some(rest) = limit.checked_sub(low) else {
            return false;
        };
        match u64::try_from(rest) {
            Ok(0) => return false,
            // The limit is inside the interval: where the number lies in it decides.
            Ok(rest) if rest < whole => part = rest,
            _ => return true,
        }
    }
}

const BUFFER: usize = 1_024;
const WORD: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_output_of_blake3_without_a_gap() {
        let seed = [7; 32];
        let mut expected = [0; 3 * BUFFER];
        let mut hasher = blake3::Hasher::new_derive_key("avalanche/consensus/sampler/v1");
        hasher.update(&seed).finalize_xof().fill(&mut expected);
        let mut stream = SeedStream::new(&seed);
        for word in expected.chunks(WORD) {
            assert_eq!(stream.next_u32().to_le_bytes(), word);
        }
        assert_eq!(format!("{stream:?}"), "SeedStream(secret)");
    }

    #[test]
    fn chances_are_decided_by_as_many_words_as_needed() {
        let check = |part, whole, words: &[u32], expected| {
            let mut left = words.iter();
            assert_eq!(chance(part, whole, || *left.next().expect("too few")), expected);
            assert_eq!(left.len(), 0, "{part}/{whole}: every word is needed");
        };
        // The ends, for the words that come closest to them.
        check(0, 5, &[0], false);
        check(5, 5, &[u32::MAX], true);
        check(u64::MAX, u64::MAX, &[u32::MAX], true);
        check(u64::MAX - 1, u64::MAX, &[u32::MAX - 1], true);
        check(1, u64::MAX, &[1], false);
        // 3/4 needs one word.
        check(3, 4, &[0xbfff_ffff], true);
        check(3, 4, &[0xc000_0000], false);
        // A third is 0.0101.. in binary: a word in the middle leaves a third undecided again.
        check(1, 3, &[0x5555_5554], true);
        check(1, 3, &[0x5555_5556], false);
        check(1, 3, &[0x5555_5555, 0x5555_5555, 0x5555_5554], true);
        check(1, 3, &[0x5555_5555, 0x5555_5555, 0x5555_5556], false);
        // 2^-33 needs two.
        check(1, 1 << 33, &[0, 0x7fff_ffff], true);
        check(1, 1 << 33, &[0, 0x8000_0000], false);
    }
}
