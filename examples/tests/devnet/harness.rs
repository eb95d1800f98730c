//! A devnet that a test runs, and what it asks of it.

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// How long anything may take that has no bound of its own. Nothing is fast or slow by this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A devnet that runs. Whatever a test does, nothing of it is left.
pub(crate) struct Devnet {
    pub(crate) child: Child,
    events: BufReader<ChildStdout>,
    folder: PathBuf,
    /// All processes of validators that it has told of.
    pub(crate) pids: Vec<u32>,
}

/// A folder of this name that is not there.
pub(crate) fn fresh(name: &str) -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("devnet-e2e-{name}-{}", std::process::id()));
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    Ok(folder)
}

pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_devnet"));
    command.arg("--data-dir").arg(folder);
    command
}

impl Devnet {
    pub(crate) fn start(folder: &Path, args: &[&str]) -> Result<Self> {
        let mut child = command(folder)
            .args(["--json", "--api-port", "0"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()?;
        let events = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self { child, events, folder: folder.to_owned(), pids: Vec::new() })
    }

    /// The next event of this kind; those before it are passed over.
    pub(crate) fn event(&mut self, kind: &str) -> Result<Value> {
        loop {
            let mut line = String::new();
            if self.events.read_line(&mut line)? == 0 {
                return Err(format!("it ended before {kind}").into());
            }
            let event: Value = serde_json::from_str(&line)?;
            let validators = event["validators"].as_array().into_iter().flatten();
            let pids = validators.chain([&event]).filter_map(|one| one["pid"].as_u64());
            for pid in pids {
                self.pids.push(u32::try_from(pid)?);
            }
            if event["event"] == kind {
                return Ok(event);
            }
            if event["event"] == "no_first_payment" {
                return Err(line.into());
            }
        }
    }

    /// Runs a command for it.
    pub(crate) fn tell(&self, args: &[&str]) -> Result<Output> {
        Ok(command(&self.folder).args(args).output()?)
    }

    /// Waits until its validators are as they should be.
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&[Value]) -> bool) -> Result<Value> {
        let begun = Instant::now();
        loop {
            let output = self.tell(&["status", "--json"])?;
            let status: Value = serde_json::from_slice(&output.stdout)?;
            if status["validators"].as_array().is_some_and(|all| holds(all)) {
                return Ok(status);
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{what} does not come: {status}").into());
            }
            sleep(Duration::from_millis(100));
        }
    }

    /// Waits until all five validators agree on so many payments. Returns their APIs.
    pub(crate) fn agreed(&self, payments: u64) -> Result<Vec<String>> {
        let status = self.until("all", |all| all.iter().all(|one| one["api"].is_string()))?;
        let all = status["validators"].as_array().ok_or("no validators")?;
        let apis: Vec<_> = all.iter().filter_map(|one| one["api"].as_str()).collect();
        assert_eq!(apis.len(), 5, "{status}");
        let apis: Vec<_> = apis.into_iter().map(str::to_owned).collect();
        agreed(&apis, payments)?;
        Ok(apis)
    }

    /// Ends it as Ctrl-C does, and sees that nothing is left.
    pub(crate) fn stop(mut self) -> Result {
        kill_process(pid(self.child.id()), Signal::INT)?;
        self.event("stopped")?;
        let mut rest = String::new();
        self.events.read_to_string(&mut rest)?;
        assert_eq!(rest, "");
        assert!(self.child.wait()?.success());
        assert!(!self.pids.is_empty());
        for &left in &self.pids {
            assert!(test_kill_process(pid(left)).is_err(), "process {left} is left");
        }
        assert!(!self.folder.join("control.sock").exists());
        Ok(())
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        // Its validators end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the validators with these APIs have the same last block, whose name is the hash of
/// all that led to it, and the same state, in which so many payments have burned a unit each: none
/// is missing, and none is there twice.
pub(crate) fn agreed(apis: &[String], payments: u64) -> Result {
    let begun = Instant::now();
    loop {
        let mut seen = Vec::new();
        for api in apis {
            let status = json(api, "/api/v1/consensus/status")?;
            let supply = json(api, "/api/v1/chains/payments/vm/supply")?;
            seen.push((status["last_accepted"].clone(), supply));
        }
        let first = seen.first().ok_or("no validators")?;
        // The state is a little behind the blocks.
        let is_there = first.1["root"].is_string() && first.1["height"] == first.0["height"];
        if is_there && seen.iter().all(|one| one == first) {
            assert_eq!(first.1["burned"], payments.to_string(), "{seen:#?}");
            return Ok(());
        }
        assert!(begun.elapsed() < PATIENCE, "they do not agree: {seen:#?}");
        sleep(Duration::from_millis(200));
    }
}

pub(crate) fn pid(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The body of an answer, as JSON.
pub(crate) fn json(api: &str, path: &str) -> Result<Value> {
    let answer = get(api, path)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("an answer without a body")?;
    Ok(serde_json::from_str(body)?)
}

/// GETs a path of an API, and returns all of the answer.
pub(crate) fn get(api: &str, path: &str) -> Result<String> {
    let host = api.strip_prefix("http://").unwrap_or(api);
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

pub(crate) fn height(one: &Value) -> Option<u64> {
    one["seen"]["height"].as_u64()
}

/// Whether it votes, at this height or above.
pub(crate) fn votes(one: &Value, at_least: u64) -> bool {
    one["state"] == "up" && one["seen"]["voting"] == true && height(one) >= Some(at_least)
}
