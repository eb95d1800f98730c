//! `simulate lab`: what parameters do, measured on the real engine.
//!
//! One of five things is varied at a time, the others stay: `k`, `alpha`, `beta`, the share of the
//! stake that works against the others, and the latency. Each setting is a network that runs with
//! some seeds; what it took is compared with the theory of [`safe`](super::safe).

mod measure;
mod show;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::PathBuf;

use avalanche_consensus::testing::simulation::Behaviour;

use super::CommandError;
use super::options::{OptionError, Options};
pub use measure::{Bench, Point, Setting};
pub use show::{charts, header, json, row};

/// What `--help` prints.
pub const HELP: &str = "\
Tries parameters on the real engine, one thing varied at a time: time to finality, polls, bytes,
disagreements.

Usage: simulate lab [--k LIST] [--alpha LIST] [--beta LIST] [--adversary LIST] [--latency LIST]
                    [--nodes N] [--heights N] [--slot MS] [--seeds N] [--seed N]
                    [--behaviour NAME] [--out DIR] [--json]

  --k LIST           units of stake that a poll draws, 1 to 1000 (default 20)
  --alpha LIST       votes that turn the preference and that count (default 3/4 of k)
  --beta LIST        polls in a row that decide, 1 to 1000 (default 20)
  --adversary LIST   percent of the stake that works against the others, 0 to 50 (default 0)
  --latency LIST     milliseconds that a message travels on average, 1 to 10000 (default 20)
  --nodes N          nodes of equal stake, 1 to 1000 (default 25)
  --heights N        blocks to accept in each run, 1 to 10000 (default 20)
  --slot MS          milliseconds after which somebody builds again, 1 to 1000000 (default 1000)
  --seeds N          runs for each setting, 1 to 1000 (default 2)
  --seed N           the first seed, 64 bits (default 1)
  --behaviour NAME   how adversaries behave: silent, contrary, equivocating, delaying, outdated,
                     flooding or withholding (default contrary)
  --out DIR          write SVG pictures there
  --json             print one JSON line at the end and nothing else
  --help             print this

A LIST is one number, or several with commas. What has several is varied, one after the other, while
the others have their number or their default. If nothing has several, all five are varied.
";

/// What is varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Units of stake that a poll draws.
    K,
    /// Votes that turn the preference and that count.
    Alpha,
    /// Polls in a row that decide.
    Beta,
    /// The share of adversaries.
    Adversary,
    /// The time that messages travel.
    Latency,
}

impl Sweep {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 5] = [Self::K, Self::Alpha, Self::Beta, Self::Adversary, Self::Latency];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::K => "k",
            Self::Alpha => "alpha",
            Self::Beta => "beta",
            Self::Adversary => "adversary",
            Self::Latency => "latency",
        }
    }

    /// What it is in a sentence.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Adversary => "adversarial stake",
            _ => self.name(),
        }
    }

    /// What its axis says.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::K => "k, units of stake in a poll (alpha 3/4 of it)",
            Self::Alpha => "alpha, votes that count",
            Self::Beta => "beta, polls in a row",
            Self::Adversary => "adversarial stake, %",
            Self::Latency => "mean latency, ms",
        }
    }

    /// The values that are tried if nobody asks for others.
    #[must_use]
    pub const fn usual(self) -> &'static [u32] {
        match self {
            Self::K => &[5, 10, 20, 40],
            Self::Alpha => &[11, 13, 15, 17, 19],
            Self::Beta => &[1, 2, 5, 10, 20, 40],
            Self::Adversary => &[0, 4, 8, 12, 16, 20],
            Self::Latency => &[5, 20, 50, 100, 200],
        }
    }

    /// The least and the greatest value.
    const fn range(self) -> (u32, u32) {
        match self {
            Self::K | Self::Alpha | Self::Beta => (1, 1_000),
            Self::Adversary => (0, 50),
            Self::Latency => (1, 10_000),
        }
    }

    /// Changes a setting.
    #[must_use]
    pub const fn apply(self, mut setting: Setting, value: u32) -> Setting {
        match self {
            Self::K => setting.k = value,
            Self::Alpha => setting.alpha = Some(value),
            Self::Beta => setting.beta = value,
            Self::Adversary => setting.adversary = value,
            Self::Latency => setting.latency = value,
        }
        setting
    }
}

