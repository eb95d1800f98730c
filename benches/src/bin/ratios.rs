//! Prints one table: every workload beside its floor, with the ratio and the goal.

use std::io::Write;
use std::process::ExitCode;

use avalanche_benches::allocations::Counting;
use avalanche_benches::measure::Effort;
use avalanche_benches::report::Report;

#[global_allocator]
static COUNTING: Counting = Counting;

const HELP: &str = "\
Measures every workload beside its floor, in turns, by CPU time of one thread.

Usage: ratios [--quick] [WORD..]

  --quick   fewer and shorter slices: a first look in seconds
  WORD      only the lines whose name contains one of the words

Exit code: 0, or 2 for bad arguments. A ratio over its goal is marked, not an error: machines differ.
";

fn main() -> ExitCode {
    let (mut effort, mut words) = (Effort::FULL, Vec::new());
    let mut out = std::io::stdout().lock();
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--quick" => effort = Effort::QUICK,
            "--help" | "-h" => return finish(&out.write_all(HELP.as_bytes())),
            option if option.starts_with('-') => {
                let _ = writeln!(std::io::stderr(), "unknown option {option:?}; see --help");
                return ExitCode::from(2);
            }
            _ => words.push(arg),
        }
    }
    finish(&Report::new(effort, words).run(&mut out))
}

/// A table that cannot be written is no result.
fn finish(written: &std::io::Result<()>) -> ExitCode {
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "ratios: {error}");
            ExitCode::FAILURE
        }
    }
}
