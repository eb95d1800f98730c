//! Where samplers take their numbers from.

/// A stream of 64-bit numbers.
///
/// The samplers of this module are functions of such a stream: equal streams give equal samples.
/// Any generator of uniform numbers can implement it with one line.
///
/// ```
/// use avalanche_consensus::sampler::{Mt19937x64, Source};
///
/// let mut source = Mt19937x64::new(7);
/// assert!(source.inclusive(5) <= 5);
/// ```
pub trait Source {
    /// The next number, uniform over all of `u64`.
    fn next_u64(&mut self) -> u64;

    /// A uniform number in `[0, n]`, AvalancheGo's `Uint64Inclusive` (`utils/sampler/rand.go`).
    ///
    /// It takes one number from the stream if `n + 1` is a power of two. Otherwise it takes numbers
    /// until one can be used without a bias; each is refused with a probability below one half, so
    /// two are expected at the most. A stream that repeats one unusable number never ends the call.
    fn inclusive(&mut self, n: u64) -> u64 {
        if n & n.wrapping_add(1) == 0 {
            return self.next_u64() & n;
        }
        if n > HALF_MAX {
            loop {
                let value = self.next_u64();
                if value <= n {
                    return value;
                }
            }
        }
        // n + 1 values share [0, 2^63); what is left over at the top is refused.
        let values = n + 1;
        let greatest = HALF_MAX - (HALF_MAX + 1) % values;
        loop {
            let value = self.next_u64() & HALF_MAX;
            if value <= greatest {
                return value % values;
            }
        }
    }
}

impl<S: Source + ?Sized> Source for &mut S {
    fn next_u64(&mut self) -> u64 {
        (**self).next_u64()
    }

    fn inclusive(&mut self, n: u64) -> u64 {
        (**self).inclusive(n)
    }
}

/// 2^63 - 1.
const HALF_MAX: u64 = u64::MAX >> 1;

#[cfg(test)]
mod tests {
    use super::*;

    /// Replays numbers and fails when more are taken than the test expects.
    struct Fixed<'a>(std::slice::Iter<'a, u64>);

    impl Source for Fixed<'_> {
        fn next_u64(&mut self) -> u64 {
            *self.0.next().expect("more numbers were taken than expected")
        }
    }

    #[test]
    fn bounded_draws_refuse_exactly_the_numbers_that_would_bias_them() {
        let check = |n: u64, numbers: &[u64], expected: u64| {
            let mut source = Fixed(numbers.iter());
            assert_eq!(source.inclusive(n), expected, "n = {n}");
            assert_eq!(source.0.len(), 0, "n = {n}: every number is needed");
        };
        // Powers of two take the low bits of one number.
        check(0, &[u64::MAX], 0);
        check(7, &[0xf3], 3);
        check(HALF_MAX, &[u64::MAX], HALF_MAX);
        check(u64::MAX, &[u64::MAX], u64::MAX);
        // 2^63 mod 3 is 2, so the two greatest 63-bit numbers are refused; the top bit is ignored.
        check(2, &[HALF_MAX, u64::MAX - 1, HALF_MAX - 2], (HALF_MAX - 2) % 3);
        check(2, &[u64::MAX - 2], (HALF_MAX - 2) % 3);
        // Above 2^63 - 1 whole numbers are compared.
        check(HALF_MAX + 1, &[u64::MAX, HALF_MAX + 2, HALF_MAX + 1], HALF_MAX + 1);
    }
}
