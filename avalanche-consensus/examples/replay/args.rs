//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) const HELP: &str = "\
Replays recorded traces of AvalancheGo's consensus and compares every decision.

Usage: replay [--json] FILE...
       replay --time [--json] FILE...

FILE is a trace file, plain or compressed with zstd or gzip. Families: snowball, snowman, snowmanerr,
bench-snowman, poll, boot, sampler, interval. Levels 1 (decisions) and 2 (layout) are both compared,
and no trace is left out. The last line on standard output is a JSON summary.

  --time   measure a bench-snowman file as AvalancheGo was measured, instead of comparing it
  --json   write JSON lines instead of text
  --help   print this

Exit code: 0 nothing differs; 1 at least one difference; 2 a file cannot be read, or has an invalid
line, an unknown trace kind or operation, an event that cannot be executed, or no trace; also when
there are no files. 2 wins over 1.
";

/// What to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) help: bool,
    pub(crate) time: bool,
    pub(crate) json: bool,
    pub(crate) files: Vec<PathBuf>,
}

impl Args {
    /// Reads the arguments after the program's name. An error names the argument that is not known.
    pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut parsed = Self::default();
        let mut options_over = false;
        for arg in args {
            match arg.to_str() {
                _ if options_over => parsed.files.push(arg.into()),
                Some("--") => options_over = true,
                Some("--help" | "-h") => parsed.help = true,
                Some("--time") => parsed.time = true,
                Some("--json") => parsed.json = true,
                Some(option) if option.starts_with('-') => {
                    return Err(format!("unknown option `{option}`; see --help"));
                }
                _ => parsed.files.push(arg.into()),
            }
        }
        Ok(parsed)
    }
}
