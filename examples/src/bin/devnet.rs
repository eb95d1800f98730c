//! The devnet: validators on this machine that finalise real payments, to pay on, break, and ask
//! why.

use std::io::Write;
use std::process::ExitCode;

use avalanche_examples::devnet::args::Args;
use avalanche_examples::devnet::command;
use clap::Parser;

fn main() -> ExitCode {
    match command::run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever reads may have gone.
            let _ = writeln!(std::io::stderr(), "devnet: {error}");
            ExitCode::FAILURE
        }
    }
}
