//! The writer: a process that writes batch after batch and says which are durable.

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs, mem, thread};

use crate::targets;

const STORE: &str = "DURABILITY_STORE";
const FOLDER: &str = "DURABILITY_FOLDER";
const CARELESS: &str = "DURABILITY_CARELESS";

/// What a writer prints before the number of a durable batch, and the time when that was known.
const DURABLE: &str = "durable ";
/// What a writer prints before the error that ended it.
const FAILED: &str = "failed ";
/// What a writer prints when it refused to go on after an error.
const POISONED: &str = "poisoned";

/// What the writer does: opens the store, and writes until something fails or somebody ends it.
pub(crate) fn main() {
    let Ok(store) = env::var(STORE) else { return };
    let folder = PathBuf::from(env::var(FOLDER).expect("a folder"));
    let careless = env::var(CARELESS).is_ok();
    let mut out = std::io::stdout();
    let mut tell = |line: String| {
        // Nobody listens any more: the test is over.
        if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
            std::process::exit(0);
        }
    };
    let mut target = match targets::open(&store, &folder) {
        Ok(target) => target,
        Err(error) => return tell(format!("\n{FAILED}{error}\n")),
    };
    let mut number = target.last().expect("a counter");
    tell(format!("\n{DURABLE}{number} {}\n", now()));
    loop {
        number += 1;
        let written =
            if careless { target.write_without_sync(number) } else { target.write(number) };
        match written {
            Ok(()) => tell(format!("{DURABLE}{number} {}\n", now())),
            Err(error) => {
                tell(format!("{FAILED}{error}\n"));
                // A store must not take anything after a failed write or sync.
                if target.write(number).is_err() && target.write(number + 1).is_err() {
                    tell(format!("{POISONED}\n"));
                }
                return;
            }
        }
    }
}

/// Nanoseconds since 1970, as every process of this machine sees them.
fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

/// A writer that is running.
#[derive(Debug)]
pub(crate) struct Writer {
    process: Child,
    out: BufReader<ChildStdout>,
    /// The last batch that it called durable.
    pub(crate) durable: u64,
    /// When it did, for each batch.
    known: Vec<(u64, u128)>,
    /// The error that ended it, as its users read it.
    pub(crate) error: Option<String>,
    /// Whether it refused to go on after the error.
    pub(crate) poisoned: bool,
}

/// How a writer is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    /// A program and its arguments that the writer runs under.
    pub(crate) under: Vec<String>,
    /// Acknowledge without a sync: what must be caught.
    pub(crate) careless: bool,
    /// As another user.
    pub(crate) user: Option<u32>,
    /// Another copy of this program.
    pub(crate) program: Option<PathBuf>,
}

impl Start {
    /// Starts a writer on a store in a folder.
    pub(crate) fn writer(&self, store: &str, folder: &Path) -> Writer {
        let program =
            self.program.clone().unwrap_or_else(|| env::current_exe().expect("this program"));
        let program = program.to_string_lossy().into_owned();
        let mut words = self.under.clone();
        words.push(program);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["writer_process", "--exact", "--nocapture"]);
        command.env(STORE, store).env(FOLDER, folder);
        if self.careless {
            command.env(CARELESS, "1");
        }
        if let Some(user) = self.user {
            std::os::unix::process::CommandExt::uid(&mut command, user);
            std::os::unix::process::CommandExt::gid(&mut command, user);
        }
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a writer starts");
        let out = BufReader::new(process.stdout.take().expect("its output"));
        Writer { process, out, durable: 0, known: Vec::new(), error: None, poisoned: false }
    }
}

impl Writer {
    /// Reads what it says up to a durable batch; false if it ended before.
    pub(crate) fn wait_for(&mut self, batch: u64) -> bool {
        let mut line = String::new();
        while self.durable < batch {
            line.clear();
            if self.out.read_line(&mut line).expect("text") == 0 {
                return false;
            }
            self.take(&line);
        }
        true
    }

    /// Reads what it says for a time; false if it ended before.
    pub(crate) fn wait_while(&mut self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while Instant::now() < end {
            if !self.wait_for(self.durable + 1) {
                return false;
            }
        }
        true
    }

    /// The last batch that it called durable before a time.
    pub(crate) fn durable_at(&self, time: u128) -> u64 {
        self.known.iter().filter(|(_, at)| *at < time).map(|(number, _)| *number).max().unwrap_or(0)
    }

    /// Ends it with SIGKILL, and reads what it had said.
    pub(crate) fn kill(mut self) -> Self {
        let _ = self.process.kill();
        self.end()
    }

    /// Reads until it ends by itself.
    pub(crate) fn end(mut self) -> Self {
        let mut line = String::new();
        while self.out.read_line(&mut line).expect("text") > 0 {
            self.take(&mem::take(&mut line));
        }
        let _ = self.process.wait();
        self
    }

    fn take(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(said) = line.strip_prefix(DURABLE) {
            // The last line of a killed writer may be cut.
            let words = said.split_once(' ');
            let parsed =
                words.and_then(|(number, at)| Some((number.parse().ok()?, at.parse().ok()?)));
            if let Some((number, at)) = parsed {
                self.durable = self.durable.max(number);
                self.known.push((number, at));
            }
        } else if let Some(error) = line.strip_prefix(FAILED) {
            self.error = Some(error.to_owned());
        } else if line == POISONED {
            self.poisoned = true;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A folder that is removed at the end.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// A new folder, named after the test.
    pub(crate) fn new(test: &str) -> Self {
        let path = env::temp_dir().join(format!("avalanche-store-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A test that failed may leave it mounted for a moment.
        for _ in 0..5 {
            if fs::remove_dir_all(&self.0).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Opens a store again and checks the batches from `from` to the last durable one, and that
/// whatever is beyond is whole. The last batch that is there.
pub(crate) fn check(store: &str, folder: &Path, from: u64, durable: u64) -> u64 {
    let target = targets::open(store, folder).unwrap_or_else(|error| panic!("{store}: {error}"));
    let last = target.last().expect("a counter");
    assert!(last >= durable, "{store}: {durable} was acknowledged, and {last} is the last");
    for number in from.max(1)..=last {
        assert!(
            target.holds(number).expect("readable"),
            "{store}: batch {number} of {last} is not whole"
        );
    }
    assert!(!target.holds(last + 1).expect("readable"), "{store}: rows after the last batch");
    last
}
