//! What the theory says about parameters, to hold measurements against.
//!
//! A poll draws `k` units of stake. If a share `p` of all units answers "red", it has `alpha` red
//! answers or more with the probability `S(p)`: the upper tail of the binomial distribution, or of
//! the hypergeometric one where the number of units is known, since no unit is drawn twice. A
//! decision takes `beta` such polls in a row. The source is the whitepaper (arXiv:1906.08936); the
//! expected length until such a run is the classic one of success runs.

mod magnitude;
#[cfg(test)]
mod tests;

pub use magnitude::Magnitude;

/// The stake that a poll draws from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stake {
    /// So much that drawing changes nothing: this share of it, from 0 to 1, answers red.
    Share(f64),
    /// Units that are drawn without putting them back.
    Units {
        /// All of them.
        total: u64,
        /// Those that answer red, at most `total`.
        red: u64,
    },
}

/// How likely it is that one poll has enough red answers.
///
/// Both tails are summed on their own, in logarithms, so that neither a success of `10^-400` nor a
/// failure of that size is lost beside 1.
///
/// ```
/// use avalanche_consensus::testing::{PollOdds, Stake};
///
/// // An evenly split network in which a colluding fifth of the stake pulls to the wrong side.
/// let wrong = PollOdds::new(20, 15, Stake::Share(0.6));
/// assert_eq!(wrong.success().to_string(), "0.126");
/// assert_eq!(wrong.run(20).to_string(), "9.54e-19");
///
/// // All agree, and 15 % of the stake is silent.
/// let silent = PollOdds::new(20, 15, Stake::Share(0.85));
/// assert_eq!(silent.expected_polls(20).to_string(), "45.0");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PollOdds {
    success: Magnitude,
    failure: Magnitude,
}

impl PollOdds {
    /// A poll that cannot succeed.
    const NEVER: Self =
        Self { success: Magnitude::from_ln(f64::NEG_INFINITY), failure: Magnitude::from_ln(0.0) };

    /// A poll of `k` units that succeeds with `alpha` red ones. With fewer than `k` units there is
    /// no poll, and so no success.
    ///
    /// Takes time and memory in proportion to `k`.
    #[must_use]
    pub fn new(k: u32, alpha: u32, stake: Stake) -> Self {
        let terms = match stake {
            Stake::Share(share) => binomial(k, share),
            Stake::Units { total, .. } if total < u64::from(k) => return Self::NEVER,
            Stake::Units { total, red } => hypergeometric(k, total, red.min(total)),
        };
        let alpha = usize::try_from(alpha).unwrap_or(usize::MAX).min(terms.len());
        let (below, above) = terms.split_at(alpha);
        let (failure, success) = (sum(below), sum(above));
        // The smaller tail is exact; the greater one is what it leaves of 1.
        let (success, failure) = if success < failure {
            (success, complement(success))
        } else {
            (complement(failure), failure)
        };
        Self { success: Magnitude::from_ln(success), failure: Magnitude::from_ln(failure) }
    }

    /// The probability `s` that a poll succeeds.
    #[must_use]
    pub const fn success(&self) -> Magnitude {
        self.success
    }

    /// The probability that a poll does not succeed.
    #[must_use]
    pub const fn failure(&self) -> Magnitude {
        self.failure
    }

    /// The probability `s^beta` that `beta` polls in a row succeed: of a decision by the first
    /// `beta` polls.
    #[must_use]
    pub fn run(&self, beta: u32) -> Magnitude {
        self.success.power(beta)
    }

    /// The expected number of polls until `beta` in a row succeeded, `(1 - s^beta) / ((1 - s)
    /// s^beta)`. Infinite if no poll can succeed.
    #[must_use]
    pub fn expected_polls(&self, beta: u32) -> Magnitude {
        let run = self.run(beta).ln();
        // Of a run that cannot fail the formula is 0 / 0, and its limit is beta.
        if run == 0.0 {
            return Magnitude::new(f64::from(beta));
        }
        Magnitude::from_ln(libm::log(-libm::expm1(run)) - self.failure.ln() - run)
    }
}

/// The logarithms of the probabilities of 0 to `k` red answers, with putting back.
fn binomial(k: u32, share: f64) -> Vec<f64> {
    let share = share.clamp(0.0, 1.0);
    let (red, other) = (libm::log(share), libm::log1p(-share));
    let mut ways = 0.0;
    let mut terms = Vec::new();
    for (drawn, left) in (0..=k).zip((0..=k).rev()) {
        terms.push(ways + times(drawn, red) + times(left, other));
        ways += libm::log(f64::from(left)) - libm::log(f64::from(drawn) + 1.0);
    }
    terms
}

/// The logarithms of the probabilities of 0 to `k` red answers, without putting back.
fn hypergeometric(k: u32, total: u64, red: u64) -> Vec<f64> {
    let draws = logarithms(total, k);
    let reds = logarithms(red, k);
    let others = logarithms(total - red, k);
    let all = draws.last().copied().unwrap_or(0.0);
    let mut ways = 0.0;
    let mut terms = Vec::new();
    let pairs = reds.iter().zip(others.iter().rev());
    for ((drawn, left), (red, other)) in (0..=k).zip((0..=k).rev()).zip(pairs) {
        terms.push(ways + red + other - all);
        ways += libm::log(f64::from(left)) - libm::log(f64::from(drawn) + 1.0);
    }
    terms
}

/// The logarithms of `units (units - 1) .. ` with 0 to `k` factors.
fn logarithms(units: u64, k: u32) -> Vec<f64> {
    let mut sums = vec![0.0];
    let mut sum = 0.0;
    for taken in 0..u64::from(k) {
        sum += libm::log(units.saturating_sub(taken) as f64);
        sums.push(sum);
    }
    sums
}

/// `count * ln`, where nothing times infinity is nothing.
fn times(count: u32, ln: f64) -> f64 {
    if count == 0 { 0.0 } else { f64::from(count) * ln }
}

/// The logarithm of the sum of numbers that are given by their logarithms.
fn sum(terms: &[f64]) -> f64 {
    let greatest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if greatest == f64::NEG_INFINITY {
        return greatest;
    }
    let scaled: f64 = terms.iter().map(|term| libm::exp(term - greatest)).sum();
    // Rounding can bring the sum of all terms above 1.
    (greatest + libm::log(scaled)).min(0.0)
}

/// The logarithm of `1 - exp(ln)`.
fn complement(ln: f64) -> f64 {
    libm::log1p(-libm::exp(ln))
}
