//! `simulate safe`: what the theory says about parameters, without a simulation.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

use avalanche_consensus::snowball::Parameters;
use avalanche_consensus::testing::{Magnitude, PollOdds, Stake};

use super::CommandError;
use super::options::{OptionError, Options};
use super::svg::{Axis, Chart, Series};

/// What `--help` prints.
pub const HELP: &str = "\
What the theory says about parameters: odds of a poll, of a decision, polls that it takes.

Usage: simulate safe [--k N] [--alpha N] [--beta N] [--adversary PERCENT] [--silent PERCENT]
                     [--split PERCENT] [--units N] [--out DIR] [--json]

  --k N                  units of stake that a poll draws, 1 to 1000 (default 20)
  --alpha N              votes that turn the preference and that count (default 15)
  --alpha-preference N   votes that turn the preference, if they differ
  --alpha-confidence N   votes that count, if they differ
  --beta N               polls in a row that decide, 1 to 10000 (default 20)
  --adversary PERCENT    stake that answers for the wrong block together (default 20)
  --silent PERCENT       stake that does not answer (default 0)
  --split PERCENT        honest stake that leans to the wrong block (default 50)
  --units N              units of stake that there are (default unlimited)
  --out DIR              write safe-error.svg and safe-polls.svg there
  --json                 print one JSON line and nothing else
  --help                 print this
";

/// Shares of the table.
const SHARES: [f64; 11] = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0];

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Args {
    /// The parameters of consensus.
    pub parameters: Parameters,
    /// The fraction of all stake that answers for the wrong block together.
    pub adversary: f64,
    /// The fraction of all stake that does not answer.
    pub silent: f64,
    /// The fraction of the honest stake that answers and leans to the wrong block.
    pub split: f64,
    /// Units of stake; `None`: no end of them.
    pub units: Option<u64>,
    /// Where pictures go.
    pub out: Option<PathBuf>,
    /// Whether to print JSON.
    pub json: bool,
    /// Whether to print [`HELP`] and do nothing.
    pub help: bool,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            parameters: Parameters::default(),
            adversary: 0.2,
            silent: 0.0,
            split: 0.5,
            units: None,
            out: None,
            json: false,
            help: false,
        }
    }
}

impl Args {
    /// Reads the arguments that follow `simulate safe`.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, OptionError> {
        let mut parsed = Self::default();
        let usual = parsed.parameters;
        let (mut k, mut beta) = (usual.k(), usual.beta());
        let (mut preference, mut confidence) = (None, None);
        let mut options = Options::new(args);
        while let Some(name) = options.next_name() {
            match name.as_str() {
                "--k" => k = options.number(1, 1_000)?,
                "--alpha" => {
                    let alpha = options.number(1, 1_000)?;
                    (preference, confidence) = (Some(alpha), Some(alpha));
                }
                "--alpha-preference" => preference = Some(options.number(1, 1_000)?),
                "--alpha-confidence" => confidence = Some(options.number(1, 1_000)?),
                "--beta" => beta = options.number(1, 10_000)?,
                "--adversary" => parsed.adversary = options.percent()?,
                "--silent" => parsed.silent = options.percent()?,
                "--split" => parsed.split = options.percent()?,
                "--units" => parsed.units = Some(options.number(1, u64::MAX)?),
                "--out" => parsed.out = Some(options.text()?.into()),
                "--json" => parsed.json = options.flag()?,
                "--help" | "-h" => parsed.help = options.flag()?,
                _ => return Err(options.unknown()),
            }
        }
        // One alpha alone is both, since neither makes sense far from the other.
        let [preference, confidence] = match (preference, confidence) {
            (Some(preference), Some(confidence)) => [preference, confidence],
            (Some(one), None) | (None, Some(one)) => [one, one],
            (None, None) => [usual.alpha_preference(), usual.alpha_confidence()],
        };
        parsed.parameters = Parameters::new(k, preference, confidence, beta)
            .map_err(|error| OptionError::Together(error.to_string()))?;
        if parsed.adversary + parsed.silent > 1.0 {
            let reason = "--adversary and --silent together are more than all stake".to_owned();
            return Err(OptionError::Together(reason));
        }
        if let Some(units) = parsed.units.filter(|units| *units < u64::from(k)) {
            let reason = format!("--units {units} is less than --k {k}: there is no poll");
            return Err(OptionError::Together(reason));
        }
        Ok(parsed)
    }

    /// The stake of which this fraction answers red.
    #[must_use]
    pub fn stake(&self, share: f64) -> Stake {
        match self.units {
            None => Stake::Share(share),
            Some(total) => Stake::Units { total, red: part(total, share) },
        }
    }
}

