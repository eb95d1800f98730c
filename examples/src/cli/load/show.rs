//! What a load shows while it runs: a bar on a terminal, or a line of JSON each second.

use std::time::Duration;

use serde_json::json;

use super::book::Book;
use super::report::rate;
use crate::cli::CliError;
use crate::cli::bar::Bar;
use crate::cli::output::Output;

/// Time between two lines.
const PERIOD: Duration = Duration::from_secs(1);

/// Shows progress.
#[derive(Debug)]
pub(super) struct Show<'a, 'b> {
    output: &'a mut Output<'b>,
    bar: Bar,
    /// When something was shown last, and how many payments were final then.
    last: (Duration, u64),
}

impl<'a, 'b> Show<'a, 'b> {
    pub(super) fn new(output: &'a mut Output<'b>, total: Option<u64>) -> Self {
        let bar = Bar::new("final", total, output.is_json());
        Self { output, bar, last: (Duration::ZERO, 0) }
    }

    /// Shows where the run is, if it is time.
    pub(super) fn progress(&mut self, now: Duration, book: &Book) -> Result<(), CliError> {
        let counts = book.counts();
        let (then, before) = self.last;
        let since = now.saturating_sub(then);
        if since < PERIOD {
            return Ok(());
        }
        let tps = rate(counts.accepted.saturating_sub(before), since);
        self.last = (now, counts.accepted);
        let open = book.sent_and_open();
        self.bar.show(counts.accepted, format!("{tps:.0} a second, {open} under way"));
        if !self.output.is_json() {
            return Ok(());
        }
        let line = json!({
            "event": "progress",
            "seconds": (now.as_secs_f64() * 1_000.0).round() / 1_000.0,
            "submitted": counts.submitted, "accepted": counts.accepted,
            "rejected": counts.rejected, "under_way": open, "resent": counts.resent,
            "tps": tps.round(),
        });
        self.output.result(&line, "")
    }
}
