//! The command line of `devnet`.

use std::path::PathBuf;

use avalanche_chain::node::StoreKind;
use clap::{Parser, Subcommand};

/// The validators of a new network, unless told otherwise.
pub const VALIDATORS: u16 = 5;
/// The most validators: each has a share of the votes that is worth asking.
pub const VALIDATORS_MAX: u16 = 100;
/// Where the API is served, unless told otherwise.
pub const API_PORT: u16 = 8_000;

/// A network of validators on this machine: pay on it, break it, ask why.
///
/// Without a command it starts one, or goes on with the one that is in the folder, until Ctrl-C.
/// Everything listens on loopback only, since there is no login.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(name = "devnet", version)]
pub struct Args {
    /// Folder of keys, blocks and logs [default: avalanche-devnet in the user's data folder].
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// Print events, or the answer of a command, as lines of JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// Port of the API, which is forwarded to a validator that lives; 0 takes a free one
    /// [default: 8000].
    #[arg(long, value_name = "PORT")]
    pub api_port: Option<u16>,
    /// How many validators, 1 to 100 [default: those of the folder, 5 in a new one].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub validators: Option<u16>,
    /// All validators in this one process: nothing can be killed then.
    #[arg(long)]
    pub in_process: bool,
    /// What keeps states and indexes: sled, redb or memory [default: that of the folder, or sled].
    #[arg(long, value_name = "STORE", value_parser = store)]
    pub store: Option<StoreKind>,
    /// Do not submit a first payment.
    #[arg(long)]
    pub no_payment: bool,
    /// What to do with a devnet that runs.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do with a devnet that runs.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// End validator N at once, as a crash would (SIGKILL); it stays down until restart.
    Kill {
        /// Which, from 1.
        validator: u16,
    },
    /// Start validator N again; one that runs ends gracefully first.
    Restart {
        /// Which, from 1.
        validator: u16,
    },
    /// Stop validator N in its tracks (SIGSTOP): it keeps its connections and says nothing.
    Pause {
        /// Which, from 1.
        validator: u16,
    },
    /// Let validator N go on after pause (SIGCONT).
    Resume {
        /// Which, from 1.
        validator: u16,
    },
    /// Show the validators.
    Status,
    /// Run one validator in this process: what the devnet starts for each.
    #[command(hide = true)]
    Node {
        /// Its configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Reads the name of a store.
fn store(name: &str) -> Result<StoreKind, String> {
    match name {
        "sled" => Ok(StoreKind::Sled),
        "redb" => Ok(StoreKind::Redb),
        "memory" => Ok(StoreKind::Memory),
        _ => Err("allowed are sled, redb and memory".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        let args = ["devnet"].into_iter().chain(line.split_whitespace());
        Args::try_parse_from(args).map_err(|error| error.to_string())
    }

    #[test]
    fn every_option_is_read() {
        let nothing = Args {
            data_dir: None,
            json: false,
            api_port: None,
            validators: None,
            in_process: false,
            store: None,
            no_payment: false,
            command: None,
        };
        assert_eq!(parse(""), Ok(nothing.clone()));
        let all = "--data-dir d --api-port 0 --validators 100 --json --in-process --store redb \
                   --no-payment";
        let expected = Args {
            data_dir: Some("d".into()),
            json: true,
            api_port: Some(0),
            validators: Some(VALIDATORS_MAX),
            in_process: true,
            store: Some(StoreKind::Redb),
            no_payment: true,
            command: None,
        };
        assert_eq!(parse(all), Ok(expected));
        for (line, command) in [
            ("kill 3", Command::Kill { validator: 3 }),
            ("restart 1", Command::Restart { validator: 1 }),
            ("pause 2", Command::Pause { validator: 2 }),
            ("resume 2", Command::Resume { validator: 2 }),
            ("status", Command::Status),
            ("node --config c", Command::Node { config: "c".into() }),
        ] {
            let expected = Args { command: Some(command), ..nothing.clone() };
            assert_eq!(parse(line), Ok(expected), "{line}");
        }
        // Before the command and behind it.
        for line in ["--data-dir d --json kill 3", "kill 3 --data-dir d --json"] {
            let args = parse(line).unwrap();
            assert_eq!((args.data_dir, args.json), (Some("d".into()), true), "{line}");
        }
    }

    #[test]
    fn wrong_lines_say_what_is_wrong() {
        for (line, says) in [
            ("--validators 0", "0 is not in 1..=100"),
            ("--validators 101", "101 is not in 1..=100"),
            ("--validators many", "invalid digit"),
            ("--api-port 65536", "65536"),
            ("--store oracle", "allowed are sled, redb and memory"),
            ("--nodes 3", "unexpected argument '--nodes'"),
            ("stop", "unrecognized subcommand 'stop'"),
            ("kill", "<VALIDATOR>"),
            ("kill all", "invalid digit"),
            ("node", "--config <FILE>"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(says), "{line}: {says:?} is not in {error}");
        }
    }

    #[test]
    fn the_help_names_the_defaults_and_hides_what_is_internal() {
        let help = parse("--help").unwrap_err();
        for says in [
            format!("[default: {API_PORT}]"),
            format!("{VALIDATORS} in a new one"),
            format!("1 to {VALIDATORS_MAX}"),
            "loopback".to_owned(),
        ] {
            assert!(help.contains(&says), "{says:?} is not in {help}");
        }
        assert!(!help.contains("--config") && !help.contains("  node"), "{help}");
    }
}