/// The units that are nearest to a fraction of all.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a fraction of a number of 64 bits, which the cast would cut"
)]
fn part(total: u64, share: f64) -> u64 {
    (total as f64 * share).round() as u64
}

/// What the theory says about a share of stake that answers red.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// The fraction of all stake that answers red.
    pub share: f64,
    /// The odds that one poll turns a preference to red.
    pub turns: Magnitude,
    /// The odds that one poll counts for red.
    pub counts: Magnitude,
    /// The odds that so many in a row count that they decide.
    pub decides: Magnitude,
    /// The expected number of polls until red is decided.
    pub polls: Magnitude,
}

impl Figures {
    /// The figures for a share.
    #[must_use]
    pub fn new(args: &Args, share: f64) -> Self {
        let parameters = &args.parameters;
        let odds = |alpha| PollOdds::new(parameters.k(), alpha, args.stake(share));
        let counts = odds(parameters.alpha_confidence());
        Self {
            share,
            turns: odds(parameters.alpha_preference()).success(),
            counts: counts.success(),
            decides: counts.run(parameters.beta()),
            polls: counts.expected_polls(parameters.beta()),
        }
    }

    /// While honest nodes are split, the share that answers for the wrong block: those that lean to
    /// it, and the adversary.
    #[must_use]
    pub fn wrong(args: &Args) -> Self {
        let honest = 1.0 - args.adversary - args.silent;
        Self::new(args, args.adversary + honest * args.split)
    }

    /// When all honest nodes agree, the share that answers for their block: everybody but the
    /// adversary and the silent.
    #[must_use]
    pub fn right(args: &Args) -> Self {
        Self::new(args, 1.0 - args.adversary - args.silent)
    }

    fn row(&self) -> String {
        let cells = [&self.turns, &self.counts, &self.decides, &self.polls];
        let cells = cells.map(|number| {
            let text = number.to_string();
            // Close to one three digits are not enough.
            let one = text == "1.00" && number.value() < 1.0;
            format!("{:>11}", if one { format!("{number:.5}") } else { text })
        });
        format!("{:>6.3}{}", self.share, cells.concat())
    }

    fn json(&self) -> String {
        let log = |number: Magnitude| match number.log10() {
            log10 if log10.is_finite() => format!("{log10:.6}"),
            _ => "null".to_owned(),
        };
        format!(
            "{{\"share\":{:.4},\"turns\":\"{}\",\"counts\":\"{}\",\"decides\":\"{}\",\
             \"decides_log10\":{},\"polls\":\"{}\",\"polls_log10\":{}}}",
            self.share,
            self.turns,
            self.counts,
            self.decides,
            log(self.decides),
            self.polls,
            log(self.polls),
        )
    }
}

