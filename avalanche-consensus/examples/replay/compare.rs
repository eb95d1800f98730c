//! One file, trace by trace.

use std::io;
use std::path::Path;

use serde_json::Value;

use super::check::Check;
use super::family::{self, Event, Replay};
use super::json::Fault;
use super::reader::Lines;
use super::report::{Difference, Report};

/// Replays a file and reports what differs.
pub(crate) fn file(path: &Path, report: &mut Report<'_>) -> io::Result<()> {
    report.begin_file(path);
    match Lines::open(path) {
        Ok(lines) => {
            let mut reading =
                Reading { lines, trace: Trace::None, check: Check::default(), report };
            reading.all_lines()?;
            reading.finish()?;
        }
        Err(error) => report.fault(None, &format!("cannot be read: {error}"))?,
    }
    report.end_file(true)
}

/// The trace that the next line belongs to.
enum Trace {
    /// Before the first `init`.
    None,
    Running(Running),
    /// The rest of a trace that cannot go on, up to the next `init`.
    Over,
    /// A trace of this family, which is unknown. That was reported with its `init`.
    Unknown(String),
}

struct Running {
    family: String,
    seed: String,
    replay: Box<dyn Replay>,
}

struct Reading<'a, 'b> {
    lines: Lines,
    trace: Trace,
    check: Check,
    report: &'a mut Report<'b>,
}

impl Reading<'_, '_> {
    fn all_lines(&mut self) -> io::Result<()> {
        loop {
            let value = match self.lines.next() {
                Ok(None) => return Ok(()),
                Ok(Some(line)) => serde_json::from_slice::<Value>(line),
                Err(error) => {
                    let line = self.lines.number() + 1;
                    return self.report.fault(Some(line), &format!("cannot be read: {error}"));
                }
            };
            match value {
                Ok(value) => self.line(&value)?,
                Err(error) => {
                    self.trace = Trace::Over;
                    // The position inside the line is enough; its number is in the report already.
                    let (kind, column) = (error.classify(), error.column());
                    self.fault(&Fault::new(format!("invalid JSON ({kind:?}) at column {column}")))?;
                }
            }
        }
    }

    fn line(&mut self, value: &Value) -> io::Result<()> {
        let event = match Event::new(value) {
            Ok(event) => event,
            Err(fault) => return self.stop(&fault),
        };
        if event.op == "init" {
            return self.init(&event, value);
        }
        match std::mem::replace(&mut self.trace, Trace::Over) {
            Trace::None => self.stop(&Fault::new("event before the first `init`")),
            // Not executed any more, but an unknown operation is still an error.
            Trace::Over => {
                family::known(&event).map_or_else(|fault| self.fault(&fault), |()| Ok(()))
            }
            Trace::Unknown(family) if family == event.family => {
                self.trace = Trace::Unknown(family);
                Ok(())
            }
            Trace::Unknown(family) => self.foreign(&event, &family),
            Trace::Running(running) if running.family != event.family => {
                self.foreign(&event, &running.family)
            }
            Trace::Running(mut running) => {
                self.check.next_event();
                let executed = running.replay.event(&event, &mut self.check);
                self.executed(&event, value, executed, running)
            }
        }
    }

    fn init(&mut self, event: &Event<'_>, value: &Value) -> io::Result<()> {
        let counts = self.report.counts();
        counts.traces += 1;
        *counts.families.entry(event.family.to_owned()).or_default() += 1;
        self.check.next_event();
        match family::start(event, &mut self.check) {
            Ok(replay) => {
                let seed = event.line.find("seed").map_or_else(|| "(none)".to_owned(), text);
                let running = Running { family: event.family.to_owned(), seed, replay };
                self.executed(event, value, Ok(()), running)
            }
            Err(fault) => {
                self.report.counts().skipped += 1;
                self.trace = match family::known(event) {
                    Ok(()) => Trace::Over,
                    Err(_) => Trace::Unknown(event.family.to_owned()),
                };
                self.fault(&fault)
            }
        }
    }

    /// After an event: goes on, or reports the first difference and leaves the rest of the trace.
    fn executed(
        &mut self,
        event: &Event<'_>,
        value: &Value,
        executed: Result<(), Fault>,
        running: Running,
    ) -> io::Result<()> {
        if let Some(mismatch) = self.check.take_mismatch() {
            let names = [running.seed.as_str(), event.family, event.op];
            let recorded = value.get("out").cloned().unwrap_or_default();
            let state = running.replay.state();
            let difference = Difference::new(names, mismatch, recorded, state);
            self.report.mismatch(self.lines.number(), &difference)?;
        } else if executed.is_ok() {
            self.trace = Trace::Running(running);
        }
        match executed {
            Ok(()) => self.report.counts().events += 1,
            Err(fault) => self.fault(&fault)?,
        }
        Ok(())
    }

    fn foreign(&mut self, event: &Event<'_>, family: &str) -> io::Result<()> {
        let found = event.family;
        self.stop(&Fault::new(format!("event of family `{found}` in a trace of `{family}`")))
    }

    /// Reports a fault and leaves the rest of the trace.
    fn stop(&mut self, fault: &Fault) -> io::Result<()> {
        self.trace = Trace::Over;
        self.fault(fault)
    }

    fn fault(&mut self, fault: &Fault) -> io::Result<()> {
        self.report.fault(Some(self.lines.number()), &fault.to_string())
    }

    fn finish(&mut self) -> io::Result<()> {
        let counts = self.report.counts();
        counts.add_comparisons(self.check.comparisons());
        let nothing = counts.traces == 0 && counts.faults == 0;
        if nothing { self.report.fault(None, "there is no trace in this file") } else { Ok(()) }
    }
}

/// A seed, which identifies a trace in reports and may have any form.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
