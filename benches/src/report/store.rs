//! The lines of the store: two tables of ratios, and figures that have no floor.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use avalanche_store::MemoryStore;

use super::{NAME_WIDTH, Report, print};
use crate::allocations::{counted, installed};
use crate::measure::{Clock, Comparison, as_f64, compare_wall, median, repeat};
use crate::store::key_value::{Backend, BareRedb, BareSled, Commits, Find, Put, READ_ROWS, Reads};
use crate::store::log::{Append, AppendFloor, Shape, Written};
use crate::store::state::{ACCOUNTS, Accounts, DIRTY, Hashes, Nowhere, Proofs, RANGE, Roots};
use crate::store::{Step, steps};

/// 0.85 of the rate of a raw write, one hash and a sync.
const APPEND_GOAL: f64 = 1.18;
/// 0.9 of the rate of the bare engine.
const ENGINE_GOAL: f64 = 1.11;
/// 0.7 of the rate of hashing alone.
const ROOT_GOAL: f64 = 1.43;

/// Accounts where a state is written to a disk: more take too long to make.
const ACCOUNTS_ON_DISK: u32 = 100_000;
/// Blocks of the log that is opened and replayed: 67 MB in one segment, which a crash leaves open.
const BLOCKS: u64 = 32_000;
/// Bytes of a segment where there are to be many.
const SHORT_SEGMENT: u64 = 1 << 20;
/// How many that makes of [`BLOCKS`], the last one included.
const SHORT_SEGMENTS: usize = 64;

/// The lines of the large state, which is made only if one of them is wanted.
fn names() -> Names {
    Names {
        root: format!("store::state_root/accounts={ACCOUNTS}/dirty={DIRTY}/threads=1"),
        commit: format!("store::state_commit/memory/accounts={ACCOUNTS}/dirty={DIRTY}"),
        proof: format!("store::proof/accounts={ACCOUNTS}"),
        range: format!("store::range_proof/accounts={ACCOUNTS}/entries={RANGE}"),
    }
}

struct Names {
    root: String,
    commit: String,
    proof: String,
    range: String,
}

type Large = Accounts<MemoryStore>;

impl Report {
    pub(super) fn store(&self, out: &mut impl Write) -> io::Result<()> {
        self.reads(out)?;
        let Names { root, commit, proof, range } = names();
        let wanted = [root, commit, proof, range].iter().any(|name| self.wanted(name));
        let mut large =
            wanted.then(|| Accounts::new(MemoryStore::new(), ACCOUNTS, 1)).transpose()?;
        if let Some(large) = &mut large {
            self.root_by_one_thread(out, large)?;
        }
        let mut wall = Table::new(
            self,
            format!(
                "\n{:<NAME_WIDTH$} {:>11} {:>11} {:>7} {:>6}",
                "one operation, wall time", "ours us", "floor us", "ratio", "goal"
            ),
        );
        appends(out, &mut wall)?;
        commits(out, &mut wall)?;
        root_by_two_threads(out, &mut wall)?;
        let mut figures = Table::new(
            self,
            format!("\n{:<NAME_WIDTH$} {:>11}", "the store, wall time, without a floor", "figure"),
        );
        state_commits(out, &mut figures, large.as_mut())?;
        if let Some(large) = &large {
            proofs(out, &mut figures, large)?;
        }
        drop(large);
        logs(out, &mut figures)?;
        state_memory(out, &mut figures)
    }

    fn reads(&self, out: &mut impl Write) -> io::Result<()> {
        let name = "store::memory/get";
        if self.wanted(name) {
            let ours = Reads::new(Backend::memory(), READ_ROWS)?;
            self.read(out, name, None, ours, Reads::bare_map(READ_ROWS))?;
        }
        let name = "store::sled/get";
        if self.wanted(name) {
            let ours = Reads::new(Backend::sled()?, READ_ROWS)?;
            let floor = Reads::new(BareSled::new()?, READ_ROWS)?;
            self.read(out, name, Some(ENGINE_GOAL), ours, floor)?;
        }
        let name = "store::redb/get";
        if self.wanted(name) {
            let ours = Reads::new(Backend::redb()?, READ_ROWS)?;
            self.read(out, name, Some(ENGINE_GOAL), ours, Reads::bare_redb(READ_ROWS)?)?;
        }
        Ok(())
    }

    fn read<A: Find, B: Find>(
        &self,
        out: &mut impl Write,
        name: &str,
        goal: Option<f64>,
        mut ours: Reads<A>,
        mut floor: Reads<B>,
    ) -> io::Result<()> {
        let mut ours = repeat(|| assert!(ours.get_one(), "a row is not there"));
        let mut floor = repeat(|| assert!(floor.get_one(), "a row is not there"));
        self.line(out, name, goal, &mut ours, &mut floor)
    }

