//! The devnet: five engines decide contested blocks while things go wrong, today in one process.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use avalanche_consensus::testing::simulation::{Simulation, Verdict};
use avalanche_examples::devnet::args::{Args, HELP};
use avalanche_examples::devnet::{View, json};
use avalanche_examples::simulate::CommandError;

/// Virtual time between two drawings.
const FRAME: Duration = Duration::from_millis(100);
/// Real time for it on a terminal, so that a person can follow.
const PACE: Duration = Duration::from_millis(25);

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            if !error.is_broken_pipe() {
                let _ = writeln!(std::io::stderr(), "devnet: {error}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// Runs the network to its end and shows it; whether all nodes agree.
fn run() -> Result<bool, CommandError> {
    let Args { config, fast, json: only_json, help } = Args::parse(std::env::args().skip(1))?;
    let mut out = std::io::stdout().lock();
    if help {
        out.write_all(HELP.as_bytes())?;
        return Ok(true);
    }
    let refused = |reason: String| CommandError::Run(reason);
    let scenario = config.scenario().ok_or_else(|| refused("no such scenario".to_owned()))?;
    let simulation = Simulation::new(scenario);
    let mut simulation = simulation.map_err(|error| refused(error.to_string()))?;
    if only_json {
        simulation.run();
        writeln!(out, "{}", json(&config, &simulation))?;
        return Ok(simulation.verdict() == Some(&Verdict::Pass));
    }
    let live = out.is_terminal();
    let mut view = View::new(out, config, live);
    view.start()?;
    while simulation.advance(FRAME) {
        view.show(&simulation)?;
        if live && !fast {
            std::thread::sleep(PACE);
        }
    }
    view.finish(&simulation)?;
    Ok(simulation.verdict() == Some(&Verdict::Pass))
}
