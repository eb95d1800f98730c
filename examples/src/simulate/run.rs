//! `simulate run`: seeds of a scenario on every processor.

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use avalanche_consensus::testing::simulation::{Report, Summary};

use super::args::{RunArgs, run_help};
use super::progress::Progress;
use super::{Choice, CommandError, json};

/// Failures that are printed one by one.
const FAILURES_MAX: u64 = 10;
/// Nodes that say why they are stuck.
const STUCK_MAX: usize = 12;

/// Runs the command; whether every seed passed.
pub(super) fn run(args: Vec<String>, out: &mut dyn Write) -> Result<bool, CommandError> {
    let Some(args) = RunArgs::parse(args)? else {
        out.write_all(run_help().as_bytes())?;
        return Ok(true);
    };
    let started = Instant::now();
    let mut progress = Progress::new(args.seeds.end - args.seeds.start, !args.json);
    let mut summary = Summary::default();
    let mut failures = Vec::new();
    each(&args, |report| {
        summary.add(&report);
        if !report.verdict.passed() && (failures.len() as u64) < FAILURES_MAX {
            failures.push(report);
        }
        progress.show(summary.seeds, summary.seeds - summary.pass);
        summary.passed() || !args.stop
    })?;
    progress.end();
    if args.json {
        let mut error = std::io::stderr();
        failures.iter().for_each(|report| {
            let _ = write!(error, "{}", failure(&args.choice, report));
        });
        writeln!(out, "{}", json::line(&args.choice, &summary, started.elapsed().as_secs_f64()))?;
    } else {
        for report in &failures {
            write!(out, "{}", failure(&args.choice, report))?;
        }
        write!(out, "{}", text(&args.choice, &summary, started.elapsed()))?;
    }
    out.flush()?;
    Ok(summary.passed())
}

/// Runs every seed and hands the reports over in the order of the seeds, as long as more are
/// wanted.
fn each(args: &RunArgs, mut take: impl FnMut(Report) -> bool) -> Result<(), CommandError> {
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = args.threads.unwrap_or(processors);
    let next = AtomicU64::new(args.seeds.start);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads {
            let sender = sender.clone();
            let next = &next;
            scope.spawn(move || work(args, next, &sender));
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut wanted = args.seeds.start;
        for (seed, report) in receiver {
            match report {
                Ok(report) => waiting.insert(seed, report),
                Err(error) => {
                    // The others finish the seed that they are at.
                    next.store(args.seeds.end, Ordering::Relaxed);
                    return Err(error);
                }
            };
            while let Some(report) = waiting.remove(&wanted) {
                if !take(report) {
                    next.store(args.seeds.end, Ordering::Relaxed);
                    return Ok(());
                }
                wanted += 1;
            }
        }
        Ok(())
    })
}

/// Runs seeds until there are none left, or nobody wants to know.
fn work(
    args: &RunArgs,
    next: &AtomicU64,
    sender: &mpsc::Sender<(u64, Result<Report, CommandError>)>,
) {
    loop {
        let more = |seed| (seed < args.seeds.end).then(|| seed + 1);
        let taken = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        let Ok(seed) = taken else { return };
        if sender.send((seed, args.choice.run(seed))).is_err() {
            return;
        }
    }
}

/// How a seed failed, and the command that shows it again.
pub(super) fn failure(choice: &Choice, report: &Report) -> String {
    let Report { seed, verdict, stuck, .. } = report;
    let stuck = stuck.iter().map(|(node, cause)| format!("  node {node}: {cause}\n"));
    let stuck: String = stuck.take(STUCK_MAX).collect();
    format!("seed {seed}: {verdict}\n{stuck}  run it again: {}\n", choice.command(*seed))
}

/// What came of all seeds, for people.
fn text(choice: &Choice, summary: &Summary, took: Duration) -> String {
    let Summary {
        seeds,
        pass,
        no_progress,
        diverged,
        accepted,
        rejected,
        conflicts,
        crashes,
        partitions,
        events,
        messages,
        polls,
        ..
    } = summary;
    let seconds = took.as_secs_f64();
    format!(
        "scenario {}: {seeds} seeds in {seconds:.1} s, {:.0} a minute, {:.1} h of virtual time\n\
         pass {pass}, no progress {no_progress}, diverged {diverged}\n\
         {accepted} blocks accepted, {rejected} rejected, {conflicts} heights with rivals\n\
         {crashes} crashes, {partitions} partitions, {messages} messages, {polls} polls, {events} events\n\
         event hash {}\n",
        choice.named.name,
        *seeds as f64 * 60.0 / seconds.max(1e-9),
        summary.took.as_secs_f64() / 3_600.0,
        json::hex(&summary.event_hash()),
    )
}
