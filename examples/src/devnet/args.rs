//! The command line of `devnet`.

use std::fmt;
use std::str::FromStr;

use super::Config;

/// What `--help` prints.
pub const HELP: &str = "\
Five nodes decide contested blocks: a simulated network in one process.

Usage: devnet [--heights N] [--nodes N] [--seed N] [--loss PERCENT] [--fast] [--json]

  --heights N      stop when every node has accepted this many blocks, 1 to 100000 (default 50)
  --nodes N        size of the network, 1 to 100 (default 5)
  --seed N         everything random follows from it, 64 bits (default 1)
  --loss PERCENT   messages that never arrive, 0 to 50 (default 2)
  --fast           do not pace virtual time on a terminal
  --json           print one JSON line at the end and nothing else
  --help           print this

Exit code: 0 all nodes agree, 1 they do not or did not finish, 2 bad arguments.
";

/// What the command line asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    /// The network to run.
    pub config: Config,
    /// Whether not to pace virtual time.
    pub fast: bool,
    /// Whether to print JSON only.
    pub json: bool,
    /// Whether to print [`HELP`] and do nothing.
    pub help: bool,
}

/// What is wrong with a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgsError {
    /// No option has this name.
    Unknown(String),
    /// The option's value is missing.
    Missing(&'static str),
    /// The option's value is not a number in its range.
    Value {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// Least and greatest number that is allowed.
        range: (u64, u64),
    },
}

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(option) => write!(f, "unknown option {option:?}; see --help"),
            Self::Missing(option) => write!(f, "{option} needs a number; see --help"),
            Self::Value { option, value, range: (least, greatest) } => {
                write!(f, "{option} {value:?} is not a whole number from {least} to {greatest}")
            }
        }
    }
}

impl std::error::Error for ArgsError {}

impl Args {
    /// Reads the arguments that follow the program's name. Both `--seed 3` and `--seed=3` are read;
    /// of an option that is given twice the last counts.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, ArgsError> {
        let mut parsed = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let (name, inline) = match arg.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (arg.clone(), None),
            };
            let mut value = || inline.clone().or_else(|| args.next());
            match name.as_str() {
                "--heights" => parsed.config.heights = number("--heights", value(), 1, 100_000)?,
                "--nodes" => parsed.config.nodes = number("--nodes", value(), 1, 100)?,
                "--seed" => parsed.config.seed = number("--seed", value(), 0, u64::MAX)?,
                "--loss" => parsed.config.loss_percent = number("--loss", value(), 0, 50)?,
                "--fast" if inline.is_none() => parsed.fast = true,
                "--json" if inline.is_none() => parsed.json = true,
                "--help" | "-h" if inline.is_none() => parsed.help = true,
                _ => return Err(ArgsError::Unknown(arg)),
            }
        }
        Ok(parsed)
    }
}

/// The value of `option` as a number from `least` to `greatest`.
fn number<T: FromStr + Into<u64> + Copy>(
    option: &'static str,
    value: Option<String>,
    least: u64,
    greatest: u64,
) -> Result<T, ArgsError> {
    let value = value.ok_or(ArgsError::Missing(option))?;
    match value.parse::<T>() {
        Ok(number) if (least..=greatest).contains(&number.into()) => Ok(number),
        _ => Err(ArgsError::Value { option, value, range: (least, greatest) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, ArgsError> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn every_option_is_read() {
        assert_eq!(parse(""), Ok(Args::default()));
        let args =
            parse("--heights 7 --nodes=9 --seed 18446744073709551615 --loss 0 --fast --json");
        let config = Config { heights: 7, nodes: 9, seed: u64::MAX, loss_percent: 0 };
        assert_eq!(args, Ok(Args { config, fast: true, json: true, help: false }));
        assert_eq!(parse("-h").map(|args| args.help), Ok(true));
        assert_eq!(parse("--seed 1 --seed 2").map(|args| args.config.seed), Ok(2));
    }

    #[test]
    fn wrong_lines_say_what_is_wrong() {
        for (line, message) in [
            ("--height 3", r#"unknown option "--height"; see --help"#),
            ("50", r#"unknown option "50"; see --help"#),
            ("--json=yes", r#"unknown option "--json=yes"; see --help"#),
            ("--seed", "--seed needs a number; see --help"),
            ("--nodes 0", r#"--nodes "0" is not a whole number from 1 to 100"#),
            ("--nodes 101", r#"--nodes "101" is not a whole number from 1 to 100"#),
            ("--heights=", r#"--heights "" is not a whole number from 1 to 100000"#),
            ("--loss -1", r#"--loss "-1" is not a whole number from 0 to 50"#),
            ("--seed 1.5", r#"--seed "1.5" is not a whole number from 0 to 18446744073709551615"#),
        ] {
            assert_eq!(parse(line).unwrap_err().to_string(), message, "{line}");
        }
    }

    #[test]
    fn the_help_names_the_defaults() {
        let config = Config::default();
        for (option, default) in [
            ("--heights", config.heights),
            ("--nodes", config.nodes.into()),
            ("--seed", config.seed),
            ("--loss", config.loss_percent.into()),
        ] {
            let line = HELP.lines().find(|line| line.trim_start().starts_with(option)).unwrap();
            assert!(line.ends_with(&format!("(default {default})")), "{line}");
        }
    }
}
