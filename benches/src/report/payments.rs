//! The lines of the payments VM: ratios, and figures that have no floor.

use std::hash::RandomState;
use std::io::{self, Write};
use std::time::Duration;

use super::vm::singles_goal;
use super::{NAME_WIDTH, Report};
use crate::allocations::{counted, installed};
use crate::measure::{Clock, as_f64, cpu_time, median, repeat};
use crate::payments::admission::Admission;
use crate::payments::apply::{Apply, ApplyFloor, Keyed};
use crate::payments::decode::Decode;
use crate::payments::pool::{Pool, WAITING};
use crate::payments::{ACCOUNTS, TRANSFERS, pipeline};
use crate::store::{steps, told};
use crate::vm::signature::{BATCH, Batch};

/// 0.6 of the rate of a map that is changed in place.
const APPLY_GOAL: f64 = 1.67;
/// A block costs at most four copies of its bytes.
const DECODE_GOAL: f64 = 4.0;
/// 0.9 of the rate of the best crate's own batches of signatures.
const ADMISSION_GOAL: f64 = 1.11;
/// The whole at 0.8 of the rate of its parts.
const PIPELINE_GOAL: f64 = 1.25;
/// How often a figure is taken.
const RUNS: usize = 5;

impl Report {
    pub(super) fn payments(&self, out: &mut impl Write) -> io::Result<()> {
        let name = format!("payments::apply/accounts={ACCOUNTS}/block={TRANSFERS}");
        let against_std = format!("{name}/std_map");
        if self.wanted(&name) || self.wanted(&against_std) {
            let mut ours = Apply::new(ACCOUNTS)?;
            let mut floor = ApplyFloor::new(ACCOUNTS, Keyed);
            let mut ours = steps(Clock::Cpu, &mut ours);
            self.line(out, &name, Some(APPLY_GOAL), &mut ours, &mut steps(Clock::Cpu, &mut floor))?;
            drop(floor);
            let mut floor = ApplyFloor::new(ACCOUNTS, RandomState::new());
            self.line(out, &against_std, None, &mut ours, &mut steps(Clock::Cpu, &mut floor))?;
        }
        let name = "payments::decode/10000_transfers";
        if self.wanted(name) {
            let decode = Decode::default();
            let (mut ours, mut floor) = (repeat(|| decode.ours()), repeat(|| decode.floor()));
            self.line(out, name, Some(DECODE_GOAL), &mut ours, &mut floor)?;
        }
        self.admission(out)?;
        let name = format!("payments::pipeline/accounts={}/block={TRANSFERS}", pipeline::ACCOUNTS);
        if self.wanted(&name) {
            let (mut ours, mut floor) = (pipeline::Whole::new()?, pipeline::Parts::new()?);
            let (mut ours, mut floor) =
                (steps(Clock::Wall, &mut ours), steps(Clock::Wall, &mut floor));
            self.line(out, &name, Some(PIPELINE_GOAL), &mut ours, &mut floor)?;
        }
        Ok(())
    }

    /// Admission against nothing but the signatures.
    fn admission(&self, out: &mut impl Write) -> io::Result<()> {
        let names = ["against_zebra_batch", "against_strict_singles"];
        let names = names.map(|floor| format!("payments::admission/{floor}/batch={BATCH}"));
        if !names.iter().any(|name| self.wanted(name)) {
            return Ok(());
        }
        let [batches, singles] = names;
        let mut ours = Admission::new()?;
        let mut ours = steps(Clock::Cpu, &mut ours);
        let signatures = Batch::new(BATCH);
        let mut floor = repeat(|| assert!(signatures.verify_by_crate()));
        self.line(out, &batches, Some(ADMISSION_GOAL), &mut ours, &mut floor)?;
        let mut floor = repeat(|| assert!(signatures.verify_strictly()));
        self.line(out, &singles, Some(singles_goal()), &mut ours, &mut floor)
    }

    pub(super) fn payments_figures(&self, out: &mut impl Write) -> io::Result<()> {
        let pools = [1, 16].map(|of_each| {
            (of_each, format!("payments::mempool/waiting={WAITING}/of_each={of_each}"))
        });
        let memory = format!("payments::memory/accounts={ACCOUNTS}");
        let names = pools.iter().map(|(_, name)| name).chain([&memory]);
        if !names.into_iter().any(|name| self.wanted(name)) {
            return Ok(());
        }
        let header = "payments, CPU time, without a floor";
        writeln!(out, "\n{header:<NAME_WIDTH$} {:>11}", "figure")?;
        for (of_each, name) in pools {
            if self.wanted(&name) {
                mempool(out, &name, of_each)?;
            }
        }
        if self.wanted(&memory) {
            ledger_memory(out, &memory)?;
        }
        Ok(())
    }
}

/// Transfers a second that are admitted, chosen and taken out, and what one takes.
fn mempool(out: &mut impl Write, name: &str, of_each: u32) -> io::Result<()> {
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    let mut bytes = 0;
    for _ in 0..RUNS {
        let mut pool = Pool::new(of_each)?;
        let ((took, filled), allocated) = counted(|| timed(|| pool.fill()));
        filled?;
        bytes = allocated.bytes;
        let [admitted, chosen, taken] = &mut rates;
        admitted.push(rate(pool.waiting(), took));
        let (took, block) = timed(|| pool.choose());
        chosen.push(rate(block.len(), took));
        let (count, encoded) = (block.len(), Pool::block(&block));
        let (took, accepted) = timed(|| pool.accept(&encoded, 1));
        accepted?;
        taken.push(rate(count, took));
    }
    let [admitted, chosen, taken] = rates.map(median);
    for (what, figure) in [("admit", admitted), ("choose_block", chosen), ("accept_block", taken)] {
        print(out, &format!("{name}/{what}"), figure / 1e6, "M/s")?;
    }
    if installed() {
        let each = u64::try_from(bytes).map_or(f64::NAN, as_f64) / as_f64(WAITING.into());
        print(out, &format!("{name}/memory"), each, "bytes a transfer")?;
    }
    Ok(())
}

/// What an account takes in a ledger, and in a layer that touches it.
fn ledger_memory(out: &mut impl Write, name: &str) -> io::Result<()> {
    let mut apply = Apply::new(ACCOUNTS)?;
    let number = |count: usize| u64::try_from(count).map(as_f64).map_err(told);
    let each = number(apply.ledger().memory_bytes())? / as_f64(ACCOUNTS.into());
    print(out, &format!("{name}/table"), each, "bytes an account")?;
    let (bytes, touched) = apply.layer_bytes()?;
    let each = number(bytes)? / number(touched)?;
    print(out, &format!("{name}/layer"), each, "bytes an account touched")
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = cpu_time();
    let result = work();
    (cpu_time().saturating_sub(start), result)
}

fn rate(count: usize, took: Duration) -> f64 {
    u64::try_from(count).map_or(f64::NAN, as_f64) / took.as_secs_f64()
}

fn print(out: &mut impl Write, name: &str, figure: f64, unit: &str) -> io::Result<()> {
    writeln!(out, "{name:<NAME_WIDTH$} {figure:>11.2} {unit}")?;
    out.flush()
}
