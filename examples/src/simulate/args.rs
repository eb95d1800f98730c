//! The command lines of `simulate run` and `simulate shrink`.

use std::ops::Range;

use avalanche_consensus::testing::simulation::{NODES_MAX, Named};

use super::{Choice, OptionError, Options};

/// What `run` and `shrink` print for `--help`, below their usage.
const CHOICE: &str = "\
  --scenario NAME   what to simulate (default \"default\"; see below)
  --nodes N         nodes, 1 to 5000 (default: what the scenario has)
  --heights N       blocks to accept, 1 to 100000 (default: what the scenario has)
  --faults LIST     leave out all faults but these, by number, or \"none\"
  --first N         leave out all nodes but the first so many
  --help            print this
";

/// What `run --help` prints.
pub(super) fn run_help() -> String {
    format!(
        "\
Runs seeds of a scenario on every processor.

Usage: simulate run --seeds A..B [--nodes N] [--scenario NAME] [--stop] [--json]

  --seeds A..B      the seeds from A up to B, without B
  --threads N       threads, 1 to 1024 (default: one for each processor)
  --stop            stop at the first seed that fails
  --json            print one JSON line at the end and nothing else
{CHOICE}
{}
Exit code: 0 every seed passed, 1 some did not, 2 bad arguments.
",
        scenarios()
    )
}

/// What `shrink --help` prints.
pub(super) fn shrink_help() -> String {
    format!(
        "\
Makes the schedule of a seed that fails smaller: fewer faults, nodes and heights.

Usage: simulate shrink SEED [--nodes N] [--scenario NAME]

{CHOICE}
{}
Exit code: 0 the seed passes, 1 it fails, 2 bad arguments.
",
        scenarios()
    )
}

fn scenarios() -> String {
    let line = |named: &Named| format!("  {:<15} {}\n", named.name, named.about);
    format!("Scenarios:\n{}", Named::ALL.iter().map(line).collect::<String>())
}

/// What `simulate run` is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RunArgs {
    pub(super) choice: Choice,
    pub(super) seeds: Range<u64>,
    pub(super) threads: Option<usize>,
    pub(super) stop: bool,
    pub(super) json: bool,
}

impl RunArgs {
    /// Reads the arguments behind `run`; `None` if only help is wanted.
    pub(super) fn parse(args: Vec<String>) -> Result<Option<Self>, OptionError> {
        let mut options = Options::new(args);
        let mut choice = default_choice()?;
        let (mut seeds, mut threads, mut stop, mut json) = (None, None, false, false);
        while let Some(name) = options.next_name() {
            match name.as_str() {
                "--seeds" => seeds = Some(range(&options.text()?)?),
                "--threads" => threads = Some(options.number(1, 1_024)?),
                "--stop" => stop = options.flag()?,
                "--json" => json = options.flag()?,
                "--help" | "-h" => return options.flag().map(|_| None),
                _ => read_choice(&mut choice, &name, &mut options)?,
            }
        }
        let seeds = seeds.ok_or(OptionError::Absent("--seeds A..B"))?;
        Ok(Some(Self { choice, seeds, threads, stop, json }))
    }
}

/// What `simulate shrink` is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShrinkArgs {
    pub(super) choice: Choice,
    pub(super) seed: u64,
}

impl ShrinkArgs {
    /// Reads the arguments behind `shrink`; `None` if only help is wanted.
    pub(super) fn parse(args: Vec<String>) -> Result<Option<Self>, OptionError> {
        let mut options = Options::new(args);
        let mut choice = default_choice()?;
        let mut seed = None;
        while let Some(name) = options.next_name() {
            match name.as_str() {
                "--help" | "-h" => return options.flag().map(|_| None),
                number if !number.starts_with('-') && seed.is_none() => {
                    let wrong = || wrong("SEED", number, "a whole number of 64 bits");
                    seed = Some(number.parse().map_err(|_| wrong())?);
                }
                _ => read_choice(&mut choice, &name, &mut options)?,
            }
        }
        let seed = seed.ok_or(OptionError::Absent("SEED"))?;
        Ok(Some(Self { choice, seed }))
    }
}

fn default_choice() -> Result<Choice, OptionError> {
    named("default").map(Choice::of)
}

fn named(name: &str) -> Result<Named, OptionError> {
    let names = || Named::ALL.iter().map(|named| named.name).collect::<Vec<_>>().join(", ");
    Named::find(name).ok_or_else(|| wrong("--scenario", name, &format!("one of {}", names())))
}

fn wrong(option: &str, value: &str, wanted: &str) -> OptionError {
    let [option, value, wanted] = [option, value, wanted].map(str::to_owned);
    OptionError::Value { option, value, wanted }
}

