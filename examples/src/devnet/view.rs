//! What a person sees: on a terminal a table that is redrawn below what happened, elsewhere lines,
//! or JSON.

use std::fmt::Write as _;
use std::io::{self, Write};

use avalanche_consensus::Timestamp;
use avalanche_consensus::engine::Phase;
use avalanche_consensus::testing::simulation::{NodeStatus, Report, Simulation, Verdict};

use super::Config;

/// What the devnet is today, and what not.
const WHAT: &str = "simulated network in one process; the real engine, a toy VM, no sockets yet";

/// Draws a run.
#[derive(Debug)]
pub struct View<W> {
    out: W,
    config: Config,
    /// Redrawn in place.
    live: bool,
    /// Lines of the last drawing.
    drawn: usize,
    /// What was injected and shown.
    told: usize,
    /// Height of the last single line.
    reported: u64,
}

impl<W: Write> View<W> {
    /// Draws to `out`; in place if `live`, which needs a terminal.
    pub const fn new(out: W, config: Config, live: bool) -> Self {
        Self { out, config, live, drawn: 0, told: 0, reported: 0 }
    }

    /// Says what this is and what it will do.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn start(&mut self) -> io::Result<()> {
        let Config { heights, nodes, seed, loss_percent } = self.config;
        writeln!(self.out, "devnet: {WHAT}")?;
        writeln!(
            self.out,
            "{nodes} nodes, {heights} heights, seed {seed}, {loss_percent} % of messages lost"
        )
    }

    /// Shows where the run stands.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn show(&mut self, simulation: &Simulation) -> io::Result<()> {
        let mut text = String::new();
        if self.drawn > 0 {
            // Up to the first line of the last drawing, and clear from there on.
            let _ = write!(text, "\x1b[{}A\x1b[J", self.drawn);
        }
        for (at, line) in simulation.injected().skip(self.told) {
            let _ = writeln!(text, "{}  * {line}", seconds(at));
            self.told += 1;
        }
        if self.live {
            let table = table(simulation);
            self.drawn = table.lines().count();
            text.push_str(&table);
        } else {
            let Report { heights, polls, counts, .. } = simulation.report();
            let step = (self.config.heights / 10).max(1);
            if heights >= self.reported + step {
                self.reported = heights;
                let now = seconds(simulation.now());
                let conflicts = counts.conflicts;
                let _ = writeln!(
                    text,
                    "{now}  height {heights:>4}  polls {polls:>6}  conflicts decided {conflicts:>4}"
                );
            }
        }
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Shows the end of a run.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn finish(&mut self, simulation: &Simulation) -> io::Result<()> {
        self.show(simulation)?;
        let Report { heights, polls, counts, network, .. } = simulation.report();
        if !self.live {
            self.out.write_all(table(simulation).as_bytes())?;
        }
        let now = seconds(simulation.now());
        writeln!(
            self.out,
            "\n{heights} heights in {}: {} contested, {} rejections, {polls} polls, {} crashes, \
             {} partitions, {} messages, {} lost",
            now.trim_start(),
            counts.conflicts,
            counts.rejected,
            counts.crashes,
            counts.partitions,
            network.messages,
            network.lost + network.cut,
        )?;
        writeln!(self.out, "{}; events {}", verdict(simulation), hash(simulation))?;
        self.out.flush()
    }
}

/// One JSON line with the end of a run. Numbers of 64 bits are strings.
#[must_use]
pub fn json(config: &Config, simulation: &Simulation) -> String {
    let Report { heights, polls, counts, network, .. } = simulation.report();
    format!(
        "{{\"what\":\"{WHAT}\",\"nodes\":{},\"seed\":\"{}\",\"loss_percent\":{},\"verdict\":\"{}\",\
         \"heights\":{heights},\"contested\":{},\"polls\":{polls},\"accepted\":{},\
         \"rejected\":{},\"crashes\":{},\"partitions\":{},\"messages\":{},\"lost\":{},\
         \"virtual_ms\":{},\"event_hash\":\"{}\"}}",
        config.nodes,
        config.seed,
        config.loss_percent,
        verdict(simulation),
        counts.conflicts,
        counts.accepted,
        counts.rejected,
        counts.crashes,
        counts.partitions,
        network.messages,
        network.lost + network.cut,
        simulation.now().as_nanos() / 1_000_000,
        hash(simulation),
    )
}

/// The end of a run in words.
fn verdict(simulation: &Simulation) -> String {
    match simulation.verdict() {
        None => "running".to_owned(),
        Some(Verdict::Pass) => "all nodes agree".to_owned(),
        Some(verdict @ Verdict::NoProgress { .. }) => verdict.to_string(),
        Some(Verdict::Diverged(violation)) => format!("NODES DISAGREE: {violation}"),
    }
}

/// The hash of everything that happened, in hexadecimal.
fn hash(simulation: &Simulation) -> String {
    let bytes = simulation.report().event_hash;
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// The table of all nodes.
fn table(simulation: &Simulation) -> String {
    let mut text = String::new();
    let now = seconds(simulation.now());
    // Writing into a string cannot fail.
    let _ = writeln!(
        text,
        "\n{now}  weight  phase          height  prefers                 undecided  open polls  \
         polls  built"
    );
    for (index, node) in simulation.status().iter().enumerate() {
        let hex = format!("{:x}", node.preference);
        let short = hex.get(..12).unwrap_or(&hex);
        let _ = writeln!(
            text,
            "node {index:<5} {:>6}  {:<13} {:>7}  {:>6} {short}..  {:>11}  {:>10}  {:>5}  {:>5}",
            node.weight,
            doing(node),
            node.height,
            node.preferred_height,
            node.processing,
            node.polls_open,
            node.polls,
            node.built,
        );
    }
    text
}

/// What a node is at, in a word.
fn doing(node: &NodeStatus) -> &'static str {
    match (node.adversary, node.phase) {
        (_, None) => "down",
        (Some(behaviour), _) => behaviour.name(),
        (None, Some(Phase::StateSyncing)) => "state sync",
        (None, Some(Phase::Bootstrapping)) => "bootstrapping",
        (None, Some(Phase::NormalOperation)) => "normal",
    }
}

/// A virtual time in seconds, as wide as "node 12345".
fn seconds(now: Timestamp) -> String {
    let millis = now.as_nanos() / 1_000_000;
    format!("{:>6}.{} s", millis / 1_000, millis / 100 % 10)
}
