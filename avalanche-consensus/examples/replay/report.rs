//! What is printed: differences, faults, counts by file, and the summary.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use super::check::{Comparisons, Level, Mismatch};

/// Different faults that are printed for one file; the rest is counted.
const FAULTS_PRINTED_MAX: usize = 10;

/// The level that is checked: 2, which includes 1.
const LEVEL: u8 = Level::Layout as u8;

/// What was done, for one file or for all.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) traces: u64,
    /// Executed events, `init` included.
    pub(crate) events: u64,
    pub(crate) comparisons: u64,
    pub(crate) level1: u64,
    pub(crate) level2: u64,
    /// Traces that differ.
    pub(crate) mismatches: u64,
    /// Traces of which nothing was replayed, because their `init` cannot be executed. Each is a
    /// fault too.
    pub(crate) skipped: u64,
    /// Reasons for exit code 2.
    pub(crate) faults: u64,
    /// Traces by family.
    pub(crate) families: BTreeMap<String, u64>,
}

impl Counts {
    pub(crate) const fn add_comparisons(&mut self, comparisons: Comparisons) {
        self.comparisons += comparisons.total();
        self.level1 += comparisons.decisions;
        self.level2 += comparisons.layout;
    }

    fn add(&mut self, other: &Self) {
        self.traces += other.traces;
        self.events += other.events;
        self.comparisons += other.comparisons;
        self.level1 += other.level1;
        self.level2 += other.level2;
        self.mismatches += other.mismatches;
        self.skipped += other.skipped;
        self.faults += other.faults;
        for (family, traces) in &other.families {
            *self.families.entry(family.clone()).or_default() += traces;
        }
    }

    /// 2 wins over 1.
    pub(crate) const fn exit_code(&self) -> u8 {
        match (self.faults, self.mismatches) {
            (0, 0) => 0,
            (0, _) => 1,
            _ => 2,
        }
    }
}

/// A line of machine-readable output.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Mismatch {
        file: &'a str,
        line: u64,
        #[serde(flatten)]
        difference: &'a Difference,
    },
    Fault {
        file: Option<&'a str>,
        line: Option<u64>,
        problem: &'a str,
    },
    File {
        file: &'a str,
        #[serde(flatten)]
        counts: &'a Counts,
    },
    Summary {
        files: u64,
        level: u8,
        #[serde(flatten)]
        counts: &'a Counts,
        exit: u8,
    },
}

/// The first difference of a trace, with both states.
#[derive(Debug, Serialize)]
pub(crate) struct Difference {
    pub(crate) seed: String,
    pub(crate) family: String,
    pub(crate) op: String,
    member: String,
    level: u8,
    expected: Option<Value>,
    actual: Value,
    /// The whole recorded result.
    recorded: Value,
    /// Every member that the replay gave for this event.
    replayed: Map<String, Value>,
    /// The whole replayed state after the event.
    state: Value,
}

impl Difference {
    pub(crate) fn new(
        [seed, family, op]: [&str; 3],
        (mismatch, replayed): (Mismatch, Map<String, Value>),
        recorded: Value,
        state: Value,
    ) -> Self {
        let Mismatch { level, member, expected, actual } = mismatch;
        let level = level as u8;
        let [seed, family, op] = [seed, family, op].map(str::to_owned);
        Self { seed, family, op, member, level, expected, actual, recorded, replayed, state }
    }
}

