//! Measures whole networks.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use avalanche_benches::network::{chart, floor, lone, restart, saturation};

const HELP: &str = "\
Measures networks of processes: processor time, finality, restarts. Build devnet before:
cargo build --release --bin devnet

Usage: network COMMAND [ARG]

  one [COUNT]    one node that is given all it takes, beside the sum of its stages
  five [COUNT]   five validators, the same
  lone           finality of a lone payment, beside five bare processes that do its polls
  restart        a validator that starts again with a long log
  chart [DIR]    throughput and finality against load and size, as pictures

COUNT is how many payments, 200,000 and 100,000 if it is left out; DIR is a folder, docs if it is.
Exit code: 0, 1 if a network does not work, or 2 for bad arguments. A ratio below its goal is
marked, not an error: machines differ.
";

/// How much of its processor time each network should need for the work alone.
const GOALS: [f64; 2] = [0.7, 0.6];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let names: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut out = std::io::stdout().lock();
    let done = match names.as_slice() {
        // What `lone` starts.
        [floor::COMMAND, ..] => floor::node(args.get(1..).unwrap_or_default()),
        ["one"] => saturation::report(&mut out, 1, 200_000, GOALS[0]),
        ["five"] => saturation::report(&mut out, 5, 100_000, GOALS[1]),
        ["lone"] => lone::run(&mut out),
        ["restart"] => restart::run(&mut out),
        ["chart"] => chart::run(&mut out, &PathBuf::from("docs")),
        ["chart", folder] => chart::run(&mut out, &PathBuf::from(folder)),
        ["--help" | "-h"] => out.write_all(HELP.as_bytes()),
        [size @ ("one" | "five"), count] => match (count.parse(), *size) {
            (Ok(count), "one") => saturation::report(&mut out, 1, count, GOALS[0]),
            (Ok(count), _) => saturation::report(&mut out, 5, count, GOALS[1]),
            (Err(_), _) => return refused(&format!("{count:?} is no number of payments")),
        },
        [] => return refused("no command"),
        [command, ..] => return refused(&format!("{command:?} and what follows is no command")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "network: {error}");
            ExitCode::FAILURE
        }
    }
}

fn refused(why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{why}; see --help");
    ExitCode::from(2)
}
