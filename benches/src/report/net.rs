//! The lines of the network: ratios to bare TLS, and figures that have no floor.

use std::io::{self, Write};
use std::time::Duration;

use avalanche_net::wire::{Compression, Op};

use super::{NAME_WIDTH, Report, print};
use crate::allocations::{counted, installed};
use crate::measure::{Clock, Comparison, Done, Effort, alone, as_f64, compare_each, repeat};
use crate::net::block::{self, Blocks};
use crate::net::codec::{Codec, Filters, KEYS, blocks, bodies};
use crate::net::echo::{Kind, Queries, Requests, RequestsFloor};
use crate::net::one_way::{OneWay, OneWayFloor};
use crate::net::poll::{self, Polls, PollsFloor};
use crate::net::{PAYLOAD, crowd};

/// 0.85 of the rate of bare TLS.
const ONE_WAY_GOAL: f64 = 1.18;
/// The median of requests, and of their slowest hundredth, against a bare echo.
const REQUEST_GOALS: [f64; 2] = [1.25, 2.0];
/// The median, and what the slowest hundredth takes.
const PARTS: [f64; 2] = [0.5, 0.99];
/// What gathering messages into writes must save.
const POLL_GOAL: f64 = 0.35;
/// What framing, TLS and acknowledgements may add to a block.
const BLOCK_GOAL: f64 = 1.05;
/// Messages whose allocations are counted.
const COUNTED: u64 = 8_192;

impl Report {
    pub(super) fn net(&self, out: &mut impl Write) -> io::Result<()> {
        let name = format!("net::one_way/bytes={PAYLOAD}");
        if self.wanted(&name) {
            let (mut ours, mut floor) = (OneWay::new()?, OneWayFloor::new()?);
            let (mut ours, mut floor) =
                (done(|messages| ours.run(messages)), done(|messages| floor.run(messages)));
            self.line(out, &name, Some(ONE_WAY_GOAL), &mut ours, &mut floor)?;
        }
        self.requests(out)?;
        let name = format!("net::poll/peers={}/concurrent={}", poll::PEERS, poll::CONCURRENT);
        if self.wanted(&name) {
            let (mut ours, mut floor) = (Polls::new()?, PollsFloor::new()?);
            let (mut ours, mut floor) =
                (done(|polls| ours.run(polls)), done(|polls| floor.run(polls)));
            self.line(out, &name, Some(POLL_GOAL), &mut ours, &mut floor)?;
        }
        Ok(())
    }