    fn root_by_one_thread(&self, out: &mut impl Write, large: &mut Large) -> io::Result<()> {
        let name = names().root;
        if !self.wanted(&name) {
            return Ok(());
        }
        let mut roots = Roots::new(large);
        let hashes = roots.hashes()?;
        for (floor, name, goal) in [
            (Hashes::new(hashes), name.clone(), Some(ROOT_GOAL)),
            (Hashes::new(hashes).with_values(DIRTY), format!("{name}/value_hashes"), None),
        ] {
            let mut ours = steps(Clock::Cpu, &mut roots);
            self.line(out, &name, goal, &mut ours, &mut repeat(|| floor.hash_all()))?;
        }
        Ok(())
    }
}

/// A table whose header is printed with its first line.
struct Table<'a> {
    report: &'a Report,
    header: Option<String>,
}

impl<'a> Table<'a> {
    const fn new(report: &'a Report, header: String) -> Self {
        Self { report, header: Some(header) }
    }

    fn header(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.header.take().map_or(Ok(()), |header| writeln!(out, "{header}"))
    }

    /// One line by wall time.
    fn line(
        &mut self,
        out: &mut impl Write,
        name: &str,
        goal: Option<f64>,
        ours: &mut impl Step,
        floor: &mut impl Step,
    ) -> io::Result<()> {
        self.header(out)?;
        let (mut ours, mut floor) = (steps(Clock::Wall, ours), steps(Clock::Wall, floor));
        let found = compare_wall(self.report.effort, &mut ours, &mut floor);
        let Comparison { ours, floor, ratio } = found;
        print(out, name, goal, Comparison { ours: ours / 1e3, floor: floor / 1e3, ratio })
    }

    fn figure(
        &mut self,
        out: &mut impl Write,
        name: &str,
        figure: f64,
        unit: &str,
    ) -> io::Result<()> {
        self.header(out)?;
        writeln!(out, "{name:<NAME_WIDTH$} {figure:>11.1} {unit}")?;
        out.flush()
    }

    fn wanted(&self, name: &str) -> bool {
        self.report.wanted(name)
    }
}

fn appends(out: &mut impl Write, table: &mut Table<'_>) -> io::Result<()> {
    for (shape, goal) in [(Shape::BIG, Some(APPEND_GOAL)), (Shape::SHORT, None)] {
        let name = format!("store::append/{}", shape.name);
        if table.wanted(&name) {
            let (mut ours, mut floor) = (Append::new(shape)?, AppendFloor::new(shape)?);
            table.line(out, &name, goal, &mut ours, &mut floor)?;
        }
    }
    Ok(())
}

fn commits(out: &mut impl Write, table: &mut Table<'_>) -> io::Result<()> {
    fn line<A: Put, B: Put>(
        out: &mut impl Write,
        table: &mut Table<'_>,
        name: &str,
        (ours, floor): (A, B),
    ) -> io::Result<()> {
        let (mut ours, mut floor) = (Commits::new(ours), Commits::new(floor));
        table.line(out, name, Some(ENGINE_GOAL), &mut ours, &mut floor)
    }
    let name = "store::sled/commit_1000_rows";
    if table.wanted(name) {
        line(out, table, name, (Backend::sled()?, BareSled::new()?))?;
    }
    let name = "store::redb/commit_1000_rows";
    if table.wanted(name) {
        line(out, table, name, (Backend::redb()?, BareRedb::new()?))?;
    }
    Ok(())
}

fn root_by_two_threads(out: &mut impl Write, table: &mut Table<'_>) -> io::Result<()> {
    let name = format!("store::state_root/accounts={ACCOUNTS}/dirty={DIRTY}/threads=2");
    if !table.wanted(&name) {
        return Ok(());
    }
    let mut accounts = Accounts::new(Nowhere, ACCOUNTS, 2)?;
    let mut roots = Roots::new(&mut accounts);
    let mut floor = Hashes::new(roots.hashes()?);
    table.line(out, &name, None, &mut roots, &mut floor)
}

/// What accepting a block costs, by store.
fn state_commits(
    out: &mut impl Write,
    table: &mut Table<'_>,
    large: Option<&mut Large>,
) -> io::Result<()> {
    let name = names().commit;
    if let Some(large) = large.filter(|_| table.wanted(&name)) {
        let taken = millis(9, || large.time_to_commit())?;
        table.figure(out, &name, taken, "ms")?;
    }
    let name =
        |store| format!("store::state_commit/{store}/accounts={ACCOUNTS_ON_DISK}/dirty={DIRTY}");
    if table.wanted(&name("sled")) {
        let store = Backend::sled()?;
        let mut accounts = Accounts::new(store.store(), ACCOUNTS_ON_DISK, 1)?;
        let taken = millis(9, || accounts.time_to_commit())?;
        table.figure(out, &name("sled"), taken, "ms")?;
    }
    if table.wanted(&name("redb")) {
        let store = Backend::redb()?;
        let mut accounts = Accounts::new(store.store(), ACCOUNTS_ON_DISK, 1)?;
        let taken = millis(9, || accounts.time_to_commit())?;
        table.figure(out, &name("redb"), taken, "ms")?;
    }
    Ok(())
}