/// Prints results to one stream and faults to the other; in JSON form everything goes to the first.
pub(crate) struct Report<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    json: bool,
    files: u64,
    totals: Counts,
    file: String,
    counts: Counts,
    printed_faults: BTreeSet<String>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, json: bool) -> Self {
        Self {
            out,
            err,
            json,
            files: 0,
            totals: Counts::default(),
            file: String::new(),
            counts: Counts::default(),
            printed_faults: BTreeSet::new(),
        }
    }

    /// Counts of the file that is being read.
    pub(crate) const fn counts(&mut self) -> &mut Counts {
        &mut self.counts
    }

    pub(crate) fn begin_file(&mut self, path: &Path) {
        self.file = path.display().to_string();
    }

    pub(crate) fn mismatch(&mut self, line: u64, difference: &Difference) -> io::Result<()> {
        self.counts.mismatches += 1;
        let file = &self.file;
        if self.json {
            return write_json(self.out, &Line::Mismatch { file, line, difference });
        }
        let Difference { seed, family, op, member, level, .. } = difference;
        writeln!(
            self.out,
            "MISMATCH {file}:{line}: seed {seed}, family {family}, op {op}, member {member} (level \
             {level})"
        )?;
        let expected = difference.expected.as_ref();
        let expected = expected.map_or_else(|| "(absent)".to_owned(), Value::to_string);
        writeln!(self.out, "  expected: {expected}")?;
        writeln!(self.out, "  actual:   {}", difference.actual)?;
        writeln!(self.out, "  recorded result: {}", difference.recorded)?;
        writeln!(self.out, "  replayed result: {}", Value::Object(difference.replayed.clone()))?;
        writeln!(self.out, "  replayed state:  {}", difference.state)
    }

    /// Reports something wrong with the input, at a line or with the file as a whole.
    pub(crate) fn fault(&mut self, line: Option<u64>, problem: &str) -> io::Result<()> {
        self.counts.faults += 1;
        let printed = self.printed_faults.len();
        if printed >= FAULTS_PRINTED_MAX || !self.printed_faults.insert(problem.to_owned()) {
            return Ok(());
        }
        let file = Some(self.file.as_str()).filter(|file| !file.is_empty());
        if self.json {
            return write_json(self.out, &Line::Fault { file, line, problem });
        }
        self.out.flush()?;
        match (file, line) {
            (Some(file), Some(line)) => writeln!(self.err, "ERROR {file}:{line}: {problem}"),
            (Some(file), None) => writeln!(self.err, "ERROR {file}: {problem}"),
            (None, _) => writeln!(self.err, "ERROR {problem}"),
        }
    }

    /// Ends a file. `show` says whether its counts are printed.
    pub(crate) fn end_file(&mut self, show: bool) -> io::Result<()> {
        let counts = std::mem::take(&mut self.counts);
        let file = std::mem::take(&mut self.file);
        let printed = std::mem::take(&mut self.printed_faults).len();
        self.files += 1;
        self.totals.add(&counts);
        if self.json {
            let line = Line::File { file: &file, counts: &counts };
            return if show { write_json(self.out, &line) } else { Ok(()) };
        }
        let unprinted = counts.faults.saturating_sub(u64::try_from(printed).unwrap_or(u64::MAX));
        if unprinted > 0 {
            self.out.flush()?;
            writeln!(self.err, "ERROR {file}: {unprinted} more errors like these")?;
        }
        if !show {
            return Ok(());
        }
        let Counts { traces, events, comparisons, level1, level2, mismatches, .. } = counts;
        write!(
            self.out,
            "{file}: {traces} traces, {events} events, {comparisons} comparisons (level 1: {level1}, \
             level 2: {level2}), {mismatches} mismatches"
        )?;
        if counts.skipped > 0 {
            write!(self.out, ", {} skipped", counts.skipped)?;
        }
        if counts.faults > 0 {
            write!(self.out, ", {} errors", counts.faults)?;
        }
        writeln!(self.out)
    }

    /// Prints the summary line, and returns the exit code.
    pub(crate) fn finish(&mut self) -> io::Result<u8> {
        // Faults that belong to no file.
        let rest = std::mem::take(&mut self.counts);
        self.totals.add(&rest);
        let exit = self.totals.exit_code();
        let (files, counts) = (self.files, &self.totals);
        write_json(self.out, &Line::Summary { files, level: LEVEL, counts, exit })?;
        self.out.flush()?;
        Ok(exit)
    }

    /// A line of text or an object, for output that has a form of its own.
    pub(crate) fn print(&mut self, text: &str, object: &impl Serialize) -> io::Result<()> {
        if self.json { write_json(self.out, object) } else { writeln!(self.out, "{text}") }
    }
}

fn write_json(out: &mut dyn Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    writeln!(out)
}
