//! Axes with their numbers: where a value is drawn, and which ticks have a label.

use avalanche_consensus::testing::Magnitude;

/// Steps between ticks that an axis has at most, or nearly.
const STEPS: f64 = 7.0;

/// An axis with its numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    log: bool,
    /// Ends of the axis; as exponents of ten if `log`.
    low: f64,
    high: f64,
    /// Where the ends are, in pixels.
    from: f64,
    to: f64,
    step: f64,
}

impl Scale {
    /// The axis on which all `values` fit, with ends at ticks.
    pub(super) fn new(log: bool, values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let placed = values.filter_map(|value| place(value, log));
        let (low, high) = placed.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        let (low, high) = if low < high {
            (low, high)
        } else if low.is_finite() && low != 0.0 {
            (low - 0.5, low + 0.5)
        } else {
            (0.0, 1.0)
        };
        let rough = (high - low) / STEPS;
        let step = if log { rough.ceil() } else { round_step(rough) };
        // A value that is a tick but for rounding is one.
        let low = (low / step + 1e-9).floor() * step;
        let high = (high / step - 1e-9).ceil() * step;
        Self { log, low, high, from, to, step }
    }

    /// The axis of `count` groups that stand side by side.
    pub(super) fn groups(count: usize, from: f64, to: f64) -> Self {
        Self { log: false, low: -0.5, high: count.max(1) as f64 - 0.5, from, to, step: 1.0 }
    }

    /// Where a value is, in pixels. A logarithmic axis has no place for what is not above zero.
    pub(super) fn at(&self, value: f64) -> Option<f64> {
        place(value, self.log).map(|placed| self.pixel(placed))
    }

    /// The ticks: where, in pixels, and the label.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let count = ((self.high - self.low) / self.step).round();
        let numbers = (0_u8..=40).map(f64::from).take_while(|number| *number <= count);
        let values = numbers.map(|number| self.low + number * self.step);
        let label = |value| if self.log { power(value) } else { plain(value, self.step) };
        values.map(|value| (self.pixel(value), label(value))).collect()
    }

    fn pixel(&self, placed: f64) -> f64 {
        self.from + (placed - self.low) / (self.high - self.low) * (self.to - self.from)
    }
}

/// A value as it counts on an axis; `None` if there is no place for it.
fn place(value: f64, log: bool) -> Option<f64> {
    // Not the logarithm of std, which differs between machines.
    let placed = if log { Magnitude::new(value).log10() } else { value };
    placed.is_finite().then_some(placed)
}

/// The least of 1, 2 or 5 times a power of ten that is not below `rough`.
fn round_step(rough: f64) -> f64 {
    let steps = (-12..=15).flat_map(|exponent| [1, 2, 5].map(|digit| decimal(digit, exponent)));
    steps.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(rough)
}

/// `digit` times ten to the power of `exponent`, as exactly as a float can be.
fn decimal(digit: u32, exponent: i32) -> f64 {
    format!("{digit}e{exponent}").parse().unwrap_or(1.0)
}

/// A number with as many decimals as `step` has, and thousands apart.
fn plain(value: f64, step: f64) -> String {
    let places = (0..12).find(|places| step >= 0.999 * decimal(1, -places)).unwrap_or(12);
    let text = format!("{:.*}", usize::try_from(places).unwrap_or(0), value.abs());
    let (whole, decimals) = text.find('.').map_or((&*text, ""), |dot| text.split_at(dot));
    let zero = text.chars().all(|digit| matches!(digit, '0' | '.'));
    let mut grouped = String::from(if value < 0.0 && !zero { "-" } else { "" });
    for (place, digit) in whole.char_indices() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + decimals
}

/// A power of ten, short.
fn power(exponent: f64) -> String {
    if (-3.0..7.0).contains(&exponent) {
        let value = format!("1e{exponent:.0}").parse().unwrap_or(0.0);
        plain(value, value)
    } else {
        format!("1e{exponent:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(log: bool, values: &[f64]) -> Vec<String> {
        let scale = Scale::new(log, values.iter().copied(), 0.0, 100.0);
        scale.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        assert_eq!(labels(false, &[0.0, 1.0]), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(false, &[0.5, 0.95]), ["0.5", "0.6", "0.7", "0.8", "0.9", "1.0"]);
        assert_eq!(labels(false, &[-3.0, 11.0]), ["-4", "-2", "0", "2", "4", "6", "8", "10", "12"]);
        assert_eq!(labels(false, &[0.0, 6_100.0])[..3], ["0", "1,000", "2,000"]);
        assert_eq!(labels(false, &[7.0]).first().map(String::as_str), Some("6.4"));
        assert_eq!(labels(true, &[0.001, 0.3, 40.0]), ["0.001", "0.01", "0.1", "1", "10", "100"]);
        assert_eq!(labels(true, &[2e-34, 0.9]).first().map(String::as_str), Some("1e-35"));
        assert_eq!(labels(true, &[1.0, 1e9]).last().map(String::as_str), Some("1e10"));
        for nothing in [[].as_slice(), &[f64::NAN, f64::INFINITY], &[0.0]] {
            assert_eq!(labels(false, nothing), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        }
    }

    #[test]
    fn values_are_placed_between_the_ends() {
        let scale = Scale::new(false, [0.0, 10.0].into_iter(), 100.0, 0.0);
        assert_eq!([0.0, 5.0, 10.0].map(|value| scale.at(value)), [100.0, 50.0, 0.0].map(Some));
        let scale = Scale::new(true, [1.0, 100.0].into_iter(), 0.0, 10.0);
        assert_eq!(scale.at(0.0), None);
        assert!((scale.at(10.0).unwrap() - 5.0).abs() < 1e-9);
        let scale = Scale::groups(4, 0.0, 80.0);
        assert_eq!([0.0, 3.0].map(|group| scale.at(group)), [10.0, 70.0].map(Some));
    }
}
