//! The table of ratios, the curve of polls against network size, and the memory figures.

mod net;
mod payments;
mod store;
mod vm;

use std::io::{self, Write};
use std::time::Duration;

use avalanche_consensus::Error;
use avalanche_consensus::snowball::{Rule, Snowball, Snowflake};

use crate::allocations;
use crate::engine::{AnswerFloor, Committee, Network, endless};
use crate::floor::network::Flat;
use crate::measure::{Comparison, Done, Effort, Work, as_f64, compare, cpu_time, repeat};
use crate::poll::{self, Polling, PollingFloor};
use crate::sampler::{self, Exact, Seeded, VALIDATORS};
use crate::snowball::{self, COLOURS, SIZES};
use crate::snowman::{DEPTHS, Shape, Steady, SteadyFloor, Stream, StreamFloor};

/// How many times its floor a workload may take, where the project has set a goal.
const GOAL: f64 = 3.0;

/// Columns of a line's name.
const NAME_WIDTH: usize = 54;

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
            "{:<NAME_WIDTH$} {:>11} {:>11} {:>7} {:>6}",
            "one operation, CPU time", "ours ns", "floor ns", "ratio", "goal"
        )?;
        self.snowman(out)?;
        self.snowball(out)?;
        self.sampler(out)?;
        self.polls(out)?;
        self.engine(out)?;
        self.payments(out)?;
        self.vm(out)?;
        self.net(out)?;
        self.store(out)?;
        self.payments_figures(out)?;
        self.net_figures(out)?;
        self.throughput(out)?;
        self.curve(out)?;
        self.memory(out)
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
        ours: Work<'_>,
        floor: Work<'_>,
    ) -> io::Result<()> {
        if !self.wanted(name) {
            return Ok(());
        }
        print(out, name, goal, compare(self.effort, ours, floor))
    }

    fn snowman(&self, out: &mut impl Write) -> io::Result<()> {
        for shape in Shape::ALL {
            for depth in DEPTHS {
                let mut ours = Steady::new(shape, depth).map_err(refused)?;
                let mut floor = SteadyFloor::new(shape, depth);
                let name = format!("snowman::record_poll/{}/depth={depth}", shape.as_str());
                let (ours, floor) = (repeat(|| ours.poll()), repeat(|| floor.poll()));
                // No goal was set for polls that contradict each other: they cannot be steady.
                let goal = (shape != Shape::Flip).then_some(GOAL);
                self.line(out, &name, goal, &mut { ours }, &mut { floor })?;
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

    /// One poll of a network, from a random split to the last decision. Making the network is left
    /// out of the time, as in the floor.
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
        let flat = || Flat::new(nodes, colours, snowball::K, 15, 20, 1);
        let (mut network, mut floor_network) = (start.clone(), flat());
        let mut ours = |polls| {
            runs(
                polls,
                &mut network,
                |network, polls| network.run(polls),
                |network| {
                    network.clone_from(&start);
                },
            )
        };
        let mut floor = |polls| {
            let again = |network: &mut Flat| *network = flat();
            runs(polls, &mut floor_network, Flat::run, again)
        };
        self.line(out, &name, Some(GOAL), &mut ours, &mut floor)
    }

    fn sampler(&self, out: &mut impl Write) -> io::Result<()> {
        for count in VALIDATORS {
            let mut seeded = Seeded::new(count).map_err(refused)?;
            let mut floor = sampler::Floor::new(count);
            let name = format!("sampler::seeded/k=20/validators={count}");
            let ours = repeat(|| assert!(seeded.sample(), "no sample"));
            self.line(out, &name, None, &mut { ours }, &mut repeat(|| floor.sample()))?;
            let mut exact = Exact::new(count).map_err(refused)?;
            let name = format!("sampler::exact/k=20/validators={count}");
            let ours = repeat(|| assert!(exact.sample(), "no sample"));
            self.line(out, &name, None, &mut { ours }, &mut repeat(|| floor.sample()))?;
        }
        Ok(())
    }

    fn polls(&self, out: &mut impl Write) -> io::Result<()> {
        for depth in poll::DEPTHS {
            let mut ours = Polling::new(depth).map_err(refused)?;
            let mut floor = PollingFloor::new(depth);
            let votes = ours.drain_one();
            let name = format!("poll::open_and_{votes}_votes/depth={depth}");
            let ours = repeat(|| assert!(ours.drain_one() == votes, "a poll did not leave"));
            self.line(out, &name, None, &mut { ours }, &mut repeat(|| floor.drain_one(votes)))?;
        }
        Ok(())
    }

    /// One answer of a peer, from receipt to recorded vote, with its share of the poll and of the
    /// next query.
    fn engine(&self, out: &mut impl Write) -> io::Result<()> {
        for validators in [20, 1_500] {
            for depth in [1, 16] {
                let committee = Committee { validators, k: 20, concurrent: 4 };
                let mut ours = endless(committee, depth).map_err(refused)?;
                let mut floor = AnswerFloor::new(committee, depth);
                let name = format!("engine::chits/committee={validators}/depth={depth}");
                let ours = repeat(|| assert!(ours.answer_one(), "nobody was asked"));
                let mut floor = repeat(|| floor.answer_one());
                self.line(out, &name, Some(GOAL), &mut { ours }, &mut floor)?;
            }
        }
        Ok(())
    }

    /// Blocks decided in a second of CPU time.
    fn throughput(&self, out: &mut impl Write) -> io::Result<()> {
        if !self.wanted("throughput") {
            return Ok(());
        }
        writeln!(out, "\nblocks decided in a second of one core, with 1 and 10 in flight")?;
        writeln!(
            out,
            "{:<46} {:>11} {:>11} {:>11}",
            "consensus_throughput", "1", "10", "answers each"
        )?;
        for committee in Committee::ALL {
            let Committee { validators, k, concurrent } = committee;
            let name = format!("committee={validators}/k={k}/concurrent={concurrent}");
            write!(out, "{name:<46}")?;
            let mut answers = 0.0;
            for in_flight in [1, 10] {
                let mut network = Network::new(committee, 20).map_err(refused)?;
                let (start, mut blocks) = (cpu_time(), 0);
                while cpu_time().saturating_sub(start) < self.effort.slice * 8 {
                    assert!(network.decide_one(in_flight), "nobody was asked");
                    blocks += 1;
                }
                let taken = cpu_time().saturating_sub(start);
                write!(out, " {:>11.0}", as_f64(blocks) / taken.as_secs_f64())?;
                answers = as_f64(network.engine().stats().inputs) / as_f64(blocks);
            }
            writeln!(out, " {answers:>11.1}")?;
        }
        Ok(())
    }

    fn memory(&self, out: &mut impl Write) -> io::Result<()> {
        if !self.wanted("memory") {
            return Ok(());
        }
        if !allocations::installed() {
            return writeln!(out, "\nmemory: this program does not count allocations");
        }
        writeln!(out, "\n{:<46} {:>11} {:>11}", "memory", "how many", "bytes each")?;
        for figure in crate::memory::figures().map_err(refused)? {
            writeln!(out, "{:<46} {:>11} {:>11.1}", figure.name, figure.count, figure.bytes)?;
        }
        Ok(())
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

/// Prints one line, in the unit of the column above.
fn print(
    out: &mut impl Write,
    name: &str,
    goal: Option<f64>,
    Comparison { ours, floor, ratio }: Comparison,
) -> io::Result<()> {
    let goal_text = goal.map_or_else(|| "-".to_owned(), |goal| format!("{goal:?}"));
    let over = if goal.is_some_and(|goal| ratio > goal) { "  over" } else { "" };
    writeln!(
        out,
        "{name:<NAME_WIDTH$} {ours:>11.1} {floor:>11.1} {ratio:>7.2} {goal_text:>6}{over}"
    )?;
    out.flush()
}

/// Makes at least one and about `polls` polls. A network that has decided starts again, apart from
/// the time that counts.
fn runs<N>(
    polls: u64,
    network: &mut N,
    run: impl Fn(&mut N, u64) -> u64,
    again: impl Fn(&mut N),
) -> Done {
    let mut done = Done { operations: 0, apart: Duration::ZERO };
    while done.operations < polls {
        let wanted = polls - done.operations;
        let made = run(network, wanted);
        done.operations += made;
        if made < wanted {
            let start = cpu_time();
            again(network);
            done.apart += cpu_time().saturating_sub(start);
        }
    }
    done
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

/// A workload was refused: the core is not what this bench was written for.
fn refused(error: Error) -> io::Error {
    io::Error::other(error)
}
