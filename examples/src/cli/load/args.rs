//! The command line of `avalanche load`.

use std::time::Duration;

use clap::Args as ClapArgs;

/// Pays among demo accounts, many times, and measures.
///
/// Payments are signed ahead on a thread, so that signing takes no time of the run. What is signed
/// ahead and what is under way are bounded, and so is memory: about 300 bytes a payment of
/// --sign-ahead, and 500 a payment of --window.
#[derive(Clone, Debug, ClapArgs)]
pub struct LoadArgs {
    /// Payments a second. Without it: as fast as they are taken.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub rate: Option<u32>,
    /// How many payments. By default 10,000, unless --duration is given.
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "duration",
        value_parser = clap::value_parser!(u64).range(1..=1_000_000_000)
    )]
    pub count: Option<u64>,
    /// For how many seconds to pay.
    #[arg(
        long,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=1_000_000)
    )]
    pub duration: Option<u64>,
    /// How many demo accounts pay one another, from demo:0 on.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(2..=100_000)
    )]
    pub accounts: u32,
    /// How unevenly they pay: the share of account number n is 1 / (n + 1)^S. At 0 all pay alike.
    #[arg(long, value_name = "S", default_value_t = 0.0, value_parser = skew)]
    pub zipf: f64,
    /// The most payments of one request.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 256,
        value_parser = clap::value_parser!(u16).range(1..=1_024)
    )]
    pub batch: u16,
    /// The amount of each payment, in the smallest unit.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub amount: u64,
    /// What each payment burns, in the smallest unit.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub fee: u64,
    /// Who pays whom follows from it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The most payments under way: sent and not final. Mempools hold 100,000.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 30_000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub window: u32,
    /// The most payments that are signed and wait. So many are signed before the first is sent.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 200_000,
        value_parser = clap::value_parser!(u32).range(1..=5_000_000)
    )]
    pub sign_ahead: u32,
    /// Requests at a time to each API.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..=256)
    )]
    pub connections: u16,
    /// After how many seconds without being final a payment is sent again, byte for byte. Later
    /// tries wait longer.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..=3_600)
    )]
    pub resend_after: u64,
    /// How many seconds without progress to wait at the end, before each payment that is not final
    /// is asked for by name.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    pub settle: u64,
}

/// How many payments without --count and --duration.
const COUNT: u64 = 10_000;

impl LoadArgs {
    /// How many payments; `None` if time ends the run and no rate says how many that is.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        match (self.count, self.duration, self.rate) {
            (Some(count), _, _) => Some(count),
            (None, Some(duration), Some(rate)) => Some(duration.saturating_mul(u64::from(rate))),
            (None, Some(_), None) => None,
            (None, None, _) => Some(COUNT),
        }
    }

    /// For how long payments are sent; `None` if their number ends the run.
    #[must_use]
    pub fn time(&self) -> Option<Duration> {
        self.duration.map(Duration::from_secs)
    }
}

fn skew(text: &str) -> Result<f64, String> {
    let skew: f64 = text.parse().map_err(|error| format!("{error}; 0 to 10 are allowed"))?;
    if (0.0..=10.0).contains(&skew) { Ok(skew) } else { Err("0 to 10 are allowed".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        load: LoadArgs,
    }

    #[test]
    fn the_number_of_payments_follows_from_what_is_given() {
        for (line, total) in [
            ("", Some(10_000)),
            ("--rate 10", Some(10_000)),
            ("--count 7 --rate 10", Some(7)),
            ("--duration 7 --rate 10", Some(70)),
            ("--duration 7", None),
        ] {
            let line = ["load"].into_iter().chain(line.split_whitespace());
            assert_eq!(Line::parse_from(line).load.total(), total);
        }
    }
}
