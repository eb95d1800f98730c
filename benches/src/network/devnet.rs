//! A devnet that is measured.

use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::store::{Folder, told};

/// How long a devnet may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A devnet of processes, in a folder of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct Devnet {
    child: Child,
    events: BufReader<ChildStdout>,
    program: PathBuf,
    folder: Folder,
    validators: Vec<Validator>,
}

/// One of its validators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    /// Its process.
    pub pid: u32,
    /// Where its API is.
    pub api: String,
}

impl Devnet {
    /// Starts one with so many validators, and waits for its first payment to be final, if it
    /// makes one.
    ///
    /// # Errors
    ///
    /// If `devnet` is not there, or does not start.
    pub fn start(validators: u16, args: &[&str]) -> io::Result<Self> {
        let program = program()?;
        let folder = Folder::new()?;
        let data = folder.path().join("devnet");
        let mut child = Command::new(&program)
            .args(["--json", "--api-port", "0", "--validators", &validators.to_string()])
            .arg("--data-dir")
            .arg(&data)
            .args(args)
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().ok_or_else(|| told("no output"))?;
        let events = BufReader::new(out);
        let mut devnet = Self { child, events, program, folder, validators: Vec::new() };
        let started = devnet.event("started")?;
        let all = started.get("validators").and_then(Value::as_array).into_iter().flatten();
        let found = all.map(|one| {
            let pid = one.get("pid").and_then(Value::as_u64);
            let pid = pid.and_then(|pid| u32::try_from(pid).ok());
            let api = one.get("api").and_then(Value::as_str).map(|api| format!("http://{api}"));
            pid.zip(api).map(|(pid, api)| Validator { pid, api })
        });
        let found: Option<_> = found.collect();
        devnet.validators = found.ok_or_else(|| told(format!("no processes in {started}")))?;
        if !args.contains(&"--no-payment") {
            devnet.event("first_final")?;
        }
        Ok(devnet)
    }

    /// Its validators as they were started, the first one's first.
    #[must_use]
    pub fn validators(&self) -> &[Validator] {
        &self.validators
    }

    /// The folder of its data.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("devnet")
    }

    /// The program that it is.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The next event of a kind.
    ///
    /// # Errors
    ///
    /// If it ends before.
    pub fn event(&mut self, kind: &str) -> io::Result<Value> {
        loop {
            let mut line = String::new();
            if self.events.read_line(&mut line)? == 0 {
                return Err(told(format!("the devnet ended before {kind}")));
            }
            let event: Value = serde_json::from_str(&line)?;
            if event.get("event").and_then(Value::as_str) == Some(kind) {
                return Ok(event);
            }
        }
    }

    /// Runs a command for it, as `kill 2`.
    ///
    /// # Errors
    ///
    /// If it is refused.
    pub fn tell(&self, args: &[&str]) -> io::Result<()> {
        let mut command = Command::new(&self.program);
        let output = command.arg("--data-dir").arg(self.folder()).args(args).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(told(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        }
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, which stands beside this one.
fn program() -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = own.parent().map(|folder| folder.join("devnet")).filter(|path| path.exists());
    beside.ok_or_else(|| {
        let folder = own.parent().unwrap_or_else(|| Path::new("."));
        told(format!(
            "there is no devnet in {}; build it with cargo build --release --bin devnet",
            folder.display()
        ))
    })
}
