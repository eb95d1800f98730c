//! Replays recorded traces of AvalancheGo's consensus and compares every decision.
//!
//! ```text
//! cargo run --release -p avalanche-consensus --example replay -- FILES...
//! cargo run --release -p avalanche-consensus --example replay -- --time bench-snowman.jsonl.zst
//! ```
//!
//! `--help` explains options and exit codes; `conformance/README.md` of this crate says where the
//! traces come from.

mod args;
mod boot;
mod callbacks;
mod check;
mod clock;
mod compare;
mod engine;
mod engine_vm;
mod family;
mod interval;
mod json;
mod poll;
pub(crate) mod reader;
pub(crate) mod reference;
mod report;
mod sampler;
mod snowball;
mod snowman;
mod time;

use std::ffi::OsString;
use std::io::{self, Write};

use args::Args;
use report::Report;

// The conformance tests include this file and call `run`.
#[cfg(not(test))]
fn main() -> std::process::ExitCode {
    let stdout = io::stdout().lock();
    let mut out = io::BufWriter::new(stdout);
    let args = std::env::args_os().skip(1);
    // Output that cannot be written is a result that nobody has seen.
    run(args, &mut out, &mut io::stderr()).unwrap_or(2).into()
}

/// The whole program: takes the arguments after its name, returns the exit code.
pub(crate) fn run(
    args: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let parsed = Args::parse(args);
    if parsed.as_ref().is_ok_and(|args| args.help) {
        out.write_all(args::HELP.as_bytes())?;
        return Ok(0);
    }
    let json = parsed.as_ref().is_ok_and(|args| args.json);
    let mut report = Report::new(out, err, json);
    match parsed {
        Ok(Args { files, .. }) if files.is_empty() => {
            report.fault(None, "no trace files given; see --help")?;
        }
        Ok(Args { files, time: true, .. }) => time::files(&files, &mut report)?,
        Ok(Args { files, .. }) => {
            files.iter().try_for_each(|path| compare::file(path, &mut report))?;
        }
        Err(problem) => report.fault(None, &problem)?,
    }
    report.finish()
}