/// The report that a person reads.
#[must_use]
pub fn report(args: &Args) -> String {
    let parameters = &args.parameters;
    let (k, beta) = (parameters.k(), parameters.beta());
    let alphas = (parameters.alpha_preference(), parameters.alpha_confidence());
    let units = args.units.map_or("unlimited".to_owned(), |units| units.to_string());
    let percent = |share: f64| share * 100.0;
    let head =
        format!("{:>6}{:>11}{:>11}{:>11}{:>11}", "share", "turns", "counts", "decides", "polls");
    let mut out = String::new();
    let _ = writeln!(
        out,
        "A poll draws {k} of {units} units of stake; {} votes turn the preference, {} count, {beta} such polls in \
         a row decide.",
        alphas.0, alphas.1
    );
    let _ = writeln!(
        out,
        "{:.1} % of the stake is adversarial, {:.1} % silent; {:.1} % of the rest leans to the \
         wrong block.\n",
        percent(args.adversary),
        percent(args.silent),
        percent(args.split)
    );
    let _ = writeln!(out, "{:30}{head}", "");
    let _ = writeln!(out, "{:30}{}", "wrong block, while split", Figures::wrong(args).row());
    let _ = writeln!(out, "{:30}{}\n", "right block, once all agree", Figures::right(args).row());
    let _ = writeln!(out, "{:30}{head}", "any block");
    for share in SHARES {
        let _ = writeln!(out, "{:30}{}", "", Figures::new(args, share).row());
    }
    let _ = writeln!(
        out,
        "\nshare    stake that answers for the block\n\
         turns    odds that one poll turns a preference to it\n\
         counts   odds that one poll counts for it\n\
         decides  odds that {beta} polls in a row count, which accepts it\n\
         polls    expected number of polls until that has happened"
    );
    out
}

/// The same as one line of JSON.
#[must_use]
pub fn json(args: &Args) -> String {
    let parameters = &args.parameters;
    let table: Vec<_> = SHARES.iter().map(|share| Figures::new(args, *share).json()).collect();
    format!(
        "{{\"k\":{},\"alpha_preference\":{},\"alpha_confidence\":{},\"beta\":{},\
         \"adversary\":{:.4},\"silent\":{:.4},\"split\":{:.4},\"units\":{},\"wrong\":{},\
         \"right\":{},\"table\":[{}]}}",
        parameters.k(),
        parameters.alpha_preference(),
        parameters.alpha_confidence(),
        parameters.beta(),
        args.adversary,
        args.silent,
        args.split,
        args.units.map_or("null".to_owned(), |units| format!("\"{units}\"")),
        Figures::wrong(args).json(),
        Figures::right(args).json(),
        table.join(","),
    )
}

