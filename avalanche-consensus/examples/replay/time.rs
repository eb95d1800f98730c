//! Measures a `bench-snowman` file the way AvalancheGo was measured on it.
//!
//! Blocks, vote bags and the list of operations are built beforehand; there is no JSON and no log
//! in the timed section. One clock pair surrounds each uninterrupted run of equal operations. Times
//! are medians of nine runs over the whole trace.

use std::convert::Infallible;
use std::hint::black_box;
use std::io;
use std::path::{Path, PathBuf};

use avalanche_consensus::snowball::{Rule, Snowball, Snowflake};
use avalanche_consensus::snowman::{Acceptor, Block, Topological};
use avalanche_consensus::{Bag, Height, Id, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use super::check::{Check, Level};
use super::clock::{self, Cost, Stopwatch};
use super::family::{self, Event, Factory};
use super::json::{Fault, hex};
use super::reader::Lines;
use super::reference::{self, Reference};
use super::report::{Difference, Report};
use super::snowman::{self, Start};

/// Runs of each trace that count.
const RUNS: usize = 9;

/// Runs of each trace at most. AvalancheGo was measured in CPU time, which leaves out what other
/// programs take. This clock does not, so runs that waited for a processor are repeated.
const ATTEMPTS_MAX: usize = 90;

const HEAD: &str = "\
| Trace | adds | polls | accepted | rejected | ns per RecordPoll (min-max) | ns per Add \
| ns per accepted block | wall ms, whole trace | AvalancheGo: ns per RecordPoll | Add | block \
| times faster: RecordPoll | Add | block |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|";

/// Measures every trace of every file and prints the table.
pub(crate) fn files(paths: &[PathBuf], report: &mut Report<'_>) -> io::Result<()> {
    let cost = Cost::measured();
    let about = format!(
        "Median of {RUNS} runs, {}; runs that waited for a processor are repeated, up to \
         {ATTEMPTS_MAX} in all. A clock pair costs {:.0} ns; an empty section measures {} ns, \
         included once per run of equal operations.\nAvalancheGo: {}. \
         Adds of the streams and of depth 1, and polls of the pipelined streams, are runs of one: their \
         times hold the clock pair in full.",
        clock::KIND,
        cost.pair_ns,
        cost.empty_section_ns,
        reference::SOURCE,
    );
    let about_json = json!({
        "type": "clock", "clock": clock::KIND, "cost": cost, "runs": RUNS,
        "attempts_max": ATTEMPTS_MAX, "reference": reference::SOURCE,
    });
    report.print(&format!("{about}\n\n{HEAD}"), &about_json)?;
    for path in paths {
        report.begin_file(path);
        match parse(path) {
            Ok(traces) if traces.is_empty() => {
                report.fault(None, "there is no trace in this file")?
            }
            Ok(traces) => traces.iter().try_for_each(|trace| trace.time(report))?,
            Err((line, fault)) => report.fault(line, &fault.to_string())?,
        }
        report.end_file(false)?;
    }
    Ok(())
}

/// A trace, ready to be run.
struct Trace {
    name: String,
    seed: String,
    line: u64,
    factory: Factory,
    start: Start,
    sections: Vec<Section>,
    recorded: Outcome,
}

/// An uninterrupted run of equal operations.
enum Section {
    Adds(Vec<Block>),
    Polls(Vec<Bag>),
}

/// What must come out of a run for its times to mean anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Outcome {
    accepted: u64,
    rejected: u64,
    preference: Value,
}