/// What the command line asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    /// The network.
    pub bench: Bench,
    /// What stays while something else is varied.
    pub setting: Setting,
    /// What is varied, with its values.
    pub sweeps: Vec<(Sweep, Vec<u32>)>,
    /// Where pictures go.
    pub out: Option<PathBuf>,
    /// Whether to print JSON.
    pub json: bool,
    /// Whether to print [`HELP`] and do nothing.
    pub help: bool,
}

impl Args {
    /// Reads the arguments that follow `simulate lab`.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, OptionError> {
        let mut parsed = Self::default();
        let mut options = Options::new(args);
        while let Some(name) = options.next_name() {
            let bench = &mut parsed.bench;
            match name.as_str() {
                "--nodes" => bench.nodes = options.number(1, 1_000)?,
                "--heights" => bench.heights = options.number(1, 10_000)?,
                "--slot" => bench.slot = options.number(1, 1_000_000)?,
                "--seeds" => bench.seeds = options.number(1, 1_000)?,
                "--seed" => bench.seed = options.number(0, u64::MAX)?,
                "--behaviour" => bench.behaviour = behaviour(&options.text()?)?,
                "--out" => parsed.out = Some(options.text()?.into()),
                "--json" => parsed.json = options.flag()?,
                "--help" | "-h" => parsed.help = options.flag()?,
                _ => {
                    let named = |sweep: &&Sweep| name.strip_prefix("--") == Some(sweep.name());
                    let Some(sweep) = Sweep::ALL.iter().find(named) else {
                        return Err(options.unknown());
                    };
                    let (least, greatest) = sweep.range();
                    let values = options.numbers(least, greatest)?;
                    parsed.sweeps.retain(|(other, _)| other != sweep);
                    match values.as_slice() {
                        [value] => parsed.setting = sweep.apply(parsed.setting, *value),
                        _ => parsed.sweeps.push((*sweep, values)),
                    }
                }
            }
        }
        if parsed.sweeps.is_empty() {
            parsed.sweeps = Sweep::ALL.map(|sweep| (sweep, sweep.usual().to_vec())).to_vec();
        }
        // A setting that breaks a rule is found before the first run.
        for (sweep, values) in &parsed.sweeps {
            for value in values {
                sweep.apply(parsed.setting, *value).parameters()?;
            }
        }
        Ok(parsed)
    }
}

fn behaviour(name: &str) -> Result<Behaviour, OptionError> {
    let found = Behaviour::ALL.into_iter().find(|behaviour| behaviour.name() == name);
    found.ok_or_else(|| OptionError::Value {
        option: "--behaviour".to_owned(),
        value: name.to_owned(),
        wanted: format!("one of {}", Behaviour::ALL.map(Behaviour::name).join(", ")),
    })
}

/// What was measured while one thing was varied.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What was varied.
    pub sweep: Sweep,
    /// The values, and what was measured with them.
    pub points: Vec<(u32, Point)>,
}

/// Runs `simulate lab`.
///
/// # Errors
///
/// A wrong command line, or what the writer or the file system says.
pub fn run(
    args: impl IntoIterator<Item = String>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let args = Args::parse(args)?;
    if args.help {
        out.write_all(HELP.as_bytes())?;
        return Ok(());
    }
    if !args.json {
        out.write_all(header(&args).as_bytes())?;
    }
    let mut curves = Vec::new();
    for (sweep, values) in &args.sweeps {
        let mut points = Vec::new();
        for value in values {
            let point = args.bench.measure(sweep.apply(args.setting, *value))?;
            if !args.json {
                writeln!(out, "{}", row(*sweep, *value, &point))?;
                out.flush()?;
            }
            points.push((*value, point));
        }
        curves.push(Curve { sweep: *sweep, points });
    }
    if args.json {
        writeln!(out, "{}", json(&args, &curves))?;
    }
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder)?;
        for (name, chart) in curves.iter().flat_map(charts) {
            let path = folder.join(name);
            std::fs::write(&path, chart.svg())?;
            if !args.json {
                writeln!(out, "wrote {}", path.display())?;
            }
        }
    }
    Ok(())
}
