//! The devnet as its users run it: real processes, real sockets, a folder.
#![cfg(test)]

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

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// How long anything may take that has no bound of its own. Nothing is fast or slow by this.
const PATIENCE: Duration = Duration::from_secs(120);

/// A devnet that runs. Whatever a test does, nothing of it is left.
struct Devnet {
    child: Child,
    events: BufReader<ChildStdout>,
    folder: PathBuf,
    /// All processes of validators that it has told of.
    pids: Vec<u32>,
}

/// A folder of this name that is not there.
fn fresh(name: &str) -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("devnet-e2e-{name}-{}", std::process::id()));
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    Ok(folder)
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_devnet"));
    command.arg("--data-dir").arg(folder);
    command
}

impl Devnet {
    fn start(folder: &Path, args: &[&str]) -> Result<Self> {
        let mut child = command(folder)
            .args(["--json", "--api-port", "0"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()?;
        let events = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self { child, events, folder: folder.to_owned(), pids: Vec::new() })
    }

    /// The next event of this kind; those before it are passed over.
    fn event(&mut self, kind: &str) -> Result<Value> {
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
    fn tell(&self, args: &[&str]) -> Result<Output> {
        Ok(command(&self.folder).args(args).output()?)
    }

    /// Waits until its validators are as they should be.
    fn until(&self, what: &str, holds: impl Fn(&[Value]) -> bool) -> Result<Value> {
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

    /// Ends it as Ctrl-C does, and sees that nothing is left.
    fn stop(mut self) -> Result {
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

fn pid(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// GETs a path of an API, and returns all of the answer.
fn get(api: &str, path: &str) -> Result<String> {
    let host = api.strip_prefix("http://").unwrap_or(api);
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn height(one: &Value) -> Option<u64> {
    one["seen"]["height"].as_u64()
}

/// Whether it votes, at this height or above.
fn votes(one: &Value, at_least: u64) -> bool {
    one["state"] == "up" && one["seen"]["voting"] == true && height(one) >= Some(at_least)
}

#[test]
fn five_processes_finalise_break_heal_and_leave_nothing() -> Result {
    let folder = fresh("story")?;
    let mut devnet = Devnet::start(&folder, &[])?;
    let started = devnet.event("started")?;
    let api = started["api"].as_str().ok_or("no api")?.to_owned();
    assert_eq!(started["validators"].as_array().map(Vec::len), Some(5));
    let first = devnet.event("first_final")?;
    let first_height = first["height"].as_u64().ok_or("no height")?;
    assert!(first_height >= 1, "{first}");
    devnet.until("agreement", |all| all.iter().all(|one| votes(one, first_height)))?;
    let answer = get(&api, "/api/v1/consensus/status")?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // One folder, one devnet.
    let second = devnet.tell(&["--api-port", "0"])?;
    assert!(!second.status.success());
    assert!(stderr(&second).contains("a devnet runs on it"), "{}", stderr(&second));

    // Break it: the first one, which the API is forwarded to.
    let told = devnet.tell(&["kill", "1"])?;
    assert!(told.status.success(), "{}", stderr(&told));
    let down = devnet.event("validator_down")?;
    assert_eq!((&down["validator"], &down["reason"]), (&1.into(), &"devnet kill".into()));
    let answer = get(&api, "/api/v1/consensus/status")?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let again = devnet.tell(&["kill", "1"])?;
    assert!(stderr(&again).contains("is down already"), "{}", stderr(&again));
    let nobody = devnet.tell(&["pause", "6"])?;
    assert!(stderr(&nobody).contains("there are 1 to 5"), "{}", stderr(&nobody));

    // Heal it: it comes back, and catches up by itself.
    let told = devnet.tell(&["restart", "1"])?;
    assert!(told.status.success(), "{}", stderr(&told));
    devnet.event("validator_up")?;
    devnet.until("the catching up", |all| all.iter().all(|one| votes(one, first_height)))?;

    // A crash is not a kill: it is started again.
    let status = devnet.until("all", |all| all.iter().all(|one| one["pid"].is_u64()))?;
    let victim = status["validators"][2]["pid"].as_u64().ok_or("no pid")?;
    kill_process(pid(u32::try_from(victim)?), Signal::KILL)?;
    let down = devnet.event("validator_down")?;
    assert_eq!(down["again_in_ms"], 500, "{down}");
    let up = devnet.event("validator_up")?;
    assert_eq!(up["validator"], 3);
    devnet.stop()?;

    // Again on the same folder: everybody is where they were, and it goes on.
    let mut devnet = Devnet::start(&folder, &[])?;
    devnet.event("started")?;
    let next = devnet.event("first_final")?;
    assert!(next["height"].as_u64() > Some(first_height), "{next} after {first}");
    // One that is paused ends with the rest.
    let told = devnet.tell(&["pause", "2"])?;
    assert!(told.status.success(), "{}", stderr(&told));
    devnet.stop()?;
    fs::remove_dir_all(&folder)?;
    Ok(())
}

#[test]
fn validators_end_with_a_devnet_that_is_killed_paused_ones_too() -> Result {
    let folder = fresh("orphans")?;
    let mut devnet = Devnet::start(&folder, &["--validators", "2", "--no-payment"])?;
    devnet.event("started")?;
    assert!(devnet.tell(&["pause", "1"])?.status.success());
    let pids: Vec<u32> =
        devnet.pids.iter().copied().filter(|pid| *pid != devnet.child.id()).collect();
    assert_eq!(pids.len(), 2);
    devnet.child.kill()?;
    devnet.child.wait()?;
    let begun = Instant::now();
    while pids.iter().any(|one| test_kill_process(pid(*one)).is_ok() && !is_zombie(*one)) {
        assert!(begun.elapsed() < PATIENCE, "a validator of {pids:?} is left");
        sleep(Duration::from_millis(50));
    }
    // What it left, a socket and a lock, is in nobody's way.
    let status = devnet.tell(&["status"])?;
    assert!(stderr(&status).contains("no devnet runs on"), "{}", stderr(&status));
    let mut again = Devnet::start(&folder, &["--no-payment"])?;
    again.event("started")?;
    again.stop()?;
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Whether a process has ended and only waits for somebody to ask how, as orphans do in a
/// container without anybody for that.
fn is_zombie(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

#[test]
fn in_one_process_nothing_can_be_broken_and_the_reason_is_told() -> Result {
    let folder = fresh("inside")?;
    let args = ["--in-process", "--store", "memory", "--validators", "3"];
    let mut devnet = Devnet::start(&folder, &args)?;
    let started = devnet.event("started")?;
    assert_eq!(started["in_process"], true);
    devnet.event("first_final")?;
    for command in ["kill", "restart", "pause", "resume"] {
        let refused = devnet.tell(&[command, "1"])?;
        assert!(!refused.status.success());
        assert!(stderr(&refused).contains("without --in-process"), "{}", stderr(&refused));
    }
    // Its validators are the process itself.
    devnet.pids.clear();
    devnet.pids.push(u32::MAX >> 2);
    devnet.stop()?;
    fs::remove_dir_all(&folder)?;
    Ok(())
}

#[test]
fn what_is_wrong_is_told_with_the_way_out() -> Result {
    let folder = fresh("wrong")?;
    let nothing = command(&folder).arg("status").output()?;
    assert_eq!(nothing.status.code(), Some(1));
    assert!(stderr(&nothing).starts_with("devnet: no devnet runs on "), "{}", stderr(&nothing));

    let held = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = held.local_addr()?.port().to_string();
    let taken = command(&folder).args(["--api-port", &port]).output()?;
    assert_eq!(taken.status.code(), Some(1));
    let says = stderr(&taken);
    assert!(says.contains(&format!("port {port} (--api-port)")), "{says}");
    // Nothing was made before that was known.
    assert!(!folder.exists());

    fs::create_dir(&folder)?;
    fs::write(folder.join("devnet.json"), "{\"format\":0}")?;
    let old = command(&folder).args(["--api-port", "0"]).output()?;
    assert!(stderr(&old).contains("its format is 0"), "{}", stderr(&old));
    fs::remove_dir_all(&folder)?;
    Ok(())
}
