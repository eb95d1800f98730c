//! The lines of the store.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use avalanche_store::Error;

use super::Report;
use crate::measure::{Clock, Done, Effort, compare_by, repeat};
use crate::store::key_value::{Engine, Workload};
use crate::store::log::{Append, AppendFloor, Group, reading};
use crate::store::state::{self, Proofs, Root, hash_floor};

/// A durable append may take 1/0.85 of the bare calls.
const APPEND_GOAL: f64 = 1.0 / 0.85;
/// A back-end may take 1/0.9 of the bare engine.
const ENGINE_GOAL: f64 = 1.0 / 0.9;
/// A root may take 1/0.7 of its hashes.
const ROOT_GOAL: f64 = 1.0 / 0.7;

impl Report {
    /// Lines with a floor.
    pub(super) fn store(&self, out: &mut impl Write) -> io::Result<()> {
        self.appends(out)?;
        self.engines(out)?;
        self.roots(out)
    }

    fn appends(&self, out: &mut impl Write) -> io::Result<()> {
        for (what, group, goal) in [
            ("one_block_of_2MB", Group::LARGE, Some(APPEND_GOAL)),
            ("1000_blocks_of_1KiB", Group::SMALL, None),
        ] {
            let name = format!("store::append_synced/{what} (wall)");
            if !self.wanted(&name) {
                continue;
            }
            let mut ours = Append::new(group).map_err(failed)?;
            let mut floor = AppendFloor::new(group)?;
            let ours = repeat(|| assert!(ours.append_one(), "a block was refused"));
            let floor = repeat(|| assert!(floor.append_one(), "a write was refused"));
            self.line_by(out, Clock::Wall, &name, goal, &mut { ours }, &mut { floor })?;
        }
        Ok(())
    }

    fn engines(&self, out: &mut impl Write) -> io::Result<()> {
        for engine in Engine::ALL {
            let write = format!("store::{}/commit_1000_rows_synced (wall)", engine.as_str());
            let read = format!("store::{}/get", engine.as_str());
            if !self.wanted(&write) && !self.wanted(&read) {
                continue;
            }
            let mut ours = Workload::ours(Some(engine)).map_err(failed)?;
            let mut floor = Workload::bare(engine).map_err(failed)?;
            ours.fill();
            floor.fill();
            {
                let ours = repeat(|| assert!(ours.read_one(), "a row is missing"));
                let floor = repeat(|| assert!(floor.read_one(), "a row is missing"));
                self.line(out, &read, Some(ENGINE_GOAL), &mut { ours }, &mut { floor })?;
            }
            let ours = repeat(|| assert!(ours.write_one(), "a batch was refused"));
            let floor = repeat(|| assert!(floor.write_one(), "a batch was refused"));
            let goal = Some(ENGINE_GOAL);
            self.line_by(out, Clock::Wall, &write, goal, &mut { ours }, &mut { floor })?;
        }
        Ok(())
    }

    fn roots(&self, out: &mut impl Write) -> io::Result<()> {
        let name = |threads| format!("store::root/1M_accounts/8192_dirty/threads={threads} (wall)");
        if !self.wanted(&name(1)) && !self.wanted(&name(2)) {
            return Ok(());
        }
        let mut root = Root::new();
        for (threads, goal) in [(1, Some(ROOT_GOAL)), (2, None)] {
            root.set_threads(threads);
            let hashes = root.root_one();
            root.prepare();
            // Blocks differ by some hashes in a thousand.
            let floor = repeat(|| hash_floor(hashes));
            let ours = |blocks| {
                let mut apart = Duration::ZERO;
                for _ in 0..blocks {
                    root.root_one();
                    let start = Instant::now();
                    root.prepare();
                    apart += start.elapsed();
                }
                Done { operations: blocks, apart }
            };
            self.line_by(out, Clock::Wall, &name(threads), goal, &mut { ours }, &mut { floor })?;
        }
        if self.wanted("memory") || self.wanted(&name(1)) {
            writeln!(
                out,
                "{:<46} {:>11}",
                "store::root bytes an account",
                root.bytes_an_account()
            )?;
        }
        Ok(())
    }

    /// Figures without a floor.
    pub(super) fn store_figures(&self, out: &mut impl Write) -> io::Result<()> {
        if !self.wanted("store::figures") {
            return Ok(());
        }
        writeln!(
            out,
            "\nstate of {} accounts, a block that changes {}: milliseconds",
            state::STORED,
            state::DIRTY
        )?;
        writeln!(out, "{:<46} {:>11} {:>11} {:>11}", "back-end", "root", "commit", "flush")?;
        for engine in [None, Some(Engine::Sled), Some(Engine::Redb)] {
            let name = engine.map_or("memory", Engine::as_str);
            let state::Written { root, commit, flush } = state::written(engine).map_err(failed)?;
            let [root, commit, flush] = [root, commit, flush].map(|seconds| seconds * 1e3);
            writeln!(out, "{name:<46} {root:>11.1} {commit:>11.1} {flush:>11.1}")?;
        }
        self.proofs(out)?;
        writeln!(out, "\nreading a log again")?;
        writeln!(
            out,
            "{:<46} {:>11} {:>11} {:>11}",
            "blocks", "open MB/s", "replay MB/s", "blocks/s"
        )?;
        for (name, group, groups) in [("2 MB", Group::LARGE, 120), ("1 KiB", Group::SMALL, 120)] {
            let [open, replay, blocks] = reading(group, groups).map_err(failed)?.rates();
            writeln!(out, "{name:<46} {open:>11.0} {replay:>11.0} {blocks:>11.0}")?;
        }
        Ok(())
    }

    fn proofs(&self, out: &mut impl Write) -> io::Result<()> {
        let mut proofs = Proofs::new().map_err(failed)?;
        let made = proofs.made(1_000).map_err(failed)?;
        let bytes = proofs.prove_one().map_err(failed)?;
        let range_bytes = proofs.prove_range(1_000).map_err(failed)?;
        let effort = Effort { pairs: 5, ..self.effort };
        let mut at = 0;
        let mut verify = repeat(|| {
            at = (at + 1) % made.len();
            assert!(made.get(at).is_some_and(state::Made::holds), "a true proof was refused");
        });
        let range = Proofs::new().map_err(failed)?;
        let mut prove = repeat(|| _ = proofs.prove_one());
        let inclusion = compare_by(Clock::Cpu, effort, &mut prove, &mut verify);
        let mut prove_range = repeat(|| _ = range.prove_range(1_000));
        let ranges = compare_by(Clock::Cpu, effort, &mut prove_range, &mut verify);
        writeln!(out, "\nproofs of {} accounts", state::STORED)?;
        writeln!(out, "{:<46} {:>11} {:>11} {:>11}", "proof", "make us", "verify us", "bytes")?;
        let [make, verify] = [inclusion.ours / 1e3, inclusion.floor / 1e3];
        writeln!(out, "{:<46} {make:>11.2} {verify:>11.2} {bytes:>11}", "one account")?;
        let make = ranges.ours / 1e3;
        writeln!(out, "{:<46} {make:>11.2} {:>11} {range_bytes:>11}", "range of 1000", "-")?;
        Ok(())
    }
}

/// A workload was refused: the store is not what this bench was written for.
fn failed(error: Error) -> io::Error {
    io::Error::other(error)
}
