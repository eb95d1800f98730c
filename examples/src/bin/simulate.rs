//! Simulated networks that run the real engine: `run`, `shrink`, `lab` and `safe`.

use std::io::Write;
use std::process::ExitCode;

use avalanche_examples::simulate::dispatch;

fn main() -> ExitCode {
    // Not locked: threads report to other streams meanwhile.
    let mut out = std::io::stdout();
    match dispatch(std::env::args().skip(1), &mut out) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            if !error.is_broken_pipe() {
                let _ = writeln!(std::io::stderr(), "simulate: {error}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}
