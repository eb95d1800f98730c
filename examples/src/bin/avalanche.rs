//! Keys, payments, questions and load for a node, over its HTTP API.

use std::process::ExitCode;

use avalanche_examples::cli;

fn main() -> ExitCode {
    // Not locked: bars and prompts write meanwhile.
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    ExitCode::from(cli::main(std::env::args_os(), &mut out, &mut err))
}