/// Reads a file to its end; the first thing wrong with it ends the measurement.
fn parse(path: &Path) -> Result<Vec<Trace>, (Option<u64>, Fault)> {
    let unreadable = |error: io::Error| Fault::new(format!("cannot be read: {error}"));
    let mut lines = Lines::open(path).map_err(|error| (None, unreadable(error)))?;
    let mut traces: Vec<Trace> = Vec::new();
    loop {
        let next = lines.next().map(|line| line.map(serde_json::from_slice::<Value>));
        let line = lines.number();
        let at = |fault| (Some(line), fault);
        let value = match next {
            Ok(None) => return Ok(traces),
            Ok(Some(Ok(value))) => value,
            Ok(Some(Err(error))) => {
                return Err(at(Fault::new(format!("invalid JSON: {error}"))));
            }
            Err(error) => return Err((Some(line + 1), unreadable(error))),
        };
        let event = Event::new(&value).map_err(at)?;
        family::known(&event).map_err(at)?;
        match (event.op, traces.last_mut()) {
            ("init", _) => traces.push(Trace::parse(&event, line).map_err(at)?),
            (_, None) => return Err(at(Fault::new("event before the first `init`"))),
            (_, Some(trace)) => trace.push(&event).map_err(at)?,
        }
    }
}

impl Trace {
    fn parse(init: &Event<'_>, line: u64) -> Result<Self, Fault> {
        if init.family != "sm" || init.line.find("bench").is_none() {
            return Err(Fault::new(
                "only bench-snowman traces, which have a `bench` label, are timed",
            ));
        }
        let seed = init.line.find("seed").cloned().unwrap_or_default();
        Ok(Self {
            name: init.line.text("bench")?.to_owned(),
            seed: seed.as_str().map_or_else(|| seed.to_string(), str::to_owned),
            line,
            factory: family::factory(init)?,
            start: Start::parse(init)?,
            sections: Vec::new(),
            recorded: Outcome {
                preference: init.out()?.get("pref")?.clone(),
                ..Outcome::default()
            },
        })
    }

    /// Appends an operation, and notes what it decided.
    fn push(&mut self, event: &Event<'_>) -> Result<(), Fault> {
        match (event.family, event.op, self.sections.last_mut()) {
            ("sm", "add", Some(Section::Adds(adds))) => adds.push(snowman::block(event.line)?),
            ("sm", "add", _) => {
                self.sections.push(Section::Adds(vec![snowman::block(event.line)?]))
            }
            ("sm", "poll", Some(Section::Polls(polls))) => polls.push(event.line.votes("votes")?),
            ("sm", "poll", _) => {
                self.sections.push(Section::Polls(vec![event.line.votes("votes")?]));
            }
            _ => return Err(event.unknown_op("a bench-snowman file")),
        }
        let out = event.out()?;
        self.recorded.preference = out.get("pref")?.clone();
        for entry in out.list("dec")? {
            match entry.get(0).and_then(Value::as_str) {
                Some("A") => self.recorded.accepted += 1,
                Some("R") => self.recorded.rejected += rejects(entry),
                _ => {}
            }
        }
        Ok(())
    }

    fn operations(&self) -> [u64; 2] {
        let mut counts = [0, 0];
        let [adds, polls] = &mut counts;
        for section in &self.sections {
            match section {
                Section::Adds(blocks) => *adds += count(blocks),
                Section::Polls(bags) => *polls += count(bags),
            }
        }
        counts
    }

    /// Measures the trace and prints its row, or what it decided wrongly.
    fn time(&self, report: &mut Report<'_>) -> io::Result<()> {
        let (runs, outcome) = match self.factory {
            Factory::Snowflake => self.measure::<Snowflake>(),
            Factory::Snowball => self.measure::<Snowball>(),
        };
        let [adds, polls] = self.operations();
        let counts = report.counts();
        counts.traces += 1;
        counts.events += 1 + adds + polls;
        *counts.families.entry("sm".to_owned()).or_default() += 1;

        let mut check = Check::default();
        let decided = |outcome: &Outcome| json!([outcome.accepted, outcome.rejected]);
        let expected = decided(&self.recorded);
        let member = "dec (accepted and rejected blocks)".to_owned();
        check.compare(Level::Decisions, member, Some(&expected), decided(&outcome));
        let expected = &self.recorded.preference;
        let member = "pref (at the end)".to_owned();
        check.compare(Level::Decisions, member, Some(expected), outcome.preference);
        counts.add_comparisons(check.comparisons());
        if let Some(mismatch) = check.take_mismatch() {
            let names = [self.seed.as_str(), "sm", "(whole trace)"];
            let recorded = json!({ "dec": decided(&self.recorded), "pref": expected });
            let difference = Difference::new(names, mismatch, recorded, Value::Null);
            return report.mismatch(self.line, &difference);
        }
        let row = self.row(&runs);
        report.print(&row.text(), &row)
    }