    fn requests(&self, out: &mut impl Write) -> io::Result<()> {
        let clocks =
            [("cpu", Clock::Cpu, REQUEST_GOALS.map(Some)), ("wall", Clock::Wall, [None; 2])];
        for (what, kind) in [("request", Kind::App), ("query", Kind::Query)] {
            for (clock_name, clock, goals) in clocks {
                let names = ["p50", "p99"]
                    .map(|part| format!("net::{what}/bytes={PAYLOAD}/{clock_name}/{part}"));
                if !names.iter().any(|name| self.wanted(name)) {
                    continue;
                }
                let mut floor = RequestsFloor::new(kind)?;
                let count = if self.effort.pairs < Effort::FULL.pairs { 500 } else { 2_000 };
                let floor = || taken(floor.run(clock, count));
                let found = if kind == Kind::App {
                    let ours = Requests::new()?;
                    compare_each(self.effort, PARTS, || taken(ours.run(clock, count)), floor)
                } else {
                    let mut ours = Queries::new()?;
                    compare_each(self.effort, PARTS, || taken(ours.run(clock, count)), floor)
                };
                for ((name, goal), found) in names.iter().zip(goals).zip(found) {
                    print(out, name, goal, found)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn net_figures(&self, out: &mut impl Write) -> io::Result<()> {
        self.wire_bytes(out)?;
        let mut figures = Figures { report: self, begun: false };
        allocations(out, &mut figures)?;
        codecs(out, &mut figures)?;
        crowds(out, &mut figures)
    }

    fn wire_bytes(&self, out: &mut impl Write) -> io::Result<()> {
        let name = |length| format!("net::block/bytes={length}/peers={}", block::PEERS);
        if !block::LENGTHS.iter().any(|length| self.wanted(&name(*length))) {
            return Ok(());
        }
        writeln!(
            out,
            "\n{:<NAME_WIDTH$} {:>11} {:>11} {:>7} {:>6}",
            "bytes on the wire", "ours", "floor", "ratio", "goal"
        )?;
        let mut blocks = Blocks::new()?;
        for length in block::LENGTHS {
            let name = name(length);
            if self.wanted(&name) {
                let found: Comparison = blocks.run(length, 8)?;
                print(out, &name, Some(BLOCK_GOAL), found)?;
            }
        }
        Ok(())
    }
}

/// A workload that says what went wrong, which nothing does on a machine with a loopback.
fn done(mut run: impl FnMut(u64) -> io::Result<Done>) -> impl FnMut(u64) -> Done {
    move |operations| {
        let done = run(operations);
        assert!(done.is_ok(), "{done:?}");
        done.unwrap_or(Done { operations, apart: Duration::ZERO })
    }
}

fn taken(run: io::Result<Vec<Duration>>) -> Vec<Duration> {
    assert!(run.is_ok(), "{run:?}");
    run.unwrap_or_default()
}

/// A table whose header is printed with its first line.
struct Figures<'a> {
    report: &'a Report,
    begun: bool,
}

impl Figures<'_> {
    fn wanted(&self, name: &str) -> bool {
        self.report.wanted(name)
    }

    fn figure(
        &mut self,
        out: &mut impl Write,
        name: &str,
        figure: f64,
        unit: &str,
    ) -> io::Result<()> {
        if !std::mem::replace(&mut self.begun, true) {
            let header = "the network, CPU time, without a floor";
            writeln!(out, "\n{header:<NAME_WIDTH$} {:>11}", "figure")?;
        }
        writeln!(out, "{name:<NAME_WIDTH$} {figure:>11.1} {unit}")?;
        out.flush()
    }
}

/// Calls to the allocator for each short message, both ends.
fn allocations(out: &mut impl Write, figures: &mut Figures<'_>) -> io::Result<()> {
    let name = format!("net::allocations/bytes={PAYLOAD}");
    if !figures.wanted(&name) || !installed() {
        return Ok(());
    }
    let (mut ours, mut floor) = (OneWay::new()?, OneWayFloor::new()?);
    ours.run(COUNTED)?;
    let (ran, calls) = counted(|| ours.run(COUNTED));
    ran?;
    figures.figure(out, &name, as_f64(calls.calls) / as_f64(COUNTED), "calls a message")?;
    floor.run(COUNTED)?;
    let (ran, calls) = counted(|| floor.run(COUNTED));
    ran?;
    let name = format!("{name}/bare");
    figures.figure(out, &name, as_f64(calls.calls) / as_f64(COUNTED), "calls a message")
}

fn codecs(out: &mut impl Write, figures: &mut Figures<'_>) -> io::Result<()> {
    let effort = figures.report.effort;
    for body in bodies() {
        let kind = Op::of(&body).map_or("?", Op::as_str);
        let names = ["encode", "decode"].map(|way| format!("net::{way}/{kind}"));
        let [encode, decode] = &names;
        if !names.iter().any(|name| figures.wanted(name)) {
            continue;
        }
        let mut codec = Codec::new(body, Compression::None);
        let taken = alone(effort, &mut repeat(|| assert!(codec.encode())));
        figures.figure(out, encode, taken, "ns")?;
        let taken = alone(effort, &mut repeat(|| assert!(codec.decode())));
        figures.figure(out, decode, taken, "ns")?;
    }
    let names = ["alike", "random"].map(|kind| format!("net::zstd/bytes=1048576/{kind}"));
    if names.iter().any(|name| figures.wanted(name)) {
        for (name, (_, mut codec)) in names.iter().zip(blocks()) {
            let taken = alone(effort, &mut repeat(|| assert!(codec.encode())));
            figures.figure(out, &format!("{name}/encode"), taken / 1e3, "us")?;
            let taken = alone(effort, &mut repeat(|| assert!(codec.decode())));
            figures.figure(out, &format!("{name}/decode"), taken / 1e3, "us")?;
            let part = 100.0 * as_f64(codec.length() as u64) / as_f64(1 << 20);
            figures.figure(out, &format!("{name}/size"), part, "% of the block")?;
        }
    }
    let name = format!("net::bloom/keys={KEYS}");
    if figures.wanted(&name) {
        let mut filters = Filters::default();
        let taken = alone(effort, &mut repeat(|| assert!(filters.contains())));
        figures.figure(out, &format!("{name}/contains"), taken, "ns")?;
        let taken = alone(effort, &mut repeat(|| assert!(filters.add())));
        figures.figure(out, &format!("{name}/add"), taken, "ns")?;
    }
    Ok(())
}

fn crowds(out: &mut impl Write, figures: &mut Figures<'_>) -> io::Result<()> {
    let quick = figures.report.effort.pairs < Effort::FULL.pairs;
    let (peers, rest) = if quick { (100, 2) } else { (1_000, 25) };
    let name = format!("net::peers/connected={peers}");
    if !figures.wanted(&name) {
        return Ok(());
    }
    let cost = crowd::measure(peers, Duration::from_secs(rest))?;
    let connect = cost.connect.as_secs_f64();
    figures.figure(out, &format!("{name}/connect"), connect * 1e3, "ms until all are (wall)")?;
    let handshake = cost.handshake.as_secs_f64();
    figures.figure(out, &format!("{name}/handshake"), handshake * 1e6, "us for both ends")?;
    let rate = 1.0 / handshake;
    figures.figure(out, &format!("{name}/handshake"), rate, "a second of one core")?;
    if installed() {
        figures.figure(out, &format!("{name}/heap"), cost.heap, "bytes a peer, one end")?;
    }
    let unit = "bytes a connection, both ends";
    figures.figure(out, &format!("{name}/resident"), cost.resident, unit)?;
    figures.figure(out, &format!("{name}/rest"), 100.0 * cost.rest, "% of a core, one end")
}