/// Pictures with the names of their files: the error over the adversary's share, and the polls over
/// the share that is silent.
#[must_use]
pub fn charts(args: &Args) -> [(&'static str, Chart); 2] {
    let parameters = args.parameters;
    let betas = [5, 10, 20, 40];
    let (k, alpha) = (parameters.k(), parameters.alpha_confidence());
    let odds = |share| PollOdds::new(k, alpha, args.stake(share));
    let percents = || (0_u32..=20).map(|step| f64::from(2 * step));
    let error = betas.map(|beta| Series {
        name: format!("beta {beta}"),
        points: percents()
            .map(|adversary| {
                let adversary = adversary / 100.0;
                let share = adversary + (1.0 - adversary) * args.split;
                (adversary * 100.0, odds(share).run(beta).value())
            })
            .collect(),
    });
    let polls = betas.map(|beta| Series {
        name: format!("beta {beta}"),
        points: percents()
            .map(|silent| (silent, odds(1.0 - silent / 100.0).expected_polls(beta).value()))
            .filter(|(_, polls)| *polls <= 1e6)
            .collect(),
    });
    let axis = |label: &str, log| Axis { label: label.to_owned(), log };
    let split = args.split * 100.0;
    [
        (
            "safe-error.svg",
            Chart {
                title: format!("Odds to accept the wrong block: k {k}, alpha {alpha}"),
                x: axis(&format!("adversarial stake, % (honest stake split {split:.0} %)"), false),
                y: axis("probability by the first beta polls", true),
                groups: Vec::new(),
                series: error.to_vec(),
            },
        ),
        (
            "safe-polls.svg",
            Chart {
                title: format!("Polls to decide when stake is silent: k {k}, alpha {alpha}"),
                x: axis("silent stake, %", false),
                y: axis("expected polls", true),
                groups: Vec::new(),
                series: polls.to_vec(),
            },
        ),
    ]
}

/// Runs `simulate safe`.
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
    if args.json {
        writeln!(out, "{}", json(&args))?;
    } else {
        out.write_all(report(&args).as_bytes())?;
    }
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder)?;
        for (name, chart) in charts(&args) {
            let path = folder.join(name);
            std::fs::write(&path, chart.svg())?;
            if !args.json {
                writeln!(out, "wrote {}", path.display())?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Result<Args, String> {
        let words = line.split_whitespace().map(str::to_owned);
        Args::parse(words).map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_read_and_checked() {
        assert_eq!(args("").unwrap(), Args::default());
        let read =
            args("--k 10 --alpha 7 --beta=5 --adversary 12.5 --silent 5 --split 40").unwrap();
        assert_eq!(read.parameters, Parameters::new(10, 7, 7, 5).unwrap());
        assert_eq!((read.adversary, read.silent, read.split), (0.125, 0.05, 0.4));
        let two = args("--alpha-preference 11 --alpha-confidence 18 --units 400 --json").unwrap();
        assert_eq!(two.parameters, Parameters::new(20, 11, 18, 20).unwrap());
        assert_eq!((two.units, two.json), (Some(400), true));
        for (line, part) in [
            ("--kk 3", "unknown option"),
            ("--k 0", "a whole number from 1 to 1000"),
            ("--alpha 10", "alpha_preference = 10"),
            ("--adversary 60 --silent 50", "more than all stake"),
            ("--units 19", "there is no poll"),
        ] {
            let error = args(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn the_help_names_the_defaults() {
        let usual = Args::default();
        for (option, default) in [
            ("--k", f64::from(usual.parameters.k())),
            ("--alpha", f64::from(usual.parameters.alpha_confidence())),
            ("--beta", f64::from(usual.parameters.beta())),
            ("--adversary", usual.adversary * 100.0),
            ("--silent", usual.silent * 100.0),
            ("--split", usual.split * 100.0),
        ] {
            let line =
                HELP.lines().find(|line| line.trim_start().starts_with(&format!("{option} ")));
            assert!(line.unwrap().ends_with(&format!("(default {default})")), "{option}");
        }
    }

    #[test]
    fn the_report_holds_the_table_of_the_specification() {
        let report = report(&Args::default());
        let row = |share: &str| {
            let line = report.lines().rfind(|line| line.trim_start().starts_with(share)).unwrap();
            line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(row("0.500"), ["0.0207", "0.0207", "2.08e-34", "4.92e33"]);
        assert_eq!(row("0.850"), ["0.933", "0.933", "0.248", "45.0"]);
        assert_eq!(row("0.950"), ["0.99967", "0.99967", "0.993", "20.1"]);
        // An evenly split network with a fifth of the stake adversarial.
        assert!(
            report
                .contains("wrong block, while split       0.600      0.126      0.126   9.54e-19")
        );
        assert!(report.contains("right block, once all agree    0.800"));
    }

    #[test]
    fn json_is_one_object_that_a_parser_reads() {
        let args = args("--adversary 10 --silent 5 --units 400 --json").unwrap();
        let mut out = Vec::new();
        run(
            ["--adversary", "10", "--silent", "5", "--units", "400", "--json"].map(str::to_owned),
            &mut out,
        )
        .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, json(&args) + "\n");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["wrong"]["share"], 0.525);
        assert_eq!(value["right"]["share"], 0.85);
        assert_eq!(value["units"], "400");
        assert_eq!(value["table"].as_array().unwrap().len(), SHARES.len());
    }

    #[test]
    fn pictures_show_what_can_be_drawn() {
        for (name, chart) in charts(&Args::default()) {
            assert!(
                chart.series.len() == 4 && chart.series.iter().all(|s| s.points.len() > 10),
                "{name}"
            );
            assert!(chart.svg().contains("beta 40"));
        }
    }
}
