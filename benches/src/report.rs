//! The table of ratios, the curve of polls against network size, and the memory figures.

use std::io::{self, Write};

use avalanche_consensus::Error;
use avalanche_consensus::snowball::{Rule, Snowball, Snowflake};

use crate::floor::network::Flat;
use crate::measure::{Comparison, Effort, as_f64, compare};
use crate::snowball::{self, COLOURS, SIZES};
use crate::snowman::{DEPTHS, Shape, Steady, SteadyFloor, Stream, StreamFloor};

/// How many times its floor a workload may take, where the project has set a goal.
const GOAL: f64 = 3.0;

/// Measures and prints.
#[derive(Debug)]
pub struct Report {
    effort: Effort,
    words: Vec<String>,
}

impl Report {
    /// A report of the lines whose names contain one of `words`; of all if there are none.
    #[must_use]
    pub const fn new(effort: Effort, words: Vec<String>) -> Self {
        Self { effort, words }
    }

    /// Measures everything and prints it to `out` as it comes.
    ///
    /// # Errors
    ///
    /// Those of `out`; and a workload that the core refuses, which a correct core does not.
    pub fn run(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "{:<46} {:>11} {:>11} {:>7} {:>6}",
            "one operation", "ours ns", "floor ns", "ratio", "goal"
        )?;
        self.snowman(out)?;
        self.snowball(out)?;
        self.curve(out)
    }

    fn wanted(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word.as_str()))
    }

    /// Measures one line, if it is wanted, and prints it.
    fn line(
        &self,
        out: &mut impl Write,
        name: &str,
        goal: Option<f64>,
        ours: &mut dyn FnMut(u64) -> u64,
        floor: &mut dyn FnMut(u64) -> u64,
    ) -> io::Result<()> {
        if !self.wanted(name) {
            return Ok(());
        }
        let Comparison { ours, floor, ratio } = compare(self.effort, ours, floor);
        let goal_text = goal.map_or_else(|| "-".to_owned(), |goal| format!("{goal:.1}"));
        let over = if goal.is_some_and(|goal| ratio > goal) { "  over" } else { "" };
        writeln!(out, "{name:<46} {ours:>11.1} {floor:>11.1} {ratio:>7.2} {goal_text:>6}{over}")?;
        out.flush()
    }

    fn snowman(&self, out: &mut impl Write) -> io::Result<()> {
        for shape in Shape::ALL {
            for depth in DEPTHS {
                let mut ours = Steady::new(shape, depth).map_err(refused)?;
                let mut floor = SteadyFloor::new(shape, depth);
                let name = format!("snowman::record_poll/{}/depth={depth}", shape.as_str());
                let (ours, floor) = (repeat(|| ours.poll()), repeat(|| floor.poll()));
                self.line(out, &name, Some(GOAL), &mut { ours }, &mut { floor })?;
            }
        }
        for shape in [Shape::Chain, Shape::SiblingsSplit] {
            for depth in DEPTHS {
                let mut ours = Steady::new(shape, depth).map_err(refused)?;
                let mut floor = SteadyFloor::new(shape, depth);
                let name = format!("snowman::20_answers/{}/depth={depth}", shape.as_str());
                let (ours, floor) =
                    (repeat(|| ours.poll_answers()), repeat(|| floor.poll_answers()));
                self.line(out, &name, Some(GOAL), &mut { ours }, &mut { floor })?;
            }
        }
        for (name, contested) in [("alone", false), ("rival", true)] {
            let mut ours = Stream::new(contested).map_err(refused)?;
            let mut floor = StreamFloor::new();
            let name = format!("snowman::issue_20_polls_accept/{name}");
            let ours = repeat(|| assert!(ours.accept_one(), "a block was not accepted"));
            self.line(out, &name, None, &mut { ours }, &mut repeat(|| floor.accept_one()))?;
        }
        Ok(())
    }

    fn snowball(&self, out: &mut impl Write) -> io::Result<()> {
        for colours in COLOURS {
            for nodes in SIZES {
                self.network::<Snowball>(out, "snowball", nodes, colours)?;
                self.network::<Snowflake>(out, "snowflake", nodes, colours)?;
            }
        }
        Ok(())
    }

    /// One poll of a network, from a random split to the last decision. Making the network is left out
    /// of the time, as in the floor.
    fn network<R: Rule>(
        &self,
        out: &mut impl Write,
        rule: &str,
        nodes: u32,
        colours: u8,
    ) -> io::Result<()> {
        let name = format!("snowball::network/{rule}/colours={colours}/nodes={nodes}");
        if !self.wanted(&name) {
            return Ok(());
        }
        let start = snowball::network::<R>(nodes, colours, 1).map_err(refused)?;
        let mut network = start.clone();
        let mut ours = |polls: u64| {
            let mut done = 0;
            while done < polls {
                done += network.run(polls - done);
                if network.undecided() == 0 {
                    network.clone_from(&start);
                }
            }
            done
        };
        let flat = || Flat::new(nodes, colours, snowball::K, 15, 20, 1);
        let mut floor_network = flat();
        let mut floor = |polls: u64| {
            let mut done = 0;
            while done < polls {
                done += floor_network.run(polls - done);
                if floor_network.finished() {
                    floor_network = flat();
                }
            }
            done
        };
        self.line(out, &name, Some(GOAL), &mut ours, &mut floor)
    }

    /// Polls for each node against the size of the network, the mean of some seeds.
    fn curve(&self, out: &mut impl Write) -> io::Result<()> {
        if !self.wanted("curve") {
            return Ok(());
        }
        writeln!(
            out,
            "\npolls for each node until all have decided, mean of 3 seeds (at least {})",
            snowball::BETA
        )?;
        writeln!(out, "{:<12} {:>8} {:>10} {:>10}", "rule", "nodes", "2 colours", "10 colours")?;
        for nodes in [100, 300, 1_000, 3_000, 10_000] {
            curve_line::<Snowball>(out, "snowball", nodes)?;
        }
        for nodes in [100, 300, 1_000, 3_000, 10_000] {
            curve_line::<Snowflake>(out, "snowflake", nodes)?;
        }
        Ok(())
    }
}

fn curve_line<R: Rule>(out: &mut impl Write, rule: &str, nodes: u32) -> io::Result<()> {
    write!(out, "{rule:<12} {nodes:>8}")?;
    for colours in COLOURS {
        let mut polls = 0;
        for seed in 1..=3 {
            let mut network = snowball::network::<R>(nodes, colours, seed).map_err(refused)?;
            polls += network.run(u64::from(nodes) * 1_000);
            if network.agreement().is_none() {
                return Err(io::Error::other(format!("{nodes} nodes did not agree, seed {seed}")));
            }
        }
        write!(out, " {:>10.1}", as_f64(polls) / as_f64(u64::from(nodes) * 3))?;
    }
    writeln!(out)
}

/// A closure that does one operation as one that does many.
fn repeat(mut operation: impl FnMut()) -> impl FnMut(u64) -> u64 {
    move |count| {
        (0..count).for_each(|_| operation());
        count
    }
}

/// A workload was refused: the core is not what this bench was written for.
fn refused(error: Error) -> io::Error {
    io::Error::other(error)
}
