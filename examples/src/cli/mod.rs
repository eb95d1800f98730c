//! The command line client `avalanche`: keys, payments, questions and load, over a node's HTTP API.
//!
//! [`main`] is all of it; the program of that name hands it its arguments. Exit codes: 0 done,
//! 1 refused or failed, 2 wrong command line.

mod account;
pub mod args;
mod bar;
mod error;
pub mod keys;
pub mod load;
mod output;
mod passphrase;
mod pay;
mod query;
mod secret;

use std::ffi::OsString;
use std::io::Write;

use avalanche_gateway::client::{Client, ClientError};
use clap::{CommandFactory, Parser};

pub use self::args::Args;
use self::args::{Command, Global};
pub use self::error::CliError;
use self::keys::Ring;
use self::output::Output;

/// Carries out a command line, the program's name first, and returns the exit code. Results go to
/// `out`, errors to `err`: as text, or with `--json` as one JSON object on a line.
pub fn main(
    line: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let line: Vec<OsString> = line.into_iter().collect();
    let args = match Args::try_parse_from(&line) {
        Ok(args) => args,
        Err(error) => return usage(&error, &line, out, err),
    };
    match run(&args, out) {
        Ok(()) => 0,
        Err(error) => {
            if let Some(line) = error.line(args.global.json) {
                // Whoever reads may have gone.
                let _ = writeln!(err, "{line}");
            }
            error.exit_code()
        }
    }
}

/// Says what is wrong with a command line, or what was asked for: help, or the version.
fn usage(error: &clap::Error, line: &[OsString], out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let text = error.render();
    if !error.use_stderr() {
        let _ = write!(out, "{text}");
        return 0;
    }
    let as_json = line.iter().any(|word| word == "--json");
    if as_json {
        let error = CliError::usage(text.to_string().trim_end());
        let _ = writeln!(err, "{}", error.line(true).unwrap_or_default());
    } else {
        let _ = write!(err, "{text}");
    }
    2
}

fn run(args: &Args, out: &mut dyn Write) -> Result<(), CliError> {
    let Args { global, command } = args;
    let mut output = Output::new(out, global.json);
    let ring = Ring {
        folder: global.keys_dir.as_deref(),
        passphrase_file: global.passphrase_file.as_deref(),
    };
    match command {
        Command::Keys(command) => keys::run(command, ring, &mut output),
        Command::Completion { shell } => {
            // The script is made in memory, so that a reader that goes away is no panic.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Args::command(), "avalanche", &mut script);
            output.raw(&script)
        }
        command => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| {
                CliError::failed("runtime", format!("the runtime cannot be started: {error}"))
            })?;
            runtime.block_on(ask(global, command, ring, &mut output))
        }
    }
}

/// Commands that need a node.
async fn ask(
    global: &Global,
    command: &Command,
    ring: Ring<'_>,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let mut clients = Vec::new();
    for api in &global.apis {
        let client = Client::new(api).map_err(|error| CliError::usage(error.to_string()))?;
        clients.push(match &global.chain {
            Some(chain) => client.with_chain(chain),
            None => client,
        });
    }
    if let Command::Load(args) = command {
        return load::run(args, &clients, output).await;
    }
    let [client] = clients.as_slice() else {
        return Err(CliError::usage("only `load` takes more than one --api"));
    };
    match command {
        Command::Pay(args) => pay::run(args, client, ring, output).await,
        Command::Balance(args) => query::balance(args, client, ring, output).await,
        Command::Tx(args) => query::tx(args.id, client, output).await,
        Command::Block(args) => query::block(args.at, client, output).await,
        Command::Status => query::status(client, output).await,
        Command::Explain(args) => query::explain(args.id, client, output).await,
        Command::Validators => query::validators(client, output).await,
        // These need no node, and were carried out before.
        Command::Keys(_) | Command::Load(_) | Command::Completion { .. } => Ok(()),
    }
}

/// What a request of a client came to, as an error of a command.
fn failure(error: ClientError) -> CliError {
    let code = match &error {
        ClientError::Api { body, .. } => body.code.clone(),
        ClientError::Unreachable { .. } => "unreachable".to_owned(),
        ClientError::Closed { .. } => "closed".to_owned(),
        _ => "unexpected".to_owned(),
    };
    CliError::failed(code, error.to_string())
}
