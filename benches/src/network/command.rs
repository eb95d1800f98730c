//! The command line of `network`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::{chart, floor, lone, restart, saturation};

const HELP: &str = "\
Measures networks of processes: processor time, finality, restarts. Build devnet before:
cargo build --release --bin devnet

Usage: network COMMAND [ARG]

  one [COUNT]    one node that is given all it takes, beside the sum of its stages
  five [COUNT]   five validators, the same
  lone           finality of a lone payment, beside five bare processes that do its polls
  restart        a validator that starts again with a long log
  chart [DIR]    throughput and finality against load and size, as pictures

COUNT is how many payments, 200,000 if it is left out and 50,000 at least; DIR is a folder, docs if it is.
Exit code: 0, 1 if a network does not work, or 2 for bad arguments. A ratio below its goal is
marked, not an error: machines differ.
";

/// How much of its processor time each network should need for the work alone.
const GOALS: [f64; 2] = [0.7, 0.6];
/// Fewer payments are over before anything can be measured.
const COUNT_MIN: usize = 50_000;

/// Runs what the arguments say, without the name of the program, and prints to `out`; what is wrong
/// goes to `err`. Returns how the program should end.
pub fn run(args: &[String], out: &mut impl Write, err: &mut impl Write) -> ExitCode {
    let names: Vec<&str> = args.iter().map(String::as_str).collect();
    let count = |text: &str| text.parse::<usize>().ok().filter(|count| *count >= COUNT_MIN);
    let done = match names.as_slice() {
        // What `lone` starts.
        [floor::COMMAND, ..] => floor::node(args.get(1..).unwrap_or_default()),
        ["one"] => saturation::report(out, 1, 200_000, GOALS[0]),
        ["five"] => saturation::report(out, 5, 200_000, GOALS[1]),
        ["lone"] => lone::run(out),
        ["restart"] => restart::run(out),
        ["chart"] => chart::run(out, Path::new("docs")),
        ["chart", folder] => chart::run(out, Path::new(folder)),
        ["--help" | "-h"] => out.write_all(HELP.as_bytes()),
        [size @ ("one" | "five"), text] => match (count(text), *size) {
            (Some(count), "one") => saturation::report(out, 1, count, GOALS[0]),
            (Some(count), _) => saturation::report(out, 5, count, GOALS[1]),
            (None, _) => {
                let why = format!("COUNT is {text:?}; allowed is a number from {COUNT_MIN} on");
                return refused(err, &why);
            }
        },
        [] => return refused(err, "there is no command"),
        [command, ..] => {
            return refused(err, &format!("{command:?} and what follows is no command"));
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(err, "network: {error}");
            ExitCode::FAILURE
        }
    }
}

fn refused(err: &mut impl Write, why: &str) -> ExitCode {
    let _ = writeln!(err, "network: {why}; see --help");
    ExitCode::from(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_command_is_named_with_the_way_out() {
        for (line, says) in [
            ("", "there is no command"),
            ("six", "\"six\""),
            ("one many", "COUNT is \"many\""),
            ("five 100", "a number from 50000 on"),
            ("chart a b", "\"chart\""),
        ] {
            let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let code = run(&args, &mut out, &mut err);
            let err = String::from_utf8(err).unwrap();
            assert_eq!(code, ExitCode::from(2), "{line}");
            assert!(
                out.is_empty() && err.contains(says) && err.contains("--help"),
                "{line}: {err}"
            );
        }
    }
}