    /// The runs that waited least for a processor, and what the last one decided.
    fn measure<R: Rule>(&self) -> (Vec<Run>, Outcome) {
        let mut outcome = Outcome::default();
        let mut runs = Vec::with_capacity(ATTEMPTS_MAX);
        let undisturbed = |runs: &[Run]| runs.iter().filter(|run| run.waited_ns == 0).count();
        while runs.len() < ATTEMPTS_MAX && undisturbed(&runs) < RUNS {
            let before = clock::waited_ns();
            let (mut run, decided) = self.run(self.start.topological::<R>());
            let waited = before.zip(clock::waited_ns());
            run.waited_ns = waited.map_or(0, |(before, after)| after.saturating_sub(before));
            runs.push(run);
            outcome = decided;
        }
        runs.sort_by_key(|run| run.waited_ns);
        runs.truncate(RUNS);
        (runs, outcome)
    }

    /// One run over the whole trace.
    fn run<R: Rule>(&self, mut consensus: Topological<R>) -> (Run, Outcome) {
        let mut counter = Counter::default();
        let (mut add_ns, mut poll_ns) = (0, 0);
        let whole = Stopwatch::start();
        for section in &self.sections {
            match section {
                Section::Adds(blocks) => {
                    let watch = Stopwatch::start();
                    for block in blocks {
                        let _ = black_box(consensus.add(*block, Timestamp::ZERO));
                    }
                    add_ns += watch.nanos();
                }
                Section::Polls(bags) => {
                    let watch = Stopwatch::start();
                    for votes in bags {
                        let _ = black_box(consensus.record_poll(votes, &mut counter));
                    }
                    poll_ns += watch.nanos();
                }
            }
        }
        let run = Run { add_ns, poll_ns, wall_ns: whole.nanos(), waited_ns: 0 };
        let Counter { accepted, rejected } = counter;
        (run, Outcome { accepted, rejected, preference: hex(consensus.preference()) })
    }

    fn row(&self, runs: &[Run]) -> Row {
        let [adds, polls] = self.operations();
        let blocks = self.recorded.accepted;
        let per = |of: fn(&Run) -> u64, count: u64| Spread::new(runs.iter().map(of), count);
        let record_poll_ns = per(|run| run.poll_ns, polls);
        let add_ns = per(|run| run.add_ns, adds);
        let accepted_block_ns = per(|run| run.add_ns + run.poll_ns, blocks);
        let reference = reference::find(&self.name)
            .filter(|known| known.counts == [adds, polls, blocks, self.recorded.rejected]);
        let times_faster = reference.map(|known| TimesFaster {
            record_poll: ratio(known.poll_ns.first().copied(), &record_poll_ns),
            add: ratio(Some(known.add_ns), &add_ns),
            accepted_block: ratio(Some(known.block_ns), &accepted_block_ns),
        });
        Row {
            kind: "time",
            trace: self.name.clone(),
            adds,
            polls,
            accepted: blocks,
            rejected: self.recorded.rejected,
            record_poll_ns,
            add_ns,
            accepted_block_ns,
            wall_ms: Spread::new(runs.iter().map(|run| run.wall_ns), 1_000_000).median,
            waited_ms: Spread::new(runs.iter().map(|run| run.waited_ns), 1_000_000).median,
            reference,
            times_faster,
        }
    }
}

