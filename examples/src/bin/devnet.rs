//! The devnet: five nodes decide contested blocks, today in one process.

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use avalanche_examples::devnet::args::{Args, HELP};
use avalanche_examples::devnet::{Simulation, Table, Verdict, json};

/// Virtual time between two drawings.
const FRAME: Duration = Duration::from_millis(100);
/// Real time for it on a terminal, so that a person can follow.
const PACE: Duration = Duration::from_millis(25);

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "devnet: {error}");
            return ExitCode::from(2);
        }
    };
    match run(args) {
        Ok(Verdict::Agree) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "devnet: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the network to its end and shows it.
fn run(args: Args) -> Result<Verdict, Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    if args.help {
        out.write_all(HELP.as_bytes())?;
        return Ok(Verdict::Agree);
    }
    let live = !args.json && out.is_terminal();
    let mut simulation = Simulation::new(args.config)?;
    if args.json {
        while simulation.advance(FRAME)? {}
        writeln!(out, "{}", json(&simulation))?;
        return Ok(simulation.verdict());
    }
    let mut table = Table::new(out, live);
    table.start(&simulation)?;
    while simulation.advance(FRAME)? {
        table.show(&simulation)?;
        if live && !args.fast {
            std::thread::sleep(PACE);
        }
    }
    table.show(&simulation)?;
    table.finish(&simulation)?;
    Ok(simulation.verdict())
}