fn proofs(out: &mut impl Write, table: &mut Table<'_>, large: &Large) -> io::Result<()> {
    let mut proofs = Proofs::new(large);
    let Names { proof: one, range, .. } = names();
    if table.wanted(&one) {
        let count = 2_000;
        let make = millis(5, || {
            timed(|| {
                (0..count).try_for_each(|_| {
                    proofs.prove_one().map(|proof| drop(std::hint::black_box(proof)))
                })
            })
        })?;
        let proved = proofs.prove(count)?;
        let verify = millis(5, || timed(|| accepted(proved.iter().all(|one| proofs.verify(one)))))?;
        let bytes: u64 = proved.iter().map(|one| one.bytes()).sum();
        let each = as_f64(count as u64);
        table.figure(out, &format!("{one}/make"), make * 1e3 / each, "us")?;
        table.figure(out, &format!("{one}/verify"), verify * 1e3 / each, "us")?;
        table.figure(out, &format!("{one}/size"), as_f64(bytes) / each, "bytes")?;
    }
    if table.wanted(&range) {
        let make = millis(15, || timed(|| proofs.prove_range().map(drop)))?;
        let proved = proofs.prove_range()?;
        let verify = millis(15, || {
            let proved = proved.clone();
            timed(|| accepted(proofs.verify_range(proved)))
        })?;
        table.figure(out, &format!("{range}/make"), make * 1e3, "us")?;
        table.figure(out, &format!("{range}/verify"), verify * 1e3, "us")?;
        table.figure(out, &format!("{range}/size"), as_f64(proved.bytes()), "bytes")?;
    }
    Ok(())
}

fn logs(out: &mut impl Write, table: &mut Table<'_>) -> io::Result<()> {
    let one = format!("store::log/segments=1/blocks={BLOCKS}");
    if table.wanted(&one) {
        let written = Written::new(BLOCKS, 256 << 20)?;
        let megabytes = as_f64(written.blocks * written.block_bytes) / 1e6;
        let open = millis(5, || written.time_to_open())? / 1e3;
        table.figure(out, &format!("{one}/open"), megabytes / open, "MB/s")?;
        let (log, held) = counted(|| written.open());
        let log = log?;
        let replay = millis(5, || written.time_to_replay(log.reader()))? / 1e3;
        table.figure(out, &format!("{one}/replay"), as_f64(BLOCKS) / replay, "blocks/s")?;
        table.figure(out, &format!("{one}/replay"), megabytes / replay, "MB/s")?;
        memory(out, table, &format!("{one}/memory"), held.bytes, BLOCKS, "bytes a block")?;
    }
    let many = format!("store::log/segments={SHORT_SEGMENTS}/blocks={BLOCKS}");
    if table.wanted(&many) {
        let written = Written::new(BLOCKS, SHORT_SEGMENT)?;
        if written.segments()? != SHORT_SEGMENTS {
            return Err(io::Error::other("the log has not the segments that the line names"));
        }
        // Of the whole: a sync of the folder and reading the last segment are most of it, so that
        // a share for each segment would say nothing.
        let open = millis(15, || written.time_to_open())?;
        table.figure(out, &format!("{many}/open"), open, "ms")?;
        let (log, held) = counted(|| written.open());
        let _log = log?;
        memory(out, table, &format!("{many}/memory"), held.bytes, BLOCKS, "bytes a block")?;
    }
    Ok(())
}

fn state_memory(out: &mut impl Write, table: &mut Table<'_>) -> io::Result<()> {
    let name = format!("store::state_memory/accounts={ACCOUNTS}");
    if !table.wanted(&name) {
        return Ok(());
    }
    let (accounts, held) = counted(|| Accounts::new(Nowhere, ACCOUNTS, 1));
    let accounts = accounts?;
    memory(out, table, &name, held.bytes, ACCOUNTS.into(), "bytes an account")?;
    let said = accounts.state().memory_bytes() as u64;
    let said = as_f64(said) / f64::from(ACCOUNTS);
    table.figure(out, &format!("{name}/as_reported"), said, "bytes an account")
}

/// Memory held for each of `count`, if this program counts it.
fn memory(
    out: &mut impl Write,
    table: &mut Table<'_>,
    name: &str,
    bytes: i64,
    count: u64,
    unit: &str,
) -> io::Result<()> {
    if !installed() {
        return Ok(());
    }
    table.figure(out, name, as_f64(u64::try_from(bytes).unwrap_or(0)) / as_f64(count), unit)
}

/// Median milliseconds of some runs.
fn millis(runs: usize, mut run: impl FnMut() -> io::Result<Duration>) -> io::Result<f64> {
    let taken = (0..runs).map(|_| run().map(|taken| taken.as_secs_f64() * 1e3));
    taken.collect::<io::Result<Vec<_>>>().map(median)
}

fn timed(run: impl FnOnce() -> io::Result<()>) -> io::Result<Duration> {
    let start = Instant::now();
    run()?;
    Ok(start.elapsed())
}

fn accepted(proof: bool) -> io::Result<()> {
    if proof { Ok(()) } else { Err(io::Error::other("a proof was not accepted")) }
}
