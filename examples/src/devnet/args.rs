//! The command line of `devnet`.

use super::Config;
use crate::simulate::{OptionError, Options};

/// What `--help` prints.
pub const HELP: &str = "\
Five nodes decide contested blocks while things go wrong: a simulated network in one process.

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

impl Args {
    /// Reads the arguments that follow the program's name. Both `--seed 3` and `--seed=3` are read;
    /// of an option that is given twice the last counts.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, OptionError> {
        let mut parsed = Self::default();
        let mut options = Options::new(args);
        while let Some(name) = options.next_name() {
            let config = &mut parsed.config;
            match name.as_str() {
                "--heights" => config.heights = options.number(1, 100_000)?,
                "--nodes" => config.nodes = options.number(1, 100)?,
                "--seed" => config.seed = options.number(0, u64::MAX)?,
                "--loss" => config.loss_percent = options.number(0, 50)?,
                "--fast" => parsed.fast = options.flag()?,
                "--json" => parsed.json = options.flag()?,
                "--help" | "-h" => parsed.help = options.flag()?,
                _ => return Err(options.unknown()),
            }
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, OptionError> {
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
            ("--seed", "--seed needs a value; see --help"),
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