/// Nanoseconds of one run.
struct Run {
    add_ns: u64,
    poll_ns: u64,
    wall_ns: u64,
    /// What of the wall time went by without a processor.
    waited_ns: u64,
}

/// Counts decisions, which is all that happens beside consensus in the timed sections.
#[derive(Default)]
struct Counter {
    accepted: u64,
    rejected: u64,
}

impl Acceptor for Counter {
    type Error = Infallible;

    fn accept(&mut self, _id: Id, _height: Height) -> Result<(), Infallible> {
        self.accepted += 1;
        Ok(())
    }

    fn reject(&mut self, _id: Id, _height: Height) -> Result<(), Infallible> {
        self.rejected += 1;
        Ok(())
    }
}

/// A quantity over all runs.
#[derive(Clone, Copy, Debug, Serialize)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    /// Of totals over the runs, each divided by `count`; zero if there was nothing to count.
    fn new(totals: impl Iterator<Item = u64>, count: u64) -> Self {
        let mut totals: Vec<u64> = totals.collect();
        totals.sort_unstable();
        let per = |total: Option<&u64>| match total {
            Some(total) if count > 0 => *total as f64 / count as f64,
            _ => 0.0,
        };
        Self {
            median: per(totals.get(totals.len() / 2)),
            min: per(totals.first()),
            max: per(totals.last()),
        }
    }
}

/// How many times faster than AvalancheGo.
#[derive(Clone, Copy, Debug, Serialize)]
struct TimesFaster {
    record_poll: f64,
    add: f64,
    accepted_block: f64,
}

#[derive(Serialize)]
struct Row {
    #[serde(rename = "type")]
    kind: &'static str,
    trace: String,
    adds: u64,
    polls: u64,
    accepted: u64,
    rejected: u64,
    record_poll_ns: Spread,
    add_ns: Spread,
    accepted_block_ns: Spread,
    wall_ms: f64,
    /// What of it went by without a processor, and should be zero.
    waited_ms: f64,
    reference: Option<&'static Reference>,
    times_faster: Option<TimesFaster>,
}

impl Row {
    fn text(&self) -> String {
        let Self { trace, adds, polls, accepted, rejected, wall_ms, waited_ms, .. } = self;
        let disturbed = if *waited_ms > 0.0 { " (disturbed)" } else { "" };
        let Spread { median, min, max } = self.record_poll_ns;
        let add = self.add_ns.median;
        let block = self.accepted_block_ns.median;
        let theirs = match (self.reference, self.times_faster) {
            (Some(known), Some(faster)) => format!(
                "{} | {} | {} | {:.1} | {:.1} | {:.1}",
                known.poll_ns.first().copied().unwrap_or_default(),
                known.add_ns,
                known.block_ns,
                faster.record_poll,
                faster.add,
                faster.accepted_block,
            ),
            _ => "- | - | - | - | - | -".to_owned(),
        };
        format!(
            "| {trace} | {adds} | {polls} | {accepted} | {rejected} | {median:.1} ({min:.1}-{max:.1}) \
             | {add:.1} | {block:.1} | {wall_ms:.3}{disturbed} | {theirs} |"
        )
    }
}

fn ratio(theirs: Option<u64>, ours: &Spread) -> f64 {
    match theirs {
        Some(theirs) if ours.median > 0.0 => theirs as f64 / ours.median,
        _ => 0.0,
    }
}

/// The number of blocks in a `["R", siblings, descendants]`.
fn rejects(entry: &Value) -> u64 {
    let lists = entry.as_array().into_iter().flatten();
    lists.filter_map(Value::as_array).map(|ids| count(ids)).sum()
}

fn count<T>(of: &[T]) -> u64 {
    u64::try_from(of.len()).unwrap_or(u64::MAX)
}
