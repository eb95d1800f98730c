//! Measures whole networks.

use std::process::ExitCode;

use avalanche_benches::network::command;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    command::run(&args, &mut std::io::stdout().lock(), &mut std::io::stderr())
}
