//! What a person sees: a table that is redrawn on a terminal, single lines elsewhere, or JSON.

use std::fmt::Write as _;
use std::io::{self, Write};

use avalanche_consensus::Timestamp;

use super::{Outcome, Simulation};

/// What the devnet is today, and what not.
const WHAT: &str = "simulated network in one process; no sockets, no VM yet";

/// Draws a run.
#[derive(Debug)]
pub struct Table<W> {
    out: W,
    /// Redrawn in place.
    live: bool,
    /// Lines of the last drawing.
    drawn: usize,
    /// Height of the last single line.
    reported: u64,
}

impl<W: Write> Table<W> {
    /// Draws to `out`; in place if `live`, which needs a terminal.
    pub const fn new(out: W, live: bool) -> Self {
        Self { out, live, drawn: 0, reported: 0 }
    }

    /// Says what this is and what it will do.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn start(&mut self, simulation: &Simulation) -> io::Result<()> {
        let config = simulation.config();
        let (nodes, heights) = (config.nodes, config.heights);
        let (seed, loss) = (config.seed, config.loss_percent);
        writeln!(self.out, "devnet: {WHAT}")?;
        writeln!(
            self.out,
            "{nodes} nodes, {heights} heights, seed {seed}, {loss} % of messages lost"
        )
    }

    /// Shows where the run stands.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn show(&mut self, simulation: &Simulation) -> io::Result<()> {
        if self.live {
            return self.redraw(simulation);
        }
        let outcome = simulation.outcome();
        let step = (simulation.config().heights / 10).max(1);
        if outcome.heights < self.reported + step {
            return Ok(());
        }
        self.reported = outcome.heights;
        let Outcome { heights, contested, polls, .. } = outcome;
        writeln!(
            self.out,
            "{}  height {heights:>4}  polls {polls:>6}  conflicts decided {contested:>4}",
            seconds(outcome.now)
        )
    }

    /// Shows the end of a run.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn finish(&mut self, simulation: &Simulation) -> io::Result<()> {
        let Outcome { verdict, hash, heights, contested, polls, rejected, messages, lost, now } =
            simulation.outcome();
        if !self.live {
            self.out.write_all(picture(simulation).as_bytes())?;
        }
        let now = seconds(now);
        writeln!(
            self.out,
            "{heights} heights in {}: {contested} contested, {rejected} rejections, {polls} polls, {messages} messages, {lost} lost",
            now.trim_start()
        )?;
        writeln!(self.out, "{}; decisions {hash:x}", verdict.as_str())?;
        self.out.flush()
    }

    fn redraw(&mut self, simulation: &Simulation) -> io::Result<()> {
        let picture = picture(simulation);
        if self.drawn > 0 {
            // Up to the first line of the last drawing, and clear from there on.
            write!(self.out, "\x1b[{}A\x1b[J", self.drawn)?;
        }
        self.drawn = picture.lines().count();
        self.out.write_all(picture.as_bytes())?;
        self.out.flush()
    }
}

/// One JSON line with the end of a run. Numbers of 64 bits are strings.
#[must_use]
pub fn json(simulation: &Simulation) -> String {
    let config = simulation.config();
    let Outcome { verdict, hash, heights, contested, polls, rejected, messages, lost, now } =
        simulation.outcome();
    format!(
        "{{\"what\":\"{WHAT}\",\"nodes\":{},\"seed\":\"{}\",\"loss_percent\":{},\"verdict\":\"{}\",\
         \"heights\":{heights},\"contested\":{contested},\"polls\":{polls},\"rejected\":{rejected},\
         \"messages\":{messages},\"lost\":{lost},\"virtual_ms\":{},\"decisions\":\"{hash:x}\"}}",
        config.nodes,
        config.seed,
        config.loss_percent,
        verdict.as_str(),
        now.as_nanos() / 1_000_000,
    )
}

/// The table of all nodes.
fn picture(simulation: &Simulation) -> String {
    let mut text = String::new();
    let now = seconds(simulation.outcome().now);
    // Writing into a string cannot fail.
    let _ = writeln!(
        text,
        "\n{now}  weight  height  preferred tip          processing   polls  successful  conflicts  rejected"
    );
    for (index, node) in simulation.status().iter().enumerate() {
        let hex = format!("{:x}", node.preference);
        let short = hex.get(..12).unwrap_or(&hex);
        let percent = node.successful * 100 / node.polls.max(1);
        let _ = writeln!(
            text,
            "node {index:<5} {:>6}  {:>6}  {:>6} {short}..  {:>10}  {:>6}  {:>8} %  {:>9}  {:>8}",
            node.weight,
            node.accepted,
            node.preferred,
            node.processing,
            node.polls,
            percent,
            node.contested,
            node.rejected,
        );
    }
    text
}

/// A virtual time in seconds, as wide as "node 12345".
fn seconds(now: Timestamp) -> String {
    let millis = now.as_nanos() / 1_000_000;
    format!("{:>6}.{} s", millis / 1_000, millis / 100 % 10)
}
