//! Numbers far beyond what a floating point number can hold.

use std::fmt;

/// A number that is not negative, kept by its logarithm: `10^-400` is not 0 here.
///
/// Displayed with three digits, or as many as the precision of the format says, and with an
/// exponent where it is very small or large.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Magnitude {
    /// The natural logarithm.
    ln: f64,
}

impl Magnitude {
    /// The number `value`; zero if that is negative or not a number.
    #[must_use]
    pub fn new(value: f64) -> Self {
        Self::from_ln(if value > 0.0 { libm::log(value) } else { f64::NEG_INFINITY })
    }

    /// The number with this natural logarithm.
    pub(super) const fn from_ln(ln: f64) -> Self {
        Self { ln }
    }

    /// The natural logarithm; minus infinity for zero.
    #[must_use]
    pub const fn ln(self) -> f64 {
        self.ln
    }

    /// The logarithm to base 10; minus infinity for zero.
    #[must_use]
    pub const fn log10(self) -> f64 {
        self.ln / std::f64::consts::LN_10
    }

    /// The number itself; zero or infinite where it does not fit.
    #[must_use]
    pub fn value(self) -> f64 {
        libm::exp(self.ln)
    }

    /// The number multiplied with itself, `exponent` factors in all.
    #[must_use]
    pub fn power(self, exponent: u32) -> Self {
        Self::from_ln(if exponent == 0 { 0.0 } else { self.ln * f64::from(exponent) })
    }
}

impl fmt::Display for Magnitude {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(3).max(1);
        let log10 = self.log10();
        if log10.is_infinite() {
            return f.write_str(if log10 > 0.0 { "infinite" } else { "0" });
        }
        // Only what does not fit is taken apart, since that costs digits.
        let apart = if log10.abs() < 300.0 { 0.0 } else { libm::floor(log10) };
        let value = libm::exp(self.ln - apart * std::f64::consts::LN_10);
        let text = format!("{value:.*e}", digits - 1);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent = exponent.parse::<i64>().unwrap_or(0).saturating_add(whole(apart));
        if !(-3..7).contains(&exponent) {
            return write!(f, "{mantissa}e{exponent}");
        }
        let places = i64::try_from(digits).unwrap_or(i64::MAX) - 1 - exponent;
        write!(f, "{value:.*}", usize::try_from(places).unwrap_or(0))
    }
}

/// A whole number as an integer.
#[expect(clippy::cast_possible_truncation, reason = "it is whole, and beyond the range it is cut")]
const fn whole(number: f64) -> i64 {
    number as i64
}
