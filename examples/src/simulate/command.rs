//! The table of commands.

use std::io::Write;

use super::{CommandError, OptionError, lab, run, safe, shrink};

/// A command of the program.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    run: fn(Vec<String>, &mut dyn Write) -> Result<bool, CommandError>,
}

/// All commands.
pub const COMMANDS: &[Command] = &[
    Command { name: "run", about: "run seeds of a scenario", run: run::run },
    Command {
        name: "shrink",
        about: "make the schedule of a failing seed smaller",
        run: shrink::run,
    },
    Command { name: "lab", about: "measure parameters on the real engine", run: lab_of },
    Command { name: "safe", about: "what theory says of parameters", run: safe_of },
];

fn lab_of(args: Vec<String>, mut out: &mut dyn Write) -> Result<bool, CommandError> {
    lab::run(args, &mut out).map(|()| true)
}

fn safe_of(args: Vec<String>, mut out: &mut dyn Write) -> Result<bool, CommandError> {
    safe::run(args, &mut out).map(|()| true)
}

/// Runs the command that the arguments begin with; whether all was well.
///
/// # Errors
///
/// A wrong command line, or what the command says.
pub fn dispatch(
    args: impl IntoIterator<Item = String>,
    out: &mut dyn Write,
) -> Result<bool, CommandError> {
    let mut args = args.into_iter();
    let name = args.next();
    match name.as_deref() {
        Some("--help" | "-h") => {
            out.write_all(help().as_bytes())?;
            Ok(true)
        }
        Some(name) => match COMMANDS.iter().find(|command| command.name == name) {
            Some(command) => (command.run)(args.collect(), out),
            None => Err(OptionError::Command(name.to_owned()).into()),
        },
        None => Err(OptionError::Command(String::new()).into()),
    }
}

fn help() -> String {
    let mut text = "Simulated networks that run the real engine.\n\nUsage:\n".to_owned();
    for Command { name, about, .. } in COMMANDS {
        text.push_str(&format!("  simulate {name:<8} {about}\n"));
    }
    text.push_str("\nEach has a --help.\n");
    text
}