/// The options that `run` and `shrink` share.
fn read_choice<I: Iterator<Item = String>>(
    choice: &mut Choice,
    name: &str,
    options: &mut Options<I>,
) -> Result<(), OptionError> {
    match name {
        "--scenario" => choice.named = named(&options.text()?)?,
        "--nodes" => choice.nodes = Some(options.number(1, NODES_MAX)?),
        "--heights" => choice.heights = Some(options.number(1, 100_000)?),
        "--first" => choice.first = Some(options.number(1, NODES_MAX)?),
        "--faults" => {
            let list = options.text()?;
            let numbers = list.split(',').filter(|_| list != "none");
            let wrong = || wrong("--faults", &list, "a list of numbers, or none");
            let numbers = numbers.map(|number| number.parse().map_err(|_| wrong()));
            choice.faults = Some(numbers.collect::<Result<_, _>>()?);
        }
        _ => return Err(options.unknown()),
    }
    Ok(())
}

/// A range as `A..B`, not empty.
fn range(text: &str) -> Result<Range<u64>, OptionError> {
    let parsed = text.split_once("..").and_then(|(from, to)| {
        let range: Range<u64> = from.parse().ok()?..to.parse().ok()?;
        (!range.is_empty()).then_some(range)
    });
    let wanted = "a range A..B of whole numbers, A below B";
    parsed.ok_or_else(|| wrong("--seeds", text, wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn run(line: &str) -> Result<Option<RunArgs>, OptionError> {
        RunArgs::parse(words(line))
    }

    #[test]
    fn every_option_is_read() {
        let args =
            run("--seeds 3..18446744073709551615 --nodes=7 --scenario silent --json").unwrap();
        let args = args.unwrap();
        assert_eq!((args.seeds, args.json), (3..u64::MAX, true));
        assert_eq!((args.choice.nodes, args.choice.named.name), (Some(7), "silent"));
        let args = run("--seeds=0..1 --heights 9 --faults 0,2 --first 4 --threads 2 --stop");
        let args = args.unwrap().unwrap();
        let Choice { heights, faults, first, named, .. } = args.choice;
        assert_eq!((heights, faults, first), (Some(9), Some(vec![0, 2]), Some(4)));
        assert_eq!((args.threads, args.stop, named.name), (Some(2), true, "default"));
        let none = run("--seeds=0..1 --faults none").unwrap().unwrap();
        assert_eq!(none.choice.faults, Some(Vec::new()));
        assert_eq!(run("--help"), Ok(None));
        let shrink = ShrinkArgs::parse(words("--scenario weak 12")).unwrap().unwrap();
        assert_eq!((shrink.seed, shrink.choice.named.name), (12, "weak"));
    }

    #[test]
    fn what_a_choice_prints_is_read_again() {
        let args = run("--seeds 5..6 --scenario weak --nodes 9 --heights 3 --faults 1 --first 2");
        let choice = args.unwrap().unwrap().choice;
        let command = choice.command(5);
        let (_, line) = command.split_once(" -- run ").unwrap();
        let again = run(line).unwrap().unwrap();
        assert_eq!((again.choice, again.seeds), (choice, 5..6));
    }

    #[test]
    fn wrong_lines_say_what_is_wrong() {
        let range = "is not a range A..B of whole numbers, A below B";
        for (line, message) in [
            ("", "--seeds A..B is missing; see --help".to_owned()),
            ("--seeds 5", format!("--seeds \"5\" {range}")),
            ("--seeds 5..5", format!("--seeds \"5..5\" {range}")),
            ("--seeds 6..5", format!("--seeds \"6..5\" {range}")),
            ("--seeds -1..5", format!("--seeds \"-1..5\" {range}")),
            ("--seeds", "--seeds needs a value; see --help".to_owned()),
            ("--seed 1..2", "unknown option \"--seed\"; see --help".to_owned()),
            ("--nodes 0", "--nodes \"0\" is not a whole number from 1 to 5000".to_owned()),
            ("--faults x", "--faults \"x\" is not a list of numbers, or none".to_owned()),
            ("--json=yes", "unknown option \"--json=yes\"; see --help".to_owned()),
        ] {
            assert_eq!(run(line).unwrap_err().to_string(), message, "{line}");
        }
        let wrong = run("--scenario other").unwrap_err().to_string();
        assert!(wrong.starts_with("--scenario \"other\" is not one of default, calm"), "{wrong}");
        let wrong = |line| ShrinkArgs::parse(words(line)).unwrap_err().to_string();
        assert_eq!(wrong(""), "SEED is missing; see --help");
        assert_eq!(wrong("x"), "SEED \"x\" is not a whole number of 64 bits");
        assert_eq!(wrong("1 2"), "unknown option \"2\"; see --help");
    }

    #[test]
    fn the_help_names_every_scenario_and_fits_a_terminal() {
        for help in [run_help(), shrink_help()] {
            assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
            assert!(Named::ALL.iter().all(|named| help.contains(named.about)));
        }
    }
}
